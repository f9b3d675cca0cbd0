/* SPDX-License-Identifier: Apache-2.0 */
/* An outbox that has grown long while a shard was away. */
#include "place.h"

#include "support/wait.h"

#include <stdio.h>
#include <stdlib.h>

#define SHARDS 2

/* More than the server takes in one statement. */
#define ROWS "24000"

static int64_t sum(const struct place *place, const char *sql)
{
    return place_sum(place, 0, sql) + place_sum(place, 1, sql);
}

static void fill_outbox(const struct place *place)
{
    for (unsigned i = 0; i < SHARDS; i++) {
        place_run(place, i,
                  "INSERT INTO outbox (owner, id, conversation, conversation_id, user, is_member,"
                  " version) SELECT 77, seq, (bucket<<40)+serial, id,"
                  " CONCAT(seq, REPEAT('u', 58)), 1, 1 FROM conversation, seq_1_to_" ROWS);
    }
}

static struct store *open_on(const struct place *place)
{
    struct store_mysql_options options = place_options(place);
    options.deadline_ms = 10000; /* sanitizers, and a busy machine */
    return place_open(&options);
}

static void test_a_node_that_starts_empties_an_outbox_of_many_statements(void **state)
{
    struct place place;
    (void)state;
    static const char conversation[] =
        "a-conversation-with-a-name-as-long-as-ids-are-allowed-to-be";
    place_init(&place, SHARDS);
    struct store *store = open_on(&place);
    assert_int_equal(place_create(store, conversation, "alice", "alice"), PARLEY_OK);
    store_close(store);
    fill_outbox(&place);
    store = open_on(&place);
    WAIT_FOR(sum(&place, "SELECT COUNT(*) FROM outbox") == 0);
    assert_int_equal(sum(&place, "SELECT COUNT(*) FROM user_conversation WHERE is_member"),
                     strtol(ROWS, NULL, 10) + 1);
    assert_int_equal(place_change(store, STORE_MEMBERS_ADDED, conversation, "alice", "bob"),
                     PARLEY_OK);
    assert_int_equal(place_count_list(store, "bob"), 1);
    store_close(store);
    place_deinit(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_node_that_starts_empties_an_outbox_of_many_statements),
    };
    return cmocka_run_group_tests(tests, place_start_server, place_stop_server);
}
