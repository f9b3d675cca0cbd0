/* SPDX-License-Identifier: Apache-2.0 */
/* The executor over an engine that does nothing but what the test lets it do: what a batch is, and
 * when a change of members is answered. */
#include "shard/executor.h"

#include "base/mem.h"
#include "shard/route.h"
#include "shard/rules.h"
#include "support/check.h"
#include "support/wait.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define SHARDS      2
#define BATCHES_MAX 16
#define HEAD        7
#define ROOMS       20

/* A user of the other shard than "room-1"'s. */
static char user_name[16];
static struct store_bytes user = {user_name, 0};

static struct engine {
    struct shard_engine engine; /* first */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool holds_links;  /* link requests wait */
    bool holds_writes; /* all others wait */
    bool fails_links;  /* the next link request fails */
    unsigned held;     /* writers that wait */
    size_t batches[BATCHES_MAX];
    size_t batch_count;
    unsigned resyncs; /* batches that reported the whole outbox after the start */
    bool has_outbox;  /* a link that is not forgotten */
    unsigned rounds;  /* that the outbox takes, but for the last */
    bool is_closed;
    bool is_down[SHARDS]; /* to readers */
} world;

struct shard_writer {
    unsigned shard;
    struct shard_link link;
};

struct shard_reader {
    unsigned shard;
};

static enum parley_code open_writer(struct shard_engine *engine, unsigned shard,
                                    struct shard_writer **writer, struct pl_error *err)
{
    (void)engine;
    (void)err;
    *writer = pl_calloc(1, sizeof(**writer));
    (*writer)->shard = shard;
    return PARLEY_OK;
}

static enum parley_code open_reader(struct shard_engine *engine, unsigned shard,
                                    struct shard_reader **reader, struct pl_error *err)
{
    (void)engine;
    (void)err;
    *reader = pl_calloc(1, sizeof(**reader));
    (*reader)->shard = shard;
    return PARLEY_OK;
}

static void hold(const bool *is_held)
{
    world.held++;
    (void)pthread_cond_broadcast(&world.changed);
    while (*is_held) {
        (void)pthread_cond_wait(&world.changed, &world.mutex);
    }
    world.held--;
}

static void report_link(struct shard_writer *writer, struct shard_batch *batch)
{
    writer->link =
        (struct shard_link){.user = user, .conversation_id = {"room-1", 6}, .is_member = true};
    batch->links = &writer->link;
    batch->link_count = 1;
    batch->links_first = 1;
    batch->links_last = 1;
}

static void write_one(struct shard_writer *writer, struct shard_batch *batch,
                      struct store_request *request)
{
    switch ((int)request->op) {
    case STORE_OP_CREATE: {
        struct store_create *create = (struct store_create *)request;
        create->created = !world.has_outbox;
        if (create->created) {
            world.has_outbox = true;
            report_link(writer, batch);
        }
        return;
    }
    case SHARD_OP_LINK:
        hold(&world.holds_links);
        if (world.fails_links) {
            world.fails_links = false;
            pl_fail(&request->error, PARLEY_UNAVAILABLE, "the disk is full");
        }
        return;
    case SHARD_OP_FORGET:
        world.has_outbox = world.rounds > 0;
        world.rounds -= world.rounds > 0;
        return;
    default:
        return;
    }
}

static void write_batch(struct shard_writer *writer, struct shard_batch *batch)
{
    (void)pthread_mutex_lock(&world.mutex);
    if (batch->requests[0]->op == STORE_OP_APPEND) {
        world.batches[world.batch_count++ % BATCHES_MAX] = batch->count;
        hold(&world.holds_writes);
    }
    batch->is_committed = true;
    for (size_t i = 0; i < batch->count; i++) {
        write_one(writer, batch, batch->requests[i]);
    }
    batch->is_resynced = batch->resync && world.rounds == 0;
    if (batch->resync && !batch->is_resynced) {
        struct pl_error error = PL_ERROR_INIT;
        pl_fail(&error, PARLEY_UNAVAILABLE, "there is more");
        shard_fail_resync(batch, &error);
    }
    if (batch->resync && world.has_outbox) {
        world.resyncs++;
        report_link(writer, batch);
    }
    (void)pthread_mutex_unlock(&world.mutex);
}

/* Every head is HEAD. A shard that is down is lost when one of them was read. */
static void read_heads(struct shard_reader *reader, struct store_request *request)
{
    struct shard_lookup_request *lookup = (struct shard_lookup_request *)request;
    assert_int_equal(request->op, SHARD_OP_LOOKUP);
    (void)pthread_mutex_lock(&world.mutex);
    bool is_down = world.is_down[reader->shard];
    (void)pthread_mutex_unlock(&world.mutex);
    for (size_t i = 0; i < (is_down ? 1 : lookup->count); i++) {
        lookup->conversations[i]->head_seq = HEAD;
    }
    if (is_down) {
        pl_fail(&request->error, PARLEY_UNAVAILABLE, "shard %u is down", reader->shard);
        request->error.retry_after_ms = 9;
    }
}

