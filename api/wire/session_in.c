/* SPDX-License-Identifier: Apache-2.0 */
/* Input: nghttp2's receive callbacks, turned into messages and events. Thread: the session's.
 * Must never end a stream's life inside of an event of that same stream; see session_impl.h.
 *
 * Flow control (F1 to F3): the connection's window is given back on receipt; a stream's when its
 * bytes were delivered or went into the reassembly buffer, which is bounded by the message limit.
 * What comes while a stream is paused is held as it is, at most one window of it. */
#include "wire/session_impl.h"

#include "base/text.h"

#include <string.h>

/* Frames of little use to anyone; costs in tokens of flood.c. */
#define COST_GLITCH           1
#define COST_SETTINGS         100         /* each makes work for every open stream */
#define SWOLLEN_BYTES_A_TOKEN (16 * 1024) /* some 40 us */

/* Messages of the largest size that a connection may have under way. */
#define PARTIAL_FACTOR 16

#define HEADERS_BYTES_FACTOR 8 /* times the limit: no honest peer; the connection ends */

/* Format what only the session knows the numbers of. */
static void explain(struct pl_stream *stream, struct pl_status *bad)
{
    uint32_t max = stream->framer.message_bytes_max;
    if (bad->code != PARLEY_RESOURCE_EXHAUSTED || stream->framer.body_len <= max) {
        return;
    }
    char *text = pl_arena_alloc(&stream->arena, 96);
    if (text != NULL) {
        (void)pl_text_format(text, 96, "grpc: received message larger than max (%u vs. %u)",
                             stream->framer.body_len, max);
        bad->message = text;
    }
}

/* A connection can have as many messages under way as streams: whoever sends the most of each and
 * never the end would have us hold streams_max x message_bytes_max. */
static bool may_collect(struct pl_stream *stream, struct pl_status *bad)
{
    const struct pl_session *session = stream->session;
    pl_stream_count_partial(stream);
    if (session->partial_bytes <= (size_t)session->limits.message_bytes_max * PARTIAL_FACTOR) {
        return true;
    }
    *bad = (struct pl_status){.code = PARLEY_RESOURCE_EXHAUSTED,
                              .message = "grpc: too many unfinished messages on the connection"};
    return false;
}

/* A few KiB of gzip can be 4 MiB of work, over and over. If it is too much, GOAWAY is queued and
 * the caller sees is_condemned. */
static void charge_swollen(struct pl_stream *stream)
{
    uint32_t cost = stream->framer.swollen_bytes / SWOLLEN_BYTES_A_TOKEN;
    stream->framer.swollen_bytes = 0;
    if (cost > 0) {
        stream->session->has_swollen = true;
        (void)pl_session_glitch(stream->session, cost);
    }
}

/* Hand on whole messages until the input is used up, or the stream is paused or over.
 * @return bytes used. */
static size_t deliver(struct pl_stream *stream, const uint8_t *data, size_t len)
{
    struct pl_session *session = stream->session;
    size_t total = 0;
    while (!stream->is_paused && !stream->is_input_over) {
        size_t used = 0;
        struct pl_framer_message message = {0};
        struct pl_status bad = {0};
        enum pl_framer_result result = pl_framer_next(
            &stream->framer, len > 0 ? data + total : NULL, len - total, &used, &message, &bad);
        total += used;
        charge_swollen(stream);
        if (result == PL_FRAMER_MORE && may_collect(stream, &bad)) {
            return total;
        }
        if (result != PL_FRAMER_MESSAGE) {
            explain(stream, &bad);
            if (!session->is_server && bad.code == PARLEY_UNIMPLEMENTED) {
                bad.code = PARLEY_INTERNAL; /* compression.md: we offered only what we speak */
            }
            pl_stream_abort(stream, &bad);
            return len;
        }
        stream->is_delivering = true;
        session->events->on_message(session->owner, stream, message.data, message.len);
        stream->is_delivering = false;
        /* Not later: a reader may pause here for as long as it likes. */
        pl_framer_deinit(&stream->framer);
        pl_stream_count_partial(stream);
    }
    return stream->is_input_over ? len : total;
}

/* The peer sends no more, and all that it sent is delivered. */
static void end_input(struct pl_stream *stream)
{
    struct pl_session *session = stream->session;
    if (!session->is_server) {
        pl_response_end(stream);
        stream->is_input_over = true;
        return;
    }
    if (stream->is_input_over || !stream->is_user_open) {
        return;
    }
    if (pl_framer_is_partial(&stream->framer)) {
        pl_stream_abort(stream,
                        &(struct pl_status){.code = PARLEY_INTERNAL,
                                            .message = "grpc: the last message is cut off"});
        return;
    }
    if (session->events->on_half_close != NULL) {
        session->events->on_half_close(session->owner, stream);
    }
}

