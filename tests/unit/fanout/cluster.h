/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_FANOUT_CLUSTER_H
#define PARLEY_TEST_FANOUT_CLUSTER_H

/* Nodes over the logs of the first one, and a bus in slow motion between them. */

#include "script_bus.h"
#include "world.h"

#define CLUSTER_NODES 2

struct cluster {
    struct script_wire wire;
    struct script_end *ends[CLUSTER_NODES];
    struct world nodes[CLUSTER_NODES];
};

int cluster_setup(void **state);
int cluster_teardown(void **state);
/* Move bus, stores and loops until nothing moves. */
void cluster_settle(struct cluster *cluster);
/* The same, but nothing comes by the bus. */
void cluster_settle_stores(struct cluster *cluster);
struct script_log *cluster_add_log(struct cluster *cluster, const char *id, const char *member);
/* Commit messages on a node, which tells. */
void cluster_commit(struct cluster *cluster, unsigned node, struct script_log *log,
                    size_t messages);
/* The bus tells a node that it may have lost anything. */
void cluster_tell_gap(struct cluster *cluster, unsigned node);

#endif /* PARLEY_TEST_FANOUT_CLUSTER_H */
