/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_SQLITE_DB_H
#define PARLEY_SQLITE_DB_H

/* One connection to one database file, and the few things that are said to SQLite again and again.
 * @thread one at a time for each connection */

#include "base/arena.h"
#include "base/error.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>

#include <sqlite3.h>

struct sqlite_db_options {
    bool is_writer;  /* may create and change the file */
    bool is_durable; /* false: for tests, nothing waits for the disk */
};

PL_MUST_CHECK enum parley_code sqlite_db_open(const char *path,
                                              const struct sqlite_db_options *options, sqlite3 **db,
                                              struct pl_error *err);

/* Record what SQLite says; environment failures (disk, lock, memory) become UNAVAILABLE, a broken
 * file DATA_LOSS, all else INTERNAL. */
enum parley_code sqlite_db_fail(sqlite3 *db, const char *doing, struct pl_error *err);

PL_MUST_CHECK enum parley_code sqlite_db_exec(sqlite3 *db, const char *sql, struct pl_error *err);

/* Prepare count texts for the life of the connection. */
PL_MUST_CHECK enum parley_code sqlite_db_prepare(sqlite3 *db, const char *const *sql, size_t count,
                                                 sqlite3_stmt **statements, struct pl_error *err);
void sqlite_db_finalize(sqlite3_stmt **statements, size_t count);

/* The bytes must stay until the statement is reset. */
static inline void sqlite_bind_text(sqlite3_stmt *statement, int index, struct store_bytes text)
{
    (void)sqlite3_bind_text(statement, index, text.len == 0 ? "" : text.data, (int)text.len,
                            SQLITE_STATIC);
}

static inline void sqlite_bind_blob(sqlite3_stmt *statement, int index, struct store_bytes blob)
{
    (void)sqlite3_bind_blob(statement, index, blob.len == 0 ? "" : blob.data, (int)blob.len,
                            SQLITE_STATIC);
}

static inline void sqlite_bind_i64(sqlite3_stmt *statement, int index, int64_t value)
{
    (void)sqlite3_bind_int64(statement, index, value);
}

/* A column's bytes, valid until the statement moves. */
static inline struct store_bytes sqlite_column_bytes(sqlite3_stmt *statement, int index)
{
    /* In this order: the pointer first, then its length. */
    const char *data = sqlite3_column_blob(statement, index);
    struct store_bytes bytes = {data == NULL ? "" : data,
                                (size_t)sqlite3_column_bytes(statement, index)};
    return bytes;
}

/* The same, copied. data is NULL: no memory. */
struct store_bytes sqlite_column_copy(sqlite3_stmt *statement, int index, struct pl_arena *arena);

/* The two columns of a conversation's own limits. */
static inline struct store_retention sqlite_column_retention(sqlite3_stmt *statement, int index)
{
    return (struct store_retention){sqlite3_column_int64(statement, index),
                                    sqlite3_column_int64(statement, index + 1)};
}

#endif /* PARLEY_SQLITE_DB_H */
