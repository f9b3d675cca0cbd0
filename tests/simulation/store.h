/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_SIM_STORE_H
#define PARLEY_TEST_SIM_STORE_H

/* The store's port on a database that several nodes share: one of these for each node. Requests
 * wait, are run and are answered at times of the simulation; what waited together commits together.
 * A node may die between any two of these steps. */

#include "database.h"

/* What may go wrong, each in parts of a thousand of the transactions. */
struct sim_store_faults {
    unsigned refused;  /* nothing is stored, UNAVAILABLE */
    unsigned in_doubt; /* it is stored, the requests are answered UNAVAILABLE, and the store finds
                          out a while later */
    unsigned slow;     /* it takes up to a second */
};

/* @param database  keeps until store_close. @return owned (store_close) */
struct store *sim_store_open(struct database *database);
/* Of all stores, from now on. */
void sim_store_set_faults(const struct sim_store_faults *faults);
/* Its node has died: nothing more is committed for it; what is under way is answered by
 * store_close. */
void sim_store_kill(struct store *store);

#endif /* PARLEY_TEST_SIM_STORE_H */
