/* SPDX-License-Identifier: Apache-2.0 */
/* parley: chat from a terminal or a script. Chooses the command; see command.h. */
#include "command.h"
#include "json_line.h"
#include "report.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct command *const commands[] = {
    &create_command,         &send_command,  &tail_command,         &history_command,
    &chat_command,           &list_command,  &members_list_command, &members_add_command,
    &members_remove_command, &leave_command, &keep_command,
};

static const char exit_codes[] =
    "exit codes:\n"
    "  0  done\n"
    "  1  failed in a way that the others do not name\n"
    "  2  wrong option or argument; trying again changes nothing\n"
    "  3  no such conversation, not a member, not an owner, or the id is taken\n"
    "  4  the server cannot be reached, or did not answer in time\n"
    "  5  no token, or one that the server does not accept\n";

static int print_help(FILE *out, int exit_code)
{
    (void)fprintf(out,
                  "parley " PARLEY_VERSION ": chat from a terminal or a script\n\ncommands:\n");
    for (size_t i = 0; i < COUNT(commands); i++) {
        char line[80];
        (void)snprintf(line, sizeof(line), "%s %s", commands[i]->name, commands[i]->arguments);
        (void)fprintf(out, "  %-36s  %s\n", line, commands[i]->summary);
    }
    (void)fprintf(out, "  %-36s  %s\n", "help [COMMAND|json]",
                  "say more of a command, or of --json");
    (void)fprintf(
        out,
        "\nThe server is 127.0.0.1:7450 unless PARLEY_SERVER or --server says otherwise.\n"
        "Who you are says a token: parleyd token --user NAME --data DIR > token makes one;\n"
        "name its file with PARLEY_TOKEN_FILE or --token-file.\n\n%s",
        exit_codes);
    return exit_code;
}

static int print_command_help(const struct command *command)
{
    (void)printf("usage: parley %s%s%s [OPTION...]\n\n%s\n", command->name,
                 command->arguments[0] == '\0' ? "" : " ", command->arguments,
                 command->description);
    options_help(stdout, command->bit);
    (void)printf("\nexamples:\n%s\n%s", command->examples, exit_codes);
    return EXIT_OK;
}

/* A command's name may be two words. @param words  the number of words taken */
static const struct command *find_command(int argc, char **argv, int *words)
{
    for (size_t i = 0; i < COUNT(commands); i++) {
        char name[64] = "";
        *words = strchr(commands[i]->name, ' ') == NULL ? 1 : 2;
        if (argc >= *words) {
            (void)snprintf(name, sizeof(name), "%s%s%s", argv[0], *words == 2 ? " " : "",
                           *words == 2 ? argv[1] : "");
        }
        if (strcmp(name, commands[i]->name) == 0) {
            return commands[i];
        }
    }
    return NULL;
}

/* A word of which commands begin ("members") is answered with those. */
static int fail_unknown(const char *name)
{
    bool is_known = false;
    size_t len = strlen(name);
    for (size_t i = 0; i < COUNT(commands); i++) {
        if (len > 0 && strncmp(commands[i]->name, name, len) == 0) {
            (void)fprintf(stderr, "%s parley %s", is_known ? "," : "parley: did you mean",
                          commands[i]->name);
            is_known = true;
        }
    }
    if (is_known) {
        (void)fputs("? See parley help\n", stderr);
    } else {
        (void)fprintf(stderr, "parley: there is no command \"%.40s\". See parley help\n", name);
    }
    return EXIT_USAGE;
}

static int help(int argc, char **argv)
{
    int words = 0;
    if (argc == 0) {
        return print_help(stdout, EXIT_OK);
    }
    if (strcmp(argv[0], "json") == 0) {
        (void)fputs(json_line_help, stdout);
        return EXIT_OK;
    }
    const struct command *command = find_command(argc, argv, &words);
    return command == NULL ? fail_unknown(argv[0]) : print_command_help(command);
}

/* Names and texts are UTF-8 whatever the locale says: else libedit would eat what is typed. */
static void choose_locale(void)
{
    if (setlocale(LC_ALL, "") == NULL || strcmp(nl_langinfo(CODESET), "UTF-8") != 0) {
        (void)setlocale(LC_CTYPE, "C.UTF-8");
    }
}

static int run(int argc, char **argv)
{
    struct invocation invocation;
    int words = 0;
    const struct command *command = find_command(argc, argv, &words);
    if (command == NULL) {
        return fail_unknown(argv[0]);
    }
    if (!options_read(command, argc - words + 1, argv + words - 1, &invocation)) {
        return EXIT_USAGE;
    }
    int exit_code =
        invocation.options.wants_help ? print_command_help(command) : command->run(&invocation);
    /* EPIPE: who read us has seen enough. */
    if (fflush(stdout) != 0 && errno != EPIPE && exit_code == EXIT_OK) {
        (void)fprintf(stderr, "parley %s: cannot write the output: %s\n", command->name,
                      strerror(errno));
        exit_code = EXIT_FAILED;
    }
    return exit_code;
}

int main(int argc, char **argv)
{
    choose_locale();
    if (argc < 2) {
        return print_help(stderr, EXIT_USAGE);
    }
    if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 ||
        strcmp(argv[1], "-h") == 0) {
        return help(argc - 2, argv + 2);
    }
    if (strcmp(argv[1], "version") == 0 || strcmp(argv[1], "--version") == 0) {
        (void)puts("parley " PARLEY_VERSION);
        return EXIT_OK;
    }
    return run(argc - 1, argv + 1);
}
