/* SPDX-License-Identifier: Apache-2.0 */
/* parleyd: the chat server and the tools of its operator. Chooses the command; see command.h. */
#include "base/attr.h"
#include "base/text.h"
#include "main/command.h"

#include <stdio.h>
#include <string.h>

static const struct command *const commands[] = {
    &serve_command, &migrate_command, &shard_command, &token_command, &check_config_command,
};

static int print_help(FILE *out, int exit_code)
{
    (void)fprintf(out, "parleyd " PARLEY_VERSION ": a chat server that speaks gRPC\n"
                       "\n"
                       "usage:\n");
    for (size_t i = 0; i < PL_COUNT(commands); i++) {
        (void)fprintf(out, "  parleyd %s %s\n", commands[i]->name, commands[i]->usage);
    }
    (void)fprintf(out, "  parleyd version\n"
                       "  parleyd help [COMMAND]\n"
                       "\n"
                       "`parleyd COMMAND --help` says more of each. To begin: parleyd serve --data "
                       "DIR\n");
    return exit_code;
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < PL_COUNT(commands); i++) {
        if (strcmp(commands[i]->name, name) == 0) {
            return commands[i];
        }
    }
    return NULL;
}

static int fail_unknown(const char *name)
{
    const char *nearest = "help";
    size_t best = pl_text_distance(name, nearest);
    for (size_t i = 0; i < PL_COUNT(commands); i++) {
        size_t distance = pl_text_distance(name, commands[i]->name);
        if (distance < best) {
            best = distance;
            nearest = commands[i]->name;
        }
    }
    (void)fprintf(stderr,
                  "parleyd: there is no command \"%.40s\"; did you mean \"%s\"? See parleyd help\n",
                  name, nearest);
    return EXIT_USAGE;
}

static int help(int argc, char **argv)
{
    if (argc < 3) {
        return print_help(stdout, EXIT_OK);
    }
    const struct command *command = find_command(argv[2]);
    if (command == NULL) {
        return fail_unknown(argv[2]);
    }
    char option[] = "--help";
    char *arguments[] = {argv[2], option, NULL};
    return command->run(command, 2, arguments);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        return print_help(stderr, EXIT_USAGE);
    }
    if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 ||
        strcmp(argv[1], "-h") == 0) {
        return help(argc, argv);
    }
    if (strcmp(argv[1], "version") == 0 || strcmp(argv[1], "--version") == 0) {
        (void)printf("parleyd " PARLEY_VERSION "\n");
        return EXIT_OK;
    }
    const struct command *command = find_command(argv[1]);
    if (command == NULL) {
        return fail_unknown(argv[1]);
    }
    return command->run(command, argc - 1, argv + 1);
}
