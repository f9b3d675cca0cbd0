/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_CACHE_METRICS_H
#define PARLEY_CACHE_METRICS_H

/* What the cache counts. @thread any */

#include "cache/entry.h"

#include "base/metric.h"

extern struct pl_metric cache_metric_hits[CACHE_KINDS];
extern struct pl_metric cache_metric_misses[CACHE_KINDS];
extern struct pl_metric cache_metric_operations;
extern struct pl_metric cache_metric_coalesced;
extern struct pl_metric cache_metric_bypassed;
extern struct pl_metric cache_metric_fills;
extern struct pl_metric cache_metric_fills_refused;
extern struct pl_metric cache_metric_evictions;
extern struct pl_metric cache_metric_bytes;
extern struct pl_metric cache_metric_errors;
extern struct pl_metric cache_metric_owed;

/* Once per process; again is harmless. @thread start */
void cache_metrics_register(void);

/* The breaker of a server, "host:port": 1 while it is left alone. NULL: there are too many servers
 * to tell apart. @thread start */
struct pl_metric *cache_metric_breaker(const char *server);

#endif /* PARLEY_CACHE_METRICS_H */
