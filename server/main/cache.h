/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_MAIN_CACHE_H
#define PARLEY_MAIN_CACHE_H

/* The cache that the settings ask for. */

#include "core/config.h"
#include "store/store.h"

/* Put it in front of *store, which it takes over; on failure *store is as it was. @thread start */
PL_MUST_CHECK enum parley_code cache_add(const struct config *config, struct store **store,
                                         struct pl_error *err);

#endif /* PARLEY_MAIN_CACHE_H */
