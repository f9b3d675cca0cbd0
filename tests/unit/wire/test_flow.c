/* SPDX-License-Identifier: Apache-2.0 */
/* Flow control (F1 to F3, F5): messages larger than a window, a reader that pauses, a writer that
 * is told to stop and to go on. */
#include "session_pair.h"
#include "support/check.h"
#include "wire/session_impl.h"

#include <string.h>

#define KIB 1024U

static struct pair *new_echo(void)
{
    struct pair *pair = pair_new(NULL, NULL);
    assert_non_null(pair);
    pair->server.hooks.on_message = pair_echo_message;
    pair->server.hooks.on_half_close = pair_finish_ok;
    return pair;
}

static void test_f3_message_larger_than_the_window_gets_through(void **state)
{
    (void)state;
    static const size_t pieces[] = {0, 1000};
    for (size_t i = 0; i < 2; i++) {
        struct pair *pair = new_echo();
        pair->piece = pieces[i];
        struct pair_log *call = pair_open(pair, "/a.B/C");
        (void)pair_write(call, 200 * KIB, 'x'); /* both windows of a stream are 64 KiB */
        pl_stream_half_close(call->stream);
        pair_pump(pair);
        assert_int_equal(call->closes, 1);
        assert_int_equal(call->code, PARLEY_OK);
        assert_int_equal(call->messages, 1);
        assert_int_equal(call->bytes_len, 200 * KIB);
        assert_int_equal(call->bytes[200 * KIB - 1], 'x');
        pair_free(pair);
    }
}

static void test_f2_more_than_the_connection_window_gets_through(void **state)
{
    (void)state;
    struct pair *pair = new_echo();
    struct pair_log *calls[4];
    for (size_t i = 0; i < 4; i++) {
        calls[i] = pair_open(pair, "/a.B/C");
        (void)pair_write(calls[i], 2000 * KIB, (uint8_t)i);
        pl_stream_half_close(calls[i]->stream);
    }
    pair_pump(pair);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(calls[i]->code, PARLEY_OK);
        assert_int_equal(calls[i]->bytes_len, 2000 * KIB);
        assert_int_equal(calls[i]->bytes[2000 * KIB - 1], i);
    }
    pair_free(pair);
}

static void pause_first(struct pair *pair, struct pair_log *log)
{
    if (pair->server.count == 1) {
        pl_stream_pause(log->stream, true);
    }
}

static void test_f1_paused_stream_stalls_only_itself(void **state)
{
    (void)state;
    struct pair *pair = new_echo();
    pair->server.hooks.on_request = pause_first;
    struct pair_log *paused = pair_open(pair, "/a.B/C");
    for (int i = 0; i < 40; i++) {
        (void)pair_write(paused, 100 * KIB, 'p'); /* four times the connection's window */
    }
    pl_stream_half_close(paused->stream);
    pair_pump(pair);
    /* One window of it was sent, and none was delivered. */
    assert_in_range(pair->to_server_bytes, 60 * KIB, 70 * KIB);
    assert_int_equal(pair->server.logs[0]->messages, 0);
    struct pair_log *other = pair_open(pair, "/a.B/C");
    (void)pair_write(other, 300 * KIB, 'o');
    pl_stream_half_close(other->stream);
    pair_pump(pair);
    assert_int_equal(other->code, PARLEY_OK);
    assert_int_equal(other->bytes_len, 300 * KIB);
    assert_int_equal(paused->closes, 0);
    pl_stream_pause(pair->server.logs[0]->stream, false);
    pair_pump(pair);
    assert_int_equal(paused->closes, 1);
    assert_int_equal(paused->code, PARLEY_OK);
    assert_int_equal(paused->messages, 40);
    assert_int_equal(paused->bytes_len, 4000 * KIB);
    pair_free(pair);
}

static void pause_each(struct pair *pair, struct pair_log *log, const uint8_t *data, size_t len)
{
    pair_echo_message(pair, log, data, len);
    pl_stream_pause(log->stream, true);
}

static void test_f1_pause_takes_effect_after_the_message(void **state)
{
    (void)state;
    struct pair *pair = new_echo();
    pair->server.hooks.on_message = pause_each;
    struct pair_log *call = pair_open(pair, "/a.B/C");
    for (uint8_t i = 0; i < 5; i++) {
        (void)pair_write(call, i, i);
    }
    pl_stream_half_close(call->stream);
    for (int i = 1; i <= 5; i++) {
        pair_pump(pair);
        assert_int_equal(call->messages, i);
        assert_int_equal(pair->server.logs[0]->half_closes, 0); /* no end before its time */
        pl_stream_pause(pair->server.logs[0]->stream, false);
    }
    pair_pump(pair);
    assert_int_equal(pair->server.logs[0]->half_closes, 1);
    assert_int_equal(call->code, PARLEY_OK);
    pair_free(pair);
}