void pl_stream_deliver_held(struct pl_stream *stream)
{
    if (stream->held != NULL && !stream->is_input_over) {
        /* Out of the stream's hands while messages are borrowed from it: a cancel inside of an
         * event drops what is held. */
        struct pl_buf *held = stream->held;
        size_t offset = stream->held_offset;
        stream->held = NULL;
        size_t used = deliver(stream, held->data + offset, held->len - offset);
        if (stream->is_h2_open) {
            (void)nghttp2_session_consume_stream(pl_session_h2(stream->session), stream->id, used);
        }
        if (used < held->len - offset) {
            stream->held = held;
            stream->held_offset = offset + used;
            return;
        }
        pl_buf_unref(held);
    }
    if (stream->is_end_due && !stream->is_paused) {
        stream->is_end_due = false;
        end_input(stream);
        if (!stream->is_h2_open) {
            pl_stream_add_work(stream, PL_WORK_CLOSE);
        }
    }
}

/* Forget what was delivered, once it is the greater part: the window was given back for it, so that
 * a reader who never catches up would have us hold all that was ever sent. */
static void compact(struct pl_stream *stream)
{
    size_t left = stream->held->len - stream->held_offset;
    if (stream->held_offset >= left) {
        memmove(stream->held->data, stream->held->data + stream->held_offset, left);
        stream->held->len = left;
        stream->held_offset = 0;
    }
}

static void hold(struct pl_stream *stream, const uint8_t *data, size_t len)
{
    if (len == 0) {
        return;
    }
    if (stream->held == NULL) {
        stream->held_offset = 0;
    } else {
        compact(stream);
    }
    if (pl_buf_append(&stream->held, data, len) != 0) {
        pl_stream_abort(stream, &(struct pl_status){.code = PARLEY_RESOURCE_EXHAUSTED,
                                                    .message = "grpc: no memory for the message"});
    }
}

