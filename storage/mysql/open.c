/* SPDX-License-Identifier: Apache-2.0 */
/* Opens the store over MySQL; see store/mysql.h. @thread start */
#include "store/mysql.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "mysql/durable.h"
#include "mysql/engine_impl.h"
#include "mysql/metrics.h"
#include "mysql/schema.h"
#include "shard/executor.h"

#include <string.h>

#define NS_PER_MS    INT64_C(1000000)
#define SHARDS_MAX   1024
#define READERS      2
#define IDLE_MS      (5U * 60 * 1000)
#define LIFETIME_MS  (60U * 60 * 1000)
#define WAIT_MS      1000
#define CONNECT_MS   2000
#define DEADLINE_MS  5000
#define BATCH_ROWS   4096
#define BATCH_BYTES  (8U << 20)
#define QUEUE_BYTES  (64U << 20)
#define RETRY_MS     100
#define REST_MS      2000           /* of a replica that let a deadline pass, at first */
#define MIGRATION_MS (3600U * 1000) /* for one statement of a migration */

int64_t mdb_deadline(const struct mysql_engine *engine)
{
    return pl_clock_monotonic_ns() + engine->options.deadline_ms * NS_PER_MS;
}

/* ---- options ---- */

static void default_to(unsigned *value, unsigned fallback)
{
    *value = *value == 0 ? fallback : *value;
}

static void default_size(size_t *value, size_t fallback)
{
    *value = *value == 0 ? fallback : *value;
}

static void fill_defaults(struct store_mysql_options *options)
{
    default_to(&options->writers, 1);
    default_to(&options->readers, READERS);
    default_to(&options->connections_min, 1);
    default_to(&options->connections_max, options->writers + options->readers);
    default_to(&options->idle_ms, IDLE_MS);
    default_to(&options->lifetime_ms, LIFETIME_MS);
    default_to(&options->wait_ms, WAIT_MS);
    default_to(&options->connect_ms, CONNECT_MS);
    default_to(&options->deadline_ms, DEADLINE_MS);
    default_to(&options->busy_retry_ms, RETRY_MS);
    default_size(&options->batch_rows_max, BATCH_ROWS);
    default_size(&options->batch_bytes_max, BATCH_BYTES);
    default_size(&options->queue_bytes_max, QUEUE_BYTES);
}

/* The caller's texts may be gone when the next connection is made. */
static bool keep_texts(struct mysql_engine *engine)
{
    const char **const texts[] = {
        &engine->options.shards, &engine->options.replicas, &engine->options.credentials_file,
        &engine->options.user,   &engine->options.password, &engine->options.tls_ca,
    };
    for (size_t i = 0; i < PL_COUNT(texts); i++) {
        if (*texts[i] != NULL) {
            engine->texts[i] = pl_strdup(*texts[i]);
            if (engine->texts[i] == NULL) {
                return false;
            }
            *texts[i] = engine->texts[i];
        }
    }
    return true;
}

/* "host:port/database"; an IPv6 address is in brackets. */
static enum parley_code parse_address(const char *text, size_t len, struct mdb_address *out,
                                      struct pl_error *err)
{
    char copy[sizeof(out->host) + sizeof(out->database) + 8];
    int64_t port = 0;
    bool fits = pl_text_format(copy, sizeof(copy), "%.*s", (int)len, text);
    char *slash = fits ? strrchr(copy, '/') : NULL;
    if (slash != NULL) {
        *slash = '\0';
    }
    char *colon = slash == NULL ? NULL : strrchr(copy, ':');
    if (colon != NULL) {
        *colon = '\0';
    }
    if (colon == NULL || slash[1] == '\0' || copy[0] == '\0' ||
        !pl_text_to_i64(colon + 1, 1, 65535, &port)) {
        return pl_fail(err, PARLEY_INVALID_ARGUMENT, "\"%.*s\" is no host:port/database", (int)len,
                       text);
    }
    size_t host_len = strlen(copy);
    const char *host = copy;
    if (copy[0] == '[' && copy[host_len - 1] == ']') {
        copy[host_len - 1] = '\0';
        host++;
    }
    out->port = (unsigned)port;
    if (!pl_text_format(out->host, sizeof(out->host), "%s", host) ||
        !pl_text_format(out->database, sizeof(out->database), "%s", slash + 1)) {
        return pl_fail(err, PARLEY_INVALID_ARGUMENT, "\"%.*s\" is too long", (int)len, text);
    }
    return PARLEY_OK;
}

