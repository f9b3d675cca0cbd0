/* SPDX-License-Identifier: Apache-2.0 */
/* From a cursor to live: nothing lost, nothing repeated, whatever happens in between. */
#include "support/check.h"
#include "support/wait.h"
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

static void test_a_cursor_gets_every_later_event_in_pages_and_then_goes_live(void **state)
{
    struct world *world = *state;
    struct script_log *log = log_with(world, 95);
    const int64_t cursors[] = {0, 1, 50, 94, 95};
    for (size_t i = 0; i < sizeof(cursors) / sizeof(cursors[0]); i++) {
        struct listener listener;
        listener_open(world, &listener, 0, READER);
        listener_follow(&listener, "room", cursors[i]);
        world_settle(world);
        struct heard *heard = listener_find(&listener, "room");
        assert_int_equal(heard->seq, log->head_seq);
        assert_int_equal(heard->caught_up_seq, log->head_seq);
        script_log_send(log, 3);
        script_store_tell(world->store, log);
        world_turn(world);
        assert_int_equal(heard->seq, log->head_seq);
        assert_int_equal(heard->caught_up_count, 1);
        listener_close(&listener);
    }
}

static void test_a_commit_before_the_read_that_is_told_after_it_is_not_repeated(void **state)
{
    struct world *world = *state;
    struct script_log *log = log_with(world, 2);
    struct listener listener;
    listener_open(world, &listener, 0, READER);
    listener_follow(&listener, "room", 0);
    script_log_send(log, 1);
    world_settle(world);
    script_store_tell(world->store, log);
    world_settle(world);
    assert_int_equal(listener_find(&listener, "room")->seq, 3);
    listener_close(&listener);
}

static void test_a_commit_told_between_the_read_and_its_answer_is_not_lost(void **state)
{
    struct world *world = *state;
    struct script_log *log = log_with(world, 2);
    struct listener listener;
    listener_open(world, &listener, 0, READER);
    listener_follow(&listener, "room", 0);
    assert_true(script_store_read(world->store));
    script_log_send(log, 2);
    script_store_tell(world->store, log);
    world_turn(world);
    size_t reads = world->store->reads;
    assert_true(script_store_finish(world->store));
    world_turn(world);
    assert_int_equal(listener_find(&listener, "room")->seq, 4);
    /* From what was kept, without asking the log again. */
    assert_int_equal(world->store->reads, reads);
    assert_int_equal(listener_find(&listener, "room")->caught_up_seq, 4);
    listener_close(&listener);
}

static void test_what_was_kept_and_let_go_is_read_from_the_log(void **state)
{
    struct world *world = *state;
    struct script_log *log = log_with(world, 2);
    struct listener listener;
    listener_open(world, &listener, 0, READER);
    listener_follow(&listener, "room", 0);
    assert_true(script_store_read(world->store));
    for (size_t i = 0; i < 200; i++) {
        script_log_send(log, 1);
        script_store_tell(world->store, log);
        world_turn(world);
    }
    world_settle(world);
    assert_int_equal(listener_find(&listener, "room")->seq, 202);
    assert_true(world->store->reads > 2);
    listener_close(&listener);
}

static void test_a_cursor_before_what_is_kept_is_told_of_the_truncation(void **state)
{
    struct world *world = *state;
    struct script_log *log = log_with(world, 40);
    log->first_seq = 31;
    struct listener listener;
    listener_open(world, &listener, 0, READER);
    listener_follow(&listener, "room", 5);
    world_settle(world);
    struct heard *heard = listener_find(&listener, "room");
    assert_int_equal(heard->first_seq, 31);
    assert_int_equal(heard->seq, 40);
    listener_close(&listener);
}

static void test_a_cursor_beyond_the_log_fails_with_out_of_range(void **state)
{
    struct world *world = *state;
    (void)log_with(world, 4);
    struct listener listener;
    listener_open(world, &listener, 0, READER);
    listener_follow(&listener, "room", 5);
    world_settle(world);
    assert_int_equal(listener.failed, PARLEY_OUT_OF_RANGE);
    assert_int_equal(listener.sends, 0);
    listener_close(&listener);
}

/* It was given by another node, which knew more than the cache. */
static void test_a_cursor_beyond_what_a_cache_knows_goes_live(void **state)
{
    struct world *world = *state;
    struct script_log *log = log_with(world, 6);
    log->old_seq = 4;
    struct listener listener;
    listener_open(world, &listener, 0, READER);
    listener_follow(&listener, "room", 6);
    world_settle(world);
    assert_int_equal(listener.failed, PARLEY_OK);
    assert_int_equal(listener_find(&listener, "room")->caught_up_seq, 6);
    listener_close(&listener);
}

