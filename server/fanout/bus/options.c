/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses and credentials of a broker; see options.h. */
#include "fanout/bus/options.h"

#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define BLANKS " \t\r\n"

enum parley_code bus_name_check(const char *name, struct pl_error *err)
{
    size_t len = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");
    if (name[len] != '\0' || len < 1 || len > BUS_NAME_MAX) {
        return pl_fail(err, PARLEY_INVALID_ARGUMENT,
                       "bus.name: 1 to %d letters, digits, '-' and '_'", BUS_NAME_MAX);
    }
    return PARLEY_OK;
}

static size_t count_parts(const char *text)
{
    size_t count = 1;
    for (; *text != '\0'; text++) {
        count += *text == ',' ? 1 : 0;
    }
    return count;
}

/* The pointers and, behind them, the text cut into strings. */
enum parley_code bus_servers_init(struct bus_servers *servers, const char *text,
                                  struct pl_error *err)
{
    size_t parts = count_parts(text);
    size_t len = strlen(text);
    *servers = (struct bus_servers){0};
    servers->urls = pl_malloc(parts * sizeof(char *) + len + 1);
    if (servers->urls == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for the bus");
    }
    char *copy = (char *)(servers->urls + parts);
    memcpy(copy, text, len + 1);
    while (copy != NULL) {
        char *comma = strchr(copy, ',');
        if (comma != NULL) {
            *comma = '\0';
        }
        copy += strspn(copy, BLANKS);
        copy[strcspn(copy, BLANKS)] = '\0';
        if (*copy != '\0') {
            servers->urls[servers->count++] = copy;
        }
        copy = comma != NULL ? comma + 1 : NULL;
    }
    if (servers->count == 0) {
        bus_servers_deinit(servers);
        return pl_fail(err, PARLEY_INVALID_ARGUMENT, "bus.servers names no address of a broker");
    }
    return PARLEY_OK;
}

void bus_servers_deinit(struct bus_servers *servers)
{
    pl_free(servers->urls);
    *servers = (struct bus_servers){0};
}

static enum parley_code read_file(const char *path, char *text, size_t size, struct pl_error *err)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return pl_fail_errno(err, PARLEY_INVALID_ARGUMENT, errno, "cannot read %s", path);
    }
    size_t len = fread(text, 1, size - 1, file);
    text[len] = '\0';
    (void)fclose(file);
    return PARLEY_OK;
}

enum parley_code bus_credentials_read(struct bus_credentials *credentials, const char *path,
                                      struct pl_error *err)
{
    *credentials = (struct bus_credentials){.kind = BUS_CREDENTIALS_NONE};
    if (path == NULL || path[0] == '\0') {
        return PARLEY_OK;
    }
    char *text = credentials->text;
    enum parley_code code = read_file(path, text, sizeof(credentials->text), err);
    if (code != PARLEY_OK) {
        return code;
    }
    if (strstr(text, "-----BEGIN") != NULL) {
        credentials->kind = BUS_CREDENTIALS_FILE;
        return PARLEY_OK;
    }
    text[strcspn(text, BLANKS)] = '\0';
    char *colon = strchr(text, ':');
    if (text[0] == '\0' || colon == text) {
        return pl_fail(err, PARLEY_INVALID_ARGUMENT, "%s holds neither user:password nor a token",
                       path);
    }
    credentials->kind = colon != NULL ? BUS_CREDENTIALS_USER : BUS_CREDENTIALS_TOKEN;
    if (colon != NULL) {
        *colon = '\0';
        credentials->password = colon + 1;
    }
    return PARLEY_OK;
}

void bus_credentials_wipe(struct bus_credentials *credentials)
{
    volatile char *text = credentials->text;
    for (size_t i = 0; i < sizeof(credentials->text); i++) {
        text[i] = '\0';
    }
}
