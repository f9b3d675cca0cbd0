/* SPDX-License-Identifier: Apache-2.0 */
/* What a node knows of the shard map; see map.h. */
#include "mysql/map.h"

#include "base/log.h"
#include "base/mem.h"

/* A row of bucket_place. */
struct row {
    unsigned bucket;
    struct mdb_bucket is;
};

enum parley_code mdb_map_init(struct mdb_map *map, unsigned shards, unsigned writers,
                              struct pl_error *err)
{
    map->places = pl_calloc(shards, sizeof(*map->places));
    if (map->places == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for the shard map");
    }
    (void)pthread_mutex_init(&map->mutex, NULL); /* default attributes: cannot fail on Linux */
    map->shards = shards;
    map->writers = writers;
    for (unsigned bucket = 0; bucket < SHARD_BUCKETS; bucket++) {
        unsigned owner = shard_of_bucket(bucket, shards);
        map->buckets[bucket].owner = owner;
        shard_routes_set(&map->routes, bucket, owner * writers + bucket % writers);
    }
    return PARLEY_OK;
}

void mdb_map_deinit(struct mdb_map *map)
{
    if (map->places != NULL) {
        (void)pthread_mutex_destroy(&map->mutex);
        pl_free(map->places);
    }
}

/* ---- reading it ---- */

static struct row take_row(const struct mdb_conn *conn, unsigned column)
{
    return (struct row){
        .bucket = (unsigned)mdb_conn_i64(conn, column),
        .is = {.owner = (unsigned)mdb_conn_i64(conn, column + 1),
               .version = mdb_conn_i64(conn, column + 2),
               .state = (enum mdb_bucket_state)mdb_conn_i64(conn, column + 3)},
    };
}

/* What is arriving is not there before its source says so. */
static void apply_locked(struct mdb_map *map, unsigned shard, const struct row *row)
{
    if (row->bucket >= SHARD_BUCKETS || row->is.owner >= map->shards) {
        pl_log_error("STORE_MAP_WRONG", NULL, "shard=%u bucket=%u owner=%u", shard, row->bucket,
                     row->is.owner);
        return;
    }
    struct mdb_bucket *known = &map->buckets[row->bucket];
    map->places[shard].buckets[row->bucket] = row->is;
    if (row->is.state != MDB_BUCKET_ARRIVING && row->is.version > known->version) {
        known->owner = row->is.owner;
        known->version = row->is.version;
        shard_routes_set(&map->routes, row->bucket,
                         known->owner * map->writers + row->bucket % map->writers);
    }
}

static void apply(struct mdb_map *map, unsigned shard, int64_t epoch, const struct row *rows,
                  size_t count)
{
    (void)pthread_mutex_lock(&map->mutex);
    if (epoch > map->places[shard].epoch) {
        for (size_t i = 0; i < count; i++) {
            apply_locked(map, shard, &rows[i]);
        }
        map->places[shard].epoch = epoch;
    }
    (void)pthread_mutex_unlock(&map->mutex);
}

enum mdb_result mdb_map_refresh(struct mdb_map *map, unsigned shard, struct mdb_conn *conn,
                                struct pl_error *err)
{
    struct row *rows = pl_calloc(SHARD_BUCKETS, sizeof(*rows));
    struct mdb_sql sql = {.data = NULL};
    int64_t epoch = 0;
    size_t count = 0;
    if (rows == NULL) {
        pl_fail(err, PARLEY_UNAVAILABLE, "no memory for the shard map");
        return MDB_FAILED;
    }
    /* One statement: epoch and rows fit together. */
    mdb_sql_format(&sql, "i",
                   "SELECT p.epoch, b.bucket, b.owner, b.version, b.state FROM shard_place p"
                   " LEFT JOIN bucket_place b ON b.epoch>? WHERE p.one=1",
                   mdb_map_epoch(map, shard));
    mdb_conn_start(conn, &sql);
    while (mdb_conn_row(conn)) {
        epoch = mdb_conn_i64(conn, 0);
        if (!mdb_conn_is_null(conn, 1) && count < SHARD_BUCKETS) {
            rows[count++] = take_row(conn, 1);
        }
    }
    enum mdb_result result = mdb_conn_finish(conn, err);
    if (result == MDB_OK) {
        apply(map, shard, epoch, rows, count);
    }
    mdb_sql_deinit(&sql);
    pl_free(rows);
    return result;
}

/* ---- asking it ---- */

