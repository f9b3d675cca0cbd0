/* SPDX-License-Identifier: Apache-2.0 */
/* The schema of shards: applied once whoever starts, finished when it was interrupted, and never
 * touched when it is not ours. */
#include "place.h"

#include "mysql/schema.h"
#include "store/mysql_shards.h"
#include "support/wait.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define SHARDS 2

static int setup(void **state)
{
    static struct place place;
    *state = &place;
    place_init(&place, SHARDS);
    return 0;
}

static int teardown(void **state)
{
    place_deinit(*state);
    return 0;
}

struct lines {
    char text[512];
};

static void note_line(void *context, const char *line)
{
    struct lines *lines = context;
    size_t used = strlen(lines->text);
    (void)snprintf(lines->text + used, sizeof(lines->text) - used, "%s\n", line);
}

static enum parley_code migrate(const struct place *place, bool is_dry_run, struct lines *lines,
                                struct pl_error *err)
{
    struct store_mysql_options options = place_options(place);
    *lines = (struct lines){""};
    return store_mysql_migrate(&options, is_dry_run, note_line, lines, err);
}

static enum parley_code try_open(const struct place *place, bool auto_migrate)
{
    struct pl_error error = PL_ERROR_INIT;
    struct store *store = NULL;
    struct store_mysql_options options = place_options(place);
    options.auto_migrate = auto_migrate;
    enum parley_code code = store_mysql_open(&options, &store, &error);
    store_close(store);
    return code;
}

static int64_t count_tables(const struct place *place)
{
    return place_sum(
        place, 0, "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema=DATABASE()");
}

static void test_a_dry_run_says_what_and_does_nothing(void **state)
{
    const struct place *place = *state;
    struct lines lines;
    assert_int_equal(migrate(place, true, &lines, NULL), PARLEY_OK);
    assert_string_equal(lines.text, "shard 0: would apply 0001_conversations\n"
                                    "shard 0: would apply 0002_retention\n"
                                    "shard 1: would apply 0001_conversations\n"
                                    "shard 1: would apply 0002_retention\n");
    assert_int_equal(count_tables(place), 0);
}

static void test_migrating_twice_is_migrating_once(void **state)
{
    const struct place *place = *state;
    struct lines lines;
    assert_int_equal(migrate(place, false, &lines, NULL), PARLEY_OK);
    assert_string_equal(lines.text,
                        "shard 0: applied 0001_conversations\nshard 0: applied 0002_retention\n"
                        "shard 0: schema is up to date\n"
                        "shard 1: applied 0001_conversations\nshard 1: applied 0002_retention\n"
                        "shard 1: schema is up to date\n");
    assert_int_equal(migrate(place, false, &lines, NULL), PARLEY_OK);
    assert_string_equal(lines.text,
                        "shard 0: schema is up to date\nshard 1: schema is up to date\n");
    assert_int_equal(place_sum(place, 0, "SELECT COUNT(*) FROM schema_migration"),
                     (int64_t)mysql_migrations_count);
}

struct node {
    const struct place *place;
    pthread_t thread;
    enum parley_code code;
};

static void *migrate_as_node(void *argument)
{
    struct node *node = argument;
    struct lines lines;
    node->code = migrate(node->place, false, &lines, NULL);
    return NULL;
}