static int on_data_chunk(nghttp2_session *h2, uint8_t flags, int32_t id, const uint8_t *data,
                         size_t len, void *user_data)
{
    (void)flags;
    struct pl_session *session = user_data;
    struct pl_stream *stream = pl_stream_of(session, id);
    (void)nghttp2_session_consume_connection(h2, len);
    if (stream == NULL || stream->is_input_over) {
        (void)nghttp2_session_consume_stream(h2, id, len);
        return 0;
    }
    if (stream->held != NULL || stream->is_paused) {
        hold(stream, data, len);
        return 0;
    }
    size_t used = deliver(stream, data, len);
    (void)nghttp2_session_consume_stream(h2, id, used);
    hold(stream, data + used, len - used);
    return session->is_condemned ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

/* R17. 0: keep the header; 1: over the limit, ignore it; -1: far over it. */
static int count_header(struct pl_stream *stream, size_t name_len, size_t value_len)
{
    uint32_t max = stream->session->limits.header_bytes_max;
    stream->headers_bytes += (uint32_t)(name_len + value_len + 32);
    stream->headers_count++;
    if (stream->headers_bytes <= max && stream->headers_count <= PL_HEADERS_MAX) {
        return 0;
    }
    if (stream->headers_bytes / HEADERS_BYTES_FACTOR > max ||
        stream->headers_count / HEADERS_BYTES_FACTOR > PL_HEADERS_MAX) {
        return -1;
    }
    if (stream->session->is_server) {
        stream->refusal = PL_REFUSAL_HEADERS;
    } else {
        pl_stream_abort(
            stream, &(struct pl_status){.code = PARLEY_RESOURCE_EXHAUSTED,
                                        .message = "grpc: received metadata size exceeds limit"});
    }
    return 1;
}

static int on_begin_headers(nghttp2_session *h2, const nghttp2_frame *frame, void *user_data)
{
    struct pl_session *session = user_data;
    int32_t id = frame->hd.stream_id;
    if (session->is_server && frame->hd.type == NGHTTP2_HEADERS &&
        frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        struct pl_stream *stream = pl_stream_new(session, id);
        if (stream == NULL) {
            return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        }
        stream->is_h2_open = true;
        session->flood.streams++;
        session->recent = stream;
        (void)nghttp2_session_set_stream_user_data(h2, id, stream);
        return 0;
    }
    struct pl_stream *stream = pl_stream_of(session, id);
    if (stream != NULL) {
        stream->headers_bytes = 0;
        stream->headers_count = 0;
    }
    return 0;
}

static int on_header(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *user_data)
{
    (void)h2;
    (void)flags;
    struct pl_session *session = user_data;
    struct pl_stream *stream = pl_stream_of(session, frame->hd.stream_id);
    if (stream == NULL || frame->hd.type != NGHTTP2_HEADERS) {
        return 0;
    }
    int over = count_header(stream, name_len, value_len);
    if (over != 0) {
        return over > 0 || pl_session_glitch(session, UINT32_MAX) ? 0
                                                                  : NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    if (!session->is_server) {
        return pl_response_header(stream, (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0,
                                  (const char *)name, name_len, (const char *)value, value_len);
    }
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        return 0; /* R16: request trailers say nothing to us */
    }
    return pl_request_header(stream, (const char *)name, name_len, (const char *)value, value_len);
}

static void on_end_stream(struct pl_stream *stream)
{
    struct pl_session *session = stream->session;
    stream->is_end_seen = true;
    if (!session->is_server &&
        nghttp2_session_get_stream_local_close(pl_session_h2(session), stream->id) == 0) {
        /* Not at once: the server's own reset may be in the bytes that follow. */
        stream->is_output_over = true;
        pl_stream_add_work(stream, PL_WORK_RESET);
    }
    if (stream->held != NULL && !stream->is_input_over) {
        stream->is_end_due = true;
        return;
    }
    if (stream->is_plain) {
        pl_request_answer_plain(stream);
        return;
    }
    end_input(stream);
}

static void on_headers_frame(struct pl_session *session, const nghttp2_frame *frame)
{
    struct pl_stream *stream = pl_stream_of(session, frame->hd.stream_id);
    if (stream == NULL) {
        return;
    }
    bool is_end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (!session->is_server) {
        pl_response_headers_end(stream, is_end);
    } else if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        pl_request_begin(stream);
    }
    if (is_end) {
        on_end_stream(stream);
    }
}

static int on_data_frame(struct pl_session *session, const nghttp2_frame *frame)
{
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
        struct pl_stream *stream = pl_stream_of(session, frame->hd.stream_id);
        if (stream != NULL) {
            on_end_stream(stream);
        }
        return 0;
    }
    if (frame->hd.length == 0 && !pl_session_glitch(session, COST_GLITCH)) {
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    return 0;
}

/* Requests that still wait for their turn will never be sent. */
static void on_goaway(struct pl_session *session, const nghttp2_frame *frame)
{
    if (session->is_server) {
        return;
    }
    session->is_goaway_received = true;
    PL_LIST_FOREACH (node, &session->streams) {
        struct pl_stream *stream = PL_LIST_ENTRY(node, struct pl_stream, node);
        if (!stream->is_answered && stream->is_user_open && !stream->has_status) {
            stream->is_unprocessed = true;
            pl_stream_abort(stream, &(struct pl_status){.code = PARLEY_UNAVAILABLE,
                                                        .message = "the server goes away"});
        }
    }
    if (session->events->on_goaway != NULL) {
        session->events->on_goaway(session->owner, frame->goaway.error_code,
                                   (const char *)frame->goaway.opaque_data,
                                   frame->goaway.opaque_data_len);
    }
}

static void on_settings(struct pl_session *session)
{
    void (*event)(void *owner) =
        session->is_ready ? session->events->on_settings : session->events->on_ready;
    session->is_ready = true;
    if (session->is_server) {
        pl_data_note_settings(session);
    } else if (event != NULL) {
        event(session->owner);
    }
}

static int on_frame_recv(nghttp2_session *h2, const nghttp2_frame *frame, void *user_data)
{
    (void)h2;
    struct pl_session *session = user_data;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        session->open_block = 0;
        on_headers_frame(session, frame);
        return 0;
    case NGHTTP2_DATA:
        return on_data_frame(session, frame);
    case NGHTTP2_GOAWAY:
        on_goaway(session, frame);
        return 0;
    case NGHTTP2_RST_STREAM: {
        /* Rapid reset: work asked for and thrown away. One after our answer is normal. */
        struct pl_stream *stream = pl_stream_of(session, frame->hd.stream_id);
        bool is_rapid = session->is_server && stream != NULL && !stream->is_answered;
        if (stream != NULL) {
            stream->is_end_seen = true;
        }
        return !is_rapid || pl_session_glitch(session, COST_GLITCH) ? 0
                                                                    : NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    case NGHTTP2_SETTINGS:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) {
            on_settings(session);
        } else {
            session->is_acknowledged = true;
        }
        return 0;
    default:
        return 0;
    }
}

