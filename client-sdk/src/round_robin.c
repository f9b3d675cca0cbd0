/* SPDX-License-Identifier: Apache-2.0 */
/* A connection to every address; calls take turns among those that are there.
 *
 * Each address is a peer of its own: it connects at once when its connection is lost, waits with a
 * backoff of its own when an attempt fails, and counts as failed until it has a connection again
 * (gRFC A62). The channel is READY while one peer is, and fails calls only when all have failed.
 * @thread loop */
#include "channel_impl.h"

#include "base/id.h"
#include "base/mem.h"

#include <string.h>

#define RECONNECT_MIN_MS 1000

struct peer {
    struct pl_list node; /* channel.robin.peers */
    parley_channel *channel;
    struct pl_address address;
    struct link *link; /* being opened or ready; NULL: neither */
    bool has_failed;   /* since the last connection */
    struct attempts attempts;
    struct pl_timer retry;
};

static void connect_peer(struct peer *peer);

static void update_state(parley_channel *channel)
{
    parley_channel_state state = PARLEY_CHANNEL_TRANSIENT_FAILURE;
    PL_LIST_FOREACH (node, &channel->robin.peers) {
        const struct peer *peer = PL_LIST_ENTRY(node, struct peer, node);
        if (peer->link != NULL && peer->link->is_ready) {
            state = PARLEY_CHANNEL_READY;
        } else if (!peer->has_failed && state != PARLEY_CHANNEL_READY) {
            state = PARLEY_CHANNEL_CONNECTING;
        }
    }
    channel_set_state(channel, state);
    if (state == PARLEY_CHANNEL_TRANSIENT_FAILURE) {
        channel_fail_waiting(channel, channel->last_error, false);
    }
}

static void on_retry(struct pl_loop *loop, struct pl_timer *timer)
{
    (void)loop;
    connect_peer(PL_CONTAINER_OF(timer, struct peer, retry));
}

static void retry_peer(struct peer *peer, int64_t wait_ms)
{
    peer->retry.fire = on_retry;
    if (pl_timer_start(peer->channel->loop, &peer->retry, wait_ms) != 0) {
        peer->has_failed = true; /* tried again when a call wants a connection */
        channel_remember_no_memory(peer->channel);
    }
}

static void fail_peer(struct peer *peer)
{
    peer->link = NULL;
    peer->has_failed = true;
    retry_peer(peer, attempts_failed(peer->channel, &peer->attempts));
}

static void connect_peer(struct peer *peer)
{
    peer->attempts.started_ms = pl_loop_now_ms(peer->channel->loop);
    peer->link = link_open(peer->channel, &peer->address);
    if (peer->link == NULL) {
        fail_peer(peer);
        update_state(peer->channel);
        return;
    }
    peer->link->peer = peer;
}

/* ---- the list of addresses ---- */

static bool is_address(const struct pl_address *a, const struct pl_address *b)
{
    return a->len == b->len && memcmp(&a->storage, &b->storage, a->len) == 0;
}

static struct peer *find_peer(parley_channel *channel, const struct pl_address *address)
{
    PL_LIST_FOREACH (node, &channel->robin.peers) {
        struct peer *peer = PL_LIST_ENTRY(node, struct peer, node);
        if (is_address(&peer->address, address)) {
            return peer;
        }
    }
    return NULL;
}

static void free_peer(struct peer *peer)
{
    pl_timer_stop(peer->channel->loop, &peer->retry);
    pl_list_remove(&peer->node);
    if (peer->link != NULL) {
        peer->link->peer = NULL;
    }
    pl_free(peer);
}

/* Without memory for one, the others have to do until the next look-up. In front or at the back by
 * chance: not all channels shall begin with the same server. */
static struct peer *add_peer(parley_channel *channel, const struct pl_address *address)
{
    struct peer *peer = pl_calloc(1, sizeof(*peer));
    if (peer == NULL) {
        return NULL;
    }
    peer->channel = channel;
    peer->address = *address;
    if (pl_random_below(2) == 0) {
        pl_list_push(&channel->robin.peers, &peer->node);
    } else {
        pl_list_push_front(&channel->robin.peers, &peer->node);
    }
    return peer;
}

static bool is_listed(const parley_channel *channel, const struct pl_address *address)
{
    for (size_t i = 0; i < channel->address_count; i++) {
        if (is_address(&channel->addresses[i], address)) {
            return true;
        }
    }
    return false;
}

static void on_address_retry(struct pl_loop *loop, struct pl_timer *timer)
{
    parley_channel *channel = PL_CONTAINER_OF(timer, parley_channel, robin.retry);
    channel->robin.attempts.started_ms = pl_loop_now_ms(loop);
    channel_resolve(channel);
}

