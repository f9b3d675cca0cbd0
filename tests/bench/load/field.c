/* SPDX-License-Identifier: Apache-2.0 */
#include "field.h"

#define WIRE_VARINT 0
#define WIRE_BYTES  2

static bool next_varint(struct field_walk *walk, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && walk->at < walk->end; shift += 7) {
        uint8_t byte = *walk->at++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            return true;
        }
    }
    return false;
}

bool field_next(struct field_walk *walk, struct field *field)
{
    uint64_t key = 0;
    if (!next_varint(walk, &key) || !next_varint(walk, &field->value)) {
        return false;
    }
    field->number = (uint32_t)(key >> 3);
    field->data = NULL;
    field->len = 0;
    if ((key & 7) == WIRE_VARINT) {
        return true;
    }
    if ((key & 7) != WIRE_BYTES || field->value > (uint64_t)(walk->end - walk->at)) {
        return false;
    }
    field->data = walk->at;
    field->len = (size_t)field->value;
    walk->at += field->len;
    return true;
}

bool field_find(const uint8_t *data, size_t len, uint32_t number, struct field *field)
{
    struct field_walk walk = {data, data + len};
    while (field_next(&walk, field)) {
        if (field->number == number) {
            return true;
        }
    }
    return false;
}
