/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a call of each kind, by a transport in memory. */
#include "fake_transport.h"

#include "call/call_impl.h"
#include "support/check.h"
#include "support/failing_heap.h"

#include <string.h>

#define MS INT64_C(1000000)

static void reply(struct fake_server *fake, parley_server_call *call)
{
    (void)fake;
    parley_server_call_reply(call, fake_response());
}

static void test_a_unary_call_is_run_at_the_half_close_and_answered_once(void **state)
{
    (void)state;
    struct fake_server fake;
    struct fake_call call = {.metadata = NULL};
    fake_server_init(&fake);
    fake.on_message = reply;
    fake_open(&fake, &call, "/test.Echo/Unary", INT64_MAX);
    fake_message(&call, "hello");
    assert_int_equal(fake.opens, 0); /* R10: a second message may come */
    call_on_half_close(call.call);
    assert_int_equal(fake.messages, 1);
    assert_string_equal(fake.text, "hello");
    assert_int_equal(call.writes, 1);
    assert_int_equal(call.written_bytes, 5 + 2);
    assert_int_equal(call.finishes, 1);
    assert_int_equal(call.code, PARLEY_OK);
    assert_string_equal(call.request_id, ""); /* costs nothing while all is well */
    assert_int_equal(fake.dones, 0);
    assert_int_equal(call_lane_count(fake.lane), 1);
    fake_close(&call, PARLEY_OK);
    assert_int_equal(fake.dones, 1);
    assert_int_equal(fake.half_closes, 0);
    fake_server_deinit(&fake);
}

static void test_requests_of_one_connection_are_limited_together(void **state)
{
    (void)state;
    struct fake_server fake;
    struct call_slots *slots = call_slots_new();
    assert_non_null(slots);
    fake_server_init(&fake);
    for (int round = 0; round < 2; round++) {
        struct fake_call first = {.slots = slots};
        struct fake_call second = {.slots = slots};
        struct fake_call third = {.slots = slots};
        fake_request(&fake, &first, "/test.Echo/Down");
        size_t others = CALL_REQUESTS_BYTES_MAX - 1 - slots->request_bytes;
        slots->request_bytes += others; /* as if they had so much */
        fake_request(&fake, &second, "/test.Echo/Unary");
        assert_int_equal(second.finishes, 0);
        fake_request(&fake, &third, "/test.Echo/Unary");
        assert_int_equal(third.code, PARLEY_RESOURCE_EXHAUSTED);
        assert_int_equal(third.finishes, 1);
        fake_close(&third, PARLEY_OK);
        fake_close(&second, PARLEY_OK);
        slots->request_bytes -= others;
        fake_close(&first, PARLEY_OK);
        assert_int_equal(slots->request_bytes, 0);
    }
    call_slots_unref(slots);
    fake_server_deinit(&fake);
}

/* Each copy of a singular field is unpacked, and only the last one is part of the message. */
static void test_a_request_counts_with_what_it_takes_unpacked(void **state)
{
    (void)state;
    struct fake_server fake;
    struct call_slots *slots = call_slots_new();
    struct fake_call swollen = {.slots = slots};
    uint8_t data[3 * 1000];
    assert_non_null(slots);
    for (size_t i = 0; i < sizeof(data); i += 3) {
        memcpy(data + i, "\x0a\x01x", 3);
    }
    fake_server_init(&fake);
    fake_open(&fake, &swollen, "/test.Echo/Unary", INT64_MAX);
    call_on_message(swollen.call, data, sizeof(data));
    assert_int_equal(swollen.finishes, 0);
    assert_in_range(slots->request_bytes, 2 * sizeof(data), 16 * sizeof(data) + 65536);
    fake_close(&swollen, PARLEY_CANCELLED);
    assert_int_equal(slots->request_bytes, 0);
    call_slots_unref(slots);
    fake_server_deinit(&fake);
}

struct wrong {
    const char *name;
    const char *path;
    int messages;
    enum parley_code code;
    const char *message;
};