/* K6. Of a server no more is expected than of any peer. */
static bool take_ping(struct pl_session *session)
{
    if (!session->is_server) {
        return pl_session_glitch(session, COST_GLITCH);
    }
    if (pl_flood_count_ping(&session->flood, session->limits.ping_min_ms)) {
        return true;
    }
    session->is_condemned = true;
    pl_session_goaway(session, NGHTTP2_ENHANCE_YOUR_CALM, "too_many_pings");
    return false;
}

/* nghttp2 forgets closed streams, and may: what comes on them late is ignored, since it may have
 * been sent before our reset arrived. What comes after the client's own end is an error (RFC 9113,
 * 5.1), of which a short memory sees enough. */
static bool is_after_end(const struct pl_session *session, int32_t id)
{
    for (size_t i = 0; i < PL_ENDED_STREAMS; i++) {
        if (session->ended[i] == id) {
            return true;
        }
    }
    return false;
}

static void remember_end(struct pl_session *session, const struct pl_stream *stream)
{
    if (stream->is_end_seen) {
        session->ended[session->ended_next++ % PL_ENDED_STREAMS] = stream->id;
    }
}

static bool refuse_after_end(struct pl_session *session, int32_t id)
{
    if (!session->is_server || id == 0 || !is_after_end(session, id)) {
        return false;
    }
    pl_session_condemn(session, NGHTTP2_STREAM_CLOSED);
    return true;
}

/* What crossed our GOAWAY is not listened to: nothing would tell that it has come whole. */
static bool is_block_begun(struct pl_session *session, const nghttp2_frame_hd *header)
{
    return header->type == NGHTTP2_HEADERS &&
           (!session->is_goaway_sent || pl_stream_of(session, header->stream_id) != NULL);
}

bool pl_session_count_window_update(struct pl_session *session)
{
    return pl_flood_count_window_update(&session->flood) || pl_session_glitch(session, COST_GLITCH);
}

/* The only callback that sees every frame, also on streams that are gone. */
static int on_begin_frame(nghttp2_session *h2, const nghttp2_frame_hd *header, void *user_data)
{
    (void)h2;
    struct pl_session *session = user_data;
    bool is_fine = true;
    if (header->type != NGHTTP2_CONTINUATION) {
        session->open_block = is_block_begun(session, header) ? ++session->blocks : 0;
    }
    switch (header->type) {
    case NGHTTP2_DATA:
    case NGHTTP2_HEADERS:
        is_fine = !refuse_after_end(session, header->stream_id);
        break;
    case NGHTTP2_CONTINUATION:
    case NGHTTP2_RST_STREAM:
    case NGHTTP2_GOAWAY:
        break;
    case NGHTTP2_PING:
        is_fine = (header->flags & NGHTTP2_FLAG_ACK) != 0 || take_ping(session);
        break;
    case NGHTTP2_WINDOW_UPDATE:
        is_fine = pl_session_count_window_update(session);
        break;
    case NGHTTP2_SETTINGS:
        is_fine =
            (header->flags & NGHTTP2_FLAG_ACK) != 0 || pl_session_glitch(session, COST_SETTINGS);
        break;
    default: /* PRIORITY and frames that nobody knows */
        is_fine = pl_session_glitch(session, COST_GLITCH);
        break;
    }
    return is_fine ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_unknown_frame(nghttp2_session *h2, void **payload, const nghttp2_frame_hd *header,
                            void *user_data)
{
    (void)h2;
    (void)payload;
    (void)header;
    (void)user_data;
    return NGHTTP2_ERR_CANCEL; /* to be ignored */
}

static int on_invalid_frame(nghttp2_session *h2, const nghttp2_frame *frame, int error,
                            void *user_data)
{
    (void)h2;
    (void)frame;
    (void)error;
    ((struct pl_session *)user_data)->open_block = 0;
    return pl_session_glitch(user_data, COST_GLITCH) ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_stream_close(nghttp2_session *h2, int32_t id, uint32_t h2_error, void *user_data)
{
    struct pl_stream *stream = nghttp2_session_get_stream_user_data(h2, id);
    struct pl_session *session = user_data;
    if (stream == NULL) {
        return 0;
    }
    pl_stream_forget_h2(stream);
    if (session->is_server) {
        remember_end(session, stream);
        pl_stream_set_status(stream, stream->is_answered ? PARLEY_OK : PARLEY_CANCELLED, NULL);
    } else if (stream->is_end_due && stream->is_user_open) {
        return 0; /* all is here, but a pause holds it back */
    } else {
        pl_response_closed(stream, h2_error);
    }
    pl_stream_close_user(stream);
    pl_stream_recycle_if_over(stream);
    return 0;
}

void pl_session_in_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_unpack_extension_callback(callbacks, on_unknown_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
}
