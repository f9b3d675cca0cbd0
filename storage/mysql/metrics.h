/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_MYSQL_METRICS_H
#define PARLEY_MYSQL_METRICS_H

/* What the connections to the shards count; see metrics.c for what each means. @thread any */

#include "base/metric.h"

extern struct pl_metric mdb_metric_connects;
extern struct pl_metric mdb_metric_connect_errors;
extern struct pl_metric mdb_metric_down;
extern struct pl_metric mdb_metric_kills;
extern struct pl_metric mdb_metric_retries;
extern struct pl_metric mdb_metric_careful;
extern struct pl_metric mdb_metric_doubts;
extern struct pl_metric mdb_metric_replicas_down;
extern struct pl_metric mdb_metric_replica_served;
extern struct pl_metric mdb_metric_replica_behind;
extern struct pl_metric mdb_metric_replica_missed;

/* Put them on the process's list. @thread start; safe to call again */
void mdb_metrics_register(void);

#endif /* PARLEY_MYSQL_METRICS_H */