static void test_what_is_wrong_with_a_request_is_answered_without_the_handler(void **state)
{
    (void)state;
    static const struct wrong rows[] = {
        {"R4 unknown service", "/no.Such/Unary", 1, PARLEY_UNIMPLEMENTED, "/no.Such/Unary"},
        {"R4 unknown method", "/test.Echo/unary", 1, PARLEY_UNIMPLEMENTED, "/test.Echo/unary"},
        {"R4 no second slash", "/test.Echo", 1, PARLEY_UNIMPLEMENTED, "unknown method"},
        {"R4 a method that nobody handles", "/test.Echo/Unhandled", 1, PARLEY_UNIMPLEMENTED,
         "unknown method"},
        {"R9 unary without a message", "/test.Echo/Unary", 0, PARLEY_UNIMPLEMENTED, "no message"},
        {"R9 server stream without one", "/test.Echo/Down", 0, PARLEY_UNIMPLEMENTED, "no message"},
        {"R10 unary with two", "/test.Echo/Unary", 2, PARLEY_UNIMPLEMENTED, "more than one"},
        {"R10 server stream with two", "/test.Echo/Down", 2, PARLEY_UNIMPLEMENTED, "more than one"},
    };
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        struct fake_server fake;
        struct fake_call call = {.metadata = NULL};
        print_message("  %s\n", rows[i].name);
        fake_server_init(&fake);
        fake.on_message = reply;
        fake_open(&fake, &call, rows[i].path, INT64_MAX);
        for (int n = 0; n < rows[i].messages; n++) {
            fake_message(&call, "x");
        }
        call_on_half_close(call.call);
        assert_int_equal(call.finishes, 1);
        assert_int_equal(call.writes, 0);
        assert_int_equal(call.code, rows[i].code);
        assert_non_null(strstr(call.message, rows[i].message));
        assert_int_equal(strlen(call.request_id), 16);
        fake_close(&call, PARLEY_OK);
        assert_int_equal(fake.opens + fake.messages + fake.dones, 0);
        fake_server_deinit(&fake);
    }
}

static void test_r15_what_is_no_message_ends_with_internal(void **state)
{
    (void)state;
    static const uint8_t junk[] = {0xff, 0xff};
    static const uint8_t not_utf8[] = {0x0a, 1, 0xff};
    const struct {
        const char *path;
        const uint8_t *data;
        size_t len;
    } rows[] = {
        {"/test.Echo/Unary", junk, sizeof(junk)},
        {"/test.Echo/Both", junk, sizeof(junk)},
        {"/test.Echo/Unary", not_utf8, sizeof(not_utf8)},
        {"/test.Echo/Up", not_utf8, sizeof(not_utf8)},
    };
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        struct fake_server fake;
        struct fake_call call = {.metadata = NULL};
        fake_server_init(&fake);
        fake_open(&fake, &call, rows[i].path, INT64_MAX);
        call_on_message(call.call, rows[i].data, rows[i].len);
        call_on_half_close(call.call);
        assert_int_equal(call.finishes, 1);
        assert_int_equal(call.code, PARLEY_INTERNAL);
        assert_int_equal(fake.messages, 0);
        fake_close(&call, PARLEY_OK);
        fake_server_deinit(&fake);
    }
}

static void test_c2_what_is_no_message_may_be_encoded_in_a_way_we_do_not_know(void **state)
{
    (void)state;
    static const uint8_t junk[] = {0xff, 0xff};
    static const char *const paths[] = {"/test.Echo/Unary", "/test.Echo/Both"};
    for (size_t i = 0; i < PL_COUNT(paths); i++) {
        struct fake_server fake;
        struct fake_call call = {.metadata = NULL};
        fake_server_init(&fake);
        fake_open(&fake, &call, paths[i], INT64_MAX);
        call.is_encoding_unknown = true;
        call_on_message(call.call, junk, sizeof(junk));
        call_on_half_close(call.call);
        assert_int_equal(call.code, PARLEY_UNIMPLEMENTED);
        fake_close(&call, PARLEY_OK);
        fake_server_deinit(&fake);
    }
}

