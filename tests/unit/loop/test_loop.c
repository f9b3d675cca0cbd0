/* SPDX-License-Identifier: Apache-2.0 */
/* The turn: hooks at its end, stopping, pool work, and a loop that the application drives. */

#include "base/attr.h"
#include "base/clock.h"
#include "loop/loop.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct counter {
    struct pl_turn_hook hook;
    int runs;
    int again;                   /* asks for itself so many times more */
    struct pl_turn_hook *victim; /* cancelled by the run */
};

static void on_turn_end(struct pl_loop *loop, struct pl_turn_hook *hook)
{
    struct counter *counter = PL_CONTAINER_OF(hook, struct counter, hook);
    counter->runs++;
    if (counter->victim != NULL) {
        pl_loop_cancel_turn_end(counter->victim);
    }
    if (counter->again > 0) {
        counter->again--;
        pl_loop_at_turn_end(loop, hook);
    }
}

static int new_loop(void **state)
{
    struct pl_loop *loop = NULL;
    if (pl_loop_new(&loop, NULL) != PARLEY_OK) {
        return -1;
    }
    *state = loop;
    return 0;
}

static int free_loop(void **state)
{
    pl_loop_free(*state);
    return 0;
}

static void test_a_hook_asked_for_twice_runs_once(void **state)
{
    struct pl_loop *loop = *state;
    struct counter counter = {.hook.run = on_turn_end};
    pl_loop_at_turn_end(loop, &counter.hook);
    pl_loop_at_turn_end(loop, &counter.hook);
    assert_int_equal(counter.runs, 0);
    assert_int_equal(pl_loop_wait_ms(loop), 0);
    pl_loop_turn(loop);
    pl_loop_turn(loop);
    assert_int_equal(counter.runs, 1);
}

static void test_a_cancelled_hook_does_not_run(void **state)
{
    struct pl_loop *loop = *state;
    struct counter last = {.hook.run = on_turn_end};
    struct counter first = {.hook.run = on_turn_end, .victim = &last.hook};
    pl_loop_at_turn_end(loop, &first.hook);
    pl_loop_at_turn_end(loop, &last.hook);
    pl_loop_turn(loop);
    assert_int_equal(first.runs, 1);
    assert_int_equal(last.runs, 0);
    pl_loop_cancel_turn_end(&last.hook);
}

/* Runs until the loop would sleep without limit; fails after five seconds. */
static void drive(struct pl_loop *loop, const int *value, int expected)
{
    int64_t deadline_ms = pl_clock_monotonic_ms() + 5000;
    while (*value < expected) {
        assert_true(pl_clock_monotonic_ms() < deadline_ms);
        struct pollfd fd = {.fd = pl_loop_fd(loop), .events = POLLIN};
        int wait_ms = pl_loop_wait_ms(loop);
        int ready = poll(&fd, 1, wait_ms < 0 ? 5000 : wait_ms);
        assert_true(ready >= 0);
        pl_loop_turn(loop);
    }
}

static void test_a_hook_that_asks_again_is_never_slept_on(void **state)
{
    struct pl_loop *loop = *state;
    struct counter counter = {.hook.run = on_turn_end, .again = 100};
    pl_loop_at_turn_end(loop, &counter.hook);
    int64_t start_ms = pl_clock_monotonic_ms();
    drive(loop, &counter.runs, 101);
    assert_true(pl_clock_monotonic_ms() - start_ms < 4000);
}

static void test_the_descriptor_shows_what_was_asked_for_between_turns(void **state)
{
    struct pl_loop *loop = *state;
    pl_loop_turn(loop);
    pl_loop_turn(loop);
    struct pollfd fd = {.fd = pl_loop_fd(loop), .events = POLLIN};
    assert_int_equal(poll(&fd, 1, 0), 0);
    struct counter counter = {.hook.run = on_turn_end};
    pl_loop_at_turn_end(loop, &counter.hook);
    assert_int_equal(poll(&fd, 1, 1000), 1);
    pl_loop_turn(loop);
    assert_int_equal(counter.runs, 1);
}

