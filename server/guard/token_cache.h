/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_GUARD_TOKEN_CACHE_H
#define PARLEY_GUARD_TOKEN_CACHE_H

/* Tokens that were verified, so that a user who calls often costs a hash and not a signature.
 * Bounded; the least recently used goes first. One per loop; belongs to its thread. */

#include "guard/auth.h"

struct token_cache; /* opaque */

PL_MUST_CHECK struct token_cache *token_cache_new(size_t max); /* NULL: no memory */
void token_cache_free(struct token_cache *cache);              /* NULL is fine */
/* NULL: not there, or no longer valid (and forgotten). Borrowed until the next call. */
const struct auth_identity *token_cache_find(struct token_cache *cache, const char *token,
                                             size_t len, int64_t now_s);
/* Without memory nothing is remembered. */
void token_cache_put(struct token_cache *cache, const char *token, size_t len,
                     const struct auth_identity *identity);
size_t token_cache_count(const struct token_cache *cache);

#endif /* PARLEY_GUARD_TOKEN_CACHE_H */
