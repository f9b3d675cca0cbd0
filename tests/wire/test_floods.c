/* SPDX-License-Identifier: Apache-2.0 */
/* Attackers on one connection while another is served: the bystander is answered all the time, the
 * attacker is thrown out or contained, and the server's memory stays bounded. Frames are made by
 * hand, since no library would send them. */
#include "support/check.h"
#include "support/parleyd.h"
#include "support/wait.h"
#include "wire/client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BLOCK_BYTES     65536
#define ATTACK_MAX      (64 * 1024 * 1024) /* bytes; a server that takes more is not protected */
#define CONTAINED_BYTES (8 * 1024 * 1024)
#define RSS_GROWTH_KIB  (96 * 1024) /* with the sanitizer's own share */
#define BYSTANDER_MS    10000
#define OPEN_TIMEOUT_MS 10000 /* of the server, for preface and settings */

enum {
    DATA = 0,
    HEADERS = 1,
    PRIORITY = 2,
    RST_STREAM = 3,
    SETTINGS = 4,
    PING = 6,
    WINDOW_UPDATE = 8,
    CONTINUATION = 9,
    UNKNOWN = 0xbb
};
#define END_STREAM  1
#define END_HEADERS 4

static struct parleyd server;
static struct client bystander;
static int64_t slowest_ms;

/* ---- frames ---- */

struct bytes {
    uint8_t data[BLOCK_BYTES + 32768];
    size_t len;
};

static void put(struct bytes *out, const void *data, size_t len)
{
    assert_true(len <= sizeof(out->data) - out->len);
    if (len > 0) {
        memcpy(out->data + out->len, data, len);
    }
    out->len += len;
}

