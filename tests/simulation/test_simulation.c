/* SPDX-License-Identifier: Apache-2.0 */
/* Thousands of runs of the simulated cluster, each from a seed that is printed when it fails.
 * A seed that hangs, crashes or is stopped by a sanitizer is told too.
 * PARLEY_SEED=n replays one and prints its trace; PARLEY_SEEDS="first last" sets which are run. */
#include "play.h"

#include "support/check.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FIRST_DEFAULT 1
#define LAST_DEFAULT  200

/* Of the real clock; a seed takes some ten milliseconds, and a hundred times as long under a
 * sanitizer on a busy machine. */
#define SEED_SECONDS_MAX 120

static volatile uint64_t running_seed;

/* Of the sanitizers' runtime, if there is one. */
extern void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

/* May run in a signal handler: no stdio. */
static void tell_seed(void)
{
    char line[] = "replay with PARLEY_SEED=00000000000000000000\n";
    uint64_t rest = running_seed;
    for (size_t at = sizeof(line) - 3; rest > 0; at--) {
        line[at] = (char)('0' + rest % 10);
        rest /= 10;
    }
    (void)!write(STDERR_FILENO, line, sizeof(line) - 1);
}

static void on_signal(int number)
{
    tell_seed();
    _exit(128 + number);
}

static void watch_over_seeds(void)
{
    const struct sigaction action = {.sa_handler = on_signal};
    (void)sigaction(SIGALRM, &action, NULL);
    (void)sigaction(SIGABRT, &action, NULL);
    if (__sanitizer_set_death_callback != NULL) {
        __sanitizer_set_death_callback(tell_seed);
    } else {
        (void)sigaction(SIGSEGV, &action, NULL);
    }
}

static struct play_result run_seed(uint64_t seed, bool is_traced)
{
    running_seed = seed;
    watch_over_seeds(); /* cmocka has handlers of its own for each test */
    (void)alarm(SEED_SECONDS_MAX);
    struct play_result result = play_run(seed, is_traced);
    (void)alarm(0);
    return result;
}

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
        struct play_result result = run_seed(seed, getenv("PARLEY_SEED") != NULL);
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
        struct play_result first = run_seed(seed, false);
        struct play_result second = run_seed(seed, false);
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
