/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_TRANSPORT_WORLD_H
#define PARLEY_TEST_TRANSPORT_WORLD_H

/* A server and its clients on one loop, over real sockets. The server echoes every message, or, if
 * reply_bytes is set, answers it with one message of that size. */

#include "certs.h"
#include "transport/conn.h"
#include "transport/listener.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct side {
    int opens;
    int closes;
    int late_events; /* anything after on_close */
    int stream_closes;
    struct pl_conn *conn;  /* the last one */
    struct pl_error cause; /* of the last close */
};

struct world {
    struct certs certs;
    struct pl_loop *loop;
    struct pl_io *server_io;
    struct pl_io *client_io;
    struct pl_listener *listener;
    struct pl_tls *server_tls;
    struct pl_tls *client_tls;
    struct pl_conn_options server_options;
    struct pl_conn_options client_options;
    struct side server;
    struct side client;
    int accepts;
    int server_sndbuf; /* 0: the kernel's */
    size_t reply_bytes;
    int requests;
    bool is_quiet; /* the server answers nothing */
    void (*on_server_message)(struct world *world, struct pl_stream *stream);
    void (*on_client_open)(struct world *world, struct pl_conn *conn);
};

struct call {
    struct world *world;
    struct pl_stream *stream;
    size_t bytes;
    bool is_wrong; /* a byte was not as expected */
    int messages;
    int closes;
    enum parley_code code;
    void (*on_message)(struct call *call);
};

enum world_kind {
    WORLD_PLAIN,
    WORLD_TLS,
    WORLD_UNIX
};

/* Fails the test on any problem. */
struct world *world_new(enum world_kind kind);
/* Everything must be closed by then but the listener. */
void world_free(struct world *world);
/* Turns until *value is at least `expected`; fails the test after ten seconds. */
void world_run(struct world *world, const int *value, int expected);
void world_run_ms(struct world *world, int64_t duration_ms);
/* @return a connection on its way to the listener. */
struct pl_conn *world_connect(struct world *world);
/* A plain blocking socket connected to the listener. */
int world_raw_socket(struct world *world);
/* Read a raw socket to its end while the loop turns. @return bytes; -1: reset */
long world_raw_read(struct world *world, int fd, char *out, size_t size);
void call_start(struct call *call, struct world *world, struct pl_conn *conn, size_t request_bytes);
/* The same, with gzip. */
void call_start_compressed(struct call *call, struct world *world, struct pl_conn *conn,
                           size_t request_bytes);
/* One echo of `bytes` bytes there and back. */
void world_echo(struct world *world, struct pl_conn *conn, size_t bytes);
/* Close both ends and wait. */
void world_hang_up(struct world *world);

#endif /* PARLEY_TEST_TRANSPORT_WORLD_H */