static void test_of_several_nodes_one_migrates_and_the_others_wait(void **state)
{
    struct node nodes[4];
    for (size_t i = 0; i < 4; i++) {
        nodes[i].place = *state;
        assert_int_equal(pthread_create(&nodes[i].thread, NULL, migrate_as_node, &nodes[i]), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        (void)pthread_join(nodes[i].thread, NULL);
        assert_int_equal(nodes[i].code, PARLEY_OK);
    }
    assert_int_equal(place_sum(*state, 0, "SELECT COUNT(*) FROM schema_migration"),
                     (int64_t)mysql_migrations_count);
}

static void test_an_interrupted_migration_is_finished(void **state)
{
    const struct place *place = *state;
    struct lines lines;
    assert_int_equal(migrate(place, false, &lines, NULL), PARLEY_OK);
    /* As a kill in the middle leaves it: some tables, and no record. */
    place_run(place, 0, "DROP TABLE message");
    place_run(place, 0, "DROP TABLE writer");
    place_run(place, 0, "DELETE FROM schema_migration");
    assert_int_equal(try_open(place, false), PARLEY_FAILED_PRECONDITION);
    assert_int_equal(try_open(place, true), PARLEY_OK);
    assert_int_equal(place_sum(place, 0, "SELECT COUNT(*) FROM message"), 0);
}

/* As a node writes that was started before 0002. */
static void make_older_conversation(const struct place *place)
{
    place_run(place, 0,
              "INSERT INTO conversation (bucket, id, title, created_by, created_at_ms, head_seq,"
              " first_seq, ordinal, last_at_ms, member_count, members_seq)"
              " VALUES (0, UUID(), '', 'alice', 0, 0, 1, 0, 0, 0, 0)");
}

/* Shard 0 as it was before 0002, with a conversation. */
static void make_older_schema(const struct place *place)
{
    struct lines lines;
    assert_int_equal(migrate(place, false, &lines, NULL), PARLEY_OK);
    place_run(place, 0,
              "ALTER TABLE conversation DROP KEY conversation_retention,"
              " DROP COLUMN retention_age_ms, DROP COLUMN retention_messages");
    place_run(place, 0, "DELETE FROM schema_migration WHERE number=2");
    make_older_conversation(place);
}

static void test_an_older_schema_is_brought_up_to_date_with_what_is_in_it(void **state)
{
    const struct place *place = *state;
    struct lines lines;
    make_older_schema(place);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(try_open(place, false), PARLEY_FAILED_PRECONDITION);
        assert_int_equal(migrate(place, false, &lines, NULL), PARLEY_OK);
        assert_int_equal(try_open(place, false), PARLEY_OK);
        make_older_conversation(place);
        /* Once more: it was killed before it could record what it did. */
        place_run(place, 0, "DELETE FROM schema_migration WHERE number=2");
    }
    assert_int_equal(place_sum(place, 0,
                               "SELECT COUNT(*) FROM conversation WHERE retention_age_ms=0 AND"
                               " retention_messages=0"),
                     3);
}

static void *read_for_long(void *context)
{
    (void)mariadb_sum_in(&place_server, 0, context,
                         "SELECT COUNT(*) FROM conversation WHERE SLEEP(60)=0");
    return NULL;
}

static int64_t find_reader(const struct place *place)
{
    return place_sum(place, 0,
                     "SELECT id FROM information_schema.processlist WHERE state='User sleep'");
}

static void
test_a_table_that_is_read_for_long_is_changed_later_and_written_to_meanwhile(void **state)
{
    const struct place *place = *state;
    struct lines lines;
    pthread_t reader;
    char database[64];
    char kill[64];
    make_older_schema(place);
    (void)snprintf(database, sizeof(database), "parley_%u_0", place->number);
    assert_int_equal(pthread_create(&reader, NULL, read_for_long, database), 0);
    WAIT_FOR(find_reader(place) != 0);
    /* Before the reader is done: who writes waits behind who changes. And a node does not start
     * without the shard, which is not away. */
    assert_int_equal(try_open(place, true), PARLEY_ABORTED);
    int64_t id = find_reader(place);
    assert_int_not_equal(id, 0);
    make_older_conversation(place);
    (void)snprintf(kill, sizeof(kill), "KILL QUERY %lld", (long long)id);
    place_run(place, 0, kill);
    assert_int_equal(pthread_join(reader, NULL), 0);
    assert_int_equal(migrate(place, false, &lines, NULL), PARLEY_OK);
    assert_int_equal(place_sum(place, 0, "SELECT SUM(retention_age_ms=0) FROM conversation"), 2);
}

static void test_a_schema_that_is_not_ours_is_refused_and_left_alone(void **state)
{
    static const char *const changes[] = {
        "INSERT INTO schema_migration VALUES (99, '0099_later', REPEAT('a', 64), 0)",
        "UPDATE schema_migration SET checksum=REPEAT('b', 64) WHERE number=1",
        "UPDATE shard_place SET shard=1",
        "UPDATE shard_place SET shards=3",
    };
    static const char *const repairs[] = {
        "DELETE FROM schema_migration WHERE number=99",
        NULL,
        "UPDATE shard_place SET shard=0",
        "UPDATE shard_place SET shards=2",
    };
    const struct place *place = *state;
    struct lines lines;
    assert_int_equal(migrate(place, false, &lines, NULL), PARLEY_OK);
    for (size_t i = 0; i < 4; i++) {
        char repair[160];
        (void)snprintf(repair, sizeof(repair),
                       "UPDATE schema_migration SET checksum='%s' WHERE number=1",
                       mysql_migrations[0].checksum);
        print_message("  %s\n", changes[i]);
        place_run(place, 0, changes[i]);
        assert_int_equal(try_open(place, true), PARLEY_FAILED_PRECONDITION);
        assert_int_equal(try_open(place, false), PARLEY_FAILED_PRECONDITION);
        assert_int_equal(migrate(place, false, &lines, NULL), PARLEY_FAILED_PRECONDITION);
        place_run(place, 0, repairs[i] == NULL ? repair : repairs[i]);
        assert_int_equal(try_open(place, false), PARLEY_OK);
    }
}

