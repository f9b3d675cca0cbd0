/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_MYSQL_MAP_H
#define PARLEY_MYSQL_MAP_H

/* The shard map: which database serves which bucket. Nothing is decided here. Each database says in
 * its table bucket_place what it is for a bucket that was ever moved, and raises its epoch with
 * each change; this is what a node remembers of that, and when it has to read it again.
 *
 * A bucket belongs to the shard that shard_of_bucket() gives until it is moved; each move has a
 * version, one more than the move before. It is the source that ends a move: once its row says
 * LEFT, the bucket belongs to the target, whose own row may still say ARRIVING. */

#include "mysql/conn.h"
#include "shard/route.h"

#include <pthread.h>

/* What a database is for a bucket: column `state` of bucket_place. */
enum mdb_bucket_state {
    MDB_BUCKET_UNMOVED = 0,  /* no row */
    MDB_BUCKET_SERVING = 1,  /* its rows live here */
    MDB_BUCKET_FENCED = 2,   /* and nobody may write them until `until_ms` */
    MDB_BUCKET_LEFT = 3,     /* they live elsewhere, and are still here too */
    MDB_BUCKET_PURGING = 4,  /* and are being removed */
    MDB_BUCKET_GONE = 5,     /* they live elsewhere */
    MDB_BUCKET_ARRIVING = 6, /* they are being copied here; version: of the move that is to come */
};

/* The clock of a database. */
#define MDB_NOW_MS "ROUND(UNIX_TIMESTAMP(NOW(3))*1000)"

struct mdb_bucket {
    int64_t version;
    unsigned owner; /* the shard; of ARRIVING: the source */
    enum mdb_bucket_state state;
};

struct mdb_map_place {
    int64_t epoch; /* 0: not read yet */
    struct mdb_bucket buckets[SHARD_BUCKETS];
};

struct mdb_map {
    struct shard_routes routes; /* lanes; see engine_impl.h */
    unsigned shards;
    unsigned writers; /* lanes of a shard */
    pthread_mutex_t mutex;
    struct mdb_bucket buckets[SHARD_BUCKETS]; /* owner and version, by all that was read */
    struct mdb_map_place *places;
};

PL_MUST_CHECK enum parley_code mdb_map_init(struct mdb_map *map, unsigned shards, unsigned writers,
                                            struct pl_error *err);
void mdb_map_deinit(struct mdb_map *map); /* also one that was only zeroed */

/* Read what has changed on a shard. In a transaction that holds the epoch's lock, what was read
 * stays true as long as the transaction lasts. @thread any; blocks */
enum mdb_result mdb_map_refresh(struct mdb_map *map, unsigned shard, struct mdb_conn *conn,
                                struct pl_error *err);

/* The epoch of a shard that is known. @thread any */
int64_t mdb_map_epoch(struct mdb_map *map, unsigned shard);
/* Whether the shard serves the bucket, for reading or also for writing. True only as long as
 * the shard's epoch is the one that is known. @thread any */
bool mdb_map_serves(struct mdb_map *map, unsigned shard, unsigned bucket, bool is_write);
/* The same of what was read at this epoch; *is_old: it is not the one that is known. @thread any */
bool mdb_map_served(struct mdb_map *map, unsigned shard, unsigned bucket, int64_t epoch,
                    bool *is_old);

/* Whether the shard is fenced for the bucket, as far as is known. @thread any */
bool mdb_map_is_fenced(struct mdb_map *map, unsigned shard, unsigned bucket);
/* Lift the fences of a mover that is gone: those whose time is over. @thread any; blocks */
void mdb_map_lift_fences(struct mdb_conn *conn);

/* UNAVAILABLE, as the bucket is elsewhere or between two shards. */
enum parley_code mdb_map_refuse(struct pl_error *err, uint32_t retry_ms);

/* For a mover: what a shard is for a bucket, from its database. */
PL_MUST_CHECK enum parley_code mdb_bucket_read(struct mdb_conn *conn, unsigned bucket,
                                               unsigned shards, struct mdb_bucket *out,
                                               struct pl_error *err);

#endif /* PARLEY_MYSQL_MAP_H */
