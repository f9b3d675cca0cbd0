/* SPDX-License-Identifier: Apache-2.0 */
/* Loads that are slow, and what comes between: the orders in which a cache without leases gives old
 * values. The engine's answers are held, so each order is made, not hoped for. */
#include "town.h"

#include "cache/metrics.h"
#include "support/wait.h"

#include <stdlib.h>

#define READERS 20

static int64_t coalesced(void)
{
    return __atomic_load_n(&cache_metric_coalesced.value, __ATOMIC_RELAXED);
}

static void build(struct town *town)
{
    const struct store_bytes bob = bytes_of("bob");
    town_create(town->engine, "c1", "alice", &bob, 1);
    town_fill(town->engine, "c1", "alice", 200);
}

static void expect_head(struct ask *ask, int64_t head_seq)
{
    assert_int_equal(ask_code(ask), PARLEY_OK);
    assert_int_equal(ask->get.conversation.head_seq, head_seq);
    ask_release(ask);
}

static void test_a_slow_load_does_not_put_back_what_a_write_deleted(void **state)
{
    struct town *town = *state;
    struct ask slow;
    build(town);
    watched_hold_reads(&town->watched[0]);
    town_start_get(&slow, town->nodes[0], "c1", "");
    WAIT_FOR(watched_held(&town->watched[0]) == 1);
    (void)town_send(town->nodes[1], "c1", "alice", "between", 1);
    watched_release(&town->watched[0]);
    expect_head(&slow, 201); /* it was asked before */
    assert_int_equal(town_head(town->nodes[0], "c1"), 202);
    assert_int_equal(town_head(town->nodes[1], "c1"), 202);
}

static void test_a_slow_load_of_a_tail_is_not_put_back_either(void **state)
{
    struct town *town = *state;
    struct ask slow;
    build(town);
    watched_hold_reads(&town->watched[0]);
    town_start_read(&slow, town->nodes[0], "c1", "", 190, 100);
    WAIT_FOR(watched_held(&town->watched[0]) == 1);
    (void)town_send(town->nodes[1], "c1", "alice", "between", 1);
    watched_release(&town->watched[0]);
    assert_int_equal(ask_code(&slow), PARLEY_OK);
    ask_release(&slow);
    assert_int_equal(town_read(town->nodes[0], "c1", "", 190, 100), 13);
    assert_int_equal(town_read(town->nodes[1], "c1", "", 190, 100), 13);
}

/* The same for what is loaded while another node trims: the tail says where a log begins. */
static void test_what_was_trimmed_is_not_read_any_more(void **state)
{
    struct town *town = *state;
    struct ask slow;
    build(town);
    assert_int_equal(town_read(town->nodes[0], "c1", "", 1, 300), 201); /* blocks are there */
    (void)town_send(town->nodes[1], "c1", "alice", "before", 1);
    watched_hold_reads(&town->watched[0]);
    town_start_read(&slow, town->nodes[0], "c1", "", 1, 300);
    WAIT_FOR(watched_held(&town->watched[0]) == 1);
    assert_int_equal(town_trim(town->nodes[1], "c1", 101, 1000), PARLEY_OK);
    watched_release(&town->watched[0]);
    assert_int_equal(ask_code(&slow), PARLEY_OK); /* it was asked before */
    ask_release(&slow);
    assert_int_equal(town_read(town->nodes[0], "c1", "", 1, 300), 101);
    assert_int_equal(town_read(town->nodes[1], "c1", "", 1, 300), 101);
    assert_int_equal(town_read(town->nodes[0], "c1", "", 70, 1), 1);
}

static void test_a_slow_load_of_a_membership_does_not_outlive_its_end(void **state)
{
    struct town *town = *state;
    struct ask slow;
    build(town);
    assert_int_equal(town_get(town->nodes[0], "c1", "alice"), PARLEY_OK); /* there is an epoch */
    watched_hold_reads(&town->watched[0]);
    town_start_get(&slow, town->nodes[0], "c1", "bob");
    WAIT_FOR(watched_held(&town->watched[0]) == 1);
    assert_int_equal(town_change(town->nodes[1], STORE_MEMBERS_REMOVED, "c1", "alice", "bob"),
                     PARLEY_OK);
    watched_release(&town->watched[0]);
    assert_int_equal(ask_code(&slow), PARLEY_OK);
    ask_release(&slow);
    assert_int_equal(town_get(town->nodes[0], "c1", "bob"), PARLEY_NOT_FOUND);
    assert_int_equal(town_get(town->nodes[1], "c1", "bob"), PARLEY_NOT_FOUND);
    assert_int_equal(town_get(town->nodes[0], "c1", "alice"), PARLEY_OK);
}

