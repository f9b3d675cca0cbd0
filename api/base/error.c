/* SPDX-License-Identifier: Apache-2.0 */
/* Failures on their way up; see error.h. @thread any */
#include "base/error.h"

#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static enum parley_code record(struct pl_error *err, enum parley_code code, const char *file,
                               int line)
{
    pl_error_clear(err);
    err->code = code;
    err->file = file;
    err->line = line;
    err->is_retryable =
        code == PARLEY_UNAVAILABLE || code == PARLEY_ABORTED || code == PARLEY_RESOURCE_EXHAUSTED;
    return code;
}

enum parley_code pl_fail_at(struct pl_error *err, enum parley_code code, const char *file, int line,
                            const char *format, ...)
{
    if (err == NULL) {
        return code;
    }
    char text[sizeof(err->text)]; /* an argument may be a text of *err itself */
    va_list args;
    va_start(args, format);
    (void)pl_text_vformat(text, sizeof(text), format, args);
    va_end(args);
    record(err, code, file, line);
    memcpy(err->text, text, sizeof(text));
    return code;
}

enum parley_code pl_fail_field_at(struct pl_error *err, const char *field, const char *file,
                                  int line, const char *format, ...)
{
    if (err == NULL) {
        return PARLEY_INVALID_ARGUMENT;
    }
    char name[sizeof(err->field)];
    char text[sizeof(err->text)];
    va_list args;
    (void)pl_text_format(name, sizeof(name), "%s", field);
    va_start(args, format);
    (void)pl_text_vformat(text, sizeof(text), format, args);
    va_end(args);
    record(err, PARLEY_INVALID_ARGUMENT, file, line);
    memcpy(err->field, name, sizeof(name));
    memcpy(err->text, text, sizeof(text));
    return PARLEY_INVALID_ARGUMENT;
}

enum parley_code pl_fail_errno_at(struct pl_error *err, enum parley_code code, int sys_errno,
                                  const char *file, int line, const char *format, ...)
{
    if (err == NULL) {
        return code;
    }
    char text[sizeof(err->text)];
    char reason[96] = "";
    va_list args;
    va_start(args, format);
    (void)pl_text_vformat(text, sizeof(text), format, args);
    va_end(args);
    if (strerror_r(sys_errno, reason, sizeof(reason)) != 0) {
        (void)pl_text_format(reason, sizeof(reason), "errno %d", sys_errno);
    }
    record(err, code, file, line);
    err->sys_errno = sys_errno;
    (void)pl_text_format(err->text, sizeof(err->text), "%s: %s", text, reason);
    return code;
}

enum parley_code pl_error_wrap(struct pl_error *err, const char *format, ...)
{
    if (err == NULL) {
        return PARLEY_UNKNOWN;
    }
    char before[sizeof(err->text)];
    char inner[sizeof(err->text)];
    va_list args;
    va_start(args, format);
    (void)pl_text_vformat(before, sizeof(before), format, args);
    va_end(args);
    memcpy(inner, err->text, sizeof(inner));
    (void)pl_text_format(err->text, sizeof(err->text), "%s%s", before, inner);
    return err->code;
}

void pl_error_clear(struct pl_error *err)
{
    *err = (struct pl_error){.code = PARLEY_OK};
}

const char *pl_code_name(enum parley_code code)
{
    static const char *const names[] = {
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    };
    size_t index = (size_t)code;
    return index < PL_COUNT(names) ? names[index] : names[PARLEY_UNKNOWN];
}
