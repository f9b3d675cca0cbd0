/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_WIRE_FRAMING_H
#define PARLEY_WIRE_FRAMING_H

/* gRPC messages out of a byte stream: one flag byte, four bytes of length, body. Their borders have
 * nothing to do with DATA frames (R11). Memory grows with what has arrived, never with the length
 * that was announced (R14). @thread the session's */

#include "base/buf.h"

#include "wire/status.h"

#include <stdbool.h>

struct pl_gzip;

#define PL_PREFIX_BYTES 5

static inline size_t pl_prefix_body_bytes(const uint8_t prefix[PL_PREFIX_BYTES])
{
    return (size_t)prefix[1] << 24 | (size_t)prefix[2] << 16 | (size_t)prefix[3] << 8 | prefix[4];
}

static inline void pl_prefix_put(uint8_t prefix[PL_PREFIX_BYTES], bool is_compressed, size_t len)
{
    prefix[0] = is_compressed ? 1 : 0;
    prefix[1] = (uint8_t)(len >> 24);
    prefix[2] = (uint8_t)(len >> 16);
    prefix[3] = (uint8_t)(len >> 8);
    prefix[4] = (uint8_t)len;
}

/* grpc-encoding: how the messages whose flag is 1 are compressed. */
enum pl_encoding {
    PL_ENCODING_IDENTITY, /* not at all: the flag may not be 1 (C1) */
    PL_ENCODING_GZIP,
    PL_ENCODING_UNKNOWN, /* nothing that we speak (C2) */
};

enum pl_encoding pl_encoding_of(const char *name, size_t len);

struct pl_framer {
    struct pl_buf *body; /* of a message that came in pieces; or NULL */
    uint32_t body_len;   /* announced; valid once prefix_len is 5 */
    uint32_t message_bytes_max;
    uint8_t prefix[PL_PREFIX_BYTES];
    uint8_t prefix_len;
    uint8_t encoding; /* enum pl_encoding */
    bool is_body_delivered;
    bool is_compressed;     /* the message that was delivered last came so */
    uint32_t swollen_bytes; /* what decompression made of the last message, if it was so small that
                               few honest ones are; for the caller to take */
    struct pl_gzip *gzip;
};

struct pl_framer_message {
    const uint8_t *data; /* in the input or in the framer; until the next call */
    size_t len;
};

enum pl_framer_result {
    PL_FRAMER_MORE,    /* all input is used, no whole message */
    PL_FRAMER_MESSAGE, /* one message; call again with the rest */
    PL_FRAMER_BAD,     /* the stream cannot go on; why is in *bad */
};

/* @param message_bytes_max  also of what a compressed message becomes (C5).
 * @param gzip  keeps; may be NULL if the encoding is never set to gzip. */
void pl_framer_init(struct pl_framer *framer, uint32_t message_bytes_max, struct pl_gzip *gzip);
void pl_framer_deinit(struct pl_framer *framer);
/* @param used  how much of the input was taken. @param bad  set on PL_FRAMER_BAD; static text, or
 * in `bad_text`, which the framer does not own. */
enum pl_framer_result pl_framer_next(struct pl_framer *framer, const uint8_t *data, size_t len,
                                     size_t *used, struct pl_framer_message *message,
                                     struct pl_status *bad);
/* Is it in the midst of a message (R13: an end of stream here is an error)? */
bool pl_framer_is_partial(const struct pl_framer *framer);
/* Memory that it has for a message that came in pieces. */
size_t pl_framer_held_bytes(const struct pl_framer *framer);

#endif /* PARLEY_WIRE_FRAMING_H */
