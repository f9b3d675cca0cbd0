/* SPDX-License-Identifier: Apache-2.0 */
/* Settings on the command line: --tls-cert PATH or --tls-cert=PATH; the last one of a kind wins.
 * The table for getopt_long is made of the settings and of what the command adds. */
#include "base/mem.h"
#include "base/text.h"
#include "core/config_impl.h"

#include <getopt.h>
#include <string.h>

#define EXTRAS_MAX   16
#define OPTIONS_MAX  (CONFIG_COUNT + EXTRAS_MAX + 1)
#define FIRST_NUMBER 256 /* above every character, so that getopt cannot mix them up */

struct arguments {
    struct config_draft *draft;
    const struct config_extra *extras;
    size_t extra_count;
    struct option options[OPTIONS_MAX];
    char names[CONFIG_COUNT][CONFIG_NAME_MAX];
};

static void make_table(struct arguments *arguments)
{
    size_t count = 0;
    for (size_t i = 0; arguments->draft != NULL && i < CONFIG_COUNT; i++) {
        const struct config_entry *entry = &config_entries[i];
        if ((entry->flags & CONFIG_SECRET) != 0) {
            continue;
        }
        config_option_name(entry->key, arguments->names[i]);
        arguments->options[count++] = (struct option){
            .name = arguments->names[i],
            .has_arg = entry->kind == CONFIG_KIND_BOOL ? optional_argument : required_argument,
            .val = FIRST_NUMBER + (int)i,
        };
    }
    for (size_t i = 0; i < arguments->extra_count; i++) {
        arguments->options[count++] = (struct option){
            .name = arguments->extras[i].name,
            .has_arg = arguments->extras[i].value_name != NULL ? required_argument : no_argument,
            .val = FIRST_NUMBER + CONFIG_COUNT + (int)i,
        };
    }
}

static enum parley_code fail_unknown(const struct arguments *arguments, const char *argument,
                                     struct pl_error *err)
{
    char name[CONFIG_NAME_MAX];
    const char *start = argument + strspn(argument, "-");
    (void)pl_text_format(name, sizeof(name), "%.*s", (int)strcspn(start, "="), start);
    for (size_t i = 0; arguments->draft != NULL && i < CONFIG_COUNT; i++) {
        char secret[CONFIG_NAME_MAX];
        config_option_name(config_entries[i].key, secret);
        if ((config_entries[i].flags & CONFIG_SECRET) != 0 && strcmp(secret, name) == 0) {
            config_environment_name(config_entries[i].key, name);
            return pl_fail(err, PARLEY_INVALID_ARGUMENT,
                           "%s is a secret, and options can be read by everybody on this machine: "
                           "give it in the file or in %s",
                           config_entries[i].key, name);
        }
    }
    const char *nearest = "help";
    size_t best = SIZE_MAX;
    for (const struct option *option = arguments->options; option->name != NULL; option++) {
        size_t distance = pl_text_distance(name, option->name);
        if (distance < best) {
            best = distance;
            nearest = option->name;
        }
    }
    return pl_fail(err, PARLEY_INVALID_ARGUMENT, "there is no option %.80s; did you mean --%s?",
                   argument, nearest);
}

/* getopt_long takes "--lis" for "--listen": scripts that lean on it break when an option is added,
 * so only whole names count. */
static bool is_whole_name(const char *argument, const char *name)
{
    size_t len = strlen(name);
    return strncmp(argument, "--", 2) == 0 && strncmp(argument + 2, name, len) == 0 &&
           (argument[2 + len] == '\0' || argument[2 + len] == '=');
}

static enum parley_code take(const struct arguments *arguments, int number, const char *value,
                             struct pl_error *err)
{
    size_t index = (size_t)(number - FIRST_NUMBER);
    if (index >= CONFIG_COUNT) {
        const struct config_extra *extra = &arguments->extras[index - CONFIG_COUNT];
        if (extra->value != NULL) {
            *extra->value = value;
        }
        if (extra->is_given != NULL) {
            *extra->is_given = true;
        }
        return PARLEY_OK;
    }
    char where[CONFIG_NAME_MAX + 16];
    (void)pl_text_format(where, sizeof(where), "option --%s", arguments->names[index]);
    return config_draft_set(arguments->draft, index, CONFIG_OPTION, where,
                            value != NULL ? value : "true", err);
}

static enum parley_code read_all(const struct arguments *arguments, int argc, char **argv,
                                 struct pl_error *err)
{
    optind = 0; /* GNU: start over */
    opterr = 0;
    int position = 1;
    for (;;) {
        int longindex = -1;
        /* '+': stop at what is no option; ':': tell a missing value from an unknown option. */
        int got = getopt_long(argc, argv, "+:h", arguments->options, &longindex);
        if (got == -1) {
            break;
        }
        const char *argument = argv[position];
        position = optind;
        if (got == 'h') {
            got = '?';
            for (const struct option *option = arguments->options; option->name != NULL; option++) {
                got = strcmp(option->name, "help") == 0 ? option->val : got;
            }
        } else if (got == ':') {
            return pl_fail(err, PARLEY_INVALID_ARGUMENT, "option %.80s needs a value", argument);
        } else if (got != '?' && !is_whole_name(argument, arguments->options[longindex].name)) {
            got = '?';
        }
        if (got == '?') {
            return fail_unknown(arguments, argument, err);
        }
        enum parley_code code = take(arguments, got, optarg, err);
        if (code != PARLEY_OK) {
            return code;
        }
    }
    if (optind < argc) {
        return pl_fail(err, PARLEY_INVALID_ARGUMENT, "unexpected argument \"%.80s\"", argv[optind]);
    }
    return PARLEY_OK;
}

enum parley_code config_read_arguments(struct config_draft *draft, int argc, char **argv,
                                       const struct config_extra *extras, size_t extra_count,
                                       struct pl_error *err)
{
    if (extra_count > EXTRAS_MAX) {
        return pl_fail(err, PARLEY_INTERNAL, "%zu options are too many", extra_count);
    }
    struct arguments *arguments = pl_xcalloc(1, sizeof(*arguments));
    arguments->draft = draft;
    arguments->extras = extras;
    arguments->extra_count = extra_count;
    make_table(arguments);
    enum parley_code code = read_all(arguments, argc, argv, err);
    pl_free(arguments);
    return code;
}
