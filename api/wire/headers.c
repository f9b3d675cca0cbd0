/* SPDX-License-Identifier: Apache-2.0 */
/* Header blocks that we send. Thread: the session's.
 *
 * nghttp2 copies none of what is given here (NO_COPY): names and values are static or in the arena
 * of the stream, which outlives the frame's serialisation; a frame whose stream is gone is dropped
 * unread. With NO_COPY nghttp2 does not lower-case names either, so all names here are lower-case
 * (T2). */
#include "wire/session_impl.h"

#include "wire/base64.h"
#include "wire/percent.h"
#include "wire/timeout.h"

#include "base/text.h"

#include <string.h>
#include <strings.h>

#define NO_COPY (NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE)
/* nghttp2 declares names and values without const but does not write them. */
#define BYTES(text) ((uint8_t *)(uintptr_t)(text))
#define NV(name_text, value_text)                                                                  \
    {                                                                                              \
        BYTES(name_text), BYTES(value_text), sizeof(name_text) - 1, sizeof(value_text) - 1,        \
            NO_COPY                                                                                \
    }

/* Some clients cap a block of metadata at 8 KiB; ours stay below (S3). */
#define BLOCK_BYTES_MAX 8000
#define FIELD_OVERHEAD  32
/* nghttp2 sends no block of over 64 KiB, and says so too late for the call to hear of it. */
#define METADATA_BYTES_MAX 64000

static const nghttp2_nv RESPONSE_HEADERS[] = {
    NV(":status", "200"), NV("content-type", "application/grpc"),
    NV("grpc-encoding", "gzip"), /* last: left out by those that do not compress */
};
static const nghttp2_nv OK_TRAILERS[] = {NV("grpc-status", "0")};
static const char *const CODE_TEXTS[] = {"0", "1",  "2",  "3",  "4",  "5",  "6",  "7", "8",
                                         "9", "10", "11", "12", "13", "14", "15", "16"};

/* A block being put together in a stream's arena. */
struct block {
    struct pl_arena *arena;
    nghttp2_nv *nva;
    size_t count;
    size_t capacity;
    size_t bytes;
};

static int block_init(struct block *block, struct pl_arena *arena, size_t capacity)
{
    *block = (struct block){.arena = arena, .capacity = capacity};
    block->nva = pl_arena_alloc(arena, capacity * sizeof(*block->nva));
    return block->nva != NULL ? 0 : -1;
}

/* Name and value are kept. */
static void block_add(struct block *block, const char *name, size_t name_len, const char *value,
                      size_t value_len)
{
    if (block->count < block->capacity) {
        block->nva[block->count++] =
            (nghttp2_nv){BYTES(name), BYTES(value), name_len, value_len, NO_COPY};
        block->bytes += name_len + value_len + FIELD_OVERHEAD;
    }
}

#define BLOCK_ADD_STATIC(block, name, value)                                                       \
    block_add((block), (name), sizeof(name) - 1, (value), sizeof(value) - 1)

static int block_add_metadata(struct block *block, const parley_metadata *metadata)
{
    for (size_t i = 0; i < parley_metadata_count(metadata); i++) {
        const struct pl_metadata_entry *entry = &metadata->entries[i];
        char *name = pl_arena_strndup(block->arena, entry->key, entry->key_len);
        size_t value_len = entry->value_len;
        char *value;
        if (pl_metadata_is_bin(entry->key, entry->key_len)) {
            value_len = PL_BASE64_ENCODED_BYTES(value_len);
            value = pl_arena_alloc(block->arena, value_len + 1);
            if (value != NULL) {
                (void)pl_base64_encode(entry->value, entry->value_len, value);
            }
        } else {
            value = pl_arena_memdup(block->arena, entry->value, value_len);
        }
        if (name == NULL || (value == NULL && value_len > 0)) {
            return -1;
        }
        block_add(block, name, entry->key_len, value != NULL ? value : "", value_len);
        if (pl_metadata_is_secret(name, entry->key_len)) {
            block->nva[block->count - 1].flags |= NGHTTP2_NV_FLAG_NO_INDEX;
        }
    }
    return block->bytes <= METADATA_BYTES_MAX ? 0 : -1;
}

static int block_add_message(struct block *block, const char *message)
{
    if (message == NULL || message[0] == '\0') {
        return 0;
    }
    size_t len = pl_text_utf8_prefix(message, strlen(message), PL_STATUS_MESSAGE_MAX);
    size_t encoded_len = 0;
    char *encoded = pl_percent_encode(block->arena, message, len, &encoded_len);
    if (encoded == NULL) {
        return -1;
    }
    block_add(block, "grpc-message", sizeof("grpc-message") - 1, encoded, encoded_len);
    return 0;
}

