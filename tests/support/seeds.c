/* SPDX-License-Identifier: Apache-2.0 */
/* Plays that a seed decides; see seeds.h. */
#include "support/seeds.h"

#include "support/check.h"

#include <stdlib.h>

static uint64_t random_state;
static uint64_t running_seed; /* 0: none */

uint64_t roll(uint64_t bound)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % bound;
}

static uint64_t number_of(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

void seeds_run(uint64_t count, void (*play)(void))
{
    uint64_t only = number_of("PARLEY_SEED", 0);
    uint64_t last = only != 0 ? only : number_of("PARLEY_SEEDS", count);
    for (uint64_t seed = only != 0 ? only : 1; seed <= last; seed++) {
        running_seed = seed;
        random_state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
        play();
    }
    running_seed = 0;
}

int seeds_tell(void **state)
{
    (void)state;
    if (running_seed != 0) {
        print_message("replay with PARLEY_SEED=%llu\n", (unsigned long long)running_seed);
    }
    return 0;
}
