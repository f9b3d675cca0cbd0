/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_CODEGEN_TEXT_H
#define PARLEY_CODEGEN_TEXT_H

/* Growing text, in memory that lives until the program ends. A generator that is out of memory has
 * nothing better to do than to say so and end: every function here exits the program then. */

#include <stddef.h>

#if defined(__GNUC__)
#    define TEXT_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#else
#    define TEXT_PRINTF(fmt, first)
#endif

struct text {
    char *data; /* NUL-terminated; NULL while empty */
    size_t len;
    size_t capacity;
};

void *must_alloc(size_t size); /* zeroed */
void text_add(struct text *text, const char *format, ...) TEXT_PRINTF(2, 3);
void text_add_bytes(struct text *text, const char *data, size_t len);
/* A new string; owned. */
char *text_make(const char *format, ...) TEXT_PRINTF(1, 2);

#endif /* PARLEY_CODEGEN_TEXT_H */