static void test_a_stream_hears_each_message_and_the_half_close(void **state)
{
    (void)state;
    struct fake_server fake;
    struct fake_call call = {.metadata = NULL};
    fake_server_init(&fake);
    fake_open(&fake, &call, "/test.Echo/Both", INT64_MAX);
    assert_int_equal(fake.opens, 1);
    for (int n = 1; n <= 100; n++) {
        fake_message(&call, "again");
        assert_int_equal(fake.messages, n);
    }
    call_on_writable(call.call);
    call_on_half_close(call.call);
    assert_int_equal(fake.half_closes, 1);
    assert_int_equal(fake.writables, 1);
    assert_int_equal(call.finishes, 0);
    parley_server_call_finish(call.call, PARLEY_OK, NULL);
    assert_int_equal(call.code, PARLEY_OK); /* no message is no mistake in a stream */
    fake_close(&call, PARLEY_OK);
    fake_server_deinit(&fake);
}

static void test_t7_a_unary_answer_has_exactly_one_message(void **state)
{
    (void)state;
    struct fake_server fake;
    struct fake_call call = {.metadata = NULL};
    fake_server_init(&fake);
    fake_request(&fake, &call, "/test.Echo/Unary");
    assert_int_equal(parley_server_call_send(call.call, fake_response()), 0);
    assert_int_equal(parley_server_call_send(call.call, fake_response()), -1);
    assert_int_equal(call.writes, 1);
    parley_server_call_finish(call.call, PARLEY_OK, NULL);
    assert_int_equal(call.code, PARLEY_OK);
    fake_close(&call, PARLEY_OK);
    fake_request(&fake, &call, "/test.Echo/Unary");
    parley_server_call_finish(call.call, PARLEY_OK, NULL);
    assert_int_equal(call.code, PARLEY_INTERNAL); /* T6: OK and nothing in it */
    fake_close(&call, PARLEY_OK);
    fake_server_deinit(&fake);
}

static void end_by(struct fake_call *call, int way, enum parley_code code)
{
    if (way == 0) {
        parley_server_call_finish(call->call, code, "m");
    } else if (way == 1) {
        parley_server_call_fail_retry(call->call, code, "m", 5);
    } else {
        parley_server_call_fail_details(call->call, code, "m", "\x08\x63", 2);
    }
}

static void test_whichever_way_a_handler_ends_a_call_its_code_is_one_of_grpc(void **state)
{
    static const struct {
        enum parley_code said;
        enum parley_code told;
    } rows[] = {
        {PARLEY_NOT_FOUND, PARLEY_NOT_FOUND},     {(enum parley_code)17, PARLEY_UNKNOWN},
        {(enum parley_code)272, PARLEY_UNKNOWN},                                /* a byte of 16 */
        {(enum parley_code) - 1, PARLEY_UNKNOWN}, {PARLEY_OK, PARLEY_INTERNAL}, /* T6 */
    };
    (void)state;
    struct fake_server fake;
    struct fake_call call = {.metadata = NULL};
    fake_server_init(&fake);
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        for (int way = 0; way < 3; way++) {
            fake_request(&fake, &call, "/test.Echo/Unary");
            end_by(&call, way, rows[i].said);
            assert_int_equal(call.code, rows[i].told);
            fake_close(&call, PARLEY_OK);
        }
    }
    fake_server_deinit(&fake);
}

