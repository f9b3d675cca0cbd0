/* SPDX-License-Identifier: Apache-2.0 */
/* What a server may send, by a client whose every frame is written by hand (RFC 9113, 5.2, 6.9). */
#include "hand_client.h"
#include "session_pair.h"
#include "support/check.h"
#include "support/h2_frame.h"
#include "wire/session_impl.h"

#include <stdlib.h>

#define WINDOW_START 65535
#define STREAMS      3

/* Our server, and what it has sent to a client that is not there. */
struct served {
    struct hand_client client;
    struct pl_stream *streams[STREAMS]; /* in the order of their requests; NULL: closed */
    size_t stream_count;
    enum parley_code received;
    size_t data[2 * STREAMS]; /* bytes of DATA on each stream id */
    uint8_t order[64];        /* stream ids of DATA frames */
    size_t order_len;
    uint32_t reset[2 * STREAMS]; /* the error of a RST_STREAM + 1 */
    uint32_t goaway;             /* the error of a GOAWAY + 1 */
    size_t late_data;            /* bytes of DATA after a GOAWAY for an error */
    int empty_blocks;            /* HEADERS without a field */
    int ends[2 * STREAMS];       /* frames with END_STREAM */
};

static void on_request(void *owner, struct pl_stream *stream)
{
    struct served *served = owner;
    served->streams[served->stream_count++] = stream;
}

static void on_close(void *owner, struct pl_stream *stream, const struct pl_status *status)
{
    struct served *served = owner;
    (void)status;
    for (size_t i = 0; i < served->stream_count; i++) {
        if (served->streams[i] == stream) {
            served->streams[i] = NULL;
        }
    }
}

static const struct pl_session_events EVENTS = {.on_request = on_request, .on_close = on_close};

static void note_frame(void *owner, const struct hand_frame *frame)
{
    struct served *served = owner;
    uint32_t id = frame->id;
    assert_true(id < PL_COUNT(served->data));
    served->ends[id] +=
        frame->type <= NGHTTP2_HEADERS && (frame->flags & NGHTTP2_FLAG_END_STREAM) != 0;
    served->empty_blocks += frame->type == NGHTTP2_HEADERS && frame->len == 0;
    if (frame->type == NGHTTP2_DATA) {
        served->data[id] += frame->len;
        served->late_data += served->goaway > 1 ? frame->len : 0;
        served->order[served->order_len++ % sizeof(served->order)] = (uint8_t)id;
    } else if (frame->type == NGHTTP2_RST_STREAM) {
        served->reset[id] = h2_number(frame->payload) + 1;
    } else if (frame->type == NGHTTP2_GOAWAY) {
        served->goaway = h2_number(frame->payload + 4) + 1;
    }
}

/* All that the server has to say now. */
static void hear(struct served *served)
{
    bool more = true;
    while (more) {
        more = hand_hear(&served->client, note_frame, served);
    }
}

/* What was put, and hear. */
static void send_said(struct served *served)
{
    served->received = hand_send(&served->client, SIZE_MAX);
    hear(served);
}

static void say(struct served *served, const void *bytes, size_t len)
{
    hand_put(&served->client, bytes, len);
    send_said(served);
}

static void say_frame(struct served *served, uint8_t type, uint8_t flags, uint32_t id,
                      const void *payload, size_t len)
{
    hand_put_frame(&served->client, type, flags, id, payload, len);
    send_said(served);
}

static void say_window(struct served *served, uint32_t id, uint32_t by)
{
    hand_put_window(&served->client, id, by);
    send_said(served);
}

static void say_initial_window(struct served *served, uint32_t bytes)
{
    hand_put_initial_window(&served->client, bytes);
    send_said(served);
}

static void say_request(struct served *served, uint32_t id)
{
    hand_put_request(&served->client, id, SIZE_MAX);
    send_said(served);
    assert_int_equal(served->received, PARLEY_OK);
}

