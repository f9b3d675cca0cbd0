/* SPDX-License-Identifier: Apache-2.0 */
/* One connection of a channel: opening it, asking whether it lives, its end. Which connections a
 * channel has is the business of pick_first.c and round_robin.c. @thread loop */
#include "channel_impl.h"

#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"

#define BACKOFF_INITIAL_MS   1000
#define BACKOFF_MAX_MS       120000
#define BACKOFF_JITTER       0.2
#define CONNECT_TIMEOUT_MS   20000
#define KEEPALIVE_TIMEOUT_MS 20000
#define H2_NO_ERROR          0

int64_t sdk_keepalive_min_ms = 10000;

int64_t attempts_failed(parley_channel *channel, struct attempts *attempts)
{
    uint32_t initial = channel->options.backoff_initial_ms;
    uint32_t highest = channel->options.backoff_max_ms;
    initial = initial == 0 ? BACKOFF_INITIAL_MS : initial;
    highest = highest == 0 ? BACKOFF_MAX_MS : highest;
    uint64_t backoff = attempts->backoff_ms == 0 ? initial : (uint64_t)attempts->backoff_ms * 8 / 5;
    attempts->backoff_ms = (uint32_t)(backoff > highest ? highest : backoff);
    double jitter = 1 - BACKOFF_JITTER + 2 * BACKOFF_JITTER * (double)pl_random_below(1001) / 1000;
    int64_t wait = (int64_t)(attempts->backoff_ms * jitter) -
                   (pl_loop_now_ms(channel->loop) - attempts->started_ms);
    return wait < 0 ? 0 : wait;
}

static void on_link_close(void *owner, struct pl_conn *conn, const struct pl_error *cause)
{
    struct link *link = owner;
    parley_channel *channel = link->channel;
    (void)conn;
    pl_timer_stop(channel->loop, &link->keepalive);
    pl_list_remove(&link->node);
    if (!link->is_retired && !channel->is_closing) {
        channel_remember_error(channel, cause);
        channel->balancer->lost(link, link->is_ready);
    }
    pl_free(link);
}

/* ---- keepalive ---- */

/* Without memory for a timer the connection goes on without keepalive. */
static void start_keepalive(struct link *link, int64_t wait_ms)
{
    if (pl_timer_start(link->channel->loop, &link->keepalive, wait_ms) != 0) {
        pl_log_warn("SDK_KEEPALIVE_OFF", link->channel->target, "no memory for a timer");
    }
}

static void on_keepalive(struct pl_loop *loop, struct pl_timer *timer)
{
    struct link *link = PL_CONTAINER_OF(timer, struct link, keepalive);
    parley_channel *channel = link->channel;
    struct pl_session *session = pl_conn_session(link->conn);
    uint64_t received = pl_session_received_bytes(session);
    int64_t wait = channel->keepalive_ms;
    bool may_ask = channel->options.keepalive_without_calls || pl_session_stream_count(session) > 0;
    if (received != link->received_bytes) {
        link->is_probing = false;
    } else if (link->is_probing) {
        struct pl_error err = PL_ERROR_INIT;
        (void)pl_fail(&err, PARLEY_UNAVAILABLE, "keepalive: no answer to a PING");
        pl_conn_close(link->conn, &err);
        return;
    } else if (may_ask && pl_session_ping(session) == 0) {
        link->is_probing = true;
        wait = channel->options.keepalive_timeout_ms > 0 ? channel->options.keepalive_timeout_ms
                                                         : KEEPALIVE_TIMEOUT_MS;
    }
    link->received_bytes = received;
    start_keepalive(link, wait);
    (void)loop;
}

static void on_link_open(void *owner, struct pl_conn *conn)
{
    struct link *link = owner;
    (void)conn;
    if (link->channel->keepalive_ms > 0) {
        link->keepalive.fire = on_keepalive;
        start_keepalive(link, link->channel->keepalive_ms);
    }
}

static const struct pl_conn_events link_events = {
    .on_open = on_link_open,
    .on_close = on_link_close,
};

struct link *link_open(parley_channel *channel, const struct pl_address *address)
{
    struct pl_error err = PL_ERROR_INIT;
    struct link *link = pl_calloc(1, sizeof(*link));
    if (link == NULL) {
        channel_remember_no_memory(channel);
        return NULL;
    }
    link->channel = channel;
    size_t message_max = channel->options.max_message_bytes;
    struct pl_conn_options options = {
        .session =
            {
                .is_server = false,
                .limits = {.message_bytes_max =
                               message_max > UINT32_MAX ? UINT32_MAX : (uint32_t)message_max},
                .events = &sdk_call_session_events,
                .owner = link,
                .scheme = channel->tls == NULL ? "http" : "https",
                .authority = channel->authority,
                .user_agent = channel->user_agent,
            },
        .events = &link_events,
        .owner = link,
        .tls = channel->tls,
        .open_timeout_ms = channel->options.connect_timeout_ms > 0
                               ? channel->options.connect_timeout_ms
                               : CONNECT_TIMEOUT_MS,
    };
    if (pl_conn_connect(channel->io, (const struct sockaddr *)&address->storage, address->len,
                        &options, &link->conn, &err) != PARLEY_OK) {
        channel_remember_error(channel, &err);
        pl_free(link);
        return NULL;
    }
    pl_list_push(&channel->links, &link->node);
    return link;
}

bool link_has_room(const struct link *link)
{
    return link->is_ready && !link->is_retired && pl_session_has_room(pl_conn_session(link->conn));
}

void link_retire(struct link *link)
{
    link->is_retired = true;
    if (link->is_ready) {
        pl_conn_close_when_over(link->conn);
    } else {
        pl_conn_close(link->conn, NULL);
    }
}

void link_dismiss(struct link *link)
{
    pl_session_goaway(pl_conn_session(link->conn), H2_NO_ERROR, "");
    link_retire(link);
}

void channel_close_links(parley_channel *channel)
{
    PL_LIST_FOREACH (node, &channel->links) {
        struct link *link = PL_LIST_ENTRY(node, struct link, node);
        pl_session_goaway(pl_conn_session(link->conn), H2_NO_ERROR, "");
        pl_conn_close(link->conn, NULL);
    }
}
