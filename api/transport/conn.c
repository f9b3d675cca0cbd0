/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a connection.
 *
 *   accept ----------+--> SECURING --+
 *                    |       ^       |
 *   connect --> CONNECTING --+       +--> GREETING --> READY
 *                    |       |       |        |          |
 *                    +-------+-------+--------+----------+--> CLOSING --> freed
 *
 * Every failure, the peer's end and the owner's wish only move it to CLOSING; the hook at the end
 * of the turn sends a last word, ends the session, tells the owner and frees. So nothing vanishes
 * under the feet of a function that is running. @thread loop */

#include "transport/conn_impl.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>

#define OPEN_TIMEOUT_MS  10000
#define WRITE_TIMEOUT_MS 60000

/* ---- states ---- */

void pl_conn_set_state(struct pl_conn *conn, enum conn_state state)
{
    static const bool allowed[CONN_STATES][CONN_STATES] = {
        [CONN_CONNECTING] = {[CONN_SECURING] = true, [CONN_GREETING] = true, [CONN_CLOSING] = true},
        [CONN_SECURING] = {[CONN_GREETING] = true, [CONN_CLOSING] = true},
        [CONN_GREETING] = {[CONN_READY] = true, [CONN_CLOSING] = true},
        [CONN_READY] = {[CONN_CLOSING] = true},
    };
    if (!allowed[conn->state][state]) {
        pl_log_error("CONN_STATE", conn->peer, "a connection cannot go from state %d to %d",
                     (int)conn->state, (int)state);
        return;
    }
    conn->state = state;
}

void pl_conn_watch(struct pl_conn *conn)
{
    int events = pl_conn_is_held_back(conn) ? 0 : PL_READABLE;
    if (conn->rest != NULL || conn->is_tls_full) {
        events |= PL_WRITABLE;
    }
    pl_watch_set(conn->watch, events);
}

static void announce(struct pl_conn *conn)
{
    if (!conn->is_announced && conn->is_open) {
        conn->is_announced = true;
        if (conn->events->on_open != NULL) {
            conn->events->on_open(conn->owner, conn);
        }
    }
}

void pl_conn_opened(struct pl_conn *conn)
{
    pl_conn_set_state(conn, CONN_GREETING);
    conn->is_open = true;
    /* HTTP/1 clients must see our 400 before any byte of HTTP/2; under TLS the ALPN has settled
     * that, and our SETTINGS can go at once. */
    conn->is_held = conn->is_server && conn->ssl == NULL;
    pl_conn_watch(conn);
    pl_loop_at_turn_end(conn->io->loop, &conn->hook);
}

void pl_conn_greeted(struct pl_conn *conn)
{
    if (conn->state != CONN_GREETING) {
        return;
    }
    pl_conn_set_state(conn, CONN_READY);
    pl_timer_stop(conn->io->loop, &conn->timer);
    if (conn->rest != NULL &&
        pl_timer_start(conn->io->loop, &conn->timer, conn->write_timeout_ms) != 0) {
        struct pl_error err = PL_ERROR_INIT;
        (void)pl_fail(&err, PARLEY_RESOURCE_EXHAUSTED, "no memory for a timer");
        pl_conn_close(conn, &err);
    }
}

/* ---- events from below ---- */

static void secure(struct pl_conn *conn)
{
    struct pl_error err = PL_ERROR_INIT;
    int events = 0;
    if (pl_conn_tls_handshake(conn, &events, &err) != PARLEY_OK) {
        conn->is_broken = true;
        pl_conn_close(conn, &err);
        return;
    }
    if (events != 0) {
        pl_watch_set(conn->watch, events);
        return;
    }
    pl_conn_opened(conn);
    announce(conn);
    /* The first frames may have come with the last handshake message. */
    if (conn->state != CONN_CLOSING) {
        pl_conn_read(conn);
    }
}

static void connected(struct pl_conn *conn)
{
    int sys_errno = pl_socket_error(conn->fd);
    if (sys_errno != 0) {
        struct pl_error err = PL_ERROR_INIT;
        (void)pl_fail_errno(&err, PARLEY_UNAVAILABLE, sys_errno, "cannot connect to %s",
                            conn->peer);
        pl_conn_close(conn, &err);
        return;
    }
    if (conn->ssl != NULL) {
        pl_conn_set_state(conn, CONN_SECURING);
        secure(conn);
        return;
    }
    pl_conn_opened(conn);
    announce(conn);
}

static void on_socket(void *owner, int events)
{
    struct pl_conn *conn = owner;
    if (conn->state == CONN_CONNECTING) {
        connected(conn);
        return;
    }
    if (conn->state == CONN_SECURING) {
        secure(conn);
        return;
    }
    announce(conn);
    if ((events & PL_WRITABLE) != 0 && conn->state != CONN_CLOSING) {
        if (conn->rest != NULL && pl_conn_send_rest(conn)) {
            pl_loop_at_turn_end(conn->io->loop, &conn->hook);
        }
        if (conn->is_tls_full && conn->state != CONN_CLOSING) {
            conn->is_tls_full = false;
            pl_conn_watch(conn);
            events |= PL_READABLE;
        }
    }
    if ((events & PL_READABLE) != 0 && conn->state != CONN_CLOSING) {
        pl_conn_read(conn);
    }
}

