/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_STORE_CLOCK_H
#define PARLEY_TEST_STORE_CLOCK_H

/* The wall clock of this program, which a test may set: it stands in for clock_gettime at link
 * time. @thread any */

#include <stdint.h>

/* What the wall clock shows besides the true time; 0: nothing. */
void clock_shift_s(int64_t seconds);

#endif /* PARLEY_TEST_STORE_CLOCK_H */
