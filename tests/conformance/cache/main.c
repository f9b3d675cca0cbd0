/* SPDX-License-Identifier: Apache-2.0 */
/* A cache changes what a read costs, and nothing else.
 *
 * usage: cache_conformance memory|memcached [GROUP...] */
#include "town.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(void);
} groups[] = {
    {"backend", backend_tests}, {"counts", counts_tests},   {"lease", lease_tests},
    {"race", race_tests},       {"failure", failure_tests}, {"differential", differential_tests},
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
    if (argc < 2 || (strcmp(argv[1], "memory") != 0 && strcmp(argv[1], "memcached") != 0)) {
        (void)fprintf(stderr, "usage: cache_conformance memory|memcached [GROUP...]\n");
        return 2;
    }
    town_kind = strcmp(argv[1], "memory") == 0 ? STORE_CACHE_MEMORY : STORE_CACHE_MEMCACHED;
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        if (is_wanted(groups[i].name, argc, argv)) {
            failed += groups[i].run();
        }
    }
    return failed == 0 ? 0 : 1;
}
