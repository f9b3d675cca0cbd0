/* SPDX-License-Identifier: Apache-2.0 */
/* What a client session makes of responses, good and bad: appendix A of the checklist row for row,
 * S7, S8, T10, CL5 and CL12 to CL14. A bare HTTP/2 server answers by script. */
#include "caller.h"
#include "session_pair.h"
#include "support/check.h"

#include <stdio.h>
#include <string.h>

#define HEADERS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define OK_HEADERS   HEADERS(":status", "200", "content-type", "application/grpc")
#define OK_TRAILERS  HEADERS("grpc-status", "0")
#define BODY(...)                                                                                  \
    .body = ((const uint8_t[]){__VA_ARGS__}), .body_len = sizeof((const uint8_t[]){__VA_ARGS__})
#define HI 0, 0, 0, 0, 2, 'h', 'i'

struct row {
    const char *name;
    struct raw_script script;
    enum parley_code code;
    int messages;
};

static char nine_kb[9001];
static char twenty_kb[20001];

static const struct row ROWS[] = {
    {"ok", {.headers = OK_HEADERS, BODY(HI), .trailers = OK_TRAILERS}, PARLEY_OK, 1},
    {"content-type json",
     {.headers = HEADERS(":status", "200", "content-type", "application/json"),
      BODY(HI),
      .trailers = OK_TRAILERS},
     PARLEY_UNKNOWN,
     0},
    {"CL14 content-type missing",
     {.headers = HEADERS(":status", "200"), BODY(HI), .trailers = OK_TRAILERS},
     PARLEY_OK,
     1},
    {"CL12 content-type +proto",
     {.headers = HEADERS(":status", "200", "content-type", "application/grpc+proto"),
      BODY(HI),
      .trailers = OK_TRAILERS},
     PARLEY_OK,
     1},
    {"CL12 content-type application/grpcfoo",
     {.headers = HEADERS(":status", "200", "content-type", "application/grpcfoo"),
      BODY(HI),
      .trailers = OK_TRAILERS},
     PARLEY_UNKNOWN,
     0},
    {"T3 DATA with END_STREAM, no trailers", {.headers = OK_HEADERS, BODY(HI)}, PARLEY_INTERNAL, 1},
    {"T2 trailers without grpc-status",
     {.headers = OK_HEADERS, BODY(HI), .trailers = HEADERS("x-a", "1")},
     PARLEY_UNKNOWN,
     1},
    {"T2 upper-case trailer name",
     {.headers = OK_HEADERS, BODY(HI), .trailers = HEADERS("Grpc-Status", "0")},
     PARLEY_INTERNAL,
     1},
    {"T7 two messages",
     {.headers = OK_HEADERS, BODY(HI, HI), .trailers = OK_TRAILERS},
     PARLEY_OK,
     2},
    {"T7 zero messages", {.headers = OK_HEADERS, .trailers = OK_TRAILERS}, PARLEY_OK, 0},
    {"T6 trailers-only 0",
     {.headers = HEADERS(":status", "200", "content-type", "application/grpc", "grpc-status", "0")},
     PARLEY_OK,
     0},
    {"T6 trailers-only 5 without content-type",
     {.headers = HEADERS(":status", "200", "grpc-status", "5")},
     PARLEY_NOT_FOUND,
     0},
    {"S7 404", {.headers = HEADERS(":status", "404")}, PARLEY_UNIMPLEMENTED, 0},
    {"S7 503 with a page",
     {.headers = HEADERS(":status", "503", "content-type", "text/html"),
      BODY('<', 'h', '1', '>', 'n', 'o')},
     PARLEY_UNAVAILABLE,
     0},
    {"S7 429", {.headers = HEADERS(":status", "429")}, PARLEY_UNAVAILABLE, 0},
    {"S7 401", {.headers = HEADERS(":status", "401")}, PARLEY_UNAUTHENTICATED, 0},
    {"S7 403", {.headers = HEADERS(":status", "403")}, PARLEY_PERMISSION_DENIED, 0},
    {"S7 400", {.headers = HEADERS(":status", "400")}, PARLEY_INTERNAL, 0},
    {"S7 500", {.headers = HEADERS(":status", "500")}, PARLEY_UNKNOWN, 0},
    {"S7 HTTP 400 with grpc-status 3",
     {.headers = HEADERS(":status", "400", "content-type", "application/grpc", "grpc-status", "3")},
     PARLEY_INVALID_ARGUMENT,
     0},
    {"S7 HTTP 503 with grpc-status 0",
     {.headers = HEADERS(":status", "503", "grpc-status", "0")},
     PARLEY_UNAVAILABLE,
     0},
    {"S1 grpc-status 00",
     {.headers = OK_HEADERS, .trailers = HEADERS("grpc-status", "00")},
     PARLEY_OK,
     0},
    {"S1 grpc-status 16",
     {.headers = OK_HEADERS, .trailers = HEADERS("grpc-status", "16")},
     PARLEY_UNAUTHENTICATED,
     0},
    {"S1 grpc-status 17",
     {.headers = OK_HEADERS, .trailers = HEADERS("grpc-status", "17")},
     PARLEY_UNKNOWN,
     0},
    {"S1 grpc-status 99",
     {.headers = OK_HEADERS, .trailers = HEADERS("grpc-status", "99")},
     PARLEY_UNKNOWN,
     0},
    {"S1 grpc-status abc",
     {.headers = OK_HEADERS, .trailers = HEADERS("grpc-status", "abc")},
     PARLEY_UNKNOWN,
     0},
    {"S1 grpc-status -1",
     {.headers = OK_HEADERS, .trailers = HEADERS("grpc-status", "-1")},
     PARLEY_UNKNOWN,
     0},
    {"S1 grpc-status empty",
     {.headers = OK_HEADERS, .trailers = HEADERS("grpc-status", "")},
     PARLEY_UNKNOWN,
     0},
    {"S1 grpc-status 4294967296",
     {.headers = OK_HEADERS, .trailers = HEADERS("grpc-status", "4294967296")},
     PARLEY_UNKNOWN,
     0},
    {"T9 duplicate grpc-status, last wins",
     {.headers = OK_HEADERS, .trailers = HEADERS("grpc-status", "0", "grpc-status", "5")},
     PARLEY_NOT_FOUND,
     0},
    {"R13 truncated message, status 0",
     {.headers = OK_HEADERS, BODY(0, 0, 0, 0, 9, 'x'), .trailers = OK_TRAILERS},
     PARLEY_INTERNAL,
     0},
    {"R13 truncated prefix, status 5",
     {.headers = OK_HEADERS, BODY(0, 0), .trailers = HEADERS("grpc-status", "5")},
     PARLEY_NOT_FOUND,
     0},
    {"C1 flag 1 without encoding",
     {.headers = OK_HEADERS, BODY(1, 0, 0, 0, 1, 'x'), .trailers = OK_TRAILERS},
     PARLEY_INTERNAL,
     0},
    {"C3 gzip that is none",
     {.headers =
          HEADERS(":status", "200", "content-type", "application/grpc", "grpc-encoding", "gzip"),
      BODY(1, 0, 0, 0, 1, 'x'),
      .trailers = OK_TRAILERS},
     PARLEY_INTERNAL,
     0},
    {"C2 unknown encoding with flag 1",
     {.headers =
          HEADERS(":status", "200", "content-type", "application/grpc", "grpc-encoding", "snappy"),
      BODY(1, 0, 0, 0, 1, 'x'),
      .trailers = OK_TRAILERS},
     PARLEY_INTERNAL,
     0},
    {"C2 unknown encoding with flag 0",
     {.headers =
          HEADERS(":status", "200", "content-type", "application/grpc", "grpc-encoding", "snappy"),
      BODY(HI),
      .trailers = OK_TRAILERS},
     PARLEY_OK,
     1},
    {"R12 flag 2",
     {.headers = OK_HEADERS, BODY(2, 0, 0, 0, 1, 'x'), .trailers = OK_TRAILERS},
     PARLEY_INTERNAL,
     0},
    {"R14 4 GiB",
     {.headers = OK_HEADERS, BODY(0, 0xff, 0xff, 0xff, 0xff), .trailers = OK_TRAILERS},
     PARLEY_RESOURCE_EXHAUSTED,
     0},
    {"R14 over 4 MiB, and no end",
     {.headers = OK_HEADERS, BODY(0, 0, 0x40, 0, 1, 'x'), .is_open_ended = true},
     PARLEY_RESOURCE_EXHAUSTED,
     0},
    {"M2 -bin comma-joined",
     {.headers = OK_HEADERS, BODY(HI), .trailers = HEADERS("grpc-status", "0", "x-bin", "qw,zQ==")},
     PARLEY_OK,
     1},
    {"M2 -bin invalid base64 is dropped",
     {.headers = OK_HEADERS, BODY(HI), .trailers = HEADERS("grpc-status", "0", "x-bin", "?!")},
     PARLEY_OK,
     1},
    {"S4 details that are no base64",
     {.headers = OK_HEADERS,
      .trailers = HEADERS("grpc-status", "5", "grpc-status-details-bin", "?!")},
     PARLEY_NOT_FOUND,
     0},
    {"9 KB trailer",
     {.headers = OK_HEADERS, BODY(HI), .trailers = HEADERS("grpc-status", "0", "x-big", nine_kb)},
     PARLEY_OK,
     1},
    {"CL16 20 KB trailer",
     {.headers = OK_HEADERS, BODY(HI), .trailers = HEADERS("grpc-status", "0", "x-big", twenty_kb)},
     PARLEY_RESOURCE_EXHAUSTED,
     1},
    {"T10 grpc-status in headers with a body after them",
     {.headers = HEADERS(":status", "200", "content-type", "application/grpc", "grpc-status", "5"),
      BODY(HI),
      .trailers = OK_TRAILERS},
     PARLEY_OK,
     1},
    {"S7 103 before the headers",
     {.headers = HEADERS(":status", "103", ":status", "200", "content-type", "application/grpc"),
      BODY(HI),
      .trailers = OK_TRAILERS},
     PARLEY_OK,
     1},
};

