/* SPDX-License-Identifier: Apache-2.0 */
/* Connections at work: cleartext, TLS and unix sockets. */

#include "transport/conn_impl.h"
#include "world.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cmocka.h>

static void test_a_call_goes_there_and_back_on_every_kind_of_socket(void **state)
{
    (void)state;
    static const enum world_kind kinds[] = {WORLD_PLAIN, WORLD_TLS, WORLD_UNIX};
    for (size_t i = 0; i < PL_COUNT(kinds); i++) {
        struct world *world = world_new(kinds[i]);
        struct pl_conn *conn = world_connect(world);
        assert_int_equal(world->client.opens, 0);
        world_echo(world, conn, 5); /* before the connection is up */
        world_echo(world, conn, 0);
        world_echo(world, conn, 100000);
        assert_int_equal(world->client.opens, 1);
        assert_int_equal(world->server.opens, 1);
        if (kinds[i] == WORLD_UNIX) {
            assert_string_equal(pl_conn_peer(world->server.conn), "unix");
        } else {
            assert_int_equal(strncmp(pl_conn_peer(world->server.conn), "127.0.0.1:", 10), 0);
            assert_string_equal(pl_conn_peer(conn), pl_listener_address(world->listener));
        }
        world_hang_up(world);
        assert_int_equal(world->client.cause.code, PARLEY_OK);
        assert_int_equal(world->server.cause.code, PARLEY_OK);
        world_free(world);
    }
}

static void test_an_idle_connection_holds_no_buffer_and_no_timer(void **state)
{
    (void)state;
    assert_true(sizeof(struct pl_conn) <= 512);
    struct world *world = world_new(WORLD_TLS);
    struct pl_conn *conn = world_connect(world);
    world_echo(world, conn, 100);
    assert_null(conn->rest);
    assert_null(world->server.conn->rest);
    assert_false(pl_timer_is_running(&conn->timer));
    assert_false(pl_timer_is_running(&world->server.conn->timer));
    world_hang_up(world);
    world_free(world);
}

static void allow_big_messages(struct world *world, size_t bytes)
{
    world->client_options.session.limits.message_bytes_max = (uint32_t)bytes;
    world->client_options.session.limits.stream_window = (uint32_t)bytes;
    world->client_options.session.limits.connection_window = (uint32_t)bytes;
}

static void run_big_messages(enum world_kind kind)
{
    struct world *world = world_new(kind);
    allow_big_messages(world, 3 << 20);
    world->reply_bytes = (3 << 20) - 100;
    /* Enough for two segments of loopback: with less, each write waits for a delayed ACK. */
    world->server_sndbuf = 100000;
    struct pl_conn *conn = world_connect(world);
    struct call calls[2];
    call_start(&calls[0], world, conn, 10);
    call_start(&calls[1], world, conn, 10);
    bool was_full = false;
    int64_t deadline_ms = pl_clock_monotonic_ms() + 60000;
    while (calls[0].closes + calls[1].closes < 2) {
        assert_true(pl_clock_monotonic_ms() < deadline_ms);
        /* A reader that looks away every other millisecond. */
        pl_watch_set(conn->watch, 0);
        world_run_ms(world, 1);
        was_full = was_full || (world->server.conn != NULL && world->server.conn->rest != NULL);
        if (conn->state >= CONN_GREETING) {
            pl_conn_watch(conn);
        } else {
            pl_watch_set(conn->watch, PL_READABLE | PL_WRITABLE);
        }
        world_run_ms(world, 1);
    }
    assert_true(was_full);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(calls[i].code, PARLEY_OK);
        assert_int_equal(calls[i].bytes, world->reply_bytes);
        assert_false(calls[i].is_wrong);
    }
    assert_null(world->server.conn->rest);
    assert_false(pl_timer_is_running(&world->server.conn->timer));
    world_hang_up(world);
    world_free(world);
}

static void test_big_messages_reach_a_slow_reader_whole(void **state)
{
    (void)state;
    run_big_messages(WORLD_PLAIN);
    run_big_messages(WORLD_TLS);
}

static void run_stuck_reader(enum world_kind kind)
{
    struct world *world = world_new(kind);
    allow_big_messages(world, 12 << 20);
    world->server_sndbuf = 20000;
    world->server_options.write_timeout_ms = 150;
    struct pl_conn *conn = world_connect(world);
    world_echo(world, conn, 0);
    world->reply_bytes = (12 << 20) - 100;
    struct call call;
    call_start(&call, world, conn, 10);
    world_run(world, &world->requests, 2);
    pl_watch_set(conn->watch, 0);
    world_run(world, &world->server.closes, 1);
    assert_int_equal(world->server.cause.code, PARLEY_UNAVAILABLE);
    assert_non_null(strstr(world->server.cause.text, "in time"));
    pl_conn_watch(conn);
    world_run(world, &world->client.closes, 1);
    assert_int_equal(call.closes, 1);
    assert_int_equal(call.code, PARLEY_UNAVAILABLE);
    world_free(world);
}

