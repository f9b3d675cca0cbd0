/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting with a deadline. */
#include "support/wait.h"

#include "base/clock.h"
#include "support/check.h"

#include <pthread.h>
#include <stdatomic.h>

static atomic_bool is_set;

static void *set_it(void *unused)
{
    (void)unused;
    atomic_store(&is_set, true);
    return NULL;
}

static void test_returns_when_another_thread_makes_it_true(void **state)
{
    (void)state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, set_it, NULL), 0);
    WAIT_FOR(atomic_load(&is_set));
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void test_gives_up_at_the_deadline_and_not_before(void **state)
{
    (void)state;
    int64_t start_ms = pl_clock_monotonic_ms();
    int64_t deadline_ms = wait_deadline(20);
    int turns = 0;
    while (wait_turn(deadline_ms)) {
        turns++;
    }
    assert_true(turns > 0);
    assert_true(pl_clock_monotonic_ms() - start_ms >= 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_returns_when_another_thread_makes_it_true),
        cmocka_unit_test(test_gives_up_at_the_deadline_and_not_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
