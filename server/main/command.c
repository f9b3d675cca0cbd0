/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands share; see command.h. */
#include "main/command.h"

#include "base/attr.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXTRAS_MAX 8

extern char **environ;

/* The options that every command has, before its own. */
struct common {
    const char *config_file;
    bool wants_help;
    struct config_extra extras[EXTRAS_MAX + 2];
    size_t count;
};

static void common_init(struct common *common, const struct config_extra *extras, size_t count)
{
    *common = (struct common){.config_file = NULL};
    common->extras[common->count++] = (struct config_extra){
        .name = "config",
        .value_name = "FILE",
        .sentence = "Read settings from this file; else from the one that PARLEY_CONFIG names.",
        .value = &common->config_file};
    for (size_t i = 0; i < count && i < EXTRAS_MAX; i++) {
        common->extras[common->count++] = extras[i];
    }
    common->extras[common->count++] = (struct config_extra){
        .name = "help", .sentence = "Print this and leave.", .is_given = &common->wants_help};
}

static enum parley_code read_sources(struct config_draft *draft, const struct common *common,
                                     struct pl_error *err)
{
    /* Nothing changes the environment while we run. NOLINTNEXTLINE(concurrency-mt-unsafe) */
    const char *file = common->config_file != NULL ? common->config_file : getenv("PARLEY_CONFIG");
    enum parley_code code = PARLEY_OK;
    if (file != NULL && file[0] != '\0') {
        code = config_read_file(draft, file, err);
    }
    if (code == PARLEY_OK) {
        code = config_read_environment(draft, environ, err);
    }
    return code;
}

static void print_help(const struct command *command, const struct common *common)
{
    (void)printf("usage: parleyd %s %s\n\n%s\noptions:\n", command->name, command->usage,
                 command->description);
    config_print_extras(stdout, common->extras, common->count);
    if (command->lists_settings) {
        (void)printf("\nsettings, also in the file (tls.cert) and the environment "
                     "(PARLEY_TLS_CERT); options win over\nthe environment, the environment over "
                     "the file:\n");
        config_print_help(stdout);
    } else {
        (void)printf("\nSettings are taken as by `parleyd serve`; see its --help.\n");
    }
    (void)printf("\nexit codes: 0 done, 1 failed, 2 wrong option or setting, 3 quit by a signal "
                 "before it was drained\n");
}

/* PARLEY_OK without a *config: help is wanted. */
static enum parley_code read_config(struct common *common, int argc, char **argv,
                                    struct config **config, struct pl_error *err)
{
    struct config_draft *draft = config_draft_new();
    enum parley_code code =
        config_read_arguments(draft, argc, argv, common->extras, common->count, err);
    if (code == PARLEY_OK && !common->wants_help) {
        code = read_sources(draft, common, err);
        if (code == PARLEY_OK) {
            code = config_finish(draft, config, err);
        }
    }
    config_draft_free(draft);
    return code;
}

bool command_read(const struct command *command, int argc, char **argv,
                  const struct config_extra *extras, size_t extra_count, struct config **config,
                  int *exit_code)
{
    struct pl_error err = PL_ERROR_INIT;
    struct common common;
    common_init(&common, extras, extra_count);
    if (read_config(&common, argc, argv, config, &err) != PARLEY_OK) {
        *exit_code = command_fail(command, EXIT_USAGE, err.text);
        return false;
    }
    if (common.wants_help) {
        print_help(command, &common);
        *exit_code = EXIT_OK;
        return false;
    }
    return true;
}

enum parley_code command_read_again(int argc, char **argv, const struct config_extra *extras,
                                    size_t extra_count, struct config **config,
                                    struct pl_error *err)
{
    struct common common;
    common_init(&common, extras, extra_count);
    return read_config(&common, argc, argv, config, err);
}

int command_fail(const struct command *command, int exit_code, const char *text)
{
    (void)fprintf(stderr, "parleyd %s: %s\n", command->name, text);
    if (exit_code == EXIT_USAGE) {
        (void)fprintf(stderr, "See `parleyd %s --help`.\n", command->name);
    }
    return exit_code;
}
