/* SPDX-License-Identifier: Apache-2.0 */
/* Loop threads: they start, run what they are given on the right thread, and end. */
#include "core/loops.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct visit {
    struct pl_loop *loop;
    bool is_current;
    bool blocks_sigterm;
};

static void visit(struct pl_loop *loop, void *context)
{
    struct visit *seen = context;
    sigset_t mask;
    seen->loop = loop;
    seen->is_current = pl_loop_is_current(loop);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, NULL, &mask), 0);
    seen->blocks_sigterm = sigismember(&mask, SIGTERM) == 1;
}

static void test_calls_run_on_their_loop_with_signals_blocked(void **state)
{
    (void)state;
    struct loops *loops = NULL;
    assert_int_equal(loops_new(3, &loops, NULL), PARLEY_OK);
    assert_int_equal(loops_count(loops), 3);
    assert_int_equal(loops_start(loops, NULL), PARLEY_OK);
    for (unsigned i = 0; i < 3; i++) {
        struct visit seen = {.loop = NULL};
        loops_call(loops, i, visit, &seen);
        assert_ptr_equal(seen.loop, loops_get(loops, i));
        assert_true(seen.is_current);
        assert_true(seen.blocks_sigterm);
        assert_false(pl_loop_is_current(loops_get(loops, i)));
    }
    loops_stop(loops);
    loops_free(loops);
}

static void test_loops_that_never_started_can_be_freed(void **state)
{
    (void)state;
    struct loops *loops = NULL;
    assert_int_equal(loops_new(0, &loops, NULL), PARLEY_OK);
    assert_true(loops_count(loops) >= 1);
    loops_free(loops);
    loops_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls_run_on_their_loop_with_signals_blocked),
        cmocka_unit_test(test_loops_that_never_started_can_be_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
