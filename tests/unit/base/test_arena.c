/* SPDX-License-Identifier: Apache-2.0 */
/* The arena: alignment, its cap, the inline block, and that nothing is left behind. */
#include "base/arena.h"

#include "support/check.h"
#include "support/failing_heap.h"

#include <string.h>

static void test_memory_is_aligned_and_does_not_overlap(void **state)
{
    (void)state;
    struct pl_arena arena;
    pl_arena_init(&arena, NULL, 0, 0);
    uint8_t *pieces[300];
    for (size_t i = 0; i < 300; i++) {
        pieces[i] = pl_arena_alloc(&arena, i);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % 8, 0);
        memset(pieces[i], (int)(i & 0xff), i);
    }
    for (size_t i = 0; i < 300; i++) {
        for (size_t k = 0; k < i; k++) {
            assert_int_equal(pieces[i][k], i & 0xff);
        }
    }
    pl_arena_deinit(&arena);
}

static void test_inline_block_is_used_first_and_needs_no_heap(void **state)
{
    (void)state;
    char room[256];
    struct pl_arena arena;
    failing_heap_start();
    /* From an odd address: what is handed out is aligned all the same. */
    pl_arena_init(&arena, room + 1, sizeof(room) - 1, 0);
    char *first = pl_arena_alloc(&arena, 100);
    assert_in_range(first, (uintptr_t)room, (uintptr_t)room + sizeof(room) - 100);
    assert_int_equal((uintptr_t)first % 8, 0);
    assert_int_equal(failing_heap_allocations(), 0);
    assert_non_null(pl_arena_alloc(&arena, 200));
    assert_int_equal(failing_heap_allocations(), 1);
    pl_arena_reset(&arena);
    assert_int_equal(failing_heap_outstanding(), 0);
    assert_ptr_equal(pl_arena_alloc(&arena, 8), first);
    pl_arena_deinit(&arena);
    failing_heap_stop();
}

static void test_inline_block_too_small_to_align_is_not_used(void **state)
{
    (void)state;
    uint64_t room[1];
    struct pl_arena arena;
    pl_arena_init(&arena, (char *)room + 1, 3, 0);
    void *memory = pl_arena_alloc(&arena, 1);
    assert_non_null(memory);
    assert_true((uintptr_t)memory < (uintptr_t)room || (uintptr_t)memory >= (uintptr_t)(room + 1));
    pl_arena_deinit(&arena);
}

static void test_cap_is_hard_and_reset_gives_it_back(void **state)
{
    (void)state;
    struct pl_arena arena;
    pl_arena_init(&arena, NULL, 0, 64);
    assert_non_null(pl_arena_alloc(&arena, 1)); /* takes 8 */
    assert_non_null(pl_arena_alloc(&arena, 48));
    assert_null(pl_arena_alloc(&arena, 9));
    assert_non_null(pl_arena_alloc(&arena, 8));
    assert_null(pl_arena_alloc(&arena, 1));
    assert_non_null(pl_arena_alloc(&arena, 0));
    pl_arena_reset(&arena);
    assert_non_null(pl_arena_alloc(&arena, 64));
    pl_arena_deinit(&arena);
}

static void test_sizes_that_overflow_are_refused(void **state)
{
    (void)state;
    struct pl_arena arena;
    pl_arena_init(&arena, NULL, 0, 0);
    assert_null(pl_arena_alloc(&arena, SIZE_MAX));
    assert_null(pl_arena_alloc(&arena, SIZE_MAX - 7));
    assert_null(pl_arena_alloc(&arena, SIZE_MAX / 2 + 1));
    assert_null(pl_arena_strndup(&arena, "x", SIZE_MAX));
    assert_null(pl_arena_calloc(&arena, SIZE_MAX));
    pl_arena_deinit(&arena);
}

static void test_zero_bytes_are_not_null(void **state)
{
    (void)state;
    struct pl_arena arena;
    pl_arena_init(&arena, NULL, 0, 0);
    assert_non_null(pl_arena_alloc(&arena, 0));
    assert_non_null(pl_arena_memdup(&arena, NULL, 0));
    assert_string_equal(pl_arena_strndup(&arena, NULL, 0), "");
    pl_arena_deinit(&arena);
}

