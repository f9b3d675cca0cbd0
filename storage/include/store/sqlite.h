/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_STORE_SQLITE_H
#define PARLEY_STORE_SQLITE_H

/* Opens the embedded store: SQLite in a data folder, one file per shard. */

#include "store/store.h"

struct store_sqlite_options {
    const char *data_dir;   /* made if missing (mode 0700); ":memory:" for tests */
    unsigned shards;        /* files; fixed when the folder is made; 0: what the folder has, or 1 */
    unsigned readers;       /* reading threads per shard; 0: 2 */
    size_t batch_rows_max;  /* requests in one transaction; 0: 4096 */
    size_t batch_bytes_max; /* bodies in one transaction; 0: 8 MiB */
    size_t queue_bytes_max; /* waiting in one shard; 0: 64 MiB */
    unsigned busy_retry_ms; /* hint to clients when the queue is full; 0: 100 */
    bool auto_migrate;      /* apply missing migrations on open */
};

/* Lock the folder (a second process fails with UNAVAILABLE, saying which pid has it), check or
 * apply migrations (FAILED_PRECONDITION: a schema that this build does not know), start the
 * threads.
 * @return PARLEY_OK with *store owned (store_close). @thread start; blocks */
PL_MUST_CHECK enum parley_code store_sqlite_open(const struct store_sqlite_options *options,
                                                 struct store **store, struct pl_error *err);

/* Apply missing migrations to every shard of a folder that no server uses; safe to run twice.
 * @param report  called with a line of progress for each step; may be NULL. */
PL_MUST_CHECK enum parley_code store_sqlite_migrate(const struct store_sqlite_options *options,
                                                    void (*report)(void *context, const char *line),
                                                    void *context, struct pl_error *err);

#endif /* PARLEY_STORE_SQLITE_H */
