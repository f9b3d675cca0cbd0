/* SPDX-License-Identifier: Apache-2.0 */
/* SQLite under the suite. Its work is counted in instructions of SQLite's virtual machine: each
 * connection is given a progress handler when it is opened. */
#include "engine.h"

#include "store/sqlite.h"
#include "support/tmp_dir.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <sqlite3.h>

static atomic_uint_fast64_t instructions;

static int count_instruction(void *unused)
{
    (void)unused;
    atomic_fetch_add_explicit(&instructions, 1, memory_order_relaxed);
    return 0;
}

static int watch_connection(sqlite3 *db, char **text, const void *routines)
{
    (void)text;
    (void)routines;
    sqlite3_progress_handler(db, 1, count_instruction, NULL);
    return SQLITE_OK;
}

/* SQLite wants it in this form. */
typedef void (*entry_point)(void);

static void *make_place(const struct engine *engine)
{
    (void)engine;
    struct tmp_dir *dir = malloc(sizeof(*dir));
    if (dir == NULL || tmp_dir_init(dir) != 0) {
        perror("a scratch folder");
        free(dir);
        return NULL;
    }
    (void)sqlite3_auto_extension((entry_point)watch_connection);
    return dir;
}

static struct store *open_store(const struct engine *engine, void *place,
                                const struct engine_options *options)
{
    const struct tmp_dir *dir = place;
    struct store *store = NULL;
    struct pl_error error = PL_ERROR_INIT;
    struct store_sqlite_options sqlite = {
        .data_dir = engine->is_lasting ? dir->path : ":memory:",
        .shards = engine->shards,
        .queue_bytes_max = options->queue_bytes_max,
        .busy_retry_ms = options->busy_retry_ms,
        .batch_rows_max = options->batch_rows_max,
        .auto_migrate = true,
    };
    if (store_sqlite_open(&sqlite, &store, &error) != PARLEY_OK) {
        (void)fprintf(stderr, "cannot open the store: %s\n", error.text);
    }
    return store;
}

static void free_place(void *place)
{
    (void)sqlite3_cancel_auto_extension((entry_point)watch_connection);
    (void)tmp_dir_deinit(place);
    free(place);
}

static uint64_t work(void *place)
{
    (void)place;
    return atomic_load(&instructions);
}

const struct engine_ops sqlite_engine_ops = {make_place, open_store, free_place, work};
