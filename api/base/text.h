/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_BASE_TEXT_H
#define PARLEY_BASE_TEXT_H

/* Text that came from outside: validity, bounded formatting, numbers. @thread any */

#include "base/attr.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms, up to U+10FFFF). */
bool pl_text_is_utf8(const void *data, size_t len);
/* The longest prefix of at most `max` bytes that does not cut a character. */
size_t pl_text_utf8_prefix(const char *text, size_t len, size_t max);

/* snprintf that always terminates and says whether everything fitted: false means cut. */
bool pl_text_format(char *out, size_t size, const char *format, ...) PL_PRINTF(3, 4);
bool pl_text_vformat(char *out, size_t size, const char *format, va_list args) PL_PRINTF(3, 0);

/* Whole-string decimal; false: empty, trailing characters or outside [min, max]. */
bool pl_text_to_i64(const char *text, int64_t min, int64_t max, int64_t *value);

/* Levenshtein distance, cut off at 64 bytes of each: for "did you mean". */
size_t pl_text_distance(const char *a, const char *b);

bool pl_text_equals_nocase(const char *a, const char *b); /* ASCII */

#endif /* PARLEY_BASE_TEXT_H */
