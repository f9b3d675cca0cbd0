/* SPDX-License-Identifier: Apache-2.0 */
/* What did not come to a room in which many are LIVE: it is read once for all of them. */
#include "cluster.h"

#include "fanout/hub_impl.h"
#include "support/check.h"
#include "support/wait.h"

/* Node 1 has the listeners; whoever commits is node 0. */
struct crowd {
    struct cluster *cluster;
    struct world *world;
    struct script_store *store;
    struct script_log *log;
    struct listener listeners[5];
};

static void gather(struct crowd *crowd, struct cluster *cluster)
{
    crowd->cluster = cluster;
    crowd->world = &cluster->nodes[1];
    crowd->store = cluster->nodes[1].store;
    crowd->log = cluster_add_log(cluster, "a", "reader");
    for (size_t i = 0; i < PL_COUNT(crowd->listeners); i++) {
        listener_open(crowd->world, &crowd->listeners[i], 0, "reader");
        listener_follow(&crowd->listeners[i], "a", 0);
    }
    cluster_settle(cluster);
}

static void commit(struct crowd *crowd, size_t messages)
{
    cluster_commit(crowd->cluster, 0, crowd->log, messages);
}

static void commit_and_lose(struct crowd *crowd, size_t messages)
{
    commit(crowd, messages);
    script_wire_lose(&crowd->cluster->wire, 0);
}

/* What comes by the bus comes, and the store rests. */
static void turn(struct crowd *crowd)
{
    script_wire_serve_all(&crowd->cluster->wire);
    world_turn(crowd->world);
}

/* They have all, and go. */
static void leave(struct crowd *crowd)
{
    for (size_t i = 0; i < PL_COUNT(crowd->listeners); i++) {
        assert_int_equal(listener_find(&crowd->listeners[i], "a")->seq, crowd->log->head_seq);
        listener_close(&crowd->listeners[i]);
    }
}

static void test_what_a_room_missed_is_read_once_for_all(void **state)
{
    struct crowd crowd;
    gather(&crowd, *state);
    size_t reads = crowd.store->reads;
    size_t heads = crowd.store->heads;
    for (int i = 0; i < 3; i++) {
        commit_and_lose(&crowd, 7); /* pages of ten */
    }
    cluster_tell_gap(crowd.cluster, 1);
    cluster_settle(crowd.cluster);
    assert_int_equal(crowd.store->reads, reads + 3);
    assert_int_equal(crowd.store->heads, heads + 1); /* each page tells it, too */
    leave(&crowd);
}

static void test_what_the_next_message_shows_to_be_missed_is_read_once_for_all(void **state)
{
    struct crowd crowd;
    gather(&crowd, *state);
    commit(&crowd, 2);
    cluster_settle(crowd.cluster);
    size_t reads = crowd.store->reads;
    commit_and_lose(&crowd, 3);
    commit(&crowd, 1);
    cluster_settle(crowd.cluster);
    assert_int_equal(crowd.store->reads, reads + 1);
    leave(&crowd);
}

/* Or whoever sends faster than the log is read has it read for ever. */
static void test_what_comes_while_a_hole_is_read_is_not_read(void **state)
{
    struct crowd crowd;
    gather(&crowd, *state);
    commit(&crowd, 2);
    cluster_settle(crowd.cluster);
    size_t reads = crowd.store->reads;
    commit_and_lose(&crowd, 1);
    commit(&crowd, 1);
    turn(&crowd);
    assert_true(script_store_read(crowd.store));
    for (int i = 0; i < 5; i++) {
        commit(&crowd, 2);
        turn(&crowd);
    }
    cluster_settle(crowd.cluster);
    assert_int_equal(crowd.store->reads, reads + 1);
    leave(&crowd);
}

static void test_a_second_hole_is_read_after_the_first(void **state)
{
    struct crowd crowd;
    gather(&crowd, *state);
    commit(&crowd, 2);
    cluster_settle(crowd.cluster);
    size_t reads = crowd.store->reads;
    commit_and_lose(&crowd, 1);
    commit(&crowd, 1);
    turn(&crowd);
    assert_true(script_store_read(crowd.store));
    commit_and_lose(&crowd, 1);
    commit(&crowd, 1);
    cluster_settle(crowd.cluster);
    assert_int_equal(crowd.store->reads, reads + 2);
    leave(&crowd);
}

static void test_a_read_for_all_that_fails_is_tried_again_for_all(void **state)
{
    struct crowd crowd;
    gather(&crowd, *state);
    size_t reads = crowd.store->reads;
    commit_and_lose(&crowd, 3);
    cluster_tell_gap(crowd.cluster, 1);
    world_turn(crowd.world);
    script_store_serve_all(crowd.store); /* the heads */
    world_turn(crowd.world);
    crowd.store->fail_code = PARLEY_UNAVAILABLE;
    crowd.store->fail_count = 1;
    int64_t deadline_ms = wait_deadline(WAIT_MS);
    while (listener_find(&crowd.listeners[0], "a")->seq < crowd.log->head_seq) {
        wait_or_fail(deadline_ms, "it is read again", __FILE__, __LINE__);
        cluster_settle(crowd.cluster);
    }
    assert_int_equal(crowd.store->reads, reads + 2);
    leave(&crowd);
}

static void test_one_who_joined_behind_a_hole_is_followed(void **state)
{
    struct crowd crowd;
    struct listener newcomer;
    gather(&crowd, *state);
    listener_open(crowd.world, &newcomer, 0, "newcomer");
    assert_int_equal(hub_stream_follow_all(newcomer.stream), 0);
    commit(&crowd, 2);
    cluster_settle(crowd.cluster);
    crowd.log->old_seq = 2; /* a cache that was not told */
    commit_and_lose(&crowd, 1);
    script_log_change(crowd.log, STORE_MEMBERS_ADDED, "newcomer");
    script_store_tell(crowd.cluster->nodes[0].store, crowd.log);
    turn(&crowd);
    cluster_settle(crowd.cluster);
    assert_int_equal(newcomer.first_seq, 4);
    listener_close(&newcomer);
    leave(&crowd);
}

static void test_a_room_that_has_all_is_not_counted_as_behind(void **state)
{
    struct cluster *cluster = *state;
    struct listener listener;
    struct script_log *log = cluster_add_log(cluster, "a", "reader");
    script_log_send(log, 2);
    listener_open(&cluster->nodes[1], &listener, 0, "reader");
    listener_follow(&listener, "a", 0);
    int64_t behind = hub_metric_behind.value;
    cluster_settle(cluster);
    cluster_tell_gap(cluster, 1);
    cluster_settle(cluster);
    assert_int_equal(listener_find(&listener, "a")->seq, 2);
    assert_int_equal(hub_metric_behind.value, behind);
    listener_close(&listener);
}

#define MISSED_TEST(name) cmocka_unit_test_setup_teardown(name, cluster_setup, cluster_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        MISSED_TEST(test_what_a_room_missed_is_read_once_for_all),
        MISSED_TEST(test_what_the_next_message_shows_to_be_missed_is_read_once_for_all),
        MISSED_TEST(test_what_comes_while_a_hole_is_read_is_not_read),
        MISSED_TEST(test_a_second_hole_is_read_after_the_first),
        MISSED_TEST(test_a_read_for_all_that_fails_is_tried_again_for_all),
        MISSED_TEST(test_one_who_joined_behind_a_hole_is_followed),
        MISSED_TEST(test_a_room_that_has_all_is_not_counted_as_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
