/* SPDX-License-Identifier: Apache-2.0 */
/* What the gRPC server has on one loop. Thread: that loop; main calls in by loops_call. */
#include "grpc/grpc_impl.h"

#define SWEEP_MAX_MS 5000
#define SWEEP_MIN_MS 50
/* Links that one turn looks at: packing an idle one takes some microseconds. */
#define SWEEP_LINKS 128

/* Often enough that no limit is overrun by much. */
static int64_t sweep_interval(const struct grpc_server_options *options)
{
    int64_t interval = SWEEP_MAX_MS;
    const int64_t limits[] = {options->keepalive_ms,
                              options->keepalive_timeout_ms,
                              options->idle_ms,
                              options->headers_timeout_ms,
                              options->stall_ms,
                              options->message_timeout_ms,
                              options->settings_timeout_ms};
    for (size_t i = 0; i < PL_COUNT(limits); i++) {
        interval = limits[i] / 4 < interval ? limits[i] / 4 : interval;
    }
    return interval > SWEEP_MIN_MS ? interval : SWEEP_MIN_MS;
}

/* The links are a ring: those at its head have waited longest. */
static void sweep_some(struct grpc_lane *lane, size_t count, int64_t now_ms)
{
    for (size_t i = 0; i < count; i++) {
        struct grpc_link *link = PL_LIST_ENTRY(lane->links.next, struct grpc_link, node);
        pl_list_remove(&link->node);
        pl_list_push(&lane->links, &link->node);
        grpc_link_sweep(link, now_ms);
    }
    lane->swept += count;
    if (lane->swept >= lane->link_count) {
        lane->swept = 0;
        lane->is_full_logged = false;
    }
}

static void sweep(struct pl_loop *loop, struct pl_timer *timer)
{
    struct grpc_lane *lane = PL_CONTAINER_OF(timer, struct grpc_lane, sweep);
    size_t count = lane->link_count < SWEEP_LINKS ? lane->link_count : SWEEP_LINKS;
    int64_t parts = count > 0 ? (int64_t)((lane->link_count + count - 1) / count) : 1;
    sweep_some(lane, count, pl_loop_now_ms(loop));
    /* The timer that just fired has left its place in the heap: this cannot lack memory. */
    (void)!pl_timer_start(loop, timer, sweep_interval(&lane->grpc->options) / parts);
}

static enum parley_code start(struct grpc_lane *lane, struct pl_error *err)
{
    struct grpc_server *grpc = lane->grpc;
    enum parley_code code =
        call_lane_open(grpc->server, lane->loop, lane->index, &lane->calls, err);
    if (code != PARLEY_OK) {
        return code;
    }
    code = pl_io_new(lane->loop, &lane->io, err);
    if (code != PARLEY_OK) {
        return code;
    }
    lane->sweep.fire = sweep;
    if (pl_timer_start(lane->loop, &lane->sweep, sweep_interval(&grpc->options)) != 0) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for a timer");
    }
    return pl_listener_open(lane->loop, grpc->address, grpc_on_accept, lane, &lane->listener, err);
}

void grpc_lane_start(struct pl_loop *loop, void *context)
{
    struct grpc_lane *lane = context;
    lane->loop = loop;
    pl_list_init(&lane->links);
    lane->drain.fire = grpc_lane_on_drain_timer;
    lane->drain_mail.deliver = grpc_lane_on_drain_mail;
    lane->tls = lane->grpc->options.tls != NULL ? pl_tls_ref(lane->grpc->options.tls) : NULL;
    lane->is_counted = true;
    lane->start_code = start(lane, &lane->start_error);
}

void grpc_lane_close_links(struct pl_loop *loop, void *context)
{
    struct grpc_lane *lane = context;
    (void)loop;
    pl_listener_close(lane->listener);
    lane->listener = NULL;
    lane->phase = GRPC_ENDED;
    struct pl_error cause = PL_ERROR_INIT;
    (void)pl_fail(&cause, PARLEY_UNAVAILABLE, "server is stopping");
    PL_LIST_FOREACH (node, &lane->links) {
        pl_conn_close(PL_LIST_ENTRY(node, struct grpc_link, node)->conn, &cause);
    }
    grpc_lane_check_empty(lane);
}

void grpc_lane_deinit(struct pl_loop *loop, void *context)
{
    struct grpc_lane *lane = context;
    pl_timer_stop(loop, &lane->sweep);
    pl_timer_stop(loop, &lane->drain);
    pl_io_free(lane->io);
    call_lane_close(lane->calls);
    pl_tls_unref(lane->tls);
    lane->io = NULL;
    lane->calls = NULL;
    lane->tls = NULL;
}

void grpc_lane_take_tls(struct pl_loop *loop, void *context)
{
    struct grpc_lane *lane = context;
    (void)loop;
    struct pl_tls *old = lane->tls;
    lane->tls = pl_tls_ref(lane->grpc->options.tls);
    pl_tls_unref(old);
}
