/* SPDX-License-Identifier: Apache-2.0 */
/* Two clocks; see clock.h. */
#include "base/clock.h"

#include <time.h>

#define NS_PER_MS 1000000

static int64_t read_ns(clockid_t clock)
{
    struct timespec now = {0};
    (void)clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t system_monotonic_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

static int64_t system_wall_ms(void)
{
    return read_ns(CLOCK_REALTIME) / NS_PER_MS;
}

static const struct pl_clock_hooks system_hooks = {system_monotonic_ns, system_wall_ms};
static struct pl_clock_hooks hooks = {system_monotonic_ns, system_wall_ms};

void pl_clock_set_hooks(const struct pl_clock_hooks *replacement)
{
    hooks = replacement == NULL ? system_hooks : *replacement;
}

int64_t pl_clock_monotonic_ns(void)
{
    return hooks.monotonic_ns_fn();
}

int64_t pl_clock_monotonic_ms(void)
{
    return hooks.monotonic_ns_fn() / NS_PER_MS;
}

int64_t pl_clock_deadline_ns(int64_t timeout_ms)
{
    int64_t now_ns = pl_clock_monotonic_ns();
    if (timeout_ms <= 0) {
        return now_ns;
    }
    return timeout_ms < (INT64_MAX - now_ns) / NS_PER_MS ? now_ns + timeout_ms * NS_PER_MS
                                                         : INT64_MAX;
}

int64_t pl_clock_wall_ms(void)
{
    return hooks.wall_ms_fn();
}