static int fill_big_values(void **state)
{
    (void)state;
    memset(nine_kb, 'v', sizeof(nine_kb) - 1);
    /* Five bits each: one frame. nghttp2 1.52 counts each piece of the header of a CONTINUATION as
     * one more of them. */
    memset(twenty_kb, 'a', sizeof(twenty_kb) - 1);
    return 0;
}

static void test_appendix_a_row_for_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]) * 2; i++) {
        const struct row *row = &ROWS[i / 2];
        struct caller caller = {0};
        struct called called = {0};
        struct raw_peer *peer = raw_peer_new(true, &CALLER_EVENTS, &caller, NULL);
        peer->piece = i % 2;
        print_message("  %s\n", row->name);
        caller_call(peer, &row->script, &called);
        assert_false(peer->is_failed);
        assert_int_equal(called.closes, 1);
        assert_int_equal(called.code, row->code);
        assert_int_equal(called.messages, row->messages);
        assert_int_equal(pl_session_stream_count(peer->session), 0);
        /* The connection is as good as new. */
        caller_call(peer, &ROWS[0].script, &called);
        assert_int_equal(called.code, PARLEY_OK);
        assert_int_equal(called.messages, 1);
        raw_peer_free(peer);
    }
}

static void test_s8_reset_row_for_row(void **state)
{
    (void)state;
    for (uint32_t h2_error = 0; h2_error <= 14; h2_error++) {
        for (int has_headers = 0; has_headers < 2; has_headers++) {
            struct caller caller = {0};
            struct called called = {0};
            struct raw_peer *peer = raw_peer_new(true, &CALLER_EVENTS, &caller, NULL);
            caller_call(peer,
                        &(struct raw_script){.headers = has_headers ? OK_HEADERS : NULL,
                                             .is_reset = true,
                                             .reset_error = h2_error},
                        &called);
            assert_int_equal(called.closes, 1);
            assert_int_equal(called.code, pl_status_from_h2(h2_error));
            assert_int_equal(called.is_unprocessed, h2_error == NGHTTP2_REFUSED_STREAM);
            raw_peer_free(peer);
        }
    }
}

