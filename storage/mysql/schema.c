/* SPDX-License-Identifier: Apache-2.0 */
/* The schema of a shard; see schema.h. DDL commits by itself, so that nothing can be rolled back:
 * the statements of a migration are safe to repeat, and it is recorded after its last one. */
#include "mysql/schema.h"

#include "base/clock.h"
#include "base/text.h"

#include <string.h>

/* How long one node waits while another migrates; after that it says so and gives up. */
#define LOCK_WAIT_S 60
/* How long a change waits for those who read its table. Whoever wants the table later waits behind
 * it, so that this is less than the time that a request of a node has. */
#define TABLE_WAIT_S 3

static const char make_records[] =
    "CREATE TABLE IF NOT EXISTS schema_migration (number INT UNSIGNED NOT NULL PRIMARY KEY,"
    " name VARBINARY(64) NOT NULL, checksum VARBINARY(64) NOT NULL, applied_at_ms BIGINT NOT NULL)"
    " ENGINE=InnoDB";

/* The oldest build that works with a migration, by the last that it knows. */
static const char make_oldest[] =
    "CREATE TABLE IF NOT EXISTS schema_oldest_build (number INT UNSIGNED NOT NULL PRIMARY KEY,"
    " oldest INT UNSIGNED NOT NULL) ENGINE=InnoDB";

/* A database from before those declarations has no table for them. */
#define LIST_WITH_OLDEST                                                                           \
    "SELECT number, checksum, COALESCE(oldest, 0) FROM schema_migration"                           \
    " LEFT JOIN schema_oldest_build USING (number) ORDER BY number"
#define LIST_WITHOUT "SELECT number, checksum, 0 FROM schema_migration ORDER BY number"

struct target {
    struct mdb_conn *conn;
    const struct mdb_schema_options *options;
    bool has_reported;
};

static struct store_bytes text_bytes(const char *text)
{
    return (struct store_bytes){text, strlen(text)};
}

static enum parley_code exec(struct mdb_conn *conn, const char *text, struct pl_error *err)
{
    return mdb_conn_exec(conn, text, err) == MDB_OK ? PARLEY_OK : err->code;
}

static enum parley_code run(struct mdb_conn *conn, struct mdb_sql *sql, struct pl_error *err)
{
    enum mdb_result result = mdb_conn_run(conn, sql, err);
    mdb_sql_deinit(sql);
    return result == MDB_OK ? PARLEY_OK : err->code;
}

/* One number; `fallback`: there is no row, or it is NULL. */
static enum parley_code query_i64(struct mdb_conn *conn, const char *text, int64_t fallback,
                                  int64_t *out, struct pl_error *err)
{
    struct mdb_sql sql = {.data = NULL};
    *out = fallback;
    mdb_sql_add(&sql, text);
    mdb_conn_start(conn, &sql);
    if (mdb_conn_row(conn) && !mdb_conn_is_null(conn, 0)) {
        *out = mdb_conn_i64(conn, 0);
    }
    enum mdb_result result = mdb_conn_finish(conn, err);
    mdb_sql_deinit(&sql);
    return result == MDB_OK ? PARLEY_OK : err->code;
}

static enum parley_code has_table(struct mdb_conn *conn, const char *name, bool *has,
                                  struct pl_error *err)
{
    char text[160];
    int64_t count = 0;
    (void)pl_text_format(text, sizeof(text),
                         "SELECT count(*) FROM information_schema.tables WHERE"
                         " table_schema=DATABASE() AND table_name='%s'",
                         name);
    enum parley_code code = query_i64(conn, text, 0, &count, err);
    *has = count > 0;
    return code;
}

