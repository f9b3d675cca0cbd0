/* SPDX-License-Identifier: Apache-2.0 */
/* Timers: order, restart, stop from a callback, many of them. */

#include "base/attr.h"
#include "loop/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MANY 2000

struct clockwork {
    struct pl_timer timer;
    struct clockwork *victim; /* stopped when this one fires */
    int64_t again_ms;         /* restarts itself after so long; 0: no */
    int fired;
    int64_t at_ms;
    int place;
};

static int places;
static int stop_after;

static void on_fire(struct pl_loop *loop, struct pl_timer *timer)
{
    struct clockwork *work = PL_CONTAINER_OF(timer, struct clockwork, timer);
    assert_false(pl_timer_is_running(timer));
    work->fired++;
    work->at_ms = pl_loop_now_ms(loop);
    work->place = places++;
    if (work->victim != NULL) {
        pl_timer_stop(loop, &work->victim->timer);
    }
    if (work->again_ms != 0) {
        assert_int_equal(pl_timer_start(loop, timer, work->again_ms), 0);
    }
    if (places == stop_after) {
        pl_loop_stop(loop);
    }
}

static struct pl_loop *new_loop(int fires)
{
    struct pl_loop *loop = NULL;
    assert_int_equal(pl_loop_new(&loop, NULL), PARLEY_OK);
    places = 0;
    stop_after = fires;
    return loop;
}

static void test_timers_fire_in_order_of_their_time(void **state)
{
    (void)state;
    struct pl_loop *loop = new_loop(3);
    struct clockwork work[3] = {0};
    const int64_t delays[3] = {30, 10, 20};
    int64_t start_ms = pl_loop_now_ms(loop);
    for (size_t i = 0; i < 3; i++) {
        work[i].timer.fire = on_fire;
        assert_int_equal(pl_timer_start(loop, &work[i].timer, delays[i]), 0);
        assert_true(pl_timer_is_running(&work[i].timer));
    }
    pl_loop_run(loop);
    assert_int_equal(work[1].place, 0);
    assert_int_equal(work[2].place, 1);
    assert_int_equal(work[0].place, 2);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(work[i].fired, 1);
        assert_true(work[i].at_ms - start_ms >= delays[i]);
    }
    pl_loop_free(loop);
}

static void test_restart_moves_a_timer_both_ways(void **state)
{
    (void)state;
    struct pl_loop *loop = new_loop(2);
    struct clockwork sooner = {.timer.fire = on_fire};
    struct clockwork later = {.timer.fire = on_fire};
    assert_int_equal(pl_timer_start(loop, &sooner.timer, 100000), 0);
    assert_int_equal(pl_timer_start(loop, &later.timer, 1), 0);
    assert_int_equal(pl_timer_start(loop, &sooner.timer, 5), 0);
    assert_int_equal(pl_timer_start(loop, &later.timer, 15), 0);
    pl_loop_run(loop);
    assert_int_equal(sooner.place, 0);
    assert_int_equal(later.place, 1);
    assert_int_equal(sooner.fired, 1);
    assert_int_equal(later.fired, 1);
    pl_loop_free(loop);
}

static void test_a_callback_stops_another_timer_that_is_due_too(void **state)
{
    (void)state;
    struct pl_loop *loop = new_loop(1);
    struct clockwork work[2] = {{.timer.fire = on_fire}, {.timer.fire = on_fire}};
    work[0].victim = &work[1];
    work[1].victim = &work[0];
    struct clockwork last = {.timer.fire = on_fire};
    assert_int_equal(pl_timer_start(loop, &work[0].timer, 5), 0);
    assert_int_equal(pl_timer_start(loop, &work[1].timer, 5), 0);
    stop_after = 2;
    assert_int_equal(pl_timer_start(loop, &last.timer, 30), 0);
    pl_loop_run(loop);
    assert_int_equal(work[0].fired + work[1].fired, 1);
    assert_int_equal(last.fired, 1);
    pl_loop_free(loop);
}

static void test_a_timer_restarts_itself_without_holding_up_the_turn(void **state)
{
    (void)state;
    struct pl_loop *loop = new_loop(5);
    struct clockwork work = {.timer.fire = on_fire, .again_ms = -1};
    assert_int_equal(pl_timer_start(loop, &work.timer, 0), 0);
    assert_int_equal(work.fired, 0);
    pl_loop_run(loop);
    assert_int_equal(work.fired, 5);
    pl_timer_stop(loop, &work.timer);
    pl_timer_stop(loop, &work.timer);
    pl_loop_free(loop);
}

static void test_many_timers_with_half_of_them_stopped_keep_the_order(void **state)
{
    (void)state;
    static struct clockwork work[MANY];
    static int64_t delays[MANY];
    static int64_t dues[MANY]; /* the clock goes on while they are started */
    struct pl_loop *loop = new_loop(MANY / 2);
    uint32_t seed = 12345;
    for (size_t i = 0; i < MANY; i++) {
        seed = seed * 1664525U + 1013904223U;
        delays[i] = (int64_t)((seed >> 16) % 60);
        work[i] = (struct clockwork){.timer.fire = on_fire};
        assert_int_equal(pl_timer_start(loop, &work[i].timer, delays[i] + 1000), 0);
    }
    for (size_t i = 0; i < MANY; i++) { /* and all of them move */
        assert_int_equal(pl_timer_start(loop, &work[i].timer, delays[i]), 0);
        dues[i] = work[i].timer.due_ms;
    }
    for (size_t i = 0; i < MANY; i += 2) {
        pl_timer_stop(loop, &work[i].timer);
        assert_false(pl_timer_is_running(&work[i].timer));
    }
    pl_loop_run(loop);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(work[i].fired, i % 2);
    }
    for (size_t i = 1; i < MANY; i += 2) {
        for (size_t k = 1; k < MANY; k += 94) {
            if (dues[k] < dues[i]) {
                assert_true(work[k].place < work[i].place);
            }
        }
    }
    pl_loop_free(loop);
}

static void test_the_wait_follows_the_first_timer(void **state)
{
    (void)state;
    struct pl_loop *loop = new_loop(0);
    pl_loop_turn(loop);
    pl_loop_turn(loop);
    assert_int_equal(pl_loop_wait_ms(loop), -1);
    struct clockwork near = {.timer.fire = on_fire};
    struct clockwork far = {.timer.fire = on_fire};
    assert_int_equal(pl_timer_start(loop, &far.timer, 50000), 0);
    assert_int_equal(pl_timer_start(loop, &near.timer, 500), 0);
    pl_loop_turn(loop);
    assert_in_range(pl_loop_wait_ms(loop), 1, 500);
    pl_timer_stop(loop, &near.timer);
    assert_in_range(pl_loop_wait_ms(loop), 40000, 50000);
    pl_timer_stop(loop, &far.timer);
    assert_int_equal(pl_loop_wait_ms(loop), -1);
    pl_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timers_fire_in_order_of_their_time),
        cmocka_unit_test(test_restart_moves_a_timer_both_ways),
        cmocka_unit_test(test_a_callback_stops_another_timer_that_is_due_too),
        cmocka_unit_test(test_a_timer_restarts_itself_without_holding_up_the_turn),
        cmocka_unit_test(test_many_timers_with_half_of_them_stopped_keep_the_order),
        cmocka_unit_test(test_the_wait_follows_the_first_timer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
