/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_CLI_OPTIONS_H
#define PARLEY_CLI_OPTIONS_H

/* Every option of every command, in one table (options.c) that gives the parser, the environment
 * variables and --help. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define USERS_MAX 1000 /* that one request may name; the contract's limit */

enum command_bit {
    FOR_CREATE = 1 << 0,
    FOR_SEND = 1 << 1,
    FOR_TAIL = 1 << 2,
    FOR_HISTORY = 1 << 3,
    FOR_CHAT = 1 << 4,
    FOR_LIST = 1 << 5,
    FOR_MEMBERS_LIST = 1 << 6,
    FOR_MEMBERS_ADD = 1 << 7,
    FOR_MEMBERS_REMOVE = 1 << 8,
    FOR_LEAVE = 1 << 9,
    FOR_KEEP = 1 << 10,
    FOR_ALL = (1 << 11) - 1,
};

struct user_list {
    const char *ids[USERS_MAX];
    size_t count;
};

/* All strings are borrowed from the arguments and the environment. NULL, 0, false: not given. */
struct options {
    const char *server;
    const char *token;
    const char *token_file;
    const char *ca;
    const char *server_name;
    const char *cert;
    const char *key;
    const char *title;
    const char *message_id;
    const char *content_type;
    const char *role;
    struct user_list with;
    int64_t timeout_ms;
    int64_t from;
    int64_t last;
    int64_t count;
    int64_t limit;
    int64_t days;
    int64_t messages;
    bool has_tls;
    bool is_json;
    bool is_all;
    bool is_backwards;
    bool is_lines;
    bool is_forever;
    bool is_default;
    bool wants_help;
};

struct command;
struct invocation;

/* Read the options of a command, from the environment and then from argv (argv[0] is skipped, and
 * argv is put into another order).
 * @return false: wrong, and it was said. */
bool options_read(const struct command *command, int argc, char **argv,
                  struct invocation *invocation);

/* What --help prints of a command's options. */
void options_help(FILE *out, enum command_bit command);

#endif /* PARLEY_CLI_OPTIONS_H */