static void test_t9_nothing_follows_the_status(void **state)
{
    (void)state;
    struct fake_server fake;
    struct fake_call call = {.metadata = NULL};
    fake_server_init(&fake);
    fake_open(&fake, &call, "/test.Echo/Both", INT64_MAX);
    parley_server_call_finish(call.call, PARLEY_NOT_FOUND, "first");
    assert_true(parley_server_call_is_over(call.call));
    parley_server_call_finish(call.call, PARLEY_OK, "second");
    parley_server_call_fail_field(call.call, "f", "d");
    parley_server_call_fail_retry(call.call, PARLEY_UNAVAILABLE, "m", 5);
    parley_server_call_send_headers(call.call);
    parley_server_call_pause(call.call, true);
    assert_int_equal(parley_server_call_send(call.call, fake_response()), -1);
    assert_int_equal(parley_server_call_add_trailer(call.call, "a", "b"), -1);
    fake_message(&call, "late");
    call_on_half_close(call.call);
    call_on_writable(call.call);
    assert_int_equal(call.finishes, 1);
    assert_int_equal(call.code, PARLEY_NOT_FOUND);
    assert_string_equal(call.message, "first");
    assert_int_equal(call.writes + call.headers + call.is_paused, 0);
    assert_int_equal(fake.messages + fake.half_closes + fake.writables, 0);
    fake_close(&call, PARLEY_OK);
    assert_int_equal(fake.dones, 1);
    fake_server_deinit(&fake);
}

static void test_headers_go_once_and_before_messages_only(void **state)
{
    (void)state;
    struct fake_server fake;
    struct fake_call call = {.metadata = NULL};
    fake_server_init(&fake);
    fake_open(&fake, &call, "/test.Echo/Both", INT64_MAX);
    parley_server_call_send_headers(call.call);
    parley_server_call_send_headers(call.call);
    assert_int_equal(call.headers, 1);
    call.is_above_high_water = true;
    assert_int_equal(parley_server_call_send(call.call, fake_response()), 1);
    parley_server_call_pause(call.call, true);
    assert_true(call.is_paused);
    parley_server_call_finish(call.call, PARLEY_OK, NULL);
    fake_close(&call, PARLEY_OK);
    fake_open(&fake, &call, "/test.Echo/Both", INT64_MAX);
    assert_int_equal(parley_server_call_send(call.call, fake_response()), 0);
    parley_server_call_send_headers(call.call);
    assert_int_equal(call.headers, 0);
    fake_close(&call, PARLEY_CANCELLED);
    fake_server_deinit(&fake);
}

static void test_added_headers_go_out_before_whatever_comes_first(void **state)
{
    (void)state;
    struct fake_server fake;
    struct fake_call call = {.metadata = NULL};
    fake_server_init(&fake);
    enum {
        HEADERS,
        MESSAGE,
        STATUS
    };
    for (int first = HEADERS; first <= STATUS; first++) {
        fake_open(&fake, &call, "/test.Echo/Both", INT64_MAX);
        assert_int_equal(parley_server_call_add_header(call.call, "a", "b"), 0);
        assert_int_equal(parley_server_call_add_header_bin(call.call, "a-bin", "\0", 1), 0);
        assert_int_equal(parley_server_call_add_header(call.call, "grpc-a", "b"), -1);
        assert_int_equal(call.headers, 0);
        if (first == HEADERS) {
            parley_server_call_send_headers(call.call);
        } else if (first == MESSAGE) {
            assert_int_equal(parley_server_call_send(call.call, fake_response()), 0);
        } else {
            parley_server_call_finish(call.call, PARLEY_NOT_FOUND, "no");
        }
        assert_int_equal(call.headers, 1);
        assert_int_equal(call.header_fields, 2);
        assert_int_equal(parley_server_call_add_header(call.call, "late", "b"), -1);
        assert_int_equal(parley_server_call_add_header_bin(call.call, "late-bin", "", 0), -1);
        fake_close(&call, PARLEY_OK);
    }
    fake_server_deinit(&fake);
}

/* ---- failures ---- */