/* As a newer build leaves both shards that has one migration more. */
static void make_newer_schema(const struct place *place, size_t oldest)
{
    for (unsigned i = 0; i < SHARDS; i++) {
        char declare[96];
        (void)snprintf(declare, sizeof(declare),
                       "REPLACE INTO schema_oldest_build VALUES (99, %zu)", oldest);
        place_run(place, i, declare);
        place_run(place, i,
                  "REPLACE INTO schema_migration VALUES (99, '0099_later', REPEAT('a', 64), 0)");
    }
}

static void test_a_newer_schema_that_declares_it_is_served_by_a_node_that_starts_again(void **state)
{
    const struct place *place = *state;
    const struct store_mysql_options options = place_options(place);
    struct store_mysql_plan plan;
    struct lines lines;
    assert_int_equal(migrate(place, false, &lines, NULL), PARLEY_OK);
    make_newer_schema(place, mysql_migrations_count);
    assert_int_equal(try_open(place, true), PARLEY_OK);
    assert_int_equal(try_open(place, false), PARLEY_OK);
    assert_int_equal(migrate(place, false, &lines, NULL), PARLEY_OK);
    assert_non_null(strstr(lines.text, "newer than this build, which works with it"));
    /* A mover does not know what it would have to copy. */
    assert_int_equal(store_mysql_plan(&options, &plan, NULL), PARLEY_FAILED_PRECONDITION);
    make_newer_schema(place, mysql_migrations_count + 1);
    assert_int_equal(try_open(place, true), PARLEY_FAILED_PRECONDITION);
}

static void test_a_database_from_before_such_declarations_is_served(void **state)
{
    const struct place *place = *state;
    struct lines lines;
    assert_int_equal(migrate(place, false, &lines, NULL), PARLEY_OK);
    place_run(place, 0, "DROP TABLE schema_oldest_build");
    assert_int_equal(try_open(place, false), PARLEY_OK);
    place_run(place, 0,
              "INSERT INTO schema_migration VALUES (99, '0099_later', REPEAT('a', 64), 0)");
    assert_int_equal(try_open(place, true), PARLEY_FAILED_PRECONDITION);
}

static void test_databases_in_another_order_are_refused(void **state)
{
    const struct place *place = *state;
    struct pl_error error = PL_ERROR_INIT;
    struct store *store = NULL;
    struct lines lines;
    char swapped[512];
    char first[128];
    char second[128];
    assert_int_equal(migrate(place, false, &lines, NULL), PARLEY_OK);
    place_address(place, 0, place_server.ports[0], first, sizeof(first));
    place_address(place, 1, place_server.ports[0], second, sizeof(second));
    (void)snprintf(swapped, sizeof(swapped), "%s,%s", second, first);
    struct store_mysql_options options = place_options(place);
    options.shards = swapped;
    assert_int_equal(store_mysql_open(&options, &store, &error), PARLEY_FAILED_PRECONDITION);
    assert_non_null(strstr(error.text, "is shard 1 of 2, but is listed as shard 0 of 2"));
}

static void test_addresses_that_are_none_are_refused(void **state)
{
    static const char *const wrong[] = {"",       "host",       "host:1",   "host/db", ":1/db",
                                        "h:0/db", "h:70000/db", "h:1/db,,", "h:x/db",  "h:1/"};
    (void)state;
    for (size_t i = 0; i < PL_COUNT(wrong); i++) {
        struct store *store = NULL;
        const struct store_mysql_options options = {.shards = wrong[i]};
        print_message("  \"%s\"\n", wrong[i]);
        assert_int_equal(store_mysql_open(&options, &store, NULL), PARLEY_INVALID_ARGUMENT);
    }
}

#define SCHEMA_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCHEMA_TEST(test_a_dry_run_says_what_and_does_nothing),
        SCHEMA_TEST(test_migrating_twice_is_migrating_once),
        SCHEMA_TEST(test_of_several_nodes_one_migrates_and_the_others_wait),
        SCHEMA_TEST(test_an_interrupted_migration_is_finished),
        SCHEMA_TEST(test_an_older_schema_is_brought_up_to_date_with_what_is_in_it),
        SCHEMA_TEST(test_a_table_that_is_read_for_long_is_changed_later_and_written_to_meanwhile),
        SCHEMA_TEST(test_a_schema_that_is_not_ours_is_refused_and_left_alone),
        SCHEMA_TEST(test_a_newer_schema_that_declares_it_is_served_by_a_node_that_starts_again),
        SCHEMA_TEST(test_a_database_from_before_such_declarations_is_served),
        SCHEMA_TEST(test_databases_in_another_order_are_refused),
        cmocka_unit_test(test_addresses_that_are_none_are_refused),
    };
    return cmocka_run_group_tests(tests, place_start_server, place_stop_server);
}
