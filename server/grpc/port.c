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
static void sweep_some(struct grpc_port *port, size_t count, int64_t now_ms)
{
    for (size_t i = 0; i < count; i++) {
        struct grpc_link *link = PL_LIST_ENTRY(port->links.next, struct grpc_link, node);
        pl_list_remove(&link->node);
        pl_list_push(&port->links, &link->node);
        grpc_link_sweep(link, now_ms);
    }
    port->swept += count;
    if (port->swept >= port->link_count) {
        port->swept = 0;
        port->is_full_logged = false;
    }
}

static void sweep(struct pl_loop *loop, struct pl_timer *timer)
{
    struct grpc_port *port = PL_CONTAINER_OF(timer, struct grpc_port, sweep);
    size_t count = port->link_count < SWEEP_LINKS ? port->link_count : SWEEP_LINKS;
    int64_t parts = count > 0 ? (int64_t)((port->link_count + count - 1) / count) : 1;
    sweep_some(port, count, pl_loop_now_ms(loop));
    /* The timer that just fired has left its place in the heap: this cannot lack memory. */
    (void)!pl_timer_start(loop, timer, sweep_interval(&port->grpc->options) / parts);
}

static enum parley_code start(struct grpc_port *port, struct pl_error *err)
{
    struct grpc_server *grpc = port->grpc;
    enum parley_code code = call_lane_open(grpc->server, port->loop, port->index, &port->lane, err);
    if (code != PARLEY_OK) {
        return code;
    }
    code = pl_io_new(port->loop, &port->io, err);
    if (code != PARLEY_OK) {
        return code;
    }
    port->sweep.fire = sweep;
    if (pl_timer_start(port->loop, &port->sweep, sweep_interval(&grpc->options)) != 0) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for a timer");
    }
    return pl_listener_open(port->loop, grpc->address, grpc_on_accept, port, &port->listener, err);
}

void grpc_port_start(struct pl_loop *loop, void *context)
{
    struct grpc_port *port = context;
    port->loop = loop;
    pl_list_init(&port->links);
    port->drain.fire = grpc_port_on_drain_timer;
    port->drain_mail.deliver = grpc_port_on_drain_mail;
    port->tls = port->grpc->options.tls != NULL ? pl_tls_ref(port->grpc->options.tls) : NULL;
    port->is_counted = true;
    port->start_code = start(port, &port->start_error);
}

void grpc_port_close_links(struct pl_loop *loop, void *context)
{
    struct grpc_port *port = context;
    (void)loop;
    pl_listener_close(port->listener);
    port->listener = NULL;
    port->phase = GRPC_ENDED;
    struct pl_error cause = PL_ERROR_INIT;
    (void)pl_fail(&cause, PARLEY_UNAVAILABLE, "server is stopping");
    PL_LIST_FOREACH (node, &port->links) {
        pl_conn_close(PL_LIST_ENTRY(node, struct grpc_link, node)->conn, &cause);
    }
    grpc_port_check_empty(port);
}

void grpc_port_deinit(struct pl_loop *loop, void *context)
{
    struct grpc_port *port = context;
    pl_timer_stop(loop, &port->sweep);
    pl_timer_stop(loop, &port->drain);
    pl_io_free(port->io);
    call_lane_close(port->lane);
    pl_tls_unref(port->tls);
    port->io = NULL;
    port->lane = NULL;
    port->tls = NULL;
}

void grpc_port_take_tls(struct pl_loop *loop, void *context)
{
    struct grpc_port *port = context;
    (void)loop;
    struct pl_tls *old = port->tls;
    port->tls = pl_tls_ref(port->grpc->options.tls);
    pl_tls_unref(old);
}