static void test_a_failed_field_is_named_in_text_and_details(void **state)
{
    (void)state;
    struct fake_server fake;
    struct fake_call call = {.metadata = NULL};
    fake_server_init(&fake);
    fake_request(&fake, &call, "/test.Echo/Unary");
    parley_server_call_fail_field(call.call, "conversation_id", "must not be empty");
    assert_int_equal(call.code, PARLEY_INVALID_ARGUMENT);
    assert_string_equal(call.message, "conversation_id: must not be empty");
    assert_string_equal(call.field, "conversation_id");
    fake_close(&call, PARLEY_OK);
    fake_request(&fake, &call, "/test.Echo/Unary");
    parley_server_call_fail_retry(call.call, PARLEY_UNAVAILABLE, "full", 250);
    assert_int_equal(call.code, PARLEY_UNAVAILABLE);
    assert_int_equal(call.retry_after_ms, 250);
    fake_close(&call, PARLEY_OK);
    fake_server_deinit(&fake);
}

static void fail_with(struct fake_call *call, enum parley_code code, bool is_text_public)
{
    struct pl_error err = PL_ERROR_INIT;
    (void)pl_fail(&err, code, "row 7 of table secret");
    call_fail(call->call, &err, is_text_public);
}

static void test_inner_text_stays_inside(void **state)
{
    (void)state;
    struct fake_server fake;
    struct fake_call call = {.metadata = NULL};
    fake_server_init(&fake);
    for (int code = 0; code <= PARLEY_UNAUTHENTICATED + 3; code++) {
        fake_request(&fake, &call, "/test.Echo/Unary");
        fail_with(&call, (enum parley_code)code, false);
        assert_int_equal(call.code,
                         code == 0 || code > PARLEY_UNAUTHENTICATED ? PARLEY_UNKNOWN : code);
        assert_null(strstr(call.message, "secret"));
        assert_true(strlen(call.message) > 5);
        assert_int_equal(strlen(call.request_id), 16);
        fake_close(&call, PARLEY_OK);
    }
    fake_request(&fake, &call, "/test.Echo/Unary");
    fail_with(&call, PARLEY_NOT_FOUND, true);
    assert_string_equal(call.message, "row 7 of table secret");
    fake_close(&call, PARLEY_OK);
    fake_server_deinit(&fake);
}

static void test_s6_a_code_that_is_none_becomes_unknown(void **state)
{
    (void)state;
    struct fake_server fake;
    struct fake_call call = {.metadata = NULL};
    fake_server_init(&fake);
    fake_request(&fake, &call, "/test.Echo/Unary");
    parley_server_call_finish(call.call, (enum parley_code)99, "odd");
    assert_int_equal(call.code, PARLEY_UNKNOWN); /* S1, S6 */
    fake_close(&call, PARLEY_OK);
    fake_server_deinit(&fake);
}

static void test_request_ids_differ_and_stay(void **state)
{
    (void)state;
    struct fake_server fake;
    struct fake_call first = {.metadata = NULL};
    struct fake_call second = {.metadata = NULL};
    fake_server_init(&fake);
    fake_request(&fake, &first, "/test.Echo/Unary");
    fake_request(&fake, &second, "/test.Echo/Unary");
    const char *id = call_request_id(first.call);
    assert_ptr_equal(call_request_id(first.call), id);
    assert_string_not_equal(call_request_id(second.call), id);
    parley_server_call_finish(first.call, PARLEY_ABORTED, NULL);
    assert_string_equal(first.request_id, id);
    fake_close(&first, PARLEY_OK);
    fake_close(&second, PARLEY_CANCELLED);
    fake_server_deinit(&fake);
}

/* ---- time ---- */

static void test_d1_a_deadline_that_has_passed_is_answered_at_once(void **state)
{
    (void)state;
    struct fake_server fake;
    struct fake_call call = {.metadata = NULL};
    fake_server_init(&fake);
    fake_open(&fake, &call, "/test.Echo/Both", 0);
    assert_int_equal(call.finishes, 1);
    assert_int_equal(call.code, PARLEY_DEADLINE_EXCEEDED);
    fake_close(&call, PARLEY_OK);
    assert_int_equal(fake.opens + fake.dones, 0);
    fake_server_deinit(&fake);
}

