/* SPDX-License-Identifier: Apache-2.0 */
/* interop_client: our client plays the official cases against the interop server of another
 * implementation. The options are those of the official clients; --test_case takes one name,
 * several with commas between, or "all". Says "ok NAME" for each; the first failure ends it with 1.
 */
#include "cases.h"

#include "stack/die.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

enum flag {
    OPTION_HOST = 1,
    OPTION_PORT,
    OPTION_CASE,
    OPTION_TLS,
    OPTION_CA,
    OPTION_OVERRIDE
};

static const struct option OPTIONS[] = {
    {"server_host", required_argument, NULL, OPTION_HOST},
    {"server_port", required_argument, NULL, OPTION_PORT},
    {"test_case", required_argument, NULL, OPTION_CASE},
    {"use_tls", required_argument, NULL, OPTION_TLS},
    {"ca_file", required_argument, NULL, OPTION_CA},
    {"server_host_override", required_argument, NULL, OPTION_OVERRIDE},
    {NULL, 0, NULL, 0},
};

struct wanted {
    const char *host;
    const char *port;
    const char *cases;
    parley_channel_options channel;
};

static void read_options(int argc, char **argv, struct wanted *wanted)
{
    for (;;) {
        int option = getopt_long(argc, argv, "", OPTIONS, NULL);
        switch (option) {
        case -1:
            return;
        case OPTION_HOST:
            wanted->host = optarg;
            break;
        case OPTION_PORT:
            wanted->port = optarg;
            break;
        case OPTION_CASE:
            wanted->cases = optarg;
            break;
        case OPTION_TLS:
            wanted->channel.use_tls = strcmp(optarg, "true") == 0;
            break;
        case OPTION_CA:
            wanted->channel.ca_file = optarg;
            break;
        case OPTION_OVERRIDE:
            wanted->channel.server_name = optarg;
            break;
        default:
            die("usage: interop_client --server_host=H --server_port=P --test_case=NAME");
        }
    }
}

/* Is `name` one of a list with commas between? */
static bool is_in(const char *list, const char *name)
{
    size_t len = strlen(name);
    if (strcmp(list, "all") == 0) {
        return true;
    }
    for (const char *at = strstr(list, name); at != NULL; at = strstr(at + 1, name)) {
        if ((at == list || at[-1] == ',') && (at[len] == '\0' || at[len] == ',')) {
            return true;
        }
    }
    return false;
}

int main(int argc, char **argv)
{
    struct wanted wanted = {
        .host = "127.0.0.1", .cases = "all", .channel = {.size = sizeof(wanted.channel)}};
    parley_channel *channel = NULL;
    char target[256];
    size_t count = 0;
    read_options(argc, argv, &wanted);
    if (wanted.port == NULL) {
        die("--server_port is missing");
    }
    (void)snprintf(target, sizeof(target), "%s:%s", wanted.host, wanted.port);
    parley_error *error = parley_channel_new(target, &wanted.channel, &channel);
    if (error != NULL) {
        die("no channel: %s", parley_error_message(error));
    }
    for (size_t i = 0; i < INTEROP_CASE_COUNT; i++) {
        if (is_in(wanted.cases, INTEROP_CASES[i].name)) {
            INTEROP_CASES[i].run(channel);
            (void)printf("ok %s\n", INTEROP_CASES[i].name);
            (void)fflush(stdout);
            count++;
        }
    }
    parley_channel_free(channel);
    if (count == 0) {
        die("no such case: %s", wanted.cases);
    }
    return 0;
}
