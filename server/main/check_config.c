/* SPDX-License-Identifier: Apache-2.0 */
/* parleyd check-config: are these settings good, and what are they? Starts nothing. */
#include "main/addresses.h"
#include "main/command.h"

#include <stdio.h>

static int run(const struct command *command, int argc, char **argv)
{
    bool wants_sample = false;
    bool wants_markdown = false;
    const struct config_extra extras[] = {
        {.name = "sample",
         .sentence = "Print a file with every setting at its default, and leave.",
         .is_given = &wants_sample},
        {.name = "markdown",
         .sentence = "Print the manual of all settings, and leave.",
         .is_given = &wants_markdown},
    };
    struct config *config = NULL;
    int exit_code = EXIT_OK;
    if (!command_read(command, argc, argv, extras, PL_COUNT(extras), &config, &exit_code)) {
        return exit_code;
    }
    struct pl_error err = PL_ERROR_INIT;
    if (wants_sample) {
        config_print_sample(stdout);
    } else if (wants_markdown) {
        config_print_markdown(stdout);
    } else if (addresses_check(config, &err) != PARLEY_OK) {
        exit_code = command_fail(command, EXIT_USAGE, err.text);
    } else {
        config_print(stdout, config);
    }
    config_free(config);
    return exit_code;
}

const struct command check_config_command = {
    .name = "check-config",
    .usage = "[--config FILE] [--sample | --markdown] [SETTING...]",
    .description = "Check the settings as `parleyd serve` would see them, and print each with its "
                   "value and source.\n",
    .run = run,
};
