/* SPDX-License-Identifier: Apache-2.0 */
/* A value's bucket is its highest bit and the six bits that follow it. Thread: its owner's. */
#include "histogram.h"

#define SUB_COUNT (UINT64_C(1) << HISTOGRAM_SUB_BITS)

static unsigned bucket_of(uint64_t value)
{
    if (value < SUB_COUNT) {
        return (unsigned)value;
    }
    unsigned shift = 63U - (unsigned)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
    return ((shift + 1) << HISTOGRAM_SUB_BITS) + (unsigned)((value >> shift) - SUB_COUNT);
}

static int64_t upper_edge(unsigned bucket)
{
    if (bucket < SUB_COUNT) {
        return (int64_t)bucket;
    }
    unsigned shift = (bucket >> HISTOGRAM_SUB_BITS) - 1;
    uint64_t within = bucket & (SUB_COUNT - 1);
    return (int64_t)(((SUB_COUNT + within + 1) << shift) - 1);
}

void histogram_add(struct histogram *histogram, int64_t value_ns)
{
    int64_t value = value_ns > 0 ? value_ns : 0;
    histogram->count++;
    histogram->buckets[bucket_of((uint64_t)value)]++;
    histogram->max_ns = value > histogram->max_ns ? value : histogram->max_ns;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    into->count += from->count;
    into->max_ns = from->max_ns > into->max_ns ? from->max_ns : into->max_ns;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        into->buckets[i] += from->buckets[i];
    }
}

int64_t histogram_at(const struct histogram *histogram, double of)
{
    double wanted = of * (double)histogram->count;
    uint64_t seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen > 0 && (double)seen >= wanted) {
            int64_t edge = upper_edge(i);
            return edge < histogram->max_ns ? edge : histogram->max_ns;
        }
    }
    return 0;
}