static void put_frame(struct bytes *out, uint8_t type, uint8_t flags, uint32_t id,
                      const void *payload, size_t len)
{
    const uint8_t head[9] = {
        (uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len,       type,       flags,
        (uint8_t)(id >> 24),  (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id};
    put(out, head, sizeof(head));
    put(out, payload, len);
}

static void put_hello(struct bytes *out, const void *settings, size_t len)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    put(out, preface, sizeof(preface) - 1);
    put_frame(out, SETTINGS, 0, 0, settings, len);
}

/* POST /grpc.health.v1.Health/Check as HPACK without dynamic table, the same on every stream. */
static const uint8_t check_headers[] = "\x83\x86"
                                       "\x04\x1c/grpc.health.v1.Health/Check"
                                       "\x01\x01h"
                                       "\x0f\x10\x10"
                                       "application/grpc";
#define CHECK_HEADERS_LEN (sizeof(check_headers) - 1)

/* ---- the bystander ---- */

static const char *const check_call[] = {":method",
                                         "POST",
                                         ":scheme",
                                         "http",
                                         ":path",
                                         "/grpc.health.v1.Health/Check",
                                         ":authority",
                                         "host",
                                         "content-type",
                                         "application/grpc",
                                         NULL};

static void check_bystander(void)
{
    static const uint8_t empty[5];
    const struct client_request request = {
        .headers = check_call, .body = empty, .body_len = sizeof(empty)};
    int64_t start_ms = wait_deadline(0);
    client_start(&bystander, &request);
    client_finish(&bystander);
    assert_false(bystander.is_connection_over);
    assert_string_equal(bystander.answer.grpc_status, "0");
    int64_t took_ms = wait_deadline(0) - start_ms;
    slowest_ms = took_ms > slowest_ms ? took_ms : slowest_ms;
}

/* ---- attackers ---- */

/* Closed, whatever is told before: an attacker that does not read would not hear it. */
#define CLOSED UINT32_MAX
/* nghttp2 drops it unseen: it may go on, as long as nobody else feels it. */
#define CONTAINED (UINT32_MAX - 1)

struct attack {
    const char *name;
    /* Append about a block of frames. `round` counts from 0. */
    void (*put)(struct bytes *out, uint32_t round);
    bool reads;   /* what the server answers */
    uint32_t end; /* the error that the GOAWAY must tell, or one of these two */
};

struct attacker {
    int fd;
    bool is_out;
    uint32_t goaway;     /* UINT32_MAX: none came */
    uint8_t tail[65536]; /* of what was received and not parsed */
    size_t tail_len;
};

static void take_frames(struct attacker *attacker)
{
    size_t at = 0;
    while (attacker->tail_len - at >= 9) {
        const uint8_t *frame = attacker->tail + at;
        size_t len = ((size_t)frame[0] << 16) | ((size_t)frame[1] << 8) | frame[2];
        if (attacker->tail_len - at < 9 + len) {
            break;
        }
        if (frame[3] == 7) {
            attacker->goaway = frame[16];
        }
        at += 9 + len;
    }
    attacker->tail_len -= at;
    memmove(attacker->tail, attacker->tail + at, attacker->tail_len);
}

static void read_attacker(struct attacker *attacker)
{
    for (;;) {
        ssize_t got = recv(attacker->fd, attacker->tail + attacker->tail_len,
                           sizeof(attacker->tail) - attacker->tail_len, MSG_DONTWAIT);
        if (got <= 0) {
            attacker->is_out = got == 0 || errno != EAGAIN;
            return;
        }
        attacker->tail_len += (size_t)got;
        take_frames(attacker);
    }
}

static struct attacker *open_attacker(void)
{
    static struct attacker attacker;
    attacker = (struct attacker){.fd = client_socket(server.listen), .goaway = UINT32_MAX};
    assert_int_equal(fcntl(attacker.fd, F_SETFL, O_NONBLOCK), 0);
    return &attacker;
}

/* Send it all, or find that the server does not want it: closed, or not reading for a while. */
static void send_block(struct attacker *attacker, const struct bytes *block, bool reads)
{
    size_t sent = 0;
    int64_t deadline_ms = wait_deadline(500);
    while (sent < block->len && !attacker->is_out) {
        ssize_t part = send(attacker->fd, block->data + sent, block->len - sent, MSG_NOSIGNAL);
        if (part > 0) {
            sent += (size_t)part;
        } else if (errno != EAGAIN) {
            attacker->is_out = true;
        } else if (!wait_turn(deadline_ms)) {
            return;
        }
        if (reads) {
            read_attacker(attacker);
        }
    }
}

static void run_attack(const struct attack *attack)
{
    static struct bytes block;
    struct attacker *attacker = open_attacker();
    size_t total = 0;
    block.len = 0;
    put_hello(&block, NULL, 0);
    size_t max = attack->end == CONTAINED ? CONTAINED_BYTES : ATTACK_MAX;
    for (uint32_t round = 0; !attacker->is_out && total < max; round++) {
        attack->put(&block, round);
        total += block.len;
        send_block(attacker, &block, attack->reads);
        block.len = 0;
        check_bystander();
    }
    int64_t deadline_ms = wait_deadline(WAIT_MS);
    while (!attacker->is_out && attack->end != CONTAINED) {
        wait_or_fail(deadline_ms, "the attacker is thrown out", __FILE__, __LINE__);
        read_attacker(attacker);
    }
    read_attacker(attacker); /* a last word may have come before the end */
    if (attack->end < CONTAINED) {
        assert_int_equal(attacker->goaway, attack->end);
    }
    (void)close(attacker->fd);
}

static void put_rapid_resets(struct bytes *out, uint32_t round)
{
    static const uint8_t cancel[] = {0, 0, 0, 8};
    for (uint32_t i = 0; i < 500; i++) {
        uint32_t id = (round * 500 + i) * 2 + 1;
        put_frame(out, HEADERS, END_HEADERS, id, check_headers, CHECK_HEADERS_LEN);
        put_frame(out, RST_STREAM, 0, id, cancel, sizeof(cancel));
    }
}

/* Streams that the server must reset, because their window overflows. */
static void put_made_resets(struct bytes *out, uint32_t round)
{
    static const uint8_t most[] = {0x7f, 0xff, 0xff, 0xff};
    for (uint32_t i = 0; i < 500; i++) {
        uint32_t id = (round * 500 + i) * 2 + 1;
        put_frame(out, HEADERS, END_HEADERS, id, check_headers, CHECK_HEADERS_LEN);
        put_frame(out, WINDOW_UPDATE, 0, id, most, sizeof(most));
    }
}

static void put_continuations(struct bytes *out, uint32_t round)
{
    static const uint8_t field[] = "\x00\x01"
                                   "a"
                                   "\x01"
                                   "b";
    if (round == 0) {
        put_frame(out, HEADERS, 0, 1, check_headers, CHECK_HEADERS_LEN);
    }
    for (int i = 0; i < 1000; i++) {
        put_frame(out, CONTINUATION, 0, 1, field, sizeof(field) - 1);
    }
}

/* One field of 4,000 bytes goes into HPACK's table; then each byte means it again. */
static void put_header_bomb(struct bytes *out, uint32_t round)
{
    uint8_t payload[16000];
    uint8_t value[4000];
    memset(payload, 0xbe, sizeof(payload)); /* index 62: the newest entry */
    memset(value, 'v', sizeof(value));
    static const uint8_t insert[] = "\x40\x01"
                                    "a"
                                    "\x7f\xa1\x1e"; /* length 4000 */
    static struct bytes block;
    block.len = 0;
    put(&block, check_headers, CHECK_HEADERS_LEN);
    put(&block, insert, sizeof(insert) - 1);
    put(&block, value, sizeof(value));
    put(&block, payload, sizeof(payload) - block.len);
    put_frame(out, HEADERS, END_HEADERS | END_STREAM, round * 2 + 1, block.data, block.len);
}

static void put_settings(struct bytes *out, uint32_t round)
{
    (void)round;
    for (uint32_t i = 0; i < 1000; i++) {
        const uint8_t window[] = {0, 4, 0, 0, (uint8_t)(i & 0x7f), 1}; /* INITIAL_WINDOW_SIZE */
        put_frame(out, SETTINGS, 0, 0, window, sizeof(window));
    }
}

static void put_pings(struct bytes *out, uint32_t round)
{
    static const uint8_t payload[8];
    (void)round;
    for (int i = 0; i < 3000; i++) {
        put_frame(out, PING, 0, 0, payload, sizeof(payload));
    }
}

static void put_empty_data(struct bytes *out, uint32_t round)
{
    if (round == 0) {
        put_frame(out, HEADERS, END_HEADERS, 1, check_headers, CHECK_HEADERS_LEN);
    }
    for (int i = 0; i < 5000; i++) {
        put_frame(out, DATA, 0, 1, NULL, 0);
    }
}

static void put_priorities(struct bytes *out, uint32_t round)
{
    for (uint32_t i = 0; i < 3000; i++) {
        const uint8_t payload[5] = {0, 0, 0, 0, 16};
        put_frame(out, PRIORITY, 0, (round * 3000 + i) * 2 + 3, payload, sizeof(payload));
    }
}

static void put_unknown(struct bytes *out, uint32_t round)
{
    (void)round;
    for (int i = 0; i < 5000; i++) {
        put_frame(out, UNKNOWN, 0, 0, NULL, 0);
    }
}

static void put_window_updates(struct bytes *out, uint32_t round)
{
    static const uint8_t one[] = {0, 0, 0, 1};
    (void)round;
    for (int i = 0; i < 5000; i++) {
        put_frame(out, WINDOW_UPDATE, 0, 0, one, sizeof(one));
    }
}

static void put_window_overflow(struct bytes *out, uint32_t round)
{
    static const uint8_t most[] = {0x7f, 0xff, 0xff, 0xff};
    (void)round;
    put_frame(out, WINDOW_UPDATE, 0, 0, most, sizeof(most));
}

/* Answered at once, since the first byte is a flag that is none. */
static void put_late_data(struct bytes *out, uint32_t round)
{
    static const uint8_t data[] = {2, 0, 0, 0, 0};
    if (round == 0) {
        put_frame(out, HEADERS, END_HEADERS, 1, check_headers, CHECK_HEADERS_LEN);
    }
    for (int i = 0; i < 4000; i++) {
        put_frame(out, DATA, 0, 1, data, sizeof(data));
    }
}

static void test_floods_end_with_the_attacker_out_and_the_bystander_served(void **state)
{
    (void)state;
    static const struct attack attacks[] = {
        {"rapid reset", put_rapid_resets, true, NGHTTP2_ENHANCE_YOUR_CALM},
        {"rapid reset, answers unread", put_rapid_resets, false, CLOSED},
        {"resets that the server is made to send", put_made_resets, true,
         NGHTTP2_ENHANCE_YOUR_CALM},
        {"continuation flood", put_continuations, true, NGHTTP2_ENHANCE_YOUR_CALM},
        {"header bomb", put_header_bomb, true, NGHTTP2_ENHANCE_YOUR_CALM},
        {"settings flood", put_settings, true, NGHTTP2_ENHANCE_YOUR_CALM},
        {"settings flood, answers unread", put_settings, false, CLOSED},
        {"ping flood", put_pings, true, NGHTTP2_ENHANCE_YOUR_CALM},
        {"ping flood, answers unread", put_pings, false, CLOSED},
        {"empty data flood", put_empty_data, true, NGHTTP2_ENHANCE_YOUR_CALM},
        {"priority flood", put_priorities, true, NGHTTP2_ENHANCE_YOUR_CALM},
        {"flood of unknown frames", put_unknown, true, NGHTTP2_ENHANCE_YOUR_CALM},
        {"window update flood", put_window_updates, true, NGHTTP2_ENHANCE_YOUR_CALM},
        {"window overflow", put_window_overflow, true, NGHTTP2_FLOW_CONTROL_ERROR},
        {"data after the answer", put_late_data, true, CONTAINED},
    };
    check_bystander();
    long before_kib = parleyd_rss_kib(&server);
    for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
        print_message("  %s\n", attacks[i].name);
        run_attack(&attacks[i]);
        check_bystander();
        long grown_kib = parleyd_rss_kib(&server) - before_kib;
        if (grown_kib > RSS_GROWTH_KIB) {
            fail_msg("the server grew by %ld KiB", grown_kib);
        }
    }
    print_message("  slowest answer to the bystander: %lld ms\n", (long long)slowest_ms);
    assert_true(slowest_ms < BYSTANDER_MS);
}

