/* SPDX-License-Identifier: Apache-2.0 */
/* The synchronous calls of parley/stub.h: the caller's thread waits for the channel's. */
#include "call_impl.h"
#include "channel_impl.h"
#include "error_impl.h"
#include "sized.h"

#include "base/list.h"
#include "base/mem.h"
#include "wire/pb.h"

#define UNREAD_BYTES_MAX (256 * 1024)

struct unread {
    struct pl_list node;
    ProtobufCMessage *message;
    size_t bytes;
};

struct parley_stream {
    const parley_method *method;
    pthread_mutex_t mu;
    pthread_cond_t changed;
    parley_call *call; /* usable while !is_done */
    struct pl_list unread;
    size_t unread_bytes;
    bool is_paused;
    bool is_full; /* the writer has to wait */
    bool is_done;
    parley_error *error;
};

/* ---- on the channel's thread ---- */

static enum parley_code on_bytes(void *user, const uint8_t *data, size_t len)
{
    parley_stream *stream = user;
    struct unread *unread = pl_calloc(1, sizeof(*unread));
    if (unread == NULL) {
        return PARLEY_RESOURCE_EXHAUSTED;
    }
    enum parley_code code =
        pl_pb_decode_heap(stream->method->response, data, len, &unread->message, NULL);
    if (code != PARLEY_OK) {
        pl_free(unread);
        return code;
    }
    unread->bytes = len + sizeof(*unread);
    (void)pthread_mutex_lock(&stream->mu);
    pl_list_push(&stream->unread, &unread->node);
    stream->unread_bytes += unread->bytes;
    if (stream->unread_bytes > UNREAD_BYTES_MAX && !stream->is_paused) {
        stream->is_paused = true;
        parley_call_pause(stream->call, true);
    }
    (void)pthread_cond_broadcast(&stream->changed);
    (void)pthread_mutex_unlock(&stream->mu);
    return PARLEY_OK;
}

static void on_writable(void *user)
{
    parley_stream *stream = user;
    (void)pthread_mutex_lock(&stream->mu);
    stream->is_full = false;
    (void)pthread_cond_broadcast(&stream->changed);
    (void)pthread_mutex_unlock(&stream->mu);
}

static void on_done(void *user, const parley_error *error, const parley_metadata *trailers)
{
    parley_stream *stream = user;
    (void)trailers;
    (void)pthread_mutex_lock(&stream->mu);
    stream->error = sdk_error_copy(error);
    stream->is_done = true;
    (void)pthread_cond_broadcast(&stream->changed);
    (void)pthread_mutex_unlock(&stream->mu);
}

static const struct sdk_call_events stream_events = {
    .on_bytes = on_bytes,
    .on_writable = on_writable,
    .on_done = on_done,
};

/* ---- on the caller's thread ---- */

static ProtobufCMessage *pop_unread(parley_stream *stream)
{
    struct pl_list *node = pl_list_pop(&stream->unread);
    if (node == NULL) {
        return NULL;
    }
    struct unread *unread = PL_LIST_ENTRY(node, struct unread, node);
    ProtobufCMessage *message = unread->message;
    stream->unread_bytes -= unread->bytes;
    pl_free(unread);
    if (stream->is_paused && stream->unread_bytes < UNREAD_BYTES_MAX / 2 && !stream->is_done) {
        stream->is_paused = false;
        parley_call_pause(stream->call, false);
    }
    return message;
}

static void free_stream(parley_stream *stream)
{
    stream->is_done = true;
    for (ProtobufCMessage *message = pop_unread(stream); message != NULL;
         message = pop_unread(stream)) {
        parley_message_free(message);
    }
    (void)pthread_cond_destroy(&stream->changed);
    (void)pthread_mutex_destroy(&stream->mu);
    pl_free(stream);
}

static parley_error *refuse(parley_channel *channel, const parley_call_options *options)
{
    if (options != NULL && sized_is_unset(options)) {
        return sdk_error(PARLEY_INVALID_ARGUMENT, "the size of parley_call_options is not set");
    }
    if (channel->is_driven) {
        return sdk_error(PARLEY_FAILED_PRECONDITION,
                         "a channel that the application drives has no synchronous calls");
    }
    if (pl_loop_is_current(channel->loop)) {
        return sdk_error(PARLEY_FAILED_PRECONDITION,
                         "a synchronous call inside a callback would wait for itself");
    }
    return NULL;
}