/* @param streams  requests that have been made */
static struct served *new_served(size_t streams)
{
    struct served *served = calloc(1, sizeof(*served));
    assert_non_null(served);
    const struct pl_session_options options = {
        .events = &EVENTS, .owner = served, .is_server = true, .may_rest = true};
    hand_init(&served->client, &options);
    send_said(served);
    for (size_t i = 0; i < streams; i++) {
        say_request(served, (uint32_t)(2 * i + 1));
        assert_int_equal(served->stream_count, i + 1);
    }
    return served;
}

static void free_served(struct served *served)
{
    hand_deinit(&served->client);
    free(served);
}

/* For plain_path. */
static void say_plain_request(struct served *served, uint32_t id, uint8_t flags)
{
    static const char block[] = "\0\7:method\3GET\0\7:scheme\4http\0\5:path\10/healthz"
                                "\0\12:authority\1x";
    served->client.session->plain_path = "/healthz";
    served->client.session->plain_text = "serving";
    say_frame(served, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | flags, id, block,
              sizeof(block) - 1);
    assert_int_equal(served->received, PARLEY_OK);
}

static void write_bytes(struct served *served, size_t index, size_t len)
{
    struct pl_buf *message = pair_message(len - 5, 'w');
    (void)pl_stream_write(served->streams[index], message, 0);
    pl_buf_unref(message);
    hear(served);
}

static void finish(struct served *served, size_t index)
{
    const struct pl_status ok = {.code = PARLEY_OK};
    pl_stream_finish(served->streams[index], &ok, NULL);
    hear(served);
}

static void test_a_server_sends_what_the_windows_allow(void **state)
{
    (void)state;
    struct served *served = new_served(2);
    say_window(served, 0, 100000);
    write_bytes(served, 0, WINDOW_START + 1000);
    assert_int_equal(served->data[1], WINDOW_START);
    say_window(served, 1, 300);
    assert_int_equal(served->data[1], WINDOW_START + 300);
    say_window(served, 1, 10000);
    assert_int_equal(served->data[1], WINDOW_START + 1000);
    /* The connection has 100,000 - 1,000 left. */
    say_window(served, 3, 1000000);
    write_bytes(served, 1, 200000);
    assert_int_equal(served->data[3], 99000);
    say_window(served, 0, 1);
    assert_int_equal(served->data[3], 99001);
    say_window(served, 0, 1000000);
    assert_int_equal(served->data[3], 200000);
    free_served(served);
}

static void test_settings_move_the_windows_of_open_streams(void **state)
{
    (void)state;
    struct served *served = new_served(1);
    say_window(served, 0, 1000000);
    say_initial_window(served, 100); /* one that is open has 100 then, too */
    write_bytes(served, 0, 1000);
    assert_int_equal(served->data[1], 100);
    say_initial_window(served, 50); /* 50 below nothing */
    say_window(served, 1, 50);
    assert_int_equal(served->data[1], 100);
    say_initial_window(served, 60);
    assert_int_equal(served->data[1], 110);
    say_request(served, 3);
    write_bytes(served, 1, 1000);
    assert_int_equal(served->data[3], 60);
    say_initial_window(served, 5000);
    assert_int_equal(served->data[1], 1000);
    assert_int_equal(served->data[3], 1000);
    free_served(served);
}

static void test_streams_take_turns_by_frames(void **state)
{
    (void)state;
    static const uint8_t turns[] = {1, 3, 5, 1, 3, 5, 1, 5, 5};
    struct served *served = new_served(STREAMS);
    static const size_t lens[] = {40000, 20000, 60000};
    say_window(served, 0, 1);
    say_window(served, 0, 1000000);
    for (size_t i = 0; i < STREAMS; i++) {
        struct pl_buf *message = pair_message(lens[i] - 5, 'w');
        (void)pl_stream_write(served->streams[i], message, 0);
        pl_buf_unref(message);
    }
    hear(served);
    assert_int_equal(served->order_len, PL_COUNT(turns));
    assert_memory_equal(served->order, turns, sizeof(turns));
    free_served(served);
}

