/* SPDX-License-Identifier: Apache-2.0 */
/* The broker dies, hangs, or is too slow: it is said, nothing blocks, and all comes back. */
#include "driver.h"

#include "base/clock.h"
#include "support/broker.h"
#include "support/wait.h"

/* Putting a message before the bus is a matter of microseconds; this is what a busy machine may
 * add, and far less than any time-out of a broker's library. */
#define BLOCKED_MS 500

static void test_a_dead_broker_is_told_and_mended(void **state)
{
    struct ear a;
    struct ear b;
    (void)state;
    ear_init(&a, driver->open(NULL));
    ear_init(&b, driver->open(NULL));
    WAIT_FOR(bus_is_connected(a.bus));
    ear_listen(&b, "c1");
    driver->kill();
    WAIT_FOR(ear_read(&a, &a.downs) == 1 && ear_read(&b, &b.downs) == 1);
    assert_false(bus_is_connected(a.bus));
    assert_int_equal(ear_say(&a, "c1", 1, 0), -1);
    ear_subscribe(&b, "c2"); /* while it is away */
    driver->restart();
    WAIT_FOR(ear_read(&a, &a.ups) == 2 && ear_read(&b, &b.ups) == 2);
    WAIT_FOR(ear_read(&b, &b.gaps) >= 1);
    WAIT_FOR(ear_read(&a, &a.losses) >= 1);
    assert_int_equal(ear_say(&a, "c1", 2, 0), 0);
    assert_int_equal(ear_say(&a, "c2", 3, 0), 0);
    WAIT_FOR(ear_topic(&b, "c1").last == 2);
    WAIT_FOR(ear_topic(&b, "c2").last == 3);
    ear_deinit(&a);
    ear_deinit(&b);
}

static void test_it_starts_without_a_broker(void **state)
{
    struct ear a;
    struct ear b;
    (void)state;
    driver->kill();
    ear_init(&a, driver->open(NULL));
    ear_init(&b, driver->open(NULL));
    ear_subscribe(&b, "c1");
    assert_int_equal(ear_say(&a, "c1", 1, 0), -1);
    driver->restart();
    WAIT_FOR(bus_is_connected(a.bus) && ear_read(&b, &b.gaps) >= 1);
    assert_int_equal(ear_say(&a, "c1", 2, 0), 0);
    WAIT_FOR(ear_topic(&b, "c1").last == 2);
    ear_deinit(&a);
    ear_deinit(&b);
}

static void test_it_stops_without_a_broker(void **state)
{
    struct ear a;
    (void)state;
    ear_init(&a, driver->open(NULL));
    WAIT_FOR(bus_is_connected(a.bus));
    ear_listen(&a, "c1");
    driver->kill();
    ear_deinit(&a);
    driver->restart();
}

/* Whoever publishes faster than this node takes it in cannot keep it from stopping. */
static void test_it_stops_with_messages_left(void **state)
{
    enum {
        MESSAGES = 5000
    };
    struct ear a;
    struct ear b;
    (void)state;
    ear_init(&a, driver->open(NULL));
    ear_init(&b, driver->open(NULL));
    b.is_slow = true;
    WAIT_FOR(bus_is_connected(a.bus));
    ear_listen(&b, "c1");
    for (long i = 0; i < MESSAGES; i++) {
        assert_int_equal(ear_say(&a, "c1", i, 0), 0);
    }
    WAIT_FOR(ear_topic(&b, "c1").heard > 0);
    bus_stop(b.bus);
    assert_true(ear_topic(&b, "c1").heard < MESSAGES);
    ear_deinit(&a);
    ear_deinit(&b);
}

/* A broker that is stopped takes a socket's buffer full and then nothing. */
static void test_a_hanging_broker_blocks_nobody(void **state)
{
    struct ear a;
    int64_t longest_ms = 0;
    (void)state;
    ear_init(&a, driver->open(NULL));
    WAIT_FOR(bus_is_connected(a.bus));
    ear_listen(&a, "c1");
    broker_freeze(driver_broker());
    bool was_dropped = false;
    int64_t deadline_ms = wait_deadline(WAIT_MS);
    for (long i = 0; !was_dropped || bus_is_connected(a.bus); i++) {
        int64_t began_ms = pl_clock_monotonic_ms();
        was_dropped = ear_say(&a, "c1", i, 65536) != 0 || was_dropped;
        int64_t took_ms = pl_clock_monotonic_ms() - began_ms;
        longest_ms = took_ms > longest_ms ? took_ms : longest_ms;
        if (was_dropped) {
            wait_or_fail(deadline_ms, "the hanging broker is noticed", __FILE__, __LINE__);
        }
    }
    assert_true(longest_ms < BLOCKED_MS);
    broker_thaw(driver_broker());
    WAIT_FOR(ear_read(&a, &a.ups) >= 2);
    WAIT_FOR(ear_read(&a, &a.losses) >= 2);
    ear_deinit(&a);
}

int outages_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_dead_broker_is_told_and_mended),
        cmocka_unit_test(test_it_starts_without_a_broker),
        cmocka_unit_test(test_it_stops_without_a_broker),
        cmocka_unit_test(test_it_stops_with_messages_left),
        cmocka_unit_test(test_a_hanging_broker_blocks_nobody),
    };
    size_t without_process = 2; /* the last ones need one that queues and stops */
    return driver->is_real
               ? cmocka_run_group_tests_name("outages", tests, NULL, NULL)
               : _cmocka_run_group_tests("outages", tests,
                                         sizeof(tests) / sizeof(tests[0]) - without_process, NULL,
                                         NULL);
}
