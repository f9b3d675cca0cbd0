/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_CODEGEN_RAW_H
#define PARLEY_CODEGEN_RAW_H

/* Looking into serialised protobuf: what protobuf-c does not give back byte for byte. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct raw_field {
    uint32_t number;
    uint32_t wire_type;
    const uint8_t *start; /* of the field, its tag included */
    const uint8_t *value; /* length-delimited: the content */
    size_t value_len;
    const uint8_t *end;
};

/* Read the field at *at and move on. false: the end, or malformed (then *at < end stays). */
bool raw_next(const uint8_t **at, const uint8_t *end, struct raw_field *field);

#endif /* PARLEY_CODEGEN_RAW_H */
