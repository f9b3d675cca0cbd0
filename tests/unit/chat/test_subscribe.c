/* SPDX-License-Identifier: Apache-2.0 */
/* Subscribe: the log from a cursor on, then what is new. How the hub does it has tests of its own;
 * these are about what a client of the call gets. */
#include "desk.h"

#include "support/check.h"
#include "support/metric.h"
#include "support/wait.h"

#include "base/text.h"

#include <string.h>

#define CURSORS 4

struct wish {
    const char *conversation;
    int64_t after_seq;
};

/* @param wishes  up to the first without a conversation */
static struct caller *subscribe(struct desk *desk, const char *user, const struct wish *wishes,
                                bool all)
{
    Parley__V1__SubscribeRequest request = PARLEY__V1__SUBSCRIBE_REQUEST__INIT;
    Parley__V1__Cursor cursors[CURSORS];
    Parley__V1__Cursor *list[CURSORS];
    for (; wishes[request.n_cursors].conversation != NULL; request.n_cursors++) {
        size_t i = request.n_cursors;
        parley__v1__cursor__init(&cursors[i]);
        cursors[i].conversation_id = (char *)(uintptr_t)wishes[i].conversation;
        cursors[i].after_seq = wishes[i].after_seq;
        list[i] = &cursors[i];
    }
    request.cursors = list;
    request.all_conversations = all;
    return caller_ask(desk, CHAT_METHOD(Subscribe), user, &request.base);
}

static struct caller *follow(struct desk *desk, const char *conversation, int64_t after_seq)
{
    const struct wish wishes[] = {{conversation, after_seq}, {NULL, 0}};
    return subscribe(desk, "alice", wishes, false);
}

static struct caller *follow_all(struct desk *desk, const char *user)
{
    const struct wish none[] = {{NULL, 0}};
    return subscribe(desk, user, none, true);
}

static const Parley__V1__SubscribeResponse *told(const struct caller *caller, size_t i)
{
    assert_true(i < caller->answer_count);
    return (const Parley__V1__SubscribeResponse *)caller->answers[i];
}

static void assert_event(const struct caller *caller, size_t i, const char *conversation,
                         int64_t seq)
{
    const Parley__V1__SubscribeResponse *response = told(caller, i);
    assert_int_equal(response->kind_case, PARLEY__V1__SUBSCRIBE_RESPONSE__KIND_EVENT);
    assert_string_equal(response->event->conversation_id, conversation);
    assert_int_equal(response->event->seq, seq);
}

static void assert_caught_up(const struct caller *caller, size_t i, const char *conversation,
                             int64_t seq)
{
    const Parley__V1__SubscribeResponse *response = told(caller, i);
    assert_int_equal(response->kind_case, PARLEY__V1__SUBSCRIBE_RESPONSE__KIND_CAUGHT_UP);
    assert_string_equal(response->caught_up->conversation_id, conversation);
    assert_int_equal(response->caught_up->seq, seq);
}

static void assert_removed(const struct caller *caller, size_t i, const char *conversation)
{
    const Parley__V1__SubscribeResponse *response = told(caller, i);
    assert_int_equal(response->kind_case, PARLEY__V1__SUBSCRIBE_RESPONSE__KIND_REMOVED);
    assert_string_equal(response->removed->conversation_id, conversation);
}

static void test_the_log_comes_first_and_then_what_is_new(void **state)
{
    struct desk *desk = *state;
    desk_create(desk, "a", "alice", NULL);
    desk_send_many(desk, "a", "alice", 3);
    struct caller *caller = follow(desk, "a", 0);
    assert_true(caller->has_headers); /* before anything is known of the log */
    assert_int_equal(caller->answer_count, 0);
    caller_wait_answers(caller, 5);
    for (size_t i = 0; i < 4; i++) {
        assert_event(caller, i, "a", 1 + (int64_t)i);
    }
    assert_caught_up(caller, 4, "a", 4);
    (void)desk_send(desk, "a", "alice", "live", "now");
    caller_wait_answers(caller, 6);
    assert_event(caller, 5, "a", 5);
    const Parley__V1__Event *event = told(caller, 5)->event;
    assert_string_equal(event->sender_id, "alice");
    assert_string_equal(event->message->client_message_id, "live");
    assert_string_equal(event->message->content_type, "text/plain");
    assert_int_equal(event->message->ordinal, 4);
    assert_int_equal(event->message->body.len, 3);
    assert_memory_equal(event->message->body.data, "now", 3);
    assert_false(caller->is_finished);
}

