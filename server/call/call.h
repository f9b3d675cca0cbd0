/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_CALL_CALL_H
#define PARLEY_CALL_CALL_H

/* The narrow waist: one call, whatever transport it came by. Transports (server/grpc) produce
 * calls, services consume them through parley/stub.h, interceptors (server/guard) stand around
 * them. This header is what services and interceptors of our own server may use beyond stub.h. All
 * functions are @thread loop: the call's own. */

#include "base/arena.h"
#include "base/error.h"
#include "loop/loop.h"

#include "parley/stub.h"

struct pl_buf;
struct call_slots;

struct pl_loop *call_loop(const parley_server_call *call);
/* Position of that loop among the server's loops, from 0: to find what a module keeps per loop. */
unsigned call_loop_index(const parley_server_call *call);
struct pl_arena *call_arena(parley_server_call *call); /* lives until done */
const char *call_peer(const parley_server_call *call); /* "127.0.0.1:5123"; borrowed */
/* Short random id of this call, in the logs and in the trailer "request-id". */
const char *call_request_id(const parley_server_call *call);

/* Set by authentication; copied into the call's arena. 0, or -1: no memory. */
PL_MUST_CHECK int call_set_identity(parley_server_call *call, const char *user_id);

/* End the call as an inner failure says: the code, its field (BadRequest) and retry hint are told
 * to the client; of the text only if `is_text_public`, else a fixed sentence for the code.
 * INTERNAL, UNKNOWN and DATA_LOSS are logged with the request id. */
void call_fail(parley_server_call *call, const struct pl_error *err, bool is_text_public);

/* Send several whole framed messages of one buffer, from `offset`; refs. As
 * parley_server_call_send. */
int call_send_frames(parley_server_call *call, struct pl_buf *frames, size_t offset);

/* A client that cancels shall not be able to ask for more at once than a connection may have in
 * progress. So what a call began and cannot call back (a request to the store) keeps its slot of
 * that limit, from `done` until the work is over, even if the connection is gone by then.
 * @return what call_leave_slot wants; NULL: nobody counts */
struct call_slots *call_keep_slot(parley_server_call *call);
void call_leave_slot(struct call_slots *slots); /* NULL is fine */

/* Have `tell` called if the client is asked to connect again, because the server drains or its
 * connection is old, so that it can be told what that means for this call. The call goes on. */
void call_tell_leaving(parley_server_call *call, void (*tell)(parley_server_call *call));

/* Append the frame of a message to a buffer, for call_send_frames; as pl_buf_append. @thread any */
PL_MUST_CHECK int call_append_frame(struct pl_buf **frames, const ProtobufCMessage *message);

/* Stands around every call. Registered at start, run in order of registration. */
struct interceptor {
    /* Before the handler. PARLEY_OK: go on; else the call ends with this error (public text). */
    enum parley_code (*on_open)(void *context, parley_server_call *call, struct pl_error *err);
    /* After the end, with the code that it ended with; may be NULL. */
    void (*on_done)(void *context, parley_server_call *call, enum parley_code code);
    void *context;
};

#endif /* PARLEY_CALL_CALL_H */
