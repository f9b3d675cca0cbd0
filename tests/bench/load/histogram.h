/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_BENCH_HISTOGRAM_H
#define PARLEY_BENCH_HISTOGRAM_H

/* Latencies in nanoseconds, in buckets that grow with the value: within 1/64 of the truth. */

#include <stdint.h>

#define HISTOGRAM_SUB_BITS 6
#define HISTOGRAM_BUCKETS  ((64 - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS)

struct histogram {
    uint64_t count;
    int64_t max_ns;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *histogram, int64_t value_ns); /* below 0 counts as 0 */
void histogram_merge(struct histogram *into, const struct histogram *from);
/* The upper edge of the bucket that holds the share `of` (0.99) of all values; 0: empty. */
int64_t histogram_at(const struct histogram *histogram, double of);

#endif /* PARLEY_BENCH_HISTOGRAM_H */
