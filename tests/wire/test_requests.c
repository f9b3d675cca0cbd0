/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that a running parleyd gets over a socket, and the exact answer to each: the checklist's
 * R, T, M and C items and the list of requests that official clients never send. Each row is sent
 * whole and in pieces of seven bytes. The method is one that needs no token. */
#include "support/check.h"
#include "support/parleyd.h"
#include "support/wait.h"
#include "wire/client.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct parleyd server;

#define CHECK_PATH   "/grpc.health.v1.Health/Check"
#define REFLECT_PATH "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"

#define TO(path)                                                                                   \
    ":method", "POST", ":scheme", "http", ":path", path, ":authority", "host", "te", "trailers"
#define BASE        TO(CHECK_PATH)
#define GRPC        "content-type", "application/grpc"
#define FIELDS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define BYTES(...)  ((const uint8_t[]){__VA_ARGS__}), sizeof((const uint8_t[]){__VA_ARGS__})
#define NO_BODY     NULL, 0
#define EMPTY       BYTES(0, 0, 0, 0, 0)
#define NO_RESET    (-1)

#define K_100                                                                                      \
    "01234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901" \
    "23"                                                                                           \
    "456789"
#define K_3000                                                                                     \
    K_100 K_100 K_100 K_100 K_100 K_100 K_100 K_100 K_100 K_100 K_100 K_100 K_100 K_100 K_100      \
        K_100 K_100 K_100 K_100 K_100 K_100 K_100 K_100 K_100 K_100 K_100 K_100 K_100 K_100 K_100
#define NINE_KB "x-a", K_3000, "x-b", K_3000, "x-c", K_3000

struct row {
    const char *name;
    const char *const *headers;
    const uint8_t *body;
    size_t body_len;
    int http_status;         /* 0: a reset and no answer */
    const char *grpc_status; /* "": none */
    const char *message;     /* what grpc-message begins with */
    int reset;               /* the error, or NO_RESET */
    bool is_open_ended;      /* the client has not half-closed */
};

