/* SPDX-License-Identifier: Apache-2.0 */
/* How connections end: in every state, by every side, and peers that do not speak HTTP/2. */

#include "transport/conn_impl.h"
#include "world.h"

#include "base/clock.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static const struct pl_error our_cause = {.code = PARLEY_ABORTED, .text = "because"};

/* ---- close in every state ---- */

static void close_client_in_state(enum world_kind kind, enum conn_state wanted)
{
    struct world *world = world_new(kind);
    struct pl_conn *conn = world_connect(world);
    struct call call;
    call_start(&call, world, conn, 3000);
    int64_t deadline_ms = pl_clock_monotonic_ms() + 5000;
    while (conn->state != wanted) {
        assert_true(pl_clock_monotonic_ms() < deadline_ms);
        assert_int_equal(world->client.closes, 0);
        pl_loop_turn(world->loop);
    }
    int closed_calls = call.closes;
    pl_conn_close(conn, &our_cause);
    pl_conn_close(conn, NULL); /* the first one counts */
    pl_conn_close_when_over(conn);
    assert_int_equal(world->client.closes, 0);
    assert_int_equal(call.closes, closed_calls);
    pl_loop_turn(world->loop);
    assert_int_equal(world->client.closes, 1);
    assert_int_equal(world->client.cause.code, PARLEY_ABORTED);
    assert_string_equal(world->client.cause.text, "because");
    assert_int_equal(call.closes, 1);
    world_run_ms(world, 20);
    world_run(world, &world->server.closes, world->accepts);
    assert_int_equal(world->client.closes, 1);
    assert_int_equal(call.closes, 1);
    assert_int_equal(world->client_io->conn_count, 0);
    assert_int_equal(world->server_io->conn_count, 0);
    world_free(world);
}

static void test_a_client_closes_in_every_state(void **state)
{
    (void)state;
    close_client_in_state(WORLD_PLAIN, CONN_CONNECTING);
    close_client_in_state(WORLD_PLAIN, CONN_GREETING);
    close_client_in_state(WORLD_PLAIN, CONN_READY);
    close_client_in_state(WORLD_TLS, CONN_CONNECTING);
    close_client_in_state(WORLD_TLS, CONN_SECURING);
    close_client_in_state(WORLD_TLS, CONN_GREETING);
    close_client_in_state(WORLD_TLS, CONN_READY);
}

/* Without its preface the server does not get past the greeting. */
static void hold_preface(struct world *world, struct pl_conn *conn)
{
    (void)world;
    conn->is_held = true;
}

static void close_server_in_state(enum world_kind kind, enum conn_state wanted)
{
    struct world *world = world_new(kind);
    world->on_client_open = wanted == CONN_GREETING ? hold_preface : NULL;
    struct pl_conn *conn = world_connect(world);
    struct call call;
    call_start(&call, world, conn, 3000);
    int64_t deadline_ms = pl_clock_monotonic_ms() + 5000;
    while (world->server.conn == NULL || world->server.conn->state != wanted) {
        assert_true(pl_clock_monotonic_ms() < deadline_ms);
        pl_loop_turn(world->loop);
    }
    pl_conn_close(world->server.conn, &our_cause);
    assert_int_equal(world->server.closes, 0);
    pl_loop_turn(world->loop);
    assert_int_equal(world->server.closes, 1);
    assert_int_equal(world->server.cause.code, PARLEY_ABORTED);
    world_run(world, &world->client.closes, 1);
    assert_int_equal(call.closes, 1);
    world_run_ms(world, 10);
    assert_int_equal(world->server.closes, 1);
    assert_int_equal(world->client.closes, 1);
    world_free(world);
}

static void test_a_server_closes_in_every_state(void **state)
{
    (void)state;
    close_server_in_state(WORLD_PLAIN, CONN_GREETING);
    close_server_in_state(WORLD_PLAIN, CONN_READY);
    close_server_in_state(WORLD_TLS, CONN_SECURING);
    close_server_in_state(WORLD_TLS, CONN_GREETING);
    close_server_in_state(WORLD_TLS, CONN_READY);
}

