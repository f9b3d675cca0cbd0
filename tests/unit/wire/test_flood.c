/* SPDX-License-Identifier: Apache-2.0 */
/* How much useless work a peer may cause (K7): the bucket, and honest window updates. */
#include "wire/flood.h"

#include "support/check.h"
#include "support/wait.h"

static void test_k7_bucket_holds_ten_thousand_glitches(void **state)
{
    (void)state;
    struct pl_flood flood;
    pl_flood_init(&flood);
    for (int i = 0; i < 10000; i++) {
        assert_true(pl_flood_take(&flood, 1));
    }
    int more = 0;
    while (more < 5000 && pl_flood_take(&flood, 1)) {
        more++; /* what time refilled meanwhile */
    }
    assert_in_range(more, 0, 4999);
}

static void test_k7_time_refills_the_bucket(void **state)
{
    (void)state;
    struct pl_flood flood;
    pl_flood_init(&flood);
    assert_true(pl_flood_take(&flood, 1)); /* the clock starts at the first glitch */
    assert_false(pl_flood_take(&flood, UINT32_MAX));
    assert_int_equal(flood.tokens, 0);
    WAIT_FOR(pl_flood_take(&flood, 1));
}

static void test_k7_bucket_never_holds_more_than_at_first(void **state)
{
    (void)state;
    struct pl_flood flood;
    pl_flood_init(&flood);
    assert_true(pl_flood_take(&flood, 1));
    flood.refilled_ms -= 1000000000; /* as if that were long ago */
    assert_true(pl_flood_take(&flood, 1));
    assert_int_equal(flood.tokens, 9999);
}

static void test_k7_window_updates_for_what_was_sent_are_free(void **state)
{
    (void)state;
    struct pl_flood flood;
    pl_flood_init(&flood);
    flood.streams = 3;
    flood.data_frames = 5; /* 1 + 2 x (3 + 50) */
    for (int i = 0; i < 107; i++) {
        assert_true(pl_flood_count_window_update(&flood));
    }
    assert_int_equal(flood.tokens, 10000);
    assert_true(pl_flood_count_window_update(&flood));
    assert_int_equal(flood.tokens, 9999);
}

static void test_k6_the_third_early_ping_in_a_row_is_one_too_many(void **state)
{
    (void)state;
    struct pl_flood flood;
    pl_flood_init(&flood);
    for (int i = 0; i < 3; i++) {
        assert_true(pl_flood_count_ping(&flood, 10000)); /* the first is not early */
    }
    assert_false(pl_flood_count_ping(&flood, 10000));
}

static void test_k6_a_ping_in_time_is_forgiven_a_little(void **state)
{
    (void)state;
    struct pl_flood flood;
    pl_flood_init(&flood);
    for (int i = 0; i < 100; i++) {
        assert_true(pl_flood_count_ping(&flood, 10000));
        flood.ping_ms -= 9500;
    }
    for (int i = 0; i < 100; i++) {
        bool is_fine = pl_flood_count_ping(&flood, 10000);
        assert_int_equal(is_fine, i < 3);
        if (!is_fine) {
            return;
        }
        flood.ping_ms -= 8000;
    }
}

static void test_k6_pings_for_what_was_sent_are_free(void **state)
{
    (void)state;
    struct pl_flood flood;
    pl_flood_init(&flood);
    for (int i = 0; i < 20000; i++) {
        assert_true(pl_flood_count_ping(&flood, 10000));
        pl_flood_forgive_pings(&flood);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_k7_bucket_holds_ten_thousand_glitches),
        cmocka_unit_test(test_k7_time_refills_the_bucket),
        cmocka_unit_test(test_k7_bucket_never_holds_more_than_at_first),
        cmocka_unit_test(test_k7_window_updates_for_what_was_sent_are_free),
        cmocka_unit_test(test_k6_the_third_early_ping_in_a_row_is_one_too_many),
        cmocka_unit_test(test_k6_a_ping_in_time_is_forgiven_a_little),
        cmocka_unit_test(test_k6_pings_for_what_was_sent_are_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
