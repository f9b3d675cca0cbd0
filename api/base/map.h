/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_BASE_MAP_H
#define PARLEY_BASE_MAP_H

/* Hash map from a byte string to a pointer. Keys are copied. Hashing is seeded per process
 * (pl_hash_keyed), so a peer that chooses keys cannot make them collide. Not thread-safe. */

#include "base/attr.h"

#include <stddef.h>
#include <stdint.h>

struct pl_map; /* opaque */

PL_MUST_CHECK struct pl_map *pl_map_new(void);
/* @param free_value  called for each value left; may be NULL. */
void pl_map_free(struct pl_map *map, void (*free_value)(void *value));

/* The value, or NULL: not there. */
void *pl_map_find(const struct pl_map *map, const void *key, size_t key_len);
/* Insert or replace; the value must not be NULL, which means "not there". @param old  if not NULL:
 * the value replaced, or NULL. Returns 0, or -1: no memory. */
PL_MUST_CHECK int pl_map_put(struct pl_map *map, const void *key, size_t key_len, void *value,
                             void **old);
/* Remove and return the value, or NULL: not there. */
void *pl_map_take(struct pl_map *map, const void *key, size_t key_len);
size_t pl_map_count(const struct pl_map *map);

/* Iterate in no order. *cursor starts at 0; returns the next value or NULL at the end. The map must
 * not change meanwhile. `key` and `key_len` may be NULL. */
void *pl_map_next(const struct pl_map *map, size_t *cursor, const void **key, size_t *key_len);

#endif /* PARLEY_BASE_MAP_H */
