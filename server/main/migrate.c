/* SPDX-License-Identifier: Apache-2.0 */
/* parleyd migrate: bring the schema of a data folder to what this build knows. */
#include "main/command.h"
#include "main/store.h"

#include <stdio.h>

struct store_sqlite_options store_options(const struct config *config)
{
    return (struct store_sqlite_options){
        .data_dir = config->data,
        .shards = (unsigned)config->store_shards,
        .readers = (unsigned)config->store_readers,
        .batch_rows_max = (size_t)config->store_batch_rows,
        .batch_bytes_max = (size_t)config->store_batch_bytes,
        .queue_bytes_max = (size_t)config->store_queue_bytes,
        .busy_retry_ms = (unsigned)config->store_retry_ms,
        .auto_migrate = config->store_auto_migrate,
    };
}

static void report(void *context, const char *line)
{
    (void)context;
    (void)printf("%s\n", line);
}

static int run(const struct command *command, int argc, char **argv)
{
    struct config *config = NULL;
    struct pl_error err = PL_ERROR_INIT;
    int exit_code = EXIT_OK;
    if (!command_read(command, argc, argv, NULL, 0, &config, &exit_code)) {
        return exit_code;
    }
    struct store_sqlite_options options = store_options(config);
    if (store_sqlite_migrate(&options, report, NULL, &err) != PARLEY_OK) {
        exit_code = command_fail(command, EXIT_FAILED, err.text);
    }
    config_free(config);
    return exit_code;
}

const struct command migrate_command = {
    .name = "migrate",
    .usage = "[--data DIR] [SETTING...]",
    .description = "Apply the migrations that the store of a data folder misses; safe to run "
                   "again. The server must\nnot run on it meanwhile.\n",
    .run = run,
};
