/* SPDX-License-Identifier: Apache-2.0 */
/* Calls made of HTTP/2 streams: the session's events go to the call, the call's answers to the
 * stream. Thread: the connection's loop. This is all that the waist needs to know of gRPC. */
#include "grpc/grpc_impl.h"

#include "wire/session.h"

/* RFC 9113, section 7 */
#define H2_REFUSED_STREAM 0x7
#define H2_CANCEL         0x8

static void send_headers(void *stream, const parley_metadata *metadata)
{
    pl_stream_send_headers(stream, metadata);
}

static void write_frames(void *stream, struct pl_buf *frames, size_t offset)
{
    (void)pl_stream_write(stream, frames, offset);
}

static size_t queued_bytes(const void *stream)
{
    return pl_stream_queued_bytes(stream);
}

static bool is_above_high_water(const void *stream)
{
    return pl_stream_is_above_high_water(stream);
}

static void finish(void *stream, const struct pl_status *status, const parley_metadata *trailers)
{
    pl_stream_finish(stream, status, trailers);
}

static void cancel(void *stream)
{
    pl_stream_cancel(stream, H2_CANCEL);
}

static void compress(void *stream, bool is_wanted)
{
    pl_stream_compress(stream, is_wanted);
}

static bool is_message_compressed(const void *stream)
{
    return pl_stream_is_message_compressed(stream);
}

static bool is_encoding_known(const void *stream)
{
    return pl_stream_is_encoding_known(stream);
}

static void pause_stream(void *stream, bool paused)
{
    pl_stream_pause(stream, paused);
}

static const struct call_transport_ops stream_ops = {
    .send_headers = send_headers,
    .write = write_frames,
    .queued_bytes = queued_bytes,
    .is_above_high_water = is_above_high_water,
    .finish = finish,
    .cancel = cancel,
    .compress = compress,
    .is_message_compressed = is_message_compressed,
    .is_encoding_known = is_encoding_known,
    .pause = pause_stream,
};

/* HTTP/2's own limit counts streams, and a reset ends a stream at once. What the call began counts
 * until it ends. A client may safely send what is refused again. */
static bool has_slot(struct grpc_link *link)
{
    const struct pl_session *session = pl_conn_session(link->conn);
    return pl_session_stream_count(session) + call_slots_kept(link->slots) <=
           pl_session_streams_max(session);
}

static void on_request(void *owner, struct pl_stream *stream)
{
    struct grpc_link *link = owner;
    link->calls++;
    if (!has_slot(link)) {
        pl_stream_cancel(stream, H2_REFUSED_STREAM);
        return;
    }
    struct call_opening opening = {
        .ops = &stream_ops,
        .stream = stream,
        .timeout_ns = pl_stream_timeout_ns(stream),
        .metadata = pl_stream_metadata(stream),
        .peer = pl_conn_peer(link->conn),
        .peer_identity = pl_conn_peer_identity(link->conn),
        .arena = pl_stream_arena(stream),
        .slots = link->slots,
    };
    pl_stream_compress(stream, link->lane->grpc->options.compress);
    opening.path = pl_stream_path(stream, &opening.path_len);
    parley_server_call *call = call_open(link->lane->calls, &opening);
    pl_stream_set_user(stream, call);
    if (call == NULL) {
        struct pl_status status = {.code = PARLEY_RESOURCE_EXHAUSTED, .message = "out of memory"};
        pl_stream_finish(stream, &status, NULL);
    }
}

static void on_message(void *owner, struct pl_stream *stream, const uint8_t *data, size_t len)
{
    (void)owner;
    parley_server_call *call = pl_stream_user(stream);
    if (call != NULL) {
        call_on_message(call, data, len);
    }
}

static void on_half_close(void *owner, struct pl_stream *stream)
{
    (void)owner;
    parley_server_call *call = pl_stream_user(stream);
    if (call != NULL) {
        call_on_half_close(call);
    }
}

static void on_writable(void *owner, struct pl_stream *stream)
{
    (void)owner;
    parley_server_call *call = pl_stream_user(stream);
    if (call != NULL) {
        call_on_writable(call);
    }
}

void grpc_stream_tell_leaving(struct pl_stream *stream)
{
    parley_server_call *call = pl_stream_user(stream);
    if (call != NULL) {
        call_on_leaving(call);
    }
}

static void on_close(void *owner, struct pl_stream *stream, const struct pl_status *status)
{
    (void)owner;
    parley_server_call *call = pl_stream_user(stream);
    if (call != NULL) {
        pl_stream_set_user(stream, NULL);
        call_on_close(call, status->code);
    }
}

const struct pl_session_events grpc_session_events = {
    .on_request = on_request,
    .on_message = on_message,
    .on_half_close = on_half_close,
    .on_writable = on_writable,
    .on_close = on_close,
};