int64_t mdb_map_epoch(struct mdb_map *map, unsigned shard)
{
    (void)pthread_mutex_lock(&map->mutex);
    int64_t epoch = map->places[shard].epoch;
    (void)pthread_mutex_unlock(&map->mutex);
    return epoch;
}

static bool serves_locked(const struct mdb_map *map, unsigned shard, unsigned bucket, bool is_write)
{
    const struct mdb_bucket *here = &map->places[shard].buckets[bucket];
    const struct mdb_bucket *known = &map->buckets[bucket];
    switch (here->state) {
    case MDB_BUCKET_UNMOVED:
        return shard_of_bucket(bucket, map->shards) == shard;
    case MDB_BUCKET_SERVING:
        return true;
    case MDB_BUCKET_FENCED:
        return !is_write;
    case MDB_BUCKET_ARRIVING: /* the source has said that it is all here */
        return known->owner == shard && known->version == here->version;
    case MDB_BUCKET_LEFT:
    case MDB_BUCKET_PURGING:
    case MDB_BUCKET_GONE:
        break;
    }
    return false;
}

bool mdb_map_serves(struct mdb_map *map, unsigned shard, unsigned bucket, bool is_write)
{
    (void)pthread_mutex_lock(&map->mutex);
    bool serves = serves_locked(map, shard, bucket, is_write);
    (void)pthread_mutex_unlock(&map->mutex);
    return serves;
}

bool mdb_map_served(struct mdb_map *map, unsigned shard, unsigned bucket, int64_t epoch,
                    bool *is_old)
{
    (void)pthread_mutex_lock(&map->mutex);
    *is_old = epoch != map->places[shard].epoch;
    bool serves = serves_locked(map, shard, bucket, false);
    (void)pthread_mutex_unlock(&map->mutex);
    return serves && !*is_old;
}

bool mdb_map_is_fenced(struct mdb_map *map, unsigned shard, unsigned bucket)
{
    (void)pthread_mutex_lock(&map->mutex);
    bool is_fenced = map->places[shard].buckets[bucket].state == MDB_BUCKET_FENCED;
    (void)pthread_mutex_unlock(&map->mutex);
    return is_fenced;
}

/* It is looked for first, without a lock: most fences end as they should. */
void mdb_map_lift_fences(struct mdb_conn *conn)
{
    struct mdb_sql sql = {.data = NULL};
    mdb_sql_add(&sql, "SELECT COUNT(*) FROM bucket_place WHERE state=2 AND until_ms<" MDB_NOW_MS);
    mdb_conn_start(conn, &sql);
    bool has_lapsed = mdb_conn_row(conn) && mdb_conn_i64(conn, 0) > 0;
    has_lapsed = mdb_conn_finish(conn, NULL) == MDB_OK && has_lapsed;
    if (has_lapsed &&
        mdb_conn_exec(conn,
                      "START TRANSACTION;UPDATE shard_place SET epoch=epoch+1 WHERE one=1;"
                      "UPDATE bucket_place b JOIN shard_place p ON p.one=1 SET b.state=1,"
                      " b.epoch=p.epoch WHERE b.state=2 AND b.until_ms<" MDB_NOW_MS ";COMMIT",
                      NULL) != MDB_OK) {
        (void)mdb_conn_exec(conn, "ROLLBACK", NULL);
    }
    mdb_sql_deinit(&sql);
}

enum parley_code mdb_map_refuse(struct pl_error *err, uint32_t retry_ms)
{
    enum parley_code code =
        pl_fail(err, PARLEY_UNAVAILABLE, "the bucket is moving to another shard");
    err->retry_after_ms = retry_ms;
    return code;
}

enum parley_code mdb_bucket_read(struct mdb_conn *conn, unsigned bucket, unsigned shards,
                                 struct mdb_bucket *out, struct pl_error *err)
{
    struct mdb_sql sql = {.data = NULL};
    *out = (struct mdb_bucket){.owner = shard_of_bucket(bucket, shards)};
    mdb_sql_format(&sql, "i",
                   "SELECT bucket, owner, version, state FROM bucket_place WHERE bucket=?",
                   (int64_t)bucket);
    mdb_conn_start(conn, &sql);
    if (mdb_conn_row(conn)) {
        *out = take_row(conn, 0).is;
    }
    enum mdb_result result = mdb_conn_finish(conn, err);
    mdb_sql_deinit(&sql);
    return result == MDB_OK ? PARLEY_OK : err->code;
}
