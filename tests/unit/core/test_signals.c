/* SPDX-License-Identifier: Apache-2.0 */
/* Signals arrive on the loop, also those that came before anybody listened. */
#include "core/signals.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

struct world {
    struct pl_loop *loop;
    struct signals *signals;
    int numbers[4];
    int count;
    int wanted;
};

static void on_signal(void *context, int number)
{
    struct world *world = context;
    assert_true(pl_loop_is_current(world->loop));
    world->numbers[world->count++] = number;
    if (world->count == world->wanted) {
        signals_close(world->signals);
        pl_loop_stop(world->loop);
    }
}

static void test_signals_come_as_events_also_early_ones(void **state)
{
    (void)state;
    struct world world = {.wanted = 2};
    signals_block();
    assert_int_equal(kill(getpid(), SIGHUP), 0); /* blocked: waits */
    assert_int_equal(pl_loop_new(&world.loop, NULL), PARLEY_OK);
    assert_int_equal(signals_open(world.loop, on_signal, &world, &world.signals, NULL), PARLEY_OK);
    assert_int_equal(kill(getpid(), SIGTERM), 0);
    pl_loop_run(world.loop);
    assert_int_equal(world.count, 2);
    assert_int_equal(world.numbers[0], SIGHUP);
    assert_int_equal(world.numbers[1], SIGTERM);
    pl_loop_free(world.loop);
}

static void test_a_broken_pipe_is_no_signal(void **state)
{
    (void)state;
    int fds[2];
    signals_block();
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(close(fds[0]), 0);
    assert_int_equal(write(fds[1], "x", 1), -1); /* and we still live */
    assert_int_equal(close(fds[1]), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signals_come_as_events_also_early_ones),
        cmocka_unit_test(test_a_broken_pipe_is_no_signal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
