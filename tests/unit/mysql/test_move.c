/* SPDX-License-Identifier: Apache-2.0 */
/* Moving buckets between two databases, with nodes at work, and after a mover that died at each
 * step of it. tests/integration/mysql does it to parleyd. */
#include "place.h"

#include "support/wait.h"

#include "mysql/map.h"
#include "store/mysql_shards.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define SHARDS  2
#define NODES   2
#define ROOMS   12
#define HISTORY 30
#define PAUSE   20000 /* sanitizers, a busy machine */

struct world {
    struct place place;
    struct store *nodes[NODES];
    char rooms[ROOMS][16]; /* of shard 0, and of buckets that are moved */
    unsigned first;
    unsigned last;
};

static void choose_rooms(struct world *world)
{
    size_t count = 0;
    world->first = 2047;
    world->last = 0;
    for (unsigned i = 0; count < ROOMS; i++) {
        char *room = world->rooms[count];
        int len = snprintf(room, sizeof(world->rooms[count]), "room-%u", i);
        unsigned bucket = shard_bucket(room, (size_t)len);
        if (bucket >= 1600 && bucket < 1640) {
            world->first = bucket < world->first ? bucket : world->first;
            world->last = bucket > world->last ? bucket : world->last;
            count++;
        }
    }
}

static int setup(void **state)
{
    static struct world world;
    *state = &world;
    place_init(&world.place, SHARDS);
    choose_rooms(&world);
    struct store_mysql_options options = place_options(&world.place);
    options.deadline_ms = 10000;
    for (size_t i = 0; i < NODES; i++) {
        world.nodes[i] = place_open(&options);
    }
    for (size_t i = 0; i < ROOMS; i++) {
        assert_int_equal(place_create(world.nodes[0], world.rooms[i], "alice", "bob"), PARLEY_OK);
        for (int j = 0; j < HISTORY; j++) {
            char id[16];
            (void)snprintf(id, sizeof(id), "m%d", j);
            assert_int_equal(place_send(world.nodes[1], world.rooms[i], "alice", id), j + 2);
        }
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

static void print_line(void *context, const char *line)
{
    (void)context;
    print_message("  %s\n", line);
}

static enum parley_code move_buckets(const struct world *world, unsigned from, unsigned to,
                                     struct store_mysql_move *move, struct pl_error *err)
{
    struct store_mysql_options options = place_options(&world->place);
    options.deadline_ms = 200; /* how long it waits for reads */
    *move = (struct store_mysql_move){.from = from,
                                      .to = to,
                                      .first = world->first,
                                      .last = world->last,
                                      .pause_max_ms = PAUSE,
                                      .report = print_line};
    return store_mysql_move(&options, move, err);
}

static void check_moved(const struct world *world, unsigned from, unsigned to)
{
    struct store_mysql_move move;
    struct pl_error err = PL_ERROR_INIT;
    if (move_buckets(world, from, to, &move, &err) != PARLEY_OK) {
        fail_msg("%s", err.text);
    }
    print_message("  %u buckets, %lld rows, longest pause %lld us\n", move.moved,
                  (long long)move.rows, (long long)move.pause_longest_us);
}

static int64_t count_rows(const struct world *world, unsigned shard)
{
    char sql[256];
    (void)snprintf(sql, sizeof(sql),
                   "SELECT (SELECT COUNT(*) FROM conversation WHERE bucket BETWEEN %u AND %u) +"
                   " (SELECT COUNT(*) FROM message WHERE conversation>>40 BETWEEN %u AND %u) +"
                   " (SELECT COUNT(*) FROM member WHERE conversation>>40 BETWEEN %u AND %u)",
                   world->first, world->last, world->first, world->last, world->first, world->last);
    return place_sum(&world->place, shard, sql);
}

/* All of it is on `shard`, and each node reads and writes on. */
static void check_world(struct world *world, unsigned shard, int round)
{
    assert_int_equal(count_rows(world, 1 - shard), 0);
    for (size_t i = 0; i < ROOMS; i++) {
        char id[16];
        int64_t head = HISTORY + 1 + round;
        struct store *node = world->nodes[i % NODES];
        (void)snprintf(id, sizeof(id), "r%d", round);
        /* A node that has not heard of it is refused once; the second message is a repeat. */
        WAIT_FOR(place_send(node, world->rooms[i], "bob", id) == head + 1);
        WAIT_FOR(place_send(world->nodes[1 - i % NODES], world->rooms[i], "alice", "m3") == 5);
        assert_int_equal(place_check_log(node, world->rooms[i]), head + 1);
    }
    for (size_t i = 0; i < NODES; i++) {
        assert_int_equal(place_count_list(world->nodes[i], "alice"), ROOMS);
    }
    assert_int_equal(count_rows(world, shard), ROOMS * (1 + 2 + HISTORY + 2 + round));
}

static void test_buckets_move_there_and_back(void **state)
{
    struct world *world = *state;
    check_moved(world, 0, 1);
    check_world(world, 1, 0);
    check_moved(world, 1, 0);
    check_world(world, 0, 1);
    check_moved(world, 1, 0); /* again: nothing to do */
    check_world(world, 0, 2);
}

/* ---- under load ---- */

struct sender {
    struct world *world;
    size_t index;
    bool must_stop; /* atomic */
    int64_t acked[ROOMS];
    int64_t longest_ns;
    pthread_t thread;
};

static void *send_on(void *argument)
{
    struct sender *sender = argument;
    struct world *world = sender->world;
    for (int round = 0; !__atomic_load_n(&sender->must_stop, __ATOMIC_ACQUIRE) || round < 3;
         round++) {
        for (size_t i = 0; i < ROOMS; i++) {
            char id[32];
            (void)snprintf(id, sizeof(id), "s%zu-%d", sender->index, round);
            int64_t seq = 0;
            do {
                seq = place_send(world->nodes[sender->index], world->rooms[i], "alice", id);
            } while (seq == -PARLEY_UNAVAILABLE);
            sender->acked[i] += seq > 0;
        }
    }
    return NULL;
}

static void test_buckets_move_while_nodes_write(void **state)
{
    struct world *world = *state;
    static struct sender senders[NODES];
    for (size_t i = 0; i < NODES; i++) {
        senders[i] = (struct sender){.world = world, .index = i};
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_on, &senders[i]), 0);
    }
    check_moved(world, 0, 1);
    for (size_t i = 0; i < NODES; i++) {
        __atomic_store_n(&senders[i].must_stop, true, __ATOMIC_RELEASE);
        (void)pthread_join(senders[i].thread, NULL);
    }
    assert_int_equal(count_rows(world, 0), 0);
    for (size_t i = 0; i < ROOMS; i++) {
        int64_t expected = HISTORY + 1 + senders[0].acked[i] + senders[1].acked[i];
        assert_int_equal(place_check_log(world->nodes[0], world->rooms[i]), expected);
        assert_int_equal(place_check_log(world->nodes[1], world->rooms[i]), expected);
    }
}

