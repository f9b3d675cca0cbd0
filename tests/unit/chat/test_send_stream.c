/* SPDX-License-Identifier: Apache-2.0 */
/* SendStream: many sends, one answer for each, in their order. */
#include "desk.h"

#include "support/check.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

/* @param text  not NUL-terminated: `len` bytes */
static void write_bytes(struct caller *caller, const char *conversation, const char *id,
                        const char *text, size_t len)
{
    Parley__V1__SendStreamRequest request = PARLEY__V1__SEND_STREAM_REQUEST__INIT;
    Parley__V1__SendRequest send = PARLEY__V1__SEND_REQUEST__INIT;
    send.conversation_id = (char *)(uintptr_t)conversation;
    send.client_message_id = (char *)(uintptr_t)id;
    send.body.data = (uint8_t *)(uintptr_t)text;
    send.body.len = len;
    request.send = &send;
    caller_write(caller, &request.base);
}

static void write_text(struct caller *caller, const char *conversation, const char *id)
{
    write_bytes(caller, conversation, id, "text", 4);
}

static void write_numbered(struct caller *caller, const char *conversation, size_t number)
{
    char id[24];
    assert_true(pl_text_format(id, sizeof(id), "n%zu", number));
    write_text(caller, conversation, id);
}

static const Parley__V1__SendStreamResponse *answer(const struct caller *caller, size_t i)
{
    assert_true(i < caller->answer_count);
    return (const Parley__V1__SendStreamResponse *)caller->answers[i];
}

static int64_t sent_seq(const struct caller *caller, size_t i)
{
    const Parley__V1__SendStreamResponse *response = answer(caller, i);
    assert_int_equal(response->result_case, PARLEY__V1__SEND_STREAM_RESPONSE__RESULT_SENT);
    assert_true(response->sent->created_at_ms > 0);
    return response->sent->seq;
}

static const Parley__V1__SendError *error_of(const struct caller *caller, size_t i)
{
    const Parley__V1__SendStreamResponse *response = answer(caller, i);
    assert_int_equal(response->result_case, PARLEY__V1__SEND_STREAM_RESPONSE__RESULT_ERROR);
    return response->error;
}

static struct caller *open_stream(struct desk *desk)
{
    return caller_open(desk, CHAT_METHOD(SendStream), "alice");
}

static void test_each_send_gets_one_answer_in_the_order_of_its_conversation(void **state)
{
    struct desk *desk = *state;
    desk_create(desk, "a", "alice", NULL);
    desk_create(desk, "b", "alice", NULL);
    struct caller *caller = open_stream(desk);
    for (size_t i = 0; i < 600; i++) {
        write_numbered(caller, i % 2 == 0 ? "a" : "b", i);
    }
    caller_half_close(caller);
    caller_wait_end(caller);
    assert_int_equal(caller->code, PARLEY_OK);
    assert_int_equal(caller->answer_count, 600);
    for (size_t i = 0; i < 600; i++) {
        char id[24];
        assert_true(pl_text_format(id, sizeof(id), "n%zu", i));
        assert_string_equal(answer(caller, i)->client_message_id, id);
        assert_string_equal(answer(caller, i)->conversation_id, i % 2 == 0 ? "a" : "b");
        assert_int_equal(sent_seq(caller, i), 2 + (int64_t)i / 2);
    }
}

static void test_answers_come_before_the_client_is_done_sending(void **state)
{
    struct desk *desk = *state;
    desk_create(desk, "a", "alice", NULL);
    struct caller *caller = open_stream(desk);
    for (size_t i = 0; i < 3; i++) {
        write_numbered(caller, "a", i);
        caller_wait_answers(caller, i + 1);
    }
    assert_false(caller->is_finished);
    caller_half_close(caller);
    caller_wait_end(caller);
    assert_int_equal(caller->code, PARLEY_OK);
}

static void test_a_store_that_answers_out_of_turn_does_not_change_the_order(void **state)
{
    struct desk *desk = *state;
    desk_create(desk, "a", "alice", NULL);
    struct caller *caller = open_stream(desk);
    gate_shut(&desk->gate);
    for (size_t i = 0; i < 3; i++) {
        write_numbered(caller, "a", i);
    }
    gate_fail(&desk->gate, 2, PARLEY_UNAVAILABLE, "full", 100);
    gate_fail(&desk->gate, 1, PARLEY_UNAVAILABLE, "full", 200);
    for (int i = 0; i < 5; i++) {
        desk_turn(desk);
    }
    assert_int_equal(caller->answer_count, 0);
    gate_open(&desk->gate);
    caller_wait_answers(caller, 3);
    assert_int_equal(sent_seq(caller, 0), 2);
    assert_int_equal(error_of(caller, 1)->retry_after_ms, 200);
    assert_int_equal(error_of(caller, 2)->retry_after_ms, 100);
    assert_string_equal(answer(caller, 2)->client_message_id, "n2");
    assert_int_equal(error_of(caller, 1)->code, PARLEY_UNAVAILABLE);
    assert_null(strstr(error_of(caller, 1)->message, "full"));
}