static void test_s2_s4_message_and_details_are_decoded(void **state)
{
    (void)state;
    struct caller caller = {0};
    struct called called = {0};
    struct raw_peer *peer = raw_peer_new(true, &CALLER_EVENTS, &caller, NULL);
    caller_call(peer,
                &(struct raw_script){.headers = OK_HEADERS,
                                     .trailers = HEADERS("grpc-status", "5", "grpc-message",
                                                         "not found %E2%9C%93 %ZZ", "x-a", "1",
                                                         "grpc-status-details-bin", "CAUSA25v",
                                                         "grpc-retry-pushback-ms", "7")},
                &called);
    assert_int_equal(called.code, PARLEY_NOT_FOUND);
    assert_string_equal(called.message, "not found \xe2\x9c\x93 %ZZ");
    assert_int_equal(called.details_len, 6);
    assert_int_equal(called.trailers_count, 2); /* x-a and the pushback */
    assert_int_equal(called.headers, 1);
    assert_int_equal(caller.readies, 1);
    raw_peer_free(peer);
}

static void test_t6_trailers_only_gives_no_headers_event(void **state)
{
    (void)state;
    struct caller caller = {0};
    struct called called = {0};
    struct raw_peer *peer = raw_peer_new(true, &CALLER_EVENTS, &caller, NULL);
    caller_call(peer,
                &(struct raw_script){.headers = HEADERS(":status", "200", "content-type",
                                                        "application/grpc", "grpc-status", "5",
                                                        "x-a", "1")},
                &called);
    assert_int_equal(called.headers, 0);
    assert_int_equal(called.trailers_count, 1);
    raw_peer_free(peer);
}

