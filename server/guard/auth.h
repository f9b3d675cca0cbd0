/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_GUARD_AUTH_H
#define PARLEY_GUARD_AUTH_H

/* Who calls: every call but those of health and reflection carries "authorization: Bearer <JWT>",
 * signed with HS256 by the server's key; its `sub` is the user id, `exp` is mandatory, `nbf` is
 * heeded, both with a minute of leeway. The algorithm is pinned to the key: whatever else the token
 * claims ("none" above all) is refused. Verified tokens are remembered per loop until they expire.
 */

#include "base/error.h"
#include "call/call.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AUTH_KEY_BYTES      32
#define AUTH_LEEWAY_SECONDS 60
#define AUTH_TOKEN_MAX      4096 /* bytes; longer ones are refused unread */

struct auth_key {
    uint8_t bytes[AUTH_KEY_BYTES];
};

/* Overwrite a key that is no longer needed. @thread any */
void auth_key_wipe(struct auth_key *key);

/* The key of a data folder: the file "token.key" in `dir`, mode 0600; made of random bytes if it
 * is missing, so that two processes that start at once end up with the same one. A file that others
 * may read or that has another size is refused. `dir` must exist. @thread start, pool */
PL_MUST_CHECK enum parley_code auth_key_load_or_make(const char *dir, struct auth_key *key,
                                                     struct pl_error *err);
/* The same without making one: NOT_FOUND if there is none. */
PL_MUST_CHECK enum parley_code auth_key_load(const char *dir, struct auth_key *key,
                                             struct pl_error *err);

/* A token for `user`, valid from now for ttl_s seconds.
 * @param token  owned (pl_free), NUL-terminated. INVALID_ARGUMENT: not a user id, or a ttl below 1.
 * @thread any */
PL_MUST_CHECK enum parley_code auth_token_make(const struct auth_key *key, const char *user,
                                               int64_t ttl_s, char **token, struct pl_error *err);

struct auth_identity {
    char user[65];
    int64_t valid_until_s; /* wall clock, leeway included */
};

/* Verify one token, without a cache. UNAUTHENTICATED, with a text that may be shown to the client.
 * @thread any */
PL_MUST_CHECK enum parley_code auth_token_verify(const struct auth_key *key, const char *token,
                                                 size_t len, int64_t now_s,
                                                 struct auth_identity *identity,
                                                 struct pl_error *err);

/* ---- the interceptor ---- */

struct auth; /* opaque */

/* @param loop_count   loops of the server: each has a cache of its own.
 * @param cache_max    tokens remembered per loop; 0: 4096.
 * @return owned; free after the server. @thread start */
PL_MUST_CHECK enum parley_code auth_new(const struct auth_key *key, unsigned loop_count,
                                        size_t cache_max, struct auth **auth, struct pl_error *err);
void auth_free(struct auth *auth); /* NULL is fine */
/* To be given to server_add_interceptor. */
struct interceptor auth_interceptor(struct auth *auth);

#endif /* PARLEY_GUARD_AUTH_H */
