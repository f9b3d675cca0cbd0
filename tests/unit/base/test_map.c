/* SPDX-License-Identifier: Apache-2.0 */
/* The hash map against the simplest map there is, with thousands of keys and without memory. */
#include "base/map.h"

#include "support/check.h"
#include "support/failing_heap.h"

#include <stdio.h>
#include <stdlib.h>

#define KEYS 3000

static int values[KEYS];

static size_t make_key(int i, char key[16])
{
    return (size_t)snprintf(key, 16, "key-%d", i);
}

static void test_what_was_put_is_found_replaced_and_taken(void **state)
{
    (void)state;
    struct pl_map *map = pl_map_new();
    void *old = &values[9];
    assert_null(pl_map_find(map, "a", 1));
    assert_int_equal(pl_map_put(map, "a", 1, &values[1], &old), 0);
    assert_null(old);
    assert_ptr_equal(pl_map_find(map, "a", 1), &values[1]);
    assert_int_equal(pl_map_put(map, "a", 1, &values[2], &old), 0);
    assert_ptr_equal(old, &values[1]);
    assert_int_equal(pl_map_put(map, "a", 1, &values[3], NULL), 0);
    assert_int_equal(pl_map_count(map), 1);
    assert_ptr_equal(pl_map_take(map, "a", 1), &values[3]);
    assert_null(pl_map_take(map, "a", 1));
    assert_int_equal(pl_map_count(map), 0);
    pl_map_free(map, NULL);
    pl_map_free(NULL, NULL);
}

static void test_keys_are_bytes_and_copied(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        size_t len;
    } keys[] = {{"", 0}, {"\0", 1}, {"\0\0", 2}, {"a", 1}, {"a\0", 2}, {"A", 1}};
    struct pl_map *map = pl_map_new();
    for (size_t i = 0; i < 6; i++) {
        char copy[4] = {0};
        for (size_t k = 0; k < keys[i].len; k++) {
            copy[k] = keys[i].key[k];
        }
        assert_int_equal(pl_map_put(map, copy, keys[i].len, &values[i], NULL), 0);
    }
    assert_int_equal(pl_map_count(map), 6);
    for (size_t i = 0; i < 6; i++) {
        assert_ptr_equal(pl_map_find(map, keys[i].key, keys[i].len), &values[i]);
    }
    assert_ptr_equal(pl_map_find(map, NULL, 0), &values[0]);
    pl_map_free(map, NULL);
}

static void test_random_work_agrees_with_an_array(void **state)
{
    (void)state;
    struct pl_map *map = pl_map_new();
    int *expected[KEYS] = {0};
    size_t count = 0;
    unsigned seed = 1;
    for (int step = 0; step < 30000; step++) {
        seed = seed * 1103515245 + 12345;
        int i = (int)((seed >> 8) % KEYS);
        char key[16];
        size_t len = make_key(i, key);
        assert_ptr_equal(pl_map_find(map, key, len), expected[i]);
        if ((seed >> 28) % 3 == 0) {
            assert_ptr_equal(pl_map_take(map, key, len), expected[i]);
            count -= expected[i] != NULL;
            expected[i] = NULL;
        } else {
            void *old = NULL;
            assert_int_equal(pl_map_put(map, key, len, &values[step % KEYS], &old), 0);
            assert_ptr_equal(old, expected[i]);
            count += expected[i] == NULL;
            expected[i] = &values[step % KEYS];
        }
        assert_int_equal(pl_map_count(map), count);
    }
    pl_map_free(map, NULL);
}

static void test_iteration_meets_each_entry_once(void **state)
{
    (void)state;
    struct pl_map *map = pl_map_new();
    int met[KEYS] = {0};
    for (int i = 0; i < KEYS; i++) {
        char key[16];
        values[i] = i;
        assert_int_equal(pl_map_put(map, key, make_key(i, key), &values[i], NULL), 0);
    }
    size_t cursor = 0;
    const void *key = NULL;
    size_t len = 0;
    for (int *value; (value = pl_map_next(map, &cursor, &key, &len)) != NULL;) {
        char expected[16];
        assert_int_equal(len, make_key(*value, expected));
        assert_memory_equal(key, expected, len);
        met[*value]++;
    }
    for (int i = 0; i < KEYS; i++) {
        assert_int_equal(met[i], 1);
    }
    cursor = 0;
    assert_non_null(pl_map_next(map, &cursor, NULL, NULL));
    pl_map_free(map, NULL);
    map = pl_map_new();
    cursor = 0;
    assert_null(pl_map_next(map, &cursor, NULL, NULL));
    pl_map_free(map, NULL);
}

static int freed;

static void count_freed(void *value)
{
    (void)value;
    freed++;
}

static void test_free_hands_over_each_value_left(void **state)
{
    (void)state;
    struct pl_map *map = pl_map_new();
    freed = 0;
    assert_int_equal(pl_map_put(map, "a", 1, &values[0], NULL), 0);
    assert_int_equal(pl_map_put(map, "b", 1, &values[1], NULL), 0);
    assert_int_equal(pl_map_put(map, "a", 1, &values[2], NULL), 0);
    (void)pl_map_take(map, "b", 1);
    pl_map_free(map, count_freed);
    assert_int_equal(freed, 1);
}

static void test_failed_put_changes_nothing(void **state)
{
    (void)state;
    struct pl_map *map = pl_map_new();
    assert_int_equal(pl_map_put(map, "a", 1, &values[0], NULL), 0);
    failing_heap_start();
    failing_heap_fail_nth(1);
    assert_int_equal(pl_map_put(map, "b", 1, &values[1], NULL), -1);
    failing_heap_fail_nth(1);
    assert_int_equal(pl_map_put(map, "a", 1, &values[2], NULL), 0); /* replacing needs none */
    failing_heap_stop();
    assert_int_equal(pl_map_count(map), 1);
    assert_null(pl_map_find(map, "b", 1));
    assert_ptr_equal(pl_map_find(map, "a", 1), &values[2]);
    pl_map_free(map, NULL);
}

static bool fill_a_map(void *context)
{
    (void)context;
    struct pl_map *map = pl_map_new();
    bool is_done = map != NULL;
    for (int i = 0; i < 70 && map != NULL; i++) {
        char key[16];
        size_t len = make_key(i, key);
        bool is_put = pl_map_put(map, key, len, &values[i], NULL) == 0;
        /* What does not fit is not there; growing that fails loses nothing. */
        assert_ptr_equal(pl_map_find(map, key, len), is_put ? &values[i] : NULL);
        is_done = is_done && is_put;
    }
    pl_map_free(map, NULL);
    return is_done;
}

static void test_no_memory_loses_no_entry(void **state)
{
    (void)state;
    assert_true(failing_heap_sweep(fill_a_map, NULL) > 70);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_put_is_found_replaced_and_taken),
        cmocka_unit_test(test_keys_are_bytes_and_copied),
        cmocka_unit_test(test_random_work_agrees_with_an_array),
        cmocka_unit_test(test_iteration_meets_each_entry_once),
        cmocka_unit_test(test_free_hands_over_each_value_left),
        cmocka_unit_test(test_failed_put_changes_nothing),
        cmocka_unit_test(test_no_memory_loses_no_entry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
