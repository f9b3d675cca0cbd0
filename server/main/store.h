/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_MAIN_STORE_H
#define PARLEY_MAIN_STORE_H

/* The store that the settings name: which engine, in the terms of its driver. @thread start */

#include "core/config.h"
#include "store/mysql_shards.h"
#include "store/store.h"

#include <stdbool.h>

/* @param config  keeps until store_close. @return PARLEY_OK with *store owned (store_close). Blocks
 */
PL_MUST_CHECK enum parley_code main_store_open(const struct config *config, struct store **store,
                                               struct pl_error *err);

/* Whether other nodes may have it too. */
bool main_store_is_shared(const struct config *config);

/* Bring the schema of the store to what this build knows.
 * @param is_dry_run  only report what would be applied
 * @param report  called with a line for each step */
PL_MUST_CHECK enum parley_code main_store_migrate(const struct config *config, bool is_dry_run,
                                                  void (*report)(void *context, const char *line),
                                                  void *context, struct pl_error *err);

/* How full the shards are, and moving buckets between them; see store/mysql_shards.h.
 * @return UNIMPLEMENTED: the store is the embedded one, or MySQL was not built in */
PL_MUST_CHECK enum parley_code main_store_plan(const struct config *config,
                                               struct store_mysql_plan *plan, struct pl_error *err);
PL_MUST_CHECK enum parley_code main_store_move(const struct config *config,
                                               struct store_mysql_move *move, struct pl_error *err);

#endif /* PARLEY_MAIN_STORE_H */
