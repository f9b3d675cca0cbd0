/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a server may be asked, on a clock of the test's own. */
#include "cache/breaker.h"

#include "base/id.h"
#include "base/metric.h"
#include "support/check.h"

#include <stdio.h>
#include <string.h>

#define WINDOW 100
#define TTL    5000

static struct pl_metric gauge = {.name = "test", .kind = PL_METRIC_GAUGE};

static int setup(void **state)
{
    static struct cache_breaker breaker;
    *state = &breaker;
    return cache_breaker_init(&breaker, WINDOW, TTL, &gauge);
}

static int teardown(void **state)
{
    cache_breaker_deinit(*state);
    return 0;
}

static struct store_bytes id_of(const char *text)
{
    return (struct store_bytes){text, strlen(text)};
}

/* Pay all that is owed, as a prober does. Returns how many. */
static unsigned pay(struct cache_breaker *breaker)
{
    char id[PL_ID_MAX];
    size_t len = 0;
    unsigned count = 0;
    while (cache_breaker_next_debt(breaker, id, &len)) {
        count++;
    }
    return count;
}

static void test_one_failure_stops_all_for_a_window(void **state)
{
    struct cache_breaker *breaker = *state;
    assert_int_equal(cache_breaker_ask(breaker, 0), CACHE_GO);
    assert_true(cache_breaker_fail(breaker, 10, false, true));
    assert_int_equal(gauge.value, 1);
    assert_int_equal(cache_breaker_ask(breaker, 10), CACHE_STOP);
    assert_int_equal(cache_breaker_ask(breaker, 10 + WINDOW - 1), CACHE_STOP);
}

static void test_then_one_asks_and_the_others_wait(void **state)
{
    struct cache_breaker *breaker = *state;
    (void)cache_breaker_fail(breaker, 0, false, true);
    assert_int_equal(cache_breaker_ask(breaker, WINDOW), CACHE_PROBE);
    assert_int_equal(cache_breaker_ask(breaker, WINDOW + 1), CACHE_STOP);
    assert_false(cache_breaker_fail(breaker, WINDOW + 2, true, true));
    assert_int_equal(cache_breaker_ask(breaker, WINDOW + 3), CACHE_STOP);
    assert_int_equal(cache_breaker_ask(breaker, 2 * WINDOW + 2), CACHE_PROBE);
    assert_int_equal(pay(breaker), 0);
    assert_true(cache_breaker_is_closed(breaker));
    assert_int_equal(gauge.value, 0);
    assert_int_equal(cache_breaker_ask(breaker, 2 * WINDOW + 3), CACHE_GO);
}

/* They had asked before it opened: no new window begins with each of them. */
static void test_late_failures_do_not_prolong_a_window(void **state)
{
    struct cache_breaker *breaker = *state;
    (void)cache_breaker_fail(breaker, 0, false, true);
    assert_false(cache_breaker_fail(breaker, WINDOW - 1, false, true));
    assert_int_equal(cache_breaker_ask(breaker, WINDOW), CACHE_PROBE);
}

static void test_debts_are_paid_before_it_closes(void **state)
{
    struct cache_breaker *breaker = *state;
    (void)cache_breaker_fail(breaker, 0, false, true);
    assert_true(cache_breaker_owe(breaker, id_of("c1"), 1));
    assert_true(cache_breaker_owe(breaker, id_of("c2"), 2));
    assert_true(cache_breaker_owe(breaker, id_of("c1"), 3));
    assert_true(cache_breaker_owes(breaker));
    assert_int_equal(cache_breaker_ask(breaker, WINDOW), CACHE_PROBE);
    assert_int_equal(pay(breaker), 2);
    assert_false(cache_breaker_owes(breaker));
    assert_true(cache_breaker_is_closed(breaker));
    assert_false(cache_breaker_owe(breaker, id_of("c3"), WINDOW + 1)); /* delete it yourself */
}

static void test_a_debt_that_could_not_be_paid_stays(void **state)
{
    struct cache_breaker *breaker = *state;
    char id[PL_ID_MAX];
    size_t len = 0;
    (void)cache_breaker_fail(breaker, 0, false, true);
    assert_true(cache_breaker_owe(breaker, id_of("c1"), 1));
    assert_int_equal(cache_breaker_ask(breaker, WINDOW), CACHE_PROBE);
    assert_true(cache_breaker_next_debt(breaker, id, &len));
    cache_breaker_owe_again(breaker, id_of("c1"), WINDOW);
    (void)cache_breaker_fail(breaker, WINDOW, true, true);
    assert_int_equal(cache_breaker_ask(breaker, 2 * WINDOW), CACHE_PROBE);
    assert_int_equal(pay(breaker), 1);
}

static void test_too_many_debts_leave_it_alone_until_all_is_old(void **state)
{
    struct cache_breaker *breaker = *state;
    char name[16];
    (void)cache_breaker_fail(breaker, 0, false, true);
    for (int i = 0; i <= CACHE_DEBTS_MAX; i++) {
        (void)snprintf(name, sizeof(name), "c%d", i);
        assert_true(cache_breaker_owe(breaker, id_of(name), 50));
    }
    assert_int_equal(cache_breaker_ask(breaker, 50 + TTL - 1), CACHE_STOP);
    assert_true(cache_breaker_owe(breaker, id_of("one-more"), 1000));
    assert_int_equal(cache_breaker_ask(breaker, 1000 + TTL - 1), CACHE_STOP);
    assert_int_equal(cache_breaker_ask(breaker, 1000 + TTL), CACHE_PROBE);
}

/* While a prober pays, more comes than can be remembered: what it asked for is not to be used. */
static void test_a_prober_that_is_overtaken_does_not_close_it(void **state)
{
    struct cache_breaker *breaker = *state;
    char name[16];
    (void)cache_breaker_fail(breaker, 0, false, true);
    assert_int_equal(cache_breaker_ask(breaker, WINDOW), CACHE_PROBE);
    for (int i = 0; i <= CACHE_DEBTS_MAX; i++) {
        (void)snprintf(name, sizeof(name), "c%d", i);
        assert_true(cache_breaker_owe(breaker, id_of(name), WINDOW));
    }
    (void)pay(breaker);
    assert_false(cache_breaker_is_closed(breaker));
    assert_int_equal(cache_breaker_ask(breaker, WINDOW + TTL - 1), CACHE_STOP);
}

static void test_deletes_are_tried_where_failing_is_quick(void **state)
{
    struct cache_breaker *breaker = *state;
    (void)cache_breaker_fail(breaker, 0, false, false);
    assert_int_equal(cache_breaker_ask(breaker, 1), CACHE_STOP);
    assert_int_equal(cache_breaker_ask_delete(breaker, 1), CACHE_GO);
    assert_false(cache_breaker_fail(breaker, 2, false, true)); /* it stands still by now */
    assert_int_equal(cache_breaker_ask_delete(breaker, 3), CACHE_STOP);
}

#define BREAKER_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BREAKER_TEST(test_one_failure_stops_all_for_a_window),
        BREAKER_TEST(test_then_one_asks_and_the_others_wait),
        BREAKER_TEST(test_late_failures_do_not_prolong_a_window),
        BREAKER_TEST(test_debts_are_paid_before_it_closes),
        BREAKER_TEST(test_a_debt_that_could_not_be_paid_stays),
        BREAKER_TEST(test_too_many_debts_leave_it_alone_until_all_is_old),
        BREAKER_TEST(test_a_prober_that_is_overtaken_does_not_close_it),
        BREAKER_TEST(test_deletes_are_tried_where_failing_is_quick),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