/* ---- a mover that died ---- */

static void set_states(const struct world *world, unsigned shard, unsigned owner, int version,
                       enum mdb_bucket_state state, const char *until_ms)
{
    char sql[400];
    (void)snprintf(sql, sizeof(sql),
                   "REPLACE INTO bucket_place (bucket, owner, version, state, until_ms, epoch)"
                   " WITH RECURSIVE b AS (SELECT %u AS n UNION ALL SELECT n+1 FROM b WHERE n<%u)"
                   " SELECT n, %u, %d, %d, %s, epoch+1 FROM b, shard_place",
                   world->first, world->last, owner, version, (int)state, until_ms);
    place_run(&world->place, shard, sql);
    place_run(&world->place, shard, "UPDATE shard_place SET epoch=epoch+1");
}

static void copy_rows(const struct world *world, const char *table, const char *condition)
{
    char sql[256];
    (void)snprintf(sql, sizeof(sql), "INSERT INTO %s SELECT * FROM parley_%u_0.%s WHERE %s", table,
                   world->place.number, table, condition);
    place_run(&world->place, 1, sql);
}

static void test_a_part_that_a_dead_mover_copied_is_gone_on_with(void **state)
{
    struct world *world = *state;
    set_states(world, 1, 0, 1, MDB_BUCKET_ARRIVING, "0");
    copy_rows(world, "conversation", "1=1");
    copy_rows(world, "message", "seq<=10");
    place_run(&world->place, 1, "UPDATE conversation SET head_seq=10, members_seq=0");
    check_moved(world, 0, 1);
    check_world(world, 1, 0);
}

