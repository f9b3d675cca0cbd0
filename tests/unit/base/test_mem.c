/* SPDX-License-Identifier: Apache-2.0 */
/* The door to the heap: edges of size, hooks, and what has no choice but to abort. */
#include "base/mem.h"

#include "support/check.h"
#include "support/failing_heap.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_zero_bytes_are_memory_too(void **state)
{
    (void)state;
    void *pieces[] = {pl_malloc(0), pl_calloc(0, 8), pl_calloc(8, 0), pl_realloc(NULL, 0)};
    for (size_t i = 0; i < 4; i++) {
        assert_non_null(pieces[i]);
        pl_free(pieces[i]);
    }
    pl_free(NULL);
}

static void test_calloc_zeroes(void **state)
{
    (void)state;
    static const char zeros[64];
    char *memory = pl_calloc(8, 8);
    assert_memory_equal(memory, zeros, 64);
    pl_free(memory);
}

static void test_strings_are_copied_and_terminated(void **state)
{
    (void)state;
    char *copies[] = {pl_strdup("hello"), pl_strndup("hello", 2), pl_strndup("", 0),
                      pl_xstrdup("x")};
    assert_string_equal(copies[0], "hello");
    assert_string_equal(copies[1], "he");
    assert_string_equal(copies[2], "");
    assert_string_equal(copies[3], "x");
    for (size_t i = 0; i < 4; i++) {
        pl_free(copies[i]);
    }
    assert_null(pl_strndup("x", SIZE_MAX));
}

static void test_everything_passes_through_the_hooks(void **state)
{
    (void)state;
    failing_heap_start();
    void *pieces[] = {pl_malloc(1),       pl_calloc(1, 1), pl_realloc(NULL, 1), pl_strdup("a"),
                      pl_strndup("a", 1), pl_xmalloc(1),   pl_xcalloc(1, 1),    pl_xstrdup("a")};
    assert_int_equal(failing_heap_allocations(), 8);
    for (size_t i = 0; i < 8; i++) {
        pl_free(pieces[i]);
    }
    assert_int_equal(failing_heap_outstanding(), 0);
    failing_heap_stop();
    pl_free(pl_malloc(1));
    assert_int_equal(failing_heap_allocations(), 8);
}

/* Runs in a child: is SIGABRT what it dies of? */
static bool dies_without_memory(void (*job)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(STDERR_FILENO);
        failing_heap_start();
        failing_heap_fail_from(1);
        job();
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void x_malloc(void)
{
    pl_free(pl_xmalloc(8));
}

static void x_calloc(void)
{
    pl_free(pl_xcalloc(1, 8));
}

static void x_strdup(void)
{
    pl_free(pl_xstrdup("abc"));
}

static void just_malloc(void)
{
    pl_free(pl_malloc(8));
}

static void test_start_up_allocations_abort_without_memory(void **state)
{
    (void)state;
    assert_true(dies_without_memory(x_malloc));
    assert_true(dies_without_memory(x_calloc));
    assert_true(dies_without_memory(x_strdup));
    assert_false(dies_without_memory(just_malloc));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zero_bytes_are_memory_too),
        cmocka_unit_test(test_calloc_zeroes),
        cmocka_unit_test(test_strings_are_copied_and_terminated),
        cmocka_unit_test(test_everything_passes_through_the_hooks),
        cmocka_unit_test(test_start_up_allocations_abort_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
