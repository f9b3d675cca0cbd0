/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a folder: how they are set up, and which ones are refused. */
#include "store/sqlite.h"

#include "sqlite/db.h"
#include "support/check.h"
#include "support/tmp_dir.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <sqlite3.h>

static int setup(void **state)
{
    static struct tmp_dir dir;
    *state = &dir;
    return tmp_dir_init(&dir);
}

static int teardown(void **state)
{
    return tmp_dir_deinit(*state);
}

static enum parley_code open_and_close(const struct tmp_dir *dir, unsigned shards,
                                       bool auto_migrate, struct pl_error *err)
{
    struct store *store = NULL;
    const struct store_sqlite_options options = {
        .data_dir = dir->path, .shards = shards, .auto_migrate = auto_migrate};
    enum parley_code code = store_sqlite_open(&options, &store, err);
    store_close(store);
    return code;
}

/* Run SQL on the file of shard 0; returns the first number of the last row, or -1. */
static int64_t run_sql(const struct tmp_dir *dir, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    int64_t number = -1;
    char *path = tmp_dir_join(dir, "shard-000.db");
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    while (sqlite3_step(statement) == SQLITE_ROW) {
        number = sqlite3_column_int64(statement, 0);
    }
    assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
    (void)sqlite3_close(db);
    free(path);
    return number;
}

