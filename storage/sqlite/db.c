/* SPDX-License-Identifier: Apache-2.0 */
/* One SQLite connection; see db.h. */
#include "sqlite/db.h"

#include "base/text.h"

#include <pthread.h>

#define BUSY_MS           5000
#define WRITER_CACHE_KIB  65536
#define READER_CACHE_KIB  8192
#define PAGE_BYTES        8192
#define CHECKPOINT_PAGES  2048
#define JOURNAL_BYTES_MAX (64 << 20)

/* The counters of SQLite's heap cost a global lock on each allocation, and nobody reads them. Has
 * no effect, and does no harm, if the process has used SQLite before. */
static void configure_once(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    (void)sqlite3_initialize();
}

enum parley_code sqlite_db_fail(sqlite3 *db, const char *doing, struct pl_error *err)
{
    int extended = db == NULL ? SQLITE_NOMEM : sqlite3_extended_errcode(db);
    const char *text = db == NULL ? "out of memory" : sqlite3_errmsg(db);
    enum parley_code code = PARLEY_INTERNAL;
    switch (extended & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_NOMEM:
    case SQLITE_READONLY:
    case SQLITE_IOERR:
    case SQLITE_FULL:
    case SQLITE_CANTOPEN:
    case SQLITE_PROTOCOL:
        code = PARLEY_UNAVAILABLE;
        break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        code = PARLEY_DATA_LOSS;
        break;
    default:
        break;
    }
    pl_fail(err, code, "%s: %s (SQLite %d)", doing, text, extended);
    if (err != NULL && db != NULL) {
        err->sys_errno = sqlite3_system_errno(db);
    }
    return code;
}

enum parley_code sqlite_db_exec(sqlite3 *db, const char *sql, struct pl_error *err)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
        return sqlite_db_fail(db, "cannot run SQL", err);
    }
    return PARLEY_OK;
}

static enum parley_code set_up(sqlite3 *db, const struct sqlite_db_options *options,
                               struct pl_error *err)
{
    char sql[512];
    (void)sqlite3_extended_result_codes(db, 1);
    (void)sqlite3_busy_timeout(db, BUSY_MS);
    (void)pl_text_format(sql, sizeof(sql),
                         "PRAGMA foreign_keys=OFF; PRAGMA synchronous=%s; PRAGMA cache_size=-%d;"
                         "PRAGMA secure_delete=OFF; PRAGMA temp_store=MEMORY;",
                         options->is_durable ? "FULL" : "OFF",
                         options->is_writer ? WRITER_CACHE_KIB : READER_CACHE_KIB);
    enum parley_code code = sqlite_db_exec(db, sql, err);
    if (code != PARLEY_OK || !options->is_writer) {
        return code;
    }
    (void)pl_text_format(sql, sizeof(sql),
                         "PRAGMA page_size=%d; PRAGMA journal_mode=WAL;"
                         "PRAGMA wal_autocheckpoint=%d; PRAGMA journal_size_limit=%d;",
                         PAGE_BYTES, CHECKPOINT_PAGES, JOURNAL_BYTES_MAX);
    return sqlite_db_exec(db, sql, err);
}

enum parley_code sqlite_db_open(const char *path, const struct sqlite_db_options *options,
                                sqlite3 **db, struct pl_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, configure_once);
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READWRITE;
    if (options->is_writer) {
        flags |= SQLITE_OPEN_CREATE;
    }
    *db = NULL;
    enum parley_code code = PARLEY_OK;
    if (sqlite3_open_v2(path, db, flags, NULL) != SQLITE_OK) {
        code = sqlite_db_fail(*db, "cannot open", err);
    } else {
        code = set_up(*db, options, err);
    }
    if (code != PARLEY_OK) {
        pl_error_wrap(err, "%s: ", path);
        (void)sqlite3_close_v2(*db);
        *db = NULL;
    }
    return code;
}

enum parley_code sqlite_db_prepare(sqlite3 *db, const char *const *sql, size_t count,
                                   sqlite3_stmt **statements, struct pl_error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (sqlite3_prepare_v3(db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &statements[i], NULL) !=
            SQLITE_OK) {
            return sqlite_db_fail(db, "cannot prepare", err);
        }
    }
    return PARLEY_OK;
}

void sqlite_db_finalize(sqlite3_stmt **statements, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        (void)sqlite3_finalize(statements[i]);
        statements[i] = NULL;
    }
}

struct store_bytes sqlite_column_copy(sqlite3_stmt *statement, int index, struct pl_arena *arena)
{
    struct store_bytes bytes = sqlite_column_bytes(statement, index);
    bytes.data = pl_arena_strndup(arena, bytes.data, bytes.len);
    return bytes;
}
