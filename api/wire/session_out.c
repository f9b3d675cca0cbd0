/* SPDX-License-Identifier: Apache-2.0 */
/* Output, into a gather. Thread: the session's. One DATA frame takes as many queued messages as
 * fit, and small ones are copied once, into the gather's block.
 *
 * A server's DATA is made in session_data.c. A client's goes by nghttp2, which never copies it
 * (NO_COPY): a queue is only moved on in send_data, never in the read callback, since nghttp2 may
 * ask again; and it is only cleared when the stream is closed, since a frame that was begun wants
 * its bytes. */
#include "wire/session_impl.h"

#include <string.h>

ssize_t pl_stream_read(nghttp2_session *h2, int32_t id, uint8_t *buf, size_t length,
                       uint32_t *data_flags, nghttp2_data_source *source, void *user_data)
{
    (void)h2;
    (void)id;
    (void)buf;
    (void)user_data;
    struct pl_stream *stream = source->ptr;
    size_t bytes = stream->queue.bytes < length ? stream->queue.bytes : length;
    bool is_end = stream->is_output_over && bytes == stream->queue.bytes;
    if (bytes > 0) {
        *data_flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    } else if (!is_end) {
        stream->is_deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    *data_flags |= is_end ? (uint32_t)NGHTTP2_DATA_FLAG_EOF : 0;
    return (ssize_t)bytes;
}

void pl_session_count_data(struct pl_stream *stream, size_t len)
{
    struct pl_session *session = stream->session;
    session->flood.data_frames++;
    pl_flood_forgive_pings(&session->flood);
    pl_session_count_unqueued(session, len);
    pl_stream_check_writable(stream);
}

static int send_data(nghttp2_session *h2, nghttp2_frame *frame, const uint8_t *header,
                     size_t length, nghttp2_data_source *source, void *user_data)
{
    (void)h2;
    (void)frame;
    struct pl_session *session = user_data;
    struct pl_stream *stream = source->ptr;
    if (!pl_gather_has_room(session->gather)) {
        session->is_gather_full = true;
        return NGHTTP2_ERR_WOULDBLOCK;
    }
    if (!pl_gather_copy(session->gather, header, PL_FRAME_HEADER_BYTES) ||
        pl_queue_move(&stream->queue, session->gather, length) != 0) {
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    pl_session_count_data(stream, length);
    return 0;
}

static int on_headers_sent(struct pl_session *session, const nghttp2_frame *frame)
{
    struct pl_stream *stream = pl_stream_of(session, frame->hd.stream_id);
    if (stream == NULL) {
        return 0;
    }
    if (!session->is_server) {
        stream->is_answered = true;
        return 0;
    }
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) {
        return 0;
    }
    stream->is_answered = true;
    /* T5: only now; next to the trailers it would have dropped them. */
    if (nghttp2_session_get_stream_remote_close(pl_session_h2(session), stream->id) == 0) {
        (void)nghttp2_submit_rst_stream(pl_session_h2(session), NGHTTP2_FLAG_NONE, stream->id,
                                        NGHTTP2_NO_ERROR);
    }
    return 0;
}

static int on_frame_send(nghttp2_session *h2, const nghttp2_frame *frame, void *user_data)
{
    (void)h2;
    struct pl_session *session = user_data;
    if (frame->hd.type == NGHTTP2_HEADERS) {
        pl_flood_forgive_pings(&session->flood);
        return on_headers_sent(session, frame);
    }
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        session->sent_error = frame->goaway.error_code;
        session->is_goaway_sent |= frame->goaway.last_stream_id < INT32_MAX;
    }
    if (frame->hd.type == NGHTTP2_RST_STREAM && session->is_server &&
        frame->rst_stream.error_code != NGHTTP2_NO_ERROR &&
        frame->rst_stream.error_code != NGHTTP2_CANCEL) {
        /* The peer made us reset: the other half of rapid reset. GOAWAY is queued if it is too
         * much. */
        (void)pl_session_glitch(session, 1);
    }
    return 0;
}

void pl_session_out_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_send_data_callback(callbacks, send_data);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
}

/* What nghttp2 has, as much as fits. 0, or its error. */
static int gather_h2(struct pl_session *session)
{
    ssize_t len = 1;
    while (len > 0 && pl_gather_has_room(session->gather)) {
        const uint8_t *data = NULL;
        len = nghttp2_session_mem_send(pl_session_h2(session), &data);
        if (len > 0) {
            (void)pl_gather_copy(session->gather, data, (size_t)len);
        }
    }
    bool wants_write = pl_session_look_at_h2(session);
    session->is_gather_full |= len > 0 && wants_write;
    session->is_h2_touched = session->is_gather_full; /* it cannot send what is left */
    return len < 0 ? (int)len : 0;
}

/* 0, or an error of nghttp2. */
static int gather_all(struct pl_session *session)
{
    int rv = 0;
    do {
        if (session->is_h2_touched) {
            rv = gather_h2(session);
        }
        if (rv == 0 && !session->is_gather_full) {
            rv = pl_data_gather(session) == 0 ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
        }
    } while (rv == 0 && !session->is_gather_full &&
             (pl_session_run_work(session) || session->is_h2_touched));
    return rv;
}

enum parley_code pl_session_gather(struct pl_session *session, struct pl_gather *gather, bool *more,
                                   struct pl_error *err)
{
    *more = false;
    session->is_write_told = false;
    if (session->farewell != NULL) {
        const char *text = session->farewell;
        session->farewell = NULL;
        (void)pl_gather_copy(gather, text, strlen(text));
        return PARLEY_OK;
    }
    session->is_inside = true;
    session->gather = gather;
    session->is_gather_full = false;
    (void)pl_session_run_work(session);
    int rv = gather_all(session);
    *more = session->is_gather_full;
    session->gather = NULL;
    session->is_inside = false;
    if (rv != 0) {
        session->is_lost = true;
        return pl_fail(err, rv == NGHTTP2_ERR_NOMEM ? PARLEY_RESOURCE_EXHAUSTED : PARLEY_INTERNAL,
                       "HTTP/2 output: %s", nghttp2_strerror(rv));
    }
    return PARLEY_OK;
}
