/* SPDX-License-Identifier: Apache-2.0 */
/* The table of attacks that are frames on one connection; see attack.h. */
#include "wire/attack.h"

#include "support/check.h"

#include <nghttp2/nghttp2.h>
#include <string.h>
#include <zlib.h>

static const uint8_t cancel_code[] = {0, 0, 0, 8};
static const uint8_t window_max[] = {0x7f, 0xff, 0xff, 0xff};
static const uint8_t one[] = {0, 0, 0, 1};

/* Odd, never the same twice on a connection. */
static uint32_t id_of(uint32_t round, uint32_t per_round, uint32_t i)
{
    return (round * per_round + i) * 2 + 1;
}

/* ---- streams that come to nothing ---- */

static void put_rapid_resets(struct bytes *out, uint32_t round)
{
    for (uint32_t i = 0; i < 500; i++) {
        put_check(out, END_HEADERS, id_of(round, 500, i));
        put_frame(out, FRAME_RST_STREAM, 0, id_of(round, 500, i), cancel_code, 4);
    }
}

/* MadeYouReset: the server has to reset the stream, for one of these reasons. */
static void put_window_overflows(struct bytes *out, uint32_t round)
{
    for (uint32_t i = 0; i < 500; i++) {
        put_check(out, END_HEADERS, id_of(round, 500, i));
        put_frame(out, FRAME_WINDOW_UPDATE, 0, id_of(round, 500, i), window_max, 4);
    }
}

static void put_wrong_lengths(struct bytes *out, uint32_t round)
{
    static const uint8_t content_length[] = "\x0f\x0d\x01"
                                            "5"; /* content-length: 5 */
    static const uint8_t data[6] = {0};
    uint8_t headers[128];
    memcpy(headers, attack_check_headers, attack_check_headers_len);
    memcpy(headers + attack_check_headers_len, content_length, sizeof(content_length) - 1);
    size_t len = attack_check_headers_len + sizeof(content_length) - 1;
    for (uint32_t i = 0; i < 500; i++) {
        put_frame(out, FRAME_HEADERS, END_HEADERS, id_of(round, 500, i), headers, len);
        put_frame(out, FRAME_DATA, 0, id_of(round, 500, i), data, sizeof(data));
    }
}

static void put_half_closed_data(struct bytes *out, uint32_t round)
{
    static const uint8_t empty[5];
    for (uint32_t i = 0; i < 500; i++) {
        put_check(out, END_HEADERS | END_STREAM, id_of(round, 500, i));
        put_frame(out, FRAME_DATA, 0, id_of(round, 500, i), empty, sizeof(empty));
    }
}

static void put_zero_increments(struct bytes *out, uint32_t round)
{
    static const uint8_t zero[4];
    for (uint32_t i = 0; i < 500; i++) {
        put_check(out, END_HEADERS, id_of(round, 500, i));
        put_frame(out, FRAME_WINDOW_UPDATE, 0, id_of(round, 500, i), zero, 4);
    }
}

/* No :path. */
static void put_malformed_requests(struct bytes *out, uint32_t round)
{
    for (uint32_t i = 0; i < 2000; i++) {
        put_frame(out, FRAME_HEADERS, END_HEADERS | END_STREAM, id_of(round, 2000, i), "\x83\x86",
                  2);
    }
}

static void put_too_many_streams(struct bytes *out, uint32_t round)
{
    for (uint32_t i = 0; i < 700; i++) {
        put_check(out, END_HEADERS, id_of(round, 700, i));
    }
}

/* Of streams that are long gone: nghttp2's own limit, which is far above honest clients. */
static void put_late_resets(struct bytes *out, uint32_t round)
{
    if (round == 0) {
        put_check(out, END_HEADERS, 1);
        put_frame(out, FRAME_RST_STREAM, 0, 1, cancel_code, 4);
    }
    for (int i = 0; i < 5000; i++) {
        put_frame(out, FRAME_RST_STREAM, 0, 1, cancel_code, 4);
    }
}

