/* SPDX-License-Identifier: Apache-2.0 */
/* What the store counts; see metrics.h. */
#include "shard/metrics.h"

struct pl_metric shard_metric_commits = {.name = "parley_store_commits_total",
                                         .help = "Transactions committed.",
                                         .kind = PL_METRIC_COUNTER};
struct pl_metric shard_metric_rows = {
    .name = "parley_store_writes_total",
    .help = "Writes in those transactions; divided by commits: the size of a batch.",
    .kind = PL_METRIC_COUNTER};
struct pl_metric shard_metric_commit_seconds = {
    .name = "parley_store_commit_seconds",
    .help = "Time of one transaction, from its first row to its place on disk.",
    .kind = PL_METRIC_HISTOGRAM};
struct pl_metric shard_metric_wait_seconds = {
    .name = "parley_store_wait_seconds",
    .help = "Time that the oldest write of a transaction had waited for it to begin.",
    .kind = PL_METRIC_HISTOGRAM};
struct pl_metric shard_metric_batch_last = {.name = "parley_store_batch_writes",
                                            .help = "Writes in the last transaction.",
                                            .kind = PL_METRIC_GAUGE};
struct pl_metric shard_metric_queue_bytes = {.name = "parley_store_queue_bytes",
                                             .help = "Bytes of the requests in the store.",
                                             .kind = PL_METRIC_GAUGE};
struct pl_metric shard_metric_duplicates = {
    .name = "parley_store_duplicates_total",
    .help = "Messages that were there already: retries that cost nothing.",
    .kind = PL_METRIC_COUNTER};
struct pl_metric shard_metric_errors = {
    .name = "parley_store_errors_total",
    .help = "Requests that failed by the fault of the store or its disk.",
    .kind = PL_METRIC_COUNTER};
struct pl_metric shard_metric_rejected = {
    .name = "parley_store_rejected_total",
    .help = "Requests turned away because the queue of their shard was full.",
    .kind = PL_METRIC_COUNTER};
struct pl_metric shard_metric_reads = {
    .name = "parley_store_reads_total", .help = "Reads answered.", .kind = PL_METRIC_COUNTER};

void shard_metrics_register(void)
{
    struct pl_metric *const metrics[] = {
        &shard_metric_commits,      &shard_metric_rows,       &shard_metric_commit_seconds,
        &shard_metric_wait_seconds, &shard_metric_batch_last, &shard_metric_queue_bytes,
        &shard_metric_duplicates,   &shard_metric_errors,     &shard_metric_rejected,
        &shard_metric_reads,
    };
    for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++) {
        pl_metric_register(metrics[i], 1);
    }
}