/* ---- slow peers ---- */

/* As many streams as are allowed, none of which can be answered. */
static void test_a_reader_without_a_window_is_contained(void **state)
{
    (void)state;
    enum {
        CONNECTIONS = 10,
        STREAMS = 900
    };
    static const uint8_t no_window[] = {0, 4, 0, 0, 0, 0};
    static const uint8_t empty[5];
    static struct bytes block;
    int fds[CONNECTIONS];
    long before_kib = parleyd_rss_kib(&server);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        block.len = 0;
        put_hello(&block, no_window, sizeof(no_window));
        for (uint32_t id = 1; id < STREAMS * 2; id += 2) {
            put_frame(&block, HEADERS, END_HEADERS, id, check_headers, CHECK_HEADERS_LEN);
            put_frame(&block, DATA, END_STREAM, id, empty, sizeof(empty));
        }
        fds[i] = client_socket(server.listen);
        assert_int_equal(send(fds[i], block.data, block.len, MSG_NOSIGNAL), block.len);
        check_bystander();
    }
    check_bystander();
    assert_true(parleyd_rss_kib(&server) - before_kib < RSS_GROWTH_KIB);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        (void)close(fds[i]);
    }
    check_bystander();
}

/* Hello, one byte at a time and never whole; or nothing at all. */
static void test_a_slow_hello_is_not_waited_for(void **state)
{
    (void)state;
    enum {
        SLOW = 50
    };
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    int fds[SLOW];
    for (size_t i = 0; i < SLOW; i++) {
        fds[i] = client_socket(server.listen);
    }
    int64_t start_ms = wait_deadline(0);
    size_t closed = 0;
    for (size_t round = 0; closed < SLOW; round++) {
        assert_true(wait_deadline(0) - start_ms < OPEN_TIMEOUT_MS + WAIT_MS);
        closed = 0;
        for (size_t i = 0; i < SLOW; i++) {
            char answer[64];
            ssize_t got = recv(fds[i], answer, sizeof(answer), MSG_DONTWAIT);
            closed += got == 0 || (got < 0 && errno != EAGAIN) ? 1 : 0;
            if (i % 2 == 0 && round < sizeof(preface) - 2) {
                (void)send(fds[i], preface + round, 1, MSG_NOSIGNAL);
            }
        }
        check_bystander();
        (void)poll(NULL, 0, 50);
    }
    assert_true(wait_deadline(0) - start_ms >= OPEN_TIMEOUT_MS / 2);
    for (size_t i = 0; i < SLOW; i++) {
        (void)close(fds[i]);
    }
}

static int start_server(void **state)
{
    (void)state;
    parleyd_start(&server, PARLEYD_PATH, NULL);
    client_open(&bystander, server.listen, NULL, 0);
    return 0;
}

static int stop_server(void **state)
{
    (void)state;
    client_close(&bystander);
    parleyd_stop(&server);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_floods_end_with_the_attacker_out_and_the_bystander_served),
        cmocka_unit_test(test_a_reader_without_a_window_is_contained),
        cmocka_unit_test(test_a_slow_hello_is_not_waited_for),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
