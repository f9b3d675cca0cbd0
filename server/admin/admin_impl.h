/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_ADMIN_ADMIN_IMPL_H
#define PARLEY_ADMIN_ADMIN_IMPL_H

/* The inside of the admin server, for this folder only. */

#include "admin/admin.h"
#include "base/list.h"

#include <http_parser.h>

#include <stdatomic.h>
#include <stdbool.h>

#define ADMIN_REQUEST_MAX                                                                          \
    8192 /* bytes of one request: line, headers and a body that is ignored                         \
          */
#define ADMIN_PATH_MAX 256

struct pl_buf;
struct pl_listener;

struct admin {
    struct pl_loop *loop;
    struct pl_listener *listener;
    struct pl_list conns;
    unsigned count;
    unsigned connections_max;
    int64_t timeout_ms;
    atomic_int state;
};

struct admin_conn {
    struct pl_list node; /* admin->conns */
    struct admin *admin;
    struct pl_watch *watch;
    struct pl_timer timer;
    int fd;
    bool is_complete;      /* a whole request was parsed */
    bool is_path_too_long; /* what follows of it is dropped */
    bool closes;           /* after this answer */
    bool is_lingering;     /* the last answer went out; waits for the peer to close */
    http_parser parser;
    size_t path_len;
    size_t request_bytes; /* parsed of the current request */
    size_t in_len;        /* received and not parsed */
    struct pl_buf *out;   /* the answer being sent, or NULL */
    size_t out_sent;
    char path[ADMIN_PATH_MAX];
    char in[ADMIN_REQUEST_MAX];
};

/* admin_conn.c. @param fd  takes. @thread loop */
void admin_conn_open(struct admin *admin, int fd);
void admin_conn_close(struct admin_conn *conn);

/* admin_page.c. The whole answer to a request, headers included.
 * @return owned (pl_buf_unref); NULL: no memory. */
struct pl_buf *admin_page_make(enum admin_state state, enum http_method method, const char *path,
                               bool closes);
/* An answer that says only its status. */
struct pl_buf *admin_page_make_error(int status, bool closes);

#endif /* PARLEY_ADMIN_ADMIN_IMPL_H */