struct tick {
    struct pl_timer timer;
    struct counter *counter;
    int fired;
};

static void on_tick(struct pl_loop *loop, struct pl_timer *timer)
{
    struct tick *tick = PL_CONTAINER_OF(timer, struct tick, timer);
    tick->fired++;
    pl_loop_at_turn_end(loop, &tick->counter->hook);
    assert_int_equal(tick->counter->runs, tick->fired - 1);
    if (tick->fired < 3) {
        assert_int_equal(pl_timer_start(loop, timer, 5), 0);
    }
}

static void test_an_application_drives_the_loop_by_descriptor_and_poll(void **state)
{
    struct pl_loop *loop = *state;
    struct counter counter = {.hook.run = on_turn_end};
    struct tick tick = {.timer.fire = on_tick, .counter = &counter};
    assert_int_equal(pl_timer_start(loop, &tick.timer, 5), 0);
    drive(loop, &counter.runs, 3);
    assert_int_equal(tick.fired, 3);
    assert_false(pl_loop_is_current(loop));
}

struct job {
    struct pl_work work;
    bool was_on_loop;
    int ran;
    int done;
};

static void run_job(struct pl_work *work)
{
    struct job *job = PL_CONTAINER_OF(work, struct job, work);
    job->ran++;
}

static void finish_job(struct pl_loop *loop, struct pl_work *work)
{
    struct job *job = PL_CONTAINER_OF(work, struct job, work);
    job->was_on_loop = pl_loop_is_current(loop);
    job->done++;
    pl_loop_stop(loop);
}

static void test_pool_work_comes_back_to_the_loop(void **state)
{
    struct pl_loop *loop = *state;
    struct job job = {.work = {.run = run_job, .done = finish_job}};
    assert_int_equal(pl_loop_work(loop, &job.work), 0);
    assert_int_equal(job.done, 0);
    pl_loop_run(loop);
    assert_int_equal(job.ran, 1);
    assert_int_equal(job.done, 1);
    assert_true(job.was_on_loop);
}

static void test_freeing_waits_for_pool_work(void **state)
{
    (void)state;
    struct pl_loop *loop = NULL;
    assert_int_equal(pl_loop_new(&loop, NULL), PARLEY_OK);
    struct job jobs[8];
    for (size_t i = 0; i < PL_COUNT(jobs); i++) {
        jobs[i] = (struct job){.work = {.run = run_job, .done = finish_job}};
        assert_int_equal(pl_loop_work(loop, &jobs[i].work), 0);
    }
    pl_loop_free(loop);
    for (size_t i = 0; i < PL_COUNT(jobs); i++) {
        assert_int_equal(jobs[i].done, 1);
    }
}

static void test_a_stop_before_the_run_is_not_lost(void **state)
{
    struct pl_loop *loop = *state;
    pl_loop_stop(loop);
    pl_loop_run(loop);
    struct counter counter = {.hook.run = on_turn_end};
    pl_loop_at_turn_end(loop, &counter.hook);
    pl_loop_stop(loop);
    pl_loop_run(loop);
    assert_int_equal(counter.runs, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_hook_asked_for_twice_runs_once, new_loop, free_loop),
        cmocka_unit_test_setup_teardown(test_a_cancelled_hook_does_not_run, new_loop, free_loop),
        cmocka_unit_test_setup_teardown(test_a_hook_that_asks_again_is_never_slept_on, new_loop,
                                        free_loop),
        cmocka_unit_test_setup_teardown(test_the_descriptor_shows_what_was_asked_for_between_turns,
                                        new_loop, free_loop),
        cmocka_unit_test_setup_teardown(test_an_application_drives_the_loop_by_descriptor_and_poll,
                                        new_loop, free_loop),
        cmocka_unit_test_setup_teardown(test_pool_work_comes_back_to_the_loop, new_loop, free_loop),
        cmocka_unit_test(test_freeing_waits_for_pool_work),
        cmocka_unit_test_setup_teardown(test_a_stop_before_the_run_is_not_lost, new_loop,
                                        free_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