static void test_f7_padding_is_given_back_to_the_window(void **state)
{
    (void)state;
    /* Frames of five bytes and 255 of padding: twelve times the stream's window. */
    static const uint8_t body[5 * 3000];
    struct caller caller = {0};
    struct called called = {0};
    struct raw_peer *peer = raw_peer_new(true, &CALLER_EVENTS, &caller, NULL);
    caller_call(peer,
                &(struct raw_script){.headers = OK_HEADERS,
                                     .body = body,
                                     .body_len = sizeof(body),
                                     .frame_bytes = 5,
                                     .padding = 255,
                                     .trailers = OK_TRAILERS},
                &called);
    assert_int_equal(called.code, PARLEY_OK);
    assert_int_equal(called.messages, 3000);
    raw_peer_free(peer);
}

static void test_cl13_trailers_before_our_half_close_are_followed_by_a_reset(void **state)
{
    (void)state;
    struct caller caller = {0};
    struct called called = {0};
    struct raw_peer *peer = raw_peer_new(true, &CALLER_EVENTS, &caller, NULL);
    peer->script =
        (struct raw_script){.headers = OK_HEADERS, .trailers = HEADERS("grpc-status", "8")};
    assert_int_equal(caller_open(peer, NULL, &called), PARLEY_OK);
    raw_pump(peer);
    assert_int_equal(called.closes, 1);
    assert_int_equal(called.code, PARLEY_RESOURCE_EXHAUSTED);
    assert_true(peer->seen.is_reset);
    assert_int_equal(peer->seen.reset_error, NGHTTP2_NO_ERROR);
    assert_int_equal(pl_session_stream_count(peer->session), 0);
    raw_peer_free(peer);
}

static void test_cl13_no_reset_if_the_server_has_reset_already(void **state)
{
    (void)state;
    /* HEADERS(END_STREAM) {:status 200, grpc-status 5} and RST_STREAM(NO_ERROR) in one piece. */
    static const uint8_t frames[] = {0,   0,   16,  1,   5,   0,   0,   0,   1,   0x88, 0, 11,  'g',
                                     'r', 'p', 'c', '-', 's', 't', 'a', 't', 'u', 's',  1, '5', 0,
                                     0,   4,   3,   0,   0,   0,   0,   1,   0,   0,    0, 0};
    struct caller caller = {0};
    struct called called = {0};
    struct raw_peer *peer = raw_peer_new(true, &CALLER_EVENTS, &caller, NULL);
    peer->script = (struct raw_script){.headers = NULL};
    assert_int_equal(caller_open(peer, NULL, &called), PARLEY_OK);
    raw_pump(peer);
    raw_feed(peer, frames, sizeof(frames));
    assert_int_equal(called.closes, 1);
    assert_int_equal(called.code, PARLEY_NOT_FOUND);
    raw_pump(peer);
    assert_false(peer->seen.is_reset);
    raw_peer_free(peer);
}

