/* SPDX-License-Identifier: Apache-2.0 */
/* One call on a session: its life, and the functions that both roles have. Thread: the session's.
 * The two lives of a stream are explained in session_impl.h. */
#include "wire/session_impl.h"

#include "wire/gzip.h"

#include "base/mem.h"

#include <string.h>

static struct pl_stream *take_recycled(struct pl_wire *wire)
{
    struct pl_list *node = pl_list_pop(&wire->recycled);
    if (node == NULL) {
        return pl_malloc(sizeof(struct pl_stream));
    }
    wire->recycled_count--;
    return PL_LIST_ENTRY(node, struct pl_stream, node);
}

struct pl_stream *pl_stream_new(struct pl_session *session, int32_t id)
{
    struct pl_stream *stream = take_recycled(session->wire);
    if (stream == NULL) {
        return NULL;
    }
    memset(stream, 0, offsetof(struct pl_stream, inline_block));
    stream->session = session;
    stream->id = id;
    stream->timeout_ns = INT64_MAX;
    stream->send_window = session->peer_window;
    pl_queue_init(&stream->queue);
    pl_framer_init(&stream->framer, session->limits.message_bytes_max, session->wire->gzip);
    pl_arena_init(&stream->arena, stream->inline_block, sizeof(stream->inline_block), 0);
    pl_metadata_init(&stream->metadata, &stream->arena);
    pl_metadata_init(&stream->received_trailers, &stream->arena);
    pl_list_push(&session->streams, &stream->node);
    session->stream_count++;
    return stream;
}

struct pl_stream *pl_stream_of(struct pl_session *session, int32_t id)
{
    if (session->recent != NULL && session->recent->id == id) {
        return session->recent;
    }
    struct pl_stream *stream = nghttp2_session_get_stream_user_data(pl_session_h2(session), id);
    if (stream != NULL) {
        session->recent = stream;
    }
    return stream;
}

void pl_stream_drop_output(struct pl_stream *stream)
{
    stream->is_output_over = true;
    size_t bytes = stream->queue.bytes;
    pl_queue_clear(&stream->queue);
    pl_list_remove(&stream->ready_node);
    pl_session_count_unqueued(stream->session, bytes);
}

static void begin_message(struct pl_stream *stream)
{
    stream->begun_message = ++stream->session->begun_messages;
    pl_list_push(&stream->session->partial, &stream->partial_node);
}

void pl_stream_count_partial(struct pl_stream *stream)
{
    size_t bytes = pl_framer_held_bytes(&stream->framer);
    stream->session->partial_bytes += bytes - stream->partial_bytes;
    stream->partial_bytes = bytes;
    if (!pl_framer_is_partial(&stream->framer)) {
        pl_list_remove(&stream->partial_node);
    } else if (!pl_list_is_linked(&stream->partial_node)) {
        begin_message(stream);
    }
}

void pl_session_end_unfinished(struct pl_session *session, uint64_t begun)
{
    while (!pl_list_is_empty(&session->partial)) {
        struct pl_stream *stream =
            PL_LIST_ENTRY(session->partial.next, struct pl_stream, partial_node);
        if (stream->begun_message > begun) {
            return;
        }
        pl_list_remove(&stream->partial_node);
        if (stream->is_paused) {
            begin_message(stream); /* it waits for us */
        } else {
            pl_stream_abort(stream, &(struct pl_status){.code = PARLEY_DEADLINE_EXCEEDED,
                                                        .message = "a message did not come whole "
                                                                   "in time"});
        }
    }
}

void pl_stream_drop_input(struct pl_stream *stream)
{
    stream->is_input_over = true;
    if (!stream->is_delivering) {
        pl_framer_deinit(&stream->framer);
        pl_stream_count_partial(stream);
    }
    if (stream->held != NULL) {
        size_t len = stream->held->len - stream->held_offset;
        if (stream->is_h2_open) {
            (void)nghttp2_session_consume_stream(pl_session_h2(stream->session), stream->id, len);
        }
        pl_buf_unref(stream->held);
        stream->held = NULL;
    }
}

void pl_stream_forget_h2(struct pl_stream *stream)
{
    stream->is_h2_open = false;
    stream->is_deferred = false;
    if (stream->session->recent == stream) {
        stream->session->recent = NULL;
    }
    pl_stream_drop_output(stream);
}

void pl_stream_close_user(struct pl_stream *stream)
{
    if (!stream->is_user_open) {
        return;
    }
    stream->is_user_open = false;
    stream->is_input_over = true;
    stream->is_output_over = true;
    struct pl_session *session = stream->session;
    if (session->events->on_close != NULL) {
        session->events->on_close(session->owner, stream, &stream->status);
    }
}