static void fail(parley_channel *channel)
{
    channel->robin.retry.fire = on_address_retry;
    bool is_timed = pl_timer_start(channel->loop, &channel->robin.retry,
                                   attempts_failed(channel, &channel->robin.attempts)) == 0;
    channel_set_state(channel, PARLEY_CHANNEL_TRANSIENT_FAILURE);
    channel_fail_waiting(channel, channel->last_error, false);
    if (!is_timed) {
        channel_set_state(channel, PARLEY_CHANNEL_IDLE);
    }
}

static void update(parley_channel *channel)
{
    PL_LIST_FOREACH_SAFE (node, following, &channel->robin.peers) {
        struct peer *peer = PL_LIST_ENTRY(node, struct peer, node);
        if (!is_listed(channel, &peer->address)) {
            if (peer->link != NULL) {
                link_dismiss(peer->link);
            }
            free_peer(peer);
        }
    }
    for (size_t i = 0; i < channel->address_count; i++) {
        struct peer *peer = find_peer(channel, &channel->addresses[i]);
        if (peer == NULL) {
            peer = add_peer(channel, &channel->addresses[i]);
            if (peer != NULL) {
                connect_peer(peer);
            }
        }
    }
    if (pl_list_is_empty(&channel->robin.peers)) {
        channel_remember_no_memory(channel);
        fail(channel);
        return;
    }
    channel->robin.attempts.backoff_ms = 0;
    update_state(channel);
}

/* ---- events ---- */

static void want(parley_channel *channel)
{
    if (pl_list_is_empty(&channel->robin.peers)) {
        if (!channel->names.is_resolving && !pl_timer_is_running(&channel->robin.retry)) {
            channel->robin.attempts.started_ms = pl_loop_now_ms(channel->loop);
            if (parley_channel_get_state(channel) == PARLEY_CHANNEL_IDLE) {
                channel_set_state(channel, PARLEY_CHANNEL_CONNECTING);
            }
            channel_resolve(channel);
        }
        return;
    }
    PL_LIST_FOREACH (node, &channel->robin.peers) {
        struct peer *peer = PL_LIST_ENTRY(node, struct peer, node);
        if (peer->link == NULL && !pl_timer_is_running(&peer->retry)) {
            connect_peer(peer);
        }
    }
}

static struct link *pick(parley_channel *channel)
{
    PL_LIST_FOREACH (node, &channel->robin.peers) {
        struct peer *peer = PL_LIST_ENTRY(node, struct peer, node);
        if (peer->link != NULL && link_has_room(peer->link)) {
            pl_list_remove(&peer->node);
            pl_list_push(&channel->robin.peers, &peer->node);
            return peer->link;
        }
    }
    return NULL;
}

static void ready(struct link *link)
{
    link->peer->has_failed = false;
    link->peer->attempts.backoff_ms = 0;
    update_state(link->channel);
    channel_place_waiting(link->channel);
}

/* A server that takes connections only to drop them is not asked more than once a second. */
static void reconnect(struct peer *peer)
{
    uint32_t least = peer->channel->options.backoff_initial_ms;
    int64_t wait = peer->attempts.started_ms + (least == 0 ? RECONNECT_MIN_MS : least) -
                   pl_loop_now_ms(peer->channel->loop);
    peer->link = NULL;
    retry_peer(peer, wait < 0 ? 0 : wait);
}

static void lost(struct link *link, bool was_ready)
{
    parley_channel *channel = link->channel;
    if (was_ready) {
        reconnect(link->peer);
    } else {
        fail_peer(link->peer);
    }
    link->peer = NULL;
    channel_resolve(channel); /* that address may be gone, and others be there */
    update_state(channel);
    channel_place_waiting(channel);
}

static void retire(struct link *link)
{
    struct peer *peer = link->peer;
    link->peer = NULL;
    link_retire(link);
    reconnect(peer);
    channel_resolve(link->channel);
    update_state(link->channel);
    channel_place_waiting(link->channel);
}

static void stop(parley_channel *channel)
{
    pl_timer_stop(channel->loop, &channel->robin.retry);
    while (!pl_list_is_empty(&channel->robin.peers)) {
        free_peer(PL_LIST_ENTRY(channel->robin.peers.next, struct peer, node));
    }
}

const struct balancer_ops round_robin_ops = {
    .want = want,
    .update = update,
    .fail = fail,
    .pick = pick,
    .ready = ready,
    .lost = lost,
    .retire = retire,
    .stop = stop,
};