static enum parley_code list_applied(void *context, struct shard_applied *out, size_t max,
                                     size_t *count, struct pl_error *err)
{
    struct mdb_conn *conn = ((struct target *)context)->conn;
    struct mdb_sql sql = {.data = NULL};
    bool has = false;
    bool declares = false;
    *count = 0;
    enum parley_code code = has_table(conn, "schema_migration", &has, err);
    if (code == PARLEY_OK) {
        code = has_table(conn, "schema_oldest_build", &declares, err);
    }
    if (code != PARLEY_OK || !has) {
        return code;
    }
    mdb_sql_add(&sql, declares ? LIST_WITH_OLDEST : LIST_WITHOUT);
    mdb_conn_start(conn, &sql);
    while (mdb_conn_row(conn)) {
        if (*count < max) {
            struct store_bytes checksum = mdb_conn_bytes(conn, 1);
            out[*count].number = (unsigned)mdb_conn_i64(conn, 0);
            (void)pl_text_format(out[*count].checksum, sizeof(out[*count].checksum), "%.*s",
                                 (int)checksum.len, checksum.data);
            out[*count].oldest = (unsigned)mdb_conn_i64(conn, 2);
        }
        (*count)++;
    }
    enum mdb_result result = mdb_conn_finish(conn, err);
    mdb_sql_deinit(&sql);
    return result == MDB_OK ? PARLEY_OK : err->code;
}

/* Statements end with a semicolon at the end of a line. A lock that others hold is ABORTED: who
 * opens a store goes on without a shard that is UNAVAILABLE, but this one is there. */
static enum parley_code run_statements(struct mdb_conn *conn, const char *text,
                                       struct pl_error *err)
{
    enum parley_code code = PARLEY_OK;
    for (const char *end = strstr(text, ";\n"); end != NULL && code == PARLEY_OK;
         end = strstr(text, ";\n")) {
        struct mdb_sql sql = {.data = NULL};
        mdb_sql_raw(&sql, text, (size_t)(end - text));
        enum mdb_result result = mdb_conn_run(conn, &sql, err);
        mdb_sql_deinit(&sql);
        if (result == MDB_CONFLICT) {
            err->code = PARLEY_ABORTED;
        }
        code = result == MDB_OK ? PARLEY_OK : err->code;
        text = end + 2;
    }
    return code;
}

static enum parley_code record(struct mdb_conn *conn, const struct shard_migration *migration,
                               struct pl_error *err)
{
    struct mdb_sql sql = {.data = NULL};
    mdb_sql_format(&sql, "ii", "REPLACE INTO schema_oldest_build (number, oldest) VALUES (?, ?)",
                   (int64_t)migration->number, (int64_t)migration->oldest);
    enum parley_code code = run(conn, &sql, err);
    if (code != PARLEY_OK) {
        return code;
    }
    mdb_sql_format(&sql, "issi",
                   "INSERT INTO schema_migration (number, name, checksum, applied_at_ms)"
                   " VALUES (?, ?, ?, ?)",
                   (int64_t)migration->number, text_bytes(migration->name),
                   text_bytes(migration->checksum), pl_clock_wall_ms());
    return run(conn, &sql, err);
}

static enum parley_code apply(void *context, const struct shard_migration *migration,
                              struct pl_error *err)
{
    struct mdb_conn *conn = ((struct target *)context)->conn;
    enum parley_code code = exec(conn, make_records, err);
    if (code == PARLEY_OK) {
        code = exec(conn, make_oldest, err);
    }
    if (code == PARLEY_OK) {
        code = run_statements(conn, migration->sql, err);
    }
    return code == PARLEY_OK ? record(conn, migration, err) : code;
}

static void report(void *context, const char *line)
{
    struct target *target = context;
    const struct mdb_schema_options *options = target->options;
    target->has_reported = true;
    char text[160];
    if (options->report != NULL) {
        (void)pl_text_format(text, sizeof(text), "shard %u: %s", options->shard, line);
        options->report(options->context, text);
    }
}

