/* SPDX-License-Identifier: Apache-2.0 */
/* Signals read from a signalfd on a loop; see signals.h. */
#include "core/signals.h"

#include "base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct signals {
    struct pl_watch *watch;
    signals_fn on_signal;
    void *context;
    int fd;
};

static void fill(sigset_t *set)
{
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGTERM);
    (void)sigaddset(set, SIGINT);
    (void)sigaddset(set, SIGHUP);
}

void signals_block(void)
{
    sigset_t set;
    fill(&set);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGPIPE, &ignore, NULL);
}

static void on_readable(void *owner, int events)
{
    struct signals *signals = owner;
    struct signalfd_siginfo info;
    (void)events;
    /* One at a time: the callback may close us; level-triggered, so the next one is not lost. */
    if (read(signals->fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        signals->on_signal(signals->context, (int)info.ssi_signo);
    }
}

enum parley_code signals_open(struct pl_loop *loop, signals_fn on_signal, void *context,
                              struct signals **out, struct pl_error *err)
{
    struct signals *signals = pl_calloc(1, sizeof(*signals));
    if (signals == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for signals");
    }
    sigset_t set;
    fill(&set);
    signals->on_signal = on_signal;
    signals->context = context;
    signals->fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (signals->fd < 0) {
        int failed = errno;
        pl_free(signals);
        return pl_fail_errno(err, PARLEY_RESOURCE_EXHAUSTED, failed, "cannot open a signalfd");
    }
    signals->watch = pl_watch_open(loop, signals->fd, on_readable, signals);
    if (signals->watch == NULL) {
        (void)close(signals->fd);
        pl_free(signals);
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "cannot watch a signalfd");
    }
    pl_watch_set(signals->watch, PL_READABLE);
    *out = signals;
    return PARLEY_OK;
}

void signals_close(struct signals *signals)
{
    if (signals == NULL) {
        return;
    }
    pl_watch_close(signals->watch);
    (void)close(signals->fd);
    pl_free(signals);
}
