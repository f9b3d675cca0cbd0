/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for a signal, and for not longer than was said. */
#include "base/cond.h"

#include "base/attr.h"
#include "base/clock.h"
#include "support/check.h"

#define MS INT64_C(1000000)

struct door {
    pthread_mutex_t mutex;
    pthread_cond_t opened;
    bool is_open;
};

static void init(struct door *door)
{
    *door = (struct door){.is_open = false};
    assert_int_equal(pthread_mutex_init(&door->mutex, NULL), 0);
    pl_cond_init(&door->opened);
}

static void deinit(struct door *door)
{
    assert_int_equal(pthread_cond_destroy(&door->opened), 0);
    assert_int_equal(pthread_mutex_destroy(&door->mutex), 0);
}

static bool wait_open(struct door *door, int64_t until_ns)
{
    bool is_time_left = true;
    (void)pthread_mutex_lock(&door->mutex);
    while (!door->is_open && is_time_left) {
        is_time_left = pl_cond_wait_until(&door->opened, &door->mutex, until_ns);
    }
    bool is_open = door->is_open;
    (void)pthread_mutex_unlock(&door->mutex);
    return is_open;
}

static void *open_door(void *argument)
{
    struct door *door = argument;
    (void)pthread_mutex_lock(&door->mutex);
    door->is_open = true;
    (void)pthread_cond_signal(&door->opened);
    (void)pthread_mutex_unlock(&door->mutex);
    return NULL;
}

static void test_who_waits_wakes_at_the_signal(void **state)
{
    (void)state;
    const int64_t ends_ns[] = {pl_clock_deadline_ns(20000), INT64_MAX};
    for (size_t i = 0; i < PL_COUNT(ends_ns); i++) {
        struct door door;
        pthread_t thread;
        init(&door);
        assert_int_equal(pthread_create(&thread, NULL, open_door, &door), 0);
        assert_true(wait_open(&door, ends_ns[i]));
        assert_int_equal(pthread_join(thread, NULL), 0);
        deinit(&door);
    }
}

static void test_who_is_not_signalled_waits_until_the_time_has_come(void **state)
{
    (void)state;
    struct door door;
    init(&door);
    int64_t until_ns = pl_clock_monotonic_ns() + 30 * MS;
    assert_false(wait_open(&door, until_ns));
    assert_true(pl_clock_monotonic_ns() >= until_ns);
    deinit(&door);
}

static void test_a_time_that_is_over_is_not_waited_for(void **state)
{
    (void)state;
    const int64_t ends_ns[] = {pl_clock_monotonic_ns() - 1, 0, -1, INT64_MIN};
    struct door door;
    init(&door);
    for (size_t i = 0; i < PL_COUNT(ends_ns); i++) {
        assert_false(wait_open(&door, ends_ns[i]));
    }
    deinit(&door);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_waits_wakes_at_the_signal),
        cmocka_unit_test(test_who_is_not_signalled_waits_until_the_time_has_come),
        cmocka_unit_test(test_a_time_that_is_over_is_not_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
