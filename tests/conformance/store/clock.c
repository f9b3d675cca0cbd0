/* SPDX-License-Identifier: Apache-2.0 */
/* A wall clock that can be set; see clock.h. */
#include "clock.h"

#include <stdatomic.h>
#include <time.h>

int __real_clock_gettime(clockid_t id, struct timespec *out);
int __wrap_clock_gettime(clockid_t id, struct timespec *out);

static atomic_int_fast64_t shift_s;

void clock_shift_s(int64_t seconds)
{
    atomic_store(&shift_s, seconds);
}

int __wrap_clock_gettime(clockid_t id, struct timespec *out)
{
    int result = __real_clock_gettime(id, out);
    if (id == CLOCK_REALTIME) {
        out->tv_sec += (time_t)atomic_load(&shift_s);
    }
    return result;
}
