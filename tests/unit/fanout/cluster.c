/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes and the bus between them; see cluster.h. */
#include "cluster.h"

#include "support/check.h"

#include <stdlib.h>

int cluster_setup(void **state)
{
    struct cluster *cluster = calloc(1, sizeof(*cluster));
    assert_non_null(cluster);
    script_wire_init(&cluster->wire);
    for (size_t i = 0; i < CLUSTER_NODES; i++) {
        cluster->ends[i] = script_wire_join(&cluster->wire);
        world_open(&cluster->nodes[i], i == 0 ? NULL : cluster->nodes[0].store,
                   &cluster->ends[i]->bus);
    }
    *state = cluster;
    return 0;
}

int cluster_teardown(void **state)
{
    struct cluster *cluster = *state;
    cluster_settle(cluster);
    for (size_t i = CLUSTER_NODES; i > 0; i--) {
        world_close(&cluster->nodes[i - 1]);
    }
    script_wire_deinit(&cluster->wire);
    free(cluster);
    return 0;
}

static bool is_busy(const struct cluster *cluster)
{
    bool is_some = false;
    for (size_t i = 0; i < CLUSTER_NODES; i++) {
        const struct script_store *store = cluster->nodes[i].store;
        is_some = is_some || store->queued_count + store->ready_count > 0;
    }
    return is_some;
}

void cluster_settle_stores(struct cluster *cluster)
{
    do {
        for (size_t i = 0; i < CLUSTER_NODES; i++) {
            world_settle(&cluster->nodes[i]);
        }
    } while (is_busy(cluster));
}

void cluster_settle(struct cluster *cluster)
{
    do {
        script_wire_serve_all(&cluster->wire);
        cluster_settle_stores(cluster);
    } while (cluster->wire.message_count > 0 || script_wire_settle(&cluster->wire) ||
             is_busy(cluster));
}

struct script_log *cluster_add_log(struct cluster *cluster, const char *id, const char *member)
{
    struct script_log *log = script_store_add_log(cluster->nodes[0].store, id);
    script_log_join(log, member);
    return log;
}

void cluster_commit(struct cluster *cluster, unsigned node, struct script_log *log, size_t messages)
{
    script_log_send(log, messages);
    script_store_tell(cluster->nodes[node].store, log);
}

void cluster_tell_gap(struct cluster *cluster, unsigned node)
{
    const struct script_end *end = cluster->ends[node];
    end->events->on_gap(end->context, NULL);
}