parley_error *parley_stream_open(parley_channel *channel, const parley_method *method,
                                 const parley_call_options *options,
                                 const ProtobufCMessage *request, parley_stream **stream)
{
    *stream = NULL;
    parley_error *error = refuse(channel, options);
    if (error != NULL) {
        return error;
    }
    parley_stream *made = pl_calloc(1, sizeof(*made));
    struct pl_buf *frame = request == NULL ? NULL : pl_pb_frame(request);
    if (made == NULL || (request != NULL && frame == NULL)) {
        pl_buf_unref(frame);
        pl_free(made);
        return sdk_error(PARLEY_RESOURCE_EXHAUSTED, "out of memory");
    }
    made->method = method;
    (void)pthread_mutex_init(&made->mu, NULL);
    (void)pthread_cond_init(&made->changed, NULL);
    pl_list_init(&made->unread);
    (void)pthread_mutex_lock(&made->mu); /* the first callback may come before `call` is known */
    made->call = sdk_call_start(channel, method, options, frame, &stream_events, made);
    (void)pthread_mutex_unlock(&made->mu);
    if (made->call == NULL) {
        free_stream(made);
        return sdk_error(PARLEY_RESOURCE_EXHAUSTED, "out of memory");
    }
    *stream = made;
    return NULL;
}

int parley_stream_read(parley_stream *stream, ProtobufCMessage **message)
{
    (void)pthread_mutex_lock(&stream->mu);
    *message = pop_unread(stream);
    while (*message == NULL && !stream->is_done) {
        (void)pthread_cond_wait(&stream->changed, &stream->mu);
        *message = pop_unread(stream);
    }
    (void)pthread_mutex_unlock(&stream->mu);
    return *message == NULL ? 0 : 1;
}

int parley_stream_write(parley_stream *stream, const ProtobufCMessage *message)
{
    struct pl_buf *frame = pl_pb_frame(message);
    if (frame == NULL) {
        return -1;
    }
    (void)pthread_mutex_lock(&stream->mu);
    while (stream->is_full && !stream->is_done) {
        (void)pthread_cond_wait(&stream->changed, &stream->mu);
    }
    int result = -1;
    if (stream->is_done) {
        pl_buf_unref(frame);
    } else {
        result = sdk_call_write(stream->call, frame);
        stream->is_full = result == 1;
    }
    (void)pthread_mutex_unlock(&stream->mu);
    return result < 0 ? -1 : 0;
}

static void if_alive(parley_stream *stream, void (*act)(parley_call *call))
{
    (void)pthread_mutex_lock(&stream->mu);
    if (!stream->is_done) {
        act(stream->call);
    }
    (void)pthread_mutex_unlock(&stream->mu);
}

void parley_stream_writes_done(parley_stream *stream)
{
    if_alive(stream, parley_call_writes_done);
}

void parley_stream_cancel(parley_stream *stream)
{
    if_alive(stream, parley_call_cancel);
}

parley_error *parley_stream_finish(parley_stream *stream)
{
    parley_stream_cancel(stream);
    (void)pthread_mutex_lock(&stream->mu);
    while (!stream->is_done) {
        (void)pthread_cond_wait(&stream->changed, &stream->mu);
    }
    parley_error *error = stream->error;
    (void)pthread_mutex_unlock(&stream->mu);
    free_stream(stream);
    return error;
}

/* Read the one message and wait for the status; then free the stream. */
static parley_error *finish_one(parley_stream *stream, ProtobufCMessage **response)
{
    ProtobufCMessage *none = NULL;
    *response = NULL;
    if (parley_stream_read(stream, response) == 1) {
        (void)!parley_stream_read(stream, &none); /* the end: there is one message at most */
    }
    parley_error *error = parley_stream_finish(stream);
    if (error != NULL) {
        parley_message_free(*response);
        *response = NULL;
    }
    return error;
}

parley_error *parley_stream_finish_one(parley_stream *stream, ProtobufCMessage **response)
{
    parley_stream_writes_done(stream);
    return finish_one(stream, response);
}

parley_error *parley_unary(parley_channel *channel, const parley_method *method,
                           const parley_call_options *options, const ProtobufCMessage *request,
                           ProtobufCMessage **response)
{
    parley_stream *stream = NULL;
    *response = NULL;
    parley_error *error = parley_stream_open(channel, method, options, request, &stream);
    return error == NULL ? finish_one(stream, response) : error;
}
