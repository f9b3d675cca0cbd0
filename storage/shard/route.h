/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_SHARD_ROUTE_H
#define PARLEY_SHARD_ROUTE_H

/* Where a key lives. Both functions are for ever: data is stored by them. @thread any */

#include <stddef.h>

#define SHARD_BUCKETS   4096U
#define SHARD_COUNT_MAX 256U

/* The bucket of a conversation id or a user id. */
unsigned shard_bucket(const char *id, size_t len);
/* The shard that holds a bucket: contiguous ranges of buckets, as even as can be. */
unsigned shard_of_bucket(unsigned bucket, unsigned shards);
unsigned shard_of(const char *id, size_t len, unsigned shards);

#endif /* PARLEY_SHARD_ROUTE_H */
