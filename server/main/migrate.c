/* SPDX-License-Identifier: Apache-2.0 */
/* parleyd migrate: bring the schema of the store to what this build knows. */
#include "main/command.h"
#include "main/store.h"

#include <stdio.h>

static void report(void *context, const char *line)
{
    (void)context;
    (void)printf("%s\n", line);
}

static int run(const struct command *command, int argc, char **argv)
{
    bool is_dry_run = false;
    const struct config_extra extras[] = {
        {.name = "dry-run",
         .sentence = "Say what would be applied, and change nothing (MySQL).",
         .is_given = &is_dry_run},
    };
    struct config *config = NULL;
    struct pl_error err = PL_ERROR_INIT;
    int exit_code = EXIT_OK;
    if (!command_read(command, argc, argv, extras, PL_COUNT(extras), &config, &exit_code)) {
        return exit_code;
    }
    if (main_store_migrate(config, is_dry_run, report, NULL, &err) != PARLEY_OK) {
        exit_code = command_fail(command, EXIT_FAILED, err.text);
    }
    config_free(config);
    return exit_code;
}

const struct command migrate_command = {
    .name = "migrate",
    .usage = "[--data DIR] [--dry-run] [SETTING...]",
    .description =
        "Apply the migrations that the store misses: that of a data folder, on which no "
        "server may run\nmeanwhile, or all shards of MySQL, which may be in use. Safe to "
        "run again, and from two nodes at once.\n",
    .run = run,
};
