/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_SIM_BUS_H
#define PARLEY_TEST_SIM_BUS_H

/* The bus port on virtual time: one broker for all nodes, which loses, delays, repeats and reorders
 * what the port allows, goes away and comes back. */

#include "fanout/bus/bus.h"

#include <stdint.h>

struct sim_bus_faults {
    unsigned lost;     /* parts of a thousand of the messages to one node, without a word */
    unsigned repeated; /* ... come once more, later */
    int64_t delay_max_us;
};

/* A broker without faults and without nodes. */
void sim_bus_reset(void);
void sim_bus_set_faults(const struct sim_bus_faults *faults);
/* Down: nobody is connected, and what is on its way is lost. Up: they come back one by one. */
void sim_bus_set_up(bool is_up);
/* One node loses its connection, and finds it again. */
void sim_bus_cut_one(void);

/* @return owned (bus_free) */
struct bus *sim_bus_new(void);

#endif /* PARLEY_TEST_SIM_BUS_H */
