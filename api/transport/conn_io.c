/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of a connection, in and out.
 *
 * In: the loop's one read buffer, until the socket is drained or a fair share was read. A buffer of
 * gzip bombs is a tenth of a second of work: a peer is read in small pieces until it has sent
 * enough without one, and after a piece with one the others have their turn.
 *
 * Out: the session fills the loop's gather, one system call sends it, until there is no more or the
 * socket is full. What a full socket did not take is copied into `rest`, at most one gather, and
 * until that is out nothing is gathered: the bytes wait in the streams' own queues, where their
 * owners' budgets count them. Nor is anything read, once they are too many. @thread loop */

#include "transport/conn_impl.h"
#include "transport/metrics.h"

#include "base/clock.h"

#include <string.h>

#define READ_ROUNDS_MAX  8          /* 512 KiB a turn from one connection, then the others */
#define READ_MS_MAX      2          /* ... or as much as so long a time allows */
#define READ_WARY        4096       /* bytes at a time ... */
#define CALM_BYTES       (1U << 20) /* ... until so many brought no message that has swollen */
#define FLUSH_ROUNDS_MAX 16         /* as many gathers to one connection, then the others */
#define PREFACE_LEN      24
#define SETTINGS_MIN_LEN 9

/* ---- in ---- */

/* RFC 9113 3.4: the client's preface, then at once a SETTINGS frame. */
static void note_greeting(struct pl_conn *conn, size_t len)
{
    if (conn->state != CONN_GREETING || !conn->is_server) {
        return;
    }
    conn->greeting_bytes += (uint32_t)len;
    if (conn->is_held && conn->greeting_bytes >= PREFACE_LEN) {
        conn->is_held = false;
        pl_loop_at_turn_end(conn->io->loop, &conn->hook);
    }
    if (conn->greeting_bytes >= PREFACE_LEN + SETTINGS_MIN_LEN) {
        pl_conn_greeted(conn);
    }
}

static void on_end(struct pl_conn *conn)
{
    struct pl_error cause = PL_ERROR_INIT;
    if (conn->state != CONN_READY && !conn->is_server) {
        (void)pl_fail(&cause, PARLEY_UNAVAILABLE, "%s closed the connection before its settings",
                      conn->peer);
    } else if (pl_session_stream_count(conn->session) > 0) {
        (void)pl_fail(&cause, PARLEY_UNAVAILABLE, "%s closed the connection during calls",
                      conn->peer);
    }
    pl_conn_close(conn, &cause);
}

/* @return false: the connection is closing. */
static bool take_input(struct pl_conn *conn, uint8_t *data, size_t len)
{
    struct pl_error err = PL_ERROR_INIT;
    enum parley_code code = pl_session_receive(conn->session, data, len, &err);
    if (pl_session_got_secret(conn->session)) {
        explicit_bzero(data, len);
    }
    if (code != PARLEY_OK) {
        conn->is_held = false; /* what the session has to say (GOAWAY, HTTP/1's 400) may go out */
        if (err.code == PARLEY_OK) {
            err.code = PARLEY_INTERNAL;
        }
        pl_conn_close(conn, &err);
        return false;
    }
    pl_metric_add(&pl_transport_metrics[PL_TRANSPORT_RECEIVED_BYTES], (int64_t)len);
    note_greeting(conn, len);
    if (pl_session_is_over(conn->session)) {
        /* The last stream was reset by the peer: there is nothing to send that would tell us. */
        pl_loop_at_turn_end(conn->io->loop, &conn->hook);
    }
    return conn->state != CONN_CLOSING;
}

bool pl_conn_is_held_back(const struct pl_conn *conn)
{
    return conn->is_server && conn->rest != NULL && pl_session_is_full(conn->session);
}

/* @return whether it was work enough: the rest is for later turns */
static bool note_swollen(struct pl_conn *conn, size_t len)
{
    if (pl_session_has_swollen(conn->session)) {
        conn->calm_bytes = 0;
        return true;
    }
    if (conn->calm_bytes < CALM_BYTES) {
        conn->calm_bytes += (uint32_t)len;
    }
    return false;
}

void pl_conn_read(struct pl_conn *conn)
{
    struct pl_error err = PL_ERROR_INIT;
    if (pl_conn_is_held_back(conn)) {
        /* wants_read stays as it was: TLS may hold input that no poll will tell of. */
        pl_conn_watch(conn);
        return;
    }
    conn->wants_read = false;
    conn->is_input_short = false;
    int64_t start_ms = pl_clock_monotonic_ms();
    for (int round = 0; round < READ_ROUNDS_MAX; round++) {
        if (round > 0 && pl_clock_monotonic_ms() - start_ms > READ_MS_MAX) {
            break;
        }
        conn->is_drained = false;
        size_t room = conn->calm_bytes < CALM_BYTES ? READ_WARY : PL_READ_SIZE;
        ssize_t got = conn->ops->receive(conn, conn->io->read_buffer, room, &err);
        if (got == IO_BLOCKED) {
            return;
        }
        if (got == IO_END) {
            on_end(conn);
            return;
        }
        if (got < 0) {
            conn->is_broken = true;
            pl_conn_close(conn, &err);
            return;
        }
        if (!take_input(conn, conn->io->read_buffer, (size_t)got)) {
            return;
        }
        bool has_swollen = note_swollen(conn, (size_t)got);
        if (conn->is_drained) {
            return;
        }
        if (has_swollen) {
            break;
        }
    }
    if (conn->ssl != NULL) {
        /* TLS may hold bytes that the poll does not know of. */
        conn->wants_read = true;
        pl_loop_at_turn_end(conn->io->loop, &conn->hook);
    }
}