static int block_add_details(struct block *block, const struct pl_status *status)
{
    static const char NAME[] = "grpc-status-details-bin";
    size_t len = PL_BASE64_ENCODED_BYTES(status->details_len);
    if (status->details == NULL || status->details_len == 0 ||
        status->details_len > PL_STATUS_DETAILS_MAX ||
        block->bytes + len + sizeof(NAME) + FIELD_OVERHEAD > BLOCK_BYTES_MAX) {
        return 0;
    }
    char *encoded = pl_arena_alloc(block->arena, len);
    if (encoded == NULL) {
        return -1;
    }
    (void)pl_base64_encode(status->details, status->details_len, encoded);
    block_add(block, NAME, sizeof(NAME) - 1, encoded, len);
    return 0;
}

static int block_add_status(struct block *block, struct pl_stream *stream,
                            const struct pl_status *status, const parley_metadata *trailers)
{
    size_t code =
        (size_t)status->code < PL_COUNT(CODE_TEXTS) ? (size_t)status->code : (size_t)PARLEY_UNKNOWN;
    const char *text = CODE_TEXTS[code];
    block_add(block, "grpc-status", sizeof("grpc-status") - 1, text, strlen(text));
    if (block_add_message(block, status->message) != 0 ||
        block_add_metadata(block, trailers) != 0) {
        return -1;
    }
    if (status->code == PARLEY_UNIMPLEMENTED && stream->framer.encoding == PL_ENCODING_UNKNOWN) {
        BLOCK_ADD_STATIC(block, "grpc-accept-encoding", "identity,gzip");
    }
    /* Details last: they are what is left out if the block gets too big. */
    return block_add_details(block, status);
}

bool pl_headers_is_content_grpc(const char *value, size_t len)
{
    static const char GRPC[] = "application/grpc";
    if (len < sizeof(GRPC) - 1 || strncasecmp(value, GRPC, sizeof(GRPC) - 1) != 0) {
        return false;
    }
    char after = len > sizeof(GRPC) - 1 ? value[sizeof(GRPC) - 1] : '\0';
    return after == '\0' || after == '+' || after == ';';
}

/* Headers, and the stream stays open for session_data.c. */
static int open_response(const struct pl_stream *stream, const nghttp2_nv *nva, size_t count)
{
    return nghttp2_submit_headers(pl_session_h2(stream->session), NGHTTP2_FLAG_NONE, stream->id,
                                  NULL, nva, count, NULL);
}

int pl_headers_send_response(struct pl_stream *stream, const parley_metadata *metadata)
{
    const nghttp2_nv *nva = RESPONSE_HEADERS;
    stream->is_gzip_announced = stream->wants_gzip && stream->is_gzip_taken;
    size_t count = PL_COUNT(RESPONSE_HEADERS) - (stream->is_gzip_announced ? 0 : 1);
    struct block block;
    if (parley_metadata_count(metadata) > 0) {
        if (block_init(&block, &stream->arena, count + metadata->count) != 0) {
            return -1;
        }
        memcpy(block.nva, RESPONSE_HEADERS, count * sizeof(*nva));
        block.count = count;
        if (block_add_metadata(&block, metadata) != 0) {
            return -1;
        }
        nva = block.nva;
        count = block.count;
    }
    if (open_response(stream, nva, count) != 0) {
        return -1;
    }
    stream->is_headers_out = true;
    return 0;
}

int pl_headers_send_trailers_only(struct pl_stream *stream, const struct pl_status *status,
                                  const parley_metadata *trailers)
{
    struct block block;
    if (block_init(&block, &stream->arena, 6 + parley_metadata_count(trailers)) != 0) {
        return -1;
    }
    block.count = PL_COUNT(RESPONSE_HEADERS) - 1;
    memcpy(block.nva, RESPONSE_HEADERS, block.count * sizeof(*block.nva));
    if (block_add_status(&block, stream, status, trailers) != 0 ||
        nghttp2_submit_response(pl_session_h2(stream->session), stream->id, block.nva, block.count,
                                NULL) != 0) {
        return -1;
    }
    stream->is_headers_out = true;
    return 0;
}

int pl_headers_prepare_trailers(struct pl_stream *stream, const struct pl_status *status,
                                const parley_metadata *trailers)
{
    if (status->code == PARLEY_OK && parley_metadata_count(trailers) == 0 &&
        (status->message == NULL || status->message[0] == '\0')) {
        stream->trailers = OK_TRAILERS;
        stream->trailers_count = PL_COUNT(OK_TRAILERS);
        return 0;
    }
    struct block block;
    if (block_init(&block, &stream->arena, 4 + parley_metadata_count(trailers)) != 0 ||
        block_add_status(&block, stream, status, trailers) != 0) {
        return -1;
    }
    stream->trailers = block.nva;
    stream->trailers_count = block.count;
    return 0;
}