static void close_now(struct world *world, struct pl_conn *conn)
{
    pl_conn_close(conn, &our_cause);
    assert_int_equal(world->client.closes, 0);
}

static void close_server_now(struct world *world, struct pl_stream *stream)
{
    (void)stream;
    pl_conn_close(world->server.conn, &our_cause);
    assert_int_equal(world->server.closes, 0);
}

static void close_client_now(struct call *call)
{
    pl_conn_close(call->world->client.conn, &our_cause);
    assert_int_equal(call->world->client.closes, 0);
}

static void test_a_connection_is_closed_from_inside_of_its_events(void **state)
{
    (void)state;
    static const enum world_kind kinds[] = {WORLD_PLAIN, WORLD_TLS};
    for (size_t i = 0; i < 2 * PL_COUNT(kinds); i++) {
        struct world *world = world_new(kinds[i / 2]);
        world->on_client_open = i % 2 == 0 ? close_now : NULL;
        world->on_server_message = i % 2 == 1 ? close_server_now : NULL;
        struct call call;
        call_start(&call, world, world_connect(world), 10);
        world_run(world, &world->client.closes, 1);
        world_run(world, &world->server.closes, world->accepts);
        assert_int_equal(call.closes, 1);
        world_free(world);
    }
    for (size_t i = 0; i < PL_COUNT(kinds); i++) {
        struct world *world = world_new(kinds[i]);
        struct call call;
        call_start(&call, world, world_connect(world), 10);
        call.on_message = close_client_now;
        world_run(world, &world->client.closes, 1);
        assert_int_equal(call.closes, 1);
        assert_int_equal(call.messages, 1);
        world_run(world, &world->server.closes, 1);
        world_free(world);
    }
}

/* ---- the peer goes ---- */

