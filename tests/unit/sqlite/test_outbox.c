/* SPDX-License-Identifier: Apache-2.0 */
/* A crash between two shards: the conversation's has the change, the user's list does not show it
 * yet. What the outbox says is applied when the store is opened. */
#include "store/sqlite.h"

#include "shard/route.h"
#include "support/check.h"
#include "support/tmp_dir.h"
#include "support/wait.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#define SHARDS 2

/* Ids that live on these shards of two. */
#define ROOM "room-1"
static char user_elsewhere[16];

static atomic_uint done_count;

static void count_done(struct store_request *request)
{
    (void)request;
    atomic_fetch_add(&done_count, 1);
}

static struct store *open_store(const struct tmp_dir *dir)
{
    struct store *store = NULL;
    const struct store_sqlite_options options = {
        .data_dir = dir->path, .shards = SHARDS, .auto_migrate = true};
    assert_int_equal(store_sqlite_open(&options, &store, NULL), PARLEY_OK);
    return store;
}

static unsigned shard_of_room(void)
{
    return shard_of(ROOM, strlen(ROOM), SHARDS);
}

static void choose_user(void)
{
    for (unsigned i = 0;; i++) {
        int len = snprintf(user_elsewhere, sizeof(user_elsewhere), "user-%u", i);
        if (shard_of(user_elsewhere, (size_t)len, SHARDS) != shard_of_room()) {
            return;
        }
    }
}

static void create_room(struct store *store)
{
    const struct store_bytes member = {user_elsewhere, strlen(user_elsewhere)};
    struct store_create create = {.request.done = count_done,
                                  .conversation_id = {ROOM, strlen(ROOM)},
                                  .creator = {"alice", 5},
                                  .members = &member,
                                  .member_count = 1};
    unsigned before = atomic_load(&done_count);
    store_create(store, &create);
    WAIT_FOR(atomic_load(&done_count) == before + 1);
    assert_int_equal(create.request.error.code, PARLEY_OK);
    store_request_release(&create.request);
}

static size_t count_list(struct store *store)
{
    struct store_list_conversations list = {
        .request.done = count_done, .user = {user_elsewhere, strlen(user_elsewhere)}, .limit = 10};
    unsigned before = atomic_load(&done_count);
    store_list_conversations(store, &list);
    WAIT_FOR(atomic_load(&done_count) == before + 1);
    assert_int_equal(list.request.error.code, PARLEY_OK);
    size_t count = list.count;
    store_request_release(&list.request);
    return count;
}

/* Run SQL on a shard's file; returns the first number of its last row, or -1. */
static int64_t run_sql(const struct tmp_dir *dir, unsigned shard, const char *sql)
{
    char name[32];
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    int64_t number = -1;
    (void)snprintf(name, sizeof(name), "shard-%03u.db", shard);
    char *path = tmp_dir_join(dir, name);
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

/* As if the process had died after the commit on the conversation's shard: the change is in the
 * outbox there, and the list on the user's shard is as it was before. */
static void undo_list(const struct tmp_dir *dir, const char *list_sql)
{
    char sql[256];
    (void)snprintf(sql, sizeof(sql),
                   "INSERT INTO outbox (conversation, user) SELECT number, '%s' FROM conversation",
                   user_elsewhere);
    (void)run_sql(dir, shard_of_room(), sql);
    (void)run_sql(dir, 1 - shard_of_room(), list_sql);
}

static int setup(void **state)
{
    static struct tmp_dir dir;
    *state = &dir;
    choose_user();
    return tmp_dir_init(&dir);
}

static int teardown(void **state)
{
    return tmp_dir_deinit(*state);
}

static void test_a_member_whose_list_was_cut_off_gets_it(void **state)
{
    const struct tmp_dir *dir = *state;
    struct store *store = open_store(dir);
    create_room(store);
    assert_int_equal(count_list(store), 1);
    store_close(store);
    /* Everything was applied and forgotten. */
    assert_int_equal(run_sql(dir, shard_of_room(), "SELECT count(*) FROM outbox"), 0);
    undo_list(dir, "DELETE FROM user_conversation WHERE user LIKE 'user-%'");
    store = open_store(dir);
    assert_int_equal(count_list(store), 1);
    store_close(store);
    assert_int_equal(run_sql(dir, shard_of_room(), "SELECT count(*) FROM outbox"), 0);
}

static void test_a_member_who_has_gone_is_taken_off_the_list(void **state)
{
    const struct tmp_dir *dir = *state;
    const char *count = "SELECT count(*) FROM user_conversation WHERE user LIKE 'user-%'";
    struct store *store = open_store(dir);
    create_room(store);
    store_close(store);
    (void)run_sql(dir, shard_of_room(), "DELETE FROM member WHERE user LIKE 'user-%'");
    undo_list(dir, "SELECT 1");
    assert_int_equal(run_sql(dir, 1 - shard_of_room(), count), 1);
    store = open_store(dir);
    assert_int_equal(count_list(store), 0);
    store_close(store);
    assert_int_equal(run_sql(dir, 1 - shard_of_room(), count), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_member_whose_list_was_cut_off_gets_it, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_member_who_has_gone_is_taken_off_the_list, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