/* T4. */
static void test_t4_trailers_wait_for_data_that_waits_for_a_window(void **state)
{
    (void)state;
    struct served *served = new_served(2);
    write_bytes(served, 0, WINDOW_START + 10);
    finish(served, 0);
    assert_int_equal(served->ends[1], 0);
    /* The connection's window is shut: what ends without data ends all the same. */
    pl_stream_send_headers(served->streams[1], NULL);
    finish(served, 1);
    assert_int_equal(served->ends[3], 1);
    say_window(served, 0, 100);
    assert_int_equal(served->ends[1], 0);
    say_window(served, 1, 100);
    assert_int_equal(served->data[1], WINDOW_START + 10);
    assert_int_equal(served->ends[1], 1);
    free_served(served);
}

static void test_a_stream_that_is_reset_sends_nothing_more(void **state)
{
    (void)state;
    struct served *served = new_served(1);
    write_bytes(served, 0, WINDOW_START + 1000);
    pl_stream_cancel(served->streams[0], NGHTTP2_CANCEL);
    say_window(served, 0, 1000);
    say_window(served, 1, 1000);
    assert_int_equal(served->data[1], WINDOW_START);
    assert_int_equal(served->reset[1], NGHTTP2_CANCEL + 1);
    assert_int_equal(pl_session_queued_bytes(served->client.session), 0);
    free_served(served);
}

static void test_a_streams_window_that_overflows_ends_the_stream(void **state)
{
    (void)state;
    struct served *served = new_served(2);
    say_window(served, 1, INT32_MAX - WINDOW_START);
    assert_int_equal(served->reset[1], 0);
    say_window(served, 1, 1);
    assert_int_equal(served->received, PARLEY_OK);
    assert_int_equal(served->reset[1], NGHTTP2_FLOW_CONTROL_ERROR + 1);
    assert_null(served->streams[0]);
    write_bytes(served, 1, 100);
    assert_int_equal(served->data[3], 100);
    free_served(served);
}

static void test_the_connections_window_that_overflows_ends_it(void **state)
{
    (void)state;
    struct served *served = new_served(1);
    say_window(served, 0, INT32_MAX - WINDOW_START);
    assert_int_equal(served->received, PARLEY_OK);
    say_window(served, 0, 1);
    assert_int_not_equal(served->received, PARLEY_OK);
    assert_int_equal(served->goaway, NGHTTP2_FLOW_CONTROL_ERROR + 1);
    assert_true(pl_session_is_over(served->client.session));
    free_served(served);
}

static void test_settings_that_overflow_a_window_end_the_connection(void **state)
{
    (void)state;
    struct served *served = new_served(1);
    say_window(served, 1, INT32_MAX - WINDOW_START);
    say_initial_window(served, WINDOW_START + 1);
    assert_int_not_equal(served->received, PARLEY_OK);
    assert_int_equal(served->goaway, NGHTTP2_FLOW_CONTROL_ERROR + 1);
    free_served(served);
}

/* More than 2 GiB on one stream: the windows are moved on for ever. */
static void test_windows_last_for_more_than_they_can_hold(void **state)
{
    (void)state;
    struct served *served = new_served(1);
    const uint32_t each = 1000000;
    say_window(served, 1, INT32_MAX - WINDOW_START);
    say_window(served, 0, INT32_MAX - WINDOW_START);
    for (int i = 0; i < 2200; i++) {
        write_bytes(served, 0, each);
        say_window(served, 1, each);
        say_window(served, 0, each);
    }
    assert_int_equal(served->received, PARLEY_OK);
    assert_int_equal(served->data[1], 2200 * (size_t)each);
    free_served(served);
}