static void test_what_was_trimmed_after_it_was_copied_moves_trimmed(void **state)
{
    struct world *world = *state;
    set_states(world, 1, 0, 1, MDB_BUCKET_ARRIVING, "0");
    copy_rows(world, "conversation", "1=1");
    copy_rows(world, "message", "seq<=10");
    place_run(&world->place, 1, "UPDATE conversation SET head_seq=10, members_seq=0");
    place_run(&world->place, 0, "UPDATE message SET kind=0, body='' WHERE seq BETWEEN 2 AND 5");
    place_run(&world->place, 0, "DELETE FROM message WHERE seq=1");
    place_run(&world->place, 0, "UPDATE conversation SET first_seq=6");
    check_moved(world, 0, 1);
    assert_int_equal(count_rows(world, 0), 0);
    assert_int_equal(count_rows(world, 1), ROOMS * (1 + 2 + HISTORY));
    assert_int_equal(place_sum(&world->place, 1, "SELECT COUNT(*) FROM message WHERE kind=0"),
                     4 * ROOMS);
    assert_int_equal(place_sum(&world->place, 1, "SELECT COUNT(*) FROM message WHERE seq<2"), 0);
    for (size_t i = 0; i < NODES; i++) { /* a repeat of one of them */
        WAIT_FOR(place_send(world->nodes[i], world->rooms[0], "alice", "m2") == 4);
    }
}

/* Nothing else of a conversation changes with its limits. */
static void test_limits_that_were_set_after_a_copy_move_along(void **state)
{
    struct world *world = *state;
    set_states(world, 1, 0, 1, MDB_BUCKET_ARRIVING, "0");
    copy_rows(world, "conversation", "1=1");
    copy_rows(world, "message", "1=1");
    copy_rows(world, "member", "1=1");
    place_run(&world->place, 0,
              "UPDATE conversation SET retention_age_ms=-1, retention_messages=serial");
    check_moved(world, 0, 1);
    check_world(world, 1, 0);
    assert_int_equal(place_sum(&world->place, 1,
                               "SELECT COUNT(*) FROM conversation WHERE retention_age_ms=-1 AND"
                               " retention_messages=serial"),
                     ROOMS);
}

static void test_what_an_older_move_left_is_not_taken_for_a_copy(void **state)
{
    struct world *world = *state;
    copy_rows(world, "conversation", "1=1");
    copy_rows(world, "message", "seq>20"); /* as a removal that was interrupted leaves it */
    set_states(world, 1, 0, 0, MDB_BUCKET_PURGING, "0");
    check_moved(world, 0, 1);
    check_world(world, 1, 0);
}

static void test_a_fence_that_was_left_alone_lapses(void **state)
{
    struct world *world = *state;
    set_states(world, 0, 0, 0, MDB_BUCKET_FENCED, "ROUND(UNIX_TIMESTAMP(NOW(3))*1000)+3600000");
    assert_int_equal(place_send(world->nodes[0], world->rooms[0], "bob", "x"), -PARLEY_UNAVAILABLE);
    assert_int_equal(place_send(world->nodes[0], world->rooms[0], "bob", "x"), -PARLEY_UNAVAILABLE);
    set_states(world, 0, 0, 0, MDB_BUCKET_FENCED, "ROUND(UNIX_TIMESTAMP(NOW(3))*1000)-1");
    WAIT_FOR(place_send(world->nodes[0], world->rooms[0], "bob", "x") == HISTORY + 2);
    assert_int_equal(place_send(world->nodes[1], world->rooms[0], "bob", "y"), HISTORY + 3);
    check_moved(world, 0, 1);
    WAIT_FOR(place_send(world->nodes[1], world->rooms[0], "bob", "z") == HISTORY + 4);
}

