/* SPDX-License-Identifier: Apache-2.0 */
/* Timers: a four-way heap of the running ones over one libuv timer (the alarm).
 *
 * The alarm is set at most once a turn and only moved forward: a timer that was stopped or pushed
 * back leaves it early, it then fires for nothing once and is set anew. So a deadline that is
 * started and stopped with every call costs two heap operations and no more. @thread loop */

#include "loop/loop_impl.h"

#include "base/mem.h"

#define ARITY 4

static void put(struct pl_heap_slot *heap, size_t at, struct pl_heap_slot item)
{
    heap[at] = item;
    item.timer->slot = at + 1;
}

static void sift_up(struct pl_heap_slot *heap, size_t at, struct pl_heap_slot item)
{
    while (at > 0) {
        size_t parent = (at - 1) / ARITY;
        if (heap[parent].due_ms <= item.due_ms) {
            break;
        }
        put(heap, at, heap[parent]);
        at = parent;
    }
    put(heap, at, item);
}

static void sift_down(struct pl_heap_slot *heap, size_t len, size_t at, struct pl_heap_slot item)
{
    for (;;) {
        size_t child = at * ARITY + 1;
        if (child >= len) {
            break;
        }
        size_t end = child + ARITY < len ? child + ARITY : len;
        size_t least = child;
        for (size_t i = child + 1; i < end; i++) {
            if (heap[i].due_ms < heap[least].due_ms) {
                least = i;
            }
        }
        if (item.due_ms <= heap[least].due_ms) {
            break;
        }
        put(heap, at, heap[least]);
        at = least;
    }
    put(heap, at, item);
}

/* Put an item where a hole is. */
static void settle(struct pl_loop *loop, size_t hole, struct pl_heap_slot item)
{
    struct pl_heap_slot *heap = loop->own.heap;
    if (hole > 0 && heap[(hole - 1) / ARITY].due_ms > item.due_ms) {
        sift_up(heap, hole, item);
    } else {
        sift_down(heap, loop->own.heap_len, hole, item);
    }
}

static int grow(struct pl_loop *loop)
{
    size_t capacity = loop->own.heap_capacity == 0 ? 64 : loop->own.heap_capacity * 2;
    struct pl_heap_slot *heap = pl_realloc(loop->own.heap, capacity * sizeof(*heap));
    if (heap == NULL) {
        return -1;
    }
    loop->own.heap = heap;
    loop->own.heap_capacity = capacity;
    return 0;
}

int pl_timer_start(struct pl_loop *loop, struct pl_timer *timer, int64_t delay_ms)
{
    pl_loop_touch(loop);
    int64_t now_ms = pl_loop_now_ms(loop);
    int64_t delay = delay_ms > 0 ? delay_ms : 0;
    if (delay == 0 && loop->own.is_firing) {
        delay = 1; /* a timer that restarts itself at once must not hold up the turn */
    }
    int64_t due_ms = delay < INT64_MAX - now_ms ? now_ms + delay : INT64_MAX;
    size_t hole;
    if (timer->slot != 0) {
        hole = timer->slot - 1;
    } else {
        if (loop->own.heap_len == loop->own.heap_capacity && grow(loop) != 0) {
            return -1;
        }
        hole = loop->own.heap_len;
        loop->own.heap_len++;
    }
    timer->due_ms = due_ms;
    settle(loop, hole, (struct pl_heap_slot){.due_ms = due_ms, .timer = timer});
    return 0;
}

void pl_timer_stop(struct pl_loop *loop, struct pl_timer *timer)
{
    if (timer->slot == 0) {
        return;
    }
    size_t hole = timer->slot - 1;
    timer->slot = 0;
    loop->own.heap_len--;
    if (hole < loop->own.heap_len) {
        settle(loop, hole, loop->own.heap[loop->own.heap_len]);
    }
}

void pl_timer_arm(struct pl_loop *loop)
{
    if (loop->own.heap_len == 0) {
        return;
    }
    int64_t due_ms = loop->own.heap[0].due_ms;
    if (due_ms >= loop->own.armed_ms) {
        return;
    }
    int64_t now_ms = pl_loop_now_ms(loop);
    loop->own.armed_ms = due_ms;
    /* Fails only without a callback or while closing. */
    (void)uv_timer_start(&loop->alarm, pl_timer_on_alarm,
                         due_ms > now_ms ? (uint64_t)(due_ms - now_ms) : 0, 0);
}

void pl_timer_on_alarm(uv_timer_t *alarm)
{
    struct pl_loop *loop = alarm->data;
    pl_loop_woke(loop);
    loop->own.armed_ms = INT64_MAX; /* the end of the turn sets it again */
    int64_t now_ms = pl_loop_now_ms(loop);
    loop->own.is_firing = true;
    while (loop->own.heap_len > 0 && loop->own.heap[0].due_ms <= now_ms) {
        struct pl_timer *timer = loop->own.heap[0].timer;
        pl_timer_stop(loop, timer);
        timer->fire(loop, timer);
    }
    loop->own.is_firing = false;
}
