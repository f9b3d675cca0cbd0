/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_SDK_CHANNEL_IMPL_H
#define PARLEY_SDK_CHANNEL_IMPL_H

/* Inside of a channel, shown to the SDK's own files. Everything outside of `shared` belongs to the
 * channel's loop thread. */

#include "base/list.h"
#include "loop/loop.h"
#include "transport/conn.h"
#include "transport/resolver.h"

#include "parley/channel.h"

#include <pthread.h>
#include <stdatomic.h>

#define CHANNEL_ADDRESSES_MAX 16

/* One connection of a channel. A connection that got GOAWAY finishes its calls while the channel
 * has a new one already. */
struct link {
    struct pl_list node; /* channel.links */
    parley_channel *channel;
    struct pl_conn *conn;
    struct pl_timer keepalive;
    uint64_t received_bytes; /* at the last look */
    bool is_probing;         /* a PING is out */
    bool is_ready;           /* the peer's SETTINGS arrived */
};

struct parley_channel {
    struct pl_loop *loop;
    struct pl_io *io;
    pthread_t thread;
    bool is_driven;
    bool has_thread;

    char *target;
    char *authority;
    char *user_agent;
    struct pl_tls *tls;
    parley_channel_options options; /* its strings are not kept */

    parley_metadata *token_metadata; /* authorization; NULL: none */
    struct pl_list waiting;          /* calls without a connection, in order */
    struct pl_list active;           /* calls on a stream */
    struct pl_list links;
    struct link *current;        /* takes new calls; NULL: none */
    struct pl_turn_hook replace; /* calls went back to `waiting` */
    atomic_size_t call_count;    /* calls whose memory is not freed. @thread any */
    bool is_closing;
    bool is_resolving;

    struct pl_address addresses[CHANNEL_ADDRESSES_MAX];
    size_t address_count;
    size_t address_next;
    struct pl_timer retry;
    int64_t attempt_started_ms;
    uint32_t backoff_ms;
    parley_error *last_error; /* why the last connection failed */

    void (*on_state)(void *user, parley_channel_state state);
    void *on_state_user;

    struct {
        pthread_mutex_t mu;
        parley_channel_state state;
    } shared;
};

struct sdk_call;

/* ---- connect.c: getting and losing connections ---- */

/* A call waits: connect if nothing is under way. @thread loop */
void channel_want_connection(parley_channel *channel);
void channel_set_state(parley_channel *channel, parley_channel_state state);
/* Close all links; the channel is going away. @thread loop */
void channel_close_links(parley_channel *channel);

/* ---- call.c ---- */

/* Give waiting calls to the ready link. @thread loop */
void channel_start_waiting(parley_channel *channel);
/* Find a place for calls that came back from a connection (channel.replace). @thread loop */
void channel_replace_waiting(struct pl_loop *loop, struct pl_turn_hook *hook);
/* Fail waiting calls with `error` (borrowed); those with wait_for_ready only if `all`. @thread loop
 */
void channel_fail_waiting(parley_channel *channel, const parley_error *error, bool all);
/* End every call. @thread loop */
void channel_cancel_calls(parley_channel *channel);
extern const struct pl_session_events call_session_events;

#endif /* PARLEY_SDK_CHANNEL_IMPL_H */
