/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_BASE_COND_H
#define PARLEY_BASE_COND_H

/* Condition variables on the clock of pl_clock_monotonic_ns, which nobody sets back. Signalled and
 * destroyed by pthread's own functions. @thread any */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Cannot fail on Linux. */
void pl_cond_init(pthread_cond_t *cond);
/* Wait for a signal; may wake without one. @param until_ns  of the clock; INT64_MAX: no end.
 * @return false: that time has come. @lock mutex */
bool pl_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t until_ns);

#endif /* PARLEY_BASE_COND_H */
