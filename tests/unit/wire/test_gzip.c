/* SPDX-License-Identifier: Apache-2.0 */
/* gzip of messages (C1 to C8): what it makes of frames, what it refuses, and what sessions of both
 * roles do with it. */
#include "session_pair.h"
#include "support/check.h"
#include "support/failing_heap.h"
#include "wire/framing.h"
#include "wire/gzip.h"

#include <stdlib.h>
#include <string.h>

#define PREFIX 5

/* A frame of `len` bytes; `seed` 0: all alike, else such that no compression helps. */
static void append_frame(struct pl_buf **frames, size_t len, uint32_t seed)
{
    uint8_t prefix[PREFIX] = {0, (uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8),
                              (uint8_t)len};
    assert_int_equal(pl_buf_append(frames, prefix, sizeof(prefix)), 0);
    for (size_t i = 0; i < len; i++) {
        seed = seed * 1664525U + (seed != 0 ? 1013904223U : 0);
        uint8_t byte = seed != 0 ? (uint8_t)(seed >> 24) : 'm';
        assert_int_equal(pl_buf_append(frames, &byte, 1), 0);
    }
}

static size_t body_bytes(const uint8_t *frame)
{
    return (size_t)frame[1] << 24 | (size_t)frame[2] << 16 | (size_t)frame[3] << 8 | frame[4];
}

/* gzip's form of `len` equal bytes, out of a frame. @return owned */
static struct pl_buf *gzip_of(struct pl_gzip *gzip, size_t len)
{
    struct pl_buf *frames = NULL;
    size_t offset = 0;
    append_frame(&frames, len, 0);
    const struct pl_buf *twin = pl_gzip_frames(gzip, frames, &offset);
    assert_int_equal(twin->data[0], 1);
    struct pl_buf *body = pl_buf_copy(twin->data + PREFIX, body_bytes(twin->data));
    assert_non_null(body);
    pl_buf_unref(frames);
    return body;
}

static void test_what_is_compressed_comes_back(void **state)
{
    (void)state;
    static const size_t sizes[] = {512, 513, 1000, 16384, 100000, 1000000};
    struct pl_gzip *gzip = pl_gzip_new();
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct pl_buf *packed = gzip_of(gzip, sizes[i]);
        struct pl_buf *message = NULL;
        assert_true(packed->len < sizes[i]);
        assert_int_equal(pl_gzip_decompress(gzip, packed->data, packed->len, sizes[i], &message),
                         PARLEY_OK);
        assert_int_equal(message->len, sizes[i]);
        for (size_t at = 0; at < message->len; at++) {
            assert_int_equal(message->data[at], 'm');
        }
        pl_buf_unref(message);
        pl_buf_unref(packed);
    }
    pl_gzip_free(gzip);
}

static void test_c5_limit_is_on_what_comes_out(void **state)
{
    (void)state;
    struct pl_gzip *gzip = pl_gzip_new();
    struct pl_buf *bomb = gzip_of(gzip, 1000000);
    struct pl_buf *message = NULL;
    /* Makes what zlib keeps. */
    assert_int_equal(pl_gzip_decompress(gzip, bomb->data, bomb->len, 1000000, &message), PARLEY_OK);
    pl_buf_unref(message);
    static const size_t limits[] = {0, 1, 1000, 1024, 999999};
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        failing_heap_start();
        assert_int_equal(pl_gzip_decompress(gzip, bomb->data, bomb->len, limits[i], &message),
                         PARLEY_RESOURCE_EXHAUSTED);
        failing_heap_stop();
        assert_null(message);
        assert_int_equal(failing_heap_outstanding(), 0);
    }
    pl_buf_unref(bomb);
    pl_gzip_free(gzip);
}

static void test_c3_what_is_not_gzip_is_refused(void **state)
{
    (void)state;
    struct pl_gzip *gzip = pl_gzip_new();
    struct pl_buf *good = gzip_of(gzip, 5000);
    struct pl_buf *message = NULL;
    for (size_t len = 0; len < good->len; len++) {
        uint8_t *cut = malloc(len + 1);
        memcpy(cut, good->data, len);
        assert_int_equal(pl_gzip_decompress(gzip, cut, len, 100000, &message), PARLEY_INTERNAL);
        free(cut);
    }
    assert_int_equal(pl_buf_append(&good, "x", 1), 0);
    assert_int_equal(pl_gzip_decompress(gzip, good->data, good->len, 100000, &message),
                     PARLEY_INTERNAL);
    good->len--;
    good->data[good->len - 6] ^= 1; /* the checksum */
    assert_int_equal(pl_gzip_decompress(gzip, good->data, good->len, 100000, &message),
                     PARLEY_INTERNAL);
    assert_null(message);
    pl_buf_unref(good);
    pl_gzip_free(gzip);
}

