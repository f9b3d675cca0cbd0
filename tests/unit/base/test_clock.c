/* SPDX-License-Identifier: Apache-2.0 */
/* The two clocks agree with the system's. */
#include "base/clock.h"

#include "base/attr.h"
#include "support/check.h"

#include <time.h>

static void test_monotonic_clock_never_goes_back(void **state)
{
    (void)state;
    int64_t last = pl_clock_monotonic_ns();
    for (int i = 0; i < 10000; i++) {
        int64_t now = pl_clock_monotonic_ns();
        assert_true(now >= last);
        last = now;
    }
}

static void test_milliseconds_and_nanoseconds_are_one_clock(void **state)
{
    (void)state;
    int64_t before = pl_clock_monotonic_ns();
    int64_t ms = pl_clock_monotonic_ms();
    int64_t after = pl_clock_monotonic_ns();
    assert_true(ms >= before / 1000000 && ms <= after / 1000000);
}

static void test_wall_clock_counts_from_the_epoch(void **state)
{
    (void)state;
    struct timespec before;
    struct timespec after;
    (void)clock_gettime(CLOCK_REALTIME, &before);
    int64_t ms = pl_clock_wall_ms();
    (void)clock_gettime(CLOCK_REALTIME, &after);
    assert_true(ms >= (int64_t)before.tv_sec * 1000 + before.tv_nsec / 1000000);
    assert_true(ms <= (int64_t)after.tv_sec * 1000 + after.tv_nsec / 1000000);
}

static int64_t fixed_ns(void)
{
    return 5000000;
}

static int64_t fixed_ms(void)
{
    return 7;
}

static void test_clocks_can_be_replaced_and_restored(void **state)
{
    (void)state;
    const struct pl_clock_hooks hooks = {fixed_ns, fixed_ms};
    int64_t before = pl_clock_monotonic_ns();
    pl_clock_set_hooks(&hooks);
    assert_int_equal(pl_clock_monotonic_ns(), 5000000);
    assert_int_equal(pl_clock_monotonic_ms(), 5);
    assert_int_equal(pl_clock_wall_ms(), 7);
    pl_clock_set_hooks(NULL);
    assert_true(pl_clock_monotonic_ns() >= before);
}

static void test_deadlines_do_not_overflow(void **state)
{
    (void)state;
    static const struct {
        int64_t timeout_ms;
        int64_t deadline_ns;
    } rows[] = {
        {1, 6000000},
        {0, 5000000},
        {-1, 5000000},
        {INT64_MIN, 5000000},
        {INT64_MAX, INT64_MAX},
        {INT64_MAX / 1000000, INT64_MAX},
        {INT64_MAX / 1000000 - 6, (INT64_MAX / 1000000 - 1) * 1000000},
    };
    const struct pl_clock_hooks hooks = {fixed_ns, fixed_ms};
    pl_clock_set_hooks(&hooks);
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        assert_int_equal(pl_clock_deadline_ns(rows[i].timeout_ms), rows[i].deadline_ns);
    }
    pl_clock_set_hooks(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_monotonic_clock_never_goes_back),
        cmocka_unit_test(test_milliseconds_and_nanoseconds_are_one_clock),
        cmocka_unit_test(test_wall_clock_counts_from_the_epoch),
        cmocka_unit_test(test_clocks_can_be_replaced_and_restored),
        cmocka_unit_test(test_deadlines_do_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
