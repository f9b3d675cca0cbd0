/* SPDX-License-Identifier: Apache-2.0 */
/* What the calls of one loop share. Thread: its loop. */
#include "call/call_impl.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"

static void check_requests(struct pl_loop *loop, struct pl_timer *timer)
{
    struct call_lane *lane = PL_CONTAINER_OF(timer, struct call_lane, request_check);
    int64_t oldest_ns = pl_clock_monotonic_ns() - CALL_REQUEST_TIMEOUT_MS * (int64_t)1000000;
    while (!pl_list_is_empty(&lane->waiting)) {
        parley_server_call *call =
            PL_LIST_ENTRY(lane->waiting.next, parley_server_call, waiting_node);
        if (call->opened_ns > oldest_ns) {
            break;
        }
        pl_list_remove(&call->waiting_node);
        call_end_text(call, PARLEY_DEADLINE_EXCEEDED, "the request did not arrive in time");
    }
    if (!pl_list_is_empty(&lane->waiting)) {
        /* Without memory the check is started again by the next call. */
        (void)!pl_timer_start(loop, timer, CALL_REQUEST_CHECK_MS);
    }
}

void call_wait_for_request(parley_server_call *call)
{
    struct call_lane *lane = call->lane;
    pl_list_push(&lane->waiting, &call->waiting_node);
    if (!pl_timer_is_running(&lane->request_check)) {
        (void)!pl_timer_start(lane->loop, &lane->request_check, CALL_REQUEST_CHECK_MS);
    }
}

enum parley_code call_lane_open(parley_server *server, struct pl_loop *loop, unsigned index,
                                struct call_lane **lane, struct pl_error *err)
{
    struct call_lane *made = pl_calloc(1, sizeof(*made));
    if (made == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for a lane of calls");
    }
    made->server = server;
    made->loop = loop;
    made->index = index;
    made->request_check.fire = check_requests;
    pl_list_init(&made->calls);
    pl_list_init(&made->waiting);
    pl_arena_init(&made->scratch, made->scratch_block, sizeof(made->scratch_block), 0);
    pl_random_bytes(&made->id_prefix, sizeof(made->id_prefix));
    *lane = made;
    return PARLEY_OK;
}

void call_lane_close(struct call_lane *lane)
{
    if (lane == NULL) {
        return;
    }
    pl_timer_stop(lane->loop, &lane->request_check);
    pl_arena_deinit(&lane->scratch);
    pl_free(lane);
}

size_t call_lane_count(const struct call_lane *lane)
{
    return lane->count;
}

void call_lane_end_some(struct call_lane *lane, size_t max, enum parley_code code,
                        const char *message)
{
    /* Ending a call does not unlink it: that is for its on_close, which comes later. */
    PL_LIST_FOREACH (node, &lane->calls) {
        parley_server_call *call = PL_LIST_ENTRY(node, parley_server_call, node);
        if (max == 0) {
            break;
        }
        max -= call->is_over ? 0 : 1;
        call_end_text(call, code, message);
    }
}

void call_lane_end_all(struct call_lane *lane, enum parley_code code, const char *message)
{
    call_lane_end_some(lane, SIZE_MAX, code, message);
}
