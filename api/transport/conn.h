/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TRANSPORT_CONN_H
#define PARLEY_TRANSPORT_CONN_H

/* Moves bytes between a socket (TLS or not) and a wire session, both roles, on one loop.
 *
 * Input: one read buffer a thread. Output: what the whole turn wrote on a connection is gathered
 * and leaves in one system call at the end of the turn; what the socket does not take waits in one
 * bounded buffer, and until it is gone nothing more is gathered (so that streams keep their own
 * queues, and their budgets hold). All functions are @thread loop. */

#include "base/error.h"
#include "loop/loop.h"
#include "transport/tls.h"
#include "wire/session.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct pl_address;
struct pl_io;   /* what the connections of one loop share: wire context, read buffer, gather */
struct pl_conn; /* one connection */

PL_MUST_CHECK enum parley_code pl_io_new(struct pl_loop *loop, struct pl_io **io,
                                         struct pl_error *err);
void pl_io_free(struct pl_io *io); /* after its connections; NULL is fine */

struct pl_conn_events {
    /* Client: TCP and TLS are up (the session's on_ready tells that HTTP/2 is). Server: TLS is up.
     */
    void (*on_open)(void *owner, struct pl_conn *conn);
    /* Last event, exactly once; every stream had its on_close before. cause->code OK: a clean end.
     * The conn is freed after it returns. Never inside pl_conn_accept, _connect or _close. */
    void (*on_close)(void *owner, struct pl_conn *conn, const struct pl_error *cause);
};

struct pl_conn_options {
    struct pl_session_options
        session; /* its on_wants_write is the conn's own business: leave NULL */
    const struct pl_conn_events *events; /* keeps */
    void *owner;                         /* for conn events; session.owner for session events */
    struct pl_tls *tls;                  /* refs; NULL: cleartext, HTTP/2 with prior knowledge */
    int64_t open_timeout_ms;             /* TCP + TLS + first SETTINGS; 0: 10 s */
    int64_t write_timeout_ms; /* no byte taken by the peer for so long: closed; 0: 60 s */
};

/* A server connection on an accepted socket, as a listener hands it on. @param fd  takes, also on
 * failure. */
PL_MUST_CHECK enum parley_code pl_conn_accept(struct pl_io *io, int fd,
                                              const struct pl_address *peer,
                                              const struct pl_conn_options *options,
                                              struct pl_conn **conn, struct pl_error *err);
/* A client connection; its outcome comes by on_open or on_close. */
PL_MUST_CHECK enum parley_code pl_conn_connect(struct pl_io *io, const struct sockaddr *address,
                                               socklen_t address_len,
                                               const struct pl_conn_options *options,
                                               struct pl_conn **conn, struct pl_error *err);

struct pl_session *pl_conn_session(struct pl_conn *conn);
struct pl_io *pl_conn_io(struct pl_conn *conn);
/* "127.0.0.1:5123", "[::1]:5123", "unix". Borrowed. */
const char *pl_conn_peer(const struct pl_conn *conn);
/* Subject of the verified peer certificate, or NULL. Borrowed. */
const char *pl_conn_peer_identity(const struct pl_conn *conn);

/* Close when the session is over and its output is out (after pl_session_goaway). */
void pl_conn_close_when_over(struct pl_conn *conn);
/* Close at the end of this turn, after one try to send what is there. */
void pl_conn_close(struct pl_conn *conn, const struct pl_error *cause);

#endif /* PARLEY_TRANSPORT_CONN_H */