static void test_window_updates_that_break_the_rules_end_the_connection(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        uint32_t id;
        uint32_t by;
    } rows[] = {
        {"of nothing, to a stream", 1, 0},
        {"of nothing, to the connection", 0, 0},
        {"to a stream that never was", 5, 1},
    };
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        struct served *served = new_served(1);
        say_window(served, rows[i].id, rows[i].by);
        if (served->goaway != NGHTTP2_PROTOCOL_ERROR + 1) {
            fail_msg("%s: goaway %u", rows[i].what, served->goaway);
        }
        free_served(served);
    }
}

static void check_window_update_amid_headers(struct served *served)
{
    say_frame(served, NGHTTP2_HEADERS, 0, 3, "\0\1a\1b", 5);
    say_window(served, 0, 1);
    assert_int_equal(served->goaway, NGHTTP2_PROTOCOL_ERROR + 1);
    free_served(served);
}

static void test_a_window_update_amid_headers_ends_the_connection(void **state)
{
    (void)state;
    check_window_update_amid_headers(new_served(1));
}

/* Nearly all that a subscriber's connection does. */
static void test_messages_and_windows_do_not_wake_nghttp2(void **state)
{
    (void)state;
    struct served *served = new_served(1);
    write_bytes(served, 0, 100); /* the headers */
    pl_session_rest(served->client.session);
    pl_session_rest(served->client.session);
    assert_true(pl_h2_memory_is_packed(&served->client.session->memory));
    for (int i = 0; i < 10; i++) {
        write_bytes(served, 0, 10000);
        say_window(served, 1, 10000);
        say_window(served, 0, 10000);
        assert_false(pl_session_is_over(served->client.session));
        pl_session_rest(served->client.session);
    }
    assert_true(pl_h2_memory_is_packed(&served->client.session->memory));
    assert_int_equal(served->data[1], 100100);
    finish(served, 0);
    assert_int_equal(served->ends[1], 1);
    free_served(served);
}

/* A client's trailers that crossed our reset: nghttp2 ignores the block. */
static void say_ignored_headers(struct served *served)
{
    pl_stream_cancel(served->streams[0], NGHTTP2_CANCEL);
    hear(served);
    say_frame(served, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 1,
              "\0\1a\1b", 5);
    assert_int_equal(served->received, PARLEY_OK);
}

static void test_a_window_update_after_headers_that_are_ignored_counts(void **state)
{
    (void)state;
    struct served *served = new_served(2);
    say_ignored_headers(served);
    say_window(served, 0, 1000000);
    say_window(served, 3, 1000000);
    write_bytes(served, 1, 200000);
    assert_int_equal(served->data[3], 200000);
    free_served(served);
}

static void test_a_window_that_overflows_ends_a_stream_without_a_user(void **state)
{
    (void)state;
    struct served *served = new_served(0);
    say_plain_request(served, 1, 0);
    say_window(served, 1, INT32_MAX);
    assert_int_equal(served->reset[1], NGHTTP2_FLOW_CONTROL_ERROR + 1);
    free_served(served);
}

static void test_no_data_follows_a_goaway_for_an_error(void **state)
{
    (void)state;
    struct served *served = new_served(1);
    write_bytes(served, 0, WINDOW_START + 1000);
    /* One of nothing, and then as they should be. */
    say(served,
        "\0\0\4\10\0\0\0\0\0\0\0\0\0"
        "\0\0\4\10\0\0\0\0\1\0\0\10\0"
        "\0\0\4\10\0\0\0\0\0\0\0\10\0",
        39);
    assert_int_equal(served->goaway, NGHTTP2_PROTOCOL_ERROR + 1);
    assert_int_equal(served->late_data, 0);
    free_served(served);
}

static void test_a_window_update_amid_headers_after_goaway_ends_the_connection(void **state)
{
    (void)state;
    struct served *served = new_served(1);
    pl_session_goaway(served->client.session, NGHTTP2_NO_ERROR, NULL);
    hear(served);
    check_window_update_amid_headers(served);
}

static void test_a_plain_answer_has_no_empty_headers(void **state)
{
    (void)state;
    struct served *served = new_served(0);
    say_plain_request(served, 1, NGHTTP2_FLAG_END_STREAM);
    assert_int_equal(served->data[1], 7);
    assert_int_equal(served->ends[1], 1);
    assert_int_equal(served->empty_blocks, 0);
    free_served(served);
}

