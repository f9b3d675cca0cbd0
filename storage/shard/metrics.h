/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_SHARD_METRICS_H
#define PARLEY_SHARD_METRICS_H

/* What the store counts. @thread any */

#include "base/metric.h"

extern struct pl_metric shard_metric_commits;
extern struct pl_metric shard_metric_rows;
extern struct pl_metric shard_metric_commit_seconds;
extern struct pl_metric shard_metric_wait_seconds;
extern struct pl_metric shard_metric_batch_last;
extern struct pl_metric shard_metric_queue_bytes;
extern struct pl_metric shard_metric_duplicates;
extern struct pl_metric shard_metric_errors;
extern struct pl_metric shard_metric_rejected;
extern struct pl_metric shard_metric_reads;

/* Once per process; again is harmless. @thread start */
void shard_metrics_register(void);

#endif /* PARLEY_SHARD_METRICS_H */