static void test_who_is_to_connect_again_is_told_and_served_on(void **state)
{
    struct desk *desk = *state;
    desk_create(desk, "a", "alice", NULL);
    struct caller *caller = follow(desk, "a", 0);
    caller_wait_answers(caller, 2);
    call_on_leaving(caller->call);
    assert_int_equal(caller->answer_count, 3);
    assert_int_equal(told(caller, 2)->kind_case, PARLEY__V1__SUBSCRIBE_RESPONSE__KIND_RECONNECT);
    (void)desk_send(desk, "a", "alice", "live", "now");
    caller_wait_answers(caller, 4);
    assert_event(caller, 3, "a", 2);
}

static void test_a_cursor_skips_what_was_seen(void **state)
{
    struct desk *desk = *state;
    desk_create(desk, "a", "alice", NULL);
    desk_send_many(desk, "a", "alice", 3);
    struct caller *middle = follow(desk, "a", 2);
    struct caller *head = follow(desk, "a", 4);
    caller_wait_answers(middle, 3);
    caller_wait_answers(head, 1);
    assert_event(middle, 0, "a", 3);
    assert_event(middle, 1, "a", 4);
    assert_caught_up(middle, 2, "a", 4);
    assert_caught_up(head, 0, "a", 4);
}

static void test_a_cursor_beyond_the_log_is_refused(void **state)
{
    struct desk *desk = *state;
    desk_create(desk, "a", "alice", NULL);
    struct caller *caller = follow(desk, "a", 2);
    caller_wait_end(caller);
    assert_int_equal(caller->code, PARLEY_OUT_OF_RANGE);
    assert_int_equal(caller->answer_count, 0);
    assert_non_null(strstr(caller->message, "cursor"));
}

static void test_who_may_follow_nothing_gets_not_found(void **state)
{
    struct desk *desk = *state;
    const char *conversations[] = {"a", "nowhere"};
    desk_create(desk, "a", "bob", NULL);
    for (size_t i = 0; i < 2; i++) {
        struct caller *caller = follow(desk, conversations[i], 0);
        caller_wait_end(caller);
        assert_int_equal(caller->code, PARLEY_NOT_FOUND);
        assert_int_equal(caller->answer_count, 0);
    }
    const struct wish wishes[] = {{"a", 0}, {NULL, 0}};
    struct caller *nobody = subscribe(desk, NULL, wishes, false);
    caller_wait_end(nobody);
    assert_int_equal(nobody->code, PARLEY_UNAUTHENTICATED);
}

static void test_a_conversation_that_is_lost_does_not_end_the_others(void **state)
{
    struct desk *desk = *state;
    const struct wish wishes[] = {{"foreign", 7}, {"a", 1}, {NULL, 0}};
    desk_create(desk, "foreign", "bob", NULL);
    desk_create(desk, "a", "alice", NULL);
    struct caller *caller = subscribe(desk, "alice", wishes, false);
    caller_wait_answers(caller, 2);
    bool is_removed_first =
        told(caller, 0)->kind_case == PARLEY__V1__SUBSCRIBE_RESPONSE__KIND_REMOVED;
    assert_removed(caller, is_removed_first ? 0 : 1, "foreign");
    assert_caught_up(caller, is_removed_first ? 1 : 0, "a", 1);
    (void)desk_send(desk, "a", "alice", "m", "text");
    caller_wait_answers(caller, 3);
    assert_event(caller, 2, "a", 2);
    assert_false(caller->is_finished);
}