static void test_a_reader_that_takes_nothing_is_closed_in_the_write_timeout(void **state)
{
    (void)state;
    run_stuck_reader(WORLD_PLAIN);
    run_stuck_reader(WORLD_TLS);
}

static void run_greedy_client(enum world_kind kind)
{
    struct world *world = world_new(kind);
    struct call calls[5];
    allow_big_messages(world, 3 << 20);
    world->server_options.session.limits.write_high_water = 64 << 10; /* full at 4 MiB */
    world->server_sndbuf = 100000;
    struct pl_conn *conn = world_connect(world);
    world_echo(world, conn, 0);
    world->reply_bytes = (3 << 20) - 100;
    pl_watch_set(conn->watch, 0); /* it asks, and does not read the answers */
    call_start(&calls[0], world, conn, 10);
    call_start(&calls[1], world, conn, 10);
    world_run(world, &world->requests, 3);
    world_run_ms(world, 20);
    assert_true(pl_session_is_full(pl_conn_session(world->server.conn)));
    for (size_t i = 2; i < PL_COUNT(calls); i++) {
        call_start(&calls[i], world, conn, 10);
    }
    world_run_ms(world, 100);
    assert_int_equal(world->requests, 3);
    pl_conn_watch(conn);
    world_run(world, &world->client.stream_closes, 1 + (int)PL_COUNT(calls));
    for (size_t i = 0; i < PL_COUNT(calls); i++) {
        assert_int_equal(calls[i].code, PARLEY_OK);
        assert_int_equal(calls[i].bytes, world->reply_bytes);
    }
    world_hang_up(world);
    world_free(world);
}

static void test_who_does_not_read_answers_is_not_read_from(void **state)
{
    (void)state;
    run_greedy_client(WORLD_PLAIN);
    run_greedy_client(WORLD_TLS);
}

/* TLS whose socket is full as long as one likes, and which gives its input in small pieces. */
static bool is_socket_full;

static ssize_t receive_piece(struct pl_conn *conn, uint8_t *data, size_t len, struct pl_error *err)
{
    return pl_conn_tls_ops.receive(conn, data, len < 64 ? len : 64, err);
}

static ssize_t send_or_not(struct pl_conn *conn, const struct iovec *slices, size_t count,
                           struct pl_error *err)
{
    return is_socket_full ? 0 : pl_conn_tls_ops.send(conn, slices, count, err);
}

static void finish(struct pl_conn *conn)
{
    pl_conn_tls_ops.finish(conn);
}

static void test_input_that_tls_holds_is_read_once_output_is_out(void **state)
{
    (void)state;
    static const struct conn_ops ops = {receive_piece, send_or_not, finish};
    struct world *world = world_new(WORLD_TLS);
    struct call calls[40]; /* their requests fit one record */
    world->server_options.session.limits.write_high_water = 1 << 10; /* full at 64 KiB */
    world->server_sndbuf = 1 << 20;
    struct pl_conn *conn = world_connect(world);
    world_echo(world, conn, 0);
    struct pl_conn *server = world->server.conn;
    server->ops = &ops;
    is_socket_full = true;
    world->reply_bytes = 8000;
    for (size_t i = 0; i < PL_COUNT(calls); i++) {
        call_start(&calls[i], world, conn, 10);
    }
    int64_t deadline_ms = pl_clock_monotonic_ms() + 10000;
    while (!server->wants_read || !pl_conn_is_held_back(server)) {
        assert_true(pl_clock_monotonic_ms() < deadline_ms);
        world_run_ms(world, 1);
    }
    /* Not because the socket told that it has room: another turn's end came first. */
    is_socket_full = false;
    pl_conn_flush(server);
    assert_null(server->rest);
    world_run(world, &world->client.stream_closes, 1 + (int)PL_COUNT(calls));
    for (size_t i = 0; i < PL_COUNT(calls); i++) {
        assert_int_equal(calls[i].code, PARLEY_OK);
    }
    world_hang_up(world);
    world_free(world);
}

