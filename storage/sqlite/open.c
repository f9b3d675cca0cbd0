/* SPDX-License-Identifier: Apache-2.0 */
/* Opens the embedded store; see store/sqlite.h. @thread start */
#include "store/sqlite.h"

#include "base/mem.h"
#include "shard/executor.h"
#include "sqlite/engine_impl.h"
#include "sqlite/schema.h"

#include <string.h>

#define READERS     2
#define BATCH_ROWS  4096
#define BATCH_BYTES (8U << 20)
#define QUEUE_BYTES (64U << 20)
#define RETRY_MS    100

static void close_engine(struct shard_engine *base)
{
    struct sqlite_engine *engine = (struct sqlite_engine *)base;
    sqlite_folder_close(&engine->folder);
    pl_free(engine);
}

static const struct shard_engine_ops engine_ops = {
    .open_writer = sqlite_open_writer,
    .open_reader = sqlite_open_reader,
    .write_batch = sqlite_write_batch,
    .read = sqlite_read,
    .close_writer = sqlite_close_writer,
    .close_reader = sqlite_close_reader,
    .close = close_engine,
};

/* Lock the folder and bring its schema up to date, or check it. */
static enum parley_code prepare(struct sqlite_engine *engine,
                                const struct store_sqlite_options *options,
                                struct sqlite_schema_options *schema, struct pl_error *err)
{
    if (options->data_dir == NULL) {
        return pl_fail(err, PARLEY_INVALID_ARGUMENT, "no data folder is given");
    }
    enum parley_code code = sqlite_folder_open(&engine->folder, options->data_dir, err);
    if (code != PARLEY_OK) {
        return code;
    }
    engine->is_durable = !engine->folder.is_temporary;
    engine->shards = options->shards;
    schema->is_durable = engine->is_durable;
    schema->may_apply = schema->may_apply || engine->folder.is_temporary;
    return sqlite_schema_prepare(&engine->folder, schema, &engine->shards, err);
}

static struct sqlite_engine *make_engine(void)
{
    struct sqlite_engine *engine = pl_calloc(1, sizeof(*engine));
    if (engine != NULL) {
        engine->engine.ops = &engine_ops;
        engine->folder.lock_fd = -1;
    }
    return engine;
}

enum parley_code store_sqlite_open(const struct store_sqlite_options *options, struct store **store,
                                   struct pl_error *err)
{
    struct sqlite_schema_options schema = {.may_apply = options->auto_migrate};
    struct sqlite_engine *engine = make_engine();
    if (engine == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for a store");
    }
    enum parley_code code = prepare(engine, options, &schema, err);
    if (code != PARLEY_OK) {
        close_engine(&engine->engine);
        return code;
    }
    struct shard_options executor = {
        .shards = engine->shards,
        .readers = options->readers == 0 ? READERS : options->readers,
        .batch_rows_max = options->batch_rows_max == 0 ? BATCH_ROWS : options->batch_rows_max,
        .batch_bytes_max = options->batch_bytes_max == 0 ? BATCH_BYTES : options->batch_bytes_max,
        .queue_bytes_max = options->queue_bytes_max == 0 ? QUEUE_BYTES : options->queue_bytes_max,
        .busy_retry_ms = options->busy_retry_ms == 0 ? RETRY_MS : options->busy_retry_ms,
    };
    return shard_store_open(&engine->engine, &executor, store, err);
}

enum parley_code store_sqlite_migrate(const struct store_sqlite_options *options,
                                      void (*report)(void *context, const char *line),
                                      void *context, struct pl_error *err)
{
    struct sqlite_schema_options schema = {.may_apply = true, .report = report, .context = context};
    struct sqlite_engine *engine = make_engine();
    if (engine == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for a store");
    }
    enum parley_code code = prepare(engine, options, &schema, err);
    close_engine(&engine->engine);
    return code;
}
