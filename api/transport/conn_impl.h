/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TRANSPORT_CONN_IMPL_H
#define PARLEY_TRANSPORT_CONN_IMPL_H

/* A connection as the files of this folder see it. Idle, it owns no buffer: what moves uses the
 * buffers of struct pl_io. */

#include "transport/address.h"
#include "transport/conn.h"
#include "wire/gather.h"

#include <sys/types.h>
#include <sys/uio.h>

#define PL_READ_SIZE   65536
#define PL_RECORD_SIZE 16384 /* plaintext of one TLS record */

struct ssl_st;

struct pl_io {
    struct pl_loop *loop;
    struct pl_wire *wire;
    size_t conn_count;
    struct pl_gather gather;
    uint8_t read_buffer[PL_READ_SIZE];
    uint8_t record[PL_RECORD_SIZE]; /* small slices become one TLS record here */
};

enum conn_state {
    CONN_CONNECTING, /* TCP */
    CONN_SECURING,   /* TLS handshake */
    CONN_GREETING,   /* bytes flow; the peer's SETTINGS have not come */
    CONN_READY,
    CONN_CLOSING, /* gone at the end of the turn */
    CONN_STATES
};

enum {
    IO_BLOCKED = 0,
    IO_END = -1,   /* the peer sends no more */
    IO_FAILED = -2 /* err is filled */
};

/* What differs between cleartext and TLS. */
struct conn_ops {
    /* Fill `data`. Sets conn->is_drained when the socket has no more for now.
     * @return bytes, or one of IO_*. */
    ssize_t (*receive)(struct pl_conn *conn, uint8_t *data, size_t len, struct pl_error *err);
    /* @return bytes taken (fewer than all: the socket is full), or IO_FAILED. */
    ssize_t (*send)(struct pl_conn *conn, const struct iovec *slices, size_t count,
                    struct pl_error *err);
    /* The last word before the socket is closed; best effort. */
    void (*finish)(struct pl_conn *conn);
};

extern const struct conn_ops pl_conn_plain_ops;
extern const struct conn_ops pl_conn_tls_ops;

struct pl_conn {
    struct pl_io *io;
    struct pl_session *session;
    const struct conn_ops *ops;
    const struct pl_conn_events *events;
    const struct pl_session_events *session_events;
    void *owner;
    void *session_owner;
    struct pl_watch *watch;
    struct pl_tls *tls;  /* NULL: cleartext */
    struct ssl_st *ssl;  /* NULL: cleartext */
    char *identity;      /* NULL: no verified certificate */
    struct pl_buf *rest; /* what the socket did not take; nothing is gathered meanwhile */
    size_t rest_sent;
    struct pl_error *cause; /* NULL while open, and if there was no memory for it */
    struct pl_turn_hook hook;
    struct pl_timer timer; /* until ready: opening; later: no progress in writing */
    int64_t write_timeout_ms;
    int fd;
    uint32_t greeting_bytes; /* received before CONN_READY */
    uint32_t calm_bytes;     /* received since a message has swollen, up to what is enough */
    enum conn_state state;
    bool is_server;
    bool is_open;        /* bytes may flow */
    bool is_announced;   /* on_open was called */
    bool is_held;        /* h2c server: nothing is sent before the client's preface */
    bool is_broken;      /* the socket failed: send nothing more */
    bool is_drained;     /* by ops->receive: no more input for now */
    bool is_input_short; /* TLS: the last recv got less than it asked for */
    bool is_tls_full;    /* TLS wants to write while it reads */
    bool wants_read;     /* input is left over from this turn */
    char peer[PL_PEER_MAX];
};

/* conn.c */
void pl_conn_set_state(struct pl_conn *conn, enum conn_state state);
/* Bytes may flow: TCP, and TLS if any, are up. */
void pl_conn_opened(struct pl_conn *conn);
/* The peer's SETTINGS are in. */
void pl_conn_greeted(struct pl_conn *conn);
/* Tell the kernel what the state needs. */
void pl_conn_watch(struct pl_conn *conn);

/* conn_io.c */
/* Nothing is read from a peer that does not take what is queued for it: it would ask for more. */
bool pl_conn_is_held_back(const struct pl_conn *conn);
void pl_conn_read(struct pl_conn *conn);
void pl_conn_flush(struct pl_conn *conn);
/* @return false: the socket is still full, or the connection fails. */
bool pl_conn_send_rest(struct pl_conn *conn);
/* The last try before closing. */
void pl_conn_send_last(struct pl_conn *conn);

/* socket.c: what a connection asks of the system besides pl_conn_plain_ops. Tests on virtual time
 * link both of their own instead. */
int pl_socket_open(int family); /* @return a non-blocking socket, or -1 with errno */
/* @return 0: under way, or errno. */
int pl_socket_connect(int fd, const struct sockaddr *address, socklen_t len);
int pl_socket_error(int fd);                           /* how connecting ended: 0, or errno */
void pl_socket_tune(int fd, int64_t write_timeout_ms); /* best effort */
/* Throw away some of the input, so that closing does not reset the connection. */
void pl_socket_drain(int fd, void *buffer, size_t len);
void pl_socket_close(int fd);

/* conn_session.c: events of a session pass through its connection. */
extern const struct pl_session_events pl_conn_session_events;

/* tls_io.c */
PL_MUST_CHECK enum parley_code pl_conn_tls_new(struct pl_conn *conn, struct pl_tls *tls,
                                               struct pl_error *err);
void pl_conn_tls_free(struct pl_conn *conn);
/* A step of the handshake. *events: what to wait for; 0: it is done. */
PL_MUST_CHECK enum parley_code pl_conn_tls_handshake(struct pl_conn *conn, int *events,
                                                     struct pl_error *err);

#endif /* PARLEY_TRANSPORT_CONN_IMPL_H */
