/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_STORE_CACHE_H
#define PARLEY_STORE_CACHE_H

/* A cache in front of a store: the same port, the same answers, fewer queries. What a write was
 * answered for, no read that is submitted later, on any node, misses; if a memcached cannot be told
 * of a write, what it holds is given for `ttl_ms` after that write at most. */

#include "store/store.h"

enum store_cache_kind {
    STORE_CACHE_MEMORY,    /* in this process: only right if no other node writes */
    STORE_CACHE_MEMCACHED, /* shared by all nodes */
};

struct store_cache_options {
    enum store_cache_kind kind;
    size_t memory_bytes; /* MEMORY: entries and what they take; 0: 64 MiB */
    const char *servers; /* MEMCACHED: "host:port,host:port", the same on every node */
    const char *prefix;  /* first part of every key, 1 to 32 bytes as of an id; NULL: "parley" */
    int64_t ttl_ms;      /* age of an entry, at most; 0: a minute */
    unsigned timeout_ms; /* MEMCACHED: longest wait for a server; 0: 50 */
    unsigned breaker_ms; /* MEMCACHED: how long a server that failed is left alone; 0: 1000 */
    unsigned threads;    /* 0: 4 */
};

/* Put a cache in front of `inner`.
 * @param inner  takes on success: closed with the cache.
 * @return PARLEY_OK with *store owned (store_close); INVALID_ARGUMENT: servers or prefix;
 * UNIMPLEMENTED: this build has no memcached. A server that does not answer is no failure.
 * @thread start */
PL_MUST_CHECK enum parley_code store_cache_open(struct store *inner,
                                                const struct store_cache_options *options,
                                                struct store **store, struct pl_error *err);

#endif /* PARLEY_STORE_CACHE_H */
