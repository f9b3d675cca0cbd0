/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of serialised protobuf; see raw.h. */
#include "raw.h"

static bool read_varint(const uint8_t **at, const uint8_t *end, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && *at < end; shift += 7) {
        uint8_t byte = *(*at)++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            return true;
        }
    }
    return false;
}

bool raw_next(const uint8_t **at, const uint8_t *end, struct raw_field *field)
{
    const uint8_t *p = *at;
    uint64_t tag = 0;
    uint64_t len = 0;
    field->start = p;
    if (p >= end || !read_varint(&p, end, &tag)) {
        return false;
    }
    field->number = (uint32_t)(tag >> 3);
    field->wire_type = (uint32_t)(tag & 7);
    field->value = p;
    switch (field->wire_type) {
    case 0:
        if (!read_varint(&p, end, &len)) {
            return false;
        }
        len = (uint64_t)(p - field->value);
        break;
    case 1:
        len = 8;
        break;
    case 2:
        if (!read_varint(&p, end, &len)) {
            return false;
        }
        field->value = p;
        break;
    case 5:
        len = 4;
        break;
    default:
        return false;
    }
    if (len > (uint64_t)(end - field->value)) {
        return false;
    }
    field->value_len = (size_t)len;
    field->end = field->value + len;
    *at = field->end;
    return true;
}
