/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_BASE_ERROR_H
#define PARLEY_BASE_ERROR_H

/* How a failure travels inside parley: a canonical gRPC code as the return value, and what a person
 * needs to know in a struct pl_error on the caller's stack. It is logged once, where it stops.
 * The text is for logs; what a client is told is chosen separately, at the edge. */

#include "base/attr.h"

#include "parley/code.h"

#include <stdbool.h>
#include <stdint.h>

struct pl_error {
    enum parley_code code;
    int sys_errno;           /* errno of the system call that failed, or 0 */
    uint32_t retry_after_ms; /* hint for the caller; 0: none */
    bool is_retryable;
    const char *file; /* static storage */
    int line;
    char field[64]; /* INVALID_ARGUMENT: path of the offending request field, e.g. "body"; or "" */
    char text[240]; /* NUL-terminated; truncated at a UTF-8 boundary */
};

#define PL_ERROR_INIT                                                                              \
    {                                                                                              \
        .code = PARLEY_OK                                                                          \
    }

/* Record a failure at its origin and return `code`. `err` may be NULL: only the code is returned.
 * UNAVAILABLE, ABORTED and RESOURCE_EXHAUSTED are marked retryable. */
#define pl_fail(err, code, ...) pl_fail_at((err), (code), __FILE__, __LINE__, __VA_ARGS__)
enum parley_code pl_fail_at(struct pl_error *err, enum parley_code code, const char *file, int line,
                            const char *format, ...) PL_PRINTF(5, 6);

/* As pl_fail(INVALID_ARGUMENT) with the name of the offending request field. */
#define pl_fail_field(err, field, ...)                                                             \
    pl_fail_field_at((err), (field), __FILE__, __LINE__, __VA_ARGS__)
enum parley_code pl_fail_field_at(struct pl_error *err, const char *field, const char *file,
                                  int line, const char *format, ...) PL_PRINTF(5, 6);

/* As pl_fail, with errno kept and its text appended. */
#define pl_fail_errno(err, code, sys_errno, ...)                                                   \
    pl_fail_errno_at((err), (code), (sys_errno), __FILE__, __LINE__, __VA_ARGS__)
enum parley_code pl_fail_errno_at(struct pl_error *err, enum parley_code code, int sys_errno,
                                  const char *file, int line, const char *format, ...)
    PL_PRINTF(6, 7);

/* Put "shard 3: " before the text of an error on its way up; returns its code. */
enum parley_code pl_error_wrap(struct pl_error *err, const char *format, ...) PL_PRINTF(2, 3);

void pl_error_clear(struct pl_error *err);

/* "INVALID_ARGUMENT"; "UNKNOWN" for a number outside of the table. Static storage. */
const char *pl_code_name(enum parley_code code);

#endif /* PARLEY_BASE_ERROR_H */
