/* SPDX-License-Identifier: Apache-2.0 */
/* See pb_bytes.h. */
#include "pb_bytes.h"

#include <stdlib.h>

void pb_put_raw(struct pl_buf **bytes, const void *data, size_t len)
{
    if (pl_buf_append(bytes, data, len) != 0) {
        abort();
    }
}

void pb_put_varint(struct pl_buf **bytes, uint64_t value)
{
    do {
        uint8_t byte = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        pb_put_raw(bytes, &byte, 1);
        value >>= 7;
    } while (value != 0);
}

void pb_put_tag(struct pl_buf **bytes, uint32_t field, enum pb_wire wire)
{
    pb_put_varint(bytes, (uint64_t)field << 3 | wire);
}

void pb_put_number(struct pl_buf **bytes, uint32_t field, uint64_t value)
{
    pb_put_tag(bytes, field, PB_VARINT);
    pb_put_varint(bytes, value);
}

void pb_put_bytes(struct pl_buf **bytes, uint32_t field, const void *data, size_t len)
{
    pb_put_tag(bytes, field, PB_LENGTH);
    pb_put_varint(bytes, len);
    pb_put_raw(bytes, data, len);
}

void pb_wrap(struct pl_buf **bytes, uint32_t field)
{
    struct pl_buf *inner = *bytes;
    *bytes = NULL;
    pb_put_bytes(bytes, field, inner != NULL ? inner->data : NULL, inner != NULL ? inner->len : 0);
    pl_buf_unref(inner);
}
