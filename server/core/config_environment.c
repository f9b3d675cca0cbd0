/* SPDX-License-Identifier: Apache-2.0 */
/* Settings in the environment: PARLEY_TLS_CERT=/etc/parley/cert.pem. */
#include "base/attr.h"
#include "base/text.h"
#include "core/config_impl.h"

#include <ctype.h>
#include <string.h>

#define PREFIX     "PARLEY_"
#define PREFIX_LEN (sizeof(PREFIX) - 1)

/* Names with our prefix that mean something to others: PARLEY_CONFIG to parleyd's main, the rest to
 * the `parley` command, whose users may run both in one shell. */
static const char *const foreign[] = {"PARLEY_CONFIG", "PARLEY_SERVER", "PARLEY_TOKEN",
                                      "PARLEY_TOKEN_FILE", "PARLEY_CA"};

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text);
    size_t end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

/* Kubernetes gives every container variables for every service: a service "parley" makes
 * PARLEY_SERVICE_HOST, PARLEY_SERVICE_PORT_GRPC, PARLEY_PORT, PARLEY_PORT_7450_TCP_ADDR ... */
static bool is_made_by_kubernetes(const char *name)
{
    const char *port = strstr(name, "_PORT_");
    return strstr(name, "_SERVICE_HOST") != NULL || strstr(name, "_SERVICE_PORT") != NULL ||
           ends_with(name, "_PORT") ||
           (port != NULL && isdigit((unsigned char)port[sizeof("_PORT_") - 1]) != 0);
}

static bool is_foreign(const char *name)
{
    for (size_t i = 0; i < PL_COUNT(foreign); i++) {
        if (strcmp(name, foreign[i]) == 0) {
            return true;
        }
    }
    return is_made_by_kubernetes(name);
}

static enum parley_code take(struct config_draft *draft, const char *name, const char *value,
                             struct pl_error *err)
{
    for (size_t i = 0; i < CONFIG_COUNT; i++) {
        char known[CONFIG_NAME_MAX];
        config_environment_name(config_entries[i].key, known);
        if (strcmp(known, name) == 0) {
            char where[CONFIG_NAME_MAX + 16];
            (void)pl_text_format(where, sizeof(where), "environment %s", name);
            return config_draft_set(draft, i, CONFIG_ENVIRONMENT, where, value, err);
        }
    }
    if (is_foreign(name)) {
        return PARLEY_OK;
    }
    char nearest[CONFIG_NAME_MAX];
    config_nearest(name, config_environment_name, nearest);
    return pl_fail(err, PARLEY_INVALID_ARGUMENT,
                   "environment: there is no setting %.80s; did you mean %s?", name, nearest);
}

enum parley_code config_read_environment(struct config_draft *draft, char *const *environment,
                                         struct pl_error *err)
{
    for (; *environment != NULL; environment++) {
        const char *equals = strchr(*environment, '=');
        if (equals == NULL || strncmp(*environment, PREFIX, PREFIX_LEN) != 0) {
            continue;
        }
        char name[128];
        size_t len = (size_t)(equals - *environment);
        (void)pl_text_format(name, sizeof(name), "%.*s", (int)len, *environment);
        enum parley_code code = take(draft, name, equals + 1, err);
        if (code != PARLEY_OK) {
            return code;
        }
    }
    return PARLEY_OK;
}
