/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_SHARD_EXECUTOR_H
#define PARLEY_SHARD_EXECUTOR_H

/* A store made of shards over an engine: routes requests, checks them against the limits of the
 * port, and runs one writing and several reading threads per shard. */

#include "shard/engine.h"

struct shard_options {
    unsigned shards;
    unsigned readers;       /* per shard */
    size_t batch_rows_max;  /* requests in one transaction */
    size_t batch_bytes_max; /* bytes in one transaction */
    size_t queue_bytes_max; /* waiting in one shard */
    unsigned busy_retry_ms;
    bool allows_absent; /* open although a shard is UNAVAILABLE: it is brought up to date later */
};

/* Open writers and readers, start the threads, apply what a crash left in the outboxes.
 * @param engine  taken over, also on failure: closed with the store.
 * @return PARLEY_OK with *store owned (store_close). @thread start; blocks */
PL_MUST_CHECK enum parley_code shard_store_open(struct shard_engine *engine,
                                                const struct shard_options *options,
                                                struct store **store, struct pl_error *err);

#endif /* PARLEY_SHARD_EXECUTOR_H */
