/* SPDX-License-Identifier: Apache-2.0 */
/* DATA that a server sends, and the windows that it must keep to (RFC 9113, 5.2 and 6.9). Nearly
 * all that a server does is to send messages on streams that are open, and for that nghttp2 would
 * go over a few pages of state for each frame: so the frames are made here, and the client's
 * WINDOW_UPDATEs are taken here, while nghttp2 may rest (pl_session_rest). It has all that begins
 * and ends a stream: headers, trailers, resets; it never sees the data that we send, nor the
 * windows for it. Thread: the session's.
 *
 * Streams that have data and an open window are in session->ready, and have a frame each in turn.
 * A client's own data, which ends most streams, goes by nghttp2 (session_out.c). */
#include "wire/session_impl.h"

#define FRAME_BYTES_MAX 16384 /* every peer takes as much (RFC 9113, 6.5.2) */
#define WINDOW_MAX      INT32_MAX
#define WINDOW_START    65535
#define STREAMS_FEW     16

/* ---- out ---- */

void pl_data_init(struct pl_session *session)
{
    pl_list_init(&session->ready);
    session->send_window = WINDOW_START;
    session->peer_window = WINDOW_START;
}

void pl_data_ready(struct pl_stream *stream)
{
    if (stream->queue.bytes > 0 && stream->send_window > 0 &&
        !pl_list_is_linked(&stream->ready_node)) {
        pl_list_push(&stream->session->ready, &stream->ready_node);
    }
}

void pl_data_end(struct pl_stream *stream)
{
    if (nghttp2_submit_trailer(pl_session_h2(stream->session), stream->id, stream->trailers,
                               stream->trailers_count) != 0) {
        pl_stream_reset(stream, NGHTTP2_INTERNAL_ERROR);
    }
}

/* Once a GOAWAY says why the connection ends, nghttp2 is over though streams are open. */
bool pl_data_can_go(const struct pl_session *session)
{
    return !pl_list_is_empty(&session->ready) && session->send_window > 0 &&
           !session->is_condemned && !session->is_h2_over;
}

static void put_header(uint8_t *header, size_t len, int32_t id)
{
    header[0] = (uint8_t)(len >> 16);
    header[1] = (uint8_t)(len >> 8);
    header[2] = (uint8_t)len;
    header[3] = NGHTTP2_DATA;
    header[4] = NGHTTP2_FLAG_NONE;
    header[5] = (uint8_t)((uint32_t)id >> 24);
    header[6] = (uint8_t)((uint32_t)id >> 16);
    header[7] = (uint8_t)((uint32_t)id >> 8);
    header[8] = (uint8_t)id;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* @return false: no room in the gather, which cannot be: it was looked for */
static bool send_frame(struct pl_session *session, struct pl_stream *stream)
{
    size_t windows = least((size_t)session->send_window, (size_t)stream->send_window);
    size_t len = least(stream->queue.bytes, least(windows, FRAME_BYTES_MAX));
    uint8_t header[PL_FRAME_HEADER_BYTES];
    put_header(header, len, stream->id);
    if (!pl_gather_copy(session->gather, header, sizeof(header)) ||
        pl_queue_move(&stream->queue, session->gather, len) != 0) {
        return false;
    }
    session->send_window -= (int32_t)len;
    stream->send_window -= (int32_t)len;
    pl_session_count_data(stream, len);
    return true;
}

int pl_data_gather(struct pl_session *session)
{
    while (pl_data_can_go(session)) {
        if (!pl_gather_has_room(session->gather)) {
            session->is_gather_full = true;
            return 0;
        }
        struct pl_stream *stream =
            PL_LIST_ENTRY(pl_list_pop(&session->ready), struct pl_stream, ready_node);
        if (!send_frame(session, stream)) {
            return -1;
        }
        if (stream->queue.bytes == 0 && stream->is_output_over) {
            pl_data_end(stream);
        }
        pl_data_ready(stream);
    }
    return 0;
}

/* ---- windows ---- */

static bool widen(int32_t *window, int64_t by)
{
    if (*window + by > WINDOW_MAX) {
        return false;
    }
    *window = (int32_t)(*window + by);
    return true;
}

void pl_data_note_settings(struct pl_session *session)
{
    uint32_t fresh =
        nghttp2_session_get_remote_settings(session->h2, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE);
    int64_t change = (int64_t)fresh - session->peer_window;
    session->peer_window = (int32_t)fresh; /* nghttp2 has checked it */
    if (change == 0) {
        return;
    }
    PL_LIST_FOREACH (node, &session->streams) {
        struct pl_stream *stream = PL_LIST_ENTRY(node, struct pl_stream, node);
        if (!widen(&stream->send_window, change)) {
            pl_session_condemn(session, NGHTTP2_FLOW_CONTROL_ERROR);
            return;
        }
        if (stream->send_window <= 0) {
            pl_list_remove(&stream->ready_node);
        }
        pl_data_ready(stream);
    }
}

/* Big-endian; the first bit is reserved. */
static uint32_t read_31_bits(const uint8_t *at)
{
    return ((uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3]) &
           INT32_MAX;
}

/* nghttp2 is asked only if there are many: it may rest. */
static struct pl_stream *find_stream(struct pl_session *session, int32_t id)
{
    if (session->stream_count > STREAMS_FEW) {
        return pl_stream_of(session, id);
    }
    PL_LIST_FOREACH (node, &session->streams) {
        struct pl_stream *stream = PL_LIST_ENTRY(node, struct pl_stream, node);
        if (stream->id == id) {
            return stream;
        }
    }
    return NULL;
}

static void widen_stream(struct pl_stream *stream, uint32_t by)
{
    if (widen(&stream->send_window, by)) {
        pl_data_ready(stream);
    } else {
        pl_stream_reset(stream, NGHTTP2_FLOW_CONTROL_ERROR);
    }
}

bool pl_data_take_window_update(struct pl_session *session, const uint8_t *frame)
{
    int32_t id = (int32_t)read_31_bits(frame + 5);
    uint32_t increment = read_31_bits(frame + PL_FRAME_HEADER_BYTES);
    struct pl_stream *stream = id != 0 ? find_stream(session, id) : NULL;
    if (increment == 0 || !session->is_ready ||
        (id != 0 && (stream == NULL || !stream->is_h2_open))) {
        return false;
    }
    if (!pl_session_count_window_update(session)) {
        return true;
    }
    if (stream != NULL) {
        widen_stream(stream, increment);
    } else if (!widen(&session->send_window, increment)) {
        pl_session_condemn(session, NGHTTP2_FLOW_CONTROL_ERROR);
    }
    return true;
}