static void test_d1_a_deadline_ends_a_call_with_a_status(void **state)
{
    (void)state;
    struct fake_server fake;
    struct fake_call call = {.metadata = NULL};
    fake_server_init(&fake);
    fake_open(&fake, &call, "/test.Echo/Both", 20 * MS);
    assert_in_range(parley_server_call_remaining_ms(call.call), 1, 20);
    assert_int_equal(call.finishes, 0);
    fake_server_run(&fake, &call.finishes, 1);
    assert_int_equal(call.code, PARLEY_DEADLINE_EXCEEDED);
    assert_int_equal(parley_server_call_remaining_ms(call.call), 0);
    assert_int_equal(call.cancels, 0);
    fake_close(&call, PARLEY_OK);
    assert_int_equal(fake.dones, 1);
    fake_server_deinit(&fake);
}

static void test_d1_a_deadline_breaks_off_what_a_client_does_not_read(void **state)
{
    (void)state;
    struct fake_server fake;
    struct fake_call call = {.metadata = NULL};
    fake_server_init(&fake);
    fake_open(&fake, &call, "/test.Echo/Both", 20 * MS);
    call.queued_bytes = 100;
    fake_server_run(&fake, &call.cancels, 1);
    assert_int_equal(call.finishes, 0);
    assert_true(parley_server_call_is_over(call.call));
    fake_close(&call, PARLEY_CANCELLED);
    /* Also when it was answered, and the answer is stuck. */
    fake_open(&fake, &call, "/test.Echo/Both", 20 * MS);
    parley_server_call_finish(call.call, PARLEY_OK, NULL);
    fake_server_run(&fake, &call.cancels, 1);
    fake_close(&call, PARLEY_CANCELLED);
    fake_server_deinit(&fake);
}

static void test_a_far_deadline_is_none(void **state)
{
    (void)state;
    struct fake_server fake;
    struct fake_call call = {.metadata = NULL};
    fake_server_init(&fake);
    fake_open(&fake, &call, "/test.Echo/Both", INT64_MAX - 1); /* 99999999H is not even this */
    assert_true(parley_server_call_remaining_ms(call.call) > INT64_C(1000000000000));
    fake_close(&call, PARLEY_CANCELLED);
    fake_open(&fake, &call, "/test.Echo/Both", INT64_MAX);
    assert_true(parley_server_call_remaining_ms(call.call) == INT64_MAX);
    fake_close(&call, PARLEY_CANCELLED);
    fake_server_deinit(&fake);
}

/* ---- the end ---- */

static void test_d4_a_client_that_goes_is_told_to_the_handler_once(void **state)
{
    (void)state;
    struct fake_server fake;
    struct fake_call call = {.metadata = NULL};
    fake_server_init(&fake);
    fake_request(&fake, &call, "/test.Echo/Down");
    assert_int_equal(fake.messages, 1);
    fake_close(&call, PARLEY_CANCELLED);
    assert_int_equal(fake.dones, 1);
    assert_int_equal(call.finishes, 0);
    /* Before its request was whole there is no handler to tell. */
    fake_open(&fake, &call, "/test.Echo/Down", 1000 * MS);
    fake_close(&call, PARLEY_CANCELLED);
    assert_int_equal(fake.dones, 1);
    fake_server_deinit(&fake);
}

static void test_a_lane_ends_all_that_is_left(void **state)
{
    (void)state;
    struct fake_server fake;
    struct fake_call calls[3] = {{.metadata = NULL}};
    fake_server_init(&fake);
    fake_request(&fake, &calls[0], "/test.Echo/Down");
    fake_open(&fake, &calls[1], "/test.Echo/Both", INT64_MAX);
    fake_open(&fake, &calls[2], "/test.Echo/Unary", INT64_MAX);
    assert_int_equal(call_lane_count(fake.lane), 3);
    call_lane_end_all(fake.lane, PARLEY_UNAVAILABLE, "server is draining");
    for (size_t i = 0; i < PL_COUNT(calls); i++) {
        assert_int_equal(calls[i].code, PARLEY_UNAVAILABLE);
        assert_string_equal(calls[i].message, "server is draining");
        fake_close(&calls[i], PARLEY_OK);
    }
    assert_int_equal(fake.dones, 2);
    fake_server_deinit(&fake);
}

