/* SPDX-License-Identifier: Apache-2.0 */
/* The text of statements; see sql.h. */
#include "mysql/sql.h"

#include "base/attr.h"
#include "base/mem.h"

#include <stdarg.h>
#include <string.h>

#define FIRST_BYTES  4096
#define I64_TEXT_MAX 20

void mdb_sql_deinit(struct mdb_sql *sql)
{
    pl_free(sql->data);
    *sql = (struct mdb_sql){.data = NULL};
}

void mdb_sql_reset(struct mdb_sql *sql)
{
    sql->len = 0;
    sql->is_short = false;
}

/* NULL: no memory. */
static char *reserve(struct mdb_sql *sql, size_t bytes)
{
    if (PL_UNLIKELY(sql->capacity - sql->len < bytes)) {
        size_t wanted = sql->capacity == 0 ? FIRST_BYTES : sql->capacity * 2;
        while (wanted - sql->len < bytes) {
            wanted *= 2;
        }
        char *data = sql->is_short ? NULL : pl_realloc(sql->data, wanted);
        if (data == NULL) {
            sql->is_short = true;
            return NULL;
        }
        sql->data = data;
        sql->capacity = wanted;
    }
    return sql->data + sql->len;
}

void mdb_sql_raw(struct mdb_sql *sql, const char *text, size_t len)
{
    char *to = reserve(sql, len);
    if (PL_LIKELY(to != NULL)) {
        memcpy(to, text, len);
        sql->len += len;
    }
}

void mdb_sql_add(struct mdb_sql *sql, const char *text)
{
    mdb_sql_raw(sql, text, strlen(text));
}

void mdb_sql_i64(struct mdb_sql *sql, int64_t value)
{
    char digits[I64_TEXT_MAX];
    size_t at = sizeof(digits);
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        digits[--at] = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (value < 0) {
        digits[--at] = '-';
    }
    mdb_sql_raw(sql, digits + at, sizeof(digits) - at);
}

/* What follows the backslash for a byte that the parser would not take as itself; 0: it would. */
static const char escapes[256] = {
    ['\0'] = '0', ['\n'] = 'n', ['\r'] = 'r', ['\x1a'] = 'Z', ['\''] = '\'', ['\\'] = '\\',
};

void mdb_sql_bytes(struct mdb_sql *sql, struct store_bytes bytes)
{
    char *to = reserve(sql, 2 * bytes.len + 2);
    if (PL_UNLIKELY(to == NULL)) {
        return;
    }
    *to++ = '\'';
    for (size_t i = 0; i < bytes.len; i++) {
        char escape = escapes[(unsigned char)bytes.data[i]];
        if (PL_UNLIKELY(escape != 0)) {
            *to++ = '\\';
            *to++ = escape;
        } else {
            *to++ = bytes.data[i];
        }
    }
    *to++ = '\'';
    sql->len = (size_t)(to - sql->data);
}

void mdb_sql_format(struct mdb_sql *sql, const char *kinds, const char *text, ...)
{
    va_list args;
    va_start(args, text);
    for (size_t run = strcspn(text, "?"); text[run] != '\0'; run = strcspn(text, "?")) {
        mdb_sql_raw(sql, text, run);
        if (*kinds++ == 'i') {
            mdb_sql_i64(sql, va_arg(args, int64_t));
        } else {
            mdb_sql_bytes(sql, va_arg(args, struct store_bytes));
        }
        text += run + 1;
    }
    va_end(args);
    mdb_sql_add(sql, text);
}
