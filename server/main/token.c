/* SPDX-License-Identifier: Apache-2.0 */
/* parleyd token: sign a token for a user, with the key of a data folder. */
#include "base/mem.h"
#include "main/command.h"
#include "main/key.h"

#include <stdio.h>

#define TTL_DEFAULT "24h"
#define TTL_MAX_MS  (INT64_C(10) * 366 * 24 * CONFIG_HOUR)

static int make_token(const struct command *command, const struct config *config, const char *user,
                      const char *ttl)
{
    struct pl_error err = PL_ERROR_INIT;
    struct auth_key key;
    int64_t ttl_ms = 0;
    if (user == NULL) {
        return command_fail(command, EXIT_USAGE, "whose token? Give --user ID");
    }
    if (config_parse_duration("option --ttl", ttl, CONFIG_SECOND, TTL_MAX_MS, &ttl_ms, &err) !=
        PARLEY_OK) {
        return command_fail(command, EXIT_USAGE, err.text);
    }
    char *token = NULL;
    enum parley_code code = key_get(config, &key, &err);
    if (code == PARLEY_OK) {
        code = auth_token_make(&key, user, ttl_ms / 1000, &token, &err);
        auth_key_wipe(&key);
    }
    if (code != PARLEY_OK) {
        return command_fail(command, code == PARLEY_INVALID_ARGUMENT ? EXIT_USAGE : EXIT_FAILED,
                            err.text);
    }
    bool is_printed = printf("%s\n", token) > 0 && fflush(stdout) == 0;
    pl_free(token);
    return is_printed ? EXIT_OK : EXIT_FAILED;
}

static int run(const struct command *command, int argc, char **argv)
{
    const char *user = NULL;
    const char *ttl = TTL_DEFAULT;
    const struct config_extra extras[] = {
        {.name = "user",
         .value_name = "ID",
         .sentence = "Who the token is for: 1 to 64 characters of A-Z a-z 0-9 . _ ~ : -",
         .value = &user},
        {.name = "ttl",
         .value_name = "TIME",
         .sentence = "How long it is good for, as in 90s, 15m or 24h. Default " TTL_DEFAULT ".",
         .value = &ttl},
    };
    struct config *config = NULL;
    int exit_code = EXIT_OK;
    if (!command_read(command, argc, argv, extras, PL_COUNT(extras), &config, &exit_code)) {
        return exit_code;
    }
    exit_code = make_token(command, config, user, ttl);
    config_free(config);
    return exit_code;
}

const struct command token_command = {
    .name = "token",
    .usage = "--user ID [--ttl TIME] [--data DIR]",
    .description = "Print a token that lets its bearer call as a user. It is signed with the key "
                   "of the data folder\n(or of auth.key_dir, or auth.key); whoever can read that "
                   "key can be anybody. The server need not run.\n",
    .run = run,
};