static void test_c6_each_message_of_a_buffer_is_found_again(void **state)
{
    (void)state;
    static const struct {
        size_t len;
        uint32_t seed;
        uint8_t flag;
    } rows[] = {{0, 0, 0},     {5000, 0, 1}, {10, 0, 0},    {511, 0, 0},
                {5000, 77, 0}, {512, 0, 1},  {70000, 0, 1}, {3, 9, 0}};
    const size_t count = sizeof(rows) / sizeof(rows[0]);
    struct pl_gzip *gzip = pl_gzip_new();
    struct pl_buf *frames = NULL;
    for (size_t i = 0; i < count; i++) {
        append_frame(&frames, rows[i].len, rows[i].seed);
    }
    for (size_t i = 0, at = 0; i < count; i++) {
        size_t offset = at;
        const struct pl_buf *twin = pl_gzip_frames(gzip, frames, &offset);
        assert_ptr_not_equal(twin, frames);
        const uint8_t *frame = twin->data + offset;
        assert_int_equal(frame[0], rows[i].flag);
        if (rows[i].flag == 0) {
            assert_memory_equal(frame, frames->data + at, PREFIX + rows[i].len);
        }
        at += PREFIX + rows[i].len;
        assert_int_equal(offset + PREFIX + body_bytes(frame) == twin->len, i == count - 1);
    }
    pl_buf_unref(frames);
    pl_gzip_free(gzip);
}

static void test_c6_a_buffer_is_compressed_once(void **state)
{
    (void)state;
    struct pl_gzip *gzip = pl_gzip_new();
    struct pl_buf *frames = NULL;
    struct pl_buf *twin = NULL;
    size_t offset = 0;
    append_frame(&frames, 5000, 0);
    struct pl_buf *first = pl_gzip_frames(gzip, frames, &offset);
    assert_ptr_equal(pl_gzip_frames(gzip, frames, &offset), first);
    /* What is added later belongs to neither form. */
    append_frame(&frames, 5000, 0);
    assert_true(pl_buf_claim_twin(frames, &twin));
    /* Meanwhile others send the buffer as it is. */
    assert_ptr_equal(pl_gzip_frames(gzip, frames, &offset), frames);
    pl_buf_set_twin(frames, NULL);
    assert_ptr_equal(pl_gzip_frames(gzip, frames, &offset), frames);
    pl_buf_unref(frames);
    pl_gzip_free(gzip);
}

static void test_what_gains_nothing_is_not_tried_again(void **state)
{
    (void)state;
    struct pl_gzip *gzip = pl_gzip_new();
    struct pl_buf *frames = NULL;
    struct pl_buf *twin = NULL;
    size_t offset = 0;
    append_frame(&frames, 100, 0);
    append_frame(&frames, 3000, 5);
    assert_ptr_equal(pl_gzip_frames(gzip, frames, &offset), frames);
    assert_false(pl_buf_claim_twin(frames, &twin));
    assert_null(twin);
    pl_buf_unref(frames);
    pl_gzip_free(gzip);
}

static bool round_trip(void *context)
{
    (void)context;
    struct pl_gzip *gzip = pl_gzip_new();
    struct pl_buf *frames = pair_message(9000, 'm');
    struct pl_buf *message = NULL;
    size_t offset = 0;
    bool is_done = false;
    if (gzip != NULL && frames != NULL) {
        const struct pl_buf *twin = pl_gzip_frames(gzip, frames, &offset);
        is_done = twin != frames &&
                  pl_gzip_decompress(gzip, twin->data + PREFIX, twin->len - PREFIX, 10000,
                                     &message) == PARLEY_OK &&
                  message->len == 9000;
    }
    pl_buf_unref(message);
    pl_buf_unref(frames);
    pl_gzip_free(gzip);
    return is_done;
}

static void test_without_memory_nothing_leaks(void **state)
{
    (void)state;
    assert_true(failing_heap_sweep(round_trip, NULL) > 5);
}

/* ---- sessions ---- */

static void compress_answers(struct pair *pair, struct pair_log *log)
{
    (void)pair;
    pl_stream_compress(log->stream, true);
}

static void note_and_echo(struct pair *pair, struct pair_log *log, const uint8_t *data, size_t len)
{
    pair->value += pl_stream_is_message_compressed(log->stream) ? 1 : 0;
    pair_echo_message(pair, log, data, len);
}

static void note(struct pair *pair, struct pair_log *log, const uint8_t *data, size_t len)
{
    (void)data;
    (void)len;
    pair->value += pl_stream_is_message_compressed(log->stream) ? 100 : 0;
}

static struct pair *open_pair(bool is_served_compressed)
{
    struct pair *pair = pair_new(NULL, NULL);
    pair->server.hooks.on_request = is_served_compressed ? compress_answers : NULL;
    pair->server.hooks.on_message = note_and_echo;
    pair->server.hooks.on_half_close = pair_finish_ok;
    pair->client.hooks.on_message = note;
    return pair;
}