static void on_timeout(struct pl_loop *loop, struct pl_timer *timer)
{
    (void)loop;
    struct pl_conn *conn = PL_CONTAINER_OF(timer, struct pl_conn, timer);
    static const char *const unfinished[CONN_STATES] = {
        [CONN_CONNECTING] = "connect",
        [CONN_SECURING] = "finish the TLS handshake",
        [CONN_GREETING] = "send HTTP/2 settings",
        [CONN_READY] = "take what was sent",
    };
    struct pl_error err = PL_ERROR_INIT;
    if (conn->state == CONN_CLOSING) {
        return;
    }
    (void)pl_fail(&err, PARLEY_UNAVAILABLE, "%s did not %s in time", conn->peer,
                  unfinished[conn->state]);
    pl_conn_close(conn, &err);
}

/* ---- the end ---- */

static void free_conn(struct pl_conn *conn)
{
    struct pl_io *io = conn->io;
    pl_timer_stop(io->loop, &conn->timer);
    pl_session_free(conn->session);
    conn->session = NULL;
    pl_loop_cancel_turn_end(&conn->hook);
    pl_watch_close(conn->watch);
    pl_conn_tls_free(conn);
    pl_socket_close(conn->fd);
    pl_buf_unref(conn->rest);
    pl_free(conn->identity);
    pl_free(conn->cause);
    pl_free(conn);
    io->conn_count--;
}

static void finish(struct pl_conn *conn)
{
    pl_conn_send_last(conn);
    /* The streams' last events come here, before the connection's. */
    pl_session_free(conn->session);
    conn->session = NULL;
    struct pl_error no_memory = {.code = PARLEY_RESOURCE_EXHAUSTED,
                                 .text = "no memory for the cause"};
    if (conn->events->on_close != NULL) {
        conn->events->on_close(conn->owner, conn, conn->cause != NULL ? conn->cause : &no_memory);
    }
    free_conn(conn);
}

static void on_turn_end(struct pl_loop *loop, struct pl_turn_hook *hook)
{
    (void)loop;
    struct pl_conn *conn = PL_CONTAINER_OF(hook, struct pl_conn, hook);
    if (conn->is_open && conn->state != CONN_CLOSING) {
        announce(conn);
        if (conn->wants_read && conn->state != CONN_CLOSING) {
            pl_conn_read(conn);
        }
        if (conn->state != CONN_CLOSING) {
            pl_conn_flush(conn);
        }
    }
    if (conn->state == CONN_CLOSING) {
        finish(conn);
    }
}

void pl_conn_close(struct pl_conn *conn, const struct pl_error *cause)
{
    if (conn->state == CONN_CLOSING) {
        return;
    }
    pl_conn_set_state(conn, CONN_CLOSING);
    conn->cause = pl_calloc(1, sizeof(*conn->cause));
    if (conn->cause != NULL && cause != NULL) {
        *conn->cause = *cause;
    }
    pl_timer_stop(conn->io->loop, &conn->timer);
    pl_watch_set(conn->watch, 0);
    pl_loop_at_turn_end(conn->io->loop, &conn->hook);
}

void pl_conn_close_when_over(struct pl_conn *conn)
{
    /* Every flush looks whether the session is over. */
    if (conn->state == CONN_CLOSING) {
        return;
    }
    if (conn->is_open) {
        conn->is_held = false;
        pl_loop_at_turn_end(conn->io->loop, &conn->hook);
    } else if (pl_session_stream_count(conn->session) == 0) {
        /* Nothing was ever exchanged: there is nothing to wait for. */
        pl_conn_close(conn, NULL);
    }
}

/* ---- the beginning ---- */

static enum parley_code new_session(struct pl_conn *conn, const struct pl_conn_options *options,
                                    struct pl_error *err)
{
    struct pl_session_options session = options->session;
    conn->session_events = session.events;
    conn->session_owner = session.owner;
    session.events = &pl_conn_session_events;
    session.owner = conn;
    session.is_server = conn->is_server;
    return pl_session_new(conn->io->wire, &session, &conn->session, err);
}

static enum parley_code start(struct pl_conn *conn, const struct pl_conn_options *options,
                              struct pl_error *err)
{
    enum parley_code code = new_session(conn, options, err);
    if (code != PARLEY_OK) {
        return code;
    }
    conn->watch = pl_watch_open(conn->io->loop, conn->fd, on_socket, conn);
    if (conn->watch == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "cannot watch a socket");
    }
    if (options->tls != NULL) {
        code = pl_conn_tls_new(conn, options->tls, err);
        if (code != PARLEY_OK) {
            return code;
        }
        conn->ops = &pl_conn_tls_ops;
    }
    int64_t timeout_ms = options->open_timeout_ms > 0 ? options->open_timeout_ms : OPEN_TIMEOUT_MS;
    if (pl_timer_start(conn->io->loop, &conn->timer, timeout_ms) != 0) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for a timer");
    }
    pl_socket_tune(conn->fd, conn->write_timeout_ms);
    return PARLEY_OK;
}

