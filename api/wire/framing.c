/* SPDX-License-Identifier: Apache-2.0 */
/* Message framing. A message that lies whole in the input is handed on from there; one that comes
 * in pieces is collected. Thread: the session's. Must never allocate by the announced length. */
#include "wire/framing.h"

#include "wire/gzip.h"

#include <string.h>

/* Text becomes a tenth. */
#define HONEST_RATIO 32

enum pl_encoding pl_encoding_of(const char *name, size_t len)
{
    if (len == 8 && memcmp(name, "identity", len) == 0) {
        return PL_ENCODING_IDENTITY;
    }
    return len == 4 && memcmp(name, "gzip", len) == 0 ? PL_ENCODING_GZIP : PL_ENCODING_UNKNOWN;
}

void pl_framer_init(struct pl_framer *framer, uint32_t message_bytes_max, struct pl_gzip *gzip)
{
    memset(framer, 0, sizeof(*framer));
    framer->message_bytes_max = message_bytes_max;
    framer->gzip = gzip;
}

static void start_over(struct pl_framer *framer)
{
    pl_buf_unref(framer->body);
    framer->body = NULL;
    framer->prefix_len = 0;
    framer->is_body_delivered = false;
}

void pl_framer_deinit(struct pl_framer *framer)
{
    start_over(framer);
}

bool pl_framer_is_partial(const struct pl_framer *framer)
{
    return framer->prefix_len > 0 && !framer->is_body_delivered;
}

size_t pl_framer_held_bytes(const struct pl_framer *framer)
{
    return framer->body != NULL ? framer->body->len : 0;
}

static enum pl_framer_result fail(struct pl_status *bad, enum parley_code code, const char *message)
{
    *bad = (struct pl_status){.code = code, .message = message};
    return PL_FRAMER_BAD;
}

/* R12, R14, C1, C2: what the prefix alone can be refused for. */
static enum pl_framer_result check_prefix(struct pl_framer *framer, const uint8_t *prefix,
                                          struct pl_status *bad)
{
    if (prefix[0] > 1) {
        return fail(bad, PARLEY_INTERNAL, "grpc: invalid message flag");
    }
    if (prefix[0] == 1 && framer->encoding == PL_ENCODING_UNKNOWN) {
        return fail(bad, PARLEY_UNIMPLEMENTED, "grpc: message encoding is not supported");
    }
    if (prefix[0] == 1 && framer->encoding == PL_ENCODING_IDENTITY) {
        return fail(bad, PARLEY_INTERNAL, "grpc: compressed message without grpc-encoding");
    }
    framer->body_len = (uint32_t)pl_prefix_body_bytes(prefix);
    if (framer->body_len > framer->message_bytes_max) {
        return fail(bad, PARLEY_RESOURCE_EXHAUSTED, "grpc: received message larger than max");
    }
    return PL_FRAMER_MORE;
}

/* C3, C5: put what a compressed body becomes in the place of the body. */
static enum pl_framer_result decompress(struct pl_framer *framer, struct pl_framer_message *message,
                                        struct pl_status *bad)
{
    struct pl_buf *body = NULL;
    enum parley_code code = pl_gzip_decompress(framer->gzip, message->data, message->len,
                                               framer->message_bytes_max, &body);
    size_t made = body != NULL ? body->len : framer->message_bytes_max;
    framer->swollen_bytes = made / HONEST_RATIO > message->len ? (uint32_t)made : 0;
    if (code != PARLEY_OK) {
        return fail(bad, code,
                    code == PARLEY_INTERNAL
                        ? "grpc: the message is not valid gzip"
                        : "grpc: received message larger than max after decompression");
    }
    pl_buf_unref(framer->body);
    framer->body = body;
    message->data = body->data;
    message->len = body->len;
    return PL_FRAMER_MESSAGE;
}

static enum pl_framer_result collect_body(struct pl_framer *framer, const uint8_t *data, size_t len,
                                          size_t *used, struct pl_framer_message *message,
                                          struct pl_status *bad)
{
    size_t have = framer->body != NULL ? framer->body->len : 0;
    size_t missing = framer->body_len - have;
    size_t take = len < missing ? len : missing;
    if (have == 0 && take == framer->body_len) {
        message->data = data;
    } else {
        if (take > 0 && pl_buf_append(&framer->body, data, take) != 0) {
            return fail(bad, PARLEY_RESOURCE_EXHAUSTED, "grpc: no memory for the message");
        }
        message->data = framer->body != NULL ? framer->body->data : NULL;
    }
    *used += take;
    if (take < missing) {
        return PL_FRAMER_MORE;
    }
    message->len = framer->body_len;
    framer->is_body_delivered = true;
    framer->is_compressed = framer->prefix[0] == 1;
    return framer->is_compressed ? decompress(framer, message, bad) : PL_FRAMER_MESSAGE;
}

enum pl_framer_result pl_framer_next(struct pl_framer *framer, const uint8_t *data, size_t len,
                                     size_t *used, struct pl_framer_message *message,
                                     struct pl_status *bad)
{
    *used = 0;
    if (framer->is_body_delivered) {
        start_over(framer);
    }
    if (framer->prefix_len < PL_PREFIX_BYTES) {
        size_t missing = (size_t)PL_PREFIX_BYTES - framer->prefix_len;
        size_t take = len < missing ? len : missing;
        if (take > 0) {
            memcpy(framer->prefix + framer->prefix_len, data, take);
            framer->prefix_len = (uint8_t)(framer->prefix_len + take);
            *used = take;
        }
        if (framer->prefix_len < PL_PREFIX_BYTES) {
            return PL_FRAMER_MORE;
        }
        if (check_prefix(framer, framer->prefix, bad) == PL_FRAMER_BAD) {
            return PL_FRAMER_BAD;
        }
    }
    /* data may be NULL with len 0: no pointer arithmetic on it. */
    const uint8_t *rest = *used > 0 ? data + *used : data;
    return collect_body(framer, rest, len - *used, used, message, bad);
}
