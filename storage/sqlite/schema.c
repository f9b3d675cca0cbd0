/* SPDX-License-Identifier: Apache-2.0 */
/* The schema of a folder; see schema.h. Shard files are made from the last to the first: when shard
 * 0 says how many there are, all of them exist. */
#include "sqlite/schema.h"

#include "sqlite/db.h"

#include "base/clock.h"
#include "base/text.h"
#include "shard/route.h"

#include <string.h>

static const char make_records[] = "CREATE TABLE IF NOT EXISTS schema_migration ("
                                   "number INTEGER PRIMARY KEY, name TEXT NOT NULL,"
                                   "checksum TEXT NOT NULL, applied_at_ms INTEGER NOT NULL)";

/* The oldest build that works with a migration, by the last that it knows. */
static const char make_oldest[] = "CREATE TABLE IF NOT EXISTS schema_oldest_build ("
                                  "number INTEGER PRIMARY KEY, oldest INTEGER NOT NULL)";

/* A file from before those declarations has no table for them. */
#define LIST_WITH_OLDEST                                                                           \
    "SELECT number, checksum, coalesce(oldest, 0) FROM schema_migration"                           \
    " LEFT JOIN schema_oldest_build USING (number) ORDER BY number"
#define LIST_WITHOUT "SELECT number, checksum, 0 FROM schema_migration ORDER BY number"

struct target {
    sqlite3 *db;
    unsigned shard;
    const struct sqlite_schema_options *options;
};

/* One number from the database; -1: no row. */
static enum parley_code query_number(sqlite3 *db, const char *sql, int64_t *out,
                                     struct pl_error *err)
{
    sqlite3_stmt *statement = NULL;
    enum parley_code code = sqlite_db_prepare(db, &sql, 1, &statement, err);
    if (code != PARLEY_OK) {
        return code;
    }
    int step = sqlite3_step(statement);
    *out = step == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : -1;
    if (step != SQLITE_ROW && step != SQLITE_DONE) {
        code = sqlite_db_fail(db, "cannot read the schema", err);
    }
    (void)sqlite3_finalize(statement);
    return code;
}

static enum parley_code has_table(sqlite3 *db, const char *name, bool *has, struct pl_error *err)
{
    char sql[128];
    int64_t count = 0;
    (void)pl_text_format(sql, sizeof(sql),
                         "SELECT count(*) FROM sqlite_schema WHERE type='table' AND name='%s'",
                         name);
    enum parley_code code = query_number(db, sql, &count, err);
    *has = count > 0;
    return code;
}

static enum parley_code list_applied(void *context, struct shard_applied *out, size_t max,
                                     size_t *count, struct pl_error *err)
{
    sqlite3 *db = ((struct target *)context)->db;
    sqlite3_stmt *statement = NULL;
    bool has = false;
    bool declares = false;
    *count = 0;
    enum parley_code code = has_table(db, "schema_migration", &has, err);
    if (code == PARLEY_OK) {
        code = has_table(db, "schema_oldest_build", &declares, err);
    }
    if (code != PARLEY_OK || !has) {
        return code;
    }
    const char *sql = declares ? LIST_WITH_OLDEST : LIST_WITHOUT;
    code = sqlite_db_prepare(db, &sql, 1, &statement, err);
    if (code != PARLEY_OK) {
        return code;
    }
    int step = sqlite3_step(statement);
    for (; step == SQLITE_ROW; step = sqlite3_step(statement)) {
        if (*count < max) {
            out[*count].number = (unsigned)sqlite3_column_int64(statement, 0);
            struct store_bytes checksum = sqlite_column_bytes(statement, 1);
            (void)pl_text_format(out[*count].checksum, sizeof(out[*count].checksum), "%.*s",
                                 (int)checksum.len, checksum.data);
            out[*count].oldest = (unsigned)sqlite3_column_int64(statement, 2);
        }
        (*count)++;
    }
    if (step != SQLITE_DONE) {
        code = sqlite_db_fail(db, "cannot read the schema", err);
    }
    (void)sqlite3_finalize(statement);
    return code;
}

