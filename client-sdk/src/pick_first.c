/* SPDX-License-Identifier: Apache-2.0 */
/* One connection, to the first address that answers, kept as long as it lives.
 *
 *   IDLE --call--> CONNECTING --SETTINGS--> READY --closed, GOAWAY--> IDLE
 *                       |                     ^
 *                no address answers           |
 *                       v                     |
 *               TRANSIENT_FAILURE --SETTINGS--+
 *
 * A pass goes through the addresses, families in turn; while one does not answer, the next is begun
 * beside it after 250 ms (gRFC A61). When all have failed, calls fail until a connection is there,
 * whatever is tried meanwhile (A62), and the next pass begins after the backoff. @thread loop */
#include "channel_impl.h"

#include "base/log.h"

#define STAGGER_MS 250

static void connect_next(parley_channel *channel);

static void begin_pass(parley_channel *channel)
{
    channel->first.is_passing = true;
    channel->first.attempts.started_ms = pl_loop_now_ms(channel->loop);
    if (parley_channel_get_state(channel) != PARLEY_CHANNEL_TRANSIENT_FAILURE) {
        channel_set_state(channel, PARLEY_CHANNEL_CONNECTING);
    }
    channel_resolve(channel);
}

static void on_retry(struct pl_loop *loop, struct pl_timer *timer)
{
    (void)loop;
    begin_pass(PL_CONTAINER_OF(timer, parley_channel, first.retry));
}

/* Every address failed: tell the calls that do not wait, and try again after the backoff. */
static void fail_pass(parley_channel *channel)
{
    channel->first.is_passing = false;
    pl_timer_stop(channel->loop, &channel->first.stagger);
    int64_t wait = attempts_failed(channel, &channel->first.attempts);
    channel->first.retry.fire = on_retry;
    bool is_timed = pl_timer_start(channel->loop, &channel->first.retry, wait) == 0;
    channel_set_state(channel, PARLEY_CHANNEL_TRANSIENT_FAILURE);
    channel_fail_waiting(channel, channel->last_error, false);
    if (!is_timed) {
        channel_set_state(channel, PARLEY_CHANNEL_IDLE); /* the next call begins a pass */
    }
}

static void on_stagger(struct pl_loop *loop, struct pl_timer *timer)
{
    (void)loop;
    connect_next(PL_CONTAINER_OF(timer, parley_channel, first.stagger));
}

/* Without memory for the timer, the next address waits for this one's failure. */
static void start_stagger(parley_channel *channel)
{
    channel->first.stagger.fire = on_stagger;
    if (channel->first.next < channel->address_count &&
        pl_timer_start(channel->loop, &channel->first.stagger, STAGGER_MS) != 0) {
        pl_log_warn("SDK_STAGGER_OFF", channel->target, "no memory for a timer");
    }
}

static void connect_next(parley_channel *channel)
{
    while (channel->first.next < channel->address_count) {
        if (link_open(channel, &channel->addresses[channel->first.next++]) != NULL) {
            channel->first.open_count++;
            start_stagger(channel);
            return;
        }
    }
    if (channel->first.open_count == 0) {
        fail_pass(channel);
    }
}

/* Addresses of the first one's family and of others in turn, each kind in its order (RFC 8305). */
static void interleave(parley_channel *channel)
{
    struct pl_address *addresses = channel->addresses;
    for (size_t i = 1; i < channel->address_count; i++) {
        size_t from = i;
        while (from < channel->address_count &&
               addresses[from].storage.ss_family == addresses[i - 1].storage.ss_family) {
            from++;
        }
        if (from == channel->address_count) {
            return;
        }
        struct pl_address moved = addresses[from];
        for (; from > i; from--) {
            addresses[from] = addresses[from - 1];
        }
        addresses[i] = moved;
    }
}

static void update(parley_channel *channel)
{
    if (channel->first.is_passing) {
        interleave(channel);
        channel->first.next = 0;
        connect_next(channel);
    }
}

static void want(parley_channel *channel)
{
    if (channel->first.current == NULL && !channel->first.is_passing &&
        !pl_timer_is_running(&channel->first.retry)) {
        begin_pass(channel);
    }
}

static struct link *pick(parley_channel *channel)
{
    struct link *current = channel->first.current;
    return current != NULL && link_has_room(current) ? current : NULL;
}

static void ready(struct link *link)
{
    parley_channel *channel = link->channel;
    channel->first.is_passing = false;
    channel->first.open_count = 0;
    channel->first.attempts.backoff_ms = 0;
    channel->first.current = link;
    pl_timer_stop(channel->loop, &channel->first.stagger);
    PL_LIST_FOREACH (node, &channel->links) {
        struct link *other = PL_LIST_ENTRY(node, struct link, node);
        if (!other->is_ready && !other->is_retired) {
            link_retire(other);
        }
    }
    channel_set_state(channel, PARLEY_CHANNEL_READY);
    channel_place_waiting(channel);
}

static void leave(parley_channel *channel)
{
    channel->first.current = NULL;
    channel_set_state(channel, PARLEY_CHANNEL_IDLE);
    channel_place_waiting(channel);
}

static void lost(struct link *link, bool was_ready)
{
    parley_channel *channel = link->channel;
    if (was_ready) {
        leave(channel);
        return;
    }
    channel->first.open_count--;
    connect_next(channel);
}

static void retire(struct link *link)
{
    link_retire(link);
    leave(link->channel);
}

static void stop(parley_channel *channel)
{
    pl_timer_stop(channel->loop, &channel->first.retry);
    pl_timer_stop(channel->loop, &channel->first.stagger);
    channel->first.current = NULL;
}

const struct balancer_ops pick_first_ops = {
    .want = want,
    .update = update,
    .fail = fail_pass,
    .pick = pick,
    .ready = ready,
    .lost = lost,
    .retire = retire,
    .stop = stop,
};
