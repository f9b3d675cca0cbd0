/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_SDK_CALL_IMPL_H
#define PARLEY_SDK_CALL_IMPL_H

/* A call in bytes: what the typed, the synchronous and the unary forms are made of. */

#include "base/buf.h"
#include "base/list.h"
#include "loop/loop.h"

#include "parley/stub.h"

#include "retry.h"

#include <stdatomic.h>

/* Callbacks on the channel's thread; on_done exactly once and last. `data` is one message without
 * its prefix, borrowed. Returning anything but PARLEY_OK from on_bytes ends the call with it. */
struct link;
struct pl_stream;

struct sdk_call_events {
    void (*on_headers)(void *user, const parley_metadata *metadata);
    enum parley_code (*on_bytes)(void *user, const uint8_t *data, size_t len);
    void (*on_writable)(void *user);
    void (*on_done)(void *user, const parley_error *error, const parley_metadata *trailers);
};

/* @param request  takes: the one framed request (the call half-closes after it), or NULL:
 * streaming.
 * @param events   keeps (static). @return valid until on_done returned; NULL: no memory, or the
 * size of the options is not set. @thread any */
parley_call *sdk_call_start(parley_channel *channel, const parley_method *method,
                            const parley_call_options *options, struct pl_buf *request,
                            const struct sdk_call_events *events, void *user);
/* takes `frame`. As parley_call_write. @thread any */
int sdk_call_write(parley_call *call, struct pl_buf *frame);
/* What sdk_call_events gets as `user`. */
void *sdk_call_user(const parley_call *call);

/* ---- inside of a call: call.c, call_stream.c, place.c ---- */

enum call_state {
    CALL_NEW,
    CALL_WAITING, /* in channel.waiting, or in channel.resting after a failure */
    CALL_OPEN,
    CALL_DONE
};

struct queued_frame {
    struct pl_list node;
    struct pl_buf *buf;
    bool is_compressed;
};

struct parley_call {
    atomic_uint refs; /* one for the call itself until done, one for each mail under way */
    parley_channel *channel;
    const parley_method *method;
    const struct sdk_call_events *events;
    void *user;
    bool waits_for_ready;
    bool may_compress;
    int64_t timeout_ms; /* INT64_MAX: none */
    struct retry_policy retry;
    parley_metadata *metadata;
    atomic_size_t posted_bytes; /* written and still in the mail */
    atomic_size_t stream_bytes; /* queued on the stream at the last look */
    atomic_bool wants_writable;
    atomic_bool is_over;
    atomic_bool wants_compressed; /* for messages written from now on */
    struct pl_mail start_mail;
    struct pl_mail half_close_mail;
    struct pl_mail control_mail; /* tells to look at wants_cancel and wants_pause */
    atomic_bool is_half_close_posted;
    atomic_bool is_control_posted;
    atomic_bool wants_cancel;
    atomic_bool wants_pause;

    struct {
        enum call_state state;
        struct pl_list node;   /* channel.waiting, .resting or .active */
        struct pl_list frames; /* written so far, while they may have to be sent again */
        size_t frame_bytes;
        bool is_replayable; /* frames has all that was written */
        bool is_half_closed;
        bool is_paused;
        bool has_message; /* one at least */
        unsigned
            failures; /* attempts that are over; those that the server did not begin not counted */
        bool was_refused; /* once is enough */
        int64_t deadline_ms;
        struct pl_timer deadline;
        struct pl_timer retry;
        struct pl_stream *stream;
        parley_error *failure; /* ours, instead of what the stream says */
    } own;
};

/* call.c @thread loop: */

/* The setter of own.state; `list` is where the call is from now on; NULL: nowhere. */
void sdk_call_move(parley_call *call, enum call_state state, struct pl_list *list);

/* The one way to DONE. @param error  takes; NULL: OK */
void sdk_call_finish(parley_call *call, parley_error *error, const parley_metadata *trailers);
/* End from our side: whatever the stream still says, `error` (takes) is the outcome. */
void sdk_call_abort(parley_call *call, parley_error *error);
void sdk_call_note_room(parley_call *call);
/* What was written cannot be sent again from here on. */
void sdk_call_stop_replaying(parley_call *call);
parley_error *sdk_call_deadline_error(const parley_call *call);

/* call_stream.c @thread loop: */

/* From waiting to a stream of the link, with all that was written so far. */
void sdk_call_open(parley_call *call, struct link *link);
/* @return both in one, owned; NULL: no memory */
parley_metadata *sdk_call_join_metadata(const parley_metadata *from, const parley_metadata *more);
/* A failure before anything was heard of the answer: try again after a wait, if the policy says so.
 * @return false: it is final */
bool sdk_call_retry_later(parley_call *call, enum parley_code code,
                          const parley_metadata *trailers);

/* place.c @thread loop: on a connection, if there is one; else it waits, or ends if it does not
 * want to. */
void sdk_call_place(parley_call *call);

#endif /* PARLEY_SDK_CALL_IMPL_H */
