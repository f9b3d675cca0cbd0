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

#include "retry.h"

#include <pthread.h>
#include <stdatomic.h>

/* One connection of a channel. One that got GOAWAY finishes its calls while the channel has a new
 * one already. */
struct link {
    struct pl_list node; /* channel.links */
    parley_channel *channel;
    struct pl_conn *conn;
    struct peer *peer; /* round_robin: whose it is */
    struct pl_timer keepalive;
    uint64_t received_bytes; /* at the last look */
    bool is_probing;         /* a PING is out */
    bool is_ready;           /* the peer's SETTINGS arrived */
    bool is_retired;         /* it takes no new calls, and its end is no news */
};

/* Waits between attempts to connect, counted from the start of an attempt
 * (grpc/doc/connection-backoff.md). */
struct attempts {
    uint32_t backoff_ms; /* 0: the last one succeeded */
    int64_t started_ms;
};

/* How a channel chooses among the addresses of its target. All are @thread loop. */
struct balancer_ops {
    void (*want)(parley_channel *channel);   /* somebody wants a connection: see to it */
    void (*update)(parley_channel *channel); /* channel.addresses are new; there is at least one */
    void (*fail)(parley_channel *channel);   /* no addresses at all: channel.last_error */
    /* A connection with room for a call, or NULL. */
    struct link *(*pick)(parley_channel *channel);
    void (*ready)(struct link *link);
    /* The link is going to be freed. @param was_ready  else the attempt failed */
    void (*lost)(struct link *link, bool was_ready);
    void (*retire)(struct link *link); /* its server wants no new calls on it */
    void (*stop)(parley_channel *channel);
};
extern const struct balancer_ops pick_first_ops;
extern const struct balancer_ops round_robin_ops;

/* Somebody inside of the SDK who wants to know of the channel's states. */
struct channel_watch {
    struct pl_list node; /* channel.watches */
    void (*on_state)(struct channel_watch *watch);
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
    struct retry_policy retry;
    struct retry_throttle throttle;

    parley_metadata *token_metadata; /* authorization; NULL: none */
    struct pl_list waiting;          /* calls without a connection, in order */
    struct pl_list active;           /* calls on a stream */
    struct pl_list resting;          /* calls that failed and are tried again after a wait */
    struct pl_list links;
    struct pl_turn_hook replace; /* `waiting` may have a place now */
    atomic_size_t waiting_count; /* calls in `waiting` and `resting`. @thread any */
    atomic_size_t call_count;    /* calls whose memory is not freed. @thread any */
    int64_t keepalive_ms;        /* doubled when a server finds it too often; 0: off */
    bool is_closing;

    struct {
        bool is_resolving;
        bool is_outdated;    /* asked for again while it was under way */
        int64_t resolved_ms; /* when the addresses were looked up; meaningless without one */
        struct pl_timer timer;
    } names; /* of resolve.c */
    struct pl_address addresses[PL_ADDRESSES_MAX];
    size_t address_count;
    parley_error *last_error; /* why the last connection failed */

    const struct balancer_ops *balancer;
    struct {
        struct link *current; /* takes new calls; NULL: none */
        bool is_passing;      /* through the addresses */
        size_t next;          /* address */
        unsigned open_count;  /* attempts under way */
        struct attempts attempts;
        struct pl_timer stagger;
        struct pl_timer retry;
    } first; /* of pick_first.c */
    struct {
        struct pl_list peers;  /* the next to take a call is in front */
        struct pl_timer retry; /* there are no addresses yet */
        struct attempts attempts;
    } robin; /* of round_robin.c */

    void (*on_state)(void *user, parley_channel_state state);
    void *on_state_user;
    struct pl_list watches; /* struct channel_watch; none may be added or removed by one */

    struct {
        pthread_mutex_t mu;
        parley_channel_state state;
    } shared;
};

/* ---- channel.c ---- */

/* Of calls that bring none and are over soon. @return INT64_MAX: none */
int64_t channel_default_timeout_ms(const parley_channel *channel);
void channel_set_state(parley_channel *channel, parley_channel_state state);
/* Keep why no connection was to be had. @param cause  without text: it was closed */
void channel_remember_error(parley_channel *channel, const struct pl_error *cause);
void channel_remember_no_memory(parley_channel *channel);

/* ---- resolve.c ---- */

/* Addresses by balancer.update or .fail, at once if those known are young enough. */
void channel_resolve(parley_channel *channel);
void channel_stop_resolving(parley_channel *channel);

/* ---- link.c: one connection ---- */

/* Connect. @return owned by the channel, until balancer.lost; NULL: channel.last_error says why */
struct link *link_open(parley_channel *channel, const struct pl_address *address);
/* No new calls; it closes when its last call is over, after a GOAWAY of either side. */
void link_retire(struct link *link);
/* The same, with a GOAWAY of ours. */
void link_dismiss(struct link *link);
/* Close all; the channel is going away. */
void channel_close_links(parley_channel *channel);
bool link_has_room(const struct link *link);
/* Count one more failure. @return how long to wait, from now */
int64_t attempts_failed(parley_channel *channel, struct attempts *attempts);

/* gRPC clients ask no server more often than this (gRFC A8). Tests are in a hurry. */
extern int64_t sdk_keepalive_min_ms;

/* ---- place.c: calls without a connection ---- */

/* At the end of the turn, look for places for the calls that wait. */
void channel_place_waiting(parley_channel *channel);
/* The hook of that. */
void channel_replace_waiting(struct pl_loop *loop, struct pl_turn_hook *hook);
/* Fail waiting calls with `error` (borrowed); those with wait_for_ready only if `all`. */
void channel_fail_waiting(parley_channel *channel, const parley_error *error, bool all);
/* End every call. */
void channel_cancel_calls(parley_channel *channel);

/* ---- call_stream.c ---- */

extern const struct pl_session_events sdk_call_session_events;

#endif /* PARLEY_SDK_CHANNEL_IMPL_H */
