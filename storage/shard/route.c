/* SPDX-License-Identifier: Apache-2.0 */
/* Where a key lives; see route.h. */
#include "shard/route.h"

#include "base/hash.h"

unsigned shard_bucket(const char *id, size_t len)
{
    return (unsigned)(pl_hash_stable(id, len) % SHARD_BUCKETS);
}

unsigned shard_of_bucket(unsigned bucket, unsigned shards)
{
    return bucket * shards / SHARD_BUCKETS;
}

unsigned shard_of(const char *id, size_t len, unsigned shards)
{
    return shard_of_bucket(shard_bucket(id, len), shards);
}
