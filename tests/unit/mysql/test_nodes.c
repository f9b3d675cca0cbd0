/* SPDX-License-Identifier: Apache-2.0 */
/* Several nodes on the same databases. */
#include "place.h"

#include "support/wait.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define NODES   3
#define SENDS   120
#define SHARDS  2
#define WRITERS 2
#define CREATES 12

struct world {
    struct place place;
    struct store *nodes[NODES];
};

static int setup(void **state)
{
    static struct world world;
    *state = &world;
    place_init(&world.place, SHARDS);
    struct store_mysql_options options = place_options(&world.place);
    options.deadline_ms = 10000; /* sanitizers, a busy machine and many who want the same rows */
    options.writers = WRITERS;
    for (size_t i = 0; i < NODES; i++) {
        world.nodes[i] = place_open(&options);
    }
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    for (size_t i = 0; i < NODES; i++) {
        store_close(world->nodes[i]);
    }
    place_deinit(&world->place);
    return 0;
}

/* Sends to two conversations that all nodes write to. */
struct sender {
    struct store *store;
    size_t index;
    pthread_t thread;
    struct ask asks[SENDS];
    char ids[SENDS][24];
};

static void *send_all(void *argument)
{
    struct sender *sender = argument;
    for (size_t i = 0; i < SENDS; i++) {
        /* A third of the ids is the same on all nodes: the same message, racing. */
        if (i % 3 == 0) {
            (void)snprintf(sender->ids[i], sizeof(sender->ids[i]), "shared-%zu", i);
        } else {
            (void)snprintf(sender->ids[i], sizeof(sender->ids[i]), "%zu-%zu", sender->index, i);
        }
        ask_append(&sender->asks[i], sender->store, i % 2 == 0 ? "even" : "odd", "alice",
                   sender->ids[i], bytes_of("x"));
    }
    for (size_t i = 0; i < SENDS; i++) {
        (void)ask_wait(&sender->asks[i]);
    }
    return NULL;
}

static void test_all_nodes_write_the_same_logs_without_holes(void **state)
{
    struct world *world = *state;
    static struct sender senders[NODES];
    assert_int_equal(place_create(world->nodes[0], "even", "alice", "bob"), PARLEY_OK);
    assert_int_equal(place_create(world->nodes[0], "odd", "alice", "bob"), PARLEY_OK);
    for (size_t i = 0; i < NODES; i++) {
        senders[i].store = world->nodes[i];
        senders[i].index = i;
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_all, &senders[i]), 0);
    }
    for (size_t i = 0; i < NODES; i++) {
        (void)pthread_join(senders[i].thread, NULL);
    }
    size_t originals = 0;
    for (size_t i = 0; i < NODES; i++) {
        for (size_t j = 0; j < SENDS; j++) {
            assert_int_equal(senders[i].asks[j].request.error.code, PARLEY_OK);
            originals += !senders[i].asks[j].append.is_duplicate;
            if (j % 3 == 0) { /* all nodes were told the same */
                assert_int_equal(senders[i].asks[j].append.seq, senders[0].asks[j].append.seq);
            }
            store_request_release(&senders[i].asks[j].request);
        }
    }
    assert_int_equal(originals, SENDS / 3 + NODES * (SENDS - SENDS / 3));
    int64_t heads =
        place_check_log(world->nodes[1], "even") + place_check_log(world->nodes[2], "odd");
    assert_int_equal(heads, 2 + (int64_t)originals);
}

static void test_a_change_of_members_holds_on_every_node_at_once(void **state)
{
    struct world *world = *state;
    char id[16];
    assert_int_equal(place_create(world->nodes[0], "c1", "alice", "bob"), PARLEY_OK);
    for (int i = 0; i < 5; i++) {
        (void)snprintf(id, sizeof(id), "m%d", i);
        assert_true(place_send(world->nodes[1], "c1", "bob", id) > 0); /* and is remembered */
        assert_int_equal(place_change(world->nodes[2], STORE_MEMBERS_REMOVED, "c1", "alice", "bob"),
                         PARLEY_OK);
        (void)snprintf(id, sizeof(id), "n%d", i);
        assert_int_equal(place_send(world->nodes[1], "c1", "bob", id), -PARLEY_NOT_FOUND);
        assert_int_equal(place_count_list(world->nodes[1], "bob"), 0);
        assert_int_equal(place_change(world->nodes[0], STORE_MEMBERS_ADDED, "c1", "alice", "bob"),
                         PARLEY_OK);
        assert_int_equal(place_count_list(world->nodes[2], "bob"), 1);
    }
}

struct creator {
    struct store *store;
    pthread_t thread;
    struct ask asks[CREATES];
};

static const char *const rooms[CREATES] = {"r0", "r1", "r2", "r3", "r4",  "r5",
                                           "r6", "r7", "r8", "r9", "r10", "r11"};

