/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_BASE_METRIC_H
#define PARLEY_BASE_METRIC_H

/* Metrics, declared beside the thing counted and collected by the program that cares. A metric is a
 * static object with a name in the field's form (parley_..._total, base units); pl_metric_register
 * puts it on a process-wide list, once, at start. Adding is one relaxed atomic. @thread any */

#include <stddef.h>
#include <stdint.h>

enum pl_metric_kind {
    PL_METRIC_COUNTER,
    PL_METRIC_GAUGE,
    PL_METRIC_HISTOGRAM
};

#define PL_METRIC_BUCKETS 20

struct pl_metric {
    const char *name;   /* "parley_sends_total"; a histogram's base unit is seconds */
    const char *labels; /* "code=\"OK\"" or NULL; metrics of one name are registered in a row */
    const char *help;
    enum pl_metric_kind kind;
    int64_t value; /* private: atomic. Histogram: sum in microseconds */
    uint64_t
        buckets[PL_METRIC_BUCKETS]; /* private: atomic. Bucket i: at most 50 us * 2^i; last: rest */
    struct pl_metric *next;         /* private */
};

void pl_metric_register(struct pl_metric *metrics, size_t count);
void pl_metric_add(struct pl_metric *metric, int64_t delta);
void pl_metric_set(struct pl_metric *metric, int64_t value);
void pl_metric_observe_us(struct pl_metric *metric, int64_t microseconds);

/* All registered metrics, in order of registration; each with a consistent snapshot of itself. */
void pl_metric_each(void (*visit)(void *context, const struct pl_metric *snapshot), void *context);

#endif /* PARLEY_BASE_METRIC_H */
