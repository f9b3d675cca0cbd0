/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_LOOP_LOOP_H
#define PARLEY_LOOP_LOOP_H

/* One event loop and what belongs to its thread: mailbox, timers, file descriptors, the end of the
 * turn. The only module that knows libuv; the server, the SDK and the transport stand on it.
 *
 * A turn: timers, descriptors, mail, then the hooks that asked for the end of the turn (that is
 * where connections flush what the whole turn wrote). Nothing that runs on a loop may block. All
 * functions are @thread loop, unless they say any. */

#include "base/attr.h"
#include "base/error.h"
#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

struct pl_loop; /* opaque */

/* @return PARLEY_OK with *loop owned (pl_loop_free). @thread any */
PL_MUST_CHECK enum parley_code pl_loop_new(struct pl_loop **loop, struct pl_error *err);
/* Everything on it must be closed; runs what is left of close callbacks. NULL is fine. */
void pl_loop_free(struct pl_loop *loop);

/* Run turns until pl_loop_stop; the calling thread is the loop's thread meanwhile. */
void pl_loop_run(struct pl_loop *loop);
void pl_loop_stop(struct pl_loop *loop); /* @thread any */

/* For an application that drives the loop itself: a descriptor that polls readable when there is
 * work, how long it may sleep (-1: no limit), and one turn that does not block. */
int pl_loop_fd(const struct pl_loop *loop);
int pl_loop_wait_ms(const struct pl_loop *loop);
void pl_loop_turn(struct pl_loop *loop);

bool pl_loop_is_current(const struct pl_loop *loop); /* am I on its thread? @thread any */
/* Monotonic time at the start of the turn. */
int64_t pl_loop_now_ms(const struct pl_loop *loop);

/* ---- mail: how other threads reach a loop ---- */

/* Embedded in the message; the loop keeps it until `deliver`, which runs on the loop and owns it
 * then. */
struct pl_mail {
    struct pl_mail *next; /* private */
    void (*deliver)(struct pl_loop *loop, struct pl_mail *mail);
};

/* Mail of one sender arrives in order. Wakes the loop only if its box was empty. Posting from the
 * loop's own thread is fine: it is delivered later in this turn or in the next. @thread any */
void pl_loop_post(struct pl_loop *loop, struct pl_mail *mail);

/* ---- timers: intrusive, in a heap over one libuv timer; starting and stopping allocate nothing
 * new in the steady state ---- */

struct pl_timer {
    void (*fire)(struct pl_loop *loop, struct pl_timer *timer);
    int64_t due_ms; /* private */
    size_t slot;    /* private: position in the heap + 1; 0: not running */
};

/* (Re)start. Fires once, never inside this call. Returns 0, or -1: no memory (not started). */
PL_MUST_CHECK int pl_timer_start(struct pl_loop *loop, struct pl_timer *timer, int64_t delay_ms);
void pl_timer_stop(struct pl_loop *loop, struct pl_timer *timer); /* not running: no effect */
static inline bool pl_timer_is_running(const struct pl_timer *timer)
{
    return timer->slot != 0;
}

/* ---- end of the turn ---- */

struct pl_turn_hook {
    struct pl_list node; /* private; zero-initialise */
    void (*run)(struct pl_loop *loop, struct pl_turn_hook *hook);
};

/* Run once at the end of this turn; already asked for: no effect. */
void pl_loop_at_turn_end(struct pl_loop *loop, struct pl_turn_hook *hook);
void pl_loop_cancel_turn_end(struct pl_turn_hook *hook);

/* ---- file descriptors ---- */

enum {
    PL_READABLE = 1,
    PL_WRITABLE = 2
};

struct pl_watch; /* opaque */
typedef void (*pl_watch_fn)(void *owner, int events);

/* Watch a non-blocking descriptor (level-triggered). @param fd  keeps; the caller closes it, after
 * pl_watch_close. @return NULL: no memory or a descriptor that cannot be watched. */
struct pl_watch *pl_watch_open(struct pl_loop *loop, int fd, pl_watch_fn on_ready, void *owner);
void pl_watch_set(struct pl_watch *watch, int events); /* 0: nothing; setting the same is free */
/* No event comes after this call; the memory goes by itself later. NULL is fine. */
void pl_watch_close(struct pl_watch *watch);

/* ---- work that blocks (DNS, files), on a pool thread ---- */

struct pl_work {
    void (*run)(struct pl_work *work);                        /* @thread pool; may block */
    void (*done)(struct pl_loop *loop, struct pl_work *work); /* @thread loop; exactly once */
    void *handle;                                             /* private */
};

/* Returns 0, or -1: no memory, and neither callback comes. The work cannot be cancelled. */
PL_MUST_CHECK int pl_loop_work(struct pl_loop *loop, struct pl_work *work);

#endif /* PARLEY_LOOP_LOOP_H */