static enum parley_code record(sqlite3 *db, const struct shard_migration *migration,
                               struct pl_error *err)
{
    const char *sql = "INSERT INTO schema_migration (number, name, checksum, applied_at_ms) "
                      "VALUES (?, ?, ?, ?)";
    sqlite3_stmt *statement = NULL;
    enum parley_code code = sqlite_db_prepare(db, &sql, 1, &statement, err);
    if (code != PARLEY_OK) {
        return code;
    }
    sqlite_bind_i64(statement, 1, migration->number);
    sqlite_bind_text(statement, 2, (struct store_bytes){migration->name, strlen(migration->name)});
    sqlite_bind_text(statement, 3,
                     (struct store_bytes){migration->checksum, strlen(migration->checksum)});
    sqlite_bind_i64(statement, 4, pl_clock_wall_ms());
    if (sqlite3_step(statement) != SQLITE_DONE) {
        code = sqlite_db_fail(db, "cannot record", err);
    }
    (void)sqlite3_finalize(statement);
    return code;
}

static enum parley_code record_oldest(sqlite3 *db, const struct shard_migration *migration,
                                      struct pl_error *err)
{
    char sql[96];
    (void)pl_text_format(sql, sizeof(sql),
                         "REPLACE INTO schema_oldest_build (number, oldest) VALUES (%u, %u)",
                         migration->number, migration->oldest);
    return sqlite_db_exec(db, sql, err);
}

static enum parley_code apply_in_transaction(sqlite3 *db, const struct shard_migration *migration,
                                             struct pl_error *err)
{
    char sql[96];
    int64_t there = -1;
    (void)pl_text_format(sql, sizeof(sql), "SELECT number FROM schema_migration WHERE number=%u",
                         migration->number);
    enum parley_code code = sqlite_db_exec(db, make_records, err);
    if (code == PARLEY_OK) {
        code = sqlite_db_exec(db, make_oldest, err);
    }
    if (code == PARLEY_OK) {
        code = query_number(db, sql, &there, err);
    }
    if (code == PARLEY_OK && there < 0) {
        code = sqlite_db_exec(db, migration->sql, err);
        if (code == PARLEY_OK) {
            code = record_oldest(db, migration, err);
        }
        if (code == PARLEY_OK) {
            code = record(db, migration, err);
        }
    }
    return code == PARLEY_OK ? sqlite_db_exec(db, "COMMIT", err) : code;
}

