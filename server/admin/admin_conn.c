/* SPDX-License-Identifier: Apache-2.0 */
/* One HTTP/1.1 connection of the admin server: read, parse, answer, again. One request is answered
 * at a time; what a client sends ahead waits in its 8 KiB. One timer covers the coming of a request
 * and the going of its answer, so that slow peers cost a slot for seconds only. @thread loop */
#include "admin/admin_impl.h"
#include "base/buf.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINGER_MS 1000

/* ---- what http_parser tells ---- */

static int on_url(http_parser *parser, const char *data, size_t len)
{
    struct admin_conn *conn = parser->data;
    if (len >= sizeof(conn->path) - conn->path_len) {
        conn->is_path_too_long = true;
        return 0;
    }
    memcpy(conn->path + conn->path_len, data, len);
    conn->path_len += len;
    conn->path[conn->path_len] = '\0';
    return 0;
}

static int on_message_complete(http_parser *parser)
{
    struct admin_conn *conn = parser->data;
    conn->is_complete = true;
    conn->closes = http_should_keep_alive(parser) == 0 || parser->upgrade != 0;
    http_parser_pause(parser, 1);
    return 0;
}

static const http_parser_settings parser_settings = {
    .on_url = on_url,
    .on_message_complete = on_message_complete,
};

/* ---- answers ---- */

void admin_conn_close(struct admin_conn *conn)
{
    pl_timer_stop(conn->admin->loop, &conn->timer);
    pl_watch_close(conn->watch);
    (void)close(conn->fd);
    pl_list_remove(&conn->node);
    conn->admin->count--;
    pl_buf_unref(conn->out);
    pl_free(conn);
}

static void on_timer(struct pl_loop *loop, struct pl_timer *timer)
{
    (void)loop;
    admin_conn_close(PL_CONTAINER_OF(timer, struct admin_conn, timer));
}

/* Closing a socket with unread input resets it, and the reset may overtake the answer: end our
 * side only, and give the peer a moment to read and close. Returns false: conn is gone. */
static bool linger(struct admin_conn *conn)
{
    if (shutdown(conn->fd, SHUT_WR) != 0 ||
        pl_timer_start(conn->admin->loop, &conn->timer, LINGER_MS) != 0) {
        admin_conn_close(conn);
        return false;
    }
    conn->is_lingering = true;
    pl_watch_set(conn->watch, PL_READABLE);
    return true;
}

/* Returns false: conn is gone. */
static bool on_sent(struct admin_conn *conn)
{
    pl_buf_unref(conn->out);
    conn->out = NULL;
    if (conn->closes) {
        return linger(conn);
    }
    if (pl_timer_start(conn->admin->loop, &conn->timer, conn->admin->timeout_ms) != 0) {
        admin_conn_close(conn);
        return false;
    }
    pl_watch_set(conn->watch, PL_READABLE);
    return true;
}

/* Send what is left of the answer. Returns false: conn is gone. */
static bool send_some(struct admin_conn *conn)
{
    while (conn->out_sent < conn->out->len) {
        ssize_t sent = send(conn->fd, conn->out->data + conn->out_sent,
                            conn->out->len - conn->out_sent, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            pl_watch_set(conn->watch, PL_WRITABLE);
            return true;
        }
        if (sent < 0 && errno != EINTR) {
            admin_conn_close(conn);
            return false;
        }
        conn->out_sent += sent > 0 ? (size_t)sent : 0;
    }
    return on_sent(conn);
}

/* @param answer  takes; NULL: there was no memory for it. Returns false: conn is gone. */
static bool answer_with(struct admin_conn *conn, struct pl_buf *answer)
{
    if (answer == NULL) {
        admin_conn_close(conn);
        return false;
    }
    conn->out = answer;
    conn->out_sent = 0;
    return send_some(conn);
}

static bool answer_error(struct admin_conn *conn, int status)
{
    conn->closes = true;
    return answer_with(conn, admin_page_make_error(status, true));
}

/* ---- requests ---- */