static void pause_after(struct pair *pair, struct pair_log *log, const uint8_t *data, size_t len)
{
    (void)pair;
    (void)data;
    (void)len;
    pl_stream_pause(log->stream, true);
}

static void test_f1_reader_that_never_catches_up_holds_no_more_than_two_windows(void **state)
{
    (void)state;
    struct pair *pair = pair_new(NULL, NULL);
    pair->server.hooks.on_message = pause_after;
    struct pair_log *call = pair_open(pair, "/a.B/C");
    for (int i = 0; i < 1000; i++) {
        (void)pair_write(call, 1000, 'x');
    }
    pair_pump(pair);
    const struct pair_log *served = pair->server.logs[0];
    size_t most = 0;
    while (served->messages < 1000) {
        const struct pl_buf *held = served->stream->held;
        most = held != NULL && held->capacity > most ? held->capacity : most;
        pl_stream_pause(served->stream, false);
        pair_pump(pair);
    }
    assert_in_range(most, 60 * KIB, 256 * KIB); /* of the 1 MB that came */
    assert_int_equal(served->bytes_len, 1000 * 1000);
    pair_free(pair);
}

static void test_f1_client_that_pauses_gets_all_after_the_trailers_came(void **state)
{
    (void)state;
    struct pair *pair = new_echo();
    struct pair_log *call = pair_open(pair, "/a.B/C");
    pl_stream_pause(call->stream, true);
    (void)pair_write(call, 3, 'a');
    (void)pair_write(call, 4, 'b');
    pl_stream_half_close(call->stream);
    pair_pump(pair);
    assert_int_equal(pair->server.logs[0]->closes, 1); /* the server is done */
    assert_int_equal(call->messages, 0);
    assert_int_equal(call->closes, 0);
    pl_stream_pause(call->stream, false);
    pair_pump(pair);
    assert_int_equal(call->messages, 2);
    assert_int_equal(call->closes, 1);
    assert_int_equal(call->code, PARLEY_OK);
    pair_free(pair);
}

static void test_f1_cancel_while_paused_drops_what_is_held(void **state)
{
    (void)state;
    struct pair *pair = new_echo();
    pair->server.hooks.on_request = pause_first;
    struct pair_log *call = pair_open(pair, "/a.B/C");
    (void)pair_write(call, 1000, 'a');
    pair_pump(pair);
    pl_stream_cancel(call->stream, 8);
    pair_pump(pair);
    assert_int_equal(call->code, PARLEY_CANCELLED);
    assert_int_equal(pair->server.logs[0]->closes, 1);
    assert_int_equal(pair->server.logs[0]->code, PARLEY_CANCELLED);
    assert_int_equal(pair->server.logs[0]->messages, 0);
    assert_int_equal(pl_session_stream_count(pair->client.session), 0);
    assert_int_equal(pl_session_stream_count(pair->server.session), 0);
    pair_free(pair);
}

/* Everything but the last byte, on one stream after the other. */
static void test_r14_unfinished_messages_of_a_connection_are_limited(void **state)
{
    (void)state;
    struct pl_session_limits limits = {.message_bytes_max = 32 * KIB};
    struct pair *pair = pair_new(NULL, &limits);
    struct pair_log *calls[20];
    struct pl_buf *message = pair_message(32 * KIB, 'm');
    message->len--;
    for (size_t i = 0; i < PL_COUNT(calls); i++) {
        calls[i] = pair_open(pair, "/a.B/C");
        (void)pl_stream_write(calls[i]->stream, message, 0);
        pair_pump(pair);
        bool is_over = i >= 16;
        assert_int_equal(calls[i]->closes, is_over);
        assert_int_equal(calls[i]->code, is_over ? PARLEY_RESOURCE_EXHAUSTED : PARLEY_OK);
    }
    pl_buf_unref(message);
    /* One that is whole at last makes room. */
    struct pl_buf *last = pl_buf_new(1);
    assert_non_null(last);
    last->len = 1;
    last->data[0] = 'm';
    (void)pl_stream_write(calls[3]->stream, last, 0);
    pl_buf_unref(last);
    pair_pump(pair);
    assert_int_equal(pair->server.logs[3]->messages, 1);
    struct pair_log *late = pair_open(pair, "/a.B/C");
    (void)pair_write(late, 20 * KIB, 'l');
    pair_pump(pair);
    assert_int_equal(pair_last(&pair->server)->messages, 1);
    pair_free(pair);
}

/* In two pieces each, so that it is collected. */
static void write_in_two(struct pair *pair, const struct pair_log *call, size_t len)
{
    struct pl_buf *message = pair_message(len, 'm');
    struct pl_buf *last = pl_buf_copy(message->data + message->len - 1, 1);
    assert_non_null(last);
    message->len--;
    (void)pl_stream_write(call->stream, message, 0);
    pair_pump(pair);
    (void)pl_stream_write(call->stream, last, 0);
    pair_pump(pair);
    pl_buf_unref(message);
    pl_buf_unref(last);
}

