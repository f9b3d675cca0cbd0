/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_WIRE_PERCENT_H
#define PARLEY_WIRE_PERCENT_H

/* Percent encoding of grpc-message (S2): UTF-8, with everything but printable ASCII escaped, and
 * '%' too. @thread any */

#include "base/arena.h"

#include <stddef.h>

/* Bytes that are not UTF-8 are sent as U+FFFD. @return in the arena, NUL-terminated; NULL: no
 * memory. */
char *pl_percent_encode(struct pl_arena *arena, const char *text, size_t len, size_t *out_len);
/* Broken escapes stay as they are. @return as above. */
char *pl_percent_decode(struct pl_arena *arena, const char *text, size_t len, size_t *out_len);

#endif /* PARLEY_WIRE_PERCENT_H */