void pl_stream_recycle_if_over(struct pl_stream *stream)
{
    if (stream->is_h2_open || stream->is_user_open) {
        return;
    }
    struct pl_session *session = stream->session;
    struct pl_wire *wire = session->wire;
    pl_stream_drop_output(stream);
    pl_stream_drop_input(stream);
    pl_list_remove(&stream->node);
    pl_list_remove(&stream->work_node);
    if (session->recent == stream) {
        session->recent = NULL;
    }
    session->stream_count--;
    if (stream->has_secret) {
        pl_arena_wipe(&stream->arena);
    }
    pl_arena_deinit(&stream->arena);
    if (wire->recycled_count < PL_STREAMS_RECYCLED_MAX) {
        wire->recycled_count++;
        pl_list_push_front(&wire->recycled, &stream->node);
    } else {
        pl_free(stream);
    }
}

void pl_stream_set_status(struct pl_stream *stream, enum parley_code code, const char *message)
{
    if (stream->has_status) {
        return;
    }
    stream->has_status = true;
    stream->status = (struct pl_status){.code = code, .message = message};
}

void pl_stream_add_work(struct pl_stream *stream, unsigned work)
{
    stream->work |= (uint8_t)work;
    if (!pl_list_is_linked(&stream->work_node)) {
        pl_list_push(&stream->session->work, &stream->work_node);
    }
    pl_session_touch(stream->session);
}

void pl_stream_reset(struct pl_stream *stream, uint32_t h2_error)
{
    struct pl_session *session = stream->session;
    stream->is_output_over = true;
    pl_stream_drop_input(stream);
    /* A client's is dropped on close: a DATA frame that nghttp2 has begun still wants its bytes. */
    if (session->is_server) {
        pl_stream_drop_output(stream);
    }
    if (stream->is_h2_open) {
        /* If there is no memory even for that, the peer can only hear of it from the connection. */
        session->is_lost |= nghttp2_submit_rst_stream(pl_session_h2(session), NGHTTP2_FLAG_NONE,
                                                      stream->id, h2_error) == NGHTTP2_ERR_NOMEM;
        pl_session_touch(session);
    }
    /* nghttp2 may keep a request that waits for its turn for long; the user shall not wait for it.
     */
    bool is_waiting = !session->is_server && !stream->is_answered;
    if (!stream->is_h2_open || is_waiting) {
        pl_stream_add_work(stream, PL_WORK_CLOSE);
    }
}

void pl_stream_abort(struct pl_stream *stream, const struct pl_status *status)
{
    pl_stream_set_status(stream, status->code, status->message);
    pl_stream_drop_input(stream);
    if (!stream->session->is_server) {
        pl_stream_reset(stream, NGHTTP2_CANCEL);
    } else if (stream->is_output_over) {
        /* The answer is given already, and what the client did wrong after it matters to nobody. */
        return;
    } else {
        pl_stream_finish(stream, status, NULL);
    }
}

void pl_stream_cancel(struct pl_stream *stream, uint32_t h2_error)
{
    if (!stream->is_user_open) {
        return;
    }
    if (!stream->has_status || stream->session->is_server) {
        stream->has_status = false;
        pl_stream_set_status(stream, PARLEY_CANCELLED, "cancelled");
    }
    pl_stream_reset(stream, h2_error);
}

static size_t give_up(struct pl_stream *stream, const char *why, uint32_t h2_error)
{
    pl_stream_set_status(stream, PARLEY_RESOURCE_EXHAUSTED, why);
    pl_stream_reset(stream, h2_error);
    return 0;
}

static size_t fail_memory(struct pl_stream *stream)
{
    return give_up(stream, "no memory to send", NGHTTP2_INTERNAL_ERROR);
}

void pl_stream_check_writable(struct pl_stream *stream)
{
    struct pl_session *session = stream->session;
    if (stream->is_above_high_water && !session->is_full &&
        stream->queue.bytes < session->limits.write_high_water / 2) {
        stream->is_above_high_water = false;
        pl_stream_add_work(stream, PL_WORK_WRITABLE);
    }
}

/* There is more in the queue, or its end. */
static void go_on(struct pl_stream *stream)
{
    if (stream->session->is_server) {
        pl_data_ready(stream);
    } else if (stream->is_deferred) {
        stream->is_deferred = false;
        (void)nghttp2_session_resume_data(pl_session_h2(stream->session), stream->id);
    }
    pl_session_touch(stream->session);
}

