/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_SDK_CLIENT_IMPL_H
#define PARLEY_SDK_CLIENT_IMPL_H

/* Inside of a chat client. All of it belongs to the channel's loop thread, except `shared`. */

#include "base/list.h"
#include "loop/loop.h"

#include "channel_impl.h"
#include "outbox_file.h"

#include "parley/client.h"

#include <pthread.h>

/* Waits between attempts: doubling, with jitter, reset by success. */
struct backoff {
    uint32_t initial_ms;
    uint32_t max_ms;
    uint32_t next_ms;
};

/* The next wait; at least `hint_ms` (what the server asked for). */
int64_t backoff_next(struct backoff *backoff, uint32_t hint_ms);
static inline void backoff_reset(struct backoff *backoff)
{
    backoff->next_ms = 0;
}

struct outbox {
    struct pl_list unsent;   /* struct outgoing, in order */
    struct pl_list inflight; /* written to the stream, in order; all older than `unsent` */
    parley_call *stream;     /* NULL: none */
    bool is_full;            /* the stream takes no more until on_writable */
    uint32_t hint_ms;        /* what the server asked to wait, in the answer to one message */
    struct pl_timer retry;
    struct pl_timer expiry;
    struct backoff backoff;
    struct outbox_file *file; /* NULL: in memory only */
};

/* What parley_client_counters tells. @thread any */
struct counts {
    atomic_uint_fast64_t accepted;
    atomic_uint_fast64_t sent;
    atomic_uint_fast64_t failed;
    atomic_uint_fast64_t resent;
    atomic_uint_fast64_t events;
    atomic_uint_fast64_t repeats;
    atomic_uint_fast64_t holes;
    atomic_uint_fast64_t interrupted;
};

static inline void count(atomic_uint_fast64_t *counter)
{
    (void)atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

struct parley_client {
    parley_channel *channel;
    struct pl_loop *loop;
    parley_client_options options;
    struct outbox outbox;
    struct pl_list subscriptions;
    size_t behind_count; /* subscriptions that are not up to date */
    struct channel_watch channel_watch;
    struct counts counts;
    atomic_int state;    /* parley_client_state */
    unsigned open_calls; /* whose on_done is to come */
    bool is_closing;

    struct {
        pthread_mutex_t mu;
        pthread_cond_t changed;
        size_t unsent_bytes;
        size_t unsent_count;
        unsigned entering; /* sends that have room and are on their way in */
        bool is_closing;   /* nothing more is accepted */
        bool is_closed;
    } shared;
};

/* Look what the client's state is now, and tell if it has changed. @thread loop */
void client_update_state(parley_client *client);

/* outbox.c @thread loop */
/* With what is in the file of an earlier run. @thread start */
PL_MUST_CHECK enum parley_code outbox_init(parley_client *client, struct pl_error *err);
void outbox_start(parley_client *client); /* send what was restored */
void outbox_close(parley_client *client); /* reports what is left as CANCELLED */

/* @return NULL, or FAILED_PRECONDITION: waiting on this thread would wait for itself. */
parley_error *client_refuse_waiting(const parley_client *client);

/* subscription.c @thread loop */
void subscriptions_close(parley_client *client);

/* Called when something ended while the client is closing. */
void client_check_closed(parley_client *client);

#endif /* PARLEY_SDK_CLIENT_IMPL_H */
