/* SPDX-License-Identifier: Apache-2.0 */
/* The engines that keep the promises of the port. */
#include "engine.h"

#include <stdio.h>
#include <string.h>

static const struct engine engines[] = {
    {.name = "sqlite-1", .ops = &sqlite_engine_ops, .shards = 1, .is_lasting = true},
    {.name = "sqlite-4", .ops = &sqlite_engine_ops, .shards = 4, .is_lasting = true},
    {.name = "memory", .ops = &sqlite_engine_ops, .shards = 2, .is_lasting = false},
#ifdef PARLEY_WITH_MYSQL
    {.name = "mysql-1", .ops = &mysql_engine_ops, .shards = 1, .is_lasting = true},
    {.name = "mysql-4", .ops = &mysql_engine_ops, .shards = 4, .is_lasting = true},
    {.name = "mysql-replica",
     .ops = &mysql_engine_ops,
     .shards = 1,
     .is_lasting = true,
     .has_replicas = true},
#endif
    {.name = "cached-sqlite-1", .ops = &cached_engine_ops, .shards = 1, .is_lasting = true},
    {.name = "cached-memory", .ops = &cached_engine_ops, .shards = 2, .is_lasting = false},
    {.name = "memcached-sqlite-4", .ops = &cached_engine_ops, .shards = 4, .is_lasting = true},
    {.name = "memcached-memory", .ops = &cached_engine_ops, .shards = 2, .is_lasting = false},
};

#define ENGINES (sizeof(engines) / sizeof(engines[0]))

const struct engine *engine_find(const char *name)
{
    for (size_t i = 0; i < ENGINES; i++) {
        if (strcmp(engines[i].name, name) == 0) {
            return &engines[i];
        }
    }
    return NULL;
}

void engine_print_names(void)
{
    for (size_t i = 0; i < ENGINES; i++) {
        (void)fprintf(stderr, " %s", engines[i].name);
    }
    (void)fprintf(stderr, "\n");
}
