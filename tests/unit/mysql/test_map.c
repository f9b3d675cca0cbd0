/* SPDX-License-Identifier: Apache-2.0 */
/* What nodes do when the shard map changes: set by hand here, step by step as a mover does it. */
#include "place.h"

#include "support/wait.h"

#include "mysql/map.h"

#include <stdio.h>
#include <string.h>

#define SHARDS 2
#define NODES  2

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
    options.writers = 2;
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

static unsigned bucket_of(const char *id)
{
    return shard_bucket(id, strlen(id));
}

static unsigned home_of(const char *id)
{
    return shard_of(id, strlen(id), SHARDS);
}

/* What a shard is for the bucket of an id from now on. */
static void set_state(const struct world *world, unsigned shard, const char *id, unsigned owner,
                      int64_t version, enum mdb_bucket_state state)
{
    char sql[320];
    (void)snprintf(sql, sizeof(sql),
                   "REPLACE INTO bucket_place (bucket, owner, version, state, until_ms, epoch)"
                   " SELECT %u, %u, %lld, %d, 9999999999999, epoch+1 FROM shard_place",
                   bucket_of(id), owner, (long long)version, (int)state);
    place_run(&world->place, shard, sql);
    /* A node that looks between the two still finds the row when the epoch is another. */
    place_run(&world->place, shard, "UPDATE shard_place SET epoch=epoch+1");
}

/* Its rows, as they are now, on the other shard. */
static void copy_rows(const struct world *world, unsigned from, unsigned to)
{
    static const char *const tables[] = {"conversation", "message", "member"};
    for (size_t i = 0; i < PL_COUNT(tables); i++) {
        char sql[256];
        (void)snprintf(sql, sizeof(sql), "REPLACE INTO %s SELECT * FROM parley_%u_%u.%s", tables[i],
                       world->place.number, from, tables[i]);
        place_run(&world->place, to, sql);
    }
}

static void test_an_epoch_that_changes_nothing_stops_nobody(void **state)
{
    struct world *world = *state;
    assert_int_equal(place_create(world->nodes[0], "c1", "alice", "bob"), PARLEY_OK);
    for (unsigned i = 0; i < SHARDS; i++) {
        place_run(&world->place, i, "UPDATE shard_place SET epoch=epoch+1");
    }
    assert_int_equal(place_send(world->nodes[1], "c1", "alice", "m1"), 2);
    assert_int_equal(place_check_log(world->nodes[0], "c1"), 2);
}

static void test_a_fence_stops_writers_of_its_bucket_and_no_reader(void **state)
{
    struct world *world = *state;
    unsigned home = home_of("c1");
    assert_int_equal(place_create(world->nodes[0], "c1", "alice", "bob"), PARLEY_OK);
    assert_int_equal(place_create(world->nodes[0], "c2", "alice", "bob"), PARLEY_OK);
    set_state(world, home, "c1", home, 0, MDB_BUCKET_FENCED);
    for (size_t i = 0; i < NODES; i++) {
        assert_int_equal(place_send(world->nodes[i], "c1", "alice", "m1"), -PARLEY_UNAVAILABLE);
        assert_true(place_send(world->nodes[i], "c2", "alice", "m1") > 0);
        assert_int_equal(place_check_log(world->nodes[i], "c1"), 1);
        assert_int_equal(place_count_list(world->nodes[i], "alice"), 2);
    }
    set_state(world, home, "c1", home, 0, MDB_BUCKET_SERVING);
    for (size_t i = 0; i < NODES; i++) {
        assert_int_equal(place_send(world->nodes[i], "c1", "alice", "m1"), 2);
    }
}

static void test_a_node_with_an_old_map_reads_and_writes_nothing_old(void **state)
{
    struct world *world = *state;
    unsigned home = home_of("c1");
    unsigned other = 1 - home;
    assert_int_equal(place_create(world->nodes[0], "c1", "alice", "bob"), PARLEY_OK);
    assert_int_equal(place_send(world->nodes[1], "c1", "alice", "m1"), 2);
    set_state(world, other, "c1", home, 1, MDB_BUCKET_ARRIVING);
    copy_rows(world, home, other);
    assert_int_equal(place_send(world->nodes[1], "c1", "alice", "m2"), 3); /* still at home */
    copy_rows(world, home, other);
    set_state(world, home, "c1", other, 1, MDB_BUCKET_LEFT);
    /* The one learns by a write, which has to come again; the other by a read, which goes on. */
    assert_int_equal(place_send(world->nodes[0], "c1", "alice", "m3"), -PARLEY_UNAVAILABLE);
    assert_int_equal(place_send(world->nodes[0], "c1", "alice", "m3"), 4);
    assert_int_equal(place_check_log(world->nodes[1], "c1"), 4);
    assert_int_equal(place_send(world->nodes[1], "c1", "alice", "m3"), 4);
    assert_int_equal(place_send(world->nodes[1], "c1", "bob", "m4"), 5);
    assert_int_equal(place_sum(&world->place, home, "SELECT COUNT(*) FROM message"), 3);
}

static void test_a_node_that_starts_finds_what_was_moved(void **state)
{
    struct world *world = *state;
    unsigned home = home_of("c1");
    unsigned other = 1 - home;
    assert_int_equal(place_create(world->nodes[0], "c1", "alice", "bob"), PARLEY_OK);
    copy_rows(world, home, other);
    set_state(world, home, "c1", other, 1, MDB_BUCKET_GONE);
    set_state(world, other, "c1", other, 1, MDB_BUCKET_SERVING);
    place_run(&world->place, home, "DELETE FROM conversation");
    struct store_mysql_options options = place_options(&world->place);
    struct store *late = place_open(&options);
    assert_int_equal(place_send(late, "c1", "alice", "m1"), 2);
    store_close(late);
}

static void test_a_list_that_moves_misses_no_change(void **state)
{
    struct world *world = *state;
    unsigned home = home_of("carol");
    assert_int_equal(place_create(world->nodes[0], "c1", "alice", "bob"), PARLEY_OK);
    set_state(world, home, "carol", home, 0, MDB_BUCKET_FENCED);
    assert_int_equal(place_change(world->nodes[0], STORE_MEMBERS_ADDED, "c1", "alice", "carol"),
                     PARLEY_UNAVAILABLE);
    set_state(world, home, "carol", 1 - home, 1, MDB_BUCKET_LEFT);
    set_state(world, 1 - home, "carol", 1 - home, 1, MDB_BUCKET_SERVING);
    /* The repeat may come before its node has learned where the list is: then it comes again. */
    WAIT_FOR(place_change(world->nodes[0], STORE_MEMBERS_ADDED, "c1", "alice", "carol") ==
             PARLEY_OK);
    assert_int_equal(place_count_list(world->nodes[1], "carol"), 1);
    assert_int_equal(
        place_sum(&world->place, 1 - home,
                  "SELECT COUNT(*) FROM user_conversation WHERE user='carol' AND is_member=1"),
        1);
}

#define MAP_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        MAP_TEST(test_an_epoch_that_changes_nothing_stops_nobody),
        MAP_TEST(test_a_fence_stops_writers_of_its_bucket_and_no_reader),
        MAP_TEST(test_a_node_with_an_old_map_reads_and_writes_nothing_old),
        MAP_TEST(test_a_node_that_starts_finds_what_was_moved),
        MAP_TEST(test_a_list_that_moves_misses_no_change),
    };
    return cmocka_run_group_tests(tests, place_start_server, place_stop_server);
}