size_t pl_stream_write(struct pl_stream *stream, struct pl_buf *frames, size_t offset)
{
    struct pl_session *session = stream->session;
    if (stream->is_output_over || !stream->is_h2_open) {
        return 0;
    }
    if (offset >= frames->len) {
        return stream->queue.bytes;
    }
    if (pl_session_is_overfull(session)) {
        return give_up(stream, "the client does not read", NGHTTP2_ENHANCE_YOUR_CALM);
    }
    if (session->is_server && !stream->is_headers_out &&
        pl_headers_send_response(stream, NULL) != 0) {
        return fail_memory(stream);
    }
    if (stream->wants_gzip && stream->is_gzip_announced) {
        frames = pl_gzip_frames(session->wire->gzip, frames, &offset);
    }
    if (pl_queue_push(&stream->queue, frames, offset) != 0) {
        return fail_memory(stream);
    }
    pl_session_count_queued(session, frames->len - offset);
    stream->is_above_high_water |=
        stream->queue.bytes >= session->limits.write_high_water || session->is_full;
    go_on(stream);
    return stream->queue.bytes;
}

void pl_stream_compress(struct pl_stream *stream, bool is_wanted)
{
    stream->wants_gzip = is_wanted;
}

bool pl_stream_is_message_compressed(const struct pl_stream *stream)
{
    return stream->framer.is_compressed;
}

bool pl_stream_is_encoding_known(const struct pl_stream *stream)
{
    return stream->framer.encoding != PL_ENCODING_UNKNOWN;
}

size_t pl_stream_queued_bytes(const struct pl_stream *stream)
{
    return stream->queue.bytes;
}

bool pl_stream_is_above_high_water(const struct pl_stream *stream)
{
    return stream->queue.bytes >= stream->session->limits.write_high_water ||
           (stream->is_above_high_water && stream->session->is_full);
}

void pl_stream_pause(struct pl_stream *stream, bool paused)
{
    stream->is_paused = paused;
    if (!paused && stream->is_user_open && (stream->held != NULL || stream->is_end_due)) {
        pl_stream_add_work(stream, PL_WORK_RESUME);
    }
}

void pl_stream_half_close(struct pl_stream *stream)
{
    if (stream->is_output_over || stream->session->is_server) {
        return;
    }
    stream->is_output_over = true;
    go_on(stream);
}

void pl_stream_send_headers(struct pl_stream *stream, const parley_metadata *metadata)
{
    if (stream->is_output_over || stream->is_headers_out || !stream->session->is_server) {
        return;
    }
    if (pl_headers_send_response(stream, metadata) != 0) {
        (void)fail_memory(stream);
        return;
    }
    pl_session_touch(stream->session);
}

void pl_stream_finish(struct pl_stream *stream, const struct pl_status *status,
                      const parley_metadata *trailers)
{
    if (stream->is_output_over || !stream->is_h2_open || !stream->session->is_server) {
        return;
    }
    stream->is_output_over = true;
    int rv = stream->is_headers_out ? pl_headers_prepare_trailers(stream, status, trailers)
                                    : pl_headers_send_trailers_only(stream, status, trailers);
    if (rv != 0) {
        pl_stream_reset(stream, NGHTTP2_INTERNAL_ERROR);
        return;
    }
    pl_stream_drop_input(stream);
    if (stream->trailers != NULL && stream->queue.bytes == 0) {
        pl_data_end(stream);
    }
    pl_session_touch(stream->session);
}

const char *pl_stream_path(const struct pl_stream *stream, size_t *len)
{
    if (len != NULL) {
        *len = stream->path_len;
    }
    return stream->path;
}

int64_t pl_stream_timeout_ns(const struct pl_stream *stream)
{
    return stream->timeout_ns;
}

const parley_metadata *pl_stream_metadata(const struct pl_stream *stream)
{
    return &stream->metadata;
}

const parley_metadata *pl_stream_trailers(const struct pl_stream *stream)
{
    return stream->has_received_trailers ? &stream->received_trailers : NULL;
}

bool pl_stream_is_unprocessed(const struct pl_stream *stream)
{
    return stream->is_unprocessed;
}

bool pl_stream_is_sent(const struct pl_stream *stream)
{
    return stream->is_answered;
}

void pl_stream_set_user(struct pl_stream *stream, void *user)
{
    stream->user = user;
}

void *pl_stream_user(const struct pl_stream *stream)
{
    return stream->user;
}

struct pl_arena *pl_stream_arena(struct pl_stream *stream)
{
    return &stream->arena;
}
