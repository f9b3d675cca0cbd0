/* SPDX-License-Identifier: Apache-2.0 */
/* The trimmer over an embedded store: it finds what is to go, takes it at its own pace, and stops
 * when it is told to. */
#include "retention/trimmer.h"

#include "base/clock.h"
#include "core/loops.h"
#include "store/sqlite.h"
#include "support/check.h"
#include "support/metric.h"
#include "support/wait.h"

#include <stdio.h>
#include <string.h>

#define KEPT  100
#define EVERY 20

struct world {
    struct store *store;
    struct loops *loops;
    struct trimmer *trimmer;
};

/* A request that the test waits for. */
struct ask {
    union {
        struct store_request request;
        struct store_create create;
        struct store_append append;
        struct store_read read;
    };
    bool is_done; /* atomic */
};

static void on_done(struct store_request *request)
{
    __atomic_store_n(&((struct ask *)request)->is_done, true, __ATOMIC_RELEASE);
}

static struct store_bytes bytes_of(const char *text)
{
    return (struct store_bytes){text, strlen(text)};
}

static void await(struct ask *ask)
{
    WAIT_FOR(__atomic_load_n(&ask->is_done, __ATOMIC_ACQUIRE));
    assert_int_equal(ask->request.error.code, PARLEY_OK);
    store_request_release(&ask->request);
}

/* @param own  messages that are kept; 0: as many as the default says */
static void create(struct world *world, const char *id, int64_t own)
{
    struct ask ask = {.is_done = false};
    ask.request.done = on_done;
    ask.create.conversation_id = bytes_of(id);
    ask.create.creator = bytes_of("alice");
    ask.create.retention.messages = own;
    store_create(world->store, &ask.create);
    await(&ask);
}

static void fill(struct world *world, const char *id, size_t count)
{
    static struct ask asks[2000];
    static char names[2000][32];
    memset(asks, 0, sizeof(asks));
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "m%zu", i);
        asks[i].request.done = on_done;
        asks[i].append.conversation_id = bytes_of(id);
        asks[i].append.sender = bytes_of("alice");
        asks[i].append.client_message_id = bytes_of(names[i]);
        asks[i].append.body = bytes_of("x");
        store_append(world->store, &asks[i].append);
    }
    for (size_t i = 0; i < count; i++) {
        await(&asks[i]);
    }
}

static int64_t first_seq(struct world *world, const char *id)
{
    struct ask ask = {.is_done = false};
    ask.request.done = on_done;
    ask.read.conversation_id = bytes_of(id);
    ask.read.limit = 1;
    store_read(world->store, &ask.read);
    await(&ask);
    return ask.read.first_seq;
}

static void run_start(struct pl_loop *loop, void *context)
{
    (void)loop;
    assert_int_equal(trimmer_start(context), 0);
}

static void run_stop(struct pl_loop *loop, void *context)
{
    (void)loop;
    trimmer_stop(context);
}

/* @param standard  messages that are kept by default; 0: all */
static void start_trimmer(struct world *world, int64_t standard, int64_t per_second)
{
    const struct trimmer_options options = {
        .store = world->store,
        .loop = loops_get(world->loops, 0),
        .retention = {.messages = standard},
        .every_ms = EVERY,
        .per_second = per_second,
    };
    world->trimmer = trimmer_new(&options);
    assert_non_null(world->trimmer);
    loops_call(world->loops, 0, run_start, world->trimmer);
}

/* Of all trimmers of this process. */
static int64_t rounds(void)
{
    return metric_value("parley_retention_rounds_total");
}

static int setup(void **state)
{
    static struct world world;
    const struct store_sqlite_options options = {.data_dir = ":memory:", .shards = 2};
    world = (struct world){.store = NULL};
    *state = &world;
    return store_sqlite_open(&options, &world.store, NULL) == PARLEY_OK &&
                   loops_new(1, &world.loops, NULL) == PARLEY_OK &&
                   loops_start(world.loops, NULL) == PARLEY_OK
               ? 0
               : -1;
}

static int teardown(void **state)
{
    struct world *world = *state;
    if (world->trimmer != NULL) {
        loops_call(world->loops, 0, run_stop, world->trimmer);
    }
    store_close(world->store);
    loops_stop(world->loops);
    trimmer_free(world->trimmer);
    loops_free(world->loops);
    return 0;
}

static void test_every_conversation_is_trimmed_to_what_is_kept(void **state)
{
    /* Two share a bucket, which is asked for its conversations only once. */
    static const char *const ids[] = {"c1", "c2", "c19576", "c19591"};
    struct world *world = *state;
    for (size_t i = 0; i < PL_COUNT(ids); i++) {
        create(world, ids[i], 0);
        fill(world, ids[i], i == 1 ? KEPT : KEPT + 600);
    }
    start_trimmer(world, KEPT, 1000000);
    for (size_t i = 0; i < PL_COUNT(ids); i++) {
        WAIT_FOR(first_seq(world, ids[i]) == (i == 1 ? 1 : 602));
    }
    /* And again, in later rounds. */
    create(world, "c3", 0);
    fill(world, "c3", KEPT + 1);
    WAIT_FOR(first_seq(world, "c3") == 3);
    assert_int_equal(first_seq(world, "c2"), 1);
}

static void check_own_limits(struct world *world, int64_t standard)
{
    create(world, "own", 10);
    create(world, "forever", STORE_KEEP_ALL);
    create(world, "plain", 0);
    fill(world, "own", 50);
    fill(world, "forever", KEPT + 50);
    fill(world, "plain", KEPT + 50);
    int64_t before = rounds();
    start_trimmer(world, standard, 1000000);
    WAIT_FOR(rounds() > before); /* all have been looked at */
    assert_int_equal(first_seq(world, "own"), 42);
    assert_int_equal(first_seq(world, "forever"), 1);
    assert_int_equal(first_seq(world, "plain"), standard == 0 ? 1 : 52);
}

static void test_what_a_conversation_says_itself_comes_first(void **state)
{
    check_own_limits(*state, KEPT);
}

static void test_without_a_default_conversations_are_trimmed_that_want_it(void **state)
{
    check_own_limits(*state, 0);
}

static void test_it_takes_its_time(void **state)
{
    struct world *world = *state;
    create(world, "c1", 0);
    fill(world, "c1", KEPT + 500);
    int64_t began_ns = pl_clock_monotonic_ns();
    start_trimmer(world, KEPT, 250);
    WAIT_FOR(first_seq(world, "c1") > 1);
    assert_int_equal(first_seq(world, "c1"), 251);
    WAIT_FOR(first_seq(world, "c1") == 502);
    /* Three batches: 250, 250 and 1, and a pause of more than a second after each. */
    assert_true(pl_clock_monotonic_ns() - began_ns > INT64_C(2000) * 1000000);
}

static void test_it_can_be_stopped_in_the_middle(void **state)
{
    struct world *world = *state;
    create(world, "c1", 0);
    fill(world, "c1", KEPT + 500);
    start_trimmer(world, KEPT, 20);
    WAIT_FOR(first_seq(world, "c1") == 21);
}

int main(void)
{
    trimmer_register_metrics();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_conversation_is_trimmed_to_what_is_kept, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_what_a_conversation_says_itself_comes_first, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            test_without_a_default_conversations_are_trimmed_that_want_it, setup, teardown),
        cmocka_unit_test_setup_teardown(test_it_takes_its_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_it_can_be_stopped_in_the_middle, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
