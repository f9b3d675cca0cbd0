/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_SUPPORT_WAIT_H
#define PARLEY_TEST_SUPPORT_WAIT_H

/* Wait for something that another thread or process does, with a deadline instead of a sleep: a
 * test is as fast as the machine and fails, with the condition's words, when it never comes true.
 */

#include <stdbool.h>
#include <stdint.h>

/* Long enough for a sanitizer on a busy machine; only a failing test ever waits for it. */
#define WAIT_MS 20000

/* Read `condition` until it is true; fail the test after WAIT_MS. What it reads must be safe to
 * read while others write it (atomic, or a function that locks). On the test's own thread. */
#define WAIT_FOR(condition)                                                                        \
    do {                                                                                           \
        const int64_t wait_deadline_ms = wait_deadline(WAIT_MS);                                   \
        while (!(condition)) {                                                                     \
            wait_or_fail(wait_deadline_ms, #condition, __FILE__, __LINE__);                        \
        }                                                                                          \
    } while (0)

/* The time on the monotonic clock that is `timeout_ms` from now. @thread any */
int64_t wait_deadline(int64_t timeout_ms);
/* Rest for a moment between two looks. Returns false once the deadline is over. @thread any */
bool wait_turn(int64_t deadline_ms);
/* wait_turn, and fail the test with these words once the deadline is over. */
void wait_or_fail(int64_t deadline_ms, const char *condition, const char *file, int line);

#endif /* PARLEY_TEST_SUPPORT_WAIT_H */
