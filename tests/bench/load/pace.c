/* SPDX-License-Identifier: Apache-2.0 */
#include "pace.h"

#include "base/clock.h"

#include <sys/timerfd.h>
#include <unistd.h>

#define TICK_NS 500000

static void on_ready(void *owner, int events)
{
    (void)events;
    struct pace *pace = owner;
    uint64_t ticks = 0;
    if (read(pace->fd, &ticks, sizeof(ticks)) == (ssize_t)sizeof(ticks)) {
        pace->tick(pace, pl_clock_monotonic_ns());
    }
}

int pace_start(struct pace *pace, struct pl_loop *loop)
{
    const struct itimerspec each = {.it_interval.tv_nsec = TICK_NS, .it_value.tv_nsec = TICK_NS};
    pace->fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (pace->fd < 0) {
        return -1;
    }
    pace->watch = pl_watch_open(loop, pace->fd, on_ready, pace);
    if (pace->watch == NULL || timerfd_settime(pace->fd, 0, &each, NULL) != 0) {
        pl_watch_close(pace->watch);
        pace->watch = NULL;
        (void)close(pace->fd);
        return -1;
    }
    pl_watch_set(pace->watch, PL_READABLE);
    return 0;
}

void pace_stop(struct pace *pace)
{
    if (pace->watch != NULL) {
        pl_watch_close(pace->watch);
        pace->watch = NULL;
        (void)close(pace->fd);
    }
}
