/* SPDX-License-Identifier: Apache-2.0 */
/* History: the log in pages, both ways. Seq 1 of a conversation is its creation. */
#include "desk.h"

#include "support/check.h"

#include <stdlib.h>
#include <string.h>

#define FORWARDS  PARLEY__V1__DIRECTION__DIRECTION_FORWARDS
#define BACKWARDS PARLEY__V1__DIRECTION__DIRECTION_BACKWARDS

static Parley__V1__HistoryRequest history(Parley__V1__Direction direction, int64_t from_seq,
                                          int32_t limit, int32_t page_size)
{
    Parley__V1__HistoryRequest request = PARLEY__V1__HISTORY_REQUEST__INIT;
    request.conversation_id = (char *)(uintptr_t) "a";
    request.direction = direction;
    request.from_seq = from_seq;
    request.limit = limit;
    request.page_size = page_size;
    return request;
}

static const Parley__V1__HistoryResponse *page(const struct caller *caller, size_t i)
{
    assert_true(i < caller->answer_count);
    return (const Parley__V1__HistoryResponse *)caller->answers[i];
}

static struct caller *read_ok(struct desk *desk, const Parley__V1__HistoryRequest *request)
{
    struct caller *caller = caller_run(desk, CHAT_METHOD(History), "alice", &request->base);
    assert_int_equal(caller->code, PARLEY_OK);
    return caller;
}

/* The log of "a": 1 is the creation, 2 to 11 are ten messages. */
#define HEAD 11

static void make_log(struct desk *desk)
{
    desk_create(desk, "a", "alice", "bob");
    desk_send_many(desk, "a", "alice", HEAD - 1);
}

struct row {
    const char *what;
    Parley__V1__Direction direction;
    int64_t from_seq;
    int32_t limit;
    int32_t page_size;
    int64_t first; /* seq of the first event; 0: none */
    size_t events;
    size_t pages;
};

static void check_row(struct desk *desk, const struct row *row)
{
    const Parley__V1__HistoryRequest request =
        history(row->direction, row->from_seq, row->limit, row->page_size);
    const struct caller *caller = read_ok(desk, &request);
    int64_t step = row->direction == BACKWARDS ? -1 : 1;
    size_t page_max = row->page_size == 0 ? 100 : (size_t)row->page_size;
    int64_t expected = row->first;
    size_t events = 0;
    print_message("%s\n", row->what);
    assert_int_equal(caller->answer_count, row->pages);
    for (size_t i = 0; i < caller->answer_count; i++) {
        const Parley__V1__HistoryResponse *response = page(caller, i);
        assert_int_equal(response->head_seq, HEAD);
        assert_int_equal(response->first_seq, 1);
        assert_true(response->n_events <= page_max);
        for (size_t j = 0; j < response->n_events; j++) {
            assert_int_equal(response->events[j]->seq, expected);
            assert_string_equal(response->events[j]->conversation_id, "a");
            expected += step;
            events++;
        }
    }
    assert_int_equal(events, row->events);
}

static void test_any_part_can_be_read_both_ways(void **state)
{
    struct desk *desk = *state;
    const struct row rows[] = {
        {"all, by default", PARLEY__V1__DIRECTION__DIRECTION_UNSPECIFIED, 0, 0, 0, 1, 11, 1},
        {"all forwards", FORWARDS, 0, 0, 0, 1, 11, 1},
        {"all forwards, named", FORWARDS, 1, 11, 11, 1, 11, 1},
        {"all backwards", BACKWARDS, 0, 0, 0, 11, 11, 1},
        {"the newest", BACKWARDS, 0, 1, 0, 11, 1, 1},
        {"the oldest", FORWARDS, 0, 1, 0, 1, 1, 1},
        {"pages that fit", FORWARDS, 0, 0, 11, 1, 11, 1},
        {"pages with a rest", FORWARDS, 0, 0, 4, 1, 11, 3},
        {"pages with a rest, backwards", BACKWARDS, 0, 0, 4, 11, 11, 3},
        {"one by one", FORWARDS, 0, 0, 1, 1, 11, 11},
        {"one by one, backwards", BACKWARDS, 0, 0, 1, 11, 11, 11},
        {"a limit within a page", FORWARDS, 3, 5, 3, 3, 5, 2},
        {"a limit at a page's end", FORWARDS, 3, 6, 3, 3, 6, 2},
        {"a limit backwards", BACKWARDS, 8, 5, 3, 8, 5, 2},
        {"from the head on", FORWARDS, 11, 0, 0, 11, 1, 1},
        {"behind the head", FORWARDS, 12, 0, 0, 0, 0, 1},
        {"from the first back", BACKWARDS, 1, 0, 0, 1, 1, 1},
        {"from far behind the head back", BACKWARDS, 99, 0, 0, 11, 11, 1},
        {"the largest numbers", FORWARDS, INT64_MAX, 10000, 1000, 0, 0, 1},
    };
    make_log(desk);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        check_row(desk, &rows[i]);
    }
}