/* Whatever allocation fails, the call ends, and in at most one way. */
static bool run_one_call(void *context)
{
    struct fake_server *fake = context;
    struct fake_call call = {.metadata = NULL};
    fake_open(fake, &call, "/test.Echo/Unary", 1000 * MS);
    if (call.call == NULL) {
        fake_close(&call, PARLEY_OK);
        return false;
    }
    fake_message(&call, "hello");
    call_on_half_close(call.call);
    assert_int_equal(call.finishes, 1);
    bool is_ok = call.code == PARLEY_OK;
    assert_true(is_ok || call.code == PARLEY_RESOURCE_EXHAUSTED);
    assert_int_equal(call.writes, is_ok ? 1 : 0);
    fake_close(&call, PARLEY_OK);
    return is_ok;
}

static bool fail_one_call(void *context)
{
    struct fake_server *fake = context;
    struct fake_call call = {.metadata = NULL};
    fake_open(fake, &call, "/no.Such/Method", INT64_MAX);
    bool is_whole = call.call != NULL && call.request_id[0] != '\0';
    assert_int_equal(call.finishes, call.call != NULL ? 1 : 0);
    fake_close(&call, PARLEY_OK);
    return is_whole;
}

static void test_calls_survive_a_failing_heap(void **state)
{
    (void)state;
    struct fake_server fake;
    fake_server_init(&fake);
    fake.on_message = reply;
    assert_true(run_one_call(&fake)); /* the lane, and the loop's heap of timers */
    assert_true(failing_heap_sweep(run_one_call, &fake) > 1);
    assert_true(failing_heap_sweep(fail_one_call, &fake) > 1);
    fake_server_deinit(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_unary_call_is_run_at_the_half_close_and_answered_once),
        cmocka_unit_test(test_requests_of_one_connection_are_limited_together),
        cmocka_unit_test(test_a_request_counts_with_what_it_takes_unpacked),
        cmocka_unit_test(test_what_is_wrong_with_a_request_is_answered_without_the_handler),
        cmocka_unit_test(test_r15_what_is_no_message_ends_with_internal),
        cmocka_unit_test(test_c2_what_is_no_message_may_be_encoded_in_a_way_we_do_not_know),
        cmocka_unit_test(test_a_stream_hears_each_message_and_the_half_close),
        cmocka_unit_test(test_t7_a_unary_answer_has_exactly_one_message),
        cmocka_unit_test(test_whichever_way_a_handler_ends_a_call_its_code_is_one_of_grpc),
        cmocka_unit_test(test_t9_nothing_follows_the_status),
        cmocka_unit_test(test_headers_go_once_and_before_messages_only),
        cmocka_unit_test(test_added_headers_go_out_before_whatever_comes_first),
        cmocka_unit_test(test_a_failed_field_is_named_in_text_and_details),
        cmocka_unit_test(test_inner_text_stays_inside),
        cmocka_unit_test(test_s6_a_code_that_is_none_becomes_unknown),
        cmocka_unit_test(test_request_ids_differ_and_stay),
        cmocka_unit_test(test_d1_a_deadline_that_has_passed_is_answered_at_once),
        cmocka_unit_test(test_d1_a_deadline_ends_a_call_with_a_status),
        cmocka_unit_test(test_d1_a_deadline_breaks_off_what_a_client_does_not_read),
        cmocka_unit_test(test_a_far_deadline_is_none),
        cmocka_unit_test(test_d4_a_client_that_goes_is_told_to_the_handler_once),
        cmocka_unit_test(test_a_lane_ends_all_that_is_left),
        cmocka_unit_test(test_calls_survive_a_failing_heap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
