/* SPDX-License-Identifier: Apache-2.0 */
/* Too much at once, and the end: each request is done exactly once, whatever becomes of it. */
#include "world.h"

#include "support/wait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLOOD    400
#define BODY     4096
#define BUDGET   (64 * 1024)
#define RETRY_MS 321

/* A listener that holds the writer while it is shut. */
struct gate {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool is_shut;
    bool is_held;
};

static void hold_writer(void *context, const struct store_commit *commits, size_t count)
{
    struct gate *gate = context;
    (void)commits;
    (void)count;
    (void)pthread_mutex_lock(&gate->mutex);
    gate->is_held = gate->is_shut;
    while (gate->is_shut) {
        (void)pthread_cond_wait(&gate->changed, &gate->mutex);
    }
    gate->is_held = false;
    (void)pthread_mutex_unlock(&gate->mutex);
}

static void set_gate(struct gate *gate, bool is_shut)
{
    (void)pthread_mutex_lock(&gate->mutex);
    gate->is_shut = is_shut;
    (void)pthread_cond_broadcast(&gate->changed);
    (void)pthread_mutex_unlock(&gate->mutex);
}

static bool holds_writer(struct gate *gate)
{
    (void)pthread_mutex_lock(&gate->mutex);
    bool is_held = gate->is_held;
    (void)pthread_mutex_unlock(&gate->mutex);
    return is_held;
}

struct flood {
    struct ask asks[FLOOD];
    char ids[FLOOD][16];
    size_t stored;
    size_t refused;
};

static void start_flood(struct world *world, struct flood *flood)
{
    static char body[BODY];
    memset(body, 'x', sizeof(body));
    for (size_t i = 0; i < FLOOD; i++) {
        (void)snprintf(flood->ids[i], sizeof(flood->ids[i]), "f%zu", i);
        ask_append(&flood->asks[i], world->store, "c1", "alice", flood->ids[i],
                   (struct store_bytes){body, sizeof(body)});
    }
}

static void end_flood(struct flood *flood)
{
    for (size_t i = 0; i < FLOOD; i++) {
        struct ask *ask = &flood->asks[i];
        if (ask_code(ask) == PARLEY_OK) {
            flood->stored++;
        } else {
            assert_int_equal(ask->request.error.code, PARLEY_UNAVAILABLE);
            assert_int_equal(ask->request.error.retry_after_ms, RETRY_MS);
            flood->refused++;
        }
        ask_release(ask);
    }
}

static void test_a_full_queue_turns_away_with_a_hint(void **state)
{
    struct world *world = *state;
    const struct engine_options options = {.queue_bytes_max = BUDGET, .busy_retry_ms = RETRY_MS};
    static struct flood flood;
    static struct gate gate = {.mutex = PTHREAD_MUTEX_INITIALIZER,
                               .changed = PTHREAD_COND_INITIALIZER};
    const struct store_listener listener = {hold_writer, &gate};
    struct ask first;
    memset(&flood, 0, sizeof(flood));
    world_reopen(world, &options);
    store_set_listener(world->store, &listener);
    world_create(world, "c1", "alice", "");
    set_gate(&gate, true);
    ask_append(&first, world->store, "c1", "alice", "first", bytes_of("x"));
    WAIT_FOR(holds_writer(&gate));
    start_flood(world, &flood);
    /* Reads are on another account. */
    struct ask read;
    world_read(world, &read, "c1", 1, 1);
    ask_release(&read);
    set_gate(&gate, false);
    end_flood(&flood);
    assert_int_equal(ask_code(&first), PARLEY_OK);
    ask_release(&first);
    /* The writer stood still, so the budget alone decided: each is charged with more than its body,
     * and with less than twice that. */
    assert_true(flood.stored >= BUDGET / (2 * BODY));
    assert_true(flood.stored <= BUDGET / BODY);
    assert_int_equal(flood.refused, FLOOD - flood.stored);
    /* Nothing of what was refused is there; a retry stores it. */
    assert_int_equal(world_check_log(world, "c1"), 2 + (int64_t)flood.stored);
    assert_int_equal(world_send(world, "c1", "alice", flood.ids[FLOOD - 1], "x"),
                     3 + (int64_t)flood.stored);
}

static void test_a_request_larger_than_the_budget_is_taken_alone(void **state)
{
    struct world *world = *state;
    const struct engine_options options = {.queue_bytes_max = 1};
    world_reopen(world, &options);
    world_create(world, "c1", "alice", "bob");
    /* The store's own work may be in the queue for a moment. */
    WAIT_FOR(world_try_send(world, "c1", "alice", "m1") == PARLEY_OK);
    struct ask read;
    world_read(world, &read, "c1", 1, 10);
    assert_int_equal(read.read.event_count, 2);
    ask_release(&read);
}

