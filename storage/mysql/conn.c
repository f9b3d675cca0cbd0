/* SPDX-License-Identifier: Apache-2.0 */
/* One connection; see conn.h. */
#include "mysql/conn.h"

#include "base/mem.h"
#include "base/text.h"
#include "mysql/credentials.h"

#include <errmsg.h>
#include <mysql.h>
#include <mysqld_error.h>
#include <pthread.h>
#include <string.h>

/* MySQL's own library has bool here, MariaDB's a type of its own. */
#ifdef MARIADB_BASE_VERSION
typedef my_bool option_bool;
#else
typedef bool option_bool;
#endif

struct mdb_conn {
    struct mdb_conn_age age;
    MYSQL *mysql;
    struct mdb_watch *watch;
    struct mdb_watch_entry deadline;
    MYSQL_RES *rows; /* of the current result; NULL: it has none, or there is no result */
    MYSQL_ROW row;
    const unsigned long *lens;
    enum mdb_result outcome; /* of the text that is under way */
    struct pl_error failure;
    bool is_lost;
};

/* A session that says nothing for so long is ended by the server, and with it a transaction that
 * holds locks: its node is dead or frozen. Idle connections of a pool are asked more often. */
#define SILENCE_S 30

/* ---- outcomes ---- */

static enum mdb_result sort_error(unsigned number)
{
    switch (number) {
    case ER_DUP_ENTRY:
        return MDB_DUPLICATE;
    case ER_LOCK_DEADLOCK:
    case ER_LOCK_WAIT_TIMEOUT:
        return MDB_CONFLICT;
    case CR_SERVER_GONE_ERROR:
    case CR_SERVER_LOST:
    case CR_SERVER_LOST_EXTENDED:
    case CR_CONN_HOST_ERROR:
    case CR_CONNECTION_ERROR:
    case CR_MALFORMED_PACKET:
    case CR_COMMANDS_OUT_OF_SYNC:
    case CR_UNKNOWN_ERROR:
    case CR_SSL_CONNECTION_ERROR:
    case ER_SERVER_SHUTDOWN:
    case ER_QUERY_INTERRUPTED:
#ifdef ER_CONNECTION_KILLED /* MariaDB */
    case ER_CONNECTION_KILLED:
#endif
#ifdef ER_CLIENT_INTERACTION_TIMEOUT /* MySQL */
    case ER_CLIENT_INTERACTION_TIMEOUT:
#endif
        return MDB_LOST;
    default:
        return MDB_FAILED;
    }
}

/* What the machine below cannot do now, as a full disk or a server that starts, is nobody's fault
 * and may be over soon. */
static enum parley_code code_of(unsigned number)
{
    switch (number) {
#ifdef ER_DISK_FULL /* MariaDB */
    case ER_DISK_FULL:
#endif
    case ER_RECORD_FILE_FULL:
    case ER_ERROR_ON_WRITE:
    case ER_GET_ERRNO:
    case ER_OUTOFMEMORY:
    case ER_OUT_OF_RESOURCES:
    case ER_CON_COUNT_ERROR:
    case ER_TOO_MANY_USER_CONNECTIONS:
    case ER_OPTION_PREVENTS_STATEMENT:
    case CR_OUT_OF_MEMORY:
        return PARLEY_UNAVAILABLE;
    case ER_ACCESS_DENIED_ERROR:
    case ER_DBACCESS_DENIED_ERROR:
        return PARLEY_UNAUTHENTICATED;
    default:
        return sort_error(number) == MDB_FAILED ? PARLEY_INTERNAL : PARLEY_UNAVAILABLE;
    }
}

/* The first failure of a text counts: what follows it is a consequence. */
static void note_failure(struct mdb_conn *conn)
{
    unsigned number = mysql_errno(conn->mysql);
    enum mdb_result outcome = sort_error(number);
    if (outcome == MDB_LOST) {
        conn->is_lost = true;
    }
    if (conn->outcome == MDB_OK) {
        conn->outcome = outcome;
        pl_fail(&conn->failure, code_of(number), "%s (MySQL %u)", mysql_error(conn->mysql), number);
    }
}

/* ---- opening and closing ---- */

static void init_library(void)
{
    (void)mysql_library_init(0, NULL, NULL);
}

static void set_flag(MYSQL *mysql, enum mysql_option option, bool value)
{
    option_bool flag = value;
    (void)mysql_options(mysql, option, &flag);
}

