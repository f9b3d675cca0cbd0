/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_WIRE_BASE64_H
#define PARLEY_WIRE_BASE64_H

/* Standard base64 (RFC 4648 section 4) as gRPC uses it for "-bin" values: we send it without
 * padding and take it with and without. @thread any */

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that pl_base64_encode writes for `len` bytes. */
#define PL_BASE64_ENCODED_BYTES(len) (((len)*4 + 2) / 3)
/* Room that pl_base64_decode needs for `len` characters. */
#define PL_BASE64_DECODED_MAX(len) ((len) / 4 * 3 + 3)

/* No NUL is written. @return bytes written. */
size_t pl_base64_encode(const void *data, size_t len, char *out);
/* false: not base64; what was written before is garbage. */
PL_MUST_CHECK bool pl_base64_decode(const char *text, size_t len, uint8_t *out, size_t *out_len);

#endif /* PARLEY_WIRE_BASE64_H */
