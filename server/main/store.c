/* SPDX-License-Identifier: Apache-2.0 */
/* The store that the settings name; see store.h. */
#include "main/store.h"

#include "store/sqlite.h"

#ifdef PARLEY_WITH_MYSQL
#    include "store/mysql.h"
#endif

/* The choices of store.engine. */
enum engine {
    ENGINE_SQLITE,
    ENGINE_MYSQL
};

static struct store_sqlite_options sqlite_options(const struct config *config)
{
    return (struct store_sqlite_options){
        .data_dir = config->data,
        .shards = (unsigned)config->store_shards,
        .readers = (unsigned)config->store_readers,
        .batch_rows_max = (size_t)config->store_batch_rows,
        .batch_bytes_max = (size_t)config->store_batch_bytes,
        .queue_bytes_max = (size_t)config->store_queue_bytes,
        .busy_retry_ms = (unsigned)config->store_retry_ms,
        .auto_migrate = config->store_auto_migrate,
    };
}

#ifdef PARLEY_WITH_MYSQL
static struct store_mysql_options mysql_options(const struct config *config)
{
    return (struct store_mysql_options){
        .shards = config->mysql_shards,
        .replicas = config->mysql_replicas,
        .credentials_file = config->mysql_credentials,
        .user = config->mysql_user,
        .password = config->mysql_password,
        .tls = (enum store_mysql_tls)config->mysql_tls,
        .tls_ca = config->mysql_tls_ca,
        .writers = (unsigned)config->mysql_writers,
        .readers = (unsigned)config->store_readers,
        .connections_min = (unsigned)config->mysql_connections_min,
        .connections_max = (unsigned)config->mysql_connections_max,
        .idle_ms = (unsigned)config->mysql_idle_ms,
        .lifetime_ms = (unsigned)config->mysql_lifetime_ms,
        .wait_ms = (unsigned)config->mysql_wait_ms,
        .connect_ms = (unsigned)config->mysql_connect_ms,
        .deadline_ms = (unsigned)config->mysql_deadline_ms,
        .batch_rows_max = (size_t)config->store_batch_rows,
        .batch_bytes_max = (size_t)config->store_batch_bytes,
        .queue_bytes_max = (size_t)config->store_queue_bytes,
        .busy_retry_ms = (unsigned)config->store_retry_ms,
        .auto_migrate = config->store_auto_migrate,
    };
}

static enum parley_code check_mysql(const struct config *config, struct pl_error *err)
{
    return config->mysql_shards[0] != '\0'
               ? PARLEY_OK
               : pl_fail(err, PARLEY_INVALID_ARGUMENT,
                         "store.engine is mysql, but mysql.shards names no database");
}

static enum parley_code open_mysql(const struct config *config, struct store **store,
                                   struct pl_error *err)
{
    const struct store_mysql_options options = mysql_options(config);
    enum parley_code code = check_mysql(config, err);
    return code == PARLEY_OK ? store_mysql_open(&options, store, err) : code;
}

static enum parley_code migrate_mysql(const struct config *config, bool is_dry_run,
                                      void (*report)(void *context, const char *line),
                                      void *context, struct pl_error *err)
{
    const struct store_mysql_options options = mysql_options(config);
    enum parley_code code = check_mysql(config, err);
    return code == PARLEY_OK ? store_mysql_migrate(&options, is_dry_run, report, context, err)
                             : code;
}

static enum parley_code plan_mysql(const struct config *config, struct store_mysql_plan *plan,
                                   struct pl_error *err)
{
    const struct store_mysql_options options = mysql_options(config);
    enum parley_code code = check_mysql(config, err);
    return code == PARLEY_OK ? store_mysql_plan(&options, plan, err) : code;
}

static enum parley_code move_mysql(const struct config *config, struct store_mysql_move *move,
                                   struct pl_error *err)
{
    const struct store_mysql_options options = mysql_options(config);
    enum parley_code code = check_mysql(config, err);
    return code == PARLEY_OK ? store_mysql_move(&options, move, err) : code;
}
#else
void store_mysql_plan_deinit(struct store_mysql_plan *plan)
{
    (void)plan; /* there is none */
}

static enum parley_code fail_mysql(struct pl_error *err)
{
    return pl_fail(err, PARLEY_UNIMPLEMENTED, "this parleyd was built without MySQL");
}

static enum parley_code open_mysql(const struct config *config, struct store **store,
                                   struct pl_error *err)
{
    (void)config;
    (void)store;
    return fail_mysql(err);
}

static enum parley_code migrate_mysql(const struct config *config, bool is_dry_run,
                                      void (*report)(void *context, const char *line),
                                      void *context, struct pl_error *err)
{
    (void)config;
    (void)is_dry_run;
    (void)report;
    (void)context;
    return fail_mysql(err);
}

static enum parley_code plan_mysql(const struct config *config, struct store_mysql_plan *plan,
                                   struct pl_error *err)
{
    (void)config;
    (void)plan;
    return fail_mysql(err);
}

static enum parley_code move_mysql(const struct config *config, struct store_mysql_move *move,
                                   struct pl_error *err)
{
    (void)config;
    (void)move;
    return fail_mysql(err);
}
#endif

static enum parley_code check_shards(const struct config *config, struct pl_error *err)
{
    return config->store_engine == ENGINE_MYSQL
               ? PARLEY_OK
               : pl_fail(err, PARLEY_UNIMPLEMENTED,
                         "the shards of the embedded store are files of one node, and stay as they"
                         " are; only those of MySQL (store.engine) have buckets to move");
}

enum parley_code main_store_plan(const struct config *config, struct store_mysql_plan *plan,
                                 struct pl_error *err)
{
    enum parley_code code = check_shards(config, err);
    return code == PARLEY_OK ? plan_mysql(config, plan, err) : code;
}

enum parley_code main_store_move(const struct config *config, struct store_mysql_move *move,
                                 struct pl_error *err)
{
    enum parley_code code = check_shards(config, err);
    return code == PARLEY_OK ? move_mysql(config, move, err) : code;
}

enum parley_code main_store_open(const struct config *config, struct store **store,
                                 struct pl_error *err)
{
    if (config->store_engine == ENGINE_MYSQL) {
        return open_mysql(config, store, err);
    }
    const struct store_sqlite_options options = sqlite_options(config);
    return store_sqlite_open(&options, store, err);
}

bool main_store_is_shared(const struct config *config)
{
    return config->store_engine == ENGINE_MYSQL;
}

enum parley_code main_store_migrate(const struct config *config, bool is_dry_run,
                                    void (*report)(void *context, const char *line), void *context,
                                    struct pl_error *err)
{
    if (config->store_engine == ENGINE_MYSQL) {
        return migrate_mysql(config, is_dry_run, report, context, err);
    }
    if (is_dry_run) {
        return pl_fail(err, PARLEY_UNIMPLEMENTED, "the embedded store has no dry run");
    }
    const struct store_sqlite_options options = sqlite_options(config);
    return store_sqlite_migrate(&options, report, context, err);
}
