/* SPDX-License-Identifier: Apache-2.0 */
/* A server and its clients for the transport's tests. */

#include "world.h"

#include "base/buf.h"
#include "base/clock.h"
#include "transport/address.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_MAX_MS 10000

static uint8_t pattern(size_t at)
{
    return (uint8_t)(at * 31 + 7);
}

static struct pl_buf *new_frame(size_t bytes)
{
    struct pl_buf *frame = pl_buf_new(bytes + 5);
    assert_non_null(frame);
    frame->data[0] = 0;
    for (int i = 0; i < 4; i++) {
        frame->data[1 + i] = (uint8_t)(bytes >> (24 - 8 * i));
    }
    for (size_t i = 0; i < bytes; i++) {
        frame->data[5 + i] = pattern(i);
    }
    frame->len = bytes + 5;
    return frame;
}

static void write_message(struct pl_stream *stream, size_t bytes)
{
    struct pl_buf *frame = new_frame(bytes);
    (void)pl_stream_write(stream, frame, 0);
    pl_buf_unref(frame);
}

/* ---- server ---- */

static void on_request(void *owner, struct pl_stream *stream)
{
    struct world *world = owner;
    (void)stream;
    world->requests++;
}

static void on_server_message(void *owner, struct pl_stream *stream, const uint8_t *data,
                              size_t len)
{
    struct world *world = owner;
    for (size_t i = 0; i < len; i++) {
        assert_int_equal(data[i], pattern(i));
    }
    if (world->on_server_message != NULL) {
        world->on_server_message(world, stream);
    }
    if (!world->is_quiet) {
        write_message(stream, world->reply_bytes != 0 ? world->reply_bytes : len);
    }
}

static void on_half_close(void *owner, struct pl_stream *stream)
{
    struct world *world = owner;
    const struct pl_status ok = {.code = PARLEY_OK};
    if (!world->is_quiet) {
        pl_stream_finish(stream, &ok, NULL);
    }
}

static void on_server_stream_close(void *owner, struct pl_stream *stream,
                                   const struct pl_status *status)
{
    struct world *world = owner;
    (void)stream;
    (void)status;
    world->server.stream_closes++;
}

static void on_server_open(void *owner, struct pl_conn *conn)
{
    struct world *world = owner;
    world->server.opens++;
    world->server.conn = conn;
}

static void on_server_close(void *owner, struct pl_conn *conn, const struct pl_error *cause)
{
    struct world *world = owner;
    world->server.closes++;
    world->server.cause = *cause;
    if (world->server.conn == conn) {
        world->server.conn = NULL;
    }
}

static bool on_accept(void *owner, int fd, const struct pl_address *peer)
{
    struct world *world = owner;
    struct pl_conn *conn = NULL;
    struct pl_error err = PL_ERROR_INIT;
    world->accepts++;
    if (world->server_sndbuf != 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &world->server_sndbuf,
                         sizeof(world->server_sndbuf));
    }
    if (pl_conn_accept(world->server_io, fd, peer, &world->server_options, &conn, &err) !=
        PARLEY_OK) {
        fail_msg("accept: %s", err.text);
    }
    world->server.conn = conn;
    return true;
}

/* ---- client ---- */

static void on_client_message(void *owner, struct pl_stream *stream, const uint8_t *data,
                              size_t len)
{
    (void)owner;
    struct call *call = pl_stream_user(stream);
    for (size_t i = 0; i < len; i++) {
        if (data[i] != pattern(i)) {
            call->is_wrong = true;
            break;
        }
    }
    call->messages++;
    call->bytes += len;
    if (call->on_message != NULL) {
        call->on_message(call);
    }
}

static void on_client_stream_close(void *owner, struct pl_stream *stream,
                                   const struct pl_status *status)
{
    struct world *world = owner;
    struct call *call = pl_stream_user(stream);
    world->client.stream_closes++;
    call->closes++;
    call->code = status->code;
    call->stream = NULL;
}

