/* SPDX-License-Identifier: Apache-2.0 */
/* An answer is a promise: a process that writes as fast as it can is killed at a random moment, and
 * whatever it had told us is there, in its place, with no hole before it.
 *
 * PARLEY_TEST_SEED repeats a run. */
#include "store/sqlite.h"

#include "base/clock.h"
#include "support/check.h"
#include "support/tmp_dir.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS        10
#define SHARDS        2
#define CONVERSATIONS 4
#define THREADS       4
#define IN_FLIGHT     8   /* of each thread */
#define ACKS_MIN      30  /* the least to wait for before the kill */
#define ACKS_SPAN     400 /* how many more there may be */
#define ACKS_MAX      200000

/* What the child tells of each answer: atomic, as it is smaller than PIPE_BUF. */
struct ack {
    int64_t seq;
    unsigned conversation;
    char id[20];
};

static const char *const rooms[CONVERSATIONS] = {"room-0", "room-1", "room-2", "room-3"};
static struct ack acks[ACKS_MAX];

static struct store_bytes bytes_of(const char *text)
{
    return (struct store_bytes){text, strlen(text)};
}

/* ---- one request, and the wait for it ---- */

struct ask {
    union {
        struct store_request request;
        struct store_append append;
        struct store_create create;
        struct store_read read;
    };
    bool is_done;
    struct ack ack;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void on_done(struct store_request *request)
{
    struct ask *ask = (struct ask *)request;
    (void)pthread_mutex_lock(&mutex);
    ask->is_done = true;
    (void)pthread_cond_broadcast(&changed);
    (void)pthread_mutex_unlock(&mutex);
}

static void init(struct ask *ask)
{
    memset(ask, 0, sizeof(*ask));
    ask->request.done = on_done;
}

static enum parley_code wait_done(struct ask *ask)
{
    (void)pthread_mutex_lock(&mutex);
    while (!ask->is_done) {
        (void)pthread_cond_wait(&changed, &mutex);
    }
    (void)pthread_mutex_unlock(&mutex);
    return ask->request.error.code;
}

static void send_message(struct store *store, struct ask *ask, unsigned conversation,
                         const char *id)
{
    init(ask);
    ask->ack.conversation = conversation;
    (void)snprintf(ask->ack.id, sizeof(ask->ack.id), "%s", id);
    ask->append.conversation_id = bytes_of(rooms[conversation]);
    ask->append.sender = bytes_of("alice");
    ask->append.client_message_id = bytes_of(ask->ack.id);
    ask->append.body = bytes_of(ask->ack.id);
    store_append(store, &ask->append);
}

static struct store *open_store(const struct tmp_dir *dir)
{
    struct store *store = NULL;
    const struct store_sqlite_options options = {
        .data_dir = dir->path, .shards = SHARDS, .auto_migrate = true};
    return store_sqlite_open(&options, &store, NULL) == PARLEY_OK ? store : NULL;
}

/* ---- the process that is killed ---- */

struct worker {
    struct store *store;
    unsigned round;
    unsigned index;
    int pipe;
};

static void *send_for_ever(void *argument)
{
    const struct worker *worker = argument;
    struct ask asks[IN_FLIGHT];
    for (unsigned turn = 0;; turn++) {
        for (unsigned i = 0; i < IN_FLIGHT; i++) {
            char id[20];
            (void)snprintf(id, sizeof(id), "%u-%u-%u", worker->round % 100, worker->index,
                           turn * IN_FLIGHT + i);
            send_message(worker->store, &asks[i], (worker->index + i) % CONVERSATIONS, id);
        }
        for (unsigned i = 0; i < IN_FLIGHT; i++) {
            if (wait_done(&asks[i]) != PARLEY_OK) {
                _exit(3);
            }
            asks[i].ack.seq = asks[i].append.seq;
            if (write(worker->pipe, &asks[i].ack, sizeof(struct ack)) < 0) {
                _exit(4);
            }
            store_request_release(&asks[i].request);
        }
    }
    return NULL;
}

_Noreturn static void run_child(const struct tmp_dir *dir, unsigned round, int pipe)
{
    struct worker workers[THREADS];
    pthread_t threads[THREADS];
    struct store *store = open_store(dir);
    for (unsigned i = 0; store != NULL && i < CONVERSATIONS; i++) {
        struct ask ask;
        init(&ask);
        ask.create.conversation_id = bytes_of(rooms[i]);
        ask.create.creator = bytes_of("alice");
        store_create(store, &ask.create);
        if (wait_done(&ask) != PARLEY_OK) {
            _exit(5);
        }
        store_request_release(&ask.request);
    }
    for (unsigned i = 0; store != NULL && i < THREADS; i++) {
        workers[i] = (struct worker){store, round, i, pipe};
        if (pthread_create(&threads[i], NULL, send_for_ever, &workers[i]) != 0) {
            _exit(6);
        }
    }
    if (store != NULL) {
        (void)pthread_join(threads[0], NULL);
    }
    _exit(7);
}

/* ---- the process that kills, and looks ---- */

/* Kill it after so many answers, and read what it still said. Returns how many there were. */
static size_t run_until_killed(const struct tmp_dir *dir, unsigned round, size_t enough,
                               size_t count)
{
    int ends[2];
    int status = 0;
    bool is_killed = false;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        (void)close(ends[0]);
        run_child(dir, round, ends[1]);
    }
    assert_true(child > 0);
    (void)close(ends[1]);
    enough += count;
    while (count < ACKS_MAX && read(ends[0], &acks[count], sizeof(acks[0])) == sizeof(acks[0])) {
        count++;
        if (count >= enough && !is_killed) {
            assert_int_equal(kill(child, SIGKILL), 0);
            is_killed = true;
        }
    }
    (void)close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    return count;
}

