/* SPDX-License-Identifier: Apache-2.0 */
/* Where keys live. Data is stored by these answers: a test that fails here must not be changed. */
#include "shard/route.h"

#include "support/check.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *id;
    unsigned bucket;
    unsigned of_4;
    unsigned of_7;
} pinned[] = {
    {"a", 589, 0, 1},
    {"alice", 2285, 2, 3},
    {"bob", 1980, 1, 3},
    {"room-1", 3167, 3, 5},
    {"room-2", 2993, 2, 5},
    {"~:-._", 1727, 1, 2},
    {"0123456789012345678901234567890123456789012345678901234567890123", 3033, 2, 5},
};

static void test_keys_stay_where_they_are_for_ever(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(pinned) / sizeof(pinned[0]); i++) {
        size_t len = strlen(pinned[i].id);
        assert_int_equal(shard_bucket(pinned[i].id, len), pinned[i].bucket);
        assert_int_equal(shard_of(pinned[i].id, len, 1), 0);
        assert_int_equal(shard_of(pinned[i].id, len, 4), pinned[i].of_4);
        assert_int_equal(shard_of(pinned[i].id, len, 7), pinned[i].of_7);
    }
}

static void test_shards_hold_even_ranges_of_buckets(void **state)
{
    (void)state;
    for (unsigned shards = 1; shards <= SHARD_COUNT_MAX; shards++) {
        unsigned held[SHARD_COUNT_MAX] = {0};
        unsigned last = 0;
        for (unsigned bucket = 0; bucket < SHARD_BUCKETS; bucket++) {
            unsigned shard = shard_of_bucket(bucket, shards);
            assert_true(shard == last || shard == last + 1);
            last = shard;
            held[shard]++;
        }
        assert_int_equal(last, shards - 1);
        for (unsigned shard = 0; shard < shards; shard++) {
            unsigned even = SHARD_BUCKETS / shards;
            assert_true(held[shard] == even || held[shard] == even + 1);
        }
    }
}

static void test_ids_spread_over_the_buckets(void **state)
{
    enum {
        KEYS = 40960
    };
    unsigned held[8] = {0};
    (void)state;
    for (unsigned i = 0; i < KEYS; i++) {
        char id[16];
        int len = snprintf(id, sizeof(id), "user-%u", i);
        held[shard_of(id, (size_t)len, 8)]++;
    }
    for (unsigned shard = 0; shard < 8; shard++) {
        assert_in_range(held[shard], KEYS / 8 * 9 / 10, KEYS / 8 * 11 / 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_stay_where_they_are_for_ever),
        cmocka_unit_test(test_shards_hold_even_ranges_of_buckets),
        cmocka_unit_test(test_ids_spread_over_the_buckets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
