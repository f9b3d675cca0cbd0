/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_SUPPORT_SEEDS_H
#define PARLEY_TEST_SUPPORT_SEEDS_H

/* Plays that a seed decides: run many of them, and say which one failed. */

#include <stdint.h>

/* A random number below `bound`, decided by the seed that runs. */
uint64_t roll(uint64_t bound);
/* Run the play for the seeds 1 to `count`; PARLEY_SEED runs one, PARLEY_SEEDS another number. */
void seeds_run(uint64_t count, void (*play)(void));
/* A teardown that says how to replay what failed. */
int seeds_tell(void **state);

#endif /* PARLEY_TEST_SUPPORT_SEEDS_H */
