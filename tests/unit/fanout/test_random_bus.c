/* SPDX-License-Identifier: Apache-2.0 */
/* Two nodes over one store and a bus that loses, repeats, delays and reorders, is cut off and
 * joined again, in random interleavings from a seed that is printed when it fails: every listener
 * on either node gets every event once and in order, and all of them in the end. PARLEY_SEED
 * replays one; PARLEY_SEEDS sets how many are tried. */
#include "cluster.h"
#include "support/check.h"
#include "support/seeds.h"

#define LOGS      2
#define LISTENERS 6
#define STEPS     400

struct play {
    struct cluster *cluster;
    struct script_log *logs[LOGS];
    struct listener listeners[LISTENERS];
};

static struct world *node_of(struct play *play, unsigned listener)
{
    return &play->cluster->nodes[listener % CLUSTER_NODES];
}

static void open_listener(struct play *play, unsigned i)
{
    listener_open(node_of(play, i), &play->listeners[i], (unsigned)roll(WORLD_LOOPS), "reader");
    for (int l = 0; l < LOGS; l++) {
        listener_follow(&play->listeners[i], play->logs[l]->id,
                        (int64_t)roll((uint64_t)play->logs[l]->head_seq + 1));
    }
}

static void step_bus(struct play *play)
{
    struct script_wire *wire = &play->cluster->wire;
    struct script_end *end = play->cluster->ends[roll(CLUSTER_NODES)];
    uint64_t what = roll(16);
    if (what == 0) {
        script_end_set_up(end, roll(3) != 0);
    } else if (what <= 3) {
        (void)script_wire_settle(wire);
    } else if (wire->message_count > 0) {
        size_t index = (size_t)roll(wire->message_count);
        if (what == 4) {
            script_wire_lose(wire, index);
        } else {
            script_wire_deliver(wire, index, what <= 6);
        }
    }
}

static void step_store(struct play *play)
{
    struct world *world = &play->cluster->nodes[roll(CLUSTER_NODES)];
    struct script_log *log = play->logs[roll(LOGS)];
    switch (roll(5)) {
    case 0:
        script_log_send(log, 1 + roll(4));
        break;
    case 1:
        script_store_tell(world->store, log);
        break;
    case 2:
        (void)script_store_read(world->store);
        break;
    case 3:
        (void)script_store_finish(world->store);
        break;
    default:
        pl_loop_turn(loops_get(world->loops, (unsigned)roll(WORLD_LOOPS)));
    }
}

static void step_listener(struct play *play)
{
    unsigned i = (unsigned)roll(LISTENERS);
    if (roll(12) == 0) {
        listener_close(&play->listeners[i]);
        open_listener(play, i);
    } else {
        listener_drain(&play->listeners[i], 1 + roll(3));
    }
}

static void step(struct play *play)
{
    uint64_t who = roll(10);
    if (who < 3) {
        step_bus(play);
    } else if (who < 8) {
        step_store(play);
    } else {
        step_listener(play);
    }
}

/* Both ends join again, which tells of whatever was lost; nothing more is sent that would tell. */
static void finish(struct play *play)
{
    for (int l = 0; l < LOGS; l++) {
        script_store_tell(play->cluster->nodes[0].store, play->logs[l]);
    }
    for (int n = 0; n < CLUSTER_NODES; n++) {
        script_end_set_up(play->cluster->ends[n], false);
        script_end_set_up(play->cluster->ends[n], true);
    }
    cluster_settle(play->cluster);
    for (unsigned i = 0; i < LISTENERS; i++) {
        listener_drain(&play->listeners[i], LISTENER_ENDLESS);
    }
    cluster_settle(play->cluster);
    for (unsigned i = 0; i < LISTENERS; i++) {
        assert_int_equal(play->listeners[i].failed, PARLEY_OK);
        for (int l = 0; l < LOGS; l++) {
            assert_int_equal(listener_find(&play->listeners[i], play->logs[l]->id)->seq,
                             play->logs[l]->head_seq);
        }
        listener_close(&play->listeners[i]);
    }
}

static void run_seed(void)
{
    void *state = NULL;
    (void)cluster_setup(&state);
    struct play play = {.cluster = state};
    play.logs[0] = cluster_add_log(play.cluster, "a", "reader");
    play.logs[1] = cluster_add_log(play.cluster, "b", "reader");
    for (unsigned i = 0; i < LISTENERS; i++) {
        open_listener(&play, i);
    }
    for (int i = 0; i < STEPS; i++) {
        step(&play);
    }
    finish(&play);
    (void)cluster_teardown(&state);
}

static void test_every_listener_gets_the_log_over_a_bad_bus(void **state)
{
    (void)state;
    seeds_run(400, run_seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_every_listener_gets_the_log_over_a_bad_bus, seeds_tell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
