/* SPDX-License-Identifier: Apache-2.0 */
/* Refcounted bytes: who holds them last frees them, and appending grows without losing any. */
#include "base/buf.h"

#include "support/check.h"
#include "support/failing_heap.h"

#include <pthread.h>
#include <string.h>

static void test_new_buffer_is_empty_with_room(void **state)
{
    (void)state;
    struct pl_buf *buf = pl_buf_new(10);
    assert_int_equal(buf->len, 0);
    assert_int_equal(buf->capacity, 10);
    memset(buf->data, 'x', 10);
    pl_buf_unref(buf);
    buf = pl_buf_new(0);
    assert_non_null(buf);
    pl_buf_unref(buf);
    pl_buf_unref(NULL);
}

static void test_copy_holds_the_bytes(void **state)
{
    (void)state;
    struct pl_buf *buf = pl_buf_copy("a\0b", 3);
    assert_int_equal(buf->len, 3);
    assert_memory_equal(buf->data, "a\0b", 3);
    pl_buf_unref(buf);
    buf = pl_buf_copy(NULL, 0);
    assert_int_equal(buf->len, 0);
    pl_buf_unref(buf);
}

static void test_last_reference_frees(void **state)
{
    (void)state;
    failing_heap_start();
    struct pl_buf *buf = pl_buf_copy("abc", 3);
    assert_ptr_equal(pl_buf_ref(buf), buf);
    pl_buf_unref(buf);
    assert_int_equal(failing_heap_outstanding(), 1);
    pl_buf_unref(buf);
    assert_int_equal(failing_heap_outstanding(), 0);
    failing_heap_stop();
}

static void test_impossible_sizes_are_refused(void **state)
{
    (void)state;
    assert_null(pl_buf_new(SIZE_MAX));
    assert_null(pl_buf_new(SIZE_MAX - sizeof(struct pl_buf) + 1));
    struct pl_buf *buf = NULL;
    assert_int_equal(pl_buf_append(&buf, "x", SIZE_MAX / 2), -1);
    assert_null(buf);
}

static void test_append_keeps_all_bytes_in_order(void **state)
{
    (void)state;
    struct pl_buf *buf = NULL;
    failing_heap_start();
    for (unsigned i = 0; i < 100000; i++) {
        uint8_t byte = (uint8_t)(i * 7);
        assert_int_equal(pl_buf_append(&buf, &byte, 1), 0);
    }
    assert_in_range(failing_heap_allocations(), 1, 20); /* geometric */
    assert_int_equal(buf->len, 100000);
    for (unsigned i = 0; i < 100000; i++) {
        assert_int_equal(buf->data[i], (uint8_t)(i * 7));
    }
    assert_in_range(buf->capacity, 100000, 200000);
    assert_int_equal(pl_buf_append(&buf, NULL, 0), 0);
    assert_int_equal(buf->len, 100000);
    pl_buf_unref(buf);
    assert_int_equal(failing_heap_outstanding(), 0);
    failing_heap_stop();
}

static void test_failed_append_leaves_the_buffer_as_it_was(void **state)
{
    (void)state;
    struct pl_buf *buf = pl_buf_copy("abc", 3);
    struct pl_buf *before = buf;
    failing_heap_start();
    failing_heap_fail_nth(1);
    assert_int_equal(pl_buf_append(&buf, "defghijklm", 10), -1);
    failing_heap_stop();
    assert_ptr_equal(buf, before);
    assert_int_equal(buf->len, 3);
    assert_memory_equal(buf->data, "abc", 3);
    pl_buf_unref(buf);
}

static bool make_some(void *context)
{
    (void)context;
    struct pl_buf *made = pl_buf_new(10);
    struct pl_buf *copied = pl_buf_copy("abc", 3);
    struct pl_buf *grown = NULL;
    bool is_done = made != NULL && copied != NULL && pl_buf_append(&grown, "abc", 3) == 0 &&
                   pl_buf_append(&grown, made->data, 0) == 0;
    pl_buf_unref(made);
    pl_buf_unref(copied);
    pl_buf_unref(grown);
    return is_done;
}

static void test_no_memory_leaks_nothing(void **state)
{
    (void)state;
    (void)failing_heap_sweep(make_some, NULL);
}

static void *ref_and_unref(void *context)
{
    struct pl_buf *buf = context;
    for (int i = 0; i < 20000; i++) {
        pl_buf_unref(pl_buf_ref(buf));
    }
    pl_buf_unref(buf);
    return NULL;
}

static void test_references_are_counted_across_threads(void **state)
{
    (void)state;
    pthread_t threads[4];
    failing_heap_start();
    struct pl_buf *buf = pl_buf_copy("shared", 6);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, ref_and_unref, pl_buf_ref(buf)), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_memory_equal(buf->data, "shared", 6);
    assert_int_equal(failing_heap_outstanding(), 1);
    pl_buf_unref(buf);
    assert_int_equal(failing_heap_outstanding(), 0);
    failing_heap_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_buffer_is_empty_with_room),
        cmocka_unit_test(test_copy_holds_the_bytes),
        cmocka_unit_test(test_last_reference_frees),
        cmocka_unit_test(test_impossible_sizes_are_refused),
        cmocka_unit_test(test_append_keeps_all_bytes_in_order),
        cmocka_unit_test(test_failed_append_leaves_the_buffer_as_it_was),
        cmocka_unit_test(test_no_memory_leaks_nothing),
        cmocka_unit_test(test_references_are_counted_across_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
