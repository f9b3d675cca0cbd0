/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_MYSQL_ENGINE_IMPL_H
#define PARLEY_MYSQL_ENGINE_IMPL_H

/* The engine that open.c makes, and the functions of it that writer.c and reader.c provide.
 *
 * What the executor calls a shard is a lane here: a database has as many lanes as writing threads,
 * among which its buckets are dealt out. */

#include "mysql/map.h"
#include "mysql/pool.h"
#include "shard/engine.h"

#include <string.h>

struct mysql_engine;

/* One database. */
struct mdb_place {
    struct mysql_engine *engine;
    struct mdb_pool *pool;
    struct mdb_pool *replica_pool; /* NULL: it has no replica */
    struct mdb_address address;
    struct mdb_address replica;
    unsigned index;
    bool is_checked; /* only the pool's thread: its schema is known */
};

struct mysql_engine {
    struct shard_engine engine; /* first */
    struct store_mysql_options options;
    char *texts[6]; /* what the options point to */
    struct mdb_watch *watch;
    struct mdb_map map;
    struct mdb_place *places;
    unsigned shards;
    unsigned writers; /* lanes of a database */
};

static inline struct mdb_place *mdb_place_of_lane(struct mysql_engine *engine, unsigned lane)
{
    return &engine->places[lane / engine->writers];
}

/* Options with their defaults, addresses, no connection. */
PL_MUST_CHECK enum parley_code mdb_engine_new(const struct store_mysql_options *options,
                                              struct mysql_engine **engine, struct pl_error *err);
void mdb_engine_free(struct mysql_engine *engine);

int64_t mdb_deadline(const struct mysql_engine *engine);

enum parley_code mdb_open_writer(struct shard_engine *base, unsigned lane,
                                 struct shard_writer **writer, struct pl_error *err);
void mdb_write_batch(struct shard_writer *writer, struct shard_batch *batch);
void mdb_close_writer(struct shard_writer *writer);

enum parley_code mdb_open_reader(struct shard_engine *base, unsigned lane,
                                 struct shard_reader **reader, struct pl_error *err);
void mdb_read(struct shard_reader *reader, struct store_request *request);
void mdb_close_reader(struct shard_reader *reader);

/* bucket * 2^40 + serial: what stands for a conversation. */
static inline int64_t mdb_number(int64_t bucket, int64_t serial)
{
    return (bucket << 40) + serial;
}

/* The two columns of a conversation's own limits. */
static inline struct store_retention mdb_retention(const struct mdb_conn *conn, unsigned column)
{
    return (struct store_retention){mdb_conn_i64(conn, column), mdb_conn_i64(conn, column + 1)};
}

static inline int mdb_compare_ids(struct store_bytes a, struct store_bytes b)
{
    int order = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

#endif /* PARLEY_MYSQL_ENGINE_IMPL_H */
