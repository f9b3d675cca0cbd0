/* SPDX-License-Identifier: Apache-2.0 */
/* The server's side of a request's header block: what is read of it, and what is refused before a
 * handler hears of the call (R1 to R8, R17, M2, M4). Thread: the session's. */
#include "wire/session_impl.h"

#include "wire/timeout.h"

#include <string.h>
#include <strings.h>

static bool equals(const char *text, size_t len, const char *expected, size_t expected_len)
{
    return len == expected_len && memcmp(text, expected, len) == 0;
}

#define EQUALS(text, len, literal) equals((text), (len), (literal), sizeof(literal) - 1)

static void refuse(struct pl_stream *stream, enum pl_refusal refusal)
{
    if (stream->refusal == PL_REFUSAL_NONE) {
        stream->refusal = (uint8_t)refusal;
    }
}

static void take_pseudo(struct pl_stream *stream, const char *name, size_t name_len,
                        const char *value, size_t value_len)
{
    if (EQUALS(name, name_len, ":path")) {
        stream->path = pl_arena_strndup(&stream->arena, value, value_len);
        stream->path_len = value_len;
        if (stream->path == NULL) {
            refuse(stream, PL_REFUSAL_MEMORY);
        }
    } else if (EQUALS(name, name_len, ":method")) {
        stream->is_post = EQUALS(value, value_len, "POST");
    }
}

static void take_timeout(struct pl_stream *stream, const char *value, size_t value_len)
{
    /* The last of several wins, also over a bad one before it. */
    if (stream->refusal == PL_REFUSAL_TIMEOUT || stream->refusal == PL_REFUSAL_EXPIRED) {
        stream->refusal = PL_REFUSAL_NONE;
    }
    if (!pl_timeout_decode(value, value_len, &stream->timeout_ns)) {
        refuse(stream, PL_REFUSAL_TIMEOUT);
    } else if (stream->timeout_ns == 0) {
        refuse(stream, PL_REFUSAL_EXPIRED);
    }
}

static void take_metadata(struct pl_stream *stream, const char *name, size_t name_len,
                          const char *value, size_t value_len)
{
    if (pl_metadata_is_secret(name, name_len)) {
        stream->has_secret = true;
        stream->session->got_secret = true;
    }
    switch (pl_metadata_add_received(&stream->metadata, name, name_len, value, value_len)) {
    case PL_METADATA_ADDED:
        break;
    case PL_METADATA_NO_MEMORY:
        refuse(stream, PL_REFUSAL_MEMORY);
        break;
    case PL_METADATA_BAD_BASE64:
        refuse(stream, PL_REFUSAL_BASE64);
        break;
    }
}

/* Is "gzip" in a list of names with commas between (C4)? */
static bool has_gzip(const char *list, size_t len)
{
    size_t start = 0;
    for (size_t i = 0; i <= len; i++) {
        if (i < len && list[i] != ',') {
            continue;
        }
        while (start < i && list[start] == ' ') {
            start++;
        }
        size_t end = i;
        while (end > start && list[end - 1] == ' ') {
            end--;
        }
        if (pl_encoding_of(list + start, end - start) == PL_ENCODING_GZIP) {
            return true;
        }
        start = i + 1;
    }
    return false;
}

/* Headers named grpc-...: ours to read or nobody's (R8). */
static void take_grpc(struct pl_stream *stream, const char *name, size_t name_len,
                      const char *value, size_t value_len)
{
    if (EQUALS(name, name_len, "grpc-timeout")) {
        take_timeout(stream, value, value_len);
    } else if (EQUALS(name, name_len, "grpc-encoding")) {
        stream->framer.encoding = (uint8_t)pl_encoding_of(value, value_len);
    } else if (EQUALS(name, name_len, "grpc-accept-encoding")) {
        stream->is_gzip_taken |= has_gzip(value, value_len);
    } else if (EQUALS(name, name_len, "grpc-previous-rpc-attempts")) {
        take_metadata(stream, name, name_len, value, value_len);
    }
}

/* Of "application/grpc+CODEC", with or without parameters, only protobuf is understood. */
static bool is_codec_ours(const char *value, size_t len)
{
    static const char OURS[] = "+proto";
    const char *plus = memchr(value, '+', len);
    const char *end = memchr(value, ';', len);
    if (plus == NULL || (end != NULL && end < plus)) {
        return true;
    }
    size_t codec_len = (size_t)((end != NULL ? end : value + len) - plus);
    return codec_len == sizeof(OURS) - 1 && strncasecmp(plus, OURS, codec_len) == 0;
}