int pl_headers_send_http_error(struct pl_stream *stream, int http_status)
{
    static const nghttp2_nv NOT_ALLOWED[] = {
        NV(":status", "405"),
        NV("content-type", "application/grpc"),
        NV("grpc-status", "13"),
        NV("allow", "POST"),
    };
    static const nghttp2_nv NOT_GRPC[] = {NV(":status", "415")};
    const nghttp2_nv *nva = http_status == 405 ? NOT_ALLOWED : NOT_GRPC;
    size_t count = http_status == 405 ? PL_COUNT(NOT_ALLOWED) : PL_COUNT(NOT_GRPC);
    if (nghttp2_submit_response(pl_session_h2(stream->session), stream->id, nva, count, NULL) !=
        0) {
        return -1;
    }
    stream->is_headers_out = true;
    return 0;
}

int pl_headers_send_plain(struct pl_stream *stream)
{
    static const nghttp2_nv HEADERS[] = {
        NV(":status", "200"),
        NV("content-type", "text/plain"),
        NV("cache-control", "no-store"),
    };
    /* Not none: HAProxy, Safari and others fail at an empty block. */
    stream->trailers = OK_TRAILERS;
    stream->trailers_count = PL_COUNT(OK_TRAILERS);
    return open_response(stream, HEADERS, PL_COUNT(HEADERS)) == 0 ? 0 : -1;
}

static int add_timeout(struct block *block, int64_t timeout_ns)
{
    if (timeout_ns == INT64_MAX) {
        return 0;
    }
    char *text = pl_arena_alloc(block->arena, PL_TIMEOUT_TEXT_MAX);
    if (text == NULL) {
        return -1;
    }
    size_t len = pl_timeout_encode(timeout_ns, text);
    block_add(block, "grpc-timeout", sizeof("grpc-timeout") - 1, text, len);
    return 0;
}

static int add_previous_attempts(struct block *block, unsigned count)
{
    static const char NAME[] = "grpc-previous-rpc-attempts";
    char text[12];
    if (count == 0) {
        return 0;
    }
    (void)pl_text_format(text, sizeof(text), "%u", count);
    size_t len = strlen(text);
    const char *value = pl_arena_strndup(block->arena, text, len);
    if (value == NULL) {
        return -1;
    }
    block_add(block, NAME, sizeof(NAME) - 1, value, len);
    return 0;
}

int pl_headers_send_request(struct pl_stream *stream, const struct pl_open *open)
{
    struct pl_session *session = stream->session;
    struct block block;
    stream->path_len = strlen(open->path);
    stream->path = pl_arena_strndup(&stream->arena, open->path, stream->path_len);
    if (stream->path == NULL ||
        block_init(&block, &stream->arena, 11 + parley_metadata_count(open->metadata)) != 0) {
        return -1;
    }
    BLOCK_ADD_STATIC(&block, ":method", "POST");
    block_add(&block, ":scheme", sizeof(":scheme") - 1, session->scheme, strlen(session->scheme));
    block_add(&block, ":path", sizeof(":path") - 1, stream->path, stream->path_len);
    block_add(&block, ":authority", sizeof(":authority") - 1, session->authority,
              strlen(session->authority));
    if (add_timeout(&block, open->timeout_ns) != 0) {
        return -1;
    }
    BLOCK_ADD_STATIC(&block, "te", "trailers");
    BLOCK_ADD_STATIC(&block, "content-type", "application/grpc");
    block_add(&block, "user-agent", sizeof("user-agent") - 1, session->user_agent,
              strlen(session->user_agent));
    BLOCK_ADD_STATIC(&block, "grpc-accept-encoding", "identity,gzip");
    if (open->compress) {
        BLOCK_ADD_STATIC(&block, "grpc-encoding", "gzip");
        stream->is_gzip_announced = true;
        stream->wants_gzip = true;
    }
    if (add_previous_attempts(&block, open->previous_attempts) != 0 ||
        block_add_metadata(&block, open->metadata) != 0) {
        return -1;
    }
    nghttp2_data_provider provider = {.source.ptr = stream, .read_callback = pl_stream_read};
    stream->id = nghttp2_submit_request(pl_session_h2(session), NULL, block.nva, block.count,
                                        &provider, stream);
    return stream->id > 0 ? 0 : -1;
}
