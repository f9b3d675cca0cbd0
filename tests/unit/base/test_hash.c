/* SPDX-License-Identifier: Apache-2.0 */
/* Both hashes against values that another program computed (CPython 3.11's hash() with a zero key
 * is SipHash-1-3), and the promise that the stable one never changes. */
#include "base/hash.h"

#include "support/check.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *text;
    uint64_t hash;
} SIPHASH[] = {
    {"a", 0x407448d2b89b1813U},
    {"parley!", 0x427af61efbdc35ffU},
    {"12345678", 0x3489982430560a87U},
    {"123456789", 0x0fbc0f0007965fcfU},
    {"a conversation id", 0xfbc8bafb61ace4eeU},
};

static const struct {
    const char *text;
    size_t len;
    uint64_t hash;
} STABLE[] = {
    {"", 0, 0xecba3df2c3383c52U},        {"a", 1, 0xed8170de1919a24dU},
    {"order-1", 7, 0xc0ca8af9dc7a7e46U}, {"general", 7, 0x93cce0df61e343afU},
    {"\0", 1, 0x9091d60726574ae6U},
};

static void test_siphash_agrees_with_another_implementation(void **state)
{
    (void)state;
    static const uint64_t key[2];
    for (size_t i = 0; i < sizeof(SIPHASH) / sizeof(SIPHASH[0]); i++) {
        assert_true(pl_hash_siphash(key, SIPHASH[i].text, strlen(SIPHASH[i].text)) ==
                    SIPHASH[i].hash);
    }
}

static void test_siphash_depends_on_both_halves_of_the_key(void **state)
{
    (void)state;
    static const uint64_t keys[3][2] = {{0, 0}, {1, 0}, {0, 1}};
    assert_true(pl_hash_siphash(keys[0], "a", 1) != pl_hash_siphash(keys[1], "a", 1));
    assert_true(pl_hash_siphash(keys[0], "a", 1) != pl_hash_siphash(keys[2], "a", 1));
    assert_true(pl_hash_siphash(keys[1], "a", 1) != pl_hash_siphash(keys[2], "a", 1));
}

static void test_stable_hash_is_what_it_always_was(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(STABLE) / sizeof(STABLE[0]); i++) {
        assert_true(pl_hash_stable(STABLE[i].text, STABLE[i].len) == STABLE[i].hash);
    }
    assert_true(pl_hash_stable(NULL, 0) == STABLE[0].hash);
}

static void test_stable_hash_spreads_numbered_names_over_buckets(void **state)
{
    (void)state;
    enum {
        BUCKETS = 64,
        NAMES = 6400
    };
    int counts[BUCKETS] = {0};
    for (int i = 0; i < NAMES; i++) {
        char name[24];
        int len = snprintf(name, sizeof(name), "conversation-%d", i);
        counts[pl_hash_stable(name, (size_t)len) % BUCKETS]++;
    }
    for (int i = 0; i < BUCKETS; i++) {
        assert_in_range(counts[i], 50, 150); /* 100 +- 5 standard deviations */
    }
}

static void test_keyed_hash_is_one_function_within_a_process(void **state)
{
    (void)state;
    static const uint64_t zero[2];
    uint64_t hash = pl_hash_keyed("key", 3);
    assert_true(hash == pl_hash_keyed("key", 3));
    assert_true(hash != pl_hash_keyed("kex", 3));
    assert_true(hash != pl_hash_siphash(zero, "key", 3)); /* the key is not a constant */
    (void)pl_hash_keyed(NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_siphash_agrees_with_another_implementation),
        cmocka_unit_test(test_siphash_depends_on_both_halves_of_the_key),
        cmocka_unit_test(test_stable_hash_is_what_it_always_was),
        cmocka_unit_test(test_stable_hash_spreads_numbered_names_over_buckets),
        cmocka_unit_test(test_keyed_hash_is_one_function_within_a_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
