/* SPDX-License-Identifier: Apache-2.0 */
/* The drain of one lane, phase by phase (grpc_impl.h has the drawing). Thread: the lane's loop. */
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

void grpc_lane_check_empty(struct grpc_lane *lane)
{
    if (!lane->is_counted || lane->phase < GRPC_LEAVING || lane->link_count > 0) {
        return;
    }
    struct grpc_server *grpc = lane->grpc;
    lane->is_counted = false;
    pl_timer_stop(lane->loop, &lane->drain);
    pthread_mutex_lock(&grpc->shared.mu);
    grpc->shared.lanes_open--;
    pthread_cond_broadcast(&grpc->shared.emptied);
    pthread_mutex_unlock(&grpc->shared.mu);
}

/* In how many slices that many things are done. */
static size_t slices_of(const struct grpc_lane *lane, size_t count)
{
    size_t slices = count < SLICES_MAX ? count : SLICES_MAX;
    return lane->grpc->options.drain_spread_ms > 0 && slices > 0 ? slices : 1;
}

/* Until the next slice: a part of the window, half of it up or down. */
static int64_t slice_ms(const struct grpc_lane *lane)
{
    uint64_t part = (uint64_t)lane->grpc->options.drain_spread_ms / SLICES_MAX;
    return (int64_t)(part / 2 + pl_random_below(part + 1));
}

/* The next of so many slices has its share of what is left, rounded up. */
static size_t share(size_t left, size_t slices)
{
    return (left + slices - 1) / slices;
}

static size_t count_open(const struct grpc_lane *lane)
{
    size_t count = 0;
    PL_LIST_FOREACH (node, &lane->links) {
        count += PL_LIST_ENTRY(node, struct grpc_link, node)->phase == GRPC_OPEN;
    }
    return count;
}

static void announce_slice(struct grpc_lane *lane)
{
    size_t count = share(count_open(lane), lane->slices--);
    PL_LIST_FOREACH (node, &lane->links) {
        struct grpc_link *link = PL_LIST_ENTRY(node, struct grpc_link, node);
        if (count > 0 && link->phase == GRPC_OPEN) {
            grpc_link_announce(link);
            count--;
        }
    }
}

static void leave(struct grpc_lane *lane)
{
    lane->phase = GRPC_LEAVING;
    pl_listener_close(lane->listener);
    lane->listener = NULL;
    PL_LIST_FOREACH (node, &lane->links) {
        grpc_link_leave(PL_LIST_ENTRY(node, struct grpc_link, node), drain_text);
    }
    grpc_lane_check_empty(lane);
}

static void begin_end(struct grpc_lane *lane)
{
    lane->phase = GRPC_ENDED;
    lane->slices = slices_of(lane, call_lane_count(lane->calls));
    if (call_lane_count(lane->calls) > 0) {
        pl_log_info("GRPC_DRAIN_GRACE_OVER", lane->grpc->address, "%zu calls are ended",
                    call_lane_count(lane->calls));
    }
}

/* Calls that are over and not gone yet are counted too: the last slice has the rest. */
static void end_slice(struct grpc_lane *lane)
{
    size_t count = share(call_lane_count(lane->calls), lane->slices--);
    call_lane_end_some(lane->calls, lane->slices == 0 ? SIZE_MAX : count, PARLEY_UNAVAILABLE,
                       drain_text);
}

static void close_links(struct grpc_lane *lane)
{
    struct pl_error cause = PL_ERROR_INIT;
    (void)pl_fail(&cause, PARLEY_UNAVAILABLE, "%s", drain_text);
    PL_LIST_FOREACH (node, &lane->links) {
        pl_conn_close(PL_LIST_ENTRY(node, struct grpc_link, node)->conn, &cause);
    }
}

static int64_t announce_some(struct grpc_lane *lane)
{
    announce_slice(lane);
    if (lane->link_count == 0) {
        lane->slices = 0;
        return 0;
    }
    return lane->slices > 0 ? slice_ms(lane) : ANNOUNCED_MS;
}

static int64_t end_some(struct grpc_lane *lane)
{
    end_slice(lane);
    return lane->slices > 0 ? slice_ms(lane) : ENDED_MS;
}

/* Do what is next, and say after how long comes what follows; -1: nothing does. */
static int64_t advance(struct grpc_lane *lane)
{
    switch (lane->phase) {
    case GRPC_OPEN:
        lane->phase = GRPC_ANNOUNCED;
        lane->slices = slices_of(lane, lane->link_count);
        return announce_some(lane);
    case GRPC_ANNOUNCED:
        if (lane->slices > 0) {
            return announce_some(lane);
        }
        leave(lane);
        return lane->grpc->grace_ms;
    case GRPC_LEAVING:
        begin_end(lane);
        return end_some(lane);
    case GRPC_ENDED:
        if (lane->slices > 0) {
            return end_some(lane);
        }
        break;
    }
    close_links(lane);
    return -1;
}

static void advance_until_wait(struct grpc_lane *lane)
{
    int64_t delay_ms = advance(lane);
    /* Without memory for a timer the drain goes on at once: rude, but it ends. */
    while (lane->is_counted && delay_ms >= 0 &&
           pl_timer_start(lane->loop, &lane->drain, delay_ms) != 0) {
        delay_ms = advance(lane);
    }
}

void grpc_lane_on_drain_timer(struct pl_loop *loop, struct pl_timer *timer)
{
    (void)loop;
    advance_until_wait(PL_CONTAINER_OF(timer, struct grpc_lane, drain));
}

void grpc_lane_on_drain_mail(struct pl_loop *loop, struct pl_mail *mail)
{
    (void)loop;
    struct grpc_lane *lane = PL_CONTAINER_OF(mail, struct grpc_lane, drain_mail);
    if (lane->phase == GRPC_OPEN) {
        advance_until_wait(lane);
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