static void test_who_is_removed_hears_of_it_and_of_nothing_after(void **state)
{
    struct desk *desk = *state;
    const struct wish wishes[] = {{"a", 0}, {NULL, 0}};
    desk_create(desk, "a", "alice", "bob");
    struct caller *bob = subscribe(desk, "bob", wishes, false);
    struct caller *alice = follow(desk, "a", 0);
    caller_wait_answers(bob, 2);
    desk_remove(desk, "a", "alice", "bob");
    (void)desk_send(desk, "a", "alice", "m", "secret");
    caller_wait_end(bob);
    caller_wait_answers(alice, 4);
    assert_event(alice, 3, "a", 3);
    assert_event(bob, 2, "a", 2); /* his removal */
    assert_removed(bob, 3, "a");
    assert_int_equal(bob->answer_count, 4);
    assert_int_equal(bob->code, PARLEY_NOT_FOUND); /* nothing is left to follow */
}

static size_t count_events(const struct caller *caller, const char *conversation)
{
    size_t count = 0;
    for (size_t i = 0; i < caller->answer_count; i++) {
        const Parley__V1__SubscribeResponse *response = told(caller, i);
        count += response->kind_case == PARLEY__V1__SUBSCRIBE_RESPONSE__KIND_EVENT &&
                         strcmp(response->event->conversation_id, conversation) == 0
                     ? 1
                     : 0;
    }
    return count;
}

static void test_all_conversations_are_followed_and_those_joined_later(void **state)
{
    struct desk *desk = *state;
    const struct wish wishes[] = {{"named", 0}, {NULL, 0}};
    desk_create(desk, "named", "alice", NULL);
    desk_create(desk, "other", "alice", NULL);
    desk_create(desk, "foreign", "bob", NULL);
    struct caller *caller = subscribe(desk, "alice", wishes, true);
    caller_wait_answers(caller, 3); /* one event and twice caught up */
    assert_int_equal(count_events(caller, "named"), 1);
    assert_int_equal(count_events(caller, "other"), 0);
    (void)desk_send(desk, "other", "alice", "m", "text");
    WAIT_FOR((desk_turn(desk), count_events(caller, "other") == 1));
    desk_create(desk, "joined", "bob", "alice");
    (void)desk_send(desk, "joined", "bob", "m", "welcome");
    WAIT_FOR((desk_turn(desk), count_events(caller, "joined") == 2));
    (void)desk_send(desk, "foreign", "bob", "m", "text");
    (void)desk_send(desk, "named", "alice", "m", "text");
    WAIT_FOR((desk_turn(desk), count_events(caller, "named") == 2));
    assert_int_equal(count_events(caller, "foreign"), 0);
}

static void test_who_follows_all_may_have_none_yet_or_any_more(void **state)
{
    struct desk *desk = *state;
    int64_t reads = metric_value("parley_store_reads_total");
    struct caller *caller = follow_all(desk, "bob");
    /* What the list shows that is read first is not new. */
    WAIT_FOR((desk_turn(desk), metric_value("parley_store_reads_total") > reads));
    assert_false(caller->is_finished);
    desk_create(desk, "a", "alice", "bob");
    WAIT_FOR((desk_turn(desk), count_events(caller, "a") == 1));
    desk_remove(desk, "a", "alice", "bob");
    WAIT_FOR((desk_turn(desk), caller->answer_count >= 4));
    assert_removed(caller, 3, "a");
    assert_false(caller->is_finished);
}

static void test_a_client_without_room_is_sent_nothing_and_misses_nothing(void **state)
{
    struct desk *desk = *state;
    desk_create(desk, "a", "alice", NULL);
    struct caller *caller = follow(desk, "a", 0);
    caller_wait_answers(caller, 2);
    caller_read_all(caller);
    caller->room = 3;
    desk_send_many(desk, "a", "alice", 20);
    size_t stopped_at = caller->answer_count;
    assert_in_range(stopped_at, 2, 10);
    for (int i = 0; i < 10; i++) {
        desk_turn(desk);
    }
    assert_int_equal(caller->answer_count, stopped_at);
    while (caller->answer_count < 22) {
        caller_read_all(caller);
        caller_wait_answers(caller, stopped_at + 1);
        stopped_at = caller->answer_count;
    }
    assert_event(caller, 0, "a", 1);
    assert_caught_up(caller, 1, "a", 1);
    for (size_t i = 2; i < 22; i++) {
        assert_event(caller, i, "a", (int64_t)i);
    }
}