int pl_request_header(struct pl_stream *stream, const char *name, size_t name_len,
                      const char *value, size_t value_len)
{
    if (name_len == 0) {
        return 0;
    }
    if (name[0] == ':') {
        take_pseudo(stream, name, name_len, value, value_len);
    } else if (EQUALS(name, name_len, "content-type")) {
        stream->is_content_grpc =
            pl_headers_is_content_grpc(value, value_len) && is_codec_ours(value, value_len);
    } else if (name_len > 5 && memcmp(name, "grpc-", 5) == 0) {
        take_grpc(stream, name, name_len, value, value_len);
    } else if (!EQUALS(name, name_len, "te") && !EQUALS(name, name_len, "host") &&
               !EQUALS(name, name_len, "content-length")) {
        take_metadata(stream, name, name_len, value, value_len);
    }
    return 0;
}

static struct pl_status status_of(enum pl_refusal refusal)
{
    switch (refusal) {
    case PL_REFUSAL_TIMEOUT:
        return (struct pl_status){.code = PARLEY_INTERNAL, .message = "grpc: invalid grpc-timeout"};
    case PL_REFUSAL_EXPIRED:
        return (struct pl_status){.code = PARLEY_DEADLINE_EXCEEDED, .message = "deadline exceeded"};
    case PL_REFUSAL_BASE64:
        return (struct pl_status){.code = PARLEY_INTERNAL,
                                  .message = "grpc: invalid base64 in binary metadata"};
    case PL_REFUSAL_HEADERS:
        return (struct pl_status){.code = PARLEY_RESOURCE_EXHAUSTED,
                                  .message = "grpc: received metadata size exceeds limit"};
    case PL_REFUSAL_MEMORY:
    case PL_REFUSAL_NONE:
        break;
    }
    return (struct pl_status){.code = PARLEY_RESOURCE_EXHAUSTED, .message = "out of memory"};
}

static bool is_plain(const struct pl_stream *stream)
{
    const char *path = stream->session->plain_path;
    return path != NULL && !stream->is_content_grpc && stream->refusal == PL_REFUSAL_NONE &&
           stream->path != NULL && strcmp(stream->path, path) == 0;
}

void pl_request_answer_plain(struct pl_stream *stream)
{
    struct pl_session *session = stream->session;
    const char *text = session->plain_text;
    struct pl_buf *body = pl_buf_copy(text, strlen(text));
    if (body == NULL || pl_queue_push(&stream->queue, body, 0) != 0 ||
        pl_headers_send_plain(stream) != 0) {
        pl_queue_clear(&stream->queue);
        pl_stream_reset(stream, NGHTTP2_INTERNAL_ERROR);
    }
    pl_session_count_queued(session, stream->queue.bytes);
    pl_data_ready(stream);
    pl_buf_unref(body);
}

void pl_request_begin(struct pl_stream *stream)
{
    struct pl_session *session = stream->session;
    int http_error = 0;
    if (is_plain(stream)) {
        /* At the end of the request: what is wrong with it shows until then. */
        stream->is_plain = true;
        stream->is_output_over = true;
        pl_stream_drop_input(stream);
        return;
    }
    if (!stream->is_content_grpc) {
        http_error = 415;
    } else if (!stream->is_post) {
        http_error = 405;
    }
    /* A block that was cut off may lack any header: do not judge it by what is missing. */
    if (http_error == 0 || stream->refusal == PL_REFUSAL_HEADERS) {
        if (stream->refusal == PL_REFUSAL_NONE) {
            stream->is_user_open = true;
            session->events->on_request(session->owner, stream);
            return;
        }
        http_error = 0;
    }
    struct pl_status status = status_of((enum pl_refusal)stream->refusal);
    int rv = http_error != 0 ? pl_headers_send_http_error(stream, http_error)
                             : pl_headers_send_trailers_only(stream, &status, NULL);
    if (rv != 0) {
        (void)nghttp2_submit_rst_stream(pl_session_h2(session), NGHTTP2_FLAG_NONE, stream->id,
                                        NGHTTP2_INTERNAL_ERROR);
    }
    stream->is_output_over = true;
    pl_stream_drop_input(stream);
}