static void test_small_batches_store_the_same(void **state)
{
    struct world *world = *state;
    const struct engine_options options = {.batch_rows_max = 3};
    world_reopen(world, &options);
    world_create(world, "c1", "alice", "");
    world_fill(world, "c1", "alice", "m", 100);
    assert_int_equal(world_check_log(world, "c1"), 101);
}

static void start_reads(struct world *world, struct ask *reads, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ask_init(&reads[i]);
        if (i % 2 == 0) {
            reads[i].read.conversation_id = bytes_of("c1");
            reads[i].read.limit = 10;
            store_read(world->store, &reads[i].read);
        } else {
            reads[i].list.user = bytes_of("alice");
            reads[i].list.limit = 10;
            store_list_conversations(world->store, &reads[i].list);
        }
    }
}

static void test_close_finishes_what_is_in_flight(void **state)
{
    enum {
        READS = 100
    };
    struct world *world = *state;
    static struct flood flood;
    static struct ask reads[READS];
    const struct store_bytes bob = bytes_of("bob");
    struct ask change;
    memset(&flood, 0, sizeof(flood));
    world_create(world, "c1", "alice", "");
    start_flood(world, &flood);
    ask_change(&change, world->store, STORE_MEMBERS_ADDED, "c1", "alice", &bob, 1);
    start_reads(world, reads, READS);
    store_close(world->store);
    /* No waiting here: after close all of them have been done, once. */
    for (size_t i = 0; i < READS; i++) {
        assert_int_equal(ask_done_count(&reads[i]), 1);
        assert_int_equal(reads[i].request.error.code, PARLEY_OK);
        ask_release(&reads[i]);
    }
    for (size_t i = 0; i < FLOOD; i++) {
        assert_int_equal(ask_done_count(&flood.asks[i]), 1);
    }
    assert_int_equal(ask_done_count(&change), 1);
    assert_int_equal(change.request.error.code, PARLEY_OK);
    ask_release(&change);
    end_flood(&flood);
    assert_int_equal(flood.stored, FLOOD); /* submitted before the close: finished */
    const struct engine_options defaults = {0};
    world->store = world->engine->ops->open(world->engine, world->place, &defaults);
    assert_non_null(world->store);
    if (world->engine->is_lasting) {
        assert_int_equal(world_check_log(world, "c1"), 2 + FLOOD);
    }
}

/* Sends the next message from within `done` of the one before. */
struct chain {
    struct ask asks[50];
    char ids[50][8];
    struct world *world;
};

static void send_link(struct chain *chain, size_t index);

static void send_next(struct ask *ask)
{
    struct chain *chain = ask->context;
    size_t next = (size_t)(ask - chain->asks) + 1;
    if (next < 50) {
        send_link(chain, next);
    }
}

static void send_link(struct chain *chain, size_t index)
{
    struct ask *ask = &chain->asks[index];
    (void)snprintf(chain->ids[index], sizeof(chain->ids[index]), "m%zu", index);
    ask_init(ask);
    ask->then = send_next;
    ask->context = chain;
    ask->append.conversation_id = bytes_of("c1");
    ask->append.sender = bytes_of("alice");
    ask->append.client_message_id = bytes_of(chain->ids[index]);
    store_append(chain->world->store, &ask->append);
}

static void test_done_may_submit(void **state)
{
    struct world *world = *state;
    static struct chain chain;
    memset(&chain, 0, sizeof(chain));
    chain.world = world;
    world_create(world, "c1", "alice", "");
    send_link(&chain, 0);
    for (size_t i = 0; i < 50; i++) {
        assert_true(ask_wait(&chain.asks[i])); /* the one after it is under way then */
        assert_int_equal(ask_done_count(&chain.asks[i]), 1);
        assert_int_equal(chain.asks[i].request.error.code, PARLEY_OK);
        assert_int_equal(chain.asks[i].append.seq, (int64_t)i + 2);
        ask_release(&chain.asks[i]);
    }
}

static void test_closing_nothing_is_fine(void **state)
{
    (void)state;
    store_close(NULL);
}

int lifecycle_tests(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_a_full_queue_turns_away_with_a_hint),
        STORE_TEST(test_a_request_larger_than_the_budget_is_taken_alone),
        STORE_TEST(test_small_batches_store_the_same),
        STORE_TEST(test_close_finishes_what_is_in_flight),
        STORE_TEST(test_done_may_submit),
        STORE_TEST(test_closing_nothing_is_fine),
    };
    return cmocka_run_group_tests_name("lifecycle", tests, NULL, NULL);
}
