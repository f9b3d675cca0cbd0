/* SPDX-License-Identifier: Apache-2.0 */
/* See cond.h. */
#include "base/cond.h"

#include <time.h>

#define NS_PER_S 1000000000

void pl_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t monotonic;
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(cond, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
}

bool pl_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t until_ns)
{
    if (until_ns == INT64_MAX) {
        return pthread_cond_wait(cond, mutex) == 0;
    }
    int64_t at_ns = until_ns > 0 ? until_ns : 0;
    const struct timespec at = {.tv_sec = (time_t)(at_ns / NS_PER_S),
                                .tv_nsec = (long)(at_ns % NS_PER_S)};
    return pthread_cond_timedwait(cond, mutex, &at) == 0;
}
