/* SPDX-License-Identifier: Apache-2.0 */
/* Statuses: the two mappings (S7, S8) row for row, and details (S4) as an independent reader of
 * protobuf sees them. */
#include "wire/status.h"

#include "pb_bytes.h"
#include "support/check.h"

#include <string.h>

static void test_s7_http_status_row_for_row(void **state)
{
    (void)state;
    static const struct {
        int http_status;
        enum parley_code code;
    } rows[] = {
        {400, PARLEY_INTERNAL},      {401, PARLEY_UNAUTHENTICATED}, {403, PARLEY_PERMISSION_DENIED},
        {404, PARLEY_UNIMPLEMENTED}, {429, PARLEY_UNAVAILABLE},     {502, PARLEY_UNAVAILABLE},
        {503, PARLEY_UNAVAILABLE},   {504, PARLEY_UNAVAILABLE},     {200, PARLEY_UNKNOWN},
        {409, PARLEY_UNKNOWN},       {412, PARLEY_UNKNOWN},         {413, PARLEY_UNKNOWN},
        {415, PARLEY_UNKNOWN},       {431, PARLEY_UNKNOWN},         {500, PARLEY_UNKNOWN},
        {505, PARLEY_UNKNOWN},       {302, PARLEY_UNKNOWN},         {0, PARLEY_UNKNOWN},
        {-1, PARLEY_UNKNOWN},        {9999, PARLEY_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(pl_status_from_http(rows[i].http_status), rows[i].code);
    }
}

static void test_s8_reset_code_row_for_row(void **state)
{
    (void)state;
    static const enum parley_code codes[] = {
        PARLEY_INTERNAL,           /* 0 NO_ERROR */
        PARLEY_INTERNAL,           /* 1 PROTOCOL_ERROR */
        PARLEY_INTERNAL,           /* 2 INTERNAL_ERROR */
        PARLEY_INTERNAL,           /* 3 FLOW_CONTROL_ERROR */
        PARLEY_INTERNAL,           /* 4 SETTINGS_TIMEOUT */
        PARLEY_INTERNAL,           /* 5 STREAM_CLOSED */
        PARLEY_INTERNAL,           /* 6 FRAME_SIZE_ERROR */
        PARLEY_UNAVAILABLE,        /* 7 REFUSED_STREAM */
        PARLEY_CANCELLED,          /* 8 CANCEL */
        PARLEY_INTERNAL,           /* 9 COMPRESSION_ERROR */
        PARLEY_INTERNAL,           /* 10 CONNECT_ERROR */
        PARLEY_RESOURCE_EXHAUSTED, /* 11 ENHANCE_YOUR_CALM */
        PARLEY_PERMISSION_DENIED,  /* 12 INADEQUATE_SECURITY */
        PARLEY_INTERNAL,           /* 13 HTTP_1_1_REQUIRED */
        PARLEY_UNKNOWN,            /* 14: nobody's */
    };
    for (uint32_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        assert_int_equal(pl_status_from_h2(i), codes[i]);
    }
    assert_int_equal(pl_status_from_h2(UINT32_MAX), PARLEY_UNKNOWN);
}

/* google.rpc.Status{code, message, [Any{type, detail}]}; detail is given up. */
static struct pl_buf *make_status(int code, const char *message, const char *type,
                                  struct pl_buf *detail)
{
    struct pl_buf *any = NULL;
    struct pl_buf *status = NULL;
    pb_put_bytes(&any, 1, type, strlen(type));
    pb_put_bytes(&any, 2, detail->data, detail->len);
    pb_put_number(&status, 1, (uint64_t)code);
    pb_put_bytes(&status, 2, message, strlen(message));
    pb_put_bytes(&status, 3, any->data, any->len);
    pl_buf_unref(any);
    pl_buf_unref(detail);
    return status;
}

static struct pl_buf *make_violation(const char *field, const char *description)
{
    struct pl_buf *detail = NULL;
    pb_put_bytes(&detail, 1, field, strlen(field));
    pb_put_bytes(&detail, 2, description, strlen(description));
    pb_wrap(&detail, 1);
    return detail;
}

static struct pl_buf *make_delay(uint64_t seconds, uint64_t nanos)
{
    struct pl_buf *detail = NULL;
    if (seconds != 0) {
        pb_put_number(&detail, 1, seconds);
    }
    if (nanos != 0) {
        pb_put_number(&detail, 2, nanos);
    }
    pb_wrap(&detail, 1);
    return detail;
}

#define BAD_REQUEST "type.googleapis.com/google.rpc.BadRequest"
#define RETRY_INFO  "type.googleapis.com/google.rpc.RetryInfo"

static void test_s4_bad_request_is_the_protobuf_it_should_be(void **state)
{
    (void)state;
    struct pl_arena arena;
    struct pl_status status = {0};
    pl_arena_init(&arena, NULL, 0, 0);
    assert_int_equal(pl_status_bad_request(&arena, "body: is empty", "body", "is empty", &status),
                     0);
    assert_int_equal(status.code, PARLEY_INVALID_ARGUMENT);
    assert_string_equal(status.message, "body: is empty");
    struct pl_buf *expected = make_status(PARLEY_INVALID_ARGUMENT, "body: is empty", BAD_REQUEST,
                                          make_violation("body", "is empty"));
    assert_int_equal(status.details_len, expected->len);
    assert_memory_equal(status.details, expected->data, expected->len);
    pl_buf_unref(expected);
    pl_arena_deinit(&arena);
}

static void test_s4_retry_info_is_the_protobuf_it_should_be(void **state)
{
    (void)state;
    static const uint32_t delays[] = {0, 1, 999, 1000, 1500, 86400000, UINT32_MAX};
    for (size_t i = 0; i < sizeof(delays) / sizeof(delays[0]); i++) {
        struct pl_arena arena;
        struct pl_status status = {0};
        pl_arena_init(&arena, NULL, 0, 0);
        assert_int_equal(
            pl_status_retry_info(&arena, PARLEY_UNAVAILABLE, "later", delays[i], &status), 0);
        struct pl_buf *expected =
            make_status(PARLEY_UNAVAILABLE, "later", RETRY_INFO,
                        make_delay(delays[i] / 1000, delays[i] % 1000 * UINT64_C(1000000)));
        assert_int_equal(status.details_len, expected->len);
        assert_memory_equal(status.details, expected->data, expected->len);
        pl_buf_unref(expected);
        pl_arena_deinit(&arena);
    }
}

static void test_s4_details_of_others_are_read(void **state)
{
    (void)state;
    struct pl_buf *details =
        make_status(3, "m", BAD_REQUEST, make_violation("members[2]", "unknown user"));
    struct pl_buf *more = make_status(3, "m", RETRY_INFO, make_delay(2, 500000000));
    struct pl_buf *other =
        make_status(3, "m", "type.googleapis.com/google.rpc.Help", make_violation("not", "this"));
    struct pl_arena arena;
    const char *field = NULL;
    uint32_t retry_after_ms = 0;
    pl_arena_init(&arena, NULL, 0, 0);
    pl_status_details_read(other->data, other->len, &arena, &field, &retry_after_ms);
    assert_null(field);
    assert_int_equal(retry_after_ms, 0);
    /* Several details, and ours not the first of them. */
    pb_put_raw(&other, details->data, details->len);
    pb_put_raw(&other, more->data, more->len);
    pl_status_details_read(other->data, other->len, &arena, &field, &retry_after_ms);
    assert_string_equal(field, "members[2]");
    assert_int_equal(retry_after_ms, 2500);
    pl_buf_unref(details);
    pl_buf_unref(more);
    pl_buf_unref(other);
    pl_arena_deinit(&arena);
}

static void test_s4_bad_details_give_nothing(void **state)
{
    (void)state;
    struct pl_buf *rows[] = {
        make_status(3, "m", BAD_REQUEST, make_violation("\xff", "x")),
        make_status(3, "m", RETRY_INFO, make_delay(UINT64_MAX, 0)),
        make_status(3, "m", RETRY_INFO, make_delay(0, 1000000000)),
        make_status(3, "m", RETRY_INFO, make_violation("a", "b")),
        make_status(3, "m", BAD_REQUEST, make_delay(1, 1)),
    };
    struct pl_arena arena;
    pl_arena_init(&arena, NULL, 0, 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *field = "?";
        uint32_t retry_after_ms = 1;
        pl_status_details_read(rows[i]->data, rows[i]->len, &arena, &field, &retry_after_ms);
        assert_true(field == NULL || rows[i] == rows[3]);
        assert_int_equal(retry_after_ms, 0);
        pl_buf_unref(rows[i]);
    }
    const char *field = "?";
    uint32_t retry_after_ms = 1;
    pl_status_details_read(NULL, 0, &arena, &field, &retry_after_ms);
    assert_null(field);
    assert_int_equal(retry_after_ms, 0);
    pl_arena_deinit(&arena);
}

static void test_s4_details_cut_anywhere_are_harmless(void **state)
{
    (void)state;
    struct pl_buf *whole = make_status(3, "m", BAD_REQUEST, make_violation("body", "x"));
    struct pl_arena arena;
    pl_arena_init(&arena, NULL, 0, 0);
    for (size_t len = 0; len < whole->len; len++) {
        struct pl_buf *cut = pl_buf_copy(whole->data, len);
        const char *field = NULL;
        uint32_t retry_after_ms = 0;
        pl_status_details_read(cut->data, len, &arena, &field, &retry_after_ms);
        assert_null(field);
        pl_buf_unref(cut);
    }
    pl_buf_unref(whole);
    pl_arena_deinit(&arena);
}

static void test_s3_long_texts_are_cut_to_what_is_sent(void **state)
{
    (void)state;
    static char text[100000];
    memset(text, 'x', sizeof(text) - 1);
    struct pl_arena arena;
    struct pl_status status = {0};
    const char *field = NULL;
    uint32_t retry_after_ms = 0;
    pl_arena_init(&arena, NULL, 0, 0);
    assert_int_equal(pl_status_bad_request(&arena, text, text, text, &status), 0);
    assert_in_range(status.details_len, 1, PL_STATUS_DETAILS_MAX);
    pl_status_details_read(status.details, status.details_len, &arena, &field, &retry_after_ms);
    assert_int_equal(strlen(field), 256);
    assert_int_equal(pl_status_bad_request(&arena, NULL, "f", "d", &status), 0);
    assert_string_equal(status.message, "");
    pl_arena_deinit(&arena);
}

static void test_without_memory_the_status_is_untouched(void **state)
{
    (void)state;
    for (size_t cap = 8; cap < 256; cap += 8) {
        struct pl_arena arena;
        struct pl_status status = {.code = PARLEY_ABORTED};
        pl_arena_init(&arena, NULL, 0, cap);
        if (pl_status_bad_request(&arena, "m", "f", "d", &status) != 0) {
            assert_int_equal(status.code, PARLEY_ABORTED);
            assert_null(status.details);
        }
        pl_arena_reset(&arena);
        status = (struct pl_status){.code = PARLEY_ABORTED};
        if (pl_status_retry_info(&arena, PARLEY_UNAVAILABLE, "m", 5, &status) != 0) {
            assert_int_equal(status.code, PARLEY_ABORTED);
            assert_null(status.details);
        }
        pl_arena_deinit(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_s7_http_status_row_for_row),
        cmocka_unit_test(test_s8_reset_code_row_for_row),
        cmocka_unit_test(test_s4_bad_request_is_the_protobuf_it_should_be),
        cmocka_unit_test(test_s4_retry_info_is_the_protobuf_it_should_be),
        cmocka_unit_test(test_s4_details_of_others_are_read),
        cmocka_unit_test(test_s4_bad_details_give_nothing),
        cmocka_unit_test(test_s4_details_cut_anywhere_are_harmless),
        cmocka_unit_test(test_s3_long_texts_are_cut_to_what_is_sent),
        cmocka_unit_test(test_without_memory_the_status_is_untouched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