static void *create_all(void *argument)
{
    struct creator *creator = argument;
    static const struct store_bytes bob = {"bob", 3};
    for (size_t i = 0; i < CREATES; i++) {
        ask_create(&creator->asks[i], creator->store, rooms[i], "alice", &bob, 1);
    }
    for (size_t i = 0; i < CREATES; i++) {
        (void)ask_wait(&creator->asks[i]);
    }
    return NULL;
}

static void test_a_conversation_that_all_create_is_created_once(void **state)
{
    struct world *world = *state;
    static struct creator creators[NODES];
    for (size_t i = 0; i < NODES; i++) {
        creators[i].store = world->nodes[i];
        assert_int_equal(pthread_create(&creators[i].thread, NULL, create_all, &creators[i]), 0);
    }
    for (size_t i = 0; i < NODES; i++) {
        (void)pthread_join(creators[i].thread, NULL);
    }
    for (size_t i = 0; i < CREATES; i++) {
        int created = 0;
        for (size_t j = 0; j < NODES; j++) {
            assert_int_equal(creators[j].asks[i].request.error.code, PARLEY_OK);
            created += creators[j].asks[i].create.created;
            ask_release(&creators[j].asks[i]);
        }
        assert_int_equal(created, 1);
        assert_int_equal(place_check_log(world->nodes[0], rooms[i]), 1);
    }
    for (size_t i = 0; i < NODES; i++) {
        assert_int_equal(place_count_list(world->nodes[i], "bob"), CREATES);
    }
}

/* What a node leaves that dies between its commit and the lists on other shards. */
static void leave_links_behind(const struct place *place)
{
    for (unsigned i = 0; i < SHARDS; i++) {
        place_run(place, i,
                  "INSERT INTO outbox (owner, id, conversation, conversation_id, user, is_member,"
                  " version) SELECT 77, 1, (bucket<<40)+serial, id, 'alice', 1, 1"
                  " FROM conversation");
        place_run(place, i, "DELETE FROM user_conversation");
    }
}

static int64_t count_outbox(const struct place *place)
{
    return place_sum(place, 0, "SELECT COUNT(*) FROM outbox") +
           place_sum(place, 1, "SELECT COUNT(*) FROM outbox");
}

static void test_a_repeat_finishes_what_a_dead_node_began(void **state)
{
    struct world *world = *state;
    assert_int_equal(place_create(world->nodes[0], "c1", "alice", "alice"), PARLEY_OK);
    WAIT_FOR(count_outbox(&world->place) == 0);
    leave_links_behind(&world->place);
    assert_int_equal(place_count_list(world->nodes[1], "alice"), 0);
    assert_int_equal(place_create(world->nodes[1], "c1", "alice", "alice"), PARLEY_OK);
    assert_int_equal(place_count_list(world->nodes[2], "alice"), 1);
    WAIT_FOR(count_outbox(&world->place) == 0);
}

static void test_a_node_that_starts_finishes_what_a_dead_node_began(void **state)
{
    struct world *world = *state;
    assert_int_equal(place_create(world->nodes[0], "c1", "alice", "alice"), PARLEY_OK);
    WAIT_FOR(count_outbox(&world->place) == 0);
    leave_links_behind(&world->place);
    struct store_mysql_options options = place_options(&world->place);
    struct store *late = place_open(&options);
    WAIT_FOR(count_outbox(&world->place) == 0);
    assert_int_equal(place_count_list(world->nodes[2], "alice"), 1);
    store_close(late);
}

/* Links travel from any node: the older one may arrive last. */
static void test_the_latest_change_of_a_list_wins_whatever_comes_last(void **state)
{
    struct world *world = *state;
    assert_int_equal(place_create(world->nodes[0], "c1", "alice", "bob"), PARLEY_OK);
    assert_int_equal(place_change(world->nodes[0], STORE_MEMBERS_REMOVED, "c1", "alice", "bob"),
                     PARLEY_OK);
    assert_int_equal(place_change(world->nodes[1], STORE_MEMBERS_ADDED, "c1", "alice", "bob"),
                     PARLEY_OK);
    WAIT_FOR(count_outbox(&world->place) == 0);
    for (unsigned i = 0; i < SHARDS; i++) { /* the removal, seq 2, once more, from a slow node */
        place_run(&world->place, i,
                  "INSERT INTO outbox (owner, id, conversation, conversation_id, user, is_member,"
                  " version) SELECT 77, 1, (bucket<<40)+serial, id, 'bob', 0, 2 FROM conversation");
    }
    struct store_mysql_options options = place_options(&world->place);
    struct store *late = place_open(&options);
    WAIT_FOR(count_outbox(&world->place) == 0);
    assert_int_equal(place_count_list(late, "bob"), 1);
    store_close(late);
}

