/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a loop, its turn, and the hooks at the end of the turn.
 *
 * libuv's iteration is: timers, prepare, poll, closing. Mail and hooks run in prepare, so that all
 * that timers, descriptors and mail of one iteration wrote is flushed once, just before the poll
 * blocks. A hook or a mail that comes up meanwhile is never slept on: either it runs in the same
 * prepare, or the loop wakes itself.
 *
 * Sleeping and posting are Dekker's pair: the loop publishes is_asleep and then looks at the box; a
 * sender fills the box and then looks at is_asleep. One of them sees the other. So a busy loop is
 * never woken by a system call. @thread loop, where not said otherwise. */

#include "loop/loop_impl.h"

#include "base/log.h"
#include "base/mem.h"

#include <string.h>

/* Rounds of mail and hooks in one turn before descriptors get a chance again. */
#define END_ROUNDS_MAX 4

static _Thread_local struct pl_loop *current_loop;

/* ---- the end of the turn ---- */

static void run_hooks(struct pl_loop *loop)
{
    /* Hooks that are asked for from now on go to the next round; one that is cancelled leaves
     * whichever list it is in. */
    struct pl_list round;
    pl_list_init(&round);
    pl_list_splice(&round, &loop->own.hooks);
    for (struct pl_list *node = pl_list_pop(&round); node != NULL; node = pl_list_pop(&round)) {
        struct pl_turn_hook *hook = PL_LIST_ENTRY(node, struct pl_turn_hook, node);
        hook->run(loop, hook);
    }
}

static bool has_more(struct pl_loop *loop)
{
    return atomic_load(&loop->shared.has_mail) || !pl_list_is_empty(&loop->own.hooks);
}

static void end_turn(struct pl_loop *loop)
{
    pl_loop_woke(loop);
    for (int round = 0; round < END_ROUNDS_MAX && has_more(loop); round++) {
        pl_loop_deliver_mail(loop);
        run_hooks(loop);
    }
    pl_timer_arm(loop);
    atomic_store(&loop->shared.is_asleep, true);
    if (has_more(loop)) {
        (void)uv_async_send(&loop->wake);
    }
}

static void on_before_poll(uv_prepare_t *handle)
{
    end_turn(handle->data);
}

static void on_wake(uv_async_t *handle)
{
    struct pl_loop *loop = handle->data;
    pl_loop_woke(loop);
    if (atomic_exchange(&loop->shared.is_stopping, false)) {
        uv_stop(&loop->uv);
    }
}

void pl_loop_at_turn_end(struct pl_loop *loop, struct pl_turn_hook *hook)
{
    if (pl_list_is_linked(&hook->node)) {
        return;
    }
    pl_list_push(&loop->own.hooks, &hook->node);
    pl_loop_touch(loop);
}

void pl_loop_cancel_turn_end(struct pl_turn_hook *hook)
{
    pl_list_remove(&hook->node);
}

/* ---- life ---- */

void pl_loop_touch(struct pl_loop *loop)
{
    if (!loop->own.is_in_turn) {
        uv_update_time(&loop->uv);
        (void)uv_async_send(&loop->wake);
    }
}

static void turn(struct pl_loop *loop, uv_run_mode mode)
{
    struct pl_loop *outer = current_loop;
    current_loop = loop;
    loop->own.is_in_turn = true;
    (void)uv_run(&loop->uv, mode);
    end_turn(loop); /* what the last poll brought: after uv_stop no prepare follows */
    loop->own.is_in_turn = false;
    current_loop = outer;
}

static int open_handles(struct pl_loop *loop)
{
    int failed = uv_async_init(&loop->uv, &loop->wake, on_wake);
    if (failed != 0) {
        return failed;
    }
    /* These two cannot fail: they only touch the loop's own lists. */
    (void)uv_prepare_init(&loop->uv, &loop->before_poll);
    (void)uv_timer_init(&loop->uv, &loop->alarm);
    loop->wake.data = loop;
    loop->before_poll.data = loop;
    loop->alarm.data = loop;
    return uv_prepare_start(&loop->before_poll, on_before_poll);
}

