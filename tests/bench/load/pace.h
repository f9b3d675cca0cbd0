/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_BENCH_PACE_H
#define PARLEY_BENCH_PACE_H

/* Ticks each half millisecond, for what follows a schedule: the timers of a loop count whole
 * milliseconds, and what is sent late for that would count as the server's. */

#include "loop/loop.h"

#include <stdint.h>

struct pace {
    void (*tick)(struct pace *pace, int64_t now_ns);
    struct pl_watch *watch; /* private, as the descriptor; zero-initialise both */
    int fd;
};

/* @return 0, or -1: no descriptor for it. @thread loop */
int pace_start(struct pace *pace, struct pl_loop *loop);
void pace_stop(struct pace *pace); /* not started: no effect */

#endif /* PARLEY_BENCH_PACE_H */
