/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_WIRE_GZIP_H
#define PARLEY_WIRE_GZIP_H

/* gzip of single messages (reference C1 to C8): no message knows of another, and what is sent to
 * many is compressed once. @thread the session's */

#include "base/buf.h"

#include "parley/code.h"

/* zlib's state for both directions, made when it is first needed and then kept: about 40 KiB to
 * decompress and 256 KiB to compress. One a thread, never one a connection. */
struct pl_gzip;

struct pl_gzip *pl_gzip_new(void); /* owned; NULL: no memory */
void pl_gzip_free(struct pl_gzip *gzip);

/* Decompress the body of one message. Never makes more than `max` bytes of it.
 * @param out  on PARLEY_OK owned: the message.
 * @return RESOURCE_EXHAUSTED: it is longer than max, or no memory; INTERNAL: it is not gzip. */
PL_MUST_CHECK enum parley_code pl_gzip_decompress(struct pl_gzip *gzip, const uint8_t *data,
                                                  size_t len, size_t max, struct pl_buf **out);

/* The compressed form of a buffer of whole framed messages. Short messages, and those that would
 * not shrink, stay as they are in it. It is made once, kept with the buffer and shared by all who
 * send it; while another thread makes it, and if it would be no shorter, the buffer itself is the
 * answer. @param offset  of a message in `frames`; becomes the same message's in the answer.
 * @return borrowed from `frames`. */
struct pl_buf *pl_gzip_frames(struct pl_gzip *gzip, struct pl_buf *frames, size_t *offset);

#endif /* PARLEY_WIRE_GZIP_H */