enum parley_code pl_loop_new(struct pl_loop **out, struct pl_error *err)
{
    struct pl_loop *loop = pl_calloc(1, sizeof(*loop));
    if (loop == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for a loop");
    }
    pl_list_init(&loop->own.hooks);
    loop->own.armed_ms = INT64_MAX;
    atomic_init(&loop->shared.has_mail, false);
    atomic_init(&loop->shared.is_asleep, true);
    atomic_init(&loop->shared.is_stopping, false);
    int failed = pthread_mutex_init(&loop->shared.mu, NULL);
    if (failed != 0) {
        failed = -failed;
        goto fail_before_mutex;
    }
    failed = uv_loop_init(&loop->uv);
    if (failed != 0) {
        goto fail_after_mutex;
    }
    failed = open_handles(loop);
    if (failed != 0) {
        goto fail_after_loop;
    }
    /* libuv adds descriptors to epoll when it polls: one poll now, so that the loop's descriptor
     * shows a wake-up even before the first turn. */
    turn(loop, UV_RUN_NOWAIT);
    *out = loop;
    return PARLEY_OK;

fail_after_loop:
    (void)uv_loop_close(&loop->uv);
fail_after_mutex:
    (void)pthread_mutex_destroy(&loop->shared.mu);
fail_before_mutex:
    pl_free(loop);
    return pl_fail_errno(err, PARLEY_RESOURCE_EXHAUSTED, -failed, "cannot open an event loop");
}

void pl_loop_free(struct pl_loop *loop)
{
    if (loop == NULL) {
        return;
    }
    while (loop->own.works > 0) {
        /* Their `done` is promised; wait for the pool. */
        struct pl_loop *outer = current_loop;
        current_loop = loop;
        loop->own.is_in_turn = true;
        (void)uv_run(&loop->uv, UV_RUN_ONCE);
        loop->own.is_in_turn = false;
        current_loop = outer;
    }
    while (has_more(loop)) {
        turn(loop, UV_RUN_NOWAIT);
    }
    uv_close((uv_handle_t *)&loop->wake, NULL);
    uv_close((uv_handle_t *)&loop->before_poll, NULL);
    uv_close((uv_handle_t *)&loop->alarm, NULL);
    /* Nothing is active any more: this runs the close callbacks of what was closed and returns. */
    (void)uv_run(&loop->uv, UV_RUN_NOWAIT);
    if (uv_loop_close(&loop->uv) != 0) {
        /* Freeing now would leave libuv's lists pointing into freed memory: leak instead. */
        pl_log_error("LOOP_LEAKED", NULL, "a loop was freed while descriptors were watched on it");
        return;
    }
    (void)pthread_mutex_destroy(&loop->shared.mu);
    pl_free(loop->own.heap);
    pl_free(loop);
}

void pl_loop_run(struct pl_loop *loop)
{
    turn(loop, UV_RUN_DEFAULT);
}

void pl_loop_stop(struct pl_loop *loop)
{
    atomic_store(&loop->shared.is_stopping, true);
    (void)uv_async_send(&loop->wake);
}

int pl_loop_fd(const struct pl_loop *loop)
{
    return uv_backend_fd(&loop->uv);
}

int pl_loop_wait_ms(const struct pl_loop *loop)
{
    if (!pl_list_is_empty(&loop->own.hooks) || atomic_load(&loop->shared.has_mail) ||
        uv_backend_timeout(&loop->uv) == 0) {
        return 0;
    }
    if (loop->own.heap_len == 0) {
        return -1;
    }
    /* libuv would count from the start of the last turn, which may be long ago. */
    int64_t left_ms = loop->own.heap[0].due_ms - (int64_t)(uv_hrtime() / 1000000U);
    if (left_ms <= 0) {
        return 0;
    }
    return left_ms < INT32_MAX ? (int)left_ms : INT32_MAX;
}

void pl_loop_turn(struct pl_loop *loop)
{
    turn(loop, UV_RUN_NOWAIT);
}

bool pl_loop_is_current(const struct pl_loop *loop)
{
    return current_loop == loop;
}

int64_t pl_loop_now_ms(const struct pl_loop *loop)
{
    return (int64_t)uv_now(&loop->uv);
}