static void test_cl5_goaway_ends_what_is_above_its_id(void **state)
{
    (void)state;
    struct caller caller = {0};
    struct called called[3];
    struct raw_peer *peer = raw_peer_new(true, &CALLER_EVENTS, &caller, NULL);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(caller_open(peer, NULL, &called[i]), PARLEY_OK);
    }
    raw_pump(peer);
    assert_int_equal(nghttp2_submit_goaway(peer->h2, 0, 3, NGHTTP2_NO_ERROR, NULL, 0), 0);
    raw_pump(peer);
    assert_int_equal(caller.goaways, 1);
    assert_int_equal(called[0].closes, 0);
    assert_int_equal(called[1].closes, 0);
    assert_int_equal(called[2].closes, 1);
    assert_int_equal(called[2].code, PARLEY_UNAVAILABLE);
    assert_true(called[2].is_unprocessed);
    struct called late;
    assert_int_equal(caller_open(peer, NULL, &late), PARLEY_UNAVAILABLE);
    raw_peer_free(peer);
    assert_int_equal(called[0].closes, 1);
    assert_int_equal(called[0].code, PARLEY_UNAVAILABLE);
    assert_false(called[0].is_unprocessed); /* it was sent: nobody knows */
}

static void test_cl10_calls_over_the_limit_wait_and_goaway_ends_their_wait(void **state)
{
    (void)state;
    struct caller caller = {0};
    struct called called[3];
    struct raw_peer *peer = raw_peer_new(true, &CALLER_EVENTS, &caller, NULL);
    nghttp2_settings_entry one = {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1};
    assert_int_equal(nghttp2_submit_settings(peer->h2, 0, &one, 1), 0);
    raw_pump(peer);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(caller_open(peer, NULL, &called[i]), PARLEY_OK);
    }
    raw_pump(peer);
    assert_int_equal(called[1].closes, 0);
    pl_stream_cancel(called[1].stream, NGHTTP2_CANCEL); /* while it waits */
    raw_pump(peer);
    assert_int_equal(called[1].closes, 1);
    assert_int_equal(called[1].code, PARLEY_CANCELLED);
    assert_int_equal(nghttp2_submit_goaway(peer->h2, 0, 1, NGHTTP2_NO_ERROR, NULL, 0), 0);
    raw_pump(peer);
    assert_int_equal(called[0].closes, 0);
    assert_int_equal(called[2].closes, 1);
    assert_int_equal(called[2].code, PARLEY_UNAVAILABLE);
    assert_true(called[2].is_unprocessed);
    raw_peer_free(peer);
    assert_int_equal(called[0].closes + called[1].closes + called[2].closes, 3);
}

static void test_cl9_half_close_rides_on_the_last_message_or_goes_alone(void **state)
{
    (void)state;
    for (int is_late = 0; is_late < 2; is_late++) {
        struct caller caller = {0};
        struct called called = {0};
        struct raw_peer *peer = raw_peer_new(true, &CALLER_EVENTS, &caller, NULL);
        peer->script = (struct raw_script){.headers = OK_HEADERS, .is_open_ended = true};
        assert_int_equal(caller_open(peer, NULL, &called), PARLEY_OK);
        struct pl_buf *buf = pair_message(2, 'q');
        (void)pl_stream_write(called.stream, buf, 0);
        pl_buf_unref(buf);
        if (is_late) {
            raw_pump(peer);
            assert_int_equal(peer->seen.data_frames, 1);
        }
        pl_stream_half_close(called.stream);
        raw_pump(peer);
        assert_int_equal(peer->seen.data_frames, 1 + is_late);
        assert_int_equal(peer->seen.data_len, 5 + 2); /* the second frame is empty */
        assert_true(peer->seen.is_end_in_data);
        raw_peer_free(peer);
    }
}