static void test_a_bad_send_is_answered_and_the_stream_goes_on(void **state)
{
    struct desk *desk = *state;
    desk_create(desk, "a", "alice", NULL);
    struct caller *caller = open_stream(desk);
    Parley__V1__SendStreamRequest nothing = PARLEY__V1__SEND_STREAM_REQUEST__INIT;
    write_text(caller, "a", "good");
    write_text(caller, "a", "no spaces");
    write_bytes(caller, "a", "empty", "", 0);
    write_text(caller, "elsewhere", "lost");
    caller_write(caller, &nothing.base);
    write_text(caller, "a", "last");
    caller_half_close(caller);
    caller_wait_end(caller);
    assert_int_equal(caller->code, PARLEY_OK);
    assert_int_equal(caller->answer_count, 6);
    const struct {
        enum parley_code code;
        const char *id;
        const char *field;
    } expected[] = {
        {PARLEY_INVALID_ARGUMENT, "no spaces", "client_message_id"},
        {PARLEY_INVALID_ARGUMENT, "empty", "body"},
        {PARLEY_NOT_FOUND, "lost", ""},
        {PARLEY_INVALID_ARGUMENT, "", "send"},
    };
    for (size_t i = 0; i < 4; i++) {
        const Parley__V1__SendError *error = error_of(caller, i + 1);
        assert_int_equal(error->code, expected[i].code);
        assert_string_equal(error->field, expected[i].field);
        assert_string_equal(answer(caller, i + 1)->client_message_id, expected[i].id);
        assert_true(strlen(error->message) > 0);
    }
    assert_int_equal(sent_seq(caller, 0), 2);
    assert_int_equal(sent_seq(caller, 5), 3);
}

static void test_a_repeat_within_a_stream_answers_with_the_first_seq(void **state)
{
    struct desk *desk = *state;
    desk_create(desk, "a", "alice", NULL);
    struct caller *caller = open_stream(desk);
    write_text(caller, "a", "same");
    write_text(caller, "a", "same");
    write_text(caller, "a", "other");
    caller_half_close(caller);
    caller_wait_end(caller);
    assert_int_equal(sent_seq(caller, 0), 2);
    assert_int_equal(sent_seq(caller, 1), 2);
    assert_int_equal(sent_seq(caller, 2), 3);
}

static void test_what_waits_for_the_store_is_bounded_in_bytes(void **state)
{
    struct desk *desk = *state;
    const size_t len = STORE_BODY_MAX;
    char *body = malloc(len);
    assert_non_null(body);
    memset(body, 'x', len);
    desk_create(desk, "a", "alice", NULL);
    struct caller *caller = open_stream(desk);
    gate_shut(&desk->gate);
    for (size_t i = 0; i < 40; i++) {
        char id[24];
        assert_true(pl_text_format(id, sizeof(id), "n%zu", i));
        write_bytes(caller, "a", id, body, len);
    }
    assert_true(caller->is_paused);
    assert_in_range(desk->gate.held_count, 10, 17); /* about 1 MiB */
    caller_half_close(caller);
    gate_open(&desk->gate);
    caller_wait_end(caller);
    assert_int_equal(caller->answer_count, 40);
    for (size_t i = 0; i < 40; i++) {
        assert_int_equal(sent_seq(caller, i), 2 + (int64_t)i);
    }
    free(body);
}

static void test_what_waits_for_the_store_is_bounded_in_number(void **state)
{
    struct desk *desk = *state;
    desk_create(desk, "a", "alice", NULL);
    struct caller *caller = open_stream(desk);
    gate_shut(&desk->gate);
    for (size_t i = 0; i < 4000; i++) {
        write_numbered(caller, "a", i);
    }
    assert_true(caller->is_paused);
    assert_in_range(desk->gate.held_count, 100, 2000);
    caller_half_close(caller);
    gate_open(&desk->gate);
    caller_wait_end(caller);
    assert_int_equal(caller->answer_count, 4000);
    assert_int_equal(sent_seq(caller, 3999), 4001);
}