static const struct row rows[] = {
    {"ok", FIELDS(BASE, GRPC), EMPTY, 200, "0", "", NO_RESET, false},

    {"R1 GET with a grpc content-type",
     FIELDS(":method", "GET", ":scheme", "http", ":path", CHECK_PATH, ":authority", "host", GRPC),
     NO_BODY, 405, "13", "", NO_RESET, false},
    {"R1 plain GET",
     FIELDS(":method", "GET", ":scheme", "http", ":path", "/", ":authority", "host"), NO_BODY, 415,
     "", "", NO_RESET, false},
    {"R2 content-type missing", FIELDS(BASE), EMPTY, 415, "", "", NO_RESET, false},
    {"R2 application/json", FIELDS(BASE, "content-type", "application/json"), EMPTY, 415, "", "",
     NO_RESET, false},
    {"R2 application/grpcfoo", FIELDS(BASE, "content-type", "application/grpcfoo"), EMPTY, 415, "",
     "", NO_RESET, false},
    {"R2 application/grpc-web", FIELDS(BASE, "content-type", "application/grpc-web"), EMPTY, 415,
     "", "", NO_RESET, false},
    {"R2 application/grpc+json", FIELDS(BASE, "content-type", "application/grpc+json"), EMPTY, 415,
     "", "", NO_RESET, false},
    {"R2 application/grpc+proto", FIELDS(BASE, "content-type", "application/grpc+proto"), EMPTY,
     200, "0", "", NO_RESET, false},
    {"R2 application/grpc;charset", FIELDS(BASE, "content-type", "application/grpc;charset=utf-8"),
     EMPTY, 200, "0", "", NO_RESET, false},
    {"R2 content-type in upper case", FIELDS(BASE, "content-type", "APPLICATION/GRPC"), EMPTY, 200,
     "0", "", NO_RESET, false},
    {"R3 te missing",
     FIELDS(":method", "POST", ":scheme", "http", ":path", CHECK_PATH, ":authority", "host", GRPC),
     EMPTY, 200, "0", "", NO_RESET, false},
    {"R3 te: gzip",
     FIELDS(":method", "POST", ":scheme", "http", ":path", CHECK_PATH, ":authority", "host", GRPC,
            "te", "gzip"),
     EMPTY, 0, "", "", NGHTTP2_PROTOCOL_ERROR, false},
    {"R4 /nosuch", FIELDS(TO("/nosuch"), GRPC), EMPTY, 200, "12", "unknown method /nosuch",
     NO_RESET, false},
    {"R4 unknown service", FIELDS(TO("/no.Such/Check"), GRPC), EMPTY, 200, "12",
     "unknown method /no.Such/Check", NO_RESET, false},
    {"R4 unknown method", FIELDS(TO("/grpc.health.v1.Health/Chek"), GRPC), EMPTY, 200, "12",
     "unknown method", NO_RESET, false},
    {"R4 wrong case", FIELDS(TO("/grpc.health.v1.health/check"), GRPC), EMPTY, 200, "12",
     "unknown method", NO_RESET, false},
    {"R4 a query after the method", FIELDS(TO(CHECK_PATH "?a=b"), GRPC), EMPTY, 200, "12",
     "unknown method", NO_RESET, false},
    {"R5 no authority", FIELDS(":method", "POST", ":scheme", "http", ":path", CHECK_PATH, GRPC),
     EMPTY, 0, "", "", NGHTTP2_PROTOCOL_ERROR, false},
    {"R5 host instead of authority",
     FIELDS(":method", "POST", ":scheme", "http", ":path", CHECK_PATH, GRPC, "host", "h"), EMPTY,
     200, "0", "", NO_RESET, false},
    {"R5 a connection header", FIELDS(BASE, GRPC, "connection", "close"), EMPTY, 0, "", "",
     NGHTTP2_PROTOCOL_ERROR, false},
    {"R6 https on cleartext",
     FIELDS(":method", "POST", ":scheme", "https", ":path", CHECK_PATH, ":authority", "host", GRPC),
     EMPTY, 200, "0", "", NO_RESET, false},
    {"R7 grpc-timeout abc", FIELDS(BASE, GRPC, "grpc-timeout", "abc"), EMPTY, 200, "13", "",
     NO_RESET, false},
    {"R7 grpc-timeout 10", FIELDS(BASE, GRPC, "grpc-timeout", "10"), EMPTY, 200, "13", "", NO_RESET,
     false},
    {"R7 grpc-timeout of nine digits", FIELDS(BASE, GRPC, "grpc-timeout", "123456789S"), EMPTY, 200,
     "13", "", NO_RESET, false},
    {"R7 grpc-timeout -1S", FIELDS(BASE, GRPC, "grpc-timeout", "-1S"), EMPTY, 200, "13", "",
     NO_RESET, false},
    {"R7 grpc-timeout 0S", FIELDS(BASE, GRPC, "grpc-timeout", "0S"), EMPTY, 200, "4", "", NO_RESET,
     false},
    {"R7 grpc-timeout 1n", FIELDS(BASE, GRPC, "grpc-timeout", "1n"), NO_BODY, 200, "4", "",
     NGHTTP2_NO_ERROR, true},
    {"R7 grpc-timeout 99999999H", FIELDS(BASE, GRPC, "grpc-timeout", "99999999H"), EMPTY, 200, "0",
     "", NO_RESET, false},
    {"R7 duplicate grpc-timeout, the last wins",
     FIELDS(BASE, GRPC, "grpc-timeout", "0S", "grpc-timeout", "9S"), EMPTY, 200, "0", "", NO_RESET,
     false},
    {"R8 unknown grpc- header", FIELDS(BASE, GRPC, "grpc-foo", "bar"), EMPTY, 200, "0", "",
     NO_RESET, false},
    {"R9 zero messages", FIELDS(BASE, GRPC), NO_BODY, 200, "12", "no message", NO_RESET, false},
    {"R9 zero messages on a stream of the client", FIELDS(TO(REFLECT_PATH), GRPC), NO_BODY, 200,
     "0", "", NO_RESET, false},
    {"R10 two messages", FIELDS(BASE, GRPC), BYTES(0, 0, 0, 0, 0, 0, 0, 0, 0, 0), 200, "12",
     "more than one message", NO_RESET, false},
    {"R12 flag 2", FIELDS(BASE, GRPC), BYTES(2, 0, 0, 0, 0), 200, "13", "", NO_RESET, false},
    {"R13 truncated prefix", FIELDS(BASE, GRPC), BYTES(0, 0, 0), 200, "13", "", NO_RESET, false},
    {"R13 truncated body", FIELDS(BASE, GRPC), BYTES(0, 0, 0, 0, 9, 10), 200, "13", "", NO_RESET,
     false},
    {"R14 length 5 MB", FIELDS(BASE, GRPC), BYTES(0, 0, 0x4c, 0x4b, 0x40, 10), 200, "8",
     "grpc: received message larger than max (5000000 vs. 4194304)", NGHTTP2_NO_ERROR, true},
    {"R14 length 4 GB", FIELDS(BASE, GRPC), BYTES(0, 0xff, 0xff, 0xff, 0xff), 200, "8",
     "grpc: received message larger than max (4294967295 vs. 4194304)", NGHTTP2_NO_ERROR, true},
    {"R15 no protobuf", FIELDS(BASE, GRPC), BYTES(0, 0, 0, 0, 2, 0xff, 0xff), 200, "13", "",
     NO_RESET, false},
    {"R15 a string that is not UTF-8", FIELDS(BASE, GRPC), BYTES(0, 0, 0, 0, 3, 10, 1, 0xff), 200,
     "13", "", NO_RESET, false},
    {"R17 headers of 9 KB", FIELDS(BASE, GRPC, NINE_KB), EMPTY, 200, "0", "", NO_RESET, false},
    {"R17 headers of 18 KB", FIELDS(BASE, GRPC, NINE_KB, NINE_KB), EMPTY, 200, "8",
     "grpc: received metadata size exceeds limit", NO_RESET, false},

    {"H1 an unknown service is not found", FIELDS(BASE, GRPC), BYTES(0, 0, 0, 0, 3, 10, 1, 'x'),
     200, "5", "", NO_RESET, false},
    {"M2 a -bin value that is not base64", FIELDS(BASE, GRPC, "x-bin", "a?!"), EMPTY, 200, "13", "",
     NO_RESET, false},
    {"M2 a padded -bin value", FIELDS(BASE, GRPC, "x-bin", "qw=="), EMPTY, 200, "0", "", NO_RESET,
     false},
    {"M4 a value that is not ASCII", FIELDS(BASE, GRPC, "x-name", "caf\xc3\xa9"), EMPTY, 200, "0",
     "", NO_RESET, false},
    {"a name in upper case", FIELDS(BASE, GRPC, "X-Name", "v"), EMPTY, 0, "", "",
     NGHTTP2_PROTOCOL_ERROR, false},

    {"S5 a call without a token", FIELDS(TO("/parley.v1.ChatService/Send"), GRPC), EMPTY, 200, "16",
     "no token", NO_RESET, false},

    {"C1 flag 1 without grpc-encoding", FIELDS(BASE, GRPC), BYTES(1, 0, 0, 0, 0), 200, "13", "",
     NO_RESET, false},
    {"C1 flag 1 with identity", FIELDS(BASE, GRPC, "grpc-encoding", "identity"),
     BYTES(1, 0, 0, 0, 0), 200, "13", "", NO_RESET, false},
    {"C2 snappy with flag 1", FIELDS(BASE, GRPC, "grpc-encoding", "snappy"), BYTES(1, 0, 0, 0, 0),
     200, "12", "", NO_RESET, false},
    {"C2 snappy with flag 0", FIELDS(BASE, GRPC, "grpc-encoding", "snappy"), EMPTY, 200, "0", "",
     NO_RESET, false},
    {"C2 snappy with flag 0 and no message", FIELDS(BASE, GRPC, "grpc-encoding", "snappy"),
     BYTES(0, 0, 0, 0, 2, 0xff, 0xff), 200, "12", "", NO_RESET, false},
    {"C3 gzip garbage", FIELDS(BASE, GRPC, "grpc-encoding", "gzip"), BYTES(1, 0, 0, 0, 2, 'h', 'i'),
     200, "13", "", NO_RESET, false},
};

