/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_CLI_SAFE_TEXT_H
#define PARLEY_CLI_SAFE_TEXT_H

/* Other people's text on our user's terminal. Escape sequences could move the cursor, rename the
 * window or make it answer; directional overrides could show something else than was written. They
 * are shown as ^[ and \u202e, and nothing else is changed. */

#include <stddef.h>
#include <stdio.h>

/* Print `len` bytes. Bytes that are no UTF-8 are shown as \xff.
 * @param indent  columns that lines after the first begin with */
void safe_text_print_bytes(FILE *out, const void *text, size_t len, int indent);
/* The same for a string. */
void safe_text_print(FILE *out, const char *text, int indent);

/* Columns that the `len` bytes take on a terminal. */
int safe_text_columns(const char *text, size_t len);

/* @return owned (free), NULL: no memory */
char *safe_text_base64(const void *data, size_t len);

#endif /* PARLEY_CLI_SAFE_TEXT_H */