static int64_t count_statements(void)
{
    return mariadb_sum(&place_server, 0,
                       "SHOW GLOBAL STATUS WHERE Variable_name IN ('Com_begin', 'Com_select',"
                       " 'Com_insert', 'Com_update', 'Com_delete', 'Com_commit', 'Com_rollback')");
}

/* begin; the writer's row, the shard map, the conversations; the messages, the conversations;
 * commit: for one message or a hundred, and however many members there are. */
static void test_a_warm_batch_is_seven_statements(void **state)
{
    enum {
        COUNT = 100
    };
    struct world *world = *state;
    static struct ask asks[COUNT];
    static char ids[COUNT][8];
    static char names[STORE_MEMBERS_MAX][8];
    static struct store_bytes users[STORE_MEMBERS_MAX];
    struct ask ask;
    assert_int_equal(place_create(world->nodes[0], "c1", "alice", "bob"), PARLEY_OK);
    for (size_t i = 0; i < STORE_MEMBERS_MAX; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "u%zu", i);
        users[i] = bytes_of(names[i]);
    }
    ask_change(&ask, world->nodes[0], STORE_MEMBERS_ADDED, "c1", "alice", users, STORE_MEMBERS_MAX);
    assert_int_equal(ask_code(&ask), PARLEY_OK);
    ask_release(&ask);
    WAIT_FOR(count_outbox(&world->place) == 0);
    assert_true(place_send(world->nodes[0], "c1", "alice", "warm") > 0);
    int64_t before = count_statements();
    assert_true(place_send(world->nodes[0], "c1", "alice", "one") > 0);
    assert_int_equal(count_statements() - before, 7);
    before = count_statements();
    for (size_t i = 0; i < COUNT; i++) {
        (void)snprintf(ids[i], sizeof(ids[i]), "m%zu", i);
        ask_append(&asks[i], world->nodes[0], "c1", "alice", ids[i], bytes_of("x"));
    }
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(ask_code(&asks[i]), PARLEY_OK);
        ask_release(&asks[i]);
    }
    int64_t statements = count_statements() - before;
    assert_int_equal(statements % 7, 0); /* so many batches */
    assert_true(statements < 7 * COUNT / 2);
    before = count_statements();
    assert_int_equal(place_check_log(world->nodes[1], "c1"), 4 + COUNT);
    assert_int_equal(count_statements() - before, 2); /* the conversation, and a page */
}

/* What a node asks of which it does not know whether it has missed something: often, and for all
 * that its users look at. */
static void test_heads_are_one_statement_of_each_lane(void **state)
{
    struct world *world = *state;
    static char names[STORE_HEADS_MAX][8];
    static struct store_bytes ids[STORE_HEADS_MAX];
    struct ask ask;
    assert_int_equal(place_create(world->nodes[0], "c1", "alice", "bob"), PARLEY_OK);
    assert_int_equal(place_create(world->nodes[0], "c20", "alice", "bob"), PARLEY_OK);
    assert_int_equal(place_send(world->nodes[0], "c20", "alice", "m1"), 2);
    for (size_t i = 0; i < STORE_HEADS_MAX; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "c%zu", i % (STORE_HEADS_MAX - 50));
        ids[i] = bytes_of(names[i]); /* the first fifty are asked for twice */
    }
    WAIT_FOR(count_outbox(&world->place) == 0);
    ask_init(&ask);
    ask.heads.ids = ids;
    ask.heads.count = STORE_HEADS_MAX;
    int64_t before = count_statements();
    store_heads(world->nodes[1], &ask.heads);
    assert_int_equal(ask_code(&ask), PARLEY_OK);
    assert_int_equal(count_statements() - before, SHARDS * WRITERS);
    for (size_t i = 0; i < STORE_HEADS_MAX; i++) {
        size_t number = i % (STORE_HEADS_MAX - 50);
        assert_int_equal(ask.heads.head_seqs[i], number == 1 ? 1 : number == 20 ? 2 : 0);
    }
    ask_release(&ask);
}

#define NODE_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        NODE_TEST(test_all_nodes_write_the_same_logs_without_holes),
        NODE_TEST(test_a_change_of_members_holds_on_every_node_at_once),
        NODE_TEST(test_a_conversation_that_all_create_is_created_once),
        NODE_TEST(test_a_repeat_finishes_what_a_dead_node_began),
        NODE_TEST(test_a_node_that_starts_finishes_what_a_dead_node_began),
        NODE_TEST(test_the_latest_change_of_a_list_wins_whatever_comes_last),
        NODE_TEST(test_a_warm_batch_is_seven_statements),
        NODE_TEST(test_heads_are_one_statement_of_each_lane),
    };
    return cmocka_run_group_tests(tests, place_start_server, place_stop_server);
}