static void test_r14_messages_that_came_whole_are_no_unfinished_ones(void **state)
{
    (void)state;
    struct pl_session_limits limits = {.message_bytes_max = 32 * KIB};
    struct pair *pair = pair_new(NULL, &limits);
    pair->server.hooks.on_message = pause_after;
    for (size_t i = 0; i < 20; i++) {
        const struct pair_log *call = pair_open(pair, "/a.B/C");
        write_in_two(pair, call, 32 * KIB);
        assert_int_equal(call->closes, 0);
        assert_int_equal(pair_last(&pair->server)->messages, 1);
        assert_int_equal(pair->server.session->partial_bytes, 0);
        assert_null(pair_last(&pair->server)->stream->framer.body);
    }
    pair_free(pair);
}

static void test_f1_a_paused_reader_holds_no_message_that_it_has_had(void **state)
{
    (void)state;
    struct pair *pair = pair_new(NULL, NULL);
    pair->server.hooks.on_message = pause_after;
    const struct pl_open open = {.path = "/a.B/C", .timeout_ns = INT64_MAX, .compress = true};
    struct pair_log *call = pair_open_with(pair, &open);
    (void)pair_write(call, 1000 * KIB, 'z');
    pair_pump(pair);
    const struct pair_log *served = pair->server.logs[0];
    assert_int_equal(served->bytes_len, 1000 * KIB);
    assert_true(pair->to_server_bytes < 100 * KIB); /* gzipped */
    assert_null(served->stream->framer.body);
    pair_free(pair);
}

static struct pair_log *open_unfinished(struct pair *pair)
{
    struct pair_log *call = pair_open(pair, "/a.B/C");
    struct pl_buf *message = pair_message(1 * KIB, 'm');
    message->len--;
    (void)pl_stream_write(call->stream, message, 0);
    pl_buf_unref(message);
    pair_pump(pair);
    return call;
}

static void test_r14_messages_that_are_never_finished_can_be_ended(void **state)
{
    (void)state;
    struct pair *pair = pair_new(NULL, NULL);
    const struct pair_log *first = open_unfinished(pair);
    const struct pair_log *paused = open_unfinished(pair);
    pl_stream_pause(pair_last(&pair->server)->stream, true);
    const struct pair_log *whole = pair_open(pair, "/a.B/C");
    write_in_two(pair, whole, 1 * KIB);
    write_in_two(pair, first, 0); /* its end, and the beginning of another */
    uint64_t begun = pl_session_begun_messages(pair->server.session);
    const struct pair_log *late = open_unfinished(pair);
    for (int round = 0; round < 2; round++) {
        pl_session_end_unfinished(pair->server.session, begun);
        pair_pump(pair);
        assert_int_equal(first->closes, 1);
        assert_int_equal(first->code, PARLEY_DEADLINE_EXCEEDED);
        assert_int_equal(paused->closes + whole->closes + late->closes, 0);
    }
    begun = pl_session_begun_messages(pair->server.session);
    pl_stream_pause(pair->server.logs[1]->stream, false);
    pl_session_end_unfinished(pair->server.session, begun);
    pair_pump(pair);
    assert_int_equal(paused->code, PARLEY_DEADLINE_EXCEEDED);
    assert_int_equal(late->code, PARLEY_DEADLINE_EXCEEDED);
    assert_int_equal(whole->closes, 0);
    assert_int_equal(pair->server.session->partial_bytes, 0);
    pair_free(pair);
}

static void test_f5_writer_is_told_to_stop_and_once_to_go_on(void **state)
{
    (void)state;
    struct pl_session_limits limits = {.write_high_water = 100 * KIB};
    struct pair *pair = pair_new(NULL, &limits);
    struct pair_log *call = pair_open(pair, "/a.B/C");
    pl_stream_pause(call->stream, true);
    pair_pump(pair);
    struct pair_log *served = pair->server.logs[0];
    for (int i = 0; i < 30; i++) {
        (void)pair_write(served, 10 * KIB, 'w');
    }
    assert_true(pl_stream_is_above_high_water(served->stream));
    pair_pump(pair);
    /* 64 KiB went out; the rest waits, and nobody is called. */
    assert_true(pl_stream_is_above_high_water(served->stream));
    assert_int_equal(served->writables, 0);
    assert_in_range(pl_stream_queued_bytes(served->stream), 230 * KIB, 240 * KIB);
    assert_int_equal(pl_session_queued_bytes(pair->server.session),
                     pl_stream_queued_bytes(served->stream));
    pl_stream_pause(call->stream, false);
    pair_pump(pair);
    assert_int_equal(served->writables, 1);
    assert_false(pl_stream_is_above_high_water(served->stream));
    assert_int_equal(call->messages, 30);
    assert_int_equal(pl_session_queued_bytes(pair->server.session), 0);
    pair_free(pair);
}