static void close_writer(struct shard_writer *writer)
{
    pl_free(writer);
}

static void close_reader(struct shard_reader *reader)
{
    pl_free(reader);
}

static void close_engine(struct shard_engine *engine)
{
    ((struct engine *)engine)->is_closed = true;
}

static const struct shard_engine_ops ops = {open_writer,  open_reader,  write_batch, read_heads,
                                            close_writer, close_reader, close_engine};

static void set(bool *what, bool value)
{
    (void)pthread_mutex_lock(&world.mutex);
    *what = value;
    (void)pthread_cond_broadcast(&world.changed);
    (void)pthread_mutex_unlock(&world.mutex);
}

static unsigned count_held(void)
{
    (void)pthread_mutex_lock(&world.mutex);
    unsigned held = world.held;
    (void)pthread_mutex_unlock(&world.mutex);
    return held;
}

static atomic_uint done_count;
static atomic_uint message_count;

static void count_done(struct store_request *request)
{
    (void)request;
    atomic_fetch_add(&done_count, 1);
}

static void count_message(struct store_request *request)
{
    (void)request;
    atomic_fetch_add(&message_count, 1);
}

static void choose_user(void)
{
    unsigned i = 0;
    do {
        user.len = (size_t)snprintf(user_name, sizeof(user_name), "user-%u", i++);
    } while (shard_of(user_name, user.len, SHARDS) == shard_of("room-1", 6, SHARDS));
}

static int setup(void **state)
{
    const struct shard_options options = {.shards = SHARDS,
                                          .readers = 1,
                                          .batch_rows_max = 8,
                                          .batch_bytes_max = 1 << 20,
                                          .queue_bytes_max = 1 << 20,
                                          .busy_retry_ms = 7};
    memset(&world, 0, sizeof(world));
    world.engine.ops = &ops;
    (void)pthread_mutex_init(&world.mutex, NULL);
    (void)pthread_cond_init(&world.changed, NULL);
    atomic_store(&done_count, 0);
    atomic_store(&message_count, 0);
    choose_user();
    return shard_store_open(&world.engine, &options, (struct store **)state, NULL) == PARLEY_OK
               ? 0
               : -1;
}

static int teardown(void **state)
{
    set(&world.holds_links, false); /* a test that failed may have left them so */
    set(&world.holds_writes, false);
    store_close(*state);
    return world.is_closed ? 0 : -1;
}

static void append(struct store *store, struct store_append *append,
                   void (*done)(struct store_request *request))
{
    *append = (struct store_append){.request.done = done,
                                    .conversation_id = {"room-1", 6},
                                    .sender = {"alice", 5},
                                    .client_message_id = {"m", 1}};
    store_append(store, append);
}

static void test_a_batch_is_what_waited(void **state)
{
    struct store_append appends[21];
    set(&world.holds_writes, true);
    append(*state, &appends[0], count_done);
    WAIT_FOR(count_held() == 1);
    for (size_t i = 1; i < 21; i++) {
        append(*state, &appends[i], count_done);
    }
    set(&world.holds_writes, false);
    WAIT_FOR(atomic_load(&done_count) == 21);
    /* The first at once, alone; the others together, as far as a batch goes. */
    static const size_t batches[] = {1, 8, 8, 4};
    assert_int_equal(world.batch_count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(world.batches[i], batches[i]);
    }
}

static void create(struct store *store, struct store_create *create)
{
    *create = (struct store_create){
        .request.done = count_done, .conversation_id = {"room-1", 6}, .creator = user};
    store_create(store, create);
}

static void test_a_creation_is_answered_when_lists_show_it(void **state)
{
    struct store_create first;
    set(&world.holds_links, true);
    create(*state, &first);
    WAIT_FOR(count_held() == 1); /* the link is on its way */
    assert_int_equal(atomic_load(&done_count), 0);
    set(&world.holds_links, false);
    WAIT_FOR(atomic_load(&done_count) == 1);
    assert_int_equal(first.request.error.code, PARLEY_OK);
}