/* The load that is under way is older than the write: who comes after the write's answer must not
 * wait for it, though it is on the same node and the write was on another. */
static void test_nobody_joins_a_load_that_is_older_than_an_answer(void **state)
{
    struct town *town = *state;
    struct ask slow, late;
    build(town);
    watched_hold_reads(&town->watched[0]);
    town_start_get(&slow, town->nodes[0], "c1", "");
    WAIT_FOR(watched_held(&town->watched[0]) == 1);
    (void)town_send(town->nodes[1], "c1", "alice", "between", 1);
    town_start_get(&late, town->nodes[0], "c1", "");
    WAIT_FOR(watched_held(&town->watched[0]) == 2);
    watched_release(&town->watched[0]);
    expect_head(&slow, 201);
    expect_head(&late, 202);
}

static void test_nobody_joins_a_load_of_a_membership_that_has_ended(void **state)
{
    struct town *town = *state;
    struct ask slow, late;
    build(town);
    assert_int_equal(town_get(town->nodes[0], "c1", "alice"), PARLEY_OK);
    watched_hold_reads(&town->watched[0]);
    town_start_get(&slow, town->nodes[0], "c1", "bob");
    WAIT_FOR(watched_held(&town->watched[0]) == 1);
    assert_int_equal(town_change(town->nodes[1], STORE_MEMBERS_REMOVED, "c1", "alice", "bob"),
                     PARLEY_OK);
    town_start_get(&late, town->nodes[0], "c1", "bob");
    WAIT_FOR(watched_held(&town->watched[0]) >= 2);
    watched_release(&town->watched[0]);
    assert_int_equal(ask_code(&slow), PARLEY_OK);
    assert_int_equal(ask_code(&late), PARLEY_NOT_FOUND);
    ask_release(&slow);
    ask_release(&late);
}

static void test_misses_of_one_thing_are_one_query(void **state)
{
    struct town *town = *state;
    struct ask asks[READERS];
    build(town);
    int64_t before = coalesced();
    watched_reset(&town->watched[0]);
    watched_hold_reads(&town->watched[0]);
    for (size_t i = 0; i < READERS; i++) {
        town_start_get(&asks[i], town->nodes[0], "c1", "");
    }
    WAIT_FOR(coalesced() - before == READERS - 1);
    watched_release(&town->watched[0]);
    for (size_t i = 0; i < READERS; i++) {
        expect_head(&asks[i], 201);
    }
    assert_int_equal(watched_total(&town->watched[0]), 1);
}

/* The node that committed the first may have died before it could delete. */
static void test_a_repeat_deletes_what_the_first_did_not(void **state)
{
    struct town *town = *state;
    build(town);
    assert_int_equal(town_head(town->nodes[0], "c1"), 201);
    assert_int_equal(town_get(town->nodes[0], "c1", "bob"), PARLEY_OK);
    (void)town_send(town->engine, "c1", "alice", "died", 1);
    assert_int_equal(town_change(town->engine, STORE_MEMBERS_REMOVED, "c1", "alice", "bob"),
                     PARLEY_OK);
    assert_int_equal(town_head(town->nodes[0], "c1"), 201); /* never answered: not promised */
    assert_int_equal(town_send(town->nodes[1], "c1", "alice", "died", 1), 202);
    assert_int_equal(town_head(town->nodes[0], "c1"), 203);
    assert_int_equal(town_change(town->nodes[1], STORE_MEMBERS_REMOVED, "c1", "alice", "bob"),
                     PARLEY_OK);
    assert_int_equal(town_get(town->nodes[0], "c1", "bob"), PARLEY_NOT_FOUND);
}

