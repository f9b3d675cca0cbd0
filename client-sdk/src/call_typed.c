/* SPDX-License-Identifier: Apache-2.0 */
/* The asynchronous calls of parley/stub.h: messages instead of bytes. */
#include "call_impl.h"
#include "error_impl.h"

#include "base/arena.h"
#include "base/mem.h"
#include "wire/pb.h"

#include <stddef.h>
#include <string.h>

/* Lives from the start of the call to its on_done. */
struct typed {
    struct callbacks {
        parley_call_events events;
        parley_unary_fn on_unary_done;
        void *user;
    } to;
    const ProtobufCMessageDescriptor *response;
    struct pl_arena arena; /* one message at a time; of a unary call, until the end */
    ProtobufCMessage *unary_response;
    max_align_t context[]; /* of generated code: what its callbacks get instead of `user` */
};

static void free_typed(struct typed *typed)
{
    pl_arena_deinit(&typed->arena);
    pl_free(typed);
}

static void on_headers(void *user, const parley_metadata *metadata)
{
    struct typed *typed = user;
    if (typed->to.events.on_headers != NULL) {
        typed->to.events.on_headers(typed->to.user, metadata);
    }
}

static enum parley_code on_bytes(void *user, const uint8_t *data, size_t len)
{
    struct typed *typed = user;
    ProtobufCMessage *message = NULL;
    pl_arena_reset(&typed->arena);
    enum parley_code code =
        pl_pb_decode(typed->response, data, len, &typed->arena, NULL, &message, NULL);
    if (code == PARLEY_OK && typed->to.events.on_message != NULL) {
        typed->to.events.on_message(typed->to.user, message);
    }
    return code;
}

static void on_writable(void *user)
{
    struct typed *typed = user;
    if (typed->to.events.on_writable != NULL) {
        typed->to.events.on_writable(typed->to.user);
    }
}

static void on_done(void *user, const parley_error *error, const parley_metadata *trailers)
{
    struct typed *typed = user;
    if (typed->to.events.on_done != NULL) {
        typed->to.events.on_done(typed->to.user, error, trailers);
    }
    free_typed(typed);
}

static const struct sdk_call_events stream_events = {
    .on_headers = on_headers,
    .on_bytes = on_bytes,
    .on_writable = on_writable,
    .on_done = on_done,
};

/* ---- unary: the response is kept until the status ---- */

static enum parley_code on_unary_bytes(void *user, const uint8_t *data, size_t len)
{
    struct typed *typed = user;
    return pl_pb_decode(typed->response, data, len, &typed->arena, NULL, &typed->unary_response,
                        NULL);
}

static void on_unary_done(void *user, const parley_error *error, const parley_metadata *trailers)
{
    struct typed *typed = user;
    if (typed->to.on_unary_done != NULL) {
        typed->to.on_unary_done(typed->to.user, error, error == NULL ? typed->unary_response : NULL,
                                trailers);
    }
    free_typed(typed);
}

static const struct sdk_call_events unary_events = {
    .on_bytes = on_unary_bytes,
    .on_done = on_unary_done,
};

/* What is started; context_bytes 0: the callbacks get to.user, else a copy of the context. */
struct start {
    const struct sdk_call_events *events;
    struct callbacks to;
    const void *context;
    size_t context_bytes;
};

static parley_call *start(parley_channel *channel, const parley_method *method,
                          const parley_call_options *options, const ProtobufCMessage *request,
                          const struct start *start)
{
    struct typed *typed = pl_calloc(1, sizeof(*typed) + start->context_bytes);
    if (typed == NULL) {
        return NULL;
    }
    typed->to = start->to;
    if (start->context_bytes > 0) {
        memcpy(typed->context, start->context, start->context_bytes);
        typed->to.user = typed->context;
    }
    typed->response = method->response;
    pl_arena_init(&typed->arena, NULL, 0, 0);
    struct pl_buf *frame = NULL;
    parley_call *call = NULL;
    if (request != NULL) {
        frame = pl_pb_frame(request);
    }
    if (request == NULL || frame != NULL) {
        call = sdk_call_start(channel, method, options, frame, start->events, typed);
    }
    if (call == NULL) {
        free_typed(typed);
    }
    return call;
}

parley_call *parley_call_start(parley_channel *channel, const parley_method *method,
                               const parley_call_options *options, const ProtobufCMessage *request,
                               const parley_call_events *events, void *user)
{
    struct start what = {
        .events = &stream_events,
        .to = {.events = *events, .user = user},
    };
    return start(channel, method, options, request, &what);
}

parley_call *parley_call_start_with(parley_channel *channel, const parley_method *method,
                                    const parley_call_options *options,
                                    const ProtobufCMessage *request,
                                    const parley_call_events *events, const void *context,
                                    size_t context_bytes)
{
    struct start what = {
        .events = &stream_events,
        .to = {.events = *events},
        .context = context,
        .context_bytes = context_bytes,
    };
    return start(channel, method, options, request, &what);
}

parley_call *parley_unary_start(parley_channel *channel, const parley_method *method,
                                const parley_call_options *options, const ProtobufCMessage *request,
                                parley_unary_fn on_done_fn, void *user)
{
    struct start what = {
        .events = &unary_events,
        .to = {.on_unary_done = on_done_fn, .user = user},
    };
    return start(channel, method, options, request, &what);
}

parley_call *parley_unary_start_with(parley_channel *channel, const parley_method *method,
                                     const parley_call_options *options,
                                     const ProtobufCMessage *request, parley_unary_fn on_done_fn,
                                     const void *context, size_t context_bytes)
{
    struct start what = {
        .events = &unary_events,
        .to = {.on_unary_done = on_done_fn},
        .context = context,
        .context_bytes = context_bytes,
    };
    return start(channel, method, options, request, &what);
}

int parley_call_write(parley_call *call, const ProtobufCMessage *message)
{
    struct pl_buf *frame = pl_pb_frame(message);
    return frame == NULL ? -1 : sdk_call_write(call, frame);
}