static void check_shape(const struct row *row, const struct client_answer *answer)
{
    bool has_message = answer->data_len > 0;
    assert_true(answer->is_ended);
    assert_false(answer->is_end_in_data);                                              /* T3 */
    assert_int_equal(answer->blocks, has_message || !answer->is_end_in_first ? 2 : 1); /* T1, T6 */
    if (strcmp(row->grpc_status, "") != 0) {
        assert_string_equal(answer->content_type, "application/grpc");
    }
    if (strcmp(row->grpc_status, "0") != 0) {
        assert_true(answer->is_end_in_first); /* T6, T8: retries stay possible */
        assert_false(has_message);
    }
}

static void check_answer(const struct row *row, const struct client *client)
{
    const struct client_answer *answer = &client->answer;
    assert_false(client->is_connection_over);
    assert_int_equal(answer->http_status, row->http_status);
    assert_string_equal(answer->grpc_status, row->grpc_status);
    assert_int_equal(strncmp(answer->grpc_message, row->message, strlen(row->message)), 0);
    if (answer->is_reset && row->reset == NO_RESET) {
        /* T5: the answer was there before the client's half-close. */
        assert_int_equal(answer->reset_error, NGHTTP2_NO_ERROR);
    } else {
        assert_int_equal(answer->is_reset ? (int)answer->reset_error : NO_RESET, row->reset);
    }
    if (row->http_status != 0) {
        check_shape(row, answer);
    }
}

static void send_row(const struct row *row, size_t piece)
{
    struct client client;
    client_open(&client, server.listen, NULL, 0);
    client.piece = piece;
    for (int round = 0; round < 2; round++) {
        /* The second time the connection is ready, and its HPACK tables are warm. */
        const struct client_request request = {.headers = row->headers,
                                               .body = row->body,
                                               .body_len = row->body_len,
                                               .is_open_ended = row->is_open_ended};
        client_start(&client, &request);
        client_finish(&client);
        check_answer(row, &client);
    }
    client_close(&client);
}