static void on_client_open(void *owner, struct pl_conn *conn)
{
    struct world *world = owner;
    world->client.opens++;
    if (world->on_client_open != NULL) {
        world->on_client_open(world, conn);
    }
}

static void on_client_close(void *owner, struct pl_conn *conn, const struct pl_error *cause)
{
    struct world *world = owner;
    world->client.closes++;
    world->client.cause = *cause;
    if (world->client.conn == conn) {
        world->client.conn = NULL;
    }
}

static const struct pl_session_events server_events = {
    .on_request = on_request,
    .on_message = on_server_message,
    .on_half_close = on_half_close,
    .on_close = on_server_stream_close,
};
static const struct pl_session_events client_events = {
    .on_message = on_client_message,
    .on_close = on_client_stream_close,
};
static const struct pl_conn_events server_conn_events = {.on_open = on_server_open,
                                                         .on_close = on_server_close};
static const struct pl_conn_events client_conn_events = {.on_open = on_client_open,
                                                         .on_close = on_client_close};

/* ---- the world ---- */

static void make_tls(struct world *world)
{
    certs_make(&world->certs);
    const struct pl_tls_server_options server = {.cert_file = world->certs.server_cert,
                                                 .key_file = world->certs.server_key};
    const struct pl_tls_client_options client = {.ca_file = world->certs.ca,
                                                 .server_name = "localhost"};
    assert_int_equal(pl_tls_server_new(&server, &world->server_tls, NULL), PARLEY_OK);
    assert_int_equal(pl_tls_client_new(&client, &world->client_tls, NULL), PARLEY_OK);
}

struct world *world_new(enum world_kind kind)
{
    struct world *world = calloc(1, sizeof(*world));
    assert_non_null(world);
    struct pl_error err = PL_ERROR_INIT;
    assert_int_equal(pl_loop_new(&world->loop, &err), PARLEY_OK);
    assert_int_equal(pl_io_new(world->loop, &world->server_io, &err), PARLEY_OK);
    assert_int_equal(pl_io_new(world->loop, &world->client_io, &err), PARLEY_OK);
    if (kind == WORLD_TLS) {
        make_tls(world);
    }
    char address[64] = "127.0.0.1:0";
    if (kind == WORLD_UNIX) {
        snprintf(address, sizeof(address), "unix:/tmp/parley-test-%ld.sock", (long)getpid());
    }
    if (pl_listener_open(world->loop, address, on_accept, world, &world->listener, &err) !=
        PARLEY_OK) {
        fail_msg("listen: %s", err.text);
    }
    world->server_options = (struct pl_conn_options){
        .session = {.is_server = true, .events = &server_events, .owner = world},
        .events = &server_conn_events,
        .owner = world,
        .tls = world->server_tls,
    };
    world->client_options = (struct pl_conn_options){
        .session = {.events = &client_events,
                    .owner = world,
                    .scheme = kind == WORLD_TLS ? "https" : "http",
                    .authority = "localhost"},
        .events = &client_conn_events,
        .owner = world,
        .tls = world->client_tls,
    };
    return world;
}

void world_free(struct world *world)
{
    pl_listener_close(world->listener);
    pl_io_free(world->server_io);
    pl_io_free(world->client_io);
    pl_loop_free(world->loop);
    pl_tls_unref(world->server_tls);
    pl_tls_unref(world->client_tls);
    if (world->certs.folder[0] != '\0') {
        certs_remove(&world->certs);
    }
    free(world);
}

static void turn(struct world *world, int64_t limit_ms)
{
    struct pollfd fd = {.fd = pl_loop_fd(world->loop), .events = POLLIN};
    int wait_ms = pl_loop_wait_ms(world->loop);
    if (wait_ms < 0 || wait_ms > limit_ms) {
        wait_ms = (int)limit_ms;
    }
    (void)poll(&fd, 1, wait_ms);
    pl_loop_turn(world->loop);
}

