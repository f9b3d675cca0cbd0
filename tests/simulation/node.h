/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_SIM_NODE_H
#define PARLEY_TEST_SIM_NODE_H

/* A server of the simulation: gRPC, calls, chat services and fan-out as parleyd has them, on a
 * store of the simulation. A caller is who its bearer token says. */

#include "store.h"

#define SIM_LOOPS_MAX 2

struct sim_node; /* opaque */

/* Listen on port `number` (from 1) of the simulated machine.
 * @param database  keeps until the node is down. */
struct sim_node *sim_node_up(unsigned number, struct database *database);
/* Dies at once: what it committed stays, all else is gone, and its peers see their connections
 * break. */
void sim_node_kill(struct sim_node *node);
/* Goes as an operator lets it go: drains, ends, frees. */
void sim_node_drain(struct sim_node *node);
void sim_node_freeze(struct sim_node *node, int64_t for_us);

#endif /* PARLEY_TEST_SIM_NODE_H */