static void test_the_default_limit_is_a_hundred(void **state)
{
    struct desk *desk = *state;
    desk_create(desk, "a", "alice", NULL);
    desk_send_many(desk, "a", "alice", 110);
    const Parley__V1__HistoryRequest request = history(FORWARDS, 0, 0, 60);
    const struct caller *caller = read_ok(desk, &request);
    assert_int_equal(caller->answer_count, 2);
    assert_int_equal(page(caller, 0)->n_events, 60);
    assert_int_equal(page(caller, 1)->n_events, 40);
    assert_int_equal(page(caller, 1)->head_seq, 111);
}

static void test_events_tell_who_did_what(void **state)
{
    struct desk *desk = *state;
    desk_create(desk, "a", "alice", "bob");
    (void)desk_send(desk, "a", "bob", "hello", "hi \xc3\xa4");
    desk_remove(desk, "a", "alice", "bob");
    const Parley__V1__HistoryRequest request = history(FORWARDS, 0, 0, 0);
    Parley__V1__Event *const *events = page(read_ok(desk, &request), 0)->events;
    assert_string_equal(events[0]->sender_id, "alice");
    assert_int_equal(events[0]->kind_case, PARLEY__V1__EVENT__KIND_MEMBERSHIP);
    assert_int_equal(events[0]->membership->action,
                     PARLEY__V1__MEMBERSHIP_ACTION__MEMBERSHIP_ACTION_CREATED);
    assert_int_equal(events[0]->membership->n_user_ids, 2);
    assert_string_equal(events[0]->membership->user_ids[0], "alice");
    assert_string_equal(events[0]->membership->user_ids[1], "bob");
    assert_int_equal(events[1]->kind_case, PARLEY__V1__EVENT__KIND_MESSAGE);
    assert_string_equal(events[1]->sender_id, "bob");
    assert_string_equal(events[1]->message->client_message_id, "hello");
    assert_string_equal(events[1]->message->content_type, "text/plain");
    assert_int_equal(events[1]->message->ordinal, 1);
    assert_int_equal(events[1]->message->body.len, 5);
    assert_memory_equal(events[1]->message->body.data, "hi \xc3\xa4", 5);
    assert_true(events[1]->created_at_ms >= events[0]->created_at_ms);
    assert_int_equal(events[2]->membership->action,
                     PARLEY__V1__MEMBERSHIP_ACTION__MEMBERSHIP_ACTION_REMOVED);
    assert_int_equal(events[2]->membership->role, PARLEY__V1__ROLE__ROLE_UNSPECIFIED);
    assert_string_equal(events[2]->membership->user_ids[0], "bob");
}

static void test_pages_of_large_bodies_are_cut_by_bytes(void **state)
{
    struct desk *desk = *state;
    char *body = malloc(STORE_BODY_MAX + 1);
    assert_non_null(body);
    memset(body, 'x', STORE_BODY_MAX);
    body[STORE_BODY_MAX] = '\0';
    desk_create(desk, "a", "alice", NULL);
    for (int i = 0; i < 10; i++) {
        const char id[] = {(char)('a' + i), '\0'};
        (void)desk_send(desk, "a", "alice", id, body);
    }
    const Parley__V1__HistoryRequest request = history(BACKWARDS, 0, 0, 0);
    const struct caller *caller = read_ok(desk, &request);
    int64_t expected = 11;
    assert_true(caller->answer_count >= 3);
    for (size_t i = 0; i < caller->answer_count; i++) {
        assert_in_range(page(caller, i)->n_events, 1, 5);
        for (size_t j = 0; j < page(caller, i)->n_events; j++) {
            assert_int_equal(page(caller, i)->events[j]->seq, expected--);
        }
    }
    assert_int_equal(expected, 0);
    free(body);
}

