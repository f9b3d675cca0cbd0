/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_STORE_ENGINE_H
#define PARLEY_TEST_STORE_ENGINE_H

/* What the suite asks of an engine so as to run against it. Nothing else in the suite knows which
 * one it is. */

#include "store/store.h"

struct engine;

/* What a test may want other than the defaults; 0: the default. */
struct engine_options {
    size_t queue_bytes_max;
    unsigned busy_retry_ms;
    size_t batch_rows_max;
};

struct engine_ops {
    /* Make an empty place. NULL: it cannot be had, and why has been printed. */
    void *(*make_place)(const struct engine *engine);
    /* Open a store on a place; again after a close: what was stored is there, if `is_lasting`.
     * NULL: it cannot be opened, and why has been printed. */
    struct store *(*open)(const struct engine *engine, void *place,
                          const struct engine_options *options);
    /* Remove a place that no store uses. */
    void (*free_place)(void *place);
    /* Work done by the engine so far in all its connections, in a unit of its own: what it counts
     * must not depend on the time or on the machine. */
    uint64_t (*work)(void *place);
};

struct engine {
    const char *name;
    const struct engine_ops *ops;
    unsigned shards;
    bool is_lasting;
    bool has_replicas;
};

extern const struct engine_ops sqlite_engine_ops;
extern const struct engine_ops mysql_engine_ops;
extern const struct engine_ops cached_engine_ops;

/* NULL: no engine of that name. */
const struct engine *engine_find(const char *name);
void engine_print_names(void);

#endif /* PARLEY_TEST_STORE_ENGINE_H */
