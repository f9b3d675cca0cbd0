/* SPDX-License-Identifier: Apache-2.0 */
/* How a channel gets its connection, and what it does when it loses it.
 *
 *   IDLE --call--> CONNECTING --SETTINGS--> READY --closed, GOAWAY--> IDLE
 *                   ^     |
 *             backoff     +--no address answers--> TRANSIENT_FAILURE
 *                   +--------------------------------+
 *
 * Addresses are tried one after the other. The wait after a failure is counted from the start of
 * the attempt and is reset only when the server's SETTINGS arrived
 * (grpc/doc/connection-backoff.md).
 * @thread loop */
#include "channel_impl.h"
#include "error_impl.h"

#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"

#define BACKOFF_INITIAL_MS   1000
#define BACKOFF_MAX_MS       120000
#define BACKOFF_JITTER       0.2
#define CONNECT_TIMEOUT_MS   20000
#define KEEPALIVE_TIMEOUT_MS 20000
#define H2_NO_ERROR          0

static void try_next_address(parley_channel *channel);

void channel_set_state(parley_channel *channel, parley_channel_state state)
{
    (void)pthread_mutex_lock(&channel->shared.mu);
    bool changed = channel->shared.state != state;
    channel->shared.state = state;
    (void)pthread_mutex_unlock(&channel->shared.mu);
    if (changed && channel->on_state != NULL) {
        channel->on_state(channel->on_state_user, state);
    }
}

static void remember_error(parley_channel *channel, const struct pl_error *err)
{
    parley_error_free(channel->last_error);
    channel->last_error = sdk_error(PARLEY_UNAVAILABLE, "%s: %s", channel->target,
                                    err->text[0] == '\0' ? "connection closed" : err->text);
}

static void start_attempt(parley_channel *channel);

static void on_retry(struct pl_loop *loop, struct pl_timer *timer)
{
    (void)loop;
    start_attempt(PL_CONTAINER_OF(timer, parley_channel, retry));
}

/* Every address failed: tell the calls that do not wait, and try again after the backoff. */
static void fail_attempt(parley_channel *channel)
{
    uint32_t initial = channel->options.backoff_initial_ms;
    uint32_t highest = channel->options.backoff_max_ms;
    initial = initial == 0 ? BACKOFF_INITIAL_MS : initial;
    highest = highest == 0 ? BACKOFF_MAX_MS : highest;
    uint64_t backoff = channel->backoff_ms == 0 ? initial : (uint64_t)channel->backoff_ms * 8 / 5;
    channel->backoff_ms = (uint32_t)(backoff > highest ? highest : backoff);
    channel_set_state(channel, PARLEY_CHANNEL_TRANSIENT_FAILURE);
    channel_fail_waiting(channel, channel->last_error, false);
    double jitter = 1 - BACKOFF_JITTER + 2 * BACKOFF_JITTER * (double)pl_random_below(1001) / 1000;
    int64_t wait = (int64_t)(channel->backoff_ms * jitter) -
                   (pl_loop_now_ms(channel->loop) - channel->attempt_started_ms);
    channel->retry.fire = on_retry;
    if (pl_timer_start(channel->loop, &channel->retry, wait < 0 ? 0 : wait) != 0) {
        channel_set_state(channel, PARLEY_CHANNEL_IDLE);
    }
}

/* ---- links ---- */

