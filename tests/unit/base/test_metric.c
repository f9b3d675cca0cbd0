/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics: counting from many threads, buckets, and the list that a scrape walks. */
#include "base/metric.h"

#include "support/check.h"

#include <pthread.h>

static struct pl_metric metrics[] = {
    {.name = "test_total", .labels = "code=\"OK\"", .help = "h", .kind = PL_METRIC_COUNTER},
    {.name = "test_gauge", .kind = PL_METRIC_GAUGE},
    {.name = "test_seconds", .kind = PL_METRIC_HISTOGRAM},
};
static struct pl_metric late = {.name = "late_total", .kind = PL_METRIC_COUNTER};

struct scrape {
    int count;
    const char *names[8];
    struct pl_metric last[8];
    bool is_registering; /* register another one from within */
};

static void visit(void *context, const struct pl_metric *snapshot)
{
    struct scrape *scrape = context;
    if (scrape->count < 8) {
        scrape->names[scrape->count] = snapshot->name;
        scrape->last[scrape->count++] = *snapshot;
    }
    if (scrape->is_registering) {
        scrape->is_registering = false;
        pl_metric_register(&late, 1);
    }
}

static void test_scrape_visits_in_order_of_registration_and_once(void **state)
{
    (void)state;
    struct scrape scrape = {0};
    pl_metric_register(metrics, 3);
    pl_metric_register(metrics, 3); /* a second start in one process */
    pl_metric_each(visit, &scrape);
    assert_int_equal(scrape.count, 3);
    assert_string_equal(scrape.names[0], "test_total");
    assert_string_equal(scrape.names[1], "test_gauge");
    assert_string_equal(scrape.names[2], "test_seconds");
    assert_string_equal(scrape.last[0].labels, "code=\"OK\"");
}

static void test_visitor_may_register(void **state)
{
    (void)state;
    struct scrape scrape = {.is_registering = true};
    pl_metric_each(visit, &scrape);
    scrape = (struct scrape){0};
    pl_metric_each(visit, &scrape);
    assert_string_equal(scrape.names[scrape.count - 1], "late_total");
}

static void *count_to_10000(void *context)
{
    for (int i = 0; i < 10000; i++) {
        pl_metric_add(context, 1);
    }
    return NULL;
}

static void test_no_count_is_lost_between_threads(void **state)
{
    (void)state;
    struct pl_metric counter = {.kind = PL_METRIC_COUNTER};
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, count_to_10000, &counter), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(counter.value, 40000);
}

static void test_gauge_goes_up_down_and_to_a_value(void **state)
{
    (void)state;
    struct pl_metric gauge = {.kind = PL_METRIC_GAUGE};
    pl_metric_add(&gauge, 5);
    pl_metric_add(&gauge, -7);
    assert_int_equal(gauge.value, -2);
    pl_metric_set(&gauge, 11);
    assert_int_equal(gauge.value, 11);
}

static void test_observation_falls_into_the_bucket_of_its_bound(void **state)
{
    (void)state;
    static const struct {
        int64_t us;
        size_t bucket;
    } rows[] = {
        {-5, 0},
        {0, 0},
        {50, 0},
        {51, 1},
        {100, 1},
        {101, 2},
        {200, 2},
        {1000000, 15},
        {INT64_C(50) << 18, 18},
        {(INT64_C(50) << 18) + 1, 19},
        {INT64_MAX, 19},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct pl_metric histogram = {.kind = PL_METRIC_HISTOGRAM};
        pl_metric_observe_us(&histogram, rows[i].us);
        for (size_t k = 0; k < PL_METRIC_BUCKETS; k++) {
            assert_int_equal(histogram.buckets[k], k == rows[i].bucket);
        }
        assert_true(histogram.value == (rows[i].us < 0 ? 0 : rows[i].us));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scrape_visits_in_order_of_registration_and_once),
        cmocka_unit_test(test_visitor_may_register),
        cmocka_unit_test(test_no_count_is_lost_between_threads),
        cmocka_unit_test(test_gauge_goes_up_down_and_to_a_value),
        cmocka_unit_test(test_observation_falls_into_the_bucket_of_its_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
