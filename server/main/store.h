/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_MAIN_STORE_H
#define PARLEY_MAIN_STORE_H

/* The store that the settings name: which engine, in the terms of its driver. @thread start */

#include "core/config.h"
#include "store/store.h"

/* @param config  keeps until store_close. @return PARLEY_OK with *store owned (store_close). Blocks
 */
PL_MUST_CHECK enum parley_code main_store_open(const struct config *config, struct store **store,
                                               struct pl_error *err);

/* Bring the schema of the store to what this build knows.
 * @param is_dry_run  only report what would be applied
 * @param report  called with a line for each step */
PL_MUST_CHECK enum parley_code main_store_migrate(const struct config *config, bool is_dry_run,
                                                  void (*report)(void *context, const char *line),
                                                  void *context, struct pl_error *err);

#endif /* PARLEY_MAIN_STORE_H */