static void run_peer_dies(enum world_kind kind)
{
    struct world *world = world_new(kind);
    world->client_options.session.limits.stream_window = 8 << 20;
    world->client_options.session.limits.connection_window = 8 << 20;
    world->client_options.session.limits.message_bytes_max = 8 << 20;
    world->reply_bytes = 7 << 20;
    world->server_sndbuf = 20000;
    struct pl_conn *conn = world_connect(world);
    struct call call;
    call_start(&call, world, conn, 10);
    world_run(world, &world->requests, 1);
    pl_watch_set(conn->watch, 0);
    /* Unread input makes the kernel reset: the server's next write would raise SIGPIPE. */
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    assert_int_equal(setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    assert_true(null_fd >= 0);
    assert_int_equal(dup2(null_fd, conn->fd), conn->fd); /* the socket is gone, the number stays */
    (void)close(null_fd);
    world_run(world, &world->server.closes, 1);
    assert_int_equal(world->server.cause.code, PARLEY_UNAVAILABLE);
    assert_int_equal(world->server.stream_closes, 1);
    pl_conn_close(conn, NULL);
    world_run(world, &world->client.closes, 1);
    world_free(world);
}

static void test_a_peer_that_dies_while_we_write_is_only_a_closed_connection(void **state)
{
    (void)state;
    run_peer_dies(WORLD_PLAIN);
    run_peer_dies(WORLD_TLS);
}

static void test_nobody_listens(void **state)
{
    (void)state;
    struct world *world = world_new(WORLD_PLAIN);
    char address[PL_PEER_MAX];
    struct pl_address gone;
    memcpy(address, pl_listener_address(world->listener),
           strlen(pl_listener_address(world->listener)) + 1);
    assert_int_equal(pl_address_parse(address, &gone, NULL), PARLEY_OK);
    pl_listener_close(world->listener);
    world->listener = NULL;
    assert_int_equal(pl_conn_connect(world->client_io, (struct sockaddr *)&gone.storage, gone.len,
                                     &world->client_options, &world->client.conn, NULL),
                     PARLEY_OK);
    struct call call;
    call_start(&call, world, world->client.conn, 1);
    assert_int_equal(world->client.closes, 0);
    world_run(world, &world->client.closes, 1);
    assert_int_equal(world->client.cause.code, PARLEY_UNAVAILABLE);
    assert_true(world->client.cause.is_retryable);
    assert_non_null(strstr(world->client.cause.text, address));
    assert_int_equal(world->client.opens, 0);
    assert_int_equal(call.closes, 1);
    assert_int_equal(call.code, PARLEY_UNAVAILABLE);
    world_free(world);
}

/* ---- graceful end ---- */

static void test_a_graceful_end_lets_the_last_call_finish(void **state)
{
    (void)state;
    static const enum world_kind kinds[] = {WORLD_PLAIN, WORLD_TLS};
    for (size_t i = 0; i < PL_COUNT(kinds); i++) {
        struct world *world = world_new(kinds[i]);
        world->reply_bytes = 200000;
        struct pl_conn *conn = world_connect(world);
        struct call call;
        call_start(&call, world, conn, 10);
        world_run(world, &world->requests, 1);
        pl_session_goaway(pl_conn_session(world->server.conn), 0, "bye");
        pl_conn_close_when_over(world->server.conn);
        world_run(world, &world->server.closes, 1);
        assert_int_equal(world->server.cause.code, PARLEY_OK);
        world_run(world, &world->client.closes, 1);
        assert_int_equal(world->client.cause.code, PARLEY_OK);
        assert_int_equal(call.code, PARLEY_OK);
        assert_int_equal(call.bytes, 200000);
        world_free(world);
    }
}

static void test_a_client_says_goodbye_and_is_closed_when_over(void **state)
{
    (void)state;
    struct world *world = world_new(WORLD_PLAIN);
    struct pl_conn *conn = world_connect(world);
    world_echo(world, conn, 10);
    pl_session_goaway(pl_conn_session(conn), 0, NULL);
    pl_conn_close_when_over(conn);
    world_run(world, &world->client.closes, 1);
    assert_int_equal(world->client.cause.code, PARLEY_OK);
    world_run(world, &world->server.closes, 1);
    assert_int_equal(world->server.cause.code, PARLEY_OK);
    world_free(world);
}

/* ---- peers that do not speak ---- */

static void test_a_silent_client_is_closed_in_the_open_timeout(void **state)
{
    (void)state;
    static const enum world_kind kinds[] = {WORLD_PLAIN, WORLD_TLS};
    static const char *const unfinished[] = {"settings", "handshake"};
    for (size_t i = 0; i < PL_COUNT(kinds); i++) {
        struct world *world = world_new(kinds[i]);
        world->server_options.open_timeout_ms = 80;
        int fd = world_raw_socket(world);
        int64_t start_ms = pl_clock_monotonic_ms();
        world_run(world, &world->server.closes, 1);
        assert_true(pl_clock_monotonic_ms() - start_ms < 5000);
        assert_int_equal(world->server.cause.code, PARLEY_UNAVAILABLE);
        assert_non_null(strstr(world->server.cause.text, unfinished[i]));
        (void)close(fd);
        world_free(world);
    }
}

static void test_a_silent_server_is_closed_in_the_open_timeout(void **state)
{
    (void)state;
    static const enum world_kind kinds[] = {WORLD_PLAIN, WORLD_TLS};
    for (size_t i = 0; i < PL_COUNT(kinds); i++) {
        struct world *world = world_new(kinds[i]);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct pl_address address;
        assert_int_equal(pl_address_parse("127.0.0.1:0", &address, NULL), PARLEY_OK);
        assert_int_equal(bind(fd, (struct sockaddr *)&address.storage, address.len), 0);
        assert_int_equal(listen(fd, 5), 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *)&address.storage, &address.len), 0);
        world->client_options.open_timeout_ms = 80;
        assert_int_equal(pl_conn_connect(world->client_io, (struct sockaddr *)&address.storage,
                                         address.len, &world->client_options, &world->client.conn,
                                         NULL),
                         PARLEY_OK);
        world_run(world, &world->client.closes, 1);
        assert_int_equal(world->client.cause.code, PARLEY_UNAVAILABLE);
        (void)close(fd);
        world_free(world);
    }
}

