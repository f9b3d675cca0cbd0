/* SPDX-License-Identifier: Apache-2.0 */
/* The promises of the port (store/store.h), kept by one engine.
 *
 * usage: store_conformance ENGINE [GROUP...] */
#include "world.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(void);
} groups[] = {
    {"append", append_tests},       {"conversations", conversations_tests},
    {"dedup", dedup_tests},         {"history", history_tests},
    {"limits", limits_tests},       {"listener", listener_tests},
    {"lists", lists_tests},         {"members", members_tests},
    {"work", work_tests},           {"lifecycle", lifecycle_tests},
    {"retention", retention_tests},
};

static bool is_wanted(const char *name, int argc, char **argv)
{
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], name) == 0) {
            return true;
        }
    }
    return argc <= 2;
}

int main(int argc, char **argv)
{
    int failed = 0;
    world_engine = argc < 2 ? NULL : engine_find(argv[1]);
    if (world_engine == NULL) {
        (void)fprintf(stderr, "usage: store_conformance ENGINE [GROUP...]; engines:");
        engine_print_names();
        return 2;
    }
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        if (is_wanted(groups[i].name, argc, argv)) {
            failed += groups[i].run();
        }
    }
    return failed == 0 ? 0 : 1;
}
