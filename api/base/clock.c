/* SPDX-License-Identifier: Apache-2.0 */
/* Two clocks; see clock.h. */
#include "base/clock.h"

#include <time.h>

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
    return read_ns(CLOCK_REALTIME) / 1000000;
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
    return hooks.monotonic_ns_fn() / 1000000;
}

int64_t pl_clock_wall_ms(void)
{
    return hooks.wall_ms_fn();
}
