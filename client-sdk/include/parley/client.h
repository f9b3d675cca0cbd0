/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_CLIENT_H
#define PARLEY_CLIENT_H

/* The chat client: what an application wants, on top of a channel. It makes the client message id
 * of each message and keeps it over retries, so that a retry never duplicates; it resumes
 * subscriptions from where they were; it tells each message's fate exactly once. The RPCs
 * themselves are in parley/v1/chat_service.client.parley.h and can be used on the same channel. */

#include "parley/channel.h"
#include "parley/error.h"
#include "parley/export.h"

#include "parley/v1/chat_service.pb-c.h"
#include "parley/v1/conversation_service.pb-c.h"
#include "parley/v1/event.pb-c.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct parley_client parley_client;
typedef struct parley_subscription parley_subscription;

typedef struct parley_outgoing {
    size_t size; /* sizeof(parley_outgoing) */
    const char *conversation_id;
    const char *client_message_id; /* NULL: the SDK makes one */
    const char *content_type;      /* NULL: "text/plain" */
    const void *body;
    size_t body_len;
} parley_outgoing;

typedef struct parley_receipt {
    int64_t seq;           /* place in the conversation's log */
    int64_t created_at_ms; /* since the Unix epoch */
    const char *client_message_id;
} parley_receipt;

typedef enum parley_client_state {
    PARLEY_CLIENT_OFFLINE = 0,     /* not connected: nothing to do yet, or no server answers */
    PARLEY_CLIENT_CONNECTING = 1,  /* for the first time, or again after a connection was lost */
    PARLEY_CLIENT_CATCHING_UP = 2, /* connected; what was missed is coming */
    PARLEY_CLIENT_LIVE = 3,        /* connected, and every subscription is up to date */
} parley_client_state;

typedef struct parley_client_options {
    size_t size;               /* sizeof(parley_client_options) */
    int64_t send_timeout_ms;   /* a message is given up after so long; 0: never */
    size_t outbox_bytes_max;   /* unsent messages in memory, some 300 bytes more for each than its
                                  body; 0: 16 MiB */
    uint32_t retry_initial_ms; /* first wait before a retry; 0: 100 ms; doubles, with jitter */
    uint32_t retry_max_ms;     /* 0: 10 s */
    /* Keep unsent messages in this file, too, so that they survive the application: what is in it
     * is sent first. One client at a time. NULL: in memory only. */
    const char *outbox_path;
    bool outbox_is_synced; /* parley_client_send returns when the disk has the message; else when
                              the operating system has it, which survives all but its own end */
    /* The fate of a message of an earlier run, which has nobody else to be told to: as
     * parley_sent_fn. After a crash it may come once more for what was settled just before. */
    void (*on_restored)(void *user, const parley_outgoing *message, const parley_error *error,
                        const parley_receipt *receipt);
    void (*on_state)(void *user, parley_client_state state); /* on the channel's thread */
    void *user;                                              /* of both */
} parley_client_options;

/* @param channel  keeps: must outlive the client. */
PARLEY_API PARLEY_MUST_CHECK parley_error *parley_client_new(parley_channel *channel,
                                                             const parley_client_options *options,
                                                             parley_client **client);
/* Ends subscriptions, reports messages still unsent as CANCELLED (with outbox_path they stay in the
 * file, and the next run sends them), frees; nothing new is accepted meanwhile (CANCELLED). To send
 * all first, parley_client_flush. Not from a callback. NULL is fine. */
PARLEY_API void parley_client_free(parley_client *client);

PARLEY_API parley_client_state parley_client_get_state(parley_client *client); /* @thread any */

/* Since the client was made, but for the last two. */
typedef struct parley_client_counters {
    uint64_t accepted; /* messages, those of an earlier run with them */
    uint64_t sent;     /* committed */
    uint64_t failed;   /* given up, refused, or cancelled */
    uint64_t resent;   /* written again, after an answer that did not come or a passing failure */
    uint64_t events;   /* told to on_event */
    uint64_t repeats;  /* events that came again, and were dropped */
    uint64_t holes;    /* left out by a server, and asked for again */
    uint64_t interrupted; /* subscriptions that broke and were resumed */
    uint64_t unsent;
    uint64_t unsent_bytes; /* as outbox_bytes_max counts them */
} parley_client_counters;
PARLEY_API void parley_client_get_counters(parley_client *client,
                                           parley_client_counters *counters); /* @thread any */

/* ---- sending ---- */