static void set_tls(MYSQL *mysql, const struct store_mysql_options *options)
{
    bool is_verified = options->tls == STORE_MYSQL_TLS_VERIFIED;
    if (options->tls_ca != NULL && options->tls_ca[0] != '\0') {
        (void)mysql_options(mysql, MYSQL_OPT_SSL_CA, options->tls_ca);
    }
#ifdef MARIADB_BASE_VERSION
    set_flag(mysql, MYSQL_OPT_SSL_ENFORCE, options->tls != STORE_MYSQL_TLS_OFF);
    set_flag(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, is_verified);
#else
    unsigned mode = is_verified                           ? SSL_MODE_VERIFY_IDENTITY
                    : options->tls == STORE_MYSQL_TLS_OFF ? SSL_MODE_DISABLED
                                                          : SSL_MODE_REQUIRED;
    (void)mysql_options(mysql, MYSQL_OPT_SSL_MODE, &mode);
#endif
}

/* The library counts in whole seconds; the deadline itself is the watch's. */
static unsigned whole_seconds(unsigned ms)
{
    return ms / 1000 + (ms % 1000 != 0);
}

static void set_options(MYSQL *mysql, const struct store_mysql_options *options)
{
    unsigned connect_s = whole_seconds(options->connect_ms);
    unsigned io_s = whole_seconds(options->deadline_ms) + 1;
    (void)mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
    (void)mysql_options(mysql, MYSQL_OPT_READ_TIMEOUT, &io_s);
    (void)mysql_options(mysql, MYSQL_OPT_WRITE_TIMEOUT, &io_s);
    (void)mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "binary");
    set_tls(mysql, options);
}

static enum mdb_result set_session(struct mdb_conn *conn, const struct store_mysql_options *options,
                                   struct pl_error *err)
{
    struct mdb_sql sql = {.data = NULL};
    mdb_sql_format(&sql, "ii",
                   "SET SESSION sql_mode='STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', autocommit=1,"
                   " wait_timeout=?, innodb_lock_wait_timeout=?;"
                   "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
                   (int64_t)SILENCE_S, (int64_t)whole_seconds(options->deadline_ms / 2));
    enum mdb_result result = mdb_conn_run(conn, &sql, err);
    mdb_sql_deinit(&sql);
    return result;
}

static enum parley_code log_in(struct mdb_conn *conn, const struct mdb_login *login,
                               struct pl_error *err)
{
    struct mdb_credentials credentials;
    const struct mdb_address *address = &login->address;
    enum parley_code code = mdb_credentials_read(login->options, &credentials, err);
    if (code != PARLEY_OK) {
        return code;
    }
    if (mysql_real_connect(conn->mysql, address->host, credentials.user, credentials.password,
                           address->database, address->port, NULL,
                           CLIENT_MULTI_STATEMENTS) == NULL) {
        unsigned number = mysql_errno(conn->mysql);
        code = number == ER_BAD_DB_ERROR ? PARLEY_FAILED_PRECONDITION : code_of(number);
        code = code == PARLEY_INTERNAL ? PARLEY_UNAVAILABLE : code;
        pl_fail(err, code, "%s (MySQL %u)", mysql_error(conn->mysql), number);
    }
    mdb_credentials_forget(&credentials);
    /* MariaDB's library takes a server that offers no TLS for good enough. */
    if (code == PARLEY_OK && login->options->tls != STORE_MYSQL_TLS_OFF &&
        mysql_get_ssl_cipher(conn->mysql) == NULL) {
        code = pl_fail(err, PARLEY_UNAVAILABLE, "the server does not encrypt");
    }
    return code;
}

enum parley_code mdb_conn_open(const struct mdb_login *login, struct mdb_conn **out,
                               struct pl_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, init_library);
    struct mdb_conn *conn = pl_calloc(1, sizeof(*conn));
    if (conn == NULL) {
        return pl_fail(err, PARLEY_UNAVAILABLE, "no memory for a connection");
    }
    conn->watch = login->watch;
    conn->mysql = mysql_init(NULL);
    enum parley_code code = PARLEY_OK;
    if (conn->mysql == NULL) {
        code = pl_fail(err, PARLEY_UNAVAILABLE, "no memory for a connection");
    } else {
        set_options(conn->mysql, login->options);
        code = log_in(conn, login, err);
    }
    if (code == PARLEY_OK && set_session(conn, login->options, err) != MDB_OK) {
        code = PARLEY_UNAVAILABLE;
    }
    if (code != PARLEY_OK) {
        pl_error_wrap(err, "%s:%u/%s: ", login->address.host, login->address.port,
                      login->address.database);
        mdb_conn_close(conn);
        return code;
    }
    *out = conn;
    return PARLEY_OK;
}

void mdb_conn_close(struct mdb_conn *conn)
{
    if (conn == NULL) {
        return;
    }
    if (conn->mysql != NULL) {
        mysql_close(conn->mysql);
    }
    pl_free(conn);
}

/* ---- deadlines ---- */

static int socket_of(MYSQL *mysql)
{
#ifdef MARIADB_BASE_VERSION
    return (int)mysql_get_socket(mysql);
#else
    return (int)mysql->net.fd;
#endif
}

