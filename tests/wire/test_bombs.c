/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that are small on the wire and large or slow to read, sent to a running server: each is
 * refused with its status, on a connection that goes on, while a bystander is served. */
#include "support/check.h"
#include "support/parleyd.h"
#include "support/wait.h"
#include "wire/attack.h"
#include "wire/bystander.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define BODY_MAX (4 * 1024 * 1024)
#define RSS_GROWTH_KIB                                                                             \
    (192 * 1024) /* 64 MiB are allowed to one connection; sanitizers double it                     \
                  */
#define ROUNDS 3

static struct parleyd server;
static struct bystander bystander;
static char authorization[1024] = "Bearer ";

/* ---- bodies: a frame of gRPC each ---- */

static size_t set_prefix(uint8_t *body, uint8_t flag, size_t len)
{
    const uint8_t prefix[5] = {flag, (uint8_t)(len >> 24), (uint8_t)(len >> 16),
                               (uint8_t)(len >> 8), (uint8_t)len};
    memcpy(body, prefix, sizeof(prefix));
    return 5 + len;
}

/* One field, again and again. */
static size_t repeat(uint8_t *body, const char *field, size_t field_len, size_t len)
{
    size_t at = 0;
    for (; at + field_len <= len; at += field_len) {
        memcpy(body + 5 + at, field, field_len);
    }
    return set_prefix(body, 0, at);
}

static size_t make_empty_messages(uint8_t *body)
{
    return repeat(body, "\x0a\x00", 2, BODY_MAX - 5);
}

static size_t make_empty_texts(uint8_t *body)
{
    return repeat(body, "\x1a\x00", 2, BODY_MAX - 5);
}

static size_t make_unknown_numbers(uint8_t *body)
{
    return repeat(body, "\x78\x01", 2, BODY_MAX - 5); /* field 15 */
}

static size_t make_groups(uint8_t *body)
{
    return repeat(body, "\x7b", 1, BODY_MAX - 5); /* the beginning of field 15 */
}

/* send: {} again and again, which is one message merged with itself. */
static size_t make_merges(uint8_t *body)
{
    return repeat(body,
                  "\x0a\x05\x0a\x03"
                  "abc",
                  7, 400000);
}

/* Messages in fields that are messages in fields ... of lengths that hold. */
static size_t make_nesting(uint8_t *body)
{
    enum {
        DEPTH = 16000
    };
    size_t at = BODY_MAX;
    for (size_t inner = 0, i = 0; i < DEPTH; i++) {
        uint8_t head[6] = {0x0a};
        size_t head_len = 1;
        size_t len = inner;
        for (; len >= 0x80; len >>= 7) {
            head[head_len++] = (uint8_t)(len | 0x80);
        }
        head[head_len++] = (uint8_t)len;
        at -= head_len;
        memcpy(body + at, head, head_len);
        inner += head_len;
    }
    memmove(body + 5, body + at, BODY_MAX - at);
    return set_prefix(body, 0, BODY_MAX - at);
}