/* `first` is sent and read before `second`. */
static void check_http1(const char *first, const char *second)
{
    struct world *world = world_new(WORLD_PLAIN);
    int fd = world_raw_socket(world);
    assert_int_equal(send(fd, first, strlen(first), MSG_NOSIGNAL), strlen(first));
    if (second != NULL) {
        world_run(world, &world->server.opens, 1);
        world_run_ms(world, 5);
        assert_int_equal(world->server.closes, 0);
        assert_int_equal(send(fd, second, strlen(second), MSG_NOSIGNAL), strlen(second));
    }
    char answer[1000];
    long got = world_raw_read(world, fd, answer, sizeof(answer));
    assert_true(got > 0);
    assert_int_equal(strncmp(answer, "HTTP/1.1 400 Bad Request\r\n", 26), 0);
    const char *body = strstr(answer, "\r\n\r\n");
    assert_non_null(body);
    assert_non_null(strstr(answer, "Content-Length: 38\r\n"));
    assert_int_equal(strlen(body + 4), 38);
    world_run(world, &world->server.closes, 1);
    assert_int_not_equal(world->server.cause.code, PARLEY_OK);
    assert_int_equal(world->requests, 0);
    (void)close(fd);
    world_free(world);
}

static void test_an_http1_request_is_answered_with_400(void **state)
{
    (void)state;
    check_http1("GET / HTTP/1.1\r\nHost: x\r\n\r\n", NULL);
    check_http1("POST /a.B/C HTTP/1.1\r\nHost: x\r\n\r\n", NULL);
    check_http1("P", "UT / HTTP/1.1\r\n\r\n");
    check_http1("PRI * HTTP/", "1.1\r\n\r\n");
}

static void check_refused(const char *bytes, size_t len, bool has_answer)
{
    struct world *world = world_new(WORLD_PLAIN);
    int fd = world_raw_socket(world);
    assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), len);
    char answer[1000];
    long got = world_raw_read(world, fd, answer, sizeof(answer));
    if (has_answer) {
        /* SETTINGS first, then a GOAWAY (type 7). */
        assert_true(got > 9);
        assert_int_equal(answer[3], 4);
        const char *goaway = answer;
        while (goaway - answer < got && goaway[3] != 7) {
            goaway += 9 + (unsigned char)goaway[2];
        }
        assert_true(goaway - answer < got);
    } else {
        assert_true(got >= 0);
        assert_int_not_equal(strncmp(answer, "HTTP", 4), 0);
    }
    world_run(world, &world->server.closes, 1);
    assert_int_not_equal(world->server.cause.code, PARLEY_OK);
    (void)close(fd);
    world_free(world);
}

static void test_garbage_is_refused_and_http2_errors_are_named(void **state)
{
    (void)state;
    /* A TLS hello on a cleartext port. */
    static const char hello[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    check_refused(hello, sizeof(hello) - 1, false);
    /* The preface and then a DATA frame on stream 0. */
    static const char data[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                               "\0\0\0\4\0\0\0\0\0"
                               "\0\0\1\0\0\0\0\0\0x";
    check_refused(data, sizeof(data) - 1, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_client_closes_in_every_state),
        cmocka_unit_test(test_a_server_closes_in_every_state),
        cmocka_unit_test(test_a_connection_is_closed_from_inside_of_its_events),
        cmocka_unit_test(test_a_peer_that_dies_while_we_write_is_only_a_closed_connection),
        cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_a_graceful_end_lets_the_last_call_finish),
        cmocka_unit_test(test_a_client_says_goodbye_and_is_closed_when_over),
        cmocka_unit_test(test_a_silent_client_is_closed_in_the_open_timeout),
        cmocka_unit_test(test_a_silent_server_is_closed_in_the_open_timeout),
        cmocka_unit_test(test_an_http1_request_is_answered_with_400),
        cmocka_unit_test(test_garbage_is_refused_and_http2_errors_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
