/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_BASE_CLOCK_H
#define PARLEY_BASE_CLOCK_H

/* Two clocks. @thread any */

#include <stdint.h>

/* Monotonic, for durations and deadlines; starts anywhere. */
int64_t pl_clock_monotonic_ns(void);
int64_t pl_clock_monotonic_ms(void);
/* Wall clock: milliseconds since the Unix epoch; may jump. */
int64_t pl_clock_wall_ms(void);

#endif /* PARLEY_BASE_CLOCK_H */