/* error NULL: committed, with its receipt. Exactly once for each accepted message, on the channel's
 * thread; both are borrowed. UNAVAILABLE and the like are retried before this is called. */
typedef void (*parley_sent_fn)(void *user, const parley_error *error,
                               const parley_receipt *receipt);

/* Queue a message; messages of one conversation are committed in the order of these calls. (But for
 * one that the server put off by itself, with a hint to retry, while it took those behind it.)
 * Copies. @return NULL: accepted, on_sent will come. INVALID_ARGUMENT or RESOURCE_EXHAUSTED (outbox
 * full): not accepted, on_sent will not come. @thread any */
PARLEY_API PARLEY_MUST_CHECK parley_error *parley_client_send(parley_client *client,
                                                              const parley_outgoing *message,
                                                              parley_sent_fn on_sent, void *user);
/* The same, waiting for the fate. @param receipt  filled but for client_message_id; may be NULL.
 * @thread any but the channel's own; not on a driven channel */
PARLEY_API PARLEY_MUST_CHECK parley_error *parley_client_send_wait(parley_client *client,
                                                                   const parley_outgoing *message,
                                                                   parley_receipt *receipt);
/* Wait until nothing is unsent. DEADLINE_EXCEEDED if that takes longer than timeout_ms.
 * @thread any but the channel's own; not on a driven channel */
PARLEY_API PARLEY_MUST_CHECK parley_error *parley_client_flush(parley_client *client,
                                                               int64_t timeout_ms);

/* ---- subscribing ---- */

typedef struct parley_subscription_events {
    size_t size; /* sizeof(parley_subscription_events) */
    /* Once and in order for each conversation, over reconnects. Borrowed until return. */
    void (*on_event)(void *user, const Parley__V1__Event *event);
    /* What follows of this conversation is live. Again after each reconnect. */
    void (*on_caught_up)(void *user, const char *conversation_id, int64_t seq);
    /* Events before first_seq are gone; it goes on after the gap. */
    void (*on_truncated)(void *user, const char *conversation_id, int64_t first_seq);
    /* No longer a member: nothing more of this conversation, until one is a member again and
     * follows all. */
    void (*on_removed)(void *user, const char *conversation_id);
    /* The stream broke and is being resumed. */
    void (*on_interrupted)(void *user, const parley_error *error);
    /* Last, exactly once. error NULL: parley_subscription_cancel or parley_client_free; else one
     * that a retry cannot mend (NOT_FOUND also when the last conversation was left). */
    void (*on_done)(void *user, const parley_error *error);
} parley_subscription_events;

typedef struct parley_cursor {
    const char *conversation_id;
    int64_t after_seq; /* the last seq seen; 0: from the beginning */
} parley_cursor;

/* Follow conversations, each from its cursor. @param all  also all others of the caller, from now
 * on.
 * @return NULL with *subscription valid until its on_done returns. @thread any */
PARLEY_API PARLEY_MUST_CHECK parley_error *
parley_client_subscribe(parley_client *client, const parley_cursor *cursors, size_t cursor_count,
                        bool all, const parley_subscription_events *events, void *user,
                        parley_subscription **subscription);
PARLEY_API void parley_subscription_cancel(parley_subscription *subscription); /* @thread any */

/* ---- reading back and conversations; synchronous: @thread any but the channel's own ---- */

/* Call `on_event` for each event, on the calling thread.
 * @param from_seq  0: from the beginning, or from the newest if backwards. @param limit  0: 100.
 * @return DEADLINE_EXCEEDED also: no event came for the channel's default_timeout_ms. */
PARLEY_API PARLEY_MUST_CHECK parley_error *
parley_client_history(parley_client *client, const char *conversation_id, int64_t from_seq,
                      bool backwards, int32_t limit,
                      void (*on_event)(void *user, const Parley__V1__Event *event), void *user);

/* Create a conversation with the caller as owner; idempotent by id. @param conversation_id  NULL:
 * the server makes one. @param response  owned (parley_message_free(&(*response)->base)); NULL on
 * failure; may be NULL. */
PARLEY_API PARLEY_MUST_CHECK parley_error *
parley_client_create_conversation(parley_client *client, const char *conversation_id,
                                  const char *title, const char *const *member_ids,
                                  size_t member_count,
                                  Parley__V1__CreateConversationResponse **response);

#ifdef __cplusplus
}
#endif

#endif /* PARLEY_CLIENT_H */