/* ---- out ---- */

static ssize_t send_slices(struct pl_conn *conn, const struct iovec *slices, size_t count)
{
    struct pl_error err = PL_ERROR_INIT;
    ssize_t sent = conn->ops->send(conn, slices, count, &err);
    if (sent < 0) {
        conn->is_broken = true;
        pl_conn_close(conn, &err);
        return sent;
    }
    pl_metric_add(&pl_transport_metrics[PL_TRANSPORT_WRITES], 1);
    pl_metric_add(&pl_transport_metrics[PL_TRANSPORT_SENT_BYTES], sent);
    return sent;
}

/* The write timer runs only while a rest waits, and starts anew with every byte that goes. Before
 * the connection is ready the same timer measures the opening. */
static void restart_timer(struct pl_conn *conn)
{
    if (conn->state == CONN_READY &&
        pl_timer_start(conn->io->loop, &conn->timer, conn->write_timeout_ms) != 0) {
        struct pl_error err = PL_ERROR_INIT;
        (void)pl_fail(&err, PARLEY_RESOURCE_EXHAUSTED, "no memory for a timer");
        pl_conn_close(conn, &err);
    }
}

bool pl_conn_send_rest(struct pl_conn *conn)
{
    size_t left = conn->rest->len - conn->rest_sent;
    const struct iovec slice = {.iov_base = conn->rest->data + conn->rest_sent, .iov_len = left};
    ssize_t sent = send_slices(conn, &slice, 1);
    if (sent < 0) {
        return false;
    }
    conn->rest_sent += (size_t)sent;
    if ((size_t)sent < left) {
        if (sent > 0) {
            restart_timer(conn);
        }
        return false;
    }
    pl_buf_unref(conn->rest);
    conn->rest = NULL;
    conn->rest_sent = 0;
    if (conn->state == CONN_READY) {
        pl_timer_stop(conn->io->loop, &conn->timer);
    }
    pl_conn_watch(conn);
    if (conn->wants_read) {
        pl_loop_at_turn_end(conn->io->loop, &conn->hook); /* no poll tells of what TLS holds */
    }
    return true;
}

static void keep_rest(struct pl_conn *conn, const struct pl_gather *gather, size_t sent)
{
    struct pl_error err = PL_ERROR_INIT;
    conn->rest = pl_gather_rest(gather, sent);
    if (conn->rest == NULL) {
        conn->is_broken = true; /* bytes are missing from the stream: nothing may follow */
        (void)pl_fail(&err, PARLEY_RESOURCE_EXHAUSTED, "no memory for unsent output");
        pl_conn_close(conn, &err);
        return;
    }
    restart_timer(conn);
    pl_conn_watch(conn);
}

/* One gather and one system call. @return false: stop, the socket is full or there is no more. */
static bool send_round(struct pl_conn *conn)
{
    struct pl_error err = PL_ERROR_INIT;
    struct pl_gather *gather = &conn->io->gather;
    bool more = false;
    enum parley_code code = pl_session_gather(conn->session, gather, &more, &err);
    if (code != PARLEY_OK) {
        err.code = code;
        more = false;
        pl_conn_close(conn, &err);
        /* What was gathered before the failure (a GOAWAY) still goes out. */
    }
    if (gather->total_bytes > 0) {
        size_t total = gather->total_bytes;
        ssize_t sent = send_slices(conn, gather->slices, gather->slice_count);
        if (sent >= 0 && (size_t)sent < total) {
            keep_rest(conn, gather, (size_t)sent);
        }
        more = more && sent >= 0 && (size_t)sent == total;
    }
    pl_gather_clear(gather);
    return more;
}

static void close_over(struct pl_conn *conn)
{
    const char *broken = pl_session_error(conn->session);
    struct pl_error cause = PL_ERROR_INIT;
    if (broken != NULL) {
        (void)pl_fail(&cause, PARLEY_INTERNAL, "%s broke the rules of HTTP/2: %s", conn->peer,
                      broken);
    }
    pl_conn_close(conn, &cause);
}

void pl_conn_flush(struct pl_conn *conn)
{
    if (!conn->is_open || conn->is_held || conn->is_broken) {
        return;
    }
    if (conn->rest != NULL && !pl_conn_send_rest(conn)) {
        return;
    }
    for (int round = 0; send_round(conn); round++) {
        if (round == FLUSH_ROUNDS_MAX) {
            pl_loop_at_turn_end(conn->io->loop, &conn->hook);
            return;
        }
    }
    if (conn->rest == NULL && conn->state != CONN_CLOSING && pl_session_is_over(conn->session)) {
        close_over(conn);
    }
}

void pl_conn_send_last(struct pl_conn *conn)
{
    if (!conn->is_open || conn->is_broken) {
        return;
    }
    pl_conn_flush(conn);
    if (!conn->is_broken) {
        conn->ops->finish(conn);
    }
    /* Closing a socket with unread input resets it, and the peer would lose what was just sent. */
    pl_socket_drain(conn->fd, conn->io->read_buffer, PL_READ_SIZE);
}
