/* SPDX-License-Identifier: Apache-2.0 */
/* Name and password; see credentials.h. The file's text is never part of an error. */
#include "mysql/credentials.h"

#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LINE_MAX_BYTES 1024

static char *trim(char *text)
{
    text += strspn(text, " \t");
    size_t len = strlen(text);
    while (len > 0 && strchr(" \t\r\n", text[len - 1]) != NULL) {
        text[--len] = '\0';
    }
    return text;
}

/* "key = value"; empty lines and those that begin with # say nothing. False: not understood. */
static bool take_line(char *line, struct mdb_credentials *credentials)
{
    char *key = trim(line);
    if (key[0] == '\0' || key[0] == '#') {
        return true;
    }
    char *equals = strchr(key, '=');
    if (equals == NULL) {
        return false;
    }
    *equals = '\0';
    char *value = trim(equals + 1);
    key = trim(key);
    if (strcmp(key, "user") == 0) {
        return pl_text_format(credentials->user, sizeof(credentials->user), "%s", value);
    }
    return strcmp(key, "password") == 0 &&
           pl_text_format(credentials->password, sizeof(credentials->password), "%s", value);
}

static enum parley_code read_file(const char *path, struct mdb_credentials *credentials,
                                  struct pl_error *err)
{
    char line[LINE_MAX_BYTES];
    enum parley_code code = PARLEY_OK;
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return pl_fail_errno(err, PARLEY_UNAUTHENTICATED, errno, "cannot read %s", path);
    }
    for (unsigned number = 1; fgets(line, sizeof(line), file) != NULL && code == PARLEY_OK;
         number++) {
        if (!take_line(line, credentials)) {
            code = pl_fail(err, PARLEY_UNAUTHENTICATED,
                           "%s:%u: neither \"user = NAME\" nor \"password = TEXT\"", path, number);
        }
    }
    explicit_bzero(line, sizeof(line));
    (void)fclose(file);
    return code;
}

enum parley_code mdb_credentials_read(const struct store_mysql_options *options,
                                      struct mdb_credentials *credentials, struct pl_error *err)
{
    *credentials = (struct mdb_credentials){.user = ""};
    if (options->credentials_file != NULL && options->credentials_file[0] != '\0') {
        return read_file(options->credentials_file, credentials, err);
    }
    if (!pl_text_format(credentials->user, sizeof(credentials->user), "%s",
                        options->user == NULL ? "" : options->user) ||
        !pl_text_format(credentials->password, sizeof(credentials->password), "%s",
                        options->password == NULL ? "" : options->password)) {
        return pl_fail(err, PARLEY_UNAUTHENTICATED, "the name or the password is too long");
    }
    return PARLEY_OK;
}

void mdb_credentials_forget(struct mdb_credentials *credentials)
{
    explicit_bzero(credentials, sizeof(*credentials));
}