/* The log is 1, 2, 3 ... and holds each id once. */
static void check_log(struct store *store, unsigned conversation, const struct ack *told,
                      size_t count)
{
    struct ask ask;
    init(&ask);
    ask.read.conversation_id = bytes_of(rooms[conversation]);
    ask.read.limit = STORE_PAGE_MAX;
    ask.read.max_bytes = SIZE_MAX;
    store_read(store, &ask.read);
    assert_int_equal(wait_done(&ask), PARLEY_OK);
    assert_int_equal(ask.read.event_count, ask.read.head_seq);
    for (size_t i = 0; i < ask.read.event_count; i++) {
        assert_int_equal(ask.read.events[i].seq, (int64_t)i + 1);
        assert_int_equal(ask.read.events[i].ordinal, (int64_t)i);
    }
    for (size_t i = 0; i < count; i++) {
        if (told[i].conversation == conversation) {
            assert_in_range(told[i].seq, 2, ask.read.head_seq);
            struct store_bytes id = ask.read.events[told[i].seq - 1].client_message_id;
            assert_int_equal(id.len, strlen(told[i].id));
            assert_memory_equal(id.data, told[i].id, id.len);
        }
    }
    store_request_release(&ask.request);
}

/* A retry answers with the first seq and stores nothing. */
static void check_retries(struct store *store, const struct ack *told, size_t count)
{
    for (size_t i = 0; i < count; i += 1 + count / 50) {
        struct ask ask;
        send_message(store, &ask, told[i].conversation, told[i].id);
        assert_int_equal(wait_done(&ask), PARLEY_OK);
        assert_true(ask.append.is_duplicate);
        assert_int_equal(ask.append.seq, told[i].seq);
        store_request_release(&ask.request);
    }
}

static unsigned choose_seed(void)
{
    const char *text = getenv("PARLEY_TEST_SEED"); // NOLINT(concurrency-mt-unsafe): at start
    unsigned seed =
        text == NULL ? (unsigned)pl_clock_monotonic_ns() | 1U : (unsigned)strtoul(text, NULL, 10);
    print_message("  PARLEY_TEST_SEED=%u\n", seed);
    return seed;
}

static void test_what_was_answered_survives_kill_9(void **state)
{
    struct tmp_dir dir;
    unsigned random = choose_seed();
    size_t count = 0;
    (void)state;
    assert_int_equal(tmp_dir_init(&dir), 0);
    for (unsigned round = 0; round < ROUNDS; round++) {
        random = random * 1664525U + 1013904223U;
        count = run_until_killed(&dir, round, ACKS_MIN + (random >> 8) % ACKS_SPAN, count);
        struct store *store = open_store(&dir);
        assert_non_null(store);
        for (unsigned i = 0; i < CONVERSATIONS; i++) {
            check_log(store, i, acks, count);
        }
        check_retries(store, acks, count);
        store_close(store);
    }
    print_message("  %zu answers in %d rounds, all kept\n", count, ROUNDS);
    assert_int_equal(tmp_dir_deinit(&dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_answered_survives_kill_9),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
