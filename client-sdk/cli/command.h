/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_CLI_COMMAND_H
#define PARLEY_CLI_COMMAND_H

/* The commands of `parley`, one noun per file, and what they share: exit codes and how a command is
 * described. The description gives the parser, `parley help` and `parley COMMAND --help`. */

#include "options.h"

#include <stddef.h>

/* Part of the interface: scripts test them. */
enum {
    EXIT_OK = 0,
    EXIT_FAILED = 1,         /* none of the below */
    EXIT_USAGE = 2,          /* wrong option or argument: trying again changes nothing */
    EXIT_REFUSED = 3,        /* no such conversation, no member, no owner, or the id is taken */
    EXIT_UNAVAILABLE = 4,    /* the server cannot be reached, or did not answer in time */
    EXIT_UNAUTHENTICATED = 5 /* no token, or one that the server does not accept */
};

struct invocation;

struct command {
    enum command_bit bit;
    const char *name;      /* "send", "members add" */
    const char *arguments; /* what follows the name, for the usage line */
    const char *summary;   /* for the list of commands */
    const char *description;
    const char *examples; /* whole lines */
    size_t arguments_min;
    size_t arguments_max;
    int (*run)(const struct invocation *invocation); /* @return the exit code */
};

/* One command as it was called. */
struct invocation {
    const struct command *command;
    struct options options;
    char *const *arguments; /* what is left beside the options */
    size_t argument_count;
};

extern const struct command create_command;
extern const struct command send_command;
extern const struct command tail_command;
extern const struct command history_command;
extern const struct command chat_command;
extern const struct command list_command;
extern const struct command members_list_command;
extern const struct command members_add_command;
extern const struct command members_remove_command;
extern const struct command leave_command;
extern const struct command keep_command;

#endif /* PARLEY_CLI_COMMAND_H */
