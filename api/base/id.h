/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_BASE_ID_H
#define PARLEY_BASE_ID_H

/* Identifiers of conversations, users and messages: 1 to 64 bytes of [A-Za-z0-9._~:-]. @thread any
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PL_ID_MAX 64

bool pl_id_is_valid(const char *id, size_t len);

/* A new id: 22 characters, time-ordered (a 48-bit millisecond clock, then 84 random bits, in an
 * alphabet whose byte order is its value order) so that ids made together lie together in an index.
 * @param out  at least 23 bytes; NUL-terminated. */
void pl_id_make(char *out);

/* Random bytes from the kernel (getrandom); aborts only if the kernel has none to give. */
void pl_random_bytes(void *out, size_t len);
/* Uniform in [0, bound); bound is at least 1. */
uint64_t pl_random_below(uint64_t bound);

/* Take all random bytes from `fill`, for tests that repeat themselves from a seed. NULL restores
 * the kernel's. @thread start */
void pl_random_set_hook(void (*fill)(void *out, size_t len));

#endif /* PARLEY_BASE_ID_H */