void mdb_conn_arm(struct mdb_conn *conn, int64_t deadline_ns)
{
    mdb_watch_arm(conn->watch, &conn->deadline, socket_of(conn->mysql), deadline_ns);
}

bool mdb_conn_disarm(struct mdb_conn *conn)
{
    bool is_expired = mdb_watch_disarm(conn->watch, &conn->deadline);
    conn->is_lost = conn->is_lost || is_expired;
    return is_expired;
}

bool mdb_conn_is_lost(const struct mdb_conn *conn)
{
    return conn->is_lost;
}

uint64_t mdb_conn_thread_id(const struct mdb_conn *conn)
{
    return mysql_thread_id(conn->mysql);
}

/* ---- statements ---- */

static void open_result(struct mdb_conn *conn)
{
    conn->rows = mysql_use_result(conn->mysql);
    if (conn->rows == NULL && mysql_errno(conn->mysql) != 0) {
        note_failure(conn);
    }
}

static void close_result(struct mdb_conn *conn)
{
    if (conn->rows != NULL) {
        mysql_free_result(conn->rows); /* reads what is left of it */
        conn->rows = NULL;
    }
}

void mdb_conn_start(struct mdb_conn *conn, const struct mdb_sql *sql)
{
    conn->outcome = MDB_OK;
    conn->rows = NULL;
    pl_error_clear(&conn->failure);
    if (PL_UNLIKELY(sql->is_short)) {
        conn->outcome = MDB_FAILED;
        pl_fail(&conn->failure, PARLEY_UNAVAILABLE, "no memory for a statement");
    } else if (mysql_real_query(conn->mysql, sql->data, (unsigned long)sql->len) != 0) {
        note_failure(conn);
    } else {
        open_result(conn);
    }
}

bool mdb_conn_row(struct mdb_conn *conn)
{
    if (conn->rows == NULL) {
        return false;
    }
    conn->row = mysql_fetch_row(conn->rows);
    if (PL_UNLIKELY(conn->row == NULL)) {
        if (mysql_errno(conn->mysql) != 0) {
            note_failure(conn);
        }
        return false;
    }
    conn->lens = mysql_fetch_lengths(conn->rows);
    return true;
}

bool mdb_conn_next(struct mdb_conn *conn)
{
    close_result(conn);
    if (conn->outcome != MDB_OK) {
        return false;
    }
    int status = mysql_next_result(conn->mysql);
    if (status > 0) {
        note_failure(conn);
    } else if (status == 0) {
        open_result(conn);
    }
    return status == 0 && conn->outcome == MDB_OK;
}

enum mdb_result mdb_conn_finish(struct mdb_conn *conn, struct pl_error *err)
{
    while (mdb_conn_next(conn)) {
    }
    if (conn->outcome != MDB_OK && err != NULL) {
        *err = conn->failure;
    }
    return conn->outcome;
}

int64_t mdb_conn_i64(const struct mdb_conn *conn, unsigned column)
{
    int64_t value = 0;
    const char *text = conn->row[column];
    return text != NULL && pl_text_to_i64(text, INT64_MIN, INT64_MAX, &value) ? value : 0;
}

struct store_bytes mdb_conn_bytes(const struct mdb_conn *conn, unsigned column)
{
    const char *text = conn->row[column];
    return (struct store_bytes){text == NULL ? "" : text, text == NULL ? 0 : conn->lens[column]};
}

bool mdb_conn_is_null(const struct mdb_conn *conn, unsigned column)
{
    return conn->row[column] == NULL;
}

enum mdb_result mdb_conn_run(struct mdb_conn *conn, const struct mdb_sql *sql, struct pl_error *err)
{
    mdb_conn_start(conn, sql);
    return mdb_conn_finish(conn, err);
}

enum mdb_result mdb_conn_exec(struct mdb_conn *conn, const char *text, struct pl_error *err)
{
    struct mdb_sql sql = {.data = NULL};
    mdb_sql_add(&sql, text);
    enum mdb_result result = mdb_conn_run(conn, &sql, err);
    mdb_sql_deinit(&sql);
    return result;
}

int64_t mdb_conn_insert_id(const struct mdb_conn *conn)
{
    return (int64_t)mysql_insert_id(conn->mysql);
}

int64_t mdb_conn_affected(const struct mdb_conn *conn)
{
    return (int64_t)mysql_affected_rows(conn->mysql);
}

struct mdb_conn_age *mdb_conn_age(struct mdb_conn *conn)
{
    return &conn->age;
}

struct mdb_conn *mdb_conn_of_age(struct pl_list *node)
{
    return PL_CONTAINER_OF(node, struct mdb_conn, age.node);
}