/* @param fd  takes, also on failure. @param out  untouched on failure */
static enum parley_code new_conn(struct pl_io *io, int fd, const struct pl_conn_options *options,
                                 bool is_server, struct pl_conn **out, struct pl_error *err)
{
    struct pl_conn *conn = pl_calloc(1, sizeof(*conn));
    if (conn == NULL) {
        pl_socket_close(fd);
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for a connection");
    }
    io->conn_count++;
    conn->io = io;
    conn->fd = fd;
    conn->is_server = is_server;
    conn->ops = &pl_conn_plain_ops;
    conn->events = options->events;
    conn->owner = options->owner;
    conn->hook.run = on_turn_end;
    conn->timer.fire = on_timeout;
    conn->write_timeout_ms =
        options->write_timeout_ms > 0 ? options->write_timeout_ms : WRITE_TIMEOUT_MS;
    enum parley_code code = start(conn, options, err);
    if (code != PARLEY_OK) {
        free_conn(conn);
        return code;
    }
    *out = conn;
    return PARLEY_OK;
}

enum parley_code pl_conn_accept(struct pl_io *io, int fd, const struct pl_address *peer,
                                const struct pl_conn_options *options, struct pl_conn **out,
                                struct pl_error *err)
{
    struct pl_conn *conn = NULL;
    enum parley_code code = new_conn(io, fd, options, true, &conn, err);
    if (conn == NULL) {
        return code;
    }
    pl_address_format(peer, conn->peer);
    if (conn->ssl != NULL) {
        conn->state = CONN_SECURING;
        pl_watch_set(conn->watch, PL_READABLE);
    } else {
        pl_conn_opened(conn);
    }
    *out = conn;
    return PARLEY_OK;
}

enum parley_code pl_conn_connect(struct pl_io *io, const struct sockaddr *address,
                                 socklen_t address_len, const struct pl_conn_options *options,
                                 struct pl_conn **out, struct pl_error *err)
{
    struct pl_address peer = {.len = address_len};
    if (address_len > sizeof(peer.storage)) {
        return pl_fail(err, PARLEY_INVALID_ARGUMENT, "an address of %u bytes", address_len);
    }
    memcpy(&peer.storage, address, address_len);
    int fd = pl_socket_open(address->sa_family);
    if (fd < 0) {
        return pl_fail_errno(err, PARLEY_RESOURCE_EXHAUSTED, errno, "cannot open a socket");
    }
    struct pl_conn *conn = NULL;
    enum parley_code code = new_conn(io, fd, options, false, &conn, err);
    if (conn == NULL) {
        return code;
    }
    pl_address_format(&peer, conn->peer);
    pl_watch_set(conn->watch, PL_WRITABLE);
    int sys_errno = pl_socket_connect(fd, address, address_len);
    if (sys_errno != 0) {
        struct pl_error cause = PL_ERROR_INIT;
        (void)pl_fail_errno(&cause, PARLEY_UNAVAILABLE, sys_errno, "cannot connect to %s",
                            conn->peer);
        pl_conn_close(conn, &cause);
    }
    *out = conn;
    return PARLEY_OK;
}

/* ---- what is asked ---- */

struct pl_session *pl_conn_session(struct pl_conn *conn)
{
    return conn->session;
}

struct pl_io *pl_conn_io(struct pl_conn *conn)
{
    return conn->io;
}

const char *pl_conn_peer(const struct pl_conn *conn)
{
    return conn->peer;
}

const char *pl_conn_peer_identity(const struct pl_conn *conn)
{
    return conn->identity;
}

enum parley_code pl_io_new(struct pl_loop *loop, struct pl_io **out, struct pl_error *err)
{
    /* Not zeroed: most of it is buffers. */
    struct pl_io *io = pl_malloc(sizeof(*io));
    if (io == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for I/O buffers");
    }
    io->loop = loop;
    io->conn_count = 0;
    io->wire = pl_wire_new();
    if (io->wire == NULL) {
        pl_free(io);
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for the wire context");
    }
    pl_gather_init(&io->gather);
    *out = io;
    return PARLEY_OK;
}

void pl_io_free(struct pl_io *io)
{
    if (io == NULL) {
        return;
    }
    if (io->conn_count > 0) {
        /* They point at it: leak rather than let them write into freed memory. */
        pl_log_error("IO_LEAKED", NULL, "%zu connections outlive their loop's buffers",
                     io->conn_count);
        return;
    }
    pl_wire_free(io->wire);
    pl_free(io);
}