static void test_f5_a_full_connection_stops_the_writers_of_all_streams(void **state)
{
    (void)state;
    struct pl_session_limits limits = {.write_high_water = 16 * KIB}; /* full at 1 MiB */
    struct pair *pair = pair_new(NULL, &limits);
    struct pair_log *calls[20];
    for (size_t i = 0; i < PL_COUNT(calls); i++) {
        calls[i] = pair_open(pair, "/a.B/C");
        pl_stream_pause(calls[i]->stream, true);
    }
    pair_pump(pair);
    for (size_t i = 0; i < PL_COUNT(calls) - 1; i++) {
        (void)pair_write(pair->server.logs[i], 55 * KIB, 'w');
        assert_int_equal(pl_session_is_full(pair->server.session), i + 1 == PL_COUNT(calls) - 1);
    }
    struct pair_log *small = pair->server.logs[PL_COUNT(calls) - 1];
    (void)pair_write(small, 1, 's');
    assert_true(pl_stream_is_above_high_water(small->stream));
    /* Everything fits into the windows: it goes, and whoever was told to stop is told to go on. */
    pair_pump(pair);
    assert_false(pl_session_is_full(pair->server.session));
    for (size_t i = 0; i < PL_COUNT(calls); i++) {
        assert_int_equal(pair->server.logs[i]->writables, 1);
        assert_false(pl_stream_is_above_high_water(pair->server.logs[i]->stream));
    }
    pair_free(pair);
}

static void test_f5_who_writes_to_an_overfull_connection_is_reset(void **state)
{
    (void)state;
    struct pl_session_limits limits = {.write_high_water = 1 * KIB}; /* overfull at 256 KiB */
    struct pair *pair = pair_new(NULL, &limits);
    struct pair_log *reader = pair_open(pair, "/a.B/C");
    struct pair_log *other = pair_open(pair, "/a.B/D");
    pl_stream_pause(reader->stream, true);
    pair_pump(pair);
    (void)pair_write(pair->server.logs[0], 400 * KIB, 'w');
    pair_pump(pair);
    assert_true(pl_session_is_full(pair->server.session));
    assert_int_equal(pair_write(pair->server.logs[1], 1, 'x'), 0);
    pair_pump(pair);
    assert_int_equal(other->code, PARLEY_RESOURCE_EXHAUSTED);
    assert_int_equal(pair->server.logs[1]->code, PARLEY_RESOURCE_EXHAUSTED);
    /* What was written before is not lost. */
    pl_stream_pause(reader->stream, false);
    pair_pump(pair);
    assert_int_equal(reader->messages, 1);
    assert_false(pl_session_is_full(pair->server.session));
    pair_free(pair);
}

static void test_writes_after_the_end_are_ignored(void **state)
{
    (void)state;
    struct pair *pair = new_echo();
    struct pair_log *call = pair_open(pair, "/a.B/C");
    pl_stream_half_close(call->stream);
    assert_int_equal(pair_write(call, 3, 'x'), 0);
    pair_pump(pair);
    assert_int_equal(pair->server.logs[0]->messages, 0);
    assert_int_equal(call->code, PARLEY_OK);
    pair_free(pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_f3_message_larger_than_the_window_gets_through),
        cmocka_unit_test(test_f2_more_than_the_connection_window_gets_through),
        cmocka_unit_test(test_f1_paused_stream_stalls_only_itself),
        cmocka_unit_test(test_f1_pause_takes_effect_after_the_message),
        cmocka_unit_test(test_f1_reader_that_never_catches_up_holds_no_more_than_two_windows),
        cmocka_unit_test(test_f1_client_that_pauses_gets_all_after_the_trailers_came),
        cmocka_unit_test(test_f1_cancel_while_paused_drops_what_is_held),
        cmocka_unit_test(test_r14_unfinished_messages_of_a_connection_are_limited),
        cmocka_unit_test(test_r14_messages_that_came_whole_are_no_unfinished_ones),
        cmocka_unit_test(test_f1_a_paused_reader_holds_no_message_that_it_has_had),
        cmocka_unit_test(test_r14_messages_that_are_never_finished_can_be_ended),
        cmocka_unit_test(test_f5_writer_is_told_to_stop_and_once_to_go_on),
        cmocka_unit_test(test_f5_a_full_connection_stops_the_writers_of_all_streams),
        cmocka_unit_test(test_f5_who_writes_to_an_overfull_connection_is_reset),
        cmocka_unit_test(test_writes_after_the_end_are_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