static void test_copies_are_terminated_and_zeroed_memory_is_zero(void **state)
{
    (void)state;
    char room[128];
    memset(room, 0xff, sizeof(room));
    struct pl_arena arena;
    pl_arena_init(&arena, room, sizeof(room), 0);
    assert_string_equal(pl_arena_strdup(&arena, "hello"), "hello");
    assert_string_equal(pl_arena_strndup(&arena, "hello", 4), "hell");
    assert_memory_equal(pl_arena_memdup(&arena, "a\0b", 3), "a\0b", 3);
    static const char zeros[16];
    assert_memory_equal(pl_arena_calloc(&arena, 16), zeros, 16);
    pl_arena_deinit(&arena);
}

static void test_small_pieces_share_blocks(void **state)
{
    (void)state;
    struct pl_arena arena;
    failing_heap_start();
    pl_arena_init(&arena, NULL, 0, 0);
    for (int i = 0; i < 100000; i++) {
        assert_non_null(pl_arena_alloc(&arena, 16));
    }
    /* 1.6 MB in blocks of up to 64 KiB. */
    assert_in_range(failing_heap_allocations(), 1, 40);
    assert_non_null(pl_arena_alloc(&arena, 1000000));
    size_t blocks = failing_heap_allocations();
    /* A big piece has a block of its own; the one in use goes on. */
    assert_non_null(pl_arena_alloc(&arena, 16));
    assert_int_equal(failing_heap_allocations(), blocks);
    pl_arena_deinit(&arena);
    assert_int_equal(failing_heap_outstanding(), 0);
    failing_heap_stop();
}

static bool fill_an_arena(void *context)
{
    (void)context;
    struct pl_arena arena;
    pl_arena_init(&arena, NULL, 0, 0);
    bool is_done = true;
    for (size_t i = 0; i < 200; i++) {
        is_done = pl_arena_alloc(&arena, i * 10) != NULL && is_done;
    }
    pl_arena_deinit(&arena);
    return is_done;
}

static void test_no_memory_is_null_and_leaks_nothing(void **state)
{
    (void)state;
    assert_true(failing_heap_sweep(fill_an_arena, NULL) > 3);
}

static void test_a_wipe_leaves_nothing_of_what_was_written(void **state)
{
    (void)state;
    /* in the inline block, in blocks that are shared, in one of its own */
    static const size_t sizes[] = {100, 200, 1000, 1500, 5000, 100000};
    char room[256];
    struct pl_arena arena;
    char *pieces[PL_COUNT(sizes)];
    pl_arena_init(&arena, room, sizeof(room), 0);
    for (size_t i = 0; i < PL_COUNT(sizes); i++) {
        pieces[i] = pl_arena_alloc(&arena, sizes[i]);
        assert_non_null(pieces[i]);
        memset(pieces[i], 's', sizes[i]);
    }
    pl_arena_wipe(&arena);
    for (size_t i = 0; i < PL_COUNT(sizes); i++) {
        assert_null(memchr(pieces[i], 's', sizes[i]));
    }
    pl_arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_is_aligned_and_does_not_overlap),
        cmocka_unit_test(test_inline_block_is_used_first_and_needs_no_heap),
        cmocka_unit_test(test_inline_block_too_small_to_align_is_not_used),
        cmocka_unit_test(test_cap_is_hard_and_reset_gives_it_back),
        cmocka_unit_test(test_sizes_that_overflow_are_refused),
        cmocka_unit_test(test_zero_bytes_are_not_null),
        cmocka_unit_test(test_copies_are_terminated_and_zeroed_memory_is_zero),
        cmocka_unit_test(test_small_pieces_share_blocks),
        cmocka_unit_test(test_a_wipe_leaves_nothing_of_what_was_written),
        cmocka_unit_test(test_no_memory_is_null_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
