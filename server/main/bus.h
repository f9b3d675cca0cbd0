/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_MAIN_BUS_H
#define PARLEY_MAIN_BUS_H

/* The bus that the settings ask for. @thread start */

#include "core/config.h"

struct bus;

/* @return PARLEY_OK with *bus owned (bus_free), or NULL: the settings ask for none */
PL_MUST_CHECK enum parley_code main_bus_new(const struct config *config, struct bus **bus,
                                            struct pl_error *err);

#endif /* PARLEY_MAIN_BUS_H */
