/* SPDX-License-Identifier: Apache-2.0 */
/* A connection's output: what is copied and what is referred to, when it is full, what is left of
 * it after a short write; and the queue of a stream that feeds it. */
#include "wire/gather.h"

#include "support/check.h"
#include "support/failing_heap.h"
#include "wire/queue.h"

#include <string.h>

static struct pl_gather gather;

static int init_gather(void **state)
{
    (void)state;
    pl_gather_init(&gather);
    return 0;
}

static int clear_gather(void **state)
{
    (void)state;
    pl_gather_clear(&gather);
    return 0;
}

static struct pl_buf *filled(size_t len, uint8_t fill)
{
    struct pl_buf *buf = pl_buf_new(len);
    assert_non_null(buf);
    memset(buf->data, fill, len);
    buf->len = len;
    return buf;
}

static void test_small_pieces_become_one_slice(void **state)
{
    (void)state;
    struct pl_buf *small = filled(PL_GATHER_COPY_MAX, 's');
    assert_true(pl_gather_copy(&gather, "ab", 2));
    assert_true(pl_gather_copy(&gather, NULL, 0));
    assert_true(pl_gather_add(&gather, small, 1, small->len - 1));
    assert_true(pl_gather_copy(&gather, "cd", 2));
    pl_buf_unref(small);
    assert_int_equal(gather.slice_count, 1);
    assert_int_equal(gather.total_bytes, PL_GATHER_COPY_MAX + 3);
    assert_memory_equal(gather.slices[0].iov_base, "abss", 4);
}

static void test_large_pieces_are_referred_to(void **state)
{
    (void)state;
    failing_heap_start();
    struct pl_buf *large = filled(PL_GATHER_COPY_MAX + 11, 'l');
    assert_true(pl_gather_copy(&gather, "ab", 2));
    assert_true(pl_gather_add(&gather, large, 10, large->len - 10));
    assert_true(pl_gather_copy(&gather, "cd", 2));
    assert_int_equal(gather.slice_count, 3);
    assert_ptr_equal(gather.slices[1].iov_base, large->data + 10);
    pl_buf_unref(large);
    assert_int_equal(failing_heap_outstanding(), 1);
    pl_gather_clear(&gather);
    assert_int_equal(failing_heap_outstanding(), 0);
    failing_heap_stop();
    assert_int_equal(gather.total_bytes, 0);
}

static void test_full_block_and_full_table_refuse(void **state)
{
    (void)state;
    struct pl_buf *large = filled(PL_GATHER_COPY_MAX + 1, 'l');
    size_t added = 0;
    while (pl_gather_add(&gather, large, 0, large->len)) {
        added++;
    }
    assert_int_equal(added, PL_GATHER_SLICES);
    assert_false(pl_gather_copy(&gather, "x", 1));
    assert_false(pl_gather_has_room(&gather));
    assert_int_equal(gather.total_bytes, added * large->len);
    pl_gather_clear(&gather);
    struct pl_buf *small = filled(PL_GATHER_COPY_MAX, 's');
    while (pl_gather_add(&gather, small, 0, small->len)) {
    }
    assert_int_equal(gather.total_bytes, PL_GATHER_BLOCK);
    assert_int_equal(gather.slice_count, 1);
    pl_buf_unref(small);
    pl_buf_unref(large);
}

static void test_rest_after_any_short_write_is_what_was_not_sent(void **state)
{
    (void)state;
    struct pl_buf *large = filled(PL_GATHER_COPY_MAX + 1, 'l');
    assert_true(pl_gather_copy(&gather, "ab", 2));
    assert_true(pl_gather_add(&gather, large, 0, large->len));
    assert_true(pl_gather_copy(&gather, "cd", 2));
    struct pl_buf *whole = pl_gather_rest(&gather, 0);
    assert_int_equal(whole->len, gather.total_bytes);
    for (size_t sent = 1; sent <= whole->len; sent++) {
        struct pl_buf *rest = pl_gather_rest(&gather, sent);
        assert_int_equal(rest->len, whole->len - sent);
        assert_memory_equal(rest->data, whole->data + sent, rest->len);
        pl_buf_unref(rest);
    }
    struct pl_buf *none = pl_gather_rest(&gather, whole->len + 1);
    assert_int_equal(none->len, 0);
    pl_buf_unref(none);
    pl_buf_unref(whole);
    pl_buf_unref(large);
}

static void test_queue_gives_bytes_in_order_across_buffers(void **state)
{
    (void)state;
    static const size_t steps[] = {1, 7, 100, 1500, 4000};
    for (size_t s = 0; s < sizeof(steps) / sizeof(steps[0]); s++) {
        struct pl_queue queue;
        pl_queue_init(&queue);
        size_t total = 0;
        for (uint8_t i = 0; i < 20; i++) {
            struct pl_buf *buf = filled(2U + i * 100U, i);
            assert_int_equal(pl_queue_push(&queue, buf, i % 2), 0);
            total += buf->len - i % 2;
            pl_buf_unref(buf);
        }
        assert_int_equal(queue.bytes, total);
        uint8_t last = 0;
        while (queue.bytes > 0) {
            size_t take = steps[s] < queue.bytes ? steps[s] : queue.bytes;
            pl_gather_clear(&gather);
            assert_int_equal(pl_queue_move(&queue, &gather, take), 0);
            assert_int_equal(gather.total_bytes, take);
            struct pl_buf *moved = pl_gather_rest(&gather, 0);
            for (size_t i = 0; i < moved->len; i++) {
                assert_in_range(moved->data[i], last, last + 1); /* none is skipped */
                last = moved->data[i];
            }
            pl_buf_unref(moved);
        }
        assert_int_equal(queue.count, 0);
        assert_ptr_equal(queue.ring, queue.inline_ring); /* its memory is given back */
        assert_int_equal(pl_queue_move(&queue, &gather, 1), -1);
    }
}

static void test_queue_without_memory_keeps_what_it_has(void **state)
{
    (void)state;
    struct pl_queue queue;
    struct pl_buf *buf = filled(10, 'q');
    pl_queue_init(&queue);
    failing_heap_start();
    for (int i = 0; i < PL_QUEUE_INLINE; i++) {
        assert_int_equal(pl_queue_push(&queue, buf, 0), 0);
    }
    assert_int_equal(failing_heap_allocations(), 0);
    failing_heap_fail_nth(1);
    assert_int_equal(pl_queue_push(&queue, buf, 0), -1);
    assert_int_equal(queue.bytes, 10 * PL_QUEUE_INLINE);
    assert_int_equal(pl_queue_push(&queue, buf, 0), 0);
    pl_queue_clear(&queue);
    assert_int_equal(queue.bytes, 0);
    failing_heap_stop();
    assert_int_equal(buf->refs, 1);
    pl_buf_unref(buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_small_pieces_become_one_slice, init_gather,
                                        clear_gather),
        cmocka_unit_test_setup_teardown(test_large_pieces_are_referred_to, init_gather,
                                        clear_gather),
        cmocka_unit_test_setup_teardown(test_full_block_and_full_table_refuse, init_gather,
                                        clear_gather),
        cmocka_unit_test_setup_teardown(test_rest_after_any_short_write_is_what_was_not_sent,
                                        init_gather, clear_gather),
        cmocka_unit_test_setup_teardown(test_queue_gives_bytes_in_order_across_buffers, init_gather,
                                        clear_gather),
        cmocka_unit_test(test_queue_without_memory_keeps_what_it_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
