/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_MAIN_COMMAND_H
#define PARLEY_MAIN_COMMAND_H

/* The commands of parleyd, one per file, and what they share: exit codes, reading settings, --help.
 * @thread start */

#include "core/config.h"

#include <stddef.h>

/* Part of the interface: scripts and service managers test them. */
enum {
    EXIT_OK = 0,
    EXIT_FAILED = 1, /* it was tried and did not work */
    EXIT_USAGE = 2,  /* wrong option or setting: trying again changes nothing */
    EXIT_FORCED = 3  /* quit by a signal before the drain was over */
};

struct command {
    const char *name;
    const char *usage;       /* what follows "parleyd NAME" */
    const char *description; /* whole lines */
    bool lists_settings;     /* --help shows all of them */
    int (*run)(const struct command *command, int argc, char **argv);
};

extern const struct command serve_command;
extern const struct command migrate_command;
extern const struct command shard_command;
extern const struct command token_command;
extern const struct command check_config_command;

/* Read options, file and environment.
 * @param extras  what the command adds to --config and --help
 * @return true: *config is owned. False: leave with *exit_code; what there is to say was said. */
bool command_read(const struct command *command, int argc, char **argv,
                  const struct config_extra *extras, size_t extra_count, struct config **config,
                  int *exit_code);
/* The same, when the process runs already and must not print: a reload. */
PL_MUST_CHECK enum parley_code command_read_again(int argc, char **argv,
                                                  const struct config_extra *extras,
                                                  size_t extra_count, struct config **config,
                                                  struct pl_error *err);

/* "parleyd NAME: text" to standard error. @return exit_code */
int command_fail(const struct command *command, int exit_code, const char *text);

#endif /* PARLEY_MAIN_COMMAND_H */
