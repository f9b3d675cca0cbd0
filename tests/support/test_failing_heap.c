/* SPDX-License-Identifier: Apache-2.0 */
/* The heap that fails on demand: it must see the mistakes that sweeps are there to find. */
#include "support/failing_heap.h"

#include "base/mem.h"
#include "support/check.h"

static void test_fails_only_the_chosen_allocation(void **state)
{
    (void)state;
    failing_heap_start();
    failing_heap_fail_nth(2);
    void *first = pl_malloc(8);
    void *second = pl_calloc(1, 8);
    void *third = pl_realloc(NULL, 8);
    failing_heap_stop();
    assert_non_null(first);
    assert_null(second);
    assert_non_null(third);
    assert_int_equal(failing_heap_allocations(), 3);
    assert_int_equal(failing_heap_failures(), 1);
    pl_free(first);
    pl_free(third);
}

static void test_fails_all_allocations_from_the_chosen_one(void **state)
{
    (void)state;
    failing_heap_start();
    failing_heap_fail_from(2);
    void *first = pl_malloc(8);
    void *second = pl_malloc(8);
    void *third = pl_realloc(first, 16);
    failing_heap_stop();
    assert_non_null(first);
    assert_null(second);
    assert_null(third);
    pl_free(first);
}

static void test_counts_blocks_that_were_not_freed(void **state)
{
    (void)state;
    failing_heap_start();
    void *block = pl_malloc(8);
    block = pl_realloc(block, 64);
    pl_free(NULL);
    assert_int_equal(failing_heap_outstanding(), 1);
    pl_free(block);
    assert_int_equal(failing_heap_outstanding(), 0);
    failing_heap_stop();
}

static bool take_two(void *context)
{
    (void)context;
    void *first = pl_malloc(8);
    void *second = first == NULL ? NULL : pl_malloc(8);
    bool is_done = second != NULL;
    pl_free(second);
    pl_free(first);
    return is_done;
}

static void test_sweep_fails_each_allocation_of_a_correct_job(void **state)
{
    (void)state;
    assert_int_equal(failing_heap_sweep(take_two, NULL), 2);
}

/* Forgets its first block when the second cannot be had; the test frees it. */
static bool forget_the_first(void *context)
{
    void **forgotten = context;
    void *first = pl_malloc(8);
    void *second = first == NULL ? NULL : pl_malloc(8);
    if (second == NULL) {
        if (first != NULL) {
            pl_mem_set_hooks(NULL);
            pl_free(*forgotten);
            *forgotten = first;
        }
        return false;
    }
    pl_free(second);
    pl_free(first);
    return true;
}

static void test_explore_finds_a_leak_on_the_error_path(void **state)
{
    (void)state;
    void *forgotten = NULL;
    struct failing_heap_report report = failing_heap_explore(forget_the_first, &forgotten);
    assert_int_equal(report.leaked_at, 2);
    pl_free(forgotten);
}

static bool never_succeed(void *context)
{
    (void)take_two(context);
    return false;
}

static void test_explore_tells_a_job_that_fails_without_a_reason(void **state)
{
    (void)state;
    assert_false(failing_heap_explore(never_succeed, NULL).is_complete);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fails_only_the_chosen_allocation),
        cmocka_unit_test(test_fails_all_allocations_from_the_chosen_one),
        cmocka_unit_test(test_counts_blocks_that_were_not_freed),
        cmocka_unit_test(test_sweep_fails_each_allocation_of_a_correct_job),
        cmocka_unit_test(test_explore_finds_a_leak_on_the_error_path),
        cmocka_unit_test(test_explore_tells_a_job_that_fails_without_a_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
