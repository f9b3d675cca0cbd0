/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting with a deadline; see wait.h. */
#include "support/wait.h"

#include "base/clock.h"
#include "support/check.h"

#include <time.h>

#define REST_NS 1000000

int64_t wait_deadline(int64_t timeout_ms)
{
    return pl_clock_monotonic_ms() + timeout_ms;
}

bool wait_turn(int64_t deadline_ms)
{
    if (pl_clock_monotonic_ms() >= deadline_ms) {
        return false;
    }
    struct timespec rest = {.tv_sec = 0, .tv_nsec = REST_NS};
    (void)nanosleep(&rest, NULL); /* cut short by a signal: the caller looks again */
    return true;
}

void wait_or_fail(int64_t deadline_ms, const char *condition, const char *file, int line)
{
    if (!wait_turn(deadline_ms)) {
        print_error("never came true: %s\n", condition);
        _fail(file, line);
    }
}