/* The path of the request's target, which may be a whole URL and carry a query. Cut in place. */
static const char *find_path(struct admin_conn *conn)
{
    struct http_parser_url url;
    http_parser_url_init(&url);
    if (http_parser_parse_url(conn->path, conn->path_len, conn->parser.method == HTTP_CONNECT,
                              &url) != 0 ||
        (url.field_set & (1U << UF_PATH)) == 0) {
        return "";
    }
    char *path = conn->path + url.field_data[UF_PATH].off;
    path[url.field_data[UF_PATH].len] = '\0';
    return path;
}

static bool answer_request(struct admin_conn *conn)
{
    bool is_path_too_long = conn->is_path_too_long;
    const char *path = find_path(conn);
    enum admin_state state = (enum admin_state)atomic_load(&conn->admin->state);
    conn->is_complete = false;
    conn->is_path_too_long = false;
    conn->request_bytes = 0;
    conn->path_len = 0;
    if (conn->parser.http_major != 1) {
        return answer_error(conn, 400); /* http_parser takes any number */
    }
    if (is_path_too_long) {
        return answer_error(conn, 414);
    }
    return answer_with(
        conn, admin_page_make(state, (enum http_method)conn->parser.method, path, conn->closes));
}

/* Parse what was received until it is used up or an answer waits for the socket. Returns false:
 * conn is gone. */
static bool parse(struct admin_conn *conn)
{
    while (conn->in_len > 0 && conn->out == NULL && !conn->is_lingering) {
        size_t used = http_parser_execute(&conn->parser, &parser_settings, conn->in, conn->in_len);
        enum http_errno failed = HTTP_PARSER_ERRNO(&conn->parser);
        conn->request_bytes += used;
        conn->in_len -= used;
        memmove(conn->in, conn->in + used, conn->in_len);
        bool lives = true;
        if (failed != HPE_OK && failed != HPE_PAUSED) {
            lives = answer_error(conn, 400);
        } else if (conn->is_complete) {
            http_parser_pause(&conn->parser, 0);
            lives = answer_request(conn);
        } else if (conn->request_bytes >= ADMIN_REQUEST_MAX) {
            lives = answer_error(conn, 431);
        }
        if (!lives) {
            return false;
        }
    }
    return true;
}

static void read_some(struct admin_conn *conn)
{
    if (conn->is_lingering) {
        conn->in_len = 0; /* nobody wants it any more */
    }
    ssize_t got = recv(conn->fd, conn->in + conn->in_len, sizeof(conn->in) - conn->in_len, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got <= 0) {
        admin_conn_close(conn);
        return;
    }
    conn->in_len += (size_t)got;
    (void)parse(conn);
}

static void on_ready(void *owner, int events)
{
    struct admin_conn *conn = owner;
    if ((events & PL_WRITABLE) != 0 && conn->out != NULL) {
        if (send_some(conn) && conn->out == NULL) {
            (void)parse(conn); /* what came ahead; no readiness will tell of it */
        }
        return;
    }
    if ((events & PL_READABLE) != 0 && conn->out == NULL) {
        read_some(conn);
    }
}

void admin_conn_open(struct admin *admin, int fd)
{
    struct admin_conn *conn = pl_calloc(1, sizeof(*conn));
    struct pl_watch *watch = conn != NULL ? pl_watch_open(admin->loop, fd, on_ready, conn) : NULL;
    if (watch == NULL) {
        pl_free(conn);
        (void)close(fd);
        return;
    }
    conn->admin = admin;
    conn->fd = fd;
    conn->watch = watch;
    conn->timer.fire = on_timer;
    http_parser_init(&conn->parser, HTTP_REQUEST);
    conn->parser.data = conn;
    pl_list_push(&admin->conns, &conn->node);
    admin->count++;
    if (pl_timer_start(admin->loop, &conn->timer, admin->timeout_ms) != 0) {
        admin_conn_close(conn);
        return;
    }
    pl_watch_set(watch, PL_READABLE);
}