void world_run(struct world *world, const int *value, int expected)
{
    int64_t deadline_ms = pl_clock_monotonic_ms() + WAIT_MAX_MS;
    while (*value < expected) {
        int64_t left_ms = deadline_ms - pl_clock_monotonic_ms();
        if (left_ms <= 0) {
            fail_msg("waited too long: %d of %d; client: %s; server: %s", *value, expected,
                     world->client.cause.text, world->server.cause.text);
        }
        turn(world, left_ms);
    }
}

void world_run_ms(struct world *world, int64_t duration_ms)
{
    int64_t deadline_ms = pl_clock_monotonic_ms() + duration_ms;
    for (int64_t left_ms = duration_ms; left_ms > 0;
         left_ms = deadline_ms - pl_clock_monotonic_ms()) {
        turn(world, left_ms);
    }
}

struct pl_conn *world_connect(struct world *world)
{
    struct pl_address address;
    struct pl_error err = PL_ERROR_INIT;
    assert_int_equal(pl_address_parse(pl_listener_address(world->listener), &address, &err),
                     PARLEY_OK);
    if (pl_conn_connect(world->client_io, (struct sockaddr *)&address.storage, address.len,
                        &world->client_options, &world->client.conn, &err) != PARLEY_OK) {
        fail_msg("connect: %s", err.text);
    }
    return world->client.conn;
}

int world_raw_socket(struct world *world)
{
    struct pl_address address;
    assert_int_equal(pl_address_parse(pl_listener_address(world->listener), &address, NULL),
                     PARLEY_OK);
    int fd = socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address.storage, address.len), 0);
    return fd;
}

long world_raw_read(struct world *world, int fd, char *out, size_t size)
{
    size_t filled = 0;
    int64_t deadline_ms = pl_clock_monotonic_ms() + WAIT_MAX_MS;
    while (pl_clock_monotonic_ms() < deadline_ms) {
        ssize_t got = recv(fd, out + filled, size - 1 - filled, MSG_DONTWAIT);
        if (got == 0) {
            out[filled] = '\0';
            return (long)filled;
        }
        if (got < 0 && errno != EAGAIN) {
            return -1;
        }
        filled += got > 0 ? (size_t)got : 0;
        turn(world, 10);
    }
    fail_msg("the server did not close a raw socket");
    return -1;
}

static void start(struct call *call, struct world *world, struct pl_conn *conn,
                  size_t request_bytes, bool compress)
{
    *call = (struct call){.world = world, .code = PARLEY_UNKNOWN};
    const struct pl_open open = {
        .path = "/test.Echo/Echo", .timeout_ns = INT64_MAX, .user = call, .compress = compress};
    struct pl_error err = PL_ERROR_INIT;
    if (pl_session_open(pl_conn_session(conn), &open, &call->stream, &err) != PARLEY_OK) {
        fail_msg("open: %s", err.text);
    }
    write_message(call->stream, request_bytes);
    pl_stream_half_close(call->stream);
}

void call_start(struct call *call, struct world *world, struct pl_conn *conn, size_t request_bytes)
{
    start(call, world, conn, request_bytes, false);
}

void call_start_compressed(struct call *call, struct world *world, struct pl_conn *conn,
                           size_t request_bytes)
{
    start(call, world, conn, request_bytes, true);
}

void world_echo(struct world *world, struct pl_conn *conn, size_t bytes)
{
    struct call call;
    call_start(&call, world, conn, bytes);
    world_run(world, &call.closes, 1);
    assert_int_equal(call.code, PARLEY_OK);
    assert_int_equal(call.messages, 1);
    assert_int_equal(call.bytes, world->reply_bytes != 0 ? world->reply_bytes : bytes);
    assert_false(call.is_wrong);
}

void world_hang_up(struct world *world)
{
    int closes = world->client.closes;
    pl_conn_close(world->client.conn, NULL);
    assert_int_equal(world->client.closes, closes);
    world_run(world, &world->client.closes, closes + 1);
    world_run(world, &world->server.closes, world->accepts);
}
