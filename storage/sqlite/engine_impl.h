/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_SQLITE_ENGINE_IMPL_H
#define PARLEY_SQLITE_ENGINE_IMPL_H

/* The engine that open.c makes, and the functions of it that writer.c and reader.c provide. */

#include "shard/engine.h"
#include "sqlite/folder.h"

struct sqlite_engine {
    struct shard_engine engine; /* first */
    struct sqlite_folder folder;
    unsigned shards;
    bool is_durable;
};

/* The number that stands for a conversation is its bucket * 2^40 + a counter within it, from 1. */
static inline int64_t sqlite_number_before(unsigned bucket)
{
    return (int64_t)bucket << 40;
}

enum parley_code sqlite_open_writer(struct shard_engine *base, unsigned shard,
                                    struct shard_writer **writer, struct pl_error *err);
void sqlite_write_batch(struct shard_writer *writer, struct shard_batch *batch);
void sqlite_close_writer(struct shard_writer *writer);

enum parley_code sqlite_open_reader(struct shard_engine *base, unsigned shard,
                                    struct shard_reader **reader, struct pl_error *err);
void sqlite_read(struct shard_reader *reader, struct store_request *request);
void sqlite_close_reader(struct shard_reader *reader);

#endif /* PARLEY_SQLITE_ENGINE_IMPL_H */
