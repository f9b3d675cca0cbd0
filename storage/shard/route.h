/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_SHARD_ROUTE_H
#define PARLEY_SHARD_ROUTE_H

/* Where a key lives. The functions are for ever: data is stored by them. @thread any */

#include "store/store.h"

#include <stddef.h>
#include <stdint.h>

#define SHARD_BUCKETS   ((unsigned)STORE_BUCKETS)
#define SHARD_COUNT_MAX 256U

/* The bucket of a conversation id or a user id. */
unsigned shard_bucket(const char *id, size_t len);
/* The shard that holds a bucket that was never moved: contiguous ranges, as even as can be. */
unsigned shard_of_bucket(unsigned bucket, unsigned shards);
unsigned shard_of(const char *id, size_t len, unsigned shards);

/* Where the buckets are now, for an engine that can move them: it changes this while others read.
 */
struct shard_routes {
    uint16_t shards[SHARD_BUCKETS]; /* atomic */
};

static inline unsigned shard_routes_find(const struct shard_routes *routes, unsigned bucket)
{
    return __atomic_load_n(&routes->shards[bucket], __ATOMIC_RELAXED);
}

static inline void shard_routes_set(struct shard_routes *routes, unsigned bucket, unsigned shard)
{
    __atomic_store_n(&routes->shards[bucket], (uint16_t)shard, __ATOMIC_RELAXED);
}

#endif /* PARLEY_SHARD_ROUTE_H */
