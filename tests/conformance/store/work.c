/* SPDX-License-Identifier: Apache-2.0 */
/* What a request costs must not grow with what does not matter. Counted in the engine's own unit of
 * work, never in time. */
#include "world.h"

#include <stdio.h>

#define MANY_MEMBERS 5000
#define LONG_LOG     4000
#define MANY_ROOMS   300

/* The least of several: what the store does for itself at the same moment is not counted. */
static uint64_t work_of_send(struct world *world, const char *conversation, const char *prefix)
{
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < 5; i++) {
        char id[32];
        (void)snprintf(id, sizeof(id), "%s-%d", prefix, i);
        uint64_t before = world->engine->ops->work(world->place);
        (void)world_send(world, conversation, "alice", id, "hello");
        uint64_t work = world->engine->ops->work(world->place) - before;
        least = work < least ? work : least;
    }
    return least;
}

static uint64_t work_of_read(struct world *world, const char *conversation, int64_t from_seq)
{
    struct ask ask;
    uint64_t before = world->engine->ops->work(world->place);
    world_read(world, &ask, conversation, from_seq, 10);
    assert_int_equal(ask.read.event_count, 10);
    ask_release(&ask);
    return world->engine->ops->work(world->place) - before;
}

/* A tenth more is allowed: a tree may have grown a level. */
static void expect_same_work(uint64_t small, uint64_t large)
{
    print_message("  work: %llu, then %llu\n", (unsigned long long)small,
                  (unsigned long long)large);
    assert_true(small > 0);
    assert_true(large <= small + small / 10);
}

static void add_members(struct world *world, const char *conversation, size_t count)
{
    static char names[STORE_MEMBERS_MAX][16];
    static struct store_bytes users[STORE_MEMBERS_MAX];
    for (size_t done = 0; done < count; done += STORE_MEMBERS_MAX) {
        struct ask ask;
        for (size_t i = 0; i < STORE_MEMBERS_MAX; i++) {
            (void)snprintf(names[i], sizeof(names[i]), "u%zu", done + i);
            users[i] = bytes_of(names[i]);
        }
        ask_change(&ask, world->store, STORE_MEMBERS_ADDED, conversation, "alice", users,
                   STORE_MEMBERS_MAX);
        assert_int_equal(ask_code(&ask), PARLEY_OK);
        ask_release(&ask);
    }
}

static void test_a_send_costs_the_same_whatever_the_number_of_members(void **state)
{
    struct world *world = *state;
    world_create(world, "few", "alice", "bob");
    world_create(world, "many", "alice", "bob");
    add_members(world, "many", MANY_MEMBERS);
    (void)work_of_send(world, "few", "first");
    (void)work_of_send(world, "many", "first");
    uint64_t few = work_of_send(world, "few", "m1");
    expect_same_work(few, work_of_send(world, "many", "m1"));
}

static void test_a_send_costs_the_same_whatever_the_length_of_the_log(void **state)
{
    struct world *world = *state;
    world_create(world, "c1", "alice", "");
    (void)work_of_send(world, "c1", "first");
    uint64_t begin = work_of_send(world, "c1", "second");
    world_fill(world, "c1", "alice", "m", LONG_LOG);
    expect_same_work(begin, work_of_send(world, "c1", "last"));
}

static void test_a_send_costs_the_same_whatever_the_number_of_conversations(void **state)
{
    struct world *world = *state;
    world_create(world, "c1", "alice", "");
    (void)work_of_send(world, "c1", "first");
    uint64_t alone = work_of_send(world, "c1", "second");
    for (int i = 0; i < MANY_ROOMS; i++) {
        char id[16];
        (void)snprintf(id, sizeof(id), "room-%d", i);
        world_create(world, id, "alice", "");
    }
    expect_same_work(alone, work_of_send(world, "c1", "third"));
}

static void test_a_read_costs_the_same_wherever_it_begins(void **state)
{
    struct world *world = *state;
    world_create(world, "c1", "alice", "");
    world_fill(world, "c1", "alice", "a", 20);
    uint64_t begin = work_of_read(world, "c1", 5);
    world_fill(world, "c1", "alice", "b", LONG_LOG);
    expect_same_work(begin, work_of_read(world, "c1", 5));
    expect_same_work(begin, work_of_read(world, "c1", LONG_LOG - 5));
}

/* Messages that wait together share what a transaction costs. */
static void test_sends_that_wait_together_cost_less(void **state)
{
    enum {
        COUNT = 1000
    };
    struct world *world = *state;
    world_create(world, "c1", "alice", "");
    (void)work_of_send(world, "c1", "first");
    uint64_t one = work_of_send(world, "c1", "second");
    uint64_t before = world->engine->ops->work(world->place);
    world_fill(world, "c1", "alice", "m", COUNT);
    uint64_t each = (world->engine->ops->work(world->place) - before) / COUNT;
    print_message("  work: %llu alone, %llu in company\n", (unsigned long long)one,
                  (unsigned long long)each);
    assert_true(each < one);
}

int work_tests(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_a_send_costs_the_same_whatever_the_number_of_members),
        STORE_TEST(test_a_send_costs_the_same_whatever_the_length_of_the_log),
        STORE_TEST(test_a_send_costs_the_same_whatever_the_number_of_conversations),
        STORE_TEST(test_a_read_costs_the_same_wherever_it_begins),
        STORE_TEST(test_sends_that_wait_together_cost_less),
    };
    return cmocka_run_group_tests_name("work", tests, NULL, NULL);
}
