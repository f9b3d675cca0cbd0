/* SPDX-License-Identifier: Apache-2.0 */
/* Line breaks in generated code; see wrap.h. */
#include "wrap.h"

#include <stdbool.h>
#include <string.h>

enum {
    COLUMNS = 100,
    INDENT = 4,
};

static bool is_code(const char *line, size_t len)
{
    size_t i = strspn(line, " ");
    return i < len && line[i] != '#' && line[i] != '/' && line[i] != '*' &&
           memchr(line, '"', len) == NULL;
}

/* Where the next line starts: behind the last comma that leaves room, else the last "=", else the
 * last parenthesis, else the last space. 0: nowhere. */
static size_t find_break(const char *line, size_t indent, size_t columns)
{
    size_t comma = 0;
    size_t equals = 0;
    size_t parenthesis = 0;
    size_t space = 0;
    for (size_t i = indent + 1; i <= columns; i++) {
        if (line[i] == ' ') {
            space = i + 1;
            comma = line[i - 1] == ',' ? space : comma;
            equals = line[i - 1] == '=' ? space : equals;
        } else if (line[i - 1] == '(' && line[i] != ')' && line[i] != '*') {
            parenthesis = i;
        }
    }
    if (comma != 0) {
        return comma;
    }
    if (equals != 0) {
        return equals;
    }
    return parenthesis != 0 ? parenthesis : space;
}

static void add_line(struct text *out, const char *line, size_t len)
{
    size_t indent = strspn(line, " ");
    size_t skip = indent;
    size_t columns = COLUMNS;
    bool may_break = is_code(line, len);
    while (may_break && len > columns) {
        size_t at = find_break(line, skip, columns);
        if (at == 0) {
            break;
        }
        size_t kept = line[at - 1] == ' ' ? at - 1 : at;
        text_add_bytes(out, line, kept);
        text_add(out, "\n%*s", (int)indent + INDENT, "");
        line += at;
        len -= at;
        skip = 0;
        columns = COLUMNS - indent - INDENT;
    }
    text_add_bytes(out, line, len);
}

struct text wrap_code(const struct text *code)
{
    struct text out = {0};
    const char *line = code->data == NULL ? "" : code->data;
    while (*line != '\0') {
        size_t len = strcspn(line, "\n");
        add_line(&out, line, len);
        line += len;
        if (*line == '\n') {
            text_add_bytes(&out, "\n", 1);
            line++;
        }
    }
    return out;
}