static void test_every_row_gets_its_answer(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        print_message("  %s\n", rows[i].name);
        send_row(&rows[i], 0);
        send_row(&rows[i], 7);
    }
}

static void test_c2_the_refusal_names_the_encodings_that_are_understood(void **state)
{
    (void)state;
    struct client client;
    client_open(&client, server.listen, NULL, 0);
    const struct client_request request = {.headers = FIELDS(BASE, GRPC, "grpc-encoding", "snappy"),
                                           .body = (const uint8_t[]){1, 0, 0, 0, 0},
                                           .body_len = 5};
    client_start(&client, &request);
    client_finish(&client);
    assert_non_null(strstr(client.answer.accept_encoding, "gzip"));
    client_close(&client);
}

/* What list_services is answered with does not depend on how the question was cut up. */
static void test_r11_message_borders_are_not_frame_borders(void **state)
{
    (void)state;
    enum {
        QUESTIONS = 20
    };
    static const uint8_t question[] = {0, 0, 0, 0, 3, 0x3a, 1, '*'};
    uint8_t body[QUESTIONS * sizeof(question)];
    for (size_t i = 0; i < QUESTIONS; i++) {
        memcpy(body + i * sizeof(question), question, sizeof(question));
    }
    static const size_t frames[] = {0, 1, 2, 3, 4, 5, 7, 64};
    uint8_t expected[4096];
    size_t expected_len = 0;
    for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
        struct client client;
        client_open(&client, server.listen, NULL, 0);
        const struct client_request request = {.headers = FIELDS(TO(REFLECT_PATH), GRPC),
                                               .body = body,
                                               .body_len = sizeof(body),
                                               .frame_bytes = frames[i],
                                               .padding = i % 2 == 0 ? 0 : 255};
        client_start(&client, &request);
        client_finish(&client);
        assert_string_equal(client.answer.grpc_status, "0");
        if (i == 0) {
            expected_len = client.answer.data_len;
            assert_true(expected_len > QUESTIONS * 20);
            memcpy(expected, client.answer.data, expected_len);
        }
        assert_int_equal(client.answer.data_len, expected_len);
        assert_memory_equal(client.answer.data, expected, expected_len);
        client_close(&client);
    }
}

static void test_r16_request_trailers_are_a_half_close(void **state)
{
    (void)state;
    struct client client;
    client_open(&client, server.listen, NULL, 0);
    const struct client_request request = {.headers = FIELDS(BASE, GRPC),
                                           .body = (const uint8_t[]){0, 0, 0, 0, 0},
                                           .body_len = 5,
                                           .trailers = FIELDS("grpc-status", "13", "x", "y")};
    client_start(&client, &request);
    client_finish(&client);
    check_answer(&rows[0], &client);
    assert_int_equal(client.answer.data_len, 7); /* SERVING */
    client_close(&client);
}

static void test_t5_an_early_answer_is_followed_by_a_reset_without_error(void **state)
{
    (void)state;
    struct client client;
    client_open(&client, server.listen, NULL, 0);
    const struct client_request request = {.headers = FIELDS(TO("/no.Such/Method"), GRPC),
                                           .is_open_ended = true};
    client_start(&client, &request);
    client_finish(&client);
    assert_string_equal(client.answer.grpc_status, "12");
    assert_true(client.answer.is_reset);
    assert_int_equal(client.answer.reset_error, NGHTTP2_NO_ERROR);
    client_close(&client);
}

static void test_k10_http1_gets_a_400_and_the_end(void **state)
{
    (void)state;
    static const char request[] = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";
    char answer[512] = "";
    size_t len = 0;
    int fd = client_socket(server.listen);
    assert_int_equal(send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL), sizeof(request) - 1);
    for (ssize_t got = 1; got > 0; len += (size_t)got) {
        got = recv(fd, answer + len, sizeof(answer) - 1 - len, 0);
        assert_true(got >= 0);
    }
    assert_int_equal(strncmp(answer, "HTTP/1.1 400 Bad Request\r\n", 26), 0);
    (void)close(fd);
}

static int start_server(void **state)
{
    (void)state;
    parleyd_start(&server, PARLEYD_PATH, NULL);
    return 0;
}

static int stop_server(void **state)
{
    (void)state;
    parleyd_stop(&server);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_row_gets_its_answer),
        cmocka_unit_test(test_c2_the_refusal_names_the_encodings_that_are_understood),
        cmocka_unit_test(test_r11_message_borders_are_not_frame_borders),
        cmocka_unit_test(test_r16_request_trailers_are_a_half_close),
        cmocka_unit_test(test_t5_an_early_answer_is_followed_by_a_reset_without_error),
        cmocka_unit_test(test_k10_http1_gets_a_400_and_the_end),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
