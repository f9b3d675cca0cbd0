/* SPDX-License-Identifier: Apache-2.0 */
/* Live delivery: holes, slow clients, removals, several loops. */
#include "support/check.h"
#include "world.h"

#define READER "reader"

static struct script_log *log_with(struct world *world, size_t messages)
{
    struct script_log *log = script_store_add_log(world->store, "room");
    script_log_join(log, READER);
    script_log_send(log, messages);
    script_store_tell(world->store, log);
    return log;
}

static void open_live(struct world *world, struct listener *listener, unsigned loop)
{
    listener_open(world, listener, loop, READER);
    listener_follow(listener, "room", 0);
    world_settle(world);
}

static void send(struct world *world, struct script_log *log, size_t messages)
{
    script_log_send(log, messages);
    script_store_tell(world->store, log);
    world_turn(world);
}

static void test_listeners_on_all_loops_get_what_is_committed(void **state)
{
    struct world *world = *state;
    struct script_log *log = log_with(world, 1);
    struct listener listeners[6];
    for (unsigned i = 0; i < 6; i++) {
        open_live(world, &listeners[i], i % WORLD_LOOPS);
    }
    size_t reads = world->store->reads;
    send(world, log, 5);
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(listener_find(&listeners[i], "room")->seq, 6);
        listener_close(&listeners[i]);
    }
    assert_int_equal(world->store->reads, reads);
    send(world, log, 1);
}

static void test_events_lost_on_the_way_are_read_from_the_log(void **state)
{
    struct world *world = *state;
    struct script_log *log = log_with(world, 1);
    struct listener listener;
    open_live(world, &listener, 0);
    script_log_send(log, 7);
    script_store_lose(log);
    send(world, log, 1);
    world_settle(world);
    assert_int_equal(listener_find(&listener, "room")->seq, 9);
    listener_close(&listener);
}

static void test_a_full_client_goes_on_where_it_was_without_the_log(void **state)
{
    struct world *world = *state;
    struct script_log *log = log_with(world, 1);
    struct listener slow;
    struct listener quick;
    open_live(world, &slow, 0);
    open_live(world, &quick, 0);
    size_t reads = world->store->reads;
    listener_drain(&slow, 1);
    for (int i = 0; i < 5; i++) {
        send(world, log, 2);
    }
    assert_int_equal(listener_find(&slow, "room")->seq, 3);
    assert_int_equal(listener_find(&quick, "room")->seq, 11);
    listener_drain(&slow, LISTENER_ENDLESS);
    assert_int_equal(listener_find(&slow, "room")->seq, 11);
    send(world, log, 1);
    assert_int_equal(listener_find(&slow, "room")->seq, 12);
    assert_int_equal(world->store->reads, reads);
    assert_int_equal(listener_find(&slow, "room")->caught_up_count, 1);
    listener_close(&slow);
    listener_close(&quick);
}

static void test_a_client_that_was_full_for_long_reads_the_log(void **state)
{
    struct world *world = *state;
    struct script_log *log = log_with(world, 1);
    struct listener slow;
    open_live(world, &slow, 0);
    listener_drain(&slow, 1);
    for (int i = 0; i < 300; i++) {
        send(world, log, 1);
    }
    size_t reads = world->store->reads;
    while (listener_find(&slow, "room")->seq < log->head_seq) {
        listener_drain(&slow, 1);
        world_settle(world);
    }
    assert_true(world->store->reads > reads);
    listener_close(&slow);
}

static void test_who_is_removed_gets_nothing_after_the_removal(void **state)
{
    struct world *world = *state;
    struct script_log *log = log_with(world, 1);
    script_log_join(log, "other");
    struct listener reader;
    struct listener other;
    open_live(world, &reader, 0);
    listener_open(world, &other, 0, "other");
    listener_follow(&other, "room", 0);
    world_settle(world);
    script_log_send(log, 2);
    script_log_change(log, STORE_MEMBERS_REMOVED, READER);
    script_log_send(log, 2);
    script_store_tell(world->store, log);
    world_settle(world);
    assert_int_equal(listener_find(&reader, "room")->seq, 4);
    assert_true(listener_find(&reader, "room")->is_removed);
    assert_int_equal(hub_stream_count(reader.stream), 0);
    assert_int_equal(listener_find(&other, "room")->seq, 6);
    assert_false(listener_find(&other, "room")->is_removed);
    listener_close(&reader);
    listener_close(&other);
}

static void test_a_removal_while_catching_up_ends_it(void **state)
{
    struct world *world = *state;
    struct script_log *log = log_with(world, 30);
    struct listener reader;
    listener_open(world, &reader, 0, READER);
    listener_follow(&reader, "room", 0);
    assert_true(script_store_read(world->store));
    script_log_change(log, STORE_MEMBERS_LEFT, READER);
    script_store_tell(world->store, log);
    world_settle(world);
    assert_true(listener_find(&reader, "room")->is_removed);
    listener_close(&reader);
}

static void test_a_client_that_is_gone_is_sent_nothing_more(void **state)
{
    struct world *world = *state;
    struct script_log *log = log_with(world, 1);
    struct listener listener;
    open_live(world, &listener, 0);
    listener.is_gone = true;
    send(world, log, 1);
    size_t sends = listener.sends;
    send(world, log, 5);
    world_settle(world);
    assert_int_equal(listener.sends, sends);
    listener_close(&listener);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_listeners_on_all_loops_get_what_is_committed),
        TEST(test_events_lost_on_the_way_are_read_from_the_log),
        TEST(test_a_full_client_goes_on_where_it_was_without_the_log),
        TEST(test_a_client_that_was_full_for_long_reads_the_log),
        TEST(test_who_is_removed_gets_nothing_after_the_removal),
        TEST(test_a_removal_while_catching_up_ends_it),
        TEST(test_a_client_that_is_gone_is_sent_nothing_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
