/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_FANOUT_HUB_H
#define PARLEY_FANOUT_HUB_H

/* Who listens to which conversation, and how an event reaches them: everyone gets the log from a
 * cursor on, once and in order, first what was missed and then live.
 *
 * The hub hears of every commit from the store's listener, encodes what somebody listens to once,
 * and hands the same bytes to every loop that has a listener. A stream is one client: it follows
 * any number of conversations. Each of them is in CATCH-UP (the log is read in pages, as fast as
 * the client takes them) or LIVE (pushed); see follow.c for the step between the two.
 *
 * Knows conversations, users and opaque bytes: no protobuf, no transport. Threads: a stream belongs
 * to one loop, and all its functions and events are @thread loop. Start reading at hub.c. */

#include "base/buf.h"
#include "base/error.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bus;
struct hub;        /* opaque */
struct hub_stream; /* opaque */
struct loops;

/* Append one event as whole frames, ready to be sent, to *frames (NULL: a new buffer; as
 * pl_buf_append). Returns 0, or -1: no memory. @thread any */
typedef int (*hub_encode_fn)(struct store_bytes conversation_id, const struct store_event *event,
                             struct pl_buf **frames);

struct hub_options {
    struct store *store; /* keeps; the hub becomes its listener */
    struct loops *loops; /* keeps */
    hub_encode_fn encode;
    size_t page_events; /* read from the log at once; 0: 256 */
    size_t page_bytes;  /* bodies of a page; 0: 256 KiB */
    size_t tail_bytes;  /* live events of a conversation kept for those who catch up; 0: 256 KiB */
    struct bus *bus;    /* keeps; the hub starts it. NULL: none */
    bool is_shared;     /* other nodes may write to the store: without a bus it is asked for that */
    int64_t poll_ms;    /* between two looks at the heads without a bus that is up; 0: 1 s */
    int64_t sweep_ms;   /* the same with one; 0: 10 s */
    size_t follows_max; /* conversations followed on one loop, over its streams; 0: 1,000,000 */
    size_t follows_per_user_max; /* the same of one user; 0: 100,000 */
};

/* @return owned (hub_free). @thread start: before the loops and before the first request */
PL_MUST_CHECK enum parley_code hub_new(const struct hub_options *options, struct hub **hub,
                                       struct pl_error *err);
/* After the store is closed, the bus and the loops have stopped; the bus is freed after it. NULL is
 * fine. @thread start */
void hub_free(struct hub *hub);
/* Once per process. @thread start */
void hub_register_metrics(void);

/* What a stream asks of its owner. Functions that send return 0; 1: sent, but send no more until
 * hub_stream_writable (the short notices may come nevertheless); -1: the client is gone. None of
 * them may close the stream; `conversation_id` is NUL-terminated and borrowed until return. */
struct hub_stream_events {
    /* Whole frames, from `offset` to the end of the buffer; refs. */
    int (*send)(void *owner, struct pl_buf *frames, size_t offset);
    /* What follows of this conversation is live. `seq`: the last one sent, or the cursor. */
    int (*on_caught_up)(void *owner, const char *conversation_id, int64_t seq);
    /* What lies between the cursor and first_seq is gone; it goes on there. */
    int (*on_truncated)(void *owner, const char *conversation_id, int64_t first_seq);
    /* The user is no member, or there is no such conversation; it is not followed any more. */
    int (*on_removed)(void *owner, const char *conversation_id);
    /* The store says something that a retry cannot mend; nothing more comes. */
    void (*on_failed)(void *owner, const struct pl_error *err);
};

/* @param loop_index  of the calling loop. @param user  who listens: an id; copied.
 * @param events, owner  keeps both until hub_stream_close. @return NULL: no memory */
struct hub_stream *hub_stream_open(struct hub *hub, unsigned loop_index, const char *user,
                                   const struct hub_stream_events *events, void *owner);
/* Follow from a cursor: the events after `after_seq`. Following what is followed has no effect.
 * Events may come before this returns. Returns 0, or -1: no memory. */
PL_MUST_CHECK int hub_stream_follow(struct hub_stream *stream, const char *conversation_id,
                                    int64_t after_seq);
/* Follow also all other conversations of the user from now on, and those joined later from the
 * event that says so. Call it after hub_stream_follow. Returns 0, or -1: no memory. */
PL_MUST_CHECK int hub_stream_follow_all(struct hub_stream *stream);
/* Conversations that are followed. A stream that follows all may get more with time. */
size_t hub_stream_count(const struct hub_stream *stream);
bool hub_stream_follows_all(const struct hub_stream *stream);
/* There is room again after a function answered 1. */
void hub_stream_writable(struct hub_stream *stream);
/* No event comes after this. Frees; NULL is fine. */
void hub_stream_close(struct hub_stream *stream);

#endif /* PARLEY_FANOUT_HUB_H */
