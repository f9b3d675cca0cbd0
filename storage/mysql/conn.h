/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_MYSQL_CONN_H
#define PARLEY_MYSQL_CONN_H

/* One connection to one database, and what went wrong on it, sorted by what can be done about it.
 * Uses only what the client libraries of MySQL and of MariaDB have in common.
 * @thread one at a time for each connection */

#include "base/error.h"
#include "base/list.h"
#include "mysql/sql.h"
#include "mysql/watch.h"
#include "store/mysql.h"

struct mdb_conn;

/* How a statement, or several in one text, came out. */
enum mdb_result {
    MDB_OK,
    MDB_DUPLICATE, /* a unique key has it already; the transaction stands without the statement */
    MDB_CONFLICT,  /* a deadlock, or a lock that did not come: roll back and try again */
    MDB_LOST,      /* the connection is gone, and what the server did is not known */
    MDB_FAILED,    /* anything else; the transaction has to be rolled back */
};

struct mdb_address {
    char host[256];
    char database[65];
    unsigned port;
};

struct mdb_login {
    const struct store_mysql_options *options; /* credentials, TLS, times */
    struct mdb_address address;
    struct mdb_watch *watch;
};

/* Connect and set the session up: bytes as character set, strict, READ COMMITTED.
 * @return UNAVAILABLE: no connection; UNAUTHENTICATED: the server refuses name or password */
PL_MUST_CHECK enum parley_code mdb_conn_open(const struct mdb_login *login, struct mdb_conn **conn,
                                             struct pl_error *err);
void mdb_conn_close(struct mdb_conn *conn); /* NULL is fine */

/* All statements from now on, together, must end before the deadline. */
void mdb_conn_arm(struct mdb_conn *conn, int64_t deadline_ns);
/* @return true: the deadline has passed; the connection is shut */
bool mdb_conn_disarm(struct mdb_conn *conn);
bool mdb_conn_is_lost(const struct mdb_conn *conn);
uint64_t mdb_conn_thread_id(const struct mdb_conn *conn);

/* Send a text and go to the first result. Then for each result the rows, and the next result:
 *     mdb_conn_start(); while (mdb_conn_row()) ...; while (mdb_conn_next()) ...; mdb_conn_finish()
 */
void mdb_conn_start(struct mdb_conn *conn, const struct mdb_sql *sql);
bool mdb_conn_row(struct mdb_conn *conn);
bool mdb_conn_next(struct mdb_conn *conn);
/* Leave out what has not been read. @return how all of it came out; the first failure counts */
enum mdb_result mdb_conn_finish(struct mdb_conn *conn, struct pl_error *err);

/* The columns of the row, valid until the next. NULL is "" and 0. */
int64_t mdb_conn_i64(const struct mdb_conn *conn, unsigned column);
struct store_bytes mdb_conn_bytes(const struct mdb_conn *conn, unsigned column);
bool mdb_conn_is_null(const struct mdb_conn *conn, unsigned column);

/* Start and finish; rows are left out. */
enum mdb_result mdb_conn_run(struct mdb_conn *conn, const struct mdb_sql *sql,
                             struct pl_error *err);
enum mdb_result mdb_conn_exec(struct mdb_conn *conn, const char *text, struct pl_error *err);
/* Of the last INSERT; of the last statement. */
int64_t mdb_conn_insert_id(const struct mdb_conn *conn);
int64_t mdb_conn_affected(const struct mdb_conn *conn);

/* What a pool knows of a connection of its own. */
struct mdb_conn_age {
    struct pl_list node;
    int64_t made_at_ns;
    int64_t used_at_ns;
};
struct mdb_conn_age *mdb_conn_age(struct mdb_conn *conn);
struct mdb_conn *mdb_conn_of_age(struct pl_list *node);

#endif /* PARLEY_MYSQL_CONN_H */
