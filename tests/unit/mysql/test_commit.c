/* SPDX-License-Identifier: Apache-2.0 */
/* The answer to a COMMIT is lost: in whichever way, the message is stored once or not at all, its
 * sender is told the truth, the listener is told of it once, and the conversation goes on. */
#include "place.h"

#include "support/cut_proxy.h"
#include "support/wait.h"

#include <stdatomic.h>
#include <stdio.h>

struct world {
    struct place place;
    struct cut_proxy *proxy;
    struct store *store;
    char address[128];
};

/* What the listener was told of the one conversation. */
static atomic_llong told_head;
static atomic_bool has_gap;

static void on_commit(void *context, const struct store_commit *commits, size_t count)
{
    (void)context;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < commits[i].event_count; j++) {
            if (commits[i].events[j].seq != atomic_load(&told_head) + 1) {
                atomic_store(&has_gap, true);
            }
            atomic_store(&told_head, commits[i].events[j].seq);
        }
    }
}

static int setup(void **state)
{
    static struct world world;
    const struct store_listener listener = {on_commit, NULL};
    *state = &world;
    place_init(&world.place, 1);
    world.proxy = cut_proxy_new(place_server.ports[0]);
    assert_non_null(world.proxy);
    place_address(&world.place, 0, cut_proxy_port(world.proxy), world.address,
                  sizeof(world.address));
    struct store_mysql_options options = place_options(&world.place);
    options.shards = world.address;
    options.deadline_ms = 1000;
    world.store = place_open(&options);
    store_set_listener(world.store, &listener);
    atomic_store(&told_head, 0);
    atomic_store(&has_gap, false);
    assert_int_equal(place_create(world.store, "c1", "alice", "bob"), PARLEY_OK);
    assert_int_equal(place_send(world.store, "c1", "alice", "first"), 2);
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    store_close(world->store);
    cut_proxy_free(world->proxy);
    place_deinit(&world->place);
    return 0;
}

static void check_all_told_once(struct world *world, int64_t head)
{
    assert_int_equal(place_check_log(world->store, "c1"), head);
    assert_int_equal(atomic_load(&told_head), head);
    assert_false(atomic_load(&has_gap));
}

static void test_a_commit_whose_answer_is_lost_is_looked_up_and_stands(void **state)
{
    struct world *world = *state;
    struct ask ask;
    cut_proxy_arm(world->proxy, CUT_AFTER, ";COMMIT");
    ask_append(&ask, world->store, "c1", "alice", "m1", bytes_of("x"));
    assert_int_equal(ask_code(&ask), PARLEY_OK);
    assert_int_equal(ask.append.seq, 3);
    assert_false(ask.append.is_duplicate);
    ask_release(&ask);
    assert_true(cut_proxy_has_cut(world->proxy));
    check_all_told_once(world, 3);
    assert_int_equal(place_send(world->store, "c1", "alice", "m2"), 4);
}

static void test_a_commit_that_never_arrives_is_looked_up_and_done_again(void **state)
{
    struct world *world = *state;
    cut_proxy_arm(world->proxy, CUT_BEFORE, ";COMMIT");
    assert_int_equal(place_send(world->store, "c1", "alice", "m1"), 3);
    assert_true(cut_proxy_has_cut(world->proxy));
    check_all_told_once(world, 3);
}

static void test_a_change_of_members_whose_answer_is_lost_is_done_once(void **state)
{
    struct world *world = *state;
    cut_proxy_arm(world->proxy, CUT_AFTER, ";COMMIT");
    assert_int_equal(place_change(world->store, STORE_MEMBERS_ADDED, "c1", "alice", "carol"),
                     PARLEY_OK);
    assert_true(cut_proxy_has_cut(world->proxy));
    check_all_told_once(world, 3);
    assert_int_equal(place_send(world->store, "c1", "carol", "m1"), 4);
    assert_int_equal(place_count_list(world->store, "carol"), 1);
}

static void test_a_connection_lost_before_the_commit_costs_nothing(void **state)
{
    struct world *world = *state;
    cut_proxy_arm(world->proxy, CUT_AFTER, " FOR UPDATE");
    assert_int_equal(place_send(world->store, "c1", "alice", "m1"), 3);
    assert_true(cut_proxy_has_cut(world->proxy));
    check_all_told_once(world, 3);
}

/* The server has stored it and nobody hears of it before the deadline is over. */
static void test_a_commit_in_doubt_is_told_later_and_wedges_nothing(void **state)
{
    struct world *world = *state;
    struct ask ask;
    cut_proxy_arm(world->proxy, CUT_STALL, ";COMMIT");
    ask_append(&ask, world->store, "c1", "alice", "m1", bytes_of("x"));
    assert_int_equal(ask_code(&ask), PARLEY_UNAVAILABLE);
    assert_true(ask.request.error.retry_after_ms > 0);
    ask_release(&ask);
    /* While it is silent, everything fails at once. */
    int64_t began_ms = wait_deadline(0);
    assert_int_equal(place_send(world->store, "c1", "alice", "m2"), -PARLEY_UNAVAILABLE);
    assert_true(wait_deadline(0) - began_ms < 500);
    cut_proxy_heal(world->proxy);
    int64_t seq = 0;
    WAIT_FOR((seq = place_send(world->store, "c1", "alice", "m2")) > 0);
    assert_int_equal(seq, 4);
    check_all_told_once(world, 4);
    /* The retry gets the seq that it has had all the time. */
    ask_append(&ask, world->store, "c1", "alice", "m1", bytes_of("x"));
    assert_int_equal(ask_code(&ask), PARLEY_OK);
    assert_int_equal(ask.append.seq, 3);
    assert_true(ask.append.is_duplicate);
    ask_release(&ask);
    check_all_told_once(world, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_commit_whose_answer_is_lost_is_looked_up_and_stands,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_a_commit_that_never_arrives_is_looked_up_and_done_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_change_of_members_whose_answer_is_lost_is_done_once,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_connection_lost_before_the_commit_costs_nothing,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_commit_in_doubt_is_told_later_and_wedges_nothing,
                                        setup, teardown),
    };
    return cmocka_run_group_tests(tests, place_start_server, place_stop_server);
}
