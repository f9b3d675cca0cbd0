/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_SQLITE_CACHE_H
#define PARLEY_SQLITE_CACHE_H

/* What the writer of a shard remembers of conversations and of the roles of their members, so that
 * a message costs one statement. The writer is the only one who changes these rows, so what is in
 * here is the truth, uncommitted changes included; after a transaction that did not commit it has
 * to be cleared. @thread the shard's writer */

#include "base/list.h"
#include "store/store.h"

struct pl_map;

/* A conversation's row, as far as a message changes or needs it. */
struct sqlite_head {
    struct pl_list lru; /* private */
    int64_t number;
    int64_t head_seq;
    int64_t ordinal;
    int64_t last_at_ms;
    int64_t member_count;
    uint64_t touched_in; /* the transaction that changed it last */
    size_t touched_index;
    size_t id_len;
    char id[64];
};

struct sqlite_cache {
    struct pl_map *heads;
    struct pl_map *roles;
    struct pl_list heads_lru;
    struct pl_list roles_lru;
    size_t heads_max;
    size_t roles_max;
};

PL_MUST_CHECK int sqlite_cache_init(struct sqlite_cache *cache, size_t heads_max, size_t roles_max);
void sqlite_cache_deinit(struct sqlite_cache *cache);
void sqlite_cache_clear(struct sqlite_cache *cache);
/* Forget the heads least recently used beyond the limit: those found before are then gone. Roles
 * keep to their limit by themselves. */
void sqlite_cache_trim(struct sqlite_cache *cache);

struct sqlite_head *sqlite_cache_find(struct sqlite_cache *cache, struct store_bytes id);
/* Add a copy of `head`; NULL: no memory. */
struct sqlite_head *sqlite_cache_add(struct sqlite_cache *cache, const struct sqlite_head *head);

/* False: not known here. */
bool sqlite_cache_find_role(struct sqlite_cache *cache, int64_t number, struct store_bytes user,
                            enum store_role *role);
/* Remember that a user has a role, or has none. Without memory it is only forgotten. */
void sqlite_cache_set_role(struct sqlite_cache *cache, int64_t number, struct store_bytes user,
                           enum store_role role);

#endif /* PARLEY_SQLITE_CACHE_H */