static void test_a_client_that_does_not_read_its_answers_is_not_read(void **state)
{
    struct desk *desk = *state;
    desk_create(desk, "a", "alice", NULL);
    struct caller *caller = open_stream(desk);
    caller->room = 2;
    for (size_t i = 0; i < 3; i++) {
        write_numbered(caller, "a", i);
    }
    caller_wait_answers(caller, 3);
    assert_true(caller->is_paused);
    write_numbered(caller, "a", 3);
    for (int i = 0; i < 5; i++) {
        desk_turn(desk);
    }
    assert_int_equal(caller->answer_count, 3);
    caller_read_all(caller);
    assert_false(caller->is_paused);
    caller_wait_answers(caller, 4);
    assert_int_equal(sent_seq(caller, 3), 5);
}

static void test_a_half_close_without_a_send_ends_with_ok(void **state)
{
    struct desk *desk = *state;
    struct caller *caller = open_stream(desk);
    caller_half_close(caller);
    caller_wait_end(caller);
    assert_int_equal(caller->code, PARLEY_OK);
    assert_int_equal(caller->answer_count, 0);
}

static void test_callers_without_identity_are_refused(void **state)
{
    struct desk *desk = *state;
    struct caller *caller = caller_open(desk, CHAT_METHOD(SendStream), NULL);
    write_text(caller, "a", "id");
    caller_wait_end(caller);
    assert_int_equal(caller->code, PARLEY_UNAUTHENTICATED);
    assert_int_equal(desk->gate.seen, 0);
}

/* The first is with the store, the second came back and waits for it, the third was refused. */
static void test_a_client_that_goes_away_leaves_nothing_behind(void **state)
{
    struct desk *desk = *state;
    desk_create(desk, "a", "alice", NULL);
    struct caller *caller = open_stream(desk);
    gate_shut(&desk->gate);
    write_numbered(caller, "a", 0);
    write_numbered(caller, "a", 1);
    write_text(caller, "a", "not an id");
    gate_fail(&desk->gate, 1, PARLEY_UNAVAILABLE, "full", 0);
    desk_turn(desk);
    caller_cancel(caller);
    gate_open(&desk->gate);
    assert_int_equal(caller->answer_count, 0);
    assert_int_equal(desk_send(desk, "a", "alice", "next", "text"), 3);
}

static void test_sends_of_a_client_that_went_away_keep_one_slot(void **state)
{
    struct desk *desk = *state;
    desk_create(desk, "a", "alice", NULL);
    struct caller *caller = open_stream(desk);
    gate_shut(&desk->gate);
    for (size_t i = 0; i < 5; i++) {
        write_numbered(caller, "a", i);
    }
    caller_cancel(caller);
    assert_int_equal(call_slots_kept(desk->slots), 1);
    gate_open(&desk->gate);
    assert_int_equal(desk_send(desk, "a", "alice", "next", "text"), 7);
    assert_int_equal(call_slots_kept(desk->slots), 0);
}

static void test_a_stream_that_the_server_ends_is_not_answered_after(void **state)
{
    struct desk *desk = *state;
    desk_create(desk, "a", "alice", NULL);
    struct caller *caller = open_stream(desk);
    gate_shut(&desk->gate);
    write_numbered(caller, "a", 0);
    call_lane_end_all(desk->lane, PARLEY_UNAVAILABLE, "draining");
    gate_open(&desk->gate);
    caller_wait_end(caller);
    assert_int_equal(caller->code, PARLEY_UNAVAILABLE);
    assert_int_equal(caller->answer_count, 0);
    assert_int_equal(desk_send(desk, "a", "alice", "n0", "text"), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, desk_setup, desk_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_each_send_gets_one_answer_in_the_order_of_its_conversation),
        TEST(test_answers_come_before_the_client_is_done_sending),
        TEST(test_a_store_that_answers_out_of_turn_does_not_change_the_order),
        TEST(test_a_bad_send_is_answered_and_the_stream_goes_on),
        TEST(test_a_repeat_within_a_stream_answers_with_the_first_seq),
        TEST(test_what_waits_for_the_store_is_bounded_in_bytes),
        TEST(test_what_waits_for_the_store_is_bounded_in_number),
        TEST(test_a_client_that_does_not_read_its_answers_is_not_read),
        TEST(test_a_half_close_without_a_send_ends_with_ok),
        TEST(test_callers_without_identity_are_refused),
        TEST(test_a_client_that_goes_away_leaves_nothing_behind),
        TEST(test_sends_of_a_client_that_went_away_keep_one_slot),
        TEST(test_a_stream_that_the_server_ends_is_not_answered_after),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
