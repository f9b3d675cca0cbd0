/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_BASE_CLOCK_H
#define PARLEY_BASE_CLOCK_H

/* Two clocks. @thread any */

#include <stdint.h>

/* Monotonic, for durations and deadlines; starts anywhere. */
int64_t pl_clock_monotonic_ns(void);
int64_t pl_clock_monotonic_ms(void);
/* The monotonic time that is timeout_ms from now: now if that is negative, INT64_MAX if it is more
 * than the clock can count. */
int64_t pl_clock_deadline_ns(int64_t timeout_ms);
/* Wall clock: milliseconds since the Unix epoch; may jump. */
int64_t pl_clock_wall_ms(void);

/* Put other clocks in their place, for tests on virtual time. NULL restores the system's.
 * @thread start */
struct pl_clock_hooks {
    int64_t (*monotonic_ns_fn)(void);
    int64_t (*wall_ms_fn)(void);
};
void pl_clock_set_hooks(const struct pl_clock_hooks *replacement);

#endif /* PARLEY_BASE_CLOCK_H */
