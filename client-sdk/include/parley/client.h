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

typedef struct parley_client_options {
    size_t size;               /* sizeof(parley_client_options) */
    int64_t send_timeout_ms;   /* a message is given up after so long; 0: never */
    size_t outbox_bytes_max;   /* unsent bodies kept in memory; 0: 16 MiB */
    uint32_t retry_initial_ms; /* first wait before a retry; 0: 100 ms; doubles, with jitter */
    uint32_t retry_max_ms;     /* 0: 10 s */
} parley_client_options;

/* @param channel  keeps: must outlive the client. */
PARLEY_API PARLEY_MUST_CHECK parley_error *parley_client_new(parley_channel *channel,
                                                             const parley_client_options *options,
                                                             parley_client **client);
/* Ends subscriptions, reports messages still unsent as CANCELLED, frees; nothing new is accepted
 * meanwhile (CANCELLED). Not from a callback. NULL is fine. */
PARLEY_API void parley_client_free(parley_client *client);

/* ---- sending ---- */

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
 * @param from_seq  0: from the beginning, or from the newest if backwards. @param limit  0: 100. */
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