static void on_link_close(void *owner, struct pl_conn *conn, const struct pl_error *cause)
{
    struct link *link = owner;
    parley_channel *channel = link->channel;
    bool was_ready = link->is_ready;
    bool was_current = channel->current == link;
    (void)conn;
    pl_timer_stop(channel->loop, &link->keepalive);
    pl_list_remove(&link->node);
    pl_free(link);
    if (!was_current) {
        return;
    }
    channel->current = NULL;
    if (channel->is_closing) {
        return;
    }
    remember_error(channel, cause);
    if (!was_ready) {
        try_next_address(channel);
        return;
    }
    channel_set_state(channel, PARLEY_CHANNEL_IDLE);
    if (!pl_list_is_empty(&channel->waiting)) {
        channel_want_connection(channel);
    }
}

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
    int64_t wait = channel->options.keepalive_ms;
    if (received != link->received_bytes) {
        link->is_probing = false;
    } else if (link->is_probing) {
        struct pl_error err = PL_ERROR_INIT;
        (void)pl_fail(&err, PARLEY_UNAVAILABLE, "keepalive: no answer to a PING");
        pl_conn_close(link->conn, &err);
        return;
    } else if (pl_session_stream_count(session) > 0 && pl_session_ping(session) == 0) {
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
    if (link->channel->options.keepalive_ms > 0) {
        link->keepalive.fire = on_keepalive;
        start_keepalive(link, link->channel->options.keepalive_ms);
    }
}

static const struct pl_conn_events link_events = {
    .on_open = on_link_open,
    .on_close = on_link_close,
};

static enum parley_code open_link(parley_channel *channel, const struct pl_address *address,
                                  struct pl_error *err)
{
    struct link *link = pl_calloc(1, sizeof(*link));
    if (link == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "out of memory");
    }
    link->channel = channel;
    struct pl_conn_options options = {
        .session =
            {
                .is_server = false,
                .limits = {.message_bytes_max = channel->options.max_message_bytes > UINT32_MAX
                                                    ? UINT32_MAX
                                                    : (uint32_t)channel->options.max_message_bytes},
                .events = &call_session_events,
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
    enum parley_code code = pl_conn_connect(channel->io, (const struct sockaddr *)&address->storage,
                                            address->len, &options, &link->conn, err);
    if (code != PARLEY_OK) {
        pl_free(link);
        return code;
    }
    pl_list_push(&channel->links, &link->node);
    channel->current = link;
    return PARLEY_OK;
}

static void try_next_address(parley_channel *channel)
{
    while (channel->address_next < channel->address_count) {
        struct pl_error err = PL_ERROR_INIT;
        const struct pl_address *address = &channel->addresses[channel->address_next++];
        if (open_link(channel, address, &err) == PARLEY_OK) {
            return;
        }
        remember_error(channel, &err);
    }
    fail_attempt(channel);
}

static void on_resolved(void *owner, enum parley_code code, const struct pl_address *addresses,
                        size_t count, const struct pl_error *err)
{
    parley_channel *channel = owner;
    channel->is_resolving = false;
    if (channel->is_closing) {
        return;
    }
    channel->address_count = 0;
    channel->address_next = 0;
    if (code != PARLEY_OK) {
        remember_error(channel, err);
        fail_attempt(channel);
        return;
    }
    for (size_t i = 0; i < count && i < CHANNEL_ADDRESSES_MAX; i++) {
        channel->addresses[channel->address_count++] = addresses[i];
    }
    try_next_address(channel);
}

static void start_attempt(parley_channel *channel)
{
    struct pl_error err = PL_ERROR_INIT;
    channel_set_state(channel, PARLEY_CHANNEL_CONNECTING);
    channel->attempt_started_ms = pl_loop_now_ms(channel->loop);
    channel->is_resolving = true;
    if (pl_resolve(channel->loop, channel->target, channel->tls == NULL ? "80" : "443", on_resolved,
                   channel, &err) != PARLEY_OK) {
        channel->is_resolving = false;
        remember_error(channel, &err);
        fail_attempt(channel);
    }
}

void channel_want_connection(parley_channel *channel)
{
    if (channel->current != NULL || channel->is_resolving || channel->is_closing ||
        pl_timer_is_running(&channel->retry)) {
        return;
    }
    start_attempt(channel);
}

void channel_close_links(parley_channel *channel)
{
    PL_LIST_FOREACH (node, &channel->links) {
        struct link *link = PL_LIST_ENTRY(node, struct link, node);
        pl_session_goaway(pl_conn_session(link->conn), H2_NO_ERROR, "");
        pl_conn_close(link->conn, NULL);
    }
}
