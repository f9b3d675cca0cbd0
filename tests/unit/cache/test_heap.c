/* SPDX-License-Identifier: Apache-2.0 */
/* The cache when memory is gone: each request is answered, and nothing leaks. */
#include "store/cache.h"

#include "support/check.h"
#include "support/failing_heap.h"

#include <pthread.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool is_done;

static void wake(struct store_request *request)
{
    (void)request;
    (void)pthread_mutex_lock(&mutex);
    is_done = true;
    (void)pthread_cond_signal(&changed);
    (void)pthread_mutex_unlock(&mutex);
}

/* Returns whether it succeeded; the results are released. */
static bool wait_done(struct store_request *request)
{
    (void)pthread_mutex_lock(&mutex);
    while (!is_done) {
        (void)pthread_cond_wait(&changed, &mutex);
    }
    is_done = false;
    (void)pthread_mutex_unlock(&mutex);
    bool is_well = request->error.code == PARLEY_OK;
    store_request_release(request);
    return is_well;
}

/* ---- a store that answers from a thread of its own, and needs no heap ---- */

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t ready;
    pthread_t thread;
    struct store_request
        *queue; /* one request at a time, or two loads: the order does not matter */
    bool is_closed;
} plain = {.mutex = PTHREAD_MUTEX_INITIALIZER, .ready = PTHREAD_COND_INITIALIZER};

static void answer(struct store_request *request)
{
    static const struct store_event event = {.seq = 1, .kind = STORE_MESSAGE, .body = {"hi", 2}};
    pl_error_clear(&request->error);
    pl_arena_init(&request->arena, NULL, 0, 0);
    if (request->op == STORE_OP_GET) {
        struct store_get *get = (struct store_get *)request;
        get->conversation = (struct store_conversation){
            .id = get->conversation_id, .title = {"Tea", 3}, .role = STORE_ROLE_MEMBER};
    } else if (request->op == STORE_OP_READ) {
        struct store_read *read = (struct store_read *)request;
        read->events = &event;
        read->event_count = 1;
        read->head_seq = 1;
        read->first_seq = 1;
    }
    request->done(request);
}

static void *answer_all(void *unused)
{
    (void)unused;
    (void)pthread_mutex_lock(&plain.mutex);
    while (plain.queue != NULL || !plain.is_closed) {
        struct store_request *request = plain.queue;
        if (request == NULL) {
            (void)pthread_cond_wait(&plain.ready, &plain.mutex);
            continue;
        }
        plain.queue = request->next;
        (void)pthread_mutex_unlock(&plain.mutex);
        answer(request);
        (void)pthread_mutex_lock(&plain.mutex);
    }
    (void)pthread_mutex_unlock(&plain.mutex);
    return NULL;
}

static void submit(struct store *store, struct store_request *request)
{
    (void)store;
    (void)pthread_mutex_lock(&plain.mutex);
    request->next = plain.queue;
    plain.queue = request;
    (void)pthread_cond_signal(&plain.ready);
    (void)pthread_mutex_unlock(&plain.mutex);
}

static void set_listener(struct store *store, const struct store_listener *listener)
{
    (void)store;
    (void)listener;
}

static void stay_open(struct store *store)
{
    (void)store;
}

static const struct store_ops plain_ops = {submit, set_listener, stay_open};

/* ---- the sweep ---- */

static void on_commit(void *context, const struct store_commit *commits, size_t count)
{
    (void)context;
    (void)commits;
    (void)count;
}

static bool use(struct store *store)
{
    const struct store_bytes room = {"room-1", 6};
    const struct store_bytes alice = {"alice", 5};
    struct store_create create = {.request.done = wake, .conversation_id = room, .creator = alice};
    struct store_append append = {.request.done = wake,
                                  .conversation_id = room,
                                  .sender = alice,
                                  .client_message_id = {"m1", 2}};
    bool is_well = true;
    store_create(store, &create);
    is_well = wait_done(&create.request) && is_well;
    store_append(store, &append);
    is_well = wait_done(&append.request) && is_well;
    for (int i = 0; i < 2; i++) { /* a miss, and a hit */
        struct store_read read = {.request.done = wake,
                                  .conversation_id = room,
                                  .user = alice,
                                  .limit = 10,
                                  .max_bytes = 1000};
        struct store_get get = {.request.done = wake, .conversation_id = room, .user = alice};
        store_read(store, &read);
        is_well = wait_done(&read.request) && is_well;
        store_get(store, &get);
        is_well = wait_done(&get.request) && is_well;
    }
    return is_well;
}

static bool open_use_close(void *context)
{
    struct store inner = {.ops = &plain_ops};
    struct store *store = NULL;
    const struct store_cache_options options = {.kind = STORE_CACHE_MEMORY, .threads = 1};
    const struct store_listener listener = {on_commit, NULL};
    (void)context;
    if (store_cache_open(&inner, &options, &store, NULL) != PARLEY_OK) {
        return false;
    }
    store_set_listener(store, &listener);
    bool is_well = use(store);
    store_close(store);
    return is_well;
}

static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    assert_int_equal(pthread_create(&plain.thread, NULL, answer_all, NULL), 0);
    size_t failed = failing_heap_sweep(open_use_close, NULL);
    print_message("  %zu allocations were made to fail\n", failed);
    (void)pthread_mutex_lock(&plain.mutex);
    plain.is_closed = true;
    (void)pthread_cond_signal(&plain.ready);
    (void)pthread_mutex_unlock(&plain.mutex);
    (void)pthread_join(plain.thread, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