static void test_both_directions_are_compressed_if_both_want_it(void **state)
{
    (void)state;
    for (int wishes = 0; wishes < 4; wishes++) {
        bool is_sent = (wishes & 1) != 0;
        bool is_served = (wishes & 2) != 0;
        struct pair *pair = open_pair(is_served);
        const struct pl_open open = {
            .path = "/a.B/C", .timeout_ns = INT64_MAX, .compress = is_sent};
        struct pair_log *log = pair_open_with(pair, &open);
        for (int i = 0; i < 3; i++) {
            (void)pair_write(log, 30000, 'm');
        }
        (void)pair_write(log, 10, 'm'); /* too short to be worth it */
        pl_stream_half_close(log->stream);
        pair_pump(pair);
        assert_int_equal(log->code, PARLEY_OK);
        assert_int_equal(log->messages, 4);
        assert_int_equal(log->bytes_len, 90010);
        assert_int_equal(pair->value, (is_sent ? 3 : 0) + (is_served ? 300 : 0));
        assert_int_equal(pair->to_server_bytes < 10000, is_sent);
        assert_int_equal(pair->to_client_bytes < 10000, is_served);
        pair_free(pair);
    }
}

static void test_c8_single_messages_can_be_left_out(void **state)
{
    (void)state;
    struct pair *pair = open_pair(false);
    const struct pl_open open = {.path = "/a.B/C", .timeout_ns = INT64_MAX, .compress = true};
    struct pair_log *log = pair_open_with(pair, &open);
    for (int i = 0; i < 4; i++) {
        pl_stream_compress(log->stream, i % 2 == 0);
        (void)pair_write(log, 5000, 'm');
    }
    pl_stream_half_close(log->stream);
    pair_pump(pair);
    assert_int_equal(log->code, PARLEY_OK);
    assert_int_equal(pair->value, 2);
    pair_free(pair);
}

static void send_headers_first(struct pair *pair, struct pair_log *log)
{
    (void)pair;
    pl_stream_send_headers(log->stream, NULL);
    pl_stream_compress(log->stream, true);
}

static void test_c4_too_late_after_the_headers(void **state)
{
    (void)state;
    struct pair *pair = open_pair(false);
    pair->server.hooks.on_request = send_headers_first;
    struct pair_log *log = pair_open(pair, "/a.B/C");
    (void)pair_write(log, 5000, 'm');
    pl_stream_half_close(log->stream);
    pair_pump(pair);
    assert_int_equal(log->code, PARLEY_OK);
    assert_int_equal(pair->value, 0);
    pair_free(pair);
}

static void test_c5_bomb_ends_one_call_only(void **state)
{
    (void)state;
    const struct pl_session_limits limits = {.message_bytes_max = 10000};
    struct pair *pair = pair_new(NULL, &limits);
    pair->server.hooks.on_message = pair_echo_message;
    pair->server.hooks.on_half_close = pair_finish_ok;
    const struct pl_open open = {.path = "/a.B/C", .timeout_ns = INT64_MAX, .compress = true};
    struct pair_log *bomb = pair_open_with(pair, &open);
    struct pair_log *bystander = pair_open_with(pair, &open);
    (void)pair_write(bomb, 2000000, 'm'); /* 9 KB on the wire */
    (void)pair_write(bystander, 10000, 'm');
    pl_stream_half_close(bystander->stream);
    pair_pump(pair);
    assert_int_equal(bomb->code, PARLEY_RESOURCE_EXHAUSTED);
    assert_string_equal(bomb->status_message,
                        "grpc: received message larger than max after decompression");
    assert_int_equal(bystander->code, PARLEY_OK);
    assert_int_equal(bystander->bytes_len, 10000);
    pair_free(pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_compressed_comes_back),
        cmocka_unit_test(test_c5_limit_is_on_what_comes_out),
        cmocka_unit_test(test_c3_what_is_not_gzip_is_refused),
        cmocka_unit_test(test_c6_each_message_of_a_buffer_is_found_again),
        cmocka_unit_test(test_c6_a_buffer_is_compressed_once),
        cmocka_unit_test(test_what_gains_nothing_is_not_tried_again),
        cmocka_unit_test(test_without_memory_nothing_leaks),
        cmocka_unit_test(test_both_directions_are_compressed_if_both_want_it),
        cmocka_unit_test(test_c8_single_messages_can_be_left_out),
        cmocka_unit_test(test_c4_too_late_after_the_headers),
        cmocka_unit_test(test_c5_bomb_ends_one_call_only),
    };
    return cmocka_run_group_tests_name("gzip of messages (C1 to C8)", tests, NULL, NULL);
}
