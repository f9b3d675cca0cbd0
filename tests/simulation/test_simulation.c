/* SPDX-License-Identifier: Apache-2.0 */
/* Thousands of runs of the simulated cluster, each from a seed that is printed when it fails.
 * PARLEY_SEED=n replays one and prints its trace; PARLEY_SEEDS="first last" sets which are run. */
#include "play.h"

#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>

#define FIRST_DEFAULT 1
#define LAST_DEFAULT  200

static uint64_t number_of(const char **text)
{
    char *end = NULL;
    uint64_t number = strtoull(*text, &end, 10);
    *text = end;
    return number;
}

static void test_nothing_is_lost_repeated_or_reordered(void **state)
{
    (void)state;
    const char *one = getenv("PARLEY_SEED");
    const char *range = getenv("PARLEY_SEEDS");
    uint64_t first = FIRST_DEFAULT;
    uint64_t last = LAST_DEFAULT;
    size_t events = 0;
    size_t failures = 0;
    if (one != NULL) {
        first = number_of(&one);
        last = first;
    } else if (range != NULL) {
        first = number_of(&range);
        last = number_of(&range);
    }
    for (uint64_t seed = first; seed <= last; seed++) {
        struct play_result result = play_run(seed, getenv("PARLEY_SEED") != NULL);
        events += result.events;
        if (result.findings > 0) {
            print_message("replay with PARLEY_SEED=%llu\n", (unsigned long long)seed);
            failures++;
        }
    }
    print_message("seeds %llu to %llu: %zu events stored, %zu seeds failed\n",
                  (unsigned long long)first, (unsigned long long)last, events, failures);
    assert_int_equal(failures, 0);
}

static void test_a_seed_replays_exactly(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct play_result first = play_run(seed, false);
        struct play_result second = play_run(seed, false);
        assert_true(first.digest == second.digest);
        assert_int_equal(first.events, second.events);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_seed_replays_exactly),
        cmocka_unit_test(test_nothing_is_lost_repeated_or_reordered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
