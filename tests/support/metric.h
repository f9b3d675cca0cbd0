/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_SUPPORT_METRIC_H
#define PARLEY_TEST_SUPPORT_METRIC_H

/* What this process counts, by the name that an operator sees. */

#include "base/metric.h"

#include <stdint.h>
#include <string.h>

struct metric_search {
    const char *name;
    int64_t value;
};

static inline void metric_look(void *context, const struct pl_metric *snapshot)
{
    struct metric_search *search = context;
    if (strcmp(snapshot->name, search->name) == 0) {
        search->value += snapshot->value;
    }
}

/* The sum over all that is registered by this name; 0: nothing is. @thread any */
static inline int64_t metric_value(const char *name)
{
    struct metric_search search = {.name = name};
    pl_metric_each(metric_look, &search);
    return search.value;
}

#endif /* PARLEY_TEST_SUPPORT_METRIC_H */