static void test_cl15_client_says_who_it_is(void **state)
{
    (void)state;
    struct caller caller = {0};
    struct called called = {0};
    struct raw_peer *peer = raw_peer_new(true, &CALLER_EVENTS, &caller, NULL);
    caller_call(peer, &(struct raw_script){.headers = OK_HEADERS, .trailers = OK_TRAILERS},
                &called);
    assert_memory_equal(peer->seen.user_agent, "grpc-c-parley/", 14);
    raw_peer_free(peer);
}

static void test_s8_connection_loss_is_unavailable(void **state)
{
    (void)state;
    struct caller caller = {0};
    struct called sent;
    struct called unsent;
    struct raw_peer *peer = raw_peer_new(true, &CALLER_EVENTS, &caller, NULL);
    assert_int_equal(caller_open(peer, NULL, &sent), PARLEY_OK);
    raw_pump(peer);
    assert_int_equal(caller_open(peer, NULL, &unsent), PARLEY_OK);
    raw_peer_free(peer);
    assert_int_equal(sent.code, PARLEY_UNAVAILABLE);
    assert_false(sent.is_unprocessed);
    assert_int_equal(unsent.code, PARLEY_UNAVAILABLE);
    assert_true(unsent.is_unprocessed);
}

static void test_m6_secrets_are_never_indexed(void **state)
{
    (void)state;
    struct caller caller = {0};
    struct called called;
    struct raw_peer *peer = raw_peer_new(true, &CALLER_EVENTS, &caller, NULL);
    parley_metadata *metadata = parley_metadata_new();
    assert_int_equal(parley_metadata_add(metadata, "authorization", "Bearer x"), 0);
    assert_int_equal(parley_metadata_add(metadata, "x-trace", "1"), 0);
    assert_int_equal(caller_open(peer, metadata, &called), PARLEY_OK);
    parley_metadata_free(metadata); /* it was copied */
    raw_pump(peer);
    assert_int_equal(peer->seen.never_indexed, 1);
    raw_peer_free(peer);
}

static void test_metadata_that_no_frame_can_carry_is_refused(void **state)
{
    (void)state;
    struct caller caller = {0};
    struct called called;
    struct raw_peer *peer = raw_peer_new(true, &CALLER_EVENTS, &caller, NULL);
    parley_metadata *metadata = parley_metadata_new();
    for (int i = 0; i < 10; i++) {
        assert_int_equal(parley_metadata_add(metadata, "x-big", twenty_kb), 0);
    }
    assert_int_equal(caller_open(peer, metadata, &called), PARLEY_RESOURCE_EXHAUSTED);
    parley_metadata_free(metadata);
    caller_call(peer, &ROWS[0].script, &called);
    assert_int_equal(called.code, PARLEY_OK);
    raw_peer_free(peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_appendix_a_row_for_row),
        cmocka_unit_test(test_s8_reset_row_for_row),
        cmocka_unit_test(test_s2_s4_message_and_details_are_decoded),
        cmocka_unit_test(test_t6_trailers_only_gives_no_headers_event),
        cmocka_unit_test(test_f7_padding_is_given_back_to_the_window),
        cmocka_unit_test(test_cl13_trailers_before_our_half_close_are_followed_by_a_reset),
        cmocka_unit_test(test_cl13_no_reset_if_the_server_has_reset_already),
        cmocka_unit_test(test_cl5_goaway_ends_what_is_above_its_id),
        cmocka_unit_test(test_cl10_calls_over_the_limit_wait_and_goaway_ends_their_wait),
        cmocka_unit_test(test_cl9_half_close_rides_on_the_last_message_or_goes_alone),
        cmocka_unit_test(test_cl15_client_says_who_it_is),
        cmocka_unit_test(test_s8_connection_loss_is_unavailable),
        cmocka_unit_test(test_m6_secrets_are_never_indexed),
        cmocka_unit_test(test_metadata_that_no_frame_can_carry_is_refused),
    };
    return cmocka_run_group_tests(tests, fill_big_values, NULL);
}