static void test_a_commit_waits_for_the_disk(void **state)
{
    const struct tmp_dir *dir = *state;
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    const struct sqlite_db_options options = {.is_writer = true, .is_durable = true};
    char *path = tmp_dir_join(dir, "x.db");
    assert_int_equal(sqlite_db_open(path, &options, &db, NULL), PARLEY_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA synchronous", -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int(statement, 0), 2); /* FULL */
    (void)sqlite3_finalize(statement);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA journal_mode", -1, &statement, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(statement, 0), "wal");
    (void)sqlite3_finalize(statement);
    (void)sqlite3_close(db);
    free(path);
}

static void test_nobody_else_can_read_the_files(void **state)
{
    struct tmp_dir parent = *(const struct tmp_dir *)*state;
    struct tmp_dir dir;
    struct stat status;
    (void)snprintf(dir.path, sizeof(dir.path), "%.400s/data", parent.path);
    assert_int_equal(open_and_close(&dir, 2, true, NULL), PARLEY_OK);
    assert_int_equal(stat(dir.path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    char *path = tmp_dir_join(&dir, "shard-001.db");
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    free(path);
}

static void test_an_empty_folder_needs_migrating(void **state)
{
    struct pl_error error = PL_ERROR_INIT;
    assert_int_equal(open_and_close(*state, 1, false, &error), PARLEY_FAILED_PRECONDITION);
    assert_non_null(strstr(error.text, "parleyd migrate"));
}

static void count_line(void *context, const char *line)
{
    (void)line;
    (*(unsigned *)context)++;
}

static void test_migrating_twice_is_safe_and_enough(void **state)
{
    const struct tmp_dir *dir = *state;
    const struct store_sqlite_options options = {.data_dir = dir->path, .shards = 2};
    unsigned first = 0;
    unsigned second = 0;
    assert_int_equal(store_sqlite_migrate(&options, count_line, &first, NULL), PARLEY_OK);
    assert_int_equal(store_sqlite_migrate(&options, count_line, &second, NULL), PARLEY_OK);
    assert_true(second > 0);
    assert_true(first > second); /* nothing was applied again */
    assert_int_equal(open_and_close(dir, 0, false, NULL), PARLEY_OK);
    assert_int_equal(run_sql(dir, "SELECT shards FROM shard_place"), 2);
}

static void test_an_older_schema_is_brought_up_to_date_with_what_is_in_it(void **state)
{
    const struct tmp_dir *dir = *state;
    assert_int_equal(open_and_close(dir, 1, true, NULL), PARLEY_OK);
    (void)run_sql(dir, "DROP INDEX conversation_retention");
    (void)run_sql(dir, "ALTER TABLE conversation DROP COLUMN retention_age_ms");
    (void)run_sql(dir, "ALTER TABLE conversation DROP COLUMN retention_messages");
    (void)run_sql(dir, "DELETE FROM schema_migration WHERE number=2");
    (void)run_sql(dir, "INSERT INTO conversation VALUES (1, 'c1', '', 'alice', 0, 0, 1, 0, 0, 0)");
    assert_int_equal(open_and_close(dir, 1, false, NULL), PARLEY_FAILED_PRECONDITION);
    assert_int_equal(open_and_close(dir, 1, true, NULL), PARLEY_OK);
    assert_int_equal(run_sql(dir, "SELECT retention_age_ms + retention_messages FROM conversation"),
                     0);
}

static void test_a_newer_schema_is_refused(void **state)
{
    const struct tmp_dir *dir = *state;
    struct pl_error error = PL_ERROR_INIT;
    assert_int_equal(open_and_close(dir, 1, true, NULL), PARLEY_OK);
    (void)run_sql(dir, "INSERT INTO schema_migration VALUES (99, '0099_future', 'x', 0)");
    assert_int_equal(open_and_close(dir, 1, true, &error), PARLEY_FAILED_PRECONDITION);
    assert_non_null(strstr(error.text, "newer"));
}

static void test_a_newer_schema_that_declares_it_is_served(void **state)
{
    const struct tmp_dir *dir = *state;
    assert_int_equal(open_and_close(dir, 1, true, NULL), PARLEY_OK);
    (void)run_sql(dir, "INSERT INTO schema_migration VALUES (99, '0099_future', 'x', 0)");
    (void)run_sql(dir, "INSERT INTO schema_oldest_build VALUES (99, 2)");
    assert_int_equal(open_and_close(dir, 1, true, NULL), PARLEY_OK);
    (void)run_sql(dir, "UPDATE schema_oldest_build SET oldest=3 WHERE number=99");
    assert_int_equal(open_and_close(dir, 1, true, NULL), PARLEY_FAILED_PRECONDITION);
    (void)run_sql(dir, "DROP TABLE schema_oldest_build");
    assert_int_equal(open_and_close(dir, 1, true, NULL), PARLEY_FAILED_PRECONDITION);
}

static void test_a_migration_with_another_text_is_refused(void **state)
{
    const struct tmp_dir *dir = *state;
    assert_int_equal(open_and_close(dir, 1, true, NULL), PARLEY_OK);
    (void)run_sql(dir, "UPDATE schema_migration SET checksum='0' WHERE number=1");
    assert_int_equal(open_and_close(dir, 1, true, NULL), PARLEY_FAILED_PRECONDITION);
}

static void test_the_number_of_shards_stays(void **state)
{
    const struct tmp_dir *dir = *state;
    struct pl_error error = PL_ERROR_INIT;
    assert_int_equal(open_and_close(dir, 3, true, NULL), PARLEY_OK);
    assert_int_equal(open_and_close(dir, 2, true, &error), PARLEY_FAILED_PRECONDITION);
    assert_non_null(strstr(error.text, "3 shards"));
    assert_int_equal(open_and_close(dir, 0, true, NULL), PARLEY_OK);
    char *path = tmp_dir_join(dir, "shard-001.db");
    assert_int_equal(remove(path), 0);
    free(path);
    assert_int_equal(open_and_close(dir, 3, true, &error), PARLEY_DATA_LOSS);
    assert_int_equal(open_and_close(dir, 257, true, &error), PARLEY_INVALID_ARGUMENT);
}

static void test_a_file_that_is_no_database_is_data_loss(void **state)
{
    const struct tmp_dir *dir = *state;
    assert_int_equal(tmp_dir_write(dir, "shard-000.db",
                                   "This is a letter to my aunt and not a database, as anybody who "
                                   "reads the first hundred bytes of it can tell at once."),
                     0);
    assert_int_equal(open_and_close(dir, 1, true, NULL), PARLEY_DATA_LOSS);
}

#define SCHEMA_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCHEMA_TEST(test_a_commit_waits_for_the_disk),
        SCHEMA_TEST(test_nobody_else_can_read_the_files),
        SCHEMA_TEST(test_an_empty_folder_needs_migrating),
        SCHEMA_TEST(test_migrating_twice_is_safe_and_enough),
        SCHEMA_TEST(test_an_older_schema_is_brought_up_to_date_with_what_is_in_it),
        SCHEMA_TEST(test_a_newer_schema_is_refused),
        SCHEMA_TEST(test_a_newer_schema_that_declares_it_is_served),
        SCHEMA_TEST(test_a_migration_with_another_text_is_refused),
        SCHEMA_TEST(test_the_number_of_shards_stays),
        SCHEMA_TEST(test_a_file_that_is_no_database_is_data_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
