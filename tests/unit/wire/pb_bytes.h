/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_PB_BYTES_H
#define PARLEY_TEST_PB_BYTES_H

/* Protobuf written by hand, right or wrong, into a buffer that grows. */

#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>

enum pb_wire {
    PB_VARINT = 0,
    PB_64BIT = 1,
    PB_LENGTH = 2,
    PB_GROUP_START = 3,
    PB_GROUP_END = 4,
    PB_32BIT = 5
};

/* *bytes may be NULL at first; free with pl_buf_unref. No memory: abort. */
void pb_put_raw(struct pl_buf **bytes, const void *data, size_t len);
void pb_put_varint(struct pl_buf **bytes, uint64_t value);
void pb_put_tag(struct pl_buf **bytes, uint32_t field, enum pb_wire wire);
void pb_put_number(struct pl_buf **bytes, uint32_t field, uint64_t value);
void pb_put_bytes(struct pl_buf **bytes, uint32_t field, const void *data, size_t len);
/* Put field and length in front of what there is: nest it. */
void pb_wrap(struct pl_buf **bytes, uint32_t field);

#endif /* PARLEY_TEST_PB_BYTES_H */
