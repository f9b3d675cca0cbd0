/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics; see metric.h. The list only grows, so that whoever scrapes walks it without the lock; a
 * visitor may therefore register too. */
#include "base/metric.h"

#include "base/attr.h"

#include <pthread.h>

#define BUCKET_FIRST_US 50

static struct pl_metric *first;
static struct pl_metric **last = &first;
static pthread_mutex_t list_mutex = PTHREAD_MUTEX_INITIALIZER;

static int is_registered(const struct pl_metric *metric)
{
    for (const struct pl_metric *known = first; known != NULL; known = known->next) {
        if (known == metric) {
            return 1;
        }
    }
    return 0;
}

void pl_metric_register(struct pl_metric *metrics, size_t count)
{
    (void)pthread_mutex_lock(&list_mutex);
    for (size_t i = 0; i < count; i++) {
        if (!is_registered(&metrics[i])) {
            metrics[i].next = NULL;
            __atomic_store_n(last, &metrics[i], __ATOMIC_RELEASE);
            last = &metrics[i].next;
        }
    }
    (void)pthread_mutex_unlock(&list_mutex);
}

void pl_metric_add(struct pl_metric *metric, int64_t delta)
{
    __atomic_fetch_add(&metric->value, delta, __ATOMIC_RELAXED);
}

void pl_metric_set(struct pl_metric *metric, int64_t value)
{
    __atomic_store_n(&metric->value, value, __ATOMIC_RELAXED);
}

void pl_metric_observe_us(struct pl_metric *metric, int64_t microseconds)
{
    size_t bucket = 0;
    microseconds = microseconds < 0 ? 0 : microseconds;
    int64_t bound = BUCKET_FIRST_US;
    while (bucket < PL_METRIC_BUCKETS - 1 && microseconds > bound) {
        bound *= 2;
        bucket++;
    }
    __atomic_fetch_add(&metric->buckets[bucket], 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&metric->value, microseconds, __ATOMIC_RELAXED);
}

void pl_metric_each(void (*visit)(void *context, const struct pl_metric *snapshot), void *context)
{
    struct pl_metric *metric = __atomic_load_n(&first, __ATOMIC_ACQUIRE);
    for (; metric != NULL; metric = __atomic_load_n(&metric->next, __ATOMIC_ACQUIRE)) {
        struct pl_metric snapshot = {
            .name = metric->name,
            .labels = metric->labels,
            .help = metric->help,
            .kind = metric->kind,
            .value = __atomic_load_n(&metric->value, __ATOMIC_RELAXED),
        };
        for (size_t i = 0; i < PL_METRIC_BUCKETS; i++) {
            snapshot.buckets[i] = __atomic_load_n(&metric->buckets[i], __ATOMIC_RELAXED);
        }
        visit(context, &snapshot);
    }
}
