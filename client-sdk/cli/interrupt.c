/* SPDX-License-Identifier: Apache-2.0 */
/* See interrupt.h. The handlers only set a flag and write into a pipe that the poll looks at. */
#include "interrupt.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static int pipe_ends[2] = {-1, -1};
static volatile sig_atomic_t is_wanted;
static volatile sig_atomic_t needs_redraw;

static void wake(void)
{
    int before = errno;
    ssize_t written = write(pipe_ends[1], "", 1); /* full: it is readable anyway */
    (void)written;
    errno = before;
}

static void on_stop(int number)
{
    (void)number;
    is_wanted = 1;
    wake();
}

static void on_redraw(int number)
{
    (void)number;
    needs_redraw = 1;
    wake();
}

/* Without SA_RESTART: a write to a reader that is stuck must end too. */
static int catch (int number, void (*handler)(int number))
{
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_handler = handler;
    (void)sigemptyset(&action.sa_mask);
    return sigaction(number, &action, NULL);
}

bool interrupt_start(void)
{
    if (pipe(pipe_ends) != 0) {
        return false;
    }
    for (int i = 0; i < 2; i++) {
        if (fcntl(pipe_ends[i], F_SETFL, O_NONBLOCK) == -1 ||
            fcntl(pipe_ends[i], F_SETFD, FD_CLOEXEC) == -1) {
            return false;
        }
    }
    return catch (SIGINT, on_stop) == 0 && catch (SIGTERM, on_stop) == 0 &&
           catch (SIGHUP, on_stop) == 0 && catch (SIGWINCH, on_redraw) == 0 &&
           catch (SIGCONT, on_redraw) == 0 && catch (SIGPIPE, SIG_IGN) == 0;
}

int interrupt_fd(void)
{
    return pipe_ends[0];
}

void interrupt_drain(void)
{
    char bytes[64];
    while (read(pipe_ends[0], bytes, sizeof(bytes)) > 0) {
    }
}

bool interrupt_is_wanted(void)
{
    return is_wanted != 0;
}

bool interrupt_take_redraw(void)
{
    bool was_needed = needs_redraw != 0;
    needs_redraw = 0;
    return was_needed;
}