static void test_followers_of_one_conversation_share_the_bytes(void **state)
{
    struct desk *desk = *state;
    struct caller *callers[5];
    desk_create(desk, "a", "alice", NULL);
    for (size_t i = 0; i < 5; i++) {
        callers[i] = follow(desk, "a", 1);
        caller_wait_answers(callers[i], 1);
    }
    desk_send_many(desk, "a", "alice", 10);
    for (size_t i = 0; i < 5; i++) {
        caller_wait_answers(callers[i], 11);
        for (size_t j = 1; j < 11; j++) {
            assert_event(callers[i], j, "a", 1 + (int64_t)j);
        }
        assert_ptr_equal(callers[i]->last_frames, callers[0]->last_frames);
    }
}

static void test_a_subscriber_may_go_away_at_any_time(void **state)
{
    struct desk *desk = *state;
    desk_create(desk, "a", "alice", NULL);
    gate_shut(&desk->gate);
    caller_cancel(follow(desk, "a", 0));
    caller_cancel(follow_all(desk, "alice"));
    gate_open(&desk->gate);
    struct caller *live = follow(desk, "a", 0);
    caller_wait_answers(live, 2);
    caller_cancel(live);
    (void)desk_send(desk, "a", "alice", "m", "text");
    struct caller *full = follow(desk, "a", 0);
    full->room = 0;
    caller_wait_answers(full, 1);
    caller_cancel(full);
    struct caller *drained = follow_all(desk, "alice");
    call_lane_end_all(desk->lane, PARLEY_UNAVAILABLE, "the server is draining");
    caller_wait_end(drained);
    assert_int_equal(drained->code, PARLEY_UNAVAILABLE);
    (void)desk_send(desk, "a", "alice", "m2", "text");
    assert_int_equal(live->answer_count, 2);
}

static void test_a_store_that_is_busy_is_asked_again(void **state)
{
    struct desk *desk = *state;
    desk_create(desk, "a", "alice", NULL);
    gate_shut(&desk->gate);
    struct caller *caller = follow(desk, "a", 0);
    gate_fail(&desk->gate, 0, PARLEY_UNAVAILABLE, "full", 10);
    gate_open(&desk->gate);
    caller_wait_answers(caller, 2);
    assert_event(caller, 0, "a", 1);
    assert_caught_up(caller, 1, "a", 1);
}

static void test_damage_in_the_store_ends_the_call_without_its_words(void **state)
{
    struct desk *desk = *state;
    gate_shut(&desk->gate);
    struct caller *caller = follow(desk, "a", 0);
    gate_fail(&desk->gate, 0, PARLEY_DATA_LOSS, "page 7 of /var/lib", 0);
    caller_wait_end(caller);
    assert_int_equal(caller->code, PARLEY_DATA_LOSS);
    assert_null(strstr(caller->message, "/var/lib"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, desk_setup, desk_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_log_comes_first_and_then_what_is_new),
        TEST(test_who_is_to_connect_again_is_told_and_served_on),
        TEST(test_a_cursor_skips_what_was_seen),
        TEST(test_a_cursor_beyond_the_log_is_refused),
        TEST(test_who_may_follow_nothing_gets_not_found),
        TEST(test_a_conversation_that_is_lost_does_not_end_the_others),
        TEST(test_who_is_removed_hears_of_it_and_of_nothing_after),
        TEST(test_all_conversations_are_followed_and_those_joined_later),
        TEST(test_who_follows_all_may_have_none_yet_or_any_more),
        TEST(test_a_client_without_room_is_sent_nothing_and_misses_nothing),
        TEST(test_followers_of_one_conversation_share_the_bytes),
        TEST(test_a_subscriber_may_go_away_at_any_time),
        TEST(test_a_store_that_is_busy_is_asked_again),
        TEST(test_damage_in_the_store_ends_the_call_without_its_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
