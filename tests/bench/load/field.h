/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_BENCH_FIELD_H
#define PARLEY_BENCH_FIELD_H

/* A walk over the fields of an encoded protobuf message, without unpacking it: a load generator
 * that shares its processor with the server should cost little. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct field {
    uint32_t number;
    uint64_t value;      /* of a varint */
    const uint8_t *data; /* of bytes; NULL for a varint */
    size_t len;
};

struct field_walk {
    const uint8_t *at;
    const uint8_t *end;
};

/* The next varint or bytes field. false: the end, or something else. */
bool field_next(struct field_walk *walk, struct field *field);
/* The first bytes field, or varint, with this number. */
bool field_find(const uint8_t *data, size_t len, uint32_t number, struct field *field);

#endif /* PARLEY_BENCH_FIELD_H */
