/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration file. inih parses the syntax; we hand it the lines, so that messages can name
 * them and nothing is cut or continued in silence. */
#include "base/mem.h"
#include "base/text.h"
#include "core/config_impl.h"

#include <ini.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reading {
    struct config_draft *draft;
    const char *path;
    FILE *file;
    char *line; /* of getline */
    size_t line_size;
    int line_number;
    int lines[CONFIG_COUNT]; /* where each key was given; 0: not yet */
    struct pl_error *err;
    enum parley_code code; /* of the first failure */
};

static void format_where(const struct reading *reading, char *out, size_t size)
{
    (void)pl_text_format(out, size, "%.120s:%d", reading->path, reading->line_number);
}

/* A line without its indentation: inih would take an indented one for more of the value above. */
static const char *get_start(const char *line)
{
    return line + strspn(line, " \t");
}

/* Called by inih for the next line; at most `size` bytes with the NUL. NULL: the end. */
static char *read_line(char *out, int size, void *stream)
{
    struct reading *reading = stream;
    if (reading->code != PARLEY_OK) {
        return NULL;
    }
    errno = 0;
    ssize_t len = getline(&reading->line, &reading->line_size, reading->file);
    if (len < 0) {
        if (ferror(reading->file) != 0) {
            reading->code = pl_fail_errno(reading->err, PARLEY_INVALID_ARGUMENT, errno,
                                          "cannot read %.120s", reading->path);
        }
        return NULL;
    }
    reading->line_number++;
    char where[160];
    format_where(reading, where, sizeof(where));
    const char *start = get_start(reading->line);
    size_t start_len = strlen(start);
    if (strlen(reading->line) != (size_t)len) {
        reading->code = pl_fail(reading->err, PARLEY_INVALID_ARGUMENT, "%s: a NUL byte", where);
        return NULL;
    }
    if (start[0] == '#' || start[0] == ';') {
        start = "\n"; /* a comment may be as long as it likes */
        start_len = 1;
    }
    if (start_len + 1 >= (size_t)size) {
        reading->code = pl_fail(reading->err, PARLEY_INVALID_ARGUMENT,
                                "%s: the line is longer than %d bytes", where, size - 2);
        return NULL;
    }
    memcpy(out, start, start_len + 1);
    return out;
}

static size_t find_setting(const char *key)
{
    size_t i = 0;
    while (i < CONFIG_COUNT && strcmp(config_entries[i].key, key) != 0) {
        i++;
    }
    return i;
}

static enum parley_code take(struct reading *reading, const char *section, const char *name,
                             const char *value)
{
    char where[160];
    char key[160];
    format_where(reading, where, sizeof(where));
    (void)pl_text_format(key, sizeof(key), "%s%s%s", section, section[0] != '\0' ? "." : "", name);
    size_t setting = find_setting(key);
    if (setting == CONFIG_COUNT) {
        char nearest[CONFIG_NAME_MAX];
        config_nearest(key, NULL, nearest);
        return pl_fail(reading->err, PARLEY_INVALID_ARGUMENT,
                       "%s: there is no setting \"%s\"; did you mean \"%s\"?", where, key, nearest);
    }
    if (reading->lines[setting] != 0) {
        return pl_fail(reading->err, PARLEY_INVALID_ARGUMENT, "%s: %s was given before, in line %d",
                       where, key, reading->lines[setting]);
    }
    reading->lines[setting] = reading->line_number;
    return config_draft_set(reading->draft, setting, CONFIG_FILE, where, value, reading->err);
}

/* Called by inih for each "name = value". 0 is a failure. */
static int on_value(void *user, const char *section, const char *name, const char *value)
{
    struct reading *reading = user;
    if (reading->code == PARLEY_OK) {
        reading->code = take(reading, section, name, value);
    }
    return reading->code == PARLEY_OK;
}

enum parley_code config_read_file(struct config_draft *draft, const char *path,
                                  struct pl_error *err)
{
    struct reading reading = {.draft = draft, .path = path, .err = err, .code = PARLEY_OK};
    reading.file = fopen(path, "re");
    if (reading.file == NULL) {
        return pl_fail_errno(err, PARLEY_INVALID_ARGUMENT, errno, "cannot open %.120s", path);
    }
    int bad_line = ini_parse_stream(read_line, &reading, on_value, &reading);
    /* A line that is no syntax is the cause of what fails below it. */
    if (bad_line != 0 && (reading.code == PARLEY_OK || bad_line < reading.line_number)) {
        reading.code = pl_fail(err, PARLEY_INVALID_ARGUMENT,
                               "%.120s:%d: neither [section] nor key = value", path, bad_line);
    }
    (void)fclose(reading.file);
    free(reading.line); /* getline's, which knows no other heap */
    return reading.code;
}
