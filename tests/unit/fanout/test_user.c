/* SPDX-License-Identifier: Apache-2.0 */
/* Streams that follow all conversations of their user. */
#include "support/check.h"
#include "world.h"

#include <stdio.h>
#include <stdlib.h>

#define READER "reader"

static void tell(struct world *world, struct script_log *log)
{
    script_store_tell(world->store, log);
    world_settle(world);
}

static void open_all(struct world *world, struct listener *listener, unsigned loop)
{
    listener_open(world, listener, loop, READER);
    assert_int_equal(hub_stream_follow_all(listener->stream), 0);
    world_settle(world);
}

static struct script_log *add_log(struct world *world, const char *id, size_t messages)
{
    struct script_log *log = script_store_add_log(world->store, id);
    script_log_send(log, messages);
    script_store_lose(log);
    return log;
}

static void test_all_conversations_are_followed_from_now_on(void **state)
{
    struct world *world = *state;
    struct script_log *logs[5];
    for (int i = 0; i < 5; i++) {
        char id[8];
        (void)snprintf(id, sizeof(id), "room%d", i);
        logs[i] = add_log(world, id, 10);
        script_log_join(logs[i], READER);
    }
    struct listener listener;
    open_all(world, &listener, 1);
    assert_int_equal(hub_stream_count(listener.stream), 5);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(listener_find(&listener, logs[i]->id)->caught_up_seq, 10);
        script_log_send(logs[i], 2);
        tell(world, logs[i]);
        assert_int_equal(listener_find(&listener, logs[i]->id)->seq, 12);
    }
    listener_close(&listener);
}

static void test_a_list_that_knows_more_than_a_cache_is_followed(void **state)
{
    struct world *world = *state;
    struct script_log *log = add_log(world, "room", 6);
    struct listener listener;
    script_log_join(log, READER);
    log->old_seq = 4;
    open_all(world, &listener, 0);
    assert_int_equal(listener_find(&listener, "room")->caught_up_seq, 6);
    listener_close(&listener);
}

static void test_a_named_conversation_keeps_its_cursor(void **state)
{
    struct world *world = *state;
    struct script_log *log = add_log(world, "room", 10);
    script_log_join(log, READER);
    struct listener listener;
    listener_open(world, &listener, 0, READER);
    listener_follow(&listener, "room", 3);
    assert_int_equal(hub_stream_follow_all(listener.stream), 0);
    world_settle(world);
    assert_int_equal(listener_find(&listener, "room")->seq, 10);
    assert_int_equal(hub_stream_count(listener.stream), 1);
    listener_close(&listener);
}

static void test_what_is_joined_later_starts_with_the_event_that_says_so(void **state)
{
    struct world *world = *state;
    struct script_log *log = add_log(world, "room", 10);
    struct listener listener;
    open_all(world, &listener, 0);
    assert_int_equal(hub_stream_count(listener.stream), 0);
    script_log_change(log, STORE_MEMBERS_ADDED, READER);
    script_log_send(log, 1);
    tell(world, log);
    struct heard *heard = listener_find(&listener, "room");
    assert_non_null(heard);
    assert_int_equal(heard->seq, 12);
    script_log_send(log, 1);
    tell(world, log);
    assert_int_equal(heard->seq, 13);
    listener_close(&listener);
}

static void test_who_is_removed_and_added_again_is_followed_again(void **state)
{
    struct world *world = *state;
    struct script_log *log = add_log(world, "room", 2);
    script_log_join(log, READER);
    struct listener listener;
    open_all(world, &listener, 0);
    script_log_change(log, STORE_MEMBERS_REMOVED, READER);
    tell(world, log);
    struct heard *heard = listener_find(&listener, "room");
    assert_true(heard->is_removed);
    script_log_send(log, 3);
    tell(world, log);
    assert_int_equal(heard->seq, 3);
    heard->is_removed = false;
    heard->seq = 6; /* not shown what was said meanwhile */
    script_log_change(log, STORE_MEMBERS_ADDED, READER);
    tell(world, log);
    assert_int_equal(heard->seq, 7);
    listener_close(&listener);
}

