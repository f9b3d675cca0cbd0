/* SPDX-License-Identifier: Apache-2.0 */
/* Random interleavings of commits, notices, losses, reads and slow clients, each from a seed that
 * is printed when it fails: every listener gets every event once and in order, and all of them in
 * the end. PARLEY_SEED replays one; PARLEY_SEEDS sets how many are tried. */
#include "support/check.h"
#include "support/seeds.h"
#include "world.h"

#define LISTENERS 4
#define STEPS     300

struct play {
    struct world *world;
    struct script_log *logs[2];
    struct listener listeners[LISTENERS];
};

static void open_listener(struct play *play, unsigned i)
{
    listener_open(play->world, &play->listeners[i], i % WORLD_LOOPS, "reader");
    for (int l = 0; l < 2; l++) {
        int64_t head_seq = play->logs[l]->head_seq;
        listener_follow(&play->listeners[i], play->logs[l]->id,
                        (int64_t)roll((uint64_t)head_seq + 1));
    }
}

static void step(struct play *play)
{
    struct world *world = play->world;
    struct script_log *log = play->logs[roll(2)];
    unsigned i = (unsigned)roll(LISTENERS);
    switch (roll(9)) {
    case 0:
    case 1:
        script_log_send(log, 1 + roll(4));
        break;
    case 2:
        script_store_tell(world->store, log);
        break;
    case 3:
        (void)script_store_read(world->store);
        break;
    case 4:
        (void)script_store_finish(world->store);
        break;
    case 5:
        pl_loop_turn(loops_get(world->loops, (unsigned)roll(WORLD_LOOPS)));
        break;
    case 6:
        listener_drain(&play->listeners[i], 1 + roll(3));
        break;
    case 7:
        if (roll(8) == 0) {
            script_store_lose(log);
        }
        break;
    default:
        if (roll(10) == 0) {
            listener_close(&play->listeners[i]);
            open_listener(play, i);
        }
    }
}

/* One more event for each log, so that a loss at the very end is noticed; then room for all. */
static void finish(struct play *play)
{
    for (int l = 0; l < 2; l++) {
        script_log_send(play->logs[l], 1);
        script_store_tell(play->world->store, play->logs[l]);
    }
    world_settle(play->world);
    for (unsigned i = 0; i < LISTENERS; i++) {
        listener_drain(&play->listeners[i], LISTENER_ENDLESS);
    }
    world_settle(play->world);
    for (unsigned i = 0; i < LISTENERS; i++) {
        assert_int_equal(play->listeners[i].failed, PARLEY_OK);
        for (int l = 0; l < 2; l++) {
            assert_int_equal(listener_find(&play->listeners[i], play->logs[l]->id)->seq,
                             play->logs[l]->head_seq);
        }
        listener_close(&play->listeners[i]);
    }
}

static void run_seed(void)
{
    void *state = NULL;
    (void)world_setup(&state);
    struct play play = {.world = state};
    play.logs[0] = script_store_add_log(play.world->store, "a");
    play.logs[1] = script_store_add_log(play.world->store, "b");
    script_log_join(play.logs[0], "reader");
    script_log_join(play.logs[1], "reader");
    for (unsigned i = 0; i < LISTENERS; i++) {
        open_listener(&play, i);
    }
    for (int i = 0; i < STEPS; i++) {
        step(&play);
    }
    finish(&play);
    (void)world_teardown(&state);
}

static void test_every_listener_gets_the_log_in_any_interleaving(void **state)
{
    (void)state;
    seeds_run(400, run_seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_every_listener_gets_the_log_in_any_interleaving, seeds_tell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