static void test_a_copy_that_differs_is_found_and_the_source_kept(void **state)
{
    struct world *world = *state;
    struct store_mysql_move move;
    struct pl_error err = PL_ERROR_INIT;
    check_moved(world, 0, 1);
    check_moved(world, 1, 0);
    /* As if a disk had lost it between the move and the second look. */
    set_states(world, 0, 1, 3, MDB_BUCKET_LEFT, "0");
    set_states(world, 1, 1, 3, MDB_BUCKET_SERVING, "0");
    copy_rows(world, "conversation", "1=1");
    copy_rows(world, "message", "seq<>7");
    int64_t before = count_rows(world, 0);
    assert_int_equal(move_buckets(world, 0, 1, &move, &err), PARLEY_DATA_LOSS);
    print_message("  %s\n", err.text);
    assert_int_equal(count_rows(world, 0), before);
}

static void test_a_move_that_cannot_be_is_refused(void **state)
{
    struct world *world = *state;
    static const struct {
        unsigned from, to, first, last;
        enum parley_code code;
    } cases[] = {
        {0, 0, 1600, 1700, PARLEY_INVALID_ARGUMENT},
        {0, 2, 1600, 1700, PARLEY_INVALID_ARGUMENT},
        {0, 1, 1700, 1600, PARLEY_INVALID_ARGUMENT},
        {0, 1, 4000, 4096, PARLEY_INVALID_ARGUMENT},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct store_mysql_options options = place_options(&world->place);
        struct store_mysql_move move = {.from = cases[i].from,
                                        .to = cases[i].to,
                                        .first = cases[i].first,
                                        .last = cases[i].last};
        assert_int_equal(store_mysql_move(&options, &move, NULL), cases[i].code);
    }
}

static void test_a_plan_evens_the_shards_out(void **state)
{
    struct world *world = *state;
    struct store_mysql_options options = place_options(&world->place);
    struct store_mysql_plan plan;
    assert_int_equal(store_mysql_plan(&options, &plan, NULL), PARLEY_OK);
    assert_int_equal(plan.shards, SHARDS);
    assert_int_equal(plan.loads[0].buckets, 2048);
    assert_int_equal(plan.loads[0].conversations, ROOMS);
    assert_int_equal(plan.loads[0].messages, ROOMS * (HISTORY + 1));
    assert_int_equal(plan.loads[0].members, 2 * ROOMS);
    assert_int_equal(plan.loads[0].list_rows + plan.loads[1].list_rows, 2 * ROOMS);
    assert_false(plan.is_even);
    assert_int_equal(plan.from, 0);
    assert_int_equal(plan.to, 1);
    assert_true(plan.first <= world->last && plan.last >= world->first); /* what is full */
    store_mysql_plan_deinit(&plan);
    check_moved(world, 0, 1);
    assert_int_equal(store_mysql_plan(&options, &plan, NULL), PARLEY_OK);
    assert_int_equal(plan.loads[0].buckets, 2048 - (world->last - world->first + 1));
    assert_int_equal(plan.loads[1].conversations, ROOMS);
    assert_int_equal(plan.from, 1);
    store_mysql_plan_deinit(&plan);
}

#define MOVE_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        MOVE_TEST(test_buckets_move_there_and_back),
        MOVE_TEST(test_buckets_move_while_nodes_write),
        MOVE_TEST(test_a_part_that_a_dead_mover_copied_is_gone_on_with),
        MOVE_TEST(test_what_was_trimmed_after_it_was_copied_moves_trimmed),
        MOVE_TEST(test_limits_that_were_set_after_a_copy_move_along),
        MOVE_TEST(test_what_an_older_move_left_is_not_taken_for_a_copy),
        MOVE_TEST(test_a_fence_that_was_left_alone_lapses),
        MOVE_TEST(test_a_copy_that_differs_is_found_and_the_source_kept),
        MOVE_TEST(test_a_move_that_cannot_be_is_refused),
        MOVE_TEST(test_a_plan_evens_the_shards_out),
    };
    return cmocka_run_group_tests(tests, place_start_server, place_stop_server);
}