static void run_many_calls(enum world_kind kind)
{
    enum {
        CALLS = 500
    };
    struct world *world = world_new(kind);
    struct pl_conn *conn = world_connect(world);
    struct call *calls = calloc(CALLS, sizeof(*calls));
    assert_non_null(calls);
    world_echo(world, conn, 1); /* settings are in: the limit of streams is known */
    for (size_t i = 0; i < CALLS; i++) {
        call_start(&calls[i], world, conn, i * 7);
    }
    world_run(world, &world->client.stream_closes, CALLS + 1);
    for (size_t i = 0; i < CALLS; i++) {
        assert_int_equal(calls[i].code, PARLEY_OK);
        assert_int_equal(calls[i].bytes, i * 7);
        assert_false(calls[i].is_wrong);
    }
    free(calls);
    world_hang_up(world);
    world_free(world);
}

static void test_many_calls_share_a_connection(void **state)
{
    (void)state;
    run_many_calls(WORLD_PLAIN);
    run_many_calls(WORLD_TLS);
}

static void test_a_thousand_connections_come_and_go(void **state)
{
    (void)state;
    enum {
        CONNS = 1000
    };
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_true(limit.rlim_cur > 2 * CONNS + 50);
    struct world *world = world_new(WORLD_PLAIN);
    struct pl_conn **conns = calloc(CONNS, sizeof(struct pl_conn *));
    struct call *calls = calloc(CONNS, sizeof(struct call));
    assert_non_null(conns);
    assert_non_null(calls);
    for (int i = 0; i < CONNS; i++) {
        conns[i] = world_connect(world);
        call_start(&calls[i], world, conns[i], 20);
    }
    world_run(world, &world->client.stream_closes, CONNS);
    assert_int_equal(world->client.opens, CONNS);
    assert_int_equal(world->server_io->conn_count, CONNS);
    for (int i = 0; i < CONNS; i++) {
        assert_int_equal(calls[i].code, PARLEY_OK);
        pl_conn_close(conns[i], NULL);
    }
    world_run(world, &world->client.closes, CONNS);
    world_run(world, &world->server.closes, CONNS);
    assert_int_equal(world->server_io->conn_count, 0);
    assert_int_equal(world->client_io->conn_count, 0);
    free(conns);
    free(calls);
    world_free(world);
}

/* ---- gzip bombs ---- */

#define BOMBS 16

/* Messages that came whole in the turn with the most of them. */
static struct {
    struct pl_turn_hook hook;
    int now;
    int most;
} turn;

static void end_turn(struct pl_loop *loop, struct pl_turn_hook *hook)
{
    (void)loop;
    (void)hook;
    turn.most = turn.now > turn.most ? turn.now : turn.most;
    turn.now = 0;
}

static void count_in_turn(struct world *world, struct pl_stream *stream)
{
    (void)stream;
    turn.now++;
    turn.hook.run = end_turn;
    pl_loop_at_turn_end(world->loop, &turn.hook);
}

static void throw_bombs(enum world_kind kind, bool is_known)
{
    struct world *world = world_new(kind);
    world->reply_bytes = 1;
    struct pl_conn *conn = world_connect(world);
    struct call calls[BOMBS];
    if (is_known) {
        call_start_compressed(&calls[0], world, conn, 1 << 20);
        world_run(world, &calls[0].closes, 1);
    }
    turn.most = 0;
    world->on_server_message = count_in_turn;
    for (int i = 0; i < BOMBS; i++) {
        call_start_compressed(&calls[i], world, conn, 1 << 20);
    }
    for (int i = 0; i < BOMBS; i++) {
        world_run(world, &calls[i].closes, 1);
        assert_int_equal(calls[i].code, PARLEY_OK);
    }
    assert_in_range(turn.most, 1, 4);
    world_hang_up(world);
    world_free(world);
}

/* Sixteen fit into one read, and nobody else would have a turn until all are unpacked. */
static void test_a_peer_whose_messages_may_swell_is_read_in_small_pieces(void **state)
{
    (void)state;
    for (int is_known = 0; is_known < 2; is_known++) {
        throw_bombs(WORLD_PLAIN, is_known);
        throw_bombs(WORLD_TLS, is_known);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_call_goes_there_and_back_on_every_kind_of_socket),
        cmocka_unit_test(test_an_idle_connection_holds_no_buffer_and_no_timer),
        cmocka_unit_test(test_big_messages_reach_a_slow_reader_whole),
        cmocka_unit_test(test_a_reader_that_takes_nothing_is_closed_in_the_write_timeout),
        cmocka_unit_test(test_who_does_not_read_answers_is_not_read_from),
        cmocka_unit_test(test_input_that_tls_holds_is_read_once_output_is_out),
        cmocka_unit_test(test_many_calls_share_a_connection),
        cmocka_unit_test(test_a_thousand_connections_come_and_go),
        cmocka_unit_test(test_a_peer_whose_messages_may_swell_is_read_in_small_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
