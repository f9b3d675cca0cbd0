/* SPDX-License-Identifier: Apache-2.0 */
/* What the connections to the shards count. */
#include "mysql/metrics.h"

struct pl_metric mdb_metric_connects = {.name = "parley_mysql_connects_total",
                                        .help = "Connections made to shards and replicas.",
                                        .kind = PL_METRIC_COUNTER};
struct pl_metric mdb_metric_connect_errors = {
    .name = "parley_mysql_connect_errors_total",
    .help = "Connections to shards and replicas that could not be made.",
    .kind = PL_METRIC_COUNTER};
struct pl_metric mdb_metric_down = {.name = "parley_mysql_shards_down",
                                    .help = "Shards that count as down: requests fail at once.",
                                    .kind = PL_METRIC_GAUGE};
struct pl_metric mdb_metric_kills = {
    .name = "parley_mysql_kills_total",
    .help = "Connections given up and killed on their server, so that they hold no locks.",
    .kind = PL_METRIC_COUNTER};
struct pl_metric mdb_metric_retries = {
    .name = "parley_mysql_retries_total",
    .help = "Transactions run again after a deadlock, a lock that did not come or a lost "
            "connection.",
    .kind = PL_METRIC_COUNTER};
struct pl_metric mdb_metric_careful = {
    .name = "parley_mysql_careful_total",
    .help = "Transactions run again, carefully, because a message was there already.",
    .kind = PL_METRIC_COUNTER};
struct pl_metric mdb_metric_doubts = {
    .name = "parley_mysql_doubts_total",
    .help = "Commits whose answer was lost and that were looked up afterwards.",
    .kind = PL_METRIC_COUNTER};
struct pl_metric mdb_metric_replicas_down = {
    .name = "parley_mysql_replicas_down",
    .help = "Replicas that count as down: their shards serve history alone.",
    .kind = PL_METRIC_GAUGE};
#define REPLICA_READS(result)                                                                      \
    {                                                                                              \
        .name = "parley_mysql_replica_reads_total", .labels = "result=\"" result "\"",             \
        .help = "Reads of history with a replica. served: it had all; behind: it lacked some; "    \
                "missed: it could not be asked, or broke off. The shard gave what was left.",      \
        .kind = PL_METRIC_COUNTER                                                                  \
    }
struct pl_metric mdb_metric_replica_served = REPLICA_READS("served");
struct pl_metric mdb_metric_replica_behind = REPLICA_READS("behind");
struct pl_metric mdb_metric_replica_missed = REPLICA_READS("missed");

void mdb_metrics_register(void)
{
    struct pl_metric *const metrics[] = {
        &mdb_metric_connects,       &mdb_metric_connect_errors, &mdb_metric_down,
        &mdb_metric_kills,          &mdb_metric_retries,        &mdb_metric_careful,
        &mdb_metric_doubts,         &mdb_metric_replicas_down,  &mdb_metric_replica_served,
        &mdb_metric_replica_behind, &mdb_metric_replica_missed,
    };
    for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++) {
        pl_metric_register(metrics[i], 1);
    }
}
