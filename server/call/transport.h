/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_CALL_TRANSPORT_H
#define PARLEY_CALL_TRANSPORT_H

/* How a transport produces calls: it opens one, feeds it with events, and gives functions by which
 * the call answers. Whatever the transport (gRPC over HTTP/2 now; others later), services see the
 * same call. All functions are @thread loop. */

#include "base/arena.h"
#include "base/buf.h"
#include "call/server.h"
#include "wire/status.h"

#include "parley/metadata.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a call asks of its transport. `stream` is the transport's own object. None of these may call
 * back into the call before it returned. */
struct call_transport_ops {
    /* Response headers now; at most once. metadata: borrowed until return; may be NULL. */
    void (*send_headers)(void *stream, const parley_metadata *metadata);
    /* Queue whole framed messages from `offset` to the end of `frames`; refs. */
    void (*write)(void *stream, struct pl_buf *frames, size_t offset);
    size_t (*queued_bytes)(const void *stream);
    bool (*is_above_high_water)(const void *stream);
    /* End with a status, after what is queued. Both are borrowed until return. */
    void (*finish)(void *stream, const struct pl_status *status, const parley_metadata *trailers);
    /* Break off: what is queued is dropped, no status reaches the client. */
    void (*cancel)(void *stream);
    /* Compress what is written from here on, if the client takes it. NULL: it cannot. */
    void (*compress)(void *stream, bool is_wanted);
    /* Inside of call_on_message: did the message come compressed? NULL: they never do. */
    bool (*is_message_compressed)(const void *stream);
    /* Is the encoding that the client announced one that we speak? NULL: it always is. */
    bool (*is_encoding_known)(const void *stream);
    /* While paused no message event may come. */
    void (*pause)(void *stream, bool paused);
};

/* The slots of one connection that calls kept which are gone (call_keep_slot). */
struct call_slots;

/* @return owned (call_slots_unref), or NULL: no memory */
PL_MUST_CHECK struct call_slots *call_slots_new(void);
void call_slots_unref(struct call_slots *slots); /* NULL is fine */
size_t call_slots_kept(const struct call_slots *slots);

struct call_opening {
    const struct call_transport_ops *ops; /* keeps */
    void *stream;                         /* keeps */
    const char *path;                     /* "/package.Service/Method"; keeps until on_close */
    size_t path_len;
    int64_t timeout_ns;              /* INT64_MAX: none */
    const parley_metadata *metadata; /* keeps until on_close */
    const char *peer;                /* keeps until on_close */
    const char *peer_identity;       /* keeps until on_close; NULL: no certificate */
    struct pl_arena *arena;          /* keeps until on_close: the call itself lives in it */
    struct call_slots *slots;        /* keeps until on_close; NULL: no limit on calls */
};

/* A request has begun. An unknown method, an interceptor's refusal and a deadline that has passed
 * are answered by ops->finish, before this returns or later: on_close is due all the same.
 * @return what the events below want, valid until call_on_close returned; NULL: no memory, and the
 * transport ends the stream itself. */
parley_server_call *call_open(struct call_lane *lane, const struct call_opening *opening);
/* One whole message without framing; borrowed. */
void call_on_message(parley_server_call *call, const uint8_t *data, size_t len);
void call_on_half_close(parley_server_call *call);
void call_on_writable(parley_server_call *call);
/* The client was asked to connect again; this call goes on. At most once. */
void call_on_leaving(parley_server_call *call);
/* The last event, exactly once, also after finish and cancel. code: OK if the answer went out
 * whole. */
void call_on_close(parley_server_call *call, enum parley_code code);

#endif /* PARLEY_CALL_TRANSPORT_H */
