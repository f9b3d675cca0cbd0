/* SPDX-License-Identifier: Apache-2.0 */
/* A retry is free: the same (conversation, sender, client message id) is stored once, for ever. */
#include "world.h"

#include <stdio.h>

static void repeat(struct world *world, const char *text, int64_t seq, int64_t created_at_ms)
{
    struct ask ask;
    ask_append(&ask, world->store, "c1", "alice", "m1", bytes_of(text));
    assert_int_equal(ask_code(&ask), PARLEY_OK);
    assert_true(ask.append.is_duplicate);
    assert_int_equal(ask.append.seq, seq);
    assert_int_equal(ask.append.created_at_ms, created_at_ms);
    ask_release(&ask);
}

static void test_a_repeat_answers_with_the_first_seq_and_time(void **state)
{
    struct world *world = *state;
    struct ask first;
    world_create(world, "c1", "alice", "bob");
    ask_append(&first, world->store, "c1", "alice", "m1", bytes_of("hello"));
    assert_int_equal(ask_code(&first), PARLEY_OK);
    repeat(world, "hello", first.append.seq, first.append.created_at_ms);
    world_fill(world, "c1", "bob", "other", 30);
    repeat(world, "another text under the same id", first.append.seq, first.append.created_at_ms);
    assert_int_equal(world_check_log(world, "c1"), 32);
    struct ask read;
    world_read(world, &read, "c1", first.append.seq, 1);
    assert_true(bytes_equal(read.read.events[0].body, "hello"));
    ask_release(&read);
    ask_release(&first);
}

static void test_a_repeat_is_known_after_reopening(void **state)
{
    struct world *world = *state;
    struct ask first;
    if (!world->engine->is_lasting) {
        print_message("memory keeps nothing when it is closed, as it says\n");
        return;
    }
    world_create(world, "c1", "alice", "bob");
    ask_append(&first, world->store, "c1", "alice", "m1", bytes_of("hello"));
    assert_int_equal(ask_code(&first), PARLEY_OK);
    world_fill(world, "c1", "bob", "other", 10);
    world_reopen(world, NULL);
    repeat(world, "hello", first.append.seq, first.append.created_at_ms);
    assert_int_equal(world_check_log(world, "c1"), 12);
    ask_release(&first);
}

static void test_the_same_id_elsewhere_is_another_message(void **state)
{
    struct world *world = *state;
    world_create(world, "c1", "alice", "bob");
    world_create(world, "c2", "alice", "bob");
    assert_int_equal(world_send(world, "c1", "alice", "m1", "x"), 2);
    assert_int_equal(world_send(world, "c1", "bob", "m1", "x"), 3);
    assert_int_equal(world_send(world, "c2", "alice", "m1", "x"), 2);
    assert_int_equal(world_send(world, "c1", "alice", "M1", "x"), 4);
    assert_int_equal(world_check_log(world, "c1"), 4);
    assert_int_equal(world_check_log(world, "c2"), 2);
}

static void test_copies_in_flight_together_are_stored_once(void **state)
{
    enum {
        COPIES = 20
    };
    struct world *world = *state;
    struct ask asks[COPIES];
    size_t stored = 0;
    world_create(world, "c1", "alice", "");
    for (size_t i = 0; i < COPIES; i++) {
        ask_append(&asks[i], world->store, "c1", "alice", "m1", bytes_of("x"));
    }
    for (size_t i = 0; i < COPIES; i++) {
        assert_int_equal(ask_code(&asks[i]), PARLEY_OK);
        assert_int_equal(asks[i].append.seq, 2);
        assert_int_equal(asks[i].append.created_at_ms, asks[0].append.created_at_ms);
        stored += !asks[i].append.is_duplicate;
        ask_release(&asks[i]);
    }
    assert_int_equal(stored, 1);
    assert_int_equal(world_check_log(world, "c1"), 2);
}

#define RACERS 6
#define RACES  40

struct racer {
    struct world *world;
    pthread_barrier_t *start;
    struct ask asks[RACES];
    char ids[RACES][16];
    bool is_done;
};

/* All racers send the same messages, each as soon as all are ready for it. */
static void *race(void *argument)
{
    struct racer *racer = argument;
    racer->is_done = true;
    for (unsigned i = 0; i < RACES; i++) {
        (void)snprintf(racer->ids[i], sizeof(racer->ids[i]), "m%u", i);
        (void)pthread_barrier_wait(racer->start);
        ask_append(&racer->asks[i], racer->world->store, "c1", "alice", racer->ids[i],
                   bytes_of("x"));
        racer->is_done = ask_wait(&racer->asks[i]) && racer->is_done;
    }
    return NULL;
}

static void check_race(struct racer *racers, unsigned i)
{
    size_t stored = 0;
    for (unsigned j = 0; j < RACERS; j++) {
        struct ask *ask = &racers[j].asks[i];
        assert_int_equal(ask_code(ask), PARLEY_OK);
        assert_int_equal(ask->append.seq, racers[0].asks[i].append.seq);
        stored += !ask->append.is_duplicate;
        ask_release(ask);
    }
    assert_int_equal(stored, 1);
}

static void test_racing_copies_get_one_seq(void **state)
{
    static struct racer racers[RACERS];
    struct world *world = *state;
    pthread_t threads[RACERS];
    pthread_barrier_t start;
    world_create(world, "c1", "alice", "");
    assert_int_equal(pthread_barrier_init(&start, NULL, RACERS), 0);
    for (unsigned i = 0; i < RACERS; i++) {
        racers[i].world = world;
        racers[i].start = &start;
        assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    }
    for (unsigned i = 0; i < RACERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_true(racers[i].is_done);
    }
    for (unsigned i = 0; i < RACES; i++) {
        check_race(racers, i);
    }
    assert_int_equal(world_check_log(world, "c1"), 1 + RACES);
    (void)pthread_barrier_destroy(&start);
}

static void test_a_retry_is_answered_though_the_sender_has_gone(void **state)
{
    struct world *world = *state;
    struct ask ask;
    world_create(world, "c1", "alice", "bob");
    int64_t seq = world_send(world, "c1", "bob", "m1", "x");
    assert_int_equal(world_change(world, STORE_MEMBERS_LEFT, "c1", "bob", ""), PARLEY_OK);
    ask_append(&ask, world->store, "c1", "bob", "m1", bytes_of("x"));
    assert_int_equal(ask_code(&ask), PARLEY_OK);
    assert_int_equal(ask.append.seq, seq);
    ask_release(&ask);
    assert_int_equal(world_try_send(world, "c1", "bob", "m2"), PARLEY_NOT_FOUND);
}

int dedup_tests(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_a_repeat_answers_with_the_first_seq_and_time),
        STORE_TEST(test_a_repeat_is_known_after_reopening),
        STORE_TEST(test_the_same_id_elsewhere_is_another_message),
        STORE_TEST(test_copies_in_flight_together_are_stored_once),
        STORE_TEST(test_racing_copies_get_one_seq),
        STORE_TEST(test_a_retry_is_answered_though_the_sender_has_gone),
    };
    return cmocka_run_group_tests_name("dedup", tests, NULL, NULL);
}
