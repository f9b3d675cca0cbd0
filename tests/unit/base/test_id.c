/* SPDX-License-Identifier: Apache-2.0 */
/* Identifiers: what is one, and that those we make are valid, new and in the order of time. */
#include "base/id.h"

#include "base/clock.h"
#include "support/check.h"
#include "support/wait.h"

#include <stdlib.h>
#include <string.h>

static void test_validity_follows_the_contract(void **state)
{
    (void)state;
    static const struct {
        const char *id;
        bool is_valid;
    } rows[] = {
        {"a", true},           {"AZaz09._~:-", true},  {"order:17/3", false},
        {"with space", false}, {"caf\xc3\xa9", false}, {"a\n", false},
        {"", false},           {"a+b", false},         {"a@b", false},
        {"[", false},          {"`", false},           {"{", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(pl_id_is_valid(rows[i].id, strlen(rows[i].id)), rows[i].is_valid);
    }
    assert_false(pl_id_is_valid("a\0b", 3));
}

static void test_length_is_1_to_64(void **state)
{
    (void)state;
    char id[PL_ID_MAX + 1];
    memset(id, 'x', sizeof(id));
    assert_false(pl_id_is_valid(id, 0));
    assert_true(pl_id_is_valid(id, 1));
    assert_true(pl_id_is_valid(id, PL_ID_MAX));
    assert_false(pl_id_is_valid(id, PL_ID_MAX + 1));
}

static int compare_ids(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void test_made_ids_are_valid_and_differ(void **state)
{
    (void)state;
    enum {
        COUNT = 5000
    };
    static char ids[COUNT][23];
    for (size_t i = 0; i < COUNT; i++) {
        memset(ids[i], 0x7f, sizeof(ids[i]));
        pl_id_make(ids[i]);
        assert_int_equal(strlen(ids[i]), 22);
        assert_true(pl_id_is_valid(ids[i], 22));
    }
    qsort(ids, COUNT, sizeof(ids[0]), compare_ids);
    for (size_t i = 1; i < COUNT; i++) {
        assert_string_not_equal(ids[i - 1], ids[i]);
    }
}

static void test_later_ids_sort_after_earlier_ones(void **state)
{
    (void)state;
    char last[23];
    pl_id_make(last);
    for (int i = 0; i < 5; i++) {
        int64_t now = pl_clock_wall_ms();
        WAIT_FOR(pl_clock_wall_ms() > now + 1);
        char id[23];
        pl_id_make(id);
        assert_true(strcmp(last, id) < 0);
        memcpy(last, id, sizeof(last));
    }
}

static void test_random_bytes_fill_all_that_was_asked_for(void **state)
{
    (void)state;
    static uint8_t bytes[100000];
    size_t counts[256] = {0};
    pl_random_bytes(bytes, sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++) {
        counts[bytes[i]]++;
    }
    for (size_t i = 0; i < 256; i++) {
        assert_in_range(counts[i], 200, 600); /* 390 +- 10 standard deviations */
    }
    pl_random_bytes(bytes, 0);
}

static void test_random_below_is_uniform_and_below(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(pl_random_below(1), 0);
    }
    int counts[3] = {0};
    for (int i = 0; i < 3000; i++) {
        uint64_t value = pl_random_below(3);
        assert_in_range(value, 0, 2);
        counts[value]++;
    }
    for (int i = 0; i < 3; i++) {
        assert_in_range(counts[i], 750, 1250);
    }
    /* A bound for which taking the remainder alone would favour the lower half two to one. */
    uint64_t bound = UINT64_MAX / 3 * 2;
    int low = 0;
    for (int i = 0; i < 2000; i++) {
        uint64_t value = pl_random_below(bound);
        assert_true(value < bound);
        low += value < bound / 2;
    }
    assert_in_range(low, 800, 1200);
}

static void fill_with_a(void *out, size_t len)
{
    memset(out, 'a', len);
}

static void test_random_bytes_can_come_from_elsewhere(void **state)
{
    (void)state;
    char bytes[8] = "";
    pl_random_set_hook(fill_with_a);
    pl_random_bytes(bytes, sizeof(bytes));
    uint64_t number = pl_random_below(1000);
    assert_int_equal(pl_random_below(1000), number);
    pl_random_set_hook(NULL);
    assert_memory_equal(bytes, "aaaaaaaa", sizeof(bytes));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_validity_follows_the_contract),
        cmocka_unit_test(test_length_is_1_to_64),
        cmocka_unit_test(test_made_ids_are_valid_and_differ),
        cmocka_unit_test(test_later_ids_sort_after_earlier_ones),
        cmocka_unit_test(test_random_bytes_fill_all_that_was_asked_for),
        cmocka_unit_test(test_random_below_is_uniform_and_below),
        cmocka_unit_test(test_random_bytes_can_come_from_elsewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