/* ---- headers ---- */

static void put_continuations(struct bytes *out, uint32_t round)
{
    static const uint8_t field[] = "\x00\x01"
                                   "a"
                                   "\x01"
                                   "b";
    if (round == 0) {
        put_check(out, 0, 1);
    }
    for (int i = 0; i < 1000; i++) {
        put_frame(out, FRAME_CONTINUATION, 0, 1, field, sizeof(field) - 1);
    }
}

static void put_empty_continuations(struct bytes *out, uint32_t round)
{
    if (round == 0) {
        put_check(out, 0, 1);
    }
    for (int i = 0; i < 5000; i++) {
        put_frame(out, FRAME_CONTINUATION, 0, 1, NULL, 0);
    }
}

/* One field of 4,000 bytes goes into HPACK's table; then each byte means it again. */
static void put_header_bomb(struct bytes *out, uint32_t round)
{
    static const uint8_t insert[] = "\x40\x01"
                                    "a"
                                    "\x7f\xa1\x1e"; /* length 4000 */
    static struct bytes block;
    uint8_t payload[16000];
    uint8_t value[4000];
    memset(payload, 0xbe, sizeof(payload)); /* index 62: the newest entry */
    memset(value, 'v', sizeof(value));
    block.len = 0;
    put(&block, attack_check_headers, attack_check_headers_len);
    put(&block, insert, sizeof(insert) - 1);
    put(&block, value, sizeof(value));
    put(&block, payload, sizeof(payload) - block.len);
    put_frame(out, FRAME_HEADERS, END_HEADERS | END_STREAM, round * 2 + 1, block.data, block.len);
}

/* Each byte is a field of a few bytes. */
static void put_many_fields(struct bytes *out, uint32_t round)
{
    uint8_t payload[16000];
    memset(payload, 0x90, sizeof(payload)); /* accept-encoding: gzip, deflate */
    memcpy(payload, attack_check_headers, attack_check_headers_len);
    put_frame(out, FRAME_HEADERS, END_HEADERS | END_STREAM, round * 2 + 1, payload,
              sizeof(payload));
}

/* ---- frames that say nothing ---- */

static void put_settings(struct bytes *out, uint32_t round)
{
    (void)round;
    for (uint32_t i = 0; i < 1000; i++) {
        const uint8_t window[] = {0, 4, 0, 0, (uint8_t)(i & 0x7f), 1}; /* INITIAL_WINDOW_SIZE */
        put_frame(out, FRAME_SETTINGS, 0, 0, window, sizeof(window));
    }
}

/* As put_settings, with as many open streams as there may be: each change concerns all of them. */
static void put_settings_for_many_streams(struct bytes *out, uint32_t round)
{
    if (round == 0) {
        for (uint32_t i = 0; i < 900; i++) {
            put_check(out, END_HEADERS, id_of(0, 900, i));
        }
        return;
    }
    put_settings(out, round);
}

static void put_pings(struct bytes *out, uint32_t round)
{
    static const uint8_t payload[8];
    (void)round;
    for (int i = 0; i < 3000; i++) {
        put_frame(out, FRAME_PING, 0, 0, payload, sizeof(payload));
    }
}

static void put_empty_data(struct bytes *out, uint32_t round)
{
    if (round == 0) {
        put_check(out, END_HEADERS, 1);
    }
    for (int i = 0; i < 5000; i++) {
        put_frame(out, FRAME_DATA, 0, 1, NULL, 0);
    }
}

static void put_priorities(struct bytes *out, uint32_t round)
{
    for (uint32_t i = 0; i < 3000; i++) {
        const uint8_t payload[5] = {0, 0, 0, 0, 16};
        put_frame(out, FRAME_PRIORITY, 0, id_of(round, 3000, i) + 2, payload, sizeof(payload));
    }
}

static void put_unknown(struct bytes *out, uint32_t round)
{
    (void)round;
    for (int i = 0; i < 5000; i++) {
        put_frame(out, FRAME_UNKNOWN, 0, 0, NULL, 0);
    }
}