static void test_the_next_page_waits_until_the_client_has_room(void **state)
{
    struct desk *desk = *state;
    make_log(desk);
    const Parley__V1__HistoryRequest request = history(FORWARDS, 0, 0, 2);
    struct caller *caller = caller_ask(desk, CHAT_METHOD(History), "alice", &request.base);
    size_t seen = desk->gate.seen;
    caller->room = 1;
    caller_wait_answers(caller, 2);
    for (int i = 0; i < 10; i++) {
        desk_turn(desk);
    }
    assert_int_equal(caller->answer_count, 2);
    assert_int_equal(desk->gate.seen, seen + 1);
    while (caller->call != NULL) {
        caller_read_all(caller);
        desk_turn(desk);
    }
    assert_int_equal(caller->code, PARLEY_OK);
    assert_int_equal(caller->answer_count, 6);
}

static void test_members_only(void **state)
{
    struct desk *desk = *state;
    make_log(desk);
    Parley__V1__HistoryRequest request = history(FORWARDS, 0, 0, 0);
    (void)caller_fails(desk, CHAT_METHOD(History), "mallory", &request.base, PARLEY_NOT_FOUND);
    (void)caller_fails(desk, CHAT_METHOD(History), NULL, &request.base, PARLEY_UNAUTHENTICATED);
    request.conversation_id = (char *)(uintptr_t) "nowhere";
    (void)caller_fails(desk, CHAT_METHOD(History), "alice", &request.base, PARLEY_NOT_FOUND);
}

static void test_who_is_removed_while_reading_gets_no_further_page(void **state)
{
    struct desk *desk = *state;
    make_log(desk);
    const Parley__V1__HistoryRequest request = history(FORWARDS, 0, 0, 2);
    struct caller *caller = caller_ask(desk, CHAT_METHOD(History), "bob", &request.base);
    caller->room = 0;
    caller_wait_answers(caller, 1);
    desk_remove(desk, "a", "alice", "bob");
    caller_read_all(caller);
    caller_wait_end(caller);
    assert_int_equal(caller->code, PARLEY_NOT_FOUND);
    assert_int_equal(caller->answer_count, 1);
}

static void test_a_reader_may_go_away_at_any_time(void **state)
{
    struct desk *desk = *state;
    make_log(desk);
    const Parley__V1__HistoryRequest request = history(FORWARDS, 0, 0, 2);
    gate_shut(&desk->gate);
    struct caller *first = caller_ask(desk, CHAT_METHOD(History), "alice", &request.base);
    caller_cancel(first); /* while the store has the request */
    gate_open(&desk->gate);
    struct caller *second = caller_ask(desk, CHAT_METHOD(History), "alice", &request.base);
    second->room = 0;
    caller_wait_answers(second, 1);
    caller_cancel(second); /* while the next page waits for room */
    struct caller *third = caller_ask(desk, CHAT_METHOD(History), "alice", &request.base);
    caller_wait_answers(third, 1);
    call_lane_end_all(desk->lane, PARLEY_UNAVAILABLE, "draining");
    caller_wait_end(third);
    assert_int_equal(first->answer_count, 0);
    assert_int_equal(second->answer_count, 1);
}

static void test_a_failing_store_ends_the_call_with_its_code(void **state)
{
    struct desk *desk = *state;
    const Parley__V1__HistoryRequest request = history(FORWARDS, 0, 0, 2);
    gate_shut(&desk->gate);
    struct caller *caller = caller_ask(desk, CHAT_METHOD(History), "alice", &request.base);
    gate_fail(&desk->gate, 0, PARLEY_UNAVAILABLE, "shard 1 is full", 50);
    caller_wait_end(caller);
    assert_int_equal(caller->code, PARLEY_UNAVAILABLE);
    assert_int_equal(caller->retry_after_ms, 50);
    assert_null(strstr(caller->message, "shard"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, desk_setup, desk_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_any_part_can_be_read_both_ways),
        TEST(test_the_default_limit_is_a_hundred),
        TEST(test_events_tell_who_did_what),
        TEST(test_pages_of_large_bodies_are_cut_by_bytes),
        TEST(test_the_next_page_waits_until_the_client_has_room),
        TEST(test_members_only),
        TEST(test_who_is_removed_while_reading_gets_no_further_page),
        TEST(test_a_reader_may_go_away_at_any_time),
        TEST(test_a_failing_store_ends_the_call_with_its_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
