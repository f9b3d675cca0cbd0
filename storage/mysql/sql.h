/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_MYSQL_SQL_H
#define PARLEY_MYSQL_SQL_H

/* The text of statements, put together piece by piece. What came from outside goes in only by
 * mdb_sql_bytes, which quotes it. Running out of memory is remembered: is_short tells, once, at the
 * end. One at a time; reused from batch to batch. */

#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mdb_sql {
    char *data;
    size_t len;
    size_t capacity;
    bool is_short; /* memory ran out: the text must not be used */
};

void mdb_sql_deinit(struct mdb_sql *sql);
void mdb_sql_reset(struct mdb_sql *sql);

/* SQL of our own: a literal, never data. */
void mdb_sql_add(struct mdb_sql *sql, const char *text);
/* The same, a part of one. */
void mdb_sql_raw(struct mdb_sql *sql, const char *text, size_t len);
void mdb_sql_i64(struct mdb_sql *sql, int64_t value);
/* 'quoted', with all that has a meaning to the parser escaped. For a connection whose character set
 * is binary and whose sql_mode has no NO_BACKSLASH_ESCAPES. */
void mdb_sql_bytes(struct mdb_sql *sql, struct store_bytes bytes);

/* "?": the next argument, as its letter in `kinds` says: i: int64_t, s:
 * struct store_bytes. */
void mdb_sql_format(struct mdb_sql *sql, const char *kinds, const char *text, ...);

#endif /* PARLEY_MYSQL_SQL_H */