static void test_headers_that_are_ignored_leave_no_block_open(void **state)
{
    (void)state;
    struct served *served = new_served(2);
    say_ignored_headers(served);
    assert_int_equal(pl_session_open_block(served->client.session), 0);
    free_served(served);
}

static void test_a_stream_that_nghttp2_resets_sends_nothing_more(void **state)
{
    (void)state;
    struct served *served = new_served(2);
    write_bytes(served, 0, WINDOW_START + 1000);
    say_window(served, 0, 100000);
    /* Trailers that do not end the stream; and its window opens with them. */
    static const char bytes[] = "\0\0\5\1\4\0\0\0\1\0\1a\1b"
                                "\0\0\4\10\0\0\0\0\1\0\0\10\0";
    say(served, bytes, sizeof(bytes) - 1);
    assert_int_not_equal(served->reset[1], 0);
    assert_int_equal(served->data[1], WINDOW_START);
    free_served(served);
}

static void test_a_continuation_may_come_byte_by_byte(void **state)
{
    (void)state;
    struct served *served = new_served(1);
    static const char bytes[] = "\0\0\5\1\1\0\0\0\1\0\1a\1b"
                                "\0\0\5\11\4\0\0\0\1\0\1a\1b";
    for (size_t i = 0; i < sizeof(bytes) - 1; i++) {
        say(served, bytes + i, 1);
    }
    assert_int_equal(served->received, PARLEY_OK);
    assert_int_equal(served->goaway, 0);
    free_served(served);
}

static void test_two_readers_let_nghttp2_rest(void **state)
{
    (void)state;
    struct served *served = new_served(2);
    write_bytes(served, 0, 100);
    write_bytes(served, 1, 100);
    pl_session_rest(served->client.session);
    pl_session_rest(served->client.session);
    assert_true(pl_h2_memory_is_packed(&served->client.session->memory));
    say_window(served, 1, 100);
    say_window(served, 3, 100);
    assert_true(pl_h2_memory_is_packed(&served->client.session->memory));
    free_served(served);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_server_sends_what_the_windows_allow),
        cmocka_unit_test(test_settings_move_the_windows_of_open_streams),
        cmocka_unit_test(test_streams_take_turns_by_frames),
        cmocka_unit_test(test_t4_trailers_wait_for_data_that_waits_for_a_window),
        cmocka_unit_test(test_a_stream_that_is_reset_sends_nothing_more),
        cmocka_unit_test(test_a_streams_window_that_overflows_ends_the_stream),
        cmocka_unit_test(test_the_connections_window_that_overflows_ends_it),
        cmocka_unit_test(test_settings_that_overflow_a_window_end_the_connection),
        cmocka_unit_test(test_windows_last_for_more_than_they_can_hold),
        cmocka_unit_test(test_window_updates_that_break_the_rules_end_the_connection),
        cmocka_unit_test(test_a_window_update_amid_headers_ends_the_connection),
        cmocka_unit_test(test_messages_and_windows_do_not_wake_nghttp2),
        cmocka_unit_test(test_a_window_update_after_headers_that_are_ignored_counts),
        cmocka_unit_test(test_a_window_that_overflows_ends_a_stream_without_a_user),
        cmocka_unit_test(test_no_data_follows_a_goaway_for_an_error),
        cmocka_unit_test(test_a_window_update_amid_headers_after_goaway_ends_the_connection),
        cmocka_unit_test(test_a_plain_answer_has_no_empty_headers),
        cmocka_unit_test(test_headers_that_are_ignored_leave_no_block_open),
        cmocka_unit_test(test_a_stream_that_nghttp2_resets_sends_nothing_more),
        cmocka_unit_test(test_a_continuation_may_come_byte_by_byte),
        cmocka_unit_test(test_two_readers_let_nghttp2_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
