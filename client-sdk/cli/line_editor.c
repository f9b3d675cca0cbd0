/* SPDX-License-Identifier: Apache-2.0 */
/* See line_editor.h. libedit asks for each key through our own function, which waits; so everything
 * that happens between two keys happens there, with the line's state at rest. To print above the
 * line, its rows on the screen are cleared, the text is written where they were, and libedit draws
 * the line again below it. */
#include "line_editor.h"

#include "safe_text.h"

#include <errno.h>
#include <histedit.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#define LINES_REMEMBERED 500
#define COLUMNS_DEFAULT  80

struct line_editor {
    EditLine *edit;
    History *history;
    const char *prompt;
    line_wait_fn wait;
    void *user;
    char *line;
    bool is_reading;
};

static struct line_editor *of(EditLine *edit)
{
    void *editor = NULL;
    (void)el_get(edit, EL_CLIENTDATA, &editor);
    return editor;
}

static char *get_prompt(EditLine *edit)
{
    return (char *)(uintptr_t)of(edit)->prompt;
}

/* One character of the locale's encoding. @return 1, 0 at the end of the input, -1 */
static int get_character(EditLine *edit, wchar_t *character)
{
    struct line_editor *editor = of(edit);
    mbstate_t state;
    memset(&state, 0, sizeof(state));
    for (;;) {
        char byte = 0;
        if (!editor->wait(editor->user)) {
            return 0;
        }
        ssize_t got = read(STDIN_FILENO, &byte, 1);
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) {
            continue;
        }
        if (got != 1) {
            return (int)got;
        }
        size_t taken = mbrtowc(character, &byte, 1, &state);
        if (taken == (size_t)-1) {
            memset(&state, 0, sizeof(state)); /* no character: leave it out */
        } else if (taken != (size_t)-2) {
            return 1;
        }
    }
}

struct line_editor *line_editor_open(const char *prompt, line_wait_fn wait, void *user)
{
    HistEvent event;
    struct line_editor *editor = calloc(1, sizeof(*editor));
    if (editor == NULL) {
        return NULL;
    }
    editor->prompt = prompt;
    editor->wait = wait;
    editor->user = user;
    editor->history = history_init();
    editor->edit = el_init("parley", stdin, stdout, stderr);
    if (editor->history == NULL || editor->edit == NULL) {
        line_editor_close(editor);
        return NULL;
    }
    (void)history(editor->history, &event, H_SETSIZE, LINES_REMEMBERED);
    (void)history(editor->history, &event, H_SETUNIQUE, 1);
    (void)el_set(editor->edit, EL_CLIENTDATA, editor);
    (void)el_set(editor->edit, EL_PROMPT, get_prompt);
    (void)el_set(editor->edit, EL_EDITOR, "emacs");
    (void)el_set(editor->edit, EL_SIGNAL, 0);
    (void)el_set(editor->edit, EL_HIST, history, editor->history);
    (void)el_set(editor->edit, EL_GETCFN, get_character);
    (void)el_source(editor->edit, NULL); /* ~/.editrc */
    /* libedit gives the terminal back between two lines. What is typed just then must wait for the
     * next line as it is: not echoed now and drawn again later, and Ctrl-D not taken as the end of
     * a line that nobody reads. */
    (void)el_set(editor->edit, EL_SETTY, "-x", "-icanon", "-echo", NULL);
    return editor;
}

void line_editor_close(struct line_editor *editor)
{
    if (editor == NULL) {
        return;
    }
    if (editor->edit != NULL) {
        el_end(editor->edit);
    }
    if (editor->history != NULL) {
        history_end(editor->history);
    }
    free(editor->line);
    free(editor);
}

/* ---- the screen ---- */

static int screen_columns(void)
{
    struct winsize size;
    bool is_known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    return is_known ? size.ws_col : COLUMNS_DEFAULT;
}

/* Rows above the one with the end of `len` bytes of the line. */
static int rows_above(const struct line_editor *editor, const char *text, size_t len)
{
    int columns = safe_text_columns(editor->prompt, strlen(editor->prompt));
    return (columns + safe_text_columns(text, len)) / screen_columns();
}

/* Clear from the prompt on; the cursor is so many rows below it, and goes there. */
static void clear_rows(int rows)
{
    if (rows > 0) {
        (void)fprintf(stdout, "\x1b[%dA", rows);
    }
    (void)fputs("\r\x1b[J", stdout);
}

void line_editor_print(struct line_editor *editor, const char *lines, size_t len)
{
    if (editor->is_reading) {
        const LineInfo *line = el_line(editor->edit);
        clear_rows(rows_above(editor, line->buffer, (size_t)(line->cursor - line->buffer)));
    }
    (void)fwrite(lines, 1, len, stdout);
    if (editor->is_reading) {
        (void)el_set(editor->edit, EL_REFRESH);
    }
    (void)fflush(stdout);
}

void line_editor_redraw(struct line_editor *editor)
{
    el_resize(editor->edit);
    (void)el_set(editor->edit, EL_PREP_TERM, 1);
    line_editor_print(editor, "", 0);
}

const char *line_editor_read(struct line_editor *editor)
{
    HistEvent event;
    int len = 0;
    free(editor->line);
    editor->line = NULL;
    editor->is_reading = true;
    const char *line = el_gets(editor->edit, &len);
    editor->is_reading = false;
    if (line == NULL || len <= 0) {
        (void)fputs("\n", stdout); /* leave the prompt where it is, for the shell's below it */
        (void)fflush(stdout);
        return NULL;
    }
    editor->line = strndup(line, strcspn(line, "\r\n"));
    if (editor->line == NULL) {
        return NULL;
    }
    clear_rows(rows_above(editor, editor->line, strlen(editor->line)) + 1);
    (void)fflush(stdout);
    if (editor->line[0] != '\0') {
        (void)history(editor->history, &event, H_ENTER, editor->line);
    }
    return editor->line;
}