static size_t make_gzip(uint8_t *body)
{
    enum {
        UNPACKED = 128 * 1024 * 1024
    };
    static uint8_t zeros[65536];
    z_stream gzip = {.next_out = body + 5, .avail_out = BODY_MAX - 5};
    assert_int_equal(deflateInit2(&gzip, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
    for (size_t done = 0; done < UNPACKED; done += sizeof(zeros)) {
        gzip.next_in = zeros;
        gzip.avail_in = sizeof(zeros);
        assert_int_equal(deflate(&gzip, Z_NO_FLUSH), Z_OK);
    }
    assert_int_equal(deflate(&gzip, Z_FINISH), Z_STREAM_END);
    size_t len = gzip.total_out;
    assert_int_equal(deflateEnd(&gzip), Z_OK);
    return set_prefix(body, 1, len);
}

struct bomb {
    const char *name;
    const char *path;
    size_t (*make)(uint8_t *body); /* @return bytes; room for BODY_MAX */
    const char *encoding;
    const char *grpc_status;
};

#define CHECK  "/grpc.health.v1.Health/Check"
#define CREATE "/parley.v1.ConversationService/CreateConversation"

static const struct bomb bombs[] = {
    {"gzip of 128 MiB", CHECK, make_gzip, "gzip", "8"},
    {"empty messages", "/parley.v1.ChatService/Subscribe", make_empty_messages, "identity", "8"},
    {"empty texts", CREATE, make_empty_texts, "identity", "8"},
    {"unknown numbers", CHECK, make_unknown_numbers, "identity", "8"},
    {"groups in groups", CHECK, make_groups, "identity", "13"},
    {"a message merged with itself", "/parley.v1.ChatService/SendStream", make_merges, "identity",
     "8"},
    {"messages in messages", "/parley.v1.ChatService/SendStream", make_nesting, "identity", "13"},
};

static void test_bombs_are_refused_and_the_connection_goes_on(void **state)
{
    (void)state;
    uint8_t *body = malloc(BODY_MAX);
    assert_non_null(body);
    long before_kib = parleyd_rss_kib(&server);
    for (size_t i = 0; i < sizeof(bombs) / sizeof(bombs[0]); i++) {
        struct client client;
        const char *const headers[] = {":method",
                                       "POST",
                                       ":scheme",
                                       "http",
                                       ":path",
                                       bombs[i].path,
                                       ":authority",
                                       "host",
                                       "content-type",
                                       "application/grpc",
                                       "grpc-encoding",
                                       bombs[i].encoding,
                                       "authorization",
                                       authorization,
                                       NULL};
        const struct client_request request = {
            .headers = headers, .body = body, .body_len = bombs[i].make(body)};
        print_message("  %s: %zu bytes\n", bombs[i].name, request.body_len);
        client_open(&client, server.listen, NULL, 0);
        for (int round = 0; round < ROUNDS; round++) {
            client_start(&client, &request);
            bystander_check(&bystander);
            client_finish(&client);
            bystander_check(&bystander);
            assert_false(client.is_connection_over);
            assert_string_equal(client.answer.grpc_status, bombs[i].grpc_status);
        }
        client_close(&client);
        assert_true(parleyd_rss_kib(&server) - before_kib < RSS_GROWTH_KIB);
    }
    free(body);
    print_message("  slowest answer to the bystander: %lld ms\n", (long long)bystander.slowest_ms);
}

/* All but the end of a message of 4 MiB, on one stream after the other. */
static void put_unfinished_messages(struct bytes *out, uint32_t round)
{
    enum {
        ROUNDS_EACH = 43
    };
    static const uint8_t prefix[] = {0, 0, 0x3f, 0xff, 0xff};
    static const uint8_t data[16000];
    uint32_t id = round / ROUNDS_EACH * 2 + 1;
    if (round % ROUNDS_EACH == 0) {
        put_check(out, END_HEADERS, id);
        put_frame(out, FRAME_DATA, 0, id, prefix, sizeof(prefix));
    }
    for (int i = 0; i < 6; i++) {
        put_frame(out, FRAME_DATA, 0, id, data, sizeof(data));
    }
}

static void check_bystander(void)
{
    static unsigned calls;
    if (++calls % 16 == 0) {
        bystander_check(&bystander);
    }
}

static void test_messages_without_end_are_not_hoarded(void **state)
{
    (void)state;
    static struct attacker attacker;
    static const struct attack hoard = {"unfinished messages", put_unfinished_messages, true,
                                        ATTACK_CONTAINED};
    long before_kib = parleyd_rss_kib(&server);
    attacker_open(&attacker, server.listen);
    attacker_run(&attacker, &hoard, (size_t)192 * 1024 * 1024, INT64_MAX, check_bystander);
    long grown_kib = parleyd_rss_kib(&server) - before_kib;
    print_message("  the server grew by %ld MiB\n", grown_kib / 1024);
    assert_true(grown_kib < RSS_GROWTH_KIB);
    assert_false(attacker.is_out);
    attacker_close(&attacker);
    bystander_check(&bystander);
}

static int start_server(void **state)
{
    (void)state;
    size_t len = strlen(authorization);
    parleyd_start(&server, PARLEYD_PATH, NULL);
    parleyd_token(&server, PARLEYD_PATH, "mallory", authorization + len,
                  sizeof(authorization) - len);
    bystander_open(&bystander, server.listen);
    return 0;
}

static int stop_server(void **state)
{
    (void)state;
    bystander_close(&bystander);
    parleyd_stop(&server);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bombs_are_refused_and_the_connection_goes_on),
        cmocka_unit_test(test_messages_without_end_are_not_hoarded),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