static void test_two_streams_of_a_user_come_and_go_alone(void **state)
{
    struct world *world = *state;
    struct script_log *log = add_log(world, "room", 0);
    struct listener first;
    struct listener second;
    open_all(world, &first, 0);
    open_all(world, &second, 0);
    listener_close(&first);
    script_log_change(log, STORE_MEMBERS_CREATED, READER);
    tell(world, log);
    assert_int_equal(listener_find(&second, "room")->seq, 1);
    listener_close(&second);
}

static void test_closing_while_the_list_is_on_its_way_is_safe(void **state)
{
    struct world *world = *state;
    struct listener listener;
    listener_open(world, &listener, 0, READER);
    assert_int_equal(hub_stream_follow_all(listener.stream), 0);
    assert_true(script_store_read(world->store));
    listener_close(&listener);
    world_settle(world);
}

static int setup_narrow(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    assert_non_null(world);
    world->follows_max = 5;
    world->follows_per_user_max = 3;
    world_open(world, NULL, NULL);
    *state = world;
    return 0;
}

static void test_a_user_and_a_loop_follow_so_many_and_not_more(void **state)
{
    static const char *const ids[] = {"a", "b", "c", "d"};
    struct world *world = *state;
    struct listener mine[2];
    struct listener others[3];
    for (size_t i = 0; i < 4; i++) {
        script_log_join(add_log(world, ids[i], 1), READER);
    }
    listener_open(world, &mine[0], 0, READER);
    listener_open(world, &mine[1], 0, READER);
    listener_open(world, &others[0], 0, "other");
    listener_open(world, &others[1], 0, "third");
    listener_open(world, &others[2], 1, READER);
    listener_follow(&mine[0], "a", 0);
    listener_follow(&mine[0], "b", 0);
    listener_follow(&mine[1], "a", 0);
    assert_int_equal(hub_stream_follow(mine[1].stream, "b", 0), -1);
    listener_follow(&others[0], "a", 0);
    listener_follow(&others[1], "a", 0);
    assert_int_equal(hub_stream_follow(others[1].stream, "b", 0), -1);
    listener_follow(&others[2], "d", 0); /* the other loop has room of its own */
    world_settle(world);
    listener_close(&mine[0]);
    listener_follow(&others[1], "b", 0);
    listener_follow(&mine[1], "b", 0);
    world_settle(world);
    assert_int_equal(listener_find(&mine[1], "b")->seq, 1);
    listener_close(&mine[1]);
    for (size_t i = 0; i < 3; i++) {
        listener_close(&others[i]);
    }
}

static void test_who_is_in_too_many_conversations_is_told_that_it_cannot_follow_all(void **state)
{
    static const char *const ids[] = {"a", "b", "c", "d"};
    struct world *world = *state;
    struct listener listener;
    for (size_t i = 0; i < 4; i++) {
        script_log_join(add_log(world, ids[i], 1), READER);
    }
    open_all(world, &listener, 0);
    assert_int_equal(listener.failed, PARLEY_RESOURCE_EXHAUSTED);
    listener_close(&listener);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_all_conversations_are_followed_from_now_on),
        TEST(test_a_list_that_knows_more_than_a_cache_is_followed),
        TEST(test_a_named_conversation_keeps_its_cursor),
        TEST(test_what_is_joined_later_starts_with_the_event_that_says_so),
        TEST(test_who_is_removed_and_added_again_is_followed_again),
        TEST(test_two_streams_of_a_user_come_and_go_alone),
        TEST(test_closing_while_the_list_is_on_its_way_is_safe),
        cmocka_unit_test_setup_teardown(test_a_user_and_a_loop_follow_so_many_and_not_more,
                                        setup_narrow, world_teardown),
        cmocka_unit_test_setup_teardown(
            test_who_is_in_too_many_conversations_is_told_that_it_cannot_follow_all, setup_narrow,
            world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