static unsigned count_entries(const char *text)
{
    unsigned count = 1;
    for (const char *at = text; *at != '\0'; at++) {
        count += *at == ',';
    }
    return count;
}

static enum parley_code parse_shards(struct mysql_engine *engine, struct pl_error *err)
{
    const char *text = engine->options.shards == NULL ? "" : engine->options.shards;
    unsigned count = count_entries(text);
    if (count > SHARDS_MAX) {
        return pl_fail(err, PARLEY_INVALID_ARGUMENT, "more than %d shards", SHARDS_MAX);
    }
    engine->places = pl_calloc(count, sizeof(*engine->places));
    if (engine->places == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for a store");
    }
    for (unsigned i = 0; i < count; i++) {
        size_t len = strcspn(text, ",");
        struct mdb_place *place = &engine->places[engine->shards++];
        place->engine = engine;
        place->index = i;
        enum parley_code code = parse_address(text, len, &place->address, err);
        if (code != PARLEY_OK) {
            return pl_error_wrap(err, "shard %u: ", i);
        }
        text += len + (text[len] == ',');
    }
    return PARLEY_OK;
}

static enum parley_code parse_replicas(struct mysql_engine *engine, struct pl_error *err)
{
    const char *text = engine->options.replicas;
    if (text == NULL || text[0] == '\0') {
        return PARLEY_OK;
    }
    if (count_entries(text) != engine->shards) {
        return pl_fail(
            err, PARLEY_INVALID_ARGUMENT,
            "%u replicas for %u shards: name one for each, in their order, and \"-\" for "
            "a shard that has none",
            count_entries(text), engine->shards);
    }
    for (unsigned i = 0; i < engine->shards; i++) {
        size_t len = strcspn(text, ",");
        bool has_replica = len != 1 || text[0] != '-';
        if (has_replica && parse_address(text, len, &engine->places[i].replica, err) != PARLEY_OK) {
            return pl_error_wrap(err, "replica of shard %u: ", i);
        }
        text += len + (text[len] == ',');
    }
    return PARLEY_OK;
}

/* ---- schemas ---- */

struct migration {
    bool may_apply;
    bool is_dry_run;
    void (*report)(void *context, const char *line);
    void *context;
};

static enum parley_code prepare_shard(struct mysql_engine *engine, struct mdb_place *place,
                                      const struct migration *migration, struct pl_error *err)
{
    struct store_mysql_options patient = engine->options;
    struct mdb_login login = {
        .options = &patient, .address = place->address, .watch = engine->watch};
    const struct mdb_schema_options schema = {
        .shard = place->index,
        .shards = engine->shards,
        .may_apply = migration->may_apply,
        .is_dry_run = migration->is_dry_run,
        .report = migration->report,
        .context = migration->context,
    };
    struct mdb_conn *conn = NULL;
    patient.deadline_ms = MIGRATION_MS;
    enum parley_code code = mdb_conn_open(&login, &conn, err);
    if (code == PARLEY_OK) {
        code = mdb_schema_prepare(conn, &schema, err);
    }
    mdb_conn_close(conn);
    return code == PARLEY_OK ? code : pl_error_wrap(err, "shard %u: ", place->index);
}

/* A shard that is away does not keep the others from being served: its schema is checked when it is
 * back, before anything is written to it. */
