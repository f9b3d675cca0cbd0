/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_BENCH_SCHEDULE_H
#define PARLEY_BENCH_SCHEDULE_H

/* A fixed rate. What is due is due, whether the server keeps up or not, and its latency counts from
 * when it was due: a stall is seen by all that should have been sent meanwhile. */

#include <stdbool.h>
#include <stdint.h>

struct schedule {
    double interval_ns; /* 0: no schedule, flat out */
    int64_t start_ns;
    uint64_t taken;
};

static inline struct schedule schedule_start(double rate, int64_t start_ns)
{
    return (struct schedule){.interval_ns = rate > 0 ? 1e9 / rate : 0, .start_ns = start_ns};
}

/* Is one due? *intended_ns: since when. Take it with schedule_take. */
static inline bool schedule_is_due(const struct schedule *schedule, int64_t now_ns,
                                   int64_t *intended_ns)
{
    *intended_ns = schedule->start_ns + (int64_t)((double)schedule->taken * schedule->interval_ns);
    return schedule->interval_ns > 0 && *intended_ns <= now_ns;
}

static inline void schedule_take(struct schedule *schedule)
{
    schedule->taken++;
}

#endif /* PARLEY_BENCH_SCHEDULE_H */