static void put_window_updates(struct bytes *out, uint32_t round)
{
    (void)round;
    for (int i = 0; i < 5000; i++) {
        put_frame(out, FRAME_WINDOW_UPDATE, 0, 0, one, sizeof(one));
    }
}

static void put_window_overflow(struct bytes *out, uint32_t round)
{
    (void)round;
    put_frame(out, FRAME_WINDOW_UPDATE, 0, 0, window_max, 4);
}

/* ---- data that nobody wants ---- */

/* Answered at once, since the first byte is a flag that is none. */
static void put_late_data(struct bytes *out, uint32_t round)
{
    static const uint8_t data[] = {2, 0, 0, 0, 0};
    if (round == 0) {
        put_check(out, END_HEADERS, 1);
    }
    for (int i = 0; i < 4000; i++) {
        put_frame(out, FRAME_DATA, 0, 1, data, sizeof(data));
    }
}

/* One message of the greatest length that is taken, then more that nobody asked for; without a look
 * at the windows. */
static void put_endless_data(struct bytes *out, uint32_t round)
{
    static const uint8_t prefix[] = {0, 0, 0x3f, 0xff, 0xff}; /* a message of 4 MiB */
    static const uint8_t data[16000];
    if (round == 0) {
        put_check(out, END_HEADERS, 1);
        put_frame(out, FRAME_DATA, 0, 1, prefix, sizeof(prefix));
    }
    for (int i = 0; i < 6; i++) {
        put_frame(out, FRAME_DATA, 0, 1, data, sizeof(data));
    }
}

/* 4 MiB are announced and the first bytes sent, on as many streams as there may be. */
static void put_length_lies(struct bytes *out, uint32_t round)
{
    static const uint8_t lie[] = {0, 0, 0x40, 0, 0, 'l', 'i', 'e'};
    for (uint32_t i = 0; i < 900 && round == 0; i++) {
        put_check(out, END_HEADERS, id_of(0, 900, i));
        put_frame(out, FRAME_DATA, 0, id_of(0, 900, i), lie, sizeof(lie));
    }
    for (uint32_t i = 0; i < 900 && round > 0; i++) {
        put_frame(out, FRAME_DATA, 0, id_of(0, 900, i), "s", 1);
    }
}

/* ---- messages that are larger than they look ---- */

