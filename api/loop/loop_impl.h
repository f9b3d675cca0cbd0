/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_LOOP_LOOP_IMPL_H
#define PARLEY_LOOP_LOOP_IMPL_H

/* What the files of this folder share; nobody else includes it. */

#include "loop/loop.h"

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

/* The due time is repeated here so that sifting reads one array and no timers. */
struct pl_heap_slot {
    int64_t due_ms;
    struct pl_timer *timer;
};

struct pl_loop {
    uv_loop_t uv;
    uv_async_t wake;
    uv_prepare_t before_poll;
    uv_timer_t alarm;

    struct {
        bool is_in_turn;
        bool is_firing; /* timers */
        struct pl_list hooks;
        struct pl_heap_slot *heap;
        size_t heap_len;
        size_t heap_capacity;
        int64_t armed_ms; /* what `alarm` is set to; INT64_MAX: not set */
        size_t works;     /* pool jobs that have not come back */
    } own;

    struct {
        pthread_mutex_t mu;
        struct pl_mail *head; /* @lock mu */
        struct pl_mail *tail; /* @lock mu */
        atomic_bool has_mail; /* written under mu */
        /* The loop is in the poll or outside of a turn: whoever posts must wake it. */
        atomic_bool is_asleep;
        atomic_bool is_stopping;
    } shared;
};

/* Outside of a turn the poll set and the clock are stale: refresh, and make the descriptor of the
 * loop readable so that the application comes back soon. */
void pl_loop_touch(struct pl_loop *loop);

/* Called first in whatever libuv calls: from here to the end of the turn nobody needs to wake us.
 */
static inline void pl_loop_woke(struct pl_loop *loop)
{
    if (atomic_load_explicit(&loop->shared.is_asleep, memory_order_relaxed)) {
        atomic_store_explicit(&loop->shared.is_asleep, false, memory_order_relaxed);
    }
}

/* Deliver what was in the box at the start of the call. */
void pl_loop_deliver_mail(struct pl_loop *loop);

void pl_timer_on_alarm(uv_timer_t *alarm);
/* Set the alarm for the first timer, if that one is earlier than what it is set to. */
void pl_timer_arm(struct pl_loop *loop);

#endif /* PARLEY_LOOP_LOOP_IMPL_H */
