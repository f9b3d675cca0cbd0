/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_SIM_PLAY_H
#define PARLEY_TEST_SIM_PLAY_H

/* One run of the simulation, all of it from a seed: some nodes, some users, some seconds of virtual
 * time in which everything breaks that may break, then quiet, then the checker's verdict. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct play_result {
    size_t findings; /* of the checker; each was printed */
    uint64_t digest; /* of all that happened */
    size_t events;   /* stored */
    int64_t virtual_ms;
};

struct play_result play_run(uint64_t seed, bool is_traced);

#endif /* PARLEY_TEST_SIM_PLAY_H */