static enum parley_code prepare_for_use(struct mysql_engine *engine, struct pl_error *err)
{
    const struct migration migration = {.may_apply = engine->options.auto_migrate};
    for (unsigned i = 0; i < engine->shards; i++) {
        struct pl_error local = PL_ERROR_INIT;
        enum parley_code code = prepare_shard(engine, &engine->places[i], &migration, &local);
        if (code == PARLEY_UNAVAILABLE) {
            pl_log_warn("STORE_SHARD_AWAY", NULL, "%s", local.text);
        } else if (code != PARLEY_OK) {
            *err = local;
            return code;
        }
    }
    return PARLEY_OK;
}

static enum parley_code check_connection(void *context, struct mdb_conn *conn, struct pl_error *err)
{
    struct mdb_place *place = context;
    if (!place->is_checked) {
        enum parley_code code = mdb_schema_check(conn, place->index, place->engine->shards, err);
        if (code == PARLEY_OK) {
            code = mdb_durable_check(conn, place->index, err);
        }
        if (code != PARLEY_OK) {
            return code;
        }
        if (mdb_map_refresh(&place->engine->map, place->index, conn, err) != MDB_OK) {
            return err->code;
        }
        place->is_checked = true;
    }
    return PARLEY_OK;
}

/* It may have been set up anew since the last connection. Which migrations it has does not matter:
 * a newer node may have made more than we know, and a column that is still missing fails the read.
 */
static enum parley_code check_replica(void *context, struct mdb_conn *conn, struct pl_error *err)
{
    const struct mdb_place *place = context;
    return mdb_schema_check_place(conn, place->index, place->engine->shards, err);
}

static unsigned readers_of_lane(const struct store_mysql_options *options)
{
    return (options->readers + options->writers - 1) / options->writers;
}

/* One connection for each reader, made before it is asked for: nobody waits for a replica. */
static enum parley_code open_replica(struct mdb_place *place, const struct mdb_pool_options *shard,
                                     struct pl_error *err)
{
    struct mdb_pool_options pool = *shard;
    if (place->replica.port == 0) {
        return PARLEY_OK;
    }
    pool.login.address = place->replica;
    pool.kind = MDB_POOL_REPLICA;
    pool.connections_max = readers_of_lane(shard->login.options) * shard->login.options->writers;
    pool.connections_min = pool.connections_max;
    pool.wait_ns = 0;
    pool.rest_ns = REST_MS * NS_PER_MS;
    pool.check = check_replica;
    return mdb_pool_new(&pool, &place->replica_pool, err);
}

static enum parley_code open_pools(struct mysql_engine *engine, struct pl_error *err)
{
    const struct store_mysql_options *options = &engine->options;
    enum parley_code code = PARLEY_OK;
    for (unsigned i = 0; i < engine->shards && code == PARLEY_OK; i++) {
        struct mdb_place *place = &engine->places[i];
        const struct mdb_pool_options pool = {
            .login = {.options = options, .address = place->address, .watch = engine->watch},
            .shard = i,
            .connections_min = options->connections_min,
            .connections_max = options->connections_max,
            .idle_ns = options->idle_ms * NS_PER_MS,
            .lifetime_ns = options->lifetime_ms * NS_PER_MS,
            .wait_ns = options->wait_ms * NS_PER_MS,
            .retry_ms = options->busy_retry_ms,
            .check = check_connection,
            .context = place,
        };
        code = mdb_pool_new(&pool, &place->pool, err);
        if (code == PARLEY_OK) {
            code = open_replica(place, &pool, err);
        }
    }
    return code;
}

/* ---- the engine ---- */

