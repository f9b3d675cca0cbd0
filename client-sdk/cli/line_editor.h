/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_CLI_LINE_EDITOR_H
#define PARLEY_CLI_LINE_EDITOR_H

/* A line being typed on a terminal, by libedit, while other lines come in above it. */

#include <stdbool.h>
#include <stddef.h>

struct line_editor;

/* Called whenever a key is wanted: wait until standard input can be read, doing other work
 * meanwhile, which may call line_editor_print and line_editor_redraw.
 * @return false: stop editing */
typedef bool (*line_wait_fn)(void *user);

/* @param prompt  keeps. @return owned (line_editor_close), NULL: not on this terminal */
struct line_editor *line_editor_open(const char *prompt, line_wait_fn wait, void *user);
/* NULL is fine. */
void line_editor_close(struct line_editor *editor);

/* Let the user type a line; it is remembered for the arrow keys and taken off the screen.
 * @return borrowed until the next call, without its end; NULL: end of input, or `wait` said so */
const char *line_editor_read(struct line_editor *editor);

/* Show whole lines above the line being typed, which stays as it is. */
void line_editor_print(struct line_editor *editor, const char *lines, size_t len);
/* The terminal has another size, or its state was lost while the process was stopped. */
void line_editor_redraw(struct line_editor *editor);

#endif /* PARLEY_CLI_LINE_EDITOR_H */
