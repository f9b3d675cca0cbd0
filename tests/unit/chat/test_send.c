/* SPDX-License-Identifier: Apache-2.0 */
/* Send: one message, committed before it is answered. */
#include "desk.h"

#include "support/check.h"

#include <string.h>

static Parley__V1__SendRequest message(const char *conversation, const char *id, const char *text)
{
    Parley__V1__SendRequest request = PARLEY__V1__SEND_REQUEST__INIT;
    request.conversation_id = (char *)(uintptr_t)conversation;
    request.client_message_id = (char *)(uintptr_t)id;
    request.body.data = (uint8_t *)(uintptr_t)text;
    request.body.len = strlen(text);
    return request;
}

static void test_messages_get_the_next_seq_of_their_conversation(void **state)
{
    struct desk *desk = *state;
    desk_create(desk, "a", "alice", "bob");
    desk_create(desk, "b", "alice", NULL);
    assert_int_equal(desk_send(desk, "a", "alice", "1", "one"), 2);
    assert_int_equal(desk_send(desk, "a", "bob", "1", "two"), 3);
    assert_int_equal(desk_send(desk, "b", "alice", "1", "three"), 2);
}

static void test_a_retry_answers_with_the_first_seq_and_time(void **state)
{
    struct desk *desk = *state;
    desk_create(desk, "a", "alice", NULL);
    Parley__V1__SendRequest request = message("a", "id", "text");
    const Parley__V1__SendResponse *first =
        caller_get(desk, CHAT_METHOD(Send), "alice", &request.base);
    (void)desk_send(desk, "a", "alice", "another", "text");
    const Parley__V1__SendResponse *again =
        caller_get(desk, CHAT_METHOD(Send), "alice", &request.base);
    assert_int_equal(again->seq, first->seq);
    assert_int_equal(again->created_at_ms, first->created_at_ms);
    assert_true(first->created_at_ms > 0);
    assert_int_equal(desk_send(desk, "a", "alice", "third", "text"), 4);
}

static void test_strangers_and_unknown_conversations_look_the_same(void **state)
{
    struct desk *desk = *state;
    desk_create(desk, "a", "alice", NULL);
    Parley__V1__SendRequest known = message("a", "id", "text");
    Parley__V1__SendRequest unknown = message("nowhere", "id", "text");
    const struct caller *first =
        caller_fails(desk, CHAT_METHOD(Send), "mallory", &known.base, PARLEY_NOT_FOUND);
    const struct caller *second =
        caller_fails(desk, CHAT_METHOD(Send), "mallory", &unknown.base, PARLEY_NOT_FOUND);
    assert_string_equal(first->message, second->message);
}

static void test_a_removed_member_cannot_send(void **state)
{
    struct desk *desk = *state;
    desk_create(desk, "a", "alice", "bob");
    (void)desk_send(desk, "a", "bob", "1", "in");
    desk_remove(desk, "a", "alice", "bob");
    Parley__V1__SendRequest request = message("a", "2", "out");
    (void)caller_fails(desk, CHAT_METHOD(Send), "bob", &request.base, PARLEY_NOT_FOUND);
}

static void test_callers_without_identity_are_refused(void **state)
{
    struct desk *desk = *state;
    Parley__V1__SendRequest request = message("a", "id", "text");
    (void)caller_fails(desk, CHAT_METHOD(Send), NULL, &request.base, PARLEY_UNAUTHENTICATED);
    assert_int_equal(desk->gate.seen, 0);
}

static void test_a_busy_store_is_told_with_its_hint_and_not_in_its_words(void **state)
{
    struct desk *desk = *state;
    Parley__V1__SendRequest request = message("a", "id", "text");
    gate_shut(&desk->gate);
    struct caller *caller = caller_ask(desk, CHAT_METHOD(Send), "alice", &request.base);
    gate_fail(&desk->gate, 0, PARLEY_UNAVAILABLE, "the queue of shard 7 is full", 250);
    caller_wait_end(caller);
    assert_int_equal(caller->code, PARLEY_UNAVAILABLE);
    assert_int_equal(caller->retry_after_ms, 250);
    assert_null(strstr(caller->message, "shard"));
}

static void test_failures_of_the_server_keep_their_text_inside(void **state)
{
    struct desk *desk = *state;
    const enum parley_code codes[] = {PARLEY_INTERNAL, PARLEY_DATA_LOSS, PARLEY_UNKNOWN,
                                      PARLEY_INVALID_ARGUMENT, PARLEY_NOT_FOUND};
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        Parley__V1__SendRequest request = message("a", "id", "text");
        gate_shut(&desk->gate);
        struct caller *caller = caller_ask(desk, CHAT_METHOD(Send), "alice", &request.base);
        gate_fail(&desk->gate, 0, codes[i], "SELECT secret", 0);
        caller_wait_end(caller);
        assert_int_equal(caller->code, codes[i]);
        assert_null(strstr(caller->message, "secret"));
        gate_open(&desk->gate);
    }
}

static void test_a_message_of_a_client_that_went_away_is_stored(void **state)
{
    struct desk *desk = *state;
    desk_create(desk, "a", "alice", NULL);
    Parley__V1__SendRequest request = message("a", "gone", "still here");
    gate_shut(&desk->gate);
    struct caller *caller = caller_ask(desk, CHAT_METHOD(Send), "alice", &request.base);
    caller_cancel(caller);
    assert_int_equal(call_slots_kept(desk->slots), 1);
    gate_open(&desk->gate);
    assert_int_equal(desk_send(desk, "a", "alice", "next", "text"), 3);
    assert_int_equal(call_slots_kept(desk->slots), 0);
    assert_int_equal(desk_send(desk, "a", "alice", "gone", "still here"), 2);
    assert_int_equal(caller->answer_count, 0);
}

static void test_closing_with_requests_in_flight_frees_them(void **state)
{
    struct desk *desk = *state;
    desk_create(desk, "a", "alice", NULL);
    for (int i = 0; i < 20; i++) {
        Parley__V1__SendRequest request = message("a", "m", "text");
        (void)caller_ask(desk, CHAT_METHOD(Send), "alice", &request.base);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, desk_setup, desk_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_messages_get_the_next_seq_of_their_conversation),
        TEST(test_a_retry_answers_with_the_first_seq_and_time),
        TEST(test_strangers_and_unknown_conversations_look_the_same),
        TEST(test_a_removed_member_cannot_send),
        TEST(test_callers_without_identity_are_refused),
        TEST(test_a_busy_store_is_told_with_its_hint_and_not_in_its_words),
        TEST(test_failures_of_the_server_keep_their_text_inside),
        TEST(test_a_message_of_a_client_that_went_away_is_stored),
        TEST(test_closing_with_requests_in_flight_frees_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