void mdb_engine_free(struct mysql_engine *engine)
{
    for (unsigned i = 0; i < engine->shards; i++) {
        mdb_pool_free(engine->places[i].pool);
        mdb_pool_free(engine->places[i].replica_pool);
    }
    mdb_watch_free(engine->watch);
    mdb_map_deinit(&engine->map);
    for (size_t i = 0; i < PL_COUNT(engine->texts); i++) {
        if (engine->texts[i] != NULL) {
            explicit_bzero(engine->texts[i], strlen(engine->texts[i]));
        }
        pl_free(engine->texts[i]);
    }
    pl_free(engine->places);
    pl_free(engine);
}

static void close_engine(struct shard_engine *base)
{
    mdb_engine_free((struct mysql_engine *)base);
}

static const struct shard_engine_ops engine_ops = {
    .open_writer = mdb_open_writer,
    .open_reader = mdb_open_reader,
    .write_batch = mdb_write_batch,
    .read = mdb_read,
    .close_writer = mdb_close_writer,
    .close_reader = mdb_close_reader,
    .close = close_engine,
};

enum parley_code mdb_engine_new(const struct store_mysql_options *options,
                                struct mysql_engine **out, struct pl_error *err)
{
    struct mysql_engine *engine = pl_calloc(1, sizeof(*engine));
    if (engine == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for a store");
    }
    mdb_metrics_register();
    engine->engine.ops = &engine_ops;
    engine->engine.routes = &engine->map.routes;
    engine->options = *options;
    fill_defaults(&engine->options);
    engine->writers = engine->options.writers;
    enum parley_code code = PARLEY_OK;
    if (!keep_texts(engine)) {
        code = pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for a store");
    } else {
        code = parse_shards(engine, err);
    }
    if (code == PARLEY_OK) {
        code = parse_replicas(engine, err);
    }
    if (code == PARLEY_OK) {
        code = mdb_map_init(&engine->map, engine->shards, engine->writers, err);
    }
    if (code == PARLEY_OK) {
        code = mdb_watch_new(&engine->watch, err);
    }
    if (code != PARLEY_OK) {
        mdb_engine_free(engine);
        return code;
    }
    *out = engine;
    return PARLEY_OK;
}

enum parley_code store_mysql_open(const struct store_mysql_options *options, struct store **store,
                                  struct pl_error *err)
{
    struct pl_error local = PL_ERROR_INIT;
    struct mysql_engine *engine = NULL;
    err = err == NULL ? &local : err;
    enum parley_code code = mdb_engine_new(options, &engine, err);
    if (code != PARLEY_OK) {
        return code;
    }
    code = prepare_for_use(engine, err);
    if (code == PARLEY_OK) {
        code = open_pools(engine, err);
    }
    if (code != PARLEY_OK) {
        mdb_engine_free(engine);
        return code;
    }
    options = &engine->options;
    const struct shard_options executor = {
        .shards = engine->shards * engine->writers,
        .readers = readers_of_lane(options),
        .batch_rows_max = options->batch_rows_max,
        .batch_bytes_max = options->batch_bytes_max,
        .queue_bytes_max = options->queue_bytes_max,
        .busy_retry_ms = options->busy_retry_ms,
        .allows_absent = true,
    };
    return shard_store_open(&engine->engine, &executor, store, err);
}

enum parley_code store_mysql_migrate(const struct store_mysql_options *options, bool is_dry_run,
                                     void (*report)(void *context, const char *line), void *context,
                                     struct pl_error *err)
{
    const struct migration migration = {
        .may_apply = true, .is_dry_run = is_dry_run, .report = report, .context = context};
    struct pl_error local = PL_ERROR_INIT;
    struct mysql_engine *engine = NULL;
    err = err == NULL ? &local : err;
    enum parley_code code = mdb_engine_new(options, &engine, err);
    if (code != PARLEY_OK) {
        return code;
    }
    for (unsigned i = 0; i < engine->shards && code == PARLEY_OK; i++) {
        code = prepare_shard(engine, &engine->places[i], &migration, err);
    }
    mdb_engine_free(engine);
    return code;
}
