/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_MAIN_STORE_H
#define PARLEY_MAIN_STORE_H

/* The settings of the embedded store in the terms of its driver. */

#include "core/config.h"
#include "store/sqlite.h"

/* Borrows from `config`. */
struct store_sqlite_options store_options(const struct config *config);

#endif /* PARLEY_MAIN_STORE_H */
