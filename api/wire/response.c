/* SPDX-License-Identifier: Apache-2.0 */
/* The client's side of a response: headers, trailers, and how a call ended (S1, S2, S4, S7, S8,
 * T10, CL12 to CL14; appendix A for what is tolerated). Thread: the session's. */
#include "wire/session_impl.h"

#include "wire/base64.h"
#include "wire/percent.h"

#include <string.h>

static bool equals(const char *text, size_t len, const char *expected, size_t expected_len)
{
    return len == expected_len && memcmp(text, expected, len) == 0;
}

#define EQUALS(text, len, literal) equals((text), (len), (literal), sizeof(literal) - 1)

/* Out-of-range and unreadable codes are UNKNOWN (S1). */
static enum parley_code code_of(const char *text, size_t len)
{
    unsigned value = 0;
    if (len == 0 || len > 3) {
        return PARLEY_UNKNOWN;
    }
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return PARLEY_UNKNOWN;
        }
        value = value * 10 + (unsigned)(text[i] - '0');
    }
    return value <= PARLEY_UNAUTHENTICATED ? (enum parley_code)value : PARLEY_UNKNOWN;
}

static int parse_http_status(const char *text, size_t len)
{
    int value = 0;
    for (size_t i = 0; i < len && i < 3; i++) {
        value = text[i] >= '0' && text[i] <= '9' ? value * 10 + (text[i] - '0') : 0;
    }
    return value;
}

static int no_memory(struct pl_stream *stream)
{
    pl_stream_abort(stream, &(struct pl_status){.code = PARLEY_RESOURCE_EXHAUSTED,
                                                .message = "no memory for received metadata"});
    return 0;
}

static int take_details(struct pl_stream *stream, const char *value, size_t len)
{
    uint8_t *details = pl_arena_alloc(&stream->arena, PL_BASE64_DECODED_MAX(len));
    size_t details_len = 0;
    if (details == NULL) {
        return no_memory(stream);
    }
    if (pl_base64_decode(value, len, details, &details_len)) {
        stream->status.details = details;
        stream->status.details_len = details_len;
    }
    return 0;
}

/* grpc-... in the block that ends the stream. */
static int take_trailer(struct pl_stream *stream, const char *name, size_t name_len,
                        const char *value, size_t value_len)
{
    if (EQUALS(name, name_len, "grpc-status")) {
        stream->has_grpc_status = true;
        stream->status.code = code_of(value, value_len);
    } else if (EQUALS(name, name_len, "grpc-message")) {
        size_t len = 0;
        stream->status.message = pl_percent_decode(&stream->arena, value, value_len, &len);
        if (stream->status.message == NULL) {
            return no_memory(stream);
        }
    } else if (EQUALS(name, name_len, "grpc-status-details-bin")) {
        return take_details(stream, value, value_len);
    } else if (EQUALS(name, name_len, "grpc-retry-pushback-ms")) {
        return pl_metadata_add_received(&stream->received_trailers, name, name_len, value,
                                        value_len) == PL_METADATA_NO_MEMORY
                   ? no_memory(stream)
                   : 0;
    }
    return 0;
}

int pl_response_header(struct pl_stream *stream, bool is_last_block, const char *name,
                       size_t name_len, const char *value, size_t value_len)
{
    /* A status of our own stands: nothing that comes now may change it. */
    if (stream->has_status || name_len == 0) {
        return 0;
    }
    if (name[0] == ':') {
        if (EQUALS(name, name_len, ":status")) {
            stream->http_status = parse_http_status(value, value_len);
        }
        return 0;
    }
    if (EQUALS(name, name_len, "content-type")) {
        if (!stream->has_headers) {
            stream->has_content_type = true;
            stream->is_content_grpc = pl_headers_is_content_grpc(value, value_len);
        }
        return 0;
    }
    if (name_len > 5 && memcmp(name, "grpc-", 5) == 0) {
        if (EQUALS(name, name_len, "grpc-encoding") && !stream->has_headers) {
            stream->framer.encoding = (uint8_t)pl_encoding_of(value, value_len);
        }
        return is_last_block ? take_trailer(stream, name, name_len, value, value_len) : 0;
    }
    parley_metadata *metadata = is_last_block ? &stream->received_trailers : &stream->metadata;
    /* A value that is not base64 is dropped, as two of the three official clients do. */
    if (pl_metadata_add_received(metadata, name, name_len, value, value_len) ==
        PL_METADATA_NO_MEMORY) {
        return no_memory(stream);
    }
    return 0;
}

static bool is_http_ok(const struct pl_stream *stream)
{
    return stream->http_status == 200 && (stream->is_content_grpc || !stream->has_content_type);
}

void pl_response_headers_end(struct pl_stream *stream, bool is_last_block)
{
    struct pl_session *session = stream->session;
    if (is_last_block) {
        stream->has_received_trailers = true;
        return;
    }
    if (stream->has_headers) {
        return; /* HEADERS in midstream that do not end it: nghttp2 refuses them */
    }
    if (stream->http_status >= 100 && stream->http_status < 200) {
        stream->metadata.count = 0;
        stream->has_content_type = false;
        return;
    }
    stream->has_headers = true;
    if (!is_http_ok(stream)) {
        /* Some proxy's page: not for the framer. The status comes at the end. */
        pl_stream_drop_input(stream);
    } else if (stream->is_user_open && !stream->has_status && session->events->on_headers != NULL) {
        session->events->on_headers(session->owner, stream);
    }
}

static const char *http_message(struct pl_stream *stream)
{
    return stream->http_status == 200 ? "the response is not gRPC"
                                      : "the server answered with an HTTP error";
}

void pl_response_end(struct pl_stream *stream)
{
    if (stream->has_status) {
        return;
    }
    /* A grpc-status wins over HTTP's, but OK is not believed of a response whose messages were
     * dropped because it is not gRPC. */
    if (stream->has_grpc_status && (stream->status.code != PARLEY_OK || is_http_ok(stream))) {
        stream->has_status = true;
        if (stream->status.code == PARLEY_OK && pl_framer_is_partial(&stream->framer)) {
            stream->has_status = false;
            pl_stream_set_status(stream, PARLEY_INTERNAL, "grpc: the last message is cut off");
        }
    } else if (!is_http_ok(stream)) {
        pl_stream_set_status(stream, pl_status_from_http(stream->http_status),
                             http_message(stream));
    } else if (stream->has_received_trailers) {
        pl_stream_set_status(stream, PARLEY_UNKNOWN, "grpc: trailers without grpc-status");
    } else {
        pl_stream_set_status(stream, PARLEY_INTERNAL, "grpc: the stream ended without trailers");
    }
}

void pl_response_closed(struct pl_stream *stream, uint32_t h2_error)
{
    if (stream->has_status) {
        return;
    }
    if (h2_error == NGHTTP2_REFUSED_STREAM) {
        stream->is_unprocessed = true;
    }
    stream->status.details = NULL;
    pl_stream_set_status(stream, pl_status_from_h2(h2_error),
                         h2_error == NGHTTP2_REFUSED_STREAM ? "the server refused the call"
                                                            : "the server reset the call");
}