static void test_a_repeat_waits_for_the_links_of_the_first(void **state)
{
    struct store_create first;
    struct store_create second;
    struct store_append message;
    set(&world.holds_links, true);
    create(*state, &first);
    WAIT_FOR(count_held() == 1); /* the link is on its way */
    create(*state, &second);
    /* A message is of no concern to lists: when it is answered, though it came last, the writer is
     * through with the repeat as well. */
    append(*state, &message, count_message);
    WAIT_FOR(atomic_load(&message_count) == 1);
    assert_int_equal(atomic_load(&done_count), 0);
    set(&world.holds_links, false);
    WAIT_FOR(atomic_load(&done_count) == 2);
    assert_true(first.created);
    assert_false(second.created);
    assert_int_equal(second.request.error.code, PARLEY_OK);
}

static void test_links_that_failed_are_applied_with_the_retry(void **state)
{
    struct store_create request;
    set(&world.fails_links, true);
    create(*state, &request);
    WAIT_FOR(atomic_load(&done_count) == 1);
    assert_int_equal(request.request.error.code, PARLEY_UNAVAILABLE);
    assert_int_equal(request.request.error.retry_after_ms, 7);
    create(*state, &request);
    WAIT_FOR(atomic_load(&done_count) == 2);
    assert_int_equal(request.request.error.code, PARLEY_OK);
    assert_int_equal(world.resyncs, 1);
}

static bool has_outbox(void)
{
    (void)pthread_mutex_lock(&world.mutex);
    bool has = world.has_outbox;
    (void)pthread_mutex_unlock(&world.mutex);
    return has;
}

static void test_an_outbox_of_many_rounds_is_emptied_round_by_round(void **state)
{
    struct store_create request;
    set(&world.fails_links, true);
    create(*state, &request);
    WAIT_FOR(atomic_load(&done_count) == 1);
    (void)pthread_mutex_lock(&world.mutex);
    world.rounds = 3;
    (void)pthread_mutex_unlock(&world.mutex);
    create(*state, &request);
    WAIT_FOR(atomic_load(&done_count) == 2);
    assert_int_equal(request.request.error.code, PARLEY_UNAVAILABLE); /* its own may be the last */
    WAIT_FOR(!has_outbox());
    assert_int_equal(world.resyncs, 4);
    create(*state, &request);
    WAIT_FOR(atomic_load(&done_count) == 3);
    assert_int_equal(request.request.error.code, PARLEY_OK);
}

static void test_a_shard_that_is_down_hides_only_its_own_heads(void **state)
{
    static const bool cases[][SHARDS] = {{false, false}, {true, false}, {false, true}};
    char names[ROOMS][8];
    struct store_bytes ids[ROOMS];
    for (unsigned i = 0; i < ROOMS; i++) {
        int len = snprintf(names[i], sizeof(names[i]), "room-%u", i);
        ids[i] = (struct store_bytes){names[i], (size_t)len};
    }
    for (unsigned i = 0; i < PL_COUNT(cases); i++) {
        struct store_heads heads = {.request.done = count_done, .ids = ids, .count = ROOMS};
        set(&world.is_down[0], cases[i][0]);
        set(&world.is_down[1], cases[i][1]);
        store_heads(*state, &heads);
        WAIT_FOR(atomic_load(&done_count) == i + 1);
        assert_int_equal(heads.request.error.code, PARLEY_OK);
        for (unsigned j = 0; j < ROOMS; j++) {
            bool is_down = cases[i][shard_of(names[j], ids[j].len, SHARDS)];
            assert_int_equal(heads.head_seqs[j], is_down ? STORE_HEAD_UNKNOWN : HEAD);
        }
        store_request_release(&heads.request);
    }
}

static void test_no_heads_at_all_are_a_failure(void **state)
{
    const struct store_bytes id = {"room-1", 6};
    struct store_heads heads = {.request.done = count_done, .ids = &id, .count = 1};
    set(&world.is_down[shard_of(id.data, id.len, SHARDS)], true); /* the other one is not asked */
    store_heads(*state, &heads);
    WAIT_FOR(atomic_load(&done_count) == 1);
    assert_int_equal(heads.request.error.code, PARLEY_UNAVAILABLE);
    assert_int_equal(heads.request.error.retry_after_ms, 9);
    store_request_release(&heads.request);
}

#define EXECUTOR_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EXECUTOR_TEST(test_a_batch_is_what_waited),
        EXECUTOR_TEST(test_a_creation_is_answered_when_lists_show_it),
        EXECUTOR_TEST(test_a_repeat_waits_for_the_links_of_the_first),
        EXECUTOR_TEST(test_links_that_failed_are_applied_with_the_retry),
        EXECUTOR_TEST(test_an_outbox_of_many_rounds_is_emptied_round_by_round),
        EXECUTOR_TEST(test_a_shard_that_is_down_hides_only_its_own_heads),
        EXECUTOR_TEST(test_no_heads_at_all_are_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