enum parley_code mdb_schema_check_place(struct mdb_conn *conn, unsigned shard, unsigned shards,
                                        struct pl_error *err)
{
    int64_t is_shard = -1;
    int64_t of_shards = -1;
    enum parley_code code =
        query_i64(conn, "SELECT shard FROM shard_place WHERE one=1", -1, &is_shard, err);
    if (code == PARLEY_OK) {
        code = query_i64(conn, "SELECT shards FROM shard_place WHERE one=1", -1, &of_shards, err);
    }
    if (code == PARLEY_OK && (is_shard != shard || of_shards != shards)) {
        code = pl_fail(err, PARLEY_FAILED_PRECONDITION,
                       "the database is shard %lld of %lld, but is listed as shard %u of %u",
                       (long long)is_shard, (long long)of_shards, shard, shards);
    }
    return code;
}

static enum parley_code prepare_locked(struct target *target, struct pl_error *err)
{
    const struct mdb_schema_options *options = target->options;
    const struct shard_migrator migrator = {
        .context = target,
        .list = list_applied,
        .apply = apply,
        .report = report,
        .is_dry_run = options->is_dry_run,
        .is_exact = options->is_exact,
    };
    enum parley_code code =
        shard_migrate(&migrator, mysql_migrations, mysql_migrations_count, options->may_apply, err);
    if (code == PARLEY_OK && options->is_dry_run && !target->has_reported) {
        report(target, "schema is up to date");
    }
    if (code != PARLEY_OK || options->is_dry_run) {
        return code;
    }
    if (options->may_apply) {
        struct mdb_sql sql = {.data = NULL};
        mdb_sql_format(&sql, "ii",
                       "INSERT IGNORE INTO shard_place (one, shard, shards, epoch)"
                       " VALUES (1, ?, ?, 1)",
                       (int64_t)options->shard, (int64_t)options->shards);
        code = run(target->conn, &sql, err);
    }
    if (code == PARLEY_OK) {
        code = mdb_schema_check_place(target->conn, options->shard, options->shards, err);
    }
    if (code == PARLEY_OK && options->may_apply) {
        report(target, "schema is up to date");
    }
    return code;
}

enum parley_code mdb_schema_prepare(struct mdb_conn *conn, const struct mdb_schema_options *options,
                                    struct pl_error *err)
{
    char text[128];
    int64_t is_locked = 0;
    struct target target = {.conn = conn, .options = options};
    (void)pl_text_format(text, sizeof(text),
                         "SELECT GET_LOCK(CONCAT('parley migrate ', LEFT(DATABASE(), 40)), %d)",
                         LOCK_WAIT_S);
    enum parley_code code = query_i64(conn, text, 0, &is_locked, err);
    if (code == PARLEY_OK && is_locked != 1) {
        code = pl_fail(err, PARLEY_UNAVAILABLE,
                       "another process has been migrating for more than %d s", LOCK_WAIT_S);
    }
    if (code == PARLEY_OK) {
        (void)pl_text_format(text, sizeof(text), "SET SESSION lock_wait_timeout=%d", TABLE_WAIT_S);
        code = exec(conn, text, err);
    }
    /* The lock ends with the connection, which is closed after. */
    return code == PARLEY_OK ? prepare_locked(&target, err) : code;
}

static enum parley_code check(struct mdb_conn *conn, unsigned shard, unsigned shards, bool is_exact,
                              struct pl_error *err)
{
    const struct mdb_schema_options options = {
        .shard = shard, .shards = shards, .is_exact = is_exact};
    struct target target = {.conn = conn, .options = &options};
    return prepare_locked(&target, err);
}

enum parley_code mdb_schema_check(struct mdb_conn *conn, unsigned shard, unsigned shards,
                                  struct pl_error *err)
{
    return check(conn, shard, shards, false, err);
}

enum parley_code mdb_schema_check_exact(struct mdb_conn *conn, unsigned shard, unsigned shards,
                                        struct pl_error *err)
{
    return check(conn, shard, shards, true, err);
}
