/* SPDX-License-Identifier: Apache-2.0 */
/* The drain of one port, phase by phase (grpc_impl.h has the drawing). Thread: the port's loop. */
#include "grpc/grpc_impl.h"

#include "base/id.h"
#include "base/log.h"

/* More than a round trip: calls on their way still arrive and are served. */
#define ANNOUNCED_MS 1000
/* For the last statuses to reach clients that read. */
#define ENDED_MS 2000
/* For connections that were cut to be gone, on a busy machine. */
#define CLOSED_MS 2000

#define SLICES_MAX 20

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

/* In how many slices that many things are done. */
static size_t slices_of(const struct grpc_port *port, size_t count)
{
    size_t slices = count < SLICES_MAX ? count : SLICES_MAX;
    return port->grpc->options.drain_spread_ms > 0 && slices > 0 ? slices : 1;
}

/* Until the next slice: a part of the window, half of it up or down. */
static int64_t slice_ms(const struct grpc_port *port)
{
    uint64_t part = (uint64_t)port->grpc->options.drain_spread_ms / SLICES_MAX;
    return (int64_t)(part / 2 + pl_random_below(part + 1));
}

/* The next of so many slices has its share of what is left, rounded up. */
static size_t share(size_t left, size_t slices)
{
    return (left + slices - 1) / slices;
}

static size_t count_open(const struct grpc_port *port)
{
    size_t count = 0;
    PL_LIST_FOREACH (node, &port->links) {
        count += PL_LIST_ENTRY(node, struct grpc_link, node)->phase == GRPC_OPEN;
    }
    return count;
}

static void announce_slice(struct grpc_port *port)
{
    size_t count = share(count_open(port), port->slices--);
    PL_LIST_FOREACH (node, &port->links) {
        struct grpc_link *link = PL_LIST_ENTRY(node, struct grpc_link, node);
        if (count > 0 && link->phase == GRPC_OPEN) {
            grpc_link_announce(link);
            count--;
        }
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

static void begin_end(struct grpc_port *port)
{
    port->phase = GRPC_ENDED;
    port->slices = slices_of(port, call_lane_count(port->lane));
    if (call_lane_count(port->lane) > 0) {
        pl_log_info("GRPC_DRAIN_GRACE_OVER", port->grpc->address, "%zu calls are ended",
                    call_lane_count(port->lane));
    }
}

/* Calls that are over and not gone yet are counted too: the last slice has the rest. */
static void end_slice(struct grpc_port *port)
{
    size_t count = share(call_lane_count(port->lane), port->slices--);
    call_lane_end_some(port->lane, port->slices == 0 ? SIZE_MAX : count, PARLEY_UNAVAILABLE,
                       drain_text);
}

static void close_links(struct grpc_port *port)
{
    struct pl_error cause = PL_ERROR_INIT;
    (void)pl_fail(&cause, PARLEY_UNAVAILABLE, "%s", drain_text);
    PL_LIST_FOREACH (node, &port->links) {
        pl_conn_close(PL_LIST_ENTRY(node, struct grpc_link, node)->conn, &cause);
    }
}

static int64_t announce_some(struct grpc_port *port)
{
    announce_slice(port);
    if (port->link_count == 0) {
        port->slices = 0;
        return 0;
    }
    return port->slices > 0 ? slice_ms(port) : ANNOUNCED_MS;
}

static int64_t end_some(struct grpc_port *port)
{
    end_slice(port);
    return port->slices > 0 ? slice_ms(port) : ENDED_MS;
}

/* Do what is next, and say after how long comes what follows; -1: nothing does. */
static int64_t advance(struct grpc_port *port)
{
    switch (port->phase) {
    case GRPC_OPEN:
        port->phase = GRPC_ANNOUNCED;
        port->slices = slices_of(port, port->link_count);
        return announce_some(port);
    case GRPC_ANNOUNCED:
        if (port->slices > 0) {
            return announce_some(port);
        }
        leave(port);
        return port->grpc->grace_ms;
    case GRPC_LEAVING:
        begin_end(port);
        return end_some(port);
    case GRPC_ENDED:
        if (port->slices > 0) {
            return end_some(port);
        }
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

int64_t grpc_server_drain_max_ms(const struct grpc_server *grpc, int64_t grace_ms)
{
    /* The window comes twice, and a slice may take half as long again. */
    int64_t own_ms = ANNOUNCED_MS + 3 * grpc->options.drain_spread_ms + ENDED_MS + CLOSED_MS;
    if (grace_ms <= 0) {
        return own_ms;
    }
    return grace_ms < INT64_MAX - own_ms ? grace_ms + own_ms : INT64_MAX;
}
