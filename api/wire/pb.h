/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_WIRE_PB_H
#define PARLEY_WIRE_PB_H

/* Protobuf in and out, safely. protobuf-c checks neither depth, nor UTF-8, nor how much memory a
 * message takes, so every message from outside is scanned first (one pass over the bytes, driven by
 * the descriptor, no allocation) and then unpacked into an arena with a cap. */

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

#include <protobuf-c/protobuf-c.h>

struct pl_pb_limits {
    uint32_t depth_max;         /* nesting of messages; 32 */
    uint32_t elements_max;      /* repeated fields, all together; 100,000 */
    uint32_t unknown_bytes_max; /* 64 KiB */
    uint32_t merges_max;        /* second copies of a singular message: quadratic; 4 */
    size_t alloc_bytes_max;     /* what unpacking will allocate; 0: 16 x len + 64 KiB */
};

extern const struct pl_pb_limits pl_pb_default_limits;

/* Scan only. INTERNAL: malformed (R15), or a string that is not UTF-8 or has a NUL.
 * RESOURCE_EXHAUSTED: over a limit. *alloc_bytes (may be NULL) gets the predicted allocation. */
PL_MUST_CHECK enum parley_code pl_pb_scan(const ProtobufCMessageDescriptor *descriptor,
                                          const uint8_t *data, size_t len,
                                          const struct pl_pb_limits *limits, size_t *alloc_bytes,
                                          struct pl_error *err);

/* Scan and unpack. @param arena  where the message lives; never unpacked elsewhere.
 * @param limits  NULL: the default ones. @return as pl_pb_scan, with *message borrowed from the
 * arena. INTERNAL also for what protobuf-c cannot unpack: a missing proto2 `required` field, or a
 * second copy of a singular message when both leave a oneof unset. */
PL_MUST_CHECK enum parley_code pl_pb_decode(const ProtobufCMessageDescriptor *descriptor,
                                            const uint8_t *data, size_t len, struct pl_arena *arena,
                                            const struct pl_pb_limits *limits,
                                            ProtobufCMessage **message, struct pl_error *err);

/* Scan and unpack on the heap, for messages that are handed to a user (parley_message_free). */
PL_MUST_CHECK enum parley_code pl_pb_decode_heap(const ProtobufCMessageDescriptor *descriptor,
                                                 const uint8_t *data, size_t len,
                                                 ProtobufCMessage **message, struct pl_error *err);

/* The gRPC framing of a message: 5-byte prefix and body, encoded once. @return owned, or NULL. */
PL_MUST_CHECK struct pl_buf *pl_pb_frame(const ProtobufCMessage *message);
/* The same, appended to a buffer that has one reference (several messages, one buffer). 0 or -1. */
PL_MUST_CHECK int pl_pb_frame_append(struct pl_buf **buf, const ProtobufCMessage *message);

#endif /* PARLEY_WIRE_PB_H */