/* Who heard of a commit before its writer was answered must not be given what was there before. */
static void test_what_must_not_come_from_a_cache_does_not(void **state)
{
    struct town *town = *state;
    struct ask ask;
    const struct store_bytes id = bytes_of("c1");
    build(town);
    assert_int_equal(town_read(town->nodes[0], "c1", "", 200, 10), 2);
    (void)town_send(town->engine, "c1", "alice", "elsewhere", 1);
    ask_init(&ask);
    ask.read = (struct store_read){.request = ask.request,
                                   .conversation_id = id,
                                   .from_seq = 200,
                                   .limit = 10,
                                   .max_bytes = SIZE_MAX,
                                   .uncached = true};
    store_read(town->nodes[0], &ask.read);
    assert_int_equal(ask_code(&ask), PARLEY_OK);
    assert_int_equal(ask.read.event_count, 3);
    ask_release(&ask);
    ask_init(&ask);
    ask.heads.ids = &id;
    ask.heads.count = 1;
    store_heads(town->nodes[0], &ask.heads);
    assert_int_equal(ask_code(&ask), PARLEY_OK);
    assert_int_equal(ask.heads.head_seqs[0], 202);
    ask_release(&ask);
}

/* ---- listeners ---- */

struct listening {
    struct store *node;
    struct ask ask;
    bool is_armed;
    enum parley_code refusal;
};

/* As a hub does: what was told must be there to be read, though it is not answered yet. */
static void read_at_once(void *context, const struct store_commit *commits, size_t count)
{
    struct listening *listening = context;
    (void)commits;
    (void)count;
    if (listening->is_armed) {
        listening->is_armed = false;
        town_start_read(&listening->ask, listening->node, "c1", "", 202, 10);
        /* Until it is answered the write is not, and nothing is deleted. */
        (void)ask_wait(&listening->ask);
    }
}

/* A write that changes nothing deletes nothing: who reads after it is told must not be sent to what
 * the other has not deleted yet. */
static void read_after_a_refusal(void *context, const struct store_commit *commits, size_t count)
{
    struct listening *listening = context;
    if (listening->is_armed) {
        struct ask refused;
        ask_append(&refused, listening->node, "c1", "alice", "", bytes_of("no id"));
        (void)ask_wait(&refused);
        listening->refusal = refused.request.error.code;
        ask_release(&refused);
    }
    read_at_once(context, commits, count);
}

static void expect_told(struct town *town, struct listening *listening,
                        void (*on_commit)(void *, const struct store_commit *, size_t))
{
    const struct store_listener listener = {on_commit, listening};
    *listening = (struct listening){.node = town->nodes[0]};
    store_set_listener(town->nodes[0], &listener);
    build(town);
    assert_int_equal(town_read(town->nodes[0], "c1", "", 202, 10), 0);
    listening->is_armed = true;
    (void)town_send(town->nodes[0], "c1", "alice", "told", 1);
    assert_true(ask_wait(&listening->ask));
    assert_int_equal(listening->ask.read.head_seq, 202);
    assert_int_equal(listening->ask.read.event_count, 1);
    ask_release(&listening->ask);
}

static void test_what_a_listener_was_told_can_be_read(void **state)
{
    static struct listening listening;
    expect_told(*state, &listening, read_at_once);
}

static void test_what_a_listener_was_told_can_be_read_after_a_refusal(void **state)
{
    static struct listening listening;
    expect_told(*state, &listening, read_after_a_refusal);
    assert_int_equal(listening.refusal, PARLEY_INVALID_ARGUMENT);
}

int lease_tests(void)
{
    const struct CMUnitTest tests[] = {
        CACHE_TEST(test_a_slow_load_does_not_put_back_what_a_write_deleted),
        CACHE_TEST(test_a_slow_load_of_a_tail_is_not_put_back_either),
        CACHE_TEST(test_what_was_trimmed_is_not_read_any_more),
        CACHE_TEST(test_a_slow_load_of_a_membership_does_not_outlive_its_end),
        CACHE_TEST(test_nobody_joins_a_load_that_is_older_than_an_answer),
        CACHE_TEST(test_nobody_joins_a_load_of_a_membership_that_has_ended),
        CACHE_TEST(test_misses_of_one_thing_are_one_query),
        CACHE_TEST(test_a_repeat_deletes_what_the_first_did_not),
        CACHE_TEST(test_what_must_not_come_from_a_cache_does_not),
        CACHE_TEST(test_what_a_listener_was_told_can_be_read),
        CACHE_TEST(test_what_a_listener_was_told_can_be_read_after_a_refusal),
    };
    return cmocka_run_group_tests_name("lease", tests, NULL, NULL);
}
