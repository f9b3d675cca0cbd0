/* SPDX-License-Identifier: Apache-2.0 */
/* parley-bench: load for a parley server, that checks every answer. */
#include "commands.h"

#include "base/attr.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

struct command {
    const char *name;
    unsigned bit;
    const char *summary;
    int (*run)(const struct options *options);
};

static const struct command commands[] = {
    {"send", COMMAND_SEND, "durable sends, through SendStream or Send", run_send},
    {"fanout", COMMAND_FANOUT, "one conversation, many subscribers", run_fanout},
    {"idle", COMMAND_IDLE, "connections that hold one open call and say nothing", run_idle},
    {"history", COMMAND_HISTORY, "reading a log back", run_history},
    {"unary", COMMAND_UNARY, "Health/Check calls", run_unary},
    {"client", COMMAND_CLIENT, "Health/Check calls through the SDK, one channel and its thread",
     run_client},
};

static int help(FILE *out, int exit_code)
{
    (void)fprintf(out,
                  "usage: parley-bench COMMAND [OPTION...]\n\n"
                  "Puts load on a parley server and checks every answer: each send acked once,\n"
                  "numbers without holes, each event delivered once and in order. Exit codes:\n"
                  "0 measured, 1 something went wrong, 2 usage.\n");
    for (size_t i = 0; i < PL_COUNT(commands); i++) {
        (void)fprintf(out, "\n%s: %s\n", commands[i].name, commands[i].summary);
        options_help(out, commands[i].bit);
    }
    return exit_code;
}

/* As many connections as the system allows. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char **argv)
{
    if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)) {
        return help(stdout, 0);
    }
    for (size_t i = 0; argc >= 2 && i < PL_COUNT(commands); i++) {
        struct options options;
        if (strcmp(argv[1], commands[i].name) != 0) {
            continue;
        }
        if (!options_parse(&options, commands[i].bit, argc - 1, argv + 1)) {
            return 2;
        }
        raise_descriptor_limit();
        return commands[i].run(&options) == 0 ? 0 : 1;
    }
    return help(stderr, 2);
}