/* Just above 4 MiB of zeros, in some 4 KiB. */
static size_t pack_zeros(uint8_t *out, size_t size)
{
    static uint8_t zeros[65536];
    z_stream gzip = {.next_out = out, .avail_out = (uInt)size};
    assert_int_equal(deflateInit2(&gzip, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
    for (int i = 0; i < 65; i++) {
        gzip.next_in = zeros;
        gzip.avail_in = sizeof(zeros);
        assert_int_equal(deflate(&gzip, Z_NO_FLUSH), Z_OK);
    }
    assert_int_equal(deflate(&gzip, Z_FINISH), Z_STREAM_END);
    size_t len = gzip.total_out;
    assert_int_equal(deflateEnd(&gzip), Z_OK);
    return len;
}

static void put_gzip_bombs(struct bytes *out, uint32_t round)
{
    static const uint8_t encoding[] = "\x00\x0dgrpc-encoding\x04gzip";
    static uint8_t message[5 + 8192];
    static size_t len;
    uint8_t headers[128];
    if (len == 0) {
        len = pack_zeros(message + 5, sizeof(message) - 5);
        message[0] = 1;
        message[3] = (uint8_t)(len >> 8);
        message[4] = (uint8_t)len;
    }
    memcpy(headers, attack_check_headers, attack_check_headers_len);
    memcpy(headers + attack_check_headers_len, encoding, sizeof(encoding) - 1);
    for (uint32_t i = 0; i < 10; i++) {
        put_frame(out, FRAME_HEADERS, END_HEADERS, id_of(round, 10, i), headers,
                  attack_check_headers_len + sizeof(encoding) - 1);
        put_frame(out, FRAME_DATA, END_STREAM, id_of(round, 10, i), message, 5 + len);
    }
}

/* Unknown fields of two bytes, of which protobuf-c would make 24 each. */
static void put_protobuf_bombs(struct bytes *out, uint32_t round)
{
    static uint8_t message[5 + 16000] = {0, 0, 0, 16000 >> 8, 16000 & 0xff};
    for (size_t i = 5; i < sizeof(message); i += 2) {
        message[i] = 0x78; /* field 15 */
        message[i + 1] = 1;
    }
    for (uint32_t i = 0; i < 5; i++) {
        put_check(out, END_HEADERS, id_of(round, 5, i));
        put_frame(out, FRAME_DATA, END_STREAM, id_of(round, 5, i), message, sizeof(message));
    }
}

const struct attack floods[] = {
    {"rapid reset", put_rapid_resets, true, NGHTTP2_ENHANCE_YOUR_CALM},
    {"rapid reset, answers unread", put_rapid_resets, false, ATTACK_CLOSED},
    {"made to reset: window overflow", put_window_overflows, true, NGHTTP2_ENHANCE_YOUR_CALM},
    {"made to reset: wrong content-length", put_wrong_lengths, true, NGHTTP2_ENHANCE_YOUR_CALM},
    {"made to reset: DATA after the end", put_half_closed_data, true, ATTACK_CLOSED},
    {"made to reset: window update of zero", put_zero_increments, true, NGHTTP2_PROTOCOL_ERROR},
    {"malformed requests", put_malformed_requests, true, NGHTTP2_ENHANCE_YOUR_CALM},
    {"more streams than allowed", put_too_many_streams, true, ATTACK_CLOSED},
    {"resets of a stream that is gone", put_late_resets, true, NGHTTP2_INTERNAL_ERROR},
    {"CONTINUATION flood", put_continuations, true, NGHTTP2_ENHANCE_YOUR_CALM},
    {"empty CONTINUATION flood", put_empty_continuations, true, NGHTTP2_ENHANCE_YOUR_CALM},
    {"header bomb", put_header_bomb, true, NGHTTP2_ENHANCE_YOUR_CALM},
    {"too many header fields", put_many_fields, true, NGHTTP2_ENHANCE_YOUR_CALM},
    {"SETTINGS flood", put_settings, true, NGHTTP2_ENHANCE_YOUR_CALM},
    {"SETTINGS flood, answers unread", put_settings, false, ATTACK_CLOSED},
    {"SETTINGS flood with 900 streams", put_settings_for_many_streams, true,
     NGHTTP2_ENHANCE_YOUR_CALM},
    {"PING flood", put_pings, true, NGHTTP2_ENHANCE_YOUR_CALM},
    {"PING flood, answers unread", put_pings, false, ATTACK_CLOSED},
    {"empty DATA flood", put_empty_data, true, NGHTTP2_ENHANCE_YOUR_CALM},
    {"PRIORITY flood", put_priorities, true, NGHTTP2_ENHANCE_YOUR_CALM},
    {"flood of unknown frames", put_unknown, true, NGHTTP2_ENHANCE_YOUR_CALM},
    {"WINDOW_UPDATE flood", put_window_updates, true, NGHTTP2_ENHANCE_YOUR_CALM},
    {"window overflow of the connection", put_window_overflow, true, NGHTTP2_FLOW_CONTROL_ERROR},
    {"DATA after the answer", put_late_data, true, ATTACK_CONTAINED},
    {"DATA without end, windows ignored", put_endless_data, true, ATTACK_CONTAINED},
    {"lengths that are lies, byte by byte", put_length_lies, true, ATTACK_CONTAINED},
    {"gzip bombs", put_gzip_bombs, true, NGHTTP2_ENHANCE_YOUR_CALM},
    {"protobuf bombs", put_protobuf_bombs, true, ATTACK_CONTAINED},
};
const size_t floods_count = sizeof(floods) / sizeof(floods[0]);
