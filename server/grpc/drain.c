/* SPDX-License-Identifier: Apache-2.0 */
/* The drain of one port, phase by phase (grpc_impl.h has the drawing). Thread: the port's loop. */
#include "grpc/grpc_impl.h"

#include "base/log.h"

#define ANNOUNCED_MS                                                                               \
    1000              /* more than a round trip: calls on their way still arrive and are served */
#define ENDED_MS 2000 /* for the last statuses to reach clients that read */

static const char drain_text[] = "server is draining";

void grpc_port_check_empty(struct grpc_port *port)
{
    if (!port->is_counted || port->phase < GRPC_LEAVING || port->link_count > 0) {
        return;
    }
    struct grpc_server *grpc = port->grpc;
    port->is_counted = false;
    pl_timer_stop(port->loop, &port->drain);
    pthread_mutex_lock(&grpc->shared.mu);
    grpc->shared.ports_open--;
    pthread_cond_broadcast(&grpc->shared.emptied);
    pthread_mutex_unlock(&grpc->shared.mu);
}

static void announce(struct grpc_port *port)
{
    port->phase = GRPC_ANNOUNCED;
    PL_LIST_FOREACH (node, &port->links) {
        grpc_link_announce(PL_LIST_ENTRY(node, struct grpc_link, node));
    }
}

static void leave(struct grpc_port *port)
{
    port->phase = GRPC_LEAVING;
    pl_listener_close(port->listener);
    port->listener = NULL;
    PL_LIST_FOREACH (node, &port->links) {
        grpc_link_leave(PL_LIST_ENTRY(node, struct grpc_link, node), drain_text);
    }
    grpc_port_check_empty(port);
}

static void end_calls(struct grpc_port *port)
{
    port->phase = GRPC_ENDED;
    if (call_lane_count(port->lane) > 0) {
        pl_log_info("GRPC_DRAIN_GRACE_OVER", port->grpc->address, "%zu calls are ended",
                    call_lane_count(port->lane));
    }
    call_lane_end_all(port->lane, PARLEY_UNAVAILABLE, drain_text);
}

static void close_links(struct grpc_port *port)
{
    struct pl_error cause = PL_ERROR_INIT;
    (void)pl_fail(&cause, PARLEY_UNAVAILABLE, "%s", drain_text);
    PL_LIST_FOREACH (node, &port->links) {
        pl_conn_close(PL_LIST_ENTRY(node, struct grpc_link, node)->conn, &cause);
    }
}

/* Do what is next, and say after how long comes what follows; -1: nothing does. */
static int64_t advance(struct grpc_port *port)
{
    switch (port->phase) {
    case GRPC_OPEN:
        announce(port);
        return port->link_count > 0 ? ANNOUNCED_MS : 0;
    case GRPC_ANNOUNCED:
        leave(port);
        return port->grpc->grace_ms;
    case GRPC_LEAVING:
        end_calls(port);
        return ENDED_MS;
    case GRPC_ENDED:
        break;
    }
    close_links(port);
    return -1;
}

static void advance_until_wait(struct grpc_port *port)
{
    int64_t delay_ms = advance(port);
    /* Without memory for a timer the drain goes on at once: rude, but it ends. */
    while (port->is_counted && delay_ms >= 0 &&
           pl_timer_start(port->loop, &port->drain, delay_ms) != 0) {
        delay_ms = advance(port);
    }
}

void grpc_port_on_drain_timer(struct pl_loop *loop, struct pl_timer *timer)
{
    (void)loop;
    advance_until_wait(PL_CONTAINER_OF(timer, struct grpc_port, drain));
}

void grpc_port_on_drain_mail(struct pl_loop *loop, struct pl_mail *mail)
{
    (void)loop;
    struct grpc_port *port = PL_CONTAINER_OF(mail, struct grpc_port, drain_mail);
    if (port->phase == GRPC_OPEN) {
        advance_until_wait(port);
    }
}