static enum parley_code apply(void *context, const struct shard_migration *migration,
                              struct pl_error *err)
{
    sqlite3 *db = ((struct target *)context)->db;
    enum parley_code code = sqlite_db_exec(db, "BEGIN IMMEDIATE", err);
    if (code != PARLEY_OK) {
        return code;
    }
    code = apply_in_transaction(db, migration, err);
    if (code != PARLEY_OK && sqlite3_get_autocommit(db) == 0) {
        (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    }
    return code;
}

static void report(void *context, const char *line)
{
    const struct target *target = context;
    char text[192];
    if (target->options->report != NULL) {
        (void)pl_text_format(text, sizeof(text), "shard %u: %s", target->shard, line);
        target->options->report(target->options->context, text);
    }
}

/* Check, or write down, which shard of how many this file is. */
static enum parley_code check_place(struct target *target, unsigned shards, struct pl_error *err)
{
    char sql[128];
    int64_t shard = -1;
    int64_t count = -1;
    enum parley_code code = query_number(target->db, "SELECT shard FROM shard_place", &shard, err);
    if (code == PARLEY_OK) {
        code = query_number(target->db, "SELECT shards FROM shard_place", &count, err);
    }
    if (code != PARLEY_OK) {
        return code;
    }
    if (shard < 0) {
        (void)pl_text_format(sql, sizeof(sql), "INSERT INTO shard_place VALUES (1, %u, %u)",
                             target->shard, shards);
        return sqlite_db_exec(target->db, sql, err);
    }
    if (shard != target->shard || count != shards) {
        return pl_fail(err, PARLEY_FAILED_PRECONDITION,
                       "the file of shard %u of %u says that it is shard %lld of %lld",
                       target->shard, shards, (long long)shard, (long long)count);
    }
    return PARLEY_OK;
}

static enum parley_code prepare_shard(const struct sqlite_folder *folder, unsigned shard,
                                      unsigned shards, const struct sqlite_schema_options *options,
                                      struct pl_error *err)
{
    char path[PATH_MAX];
    struct target target = {.shard = shard, .options = options};
    struct sqlite_db_options db_options = {.is_writer = true, .is_durable = options->is_durable};
    struct shard_migrator migrator = {
        .context = &target,
        .list = list_applied,
        .apply = apply,
        .report = report,
    };
    sqlite_folder_shard_path(folder, shard, path);
    enum parley_code code = sqlite_folder_make_shard(folder, shard, err);
    if (code == PARLEY_OK) {
        code = sqlite_db_open(path, &db_options, &target.db, err);
    }
    if (code != PARLEY_OK) {
        return code;
    }
    code = shard_migrate(&migrator, sqlite_migrations, sqlite_migrations_count, options->may_apply,
                         err);
    if (code == PARLEY_OK) {
        code = check_place(&target, shards, err);
    }
    if (code != PARLEY_OK) {
        pl_error_wrap(err, "shard %u: ", shard);
    } else {
        report(&target, "schema is up to date");
    }
    (void)sqlite3_close_v2(target.db);
    return code;
}

/* How many shards the folder was made with; 0: none yet, or its making was interrupted. */
static enum parley_code count_shards(const struct sqlite_folder *folder, bool is_durable,
                                     unsigned *shards, struct pl_error *err)
{
    char path[PATH_MAX];
    sqlite3 *db = NULL;
    bool has = false;
    int64_t count = -1;
    struct sqlite_db_options options = {.is_writer = true, .is_durable = is_durable};
    *shards = 0;
    if (!sqlite_folder_has_shard(folder, 0)) {
        return PARLEY_OK;
    }
    sqlite_folder_shard_path(folder, 0, path);
    enum parley_code code = sqlite_db_open(path, &options, &db, err);
    if (code != PARLEY_OK) {
        return code;
    }
    code = has_table(db, "shard_place", &has, err);
    if (code == PARLEY_OK && has) {
        code = query_number(db, "SELECT shards FROM shard_place", &count, err);
    }
    (void)sqlite3_close_v2(db);
    if (count > 0 && count <= SHARD_COUNT_MAX) {
        *shards = (unsigned)count;
    }
    return code;
}

static enum parley_code check_count(const struct sqlite_folder *folder, unsigned made,
                                    unsigned *wanted, struct pl_error *err)
{
    if (*wanted == 0) {
        *wanted = made == 0 ? 1 : made;
    }
    if (*wanted > SHARD_COUNT_MAX) {
        return pl_fail(err, PARLEY_INVALID_ARGUMENT, "%u shards, at most %u are possible", *wanted,
                       SHARD_COUNT_MAX);
    }
    if (made != 0 && made != *wanted) {
        return pl_fail(err, PARLEY_FAILED_PRECONDITION,
                       "the data folder was made with %u shards and cannot be opened with %u", made,
                       *wanted);
    }
    for (unsigned i = 0; i < made; i++) {
        if (!sqlite_folder_has_shard(folder, i)) {
            return pl_fail(err, PARLEY_DATA_LOSS, "the file of shard %u of %u is missing in %s", i,
                           made, folder->path);
        }
    }
    return PARLEY_OK;
}

enum parley_code sqlite_schema_prepare(const struct sqlite_folder *folder,
                                       const struct sqlite_schema_options *options,
                                       unsigned *shards, struct pl_error *err)
{
    unsigned made = 0;
    enum parley_code code = count_shards(folder, options->is_durable, &made, err);
    if (code == PARLEY_OK) {
        code = check_count(folder, made, shards, err);
    }
    for (unsigned left = *shards; left > 0 && code == PARLEY_OK; left--) {
        code = prepare_shard(folder, left - 1, *shards, options, err);
    }
    return code;
}