static void test_no_member_and_no_conversation_are_removed(void **state)
{
    struct world *world = *state;
    (void)log_with(world, 4);
    struct listener listener;
    listener_open(world, &listener, 0, "stranger");
    listener_follow(&listener, "room", 0);
    listener_follow(&listener, "nothing", 0);
    world_settle(world);
    assert_true(listener_find(&listener, "room")->is_removed);
    assert_true(listener_find(&listener, "nothing")->is_removed);
    assert_int_equal(hub_stream_count(listener.stream), 0);
    listener_close(&listener);
}

static void test_a_store_that_is_away_is_asked_again(void **state)
{
    struct world *world = *state;
    struct script_log *log = log_with(world, 4);
    struct listener listener;
    listener_open(world, &listener, 0, READER);
    world->store->fail_code = PARLEY_UNAVAILABLE;
    world->store->fail_count = 2;
    listener_follow(&listener, "room", 0);
    int64_t deadline_ms = wait_deadline(WAIT_MS);
    while (listener_find(&listener, "room")->seq < log->head_seq) {
        world_settle(world);
        wait_or_fail(deadline_ms, "the log is read in the end", __FILE__, __LINE__);
    }
    assert_int_equal(listener.failed, PARLEY_OK);
    listener_close(&listener);
}

static void test_a_store_that_fails_for_good_ends_the_stream(void **state)
{
    struct world *world = *state;
    (void)log_with(world, 4);
    struct listener listener;
    listener_open(world, &listener, 0, READER);
    world->store->fail_code = PARLEY_DATA_LOSS;
    world->store->fail_count = 1;
    listener_follow(&listener, "room", 0);
    world_settle(world);
    assert_int_equal(listener.failed, PARLEY_DATA_LOSS);
    listener_close(&listener);
}

static void test_closing_while_a_page_is_on_its_way_is_safe(void **state)
{
    struct world *world = *state;
    (void)log_with(world, 4);
    struct listener listener;
    listener_open(world, &listener, 0, READER);
    listener_follow(&listener, "room", 0);
    assert_true(script_store_read(world->store));
    listener_close(&listener);
    world_settle(world);
}

/* Who was full once has one page on its way at a time, and here that is of what is left. */
static void test_a_removal_while_reading_gives_the_turn_to_the_next(void **state)
{
    struct world *world = *state;
    struct script_log *logs[] = {script_store_add_log(world->store, "a"),
                                 script_store_add_log(world->store, "b"),
                                 script_store_add_log(world->store, "c")};
    struct listener listener;
    for (size_t i = 0; i < 3; i++) {
        script_log_join(logs[i], READER);
        script_log_send(logs[i], 1);
    }
    listener_open(world, &listener, 0, READER);
    listener.room = 1;
    listener_follow(&listener, "c", 0);
    world_settle(world);
    assert_true(listener.is_full);
    listener_drain(&listener, LISTENER_ENDLESS);
    listener_follow(&listener, "a", 0);
    listener_follow(&listener, "b", 0);
    assert_int_equal(world->store->queued_count, 1);

    script_log_change(logs[0], STORE_MEMBERS_REMOVED, READER);
    script_store_tell(world->store, logs[0]);
    world_turn(world);
    assert_true(listener_find(&listener, "a")->is_removed);
    world_settle(world);
    assert_int_equal(listener_find(&listener, "b")->seq, 1);
    listener_close(&listener);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_cursor_gets_every_later_event_in_pages_and_then_goes_live),
        TEST(test_a_commit_before_the_read_that_is_told_after_it_is_not_repeated),
        TEST(test_a_commit_told_between_the_read_and_its_answer_is_not_lost),
        TEST(test_what_was_kept_and_let_go_is_read_from_the_log),
        TEST(test_a_cursor_before_what_is_kept_is_told_of_the_truncation),
        TEST(test_a_cursor_beyond_the_log_fails_with_out_of_range),
        TEST(test_a_cursor_beyond_what_a_cache_knows_goes_live),
        TEST(test_no_member_and_no_conversation_are_removed),
        TEST(test_a_store_that_is_away_is_asked_again),
        TEST(test_a_store_that_fails_for_good_ends_the_stream),
        TEST(test_a_removal_while_reading_gives_the_turn_to_the_next),
        TEST(test_closing_while_a_page_is_on_its_way_is_safe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
