/* SPDX-License-Identifier: Apache-2.0 */
/* The server's loop threads: made at start, joined at the end. Signals are blocked on them, since
 * the process takes its signals on a descriptor (signals.c). */
#include "core/loops.h"

#include "base/log.h"
#include "base/mem.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

struct loop_thread {
    struct pl_loop *loop;
    pthread_t thread;
    const char *name; /* of all threads; static */
    unsigned index;
    bool is_running;
};

struct loops {
    unsigned count;
    struct loop_thread threads[];
};

enum parley_code loops_new(unsigned count, struct loops **loops, struct pl_error *err)
{
    if (count == 0) {
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        count = cores > 0 ? (unsigned)cores : 1;
    }
    struct loops *made = pl_calloc(1, sizeof(*made) + count * sizeof(made->threads[0]));
    if (made == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for %u loops", count);
    }
    made->count = count;
    for (unsigned i = 0; i < count; i++) {
        made->threads[i].index = i;
        made->threads[i].name = "loop";
        enum parley_code code = pl_loop_new(&made->threads[i].loop, err);
        if (code != PARLEY_OK) {
            loops_free(made);
            return code;
        }
    }
    *loops = made;
    return PARLEY_OK;
}

void loops_set_name(struct loops *loops, const char *name)
{
    for (unsigned i = 0; i < loops->count; i++) {
        loops->threads[i].name = name;
    }
}

unsigned loops_count(const struct loops *loops)
{
    return loops->count;
}

struct pl_loop *loops_get(const struct loops *loops, unsigned index)
{
    return loops->threads[index].loop;
}

static void *run_thread(void *context)
{
    struct loop_thread *self = context;
    char name[16]; /* the kernel's limit, with its NUL */
    (void)snprintf(name, sizeof(name), "%s %u", self->name, self->index % 1000U);
    (void)prctl(PR_SET_NAME, name);
    pl_loop_run(self->loop);
    return NULL;
}

static int start_thread(struct loop_thread *thread)
{
    /* A new thread inherits the mask of the one that makes it. */
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&thread->thread, NULL, run_thread, thread);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    thread->is_running = failed == 0;
    return failed;
}

enum parley_code loops_start(struct loops *loops, struct pl_error *err)
{
    for (unsigned i = 0; i < loops->count; i++) {
        int failed = start_thread(&loops->threads[i]);
        if (failed != 0) {
            loops_stop(loops);
            return pl_fail_errno(err, PARLEY_RESOURCE_EXHAUSTED, failed,
                                 "cannot start the thread of loop %u", i);
        }
    }
    return PARLEY_OK;
}

struct call_mail {
    struct pl_mail mail;
    void (*run)(struct pl_loop *loop, void *context);
    void *context;
    pthread_mutex_t mu;
    pthread_cond_t returned;
    bool has_returned;
};

static void deliver_call(struct pl_loop *loop, struct pl_mail *mail)
{
    struct call_mail *call = PL_CONTAINER_OF(mail, struct call_mail, mail);
    call->run(loop, call->context);
    /* The caller's stack holds the mail: it may be gone as soon as the lock is. */
    (void)pthread_mutex_lock(&call->mu);
    call->has_returned = true;
    (void)pthread_cond_signal(&call->returned);
    (void)pthread_mutex_unlock(&call->mu);
}

void loops_call(struct loops *loops, unsigned index,
                void (*run)(struct pl_loop *loop, void *context), void *context)
{
    struct call_mail call = {
        .mail = {.deliver = deliver_call},
        .run = run,
        .context = context,
        .mu = PTHREAD_MUTEX_INITIALIZER,
        .returned = PTHREAD_COND_INITIALIZER,
    };
    pl_loop_post(loops->threads[index].loop, &call.mail);
    (void)pthread_mutex_lock(&call.mu);
    while (!call.has_returned) {
        (void)pthread_cond_wait(&call.returned, &call.mu);
    }
    (void)pthread_mutex_unlock(&call.mu);
    (void)pthread_cond_destroy(&call.returned);
    (void)pthread_mutex_destroy(&call.mu);
}

void loops_stop(struct loops *loops)
{
    /* Ask all before waiting for one: they end side by side. */
    for (unsigned i = 0; i < loops->count; i++) {
        if (loops->threads[i].is_running) {
            pl_loop_stop(loops->threads[i].loop);
        }
    }
    for (unsigned i = 0; i < loops->count; i++) {
        struct loop_thread *thread = &loops->threads[i];
        if (thread->is_running) {
            (void)pthread_join(thread->thread, NULL);
            thread->is_running = false;
        }
    }
}

void loops_free(struct loops *loops)
{
    if (loops == NULL) {
        return;
    }
    loops_stop(loops);
    for (unsigned i = 0; i < loops->count; i++) {
        pl_loop_free(loops->threads[i].loop);
    }
    pl_free(loops);
}
