/* SPDX-License-Identifier: Apache-2.0 */
/* Session events on their way to the connection's owner. The connection itself needs two of them:
 * on_wants_write (flush at the end of the turn) and on_ready (the opening is over).
 * @thread loop */

#include "transport/conn_impl.h"

static void pass_request(void *owner, struct pl_stream *stream)
{
    struct pl_conn *conn = owner;
    if (conn->session_events->on_request != NULL) {
        conn->session_events->on_request(conn->session_owner, stream);
    }
}

static void pass_headers(void *owner, struct pl_stream *stream)
{
    struct pl_conn *conn = owner;
    if (conn->session_events->on_headers != NULL) {
        conn->session_events->on_headers(conn->session_owner, stream);
    }
}

static void pass_message(void *owner, struct pl_stream *stream, const uint8_t *data, size_t len)
{
    struct pl_conn *conn = owner;
    if (conn->session_events->on_message != NULL) {
        conn->session_events->on_message(conn->session_owner, stream, data, len);
    }
}

static void pass_half_close(void *owner, struct pl_stream *stream)
{
    struct pl_conn *conn = owner;
    if (conn->session_events->on_half_close != NULL) {
        conn->session_events->on_half_close(conn->session_owner, stream);
    }
}

static void pass_writable(void *owner, struct pl_stream *stream)
{
    struct pl_conn *conn = owner;
    if (conn->session_events->on_writable != NULL) {
        conn->session_events->on_writable(conn->session_owner, stream);
    }
}

static void pass_close(void *owner, struct pl_stream *stream, const struct pl_status *status)
{
    struct pl_conn *conn = owner;
    if (conn->session_events->on_close != NULL) {
        conn->session_events->on_close(conn->session_owner, stream, status);
    }
}

static void pass_goaway(void *owner, uint32_t h2_error, const char *debug_text, size_t len)
{
    struct pl_conn *conn = owner;
    if (conn->session_events->on_goaway != NULL) {
        conn->session_events->on_goaway(conn->session_owner, h2_error, debug_text, len);
    }
}

static void pass_ready(void *owner)
{
    struct pl_conn *conn = owner;
    pl_conn_greeted(conn);
    if (conn->session_events->on_ready != NULL) {
        conn->session_events->on_ready(conn->session_owner);
    }
}

static void pass_settings(void *owner)
{
    struct pl_conn *conn = owner;
    if (conn->session_events->on_settings != NULL) {
        conn->session_events->on_settings(conn->session_owner);
    }
}

static void ask_for_flush(void *owner)
{
    struct pl_conn *conn = owner;
    /* In all other cases whatever ends the obstacle asks for the flush. */
    if (conn->is_open && !conn->is_held && conn->rest == NULL && conn->state != CONN_CLOSING) {
        pl_loop_at_turn_end(conn->io->loop, &conn->hook);
    }
}

const struct pl_session_events pl_conn_session_events = {
    .on_request = pass_request,
    .on_headers = pass_headers,
    .on_message = pass_message,
    .on_half_close = pass_half_close,
    .on_writable = pass_writable,
    .on_close = pass_close,
    .on_goaway = pass_goaway,
    .on_ready = pass_ready,
    .on_settings = pass_settings,
    .on_wants_write = ask_for_flush,
};
