/* SPDX-License-Identifier: Apache-2.0 */
/* The store when memory is gone: it fails with an answer, loses nothing, leaks nothing. */
#include "store/sqlite.h"

#include "support/check.h"
#include "support/failing_heap.h"

#include <pthread.h>

/* Waits without an assertion: these run within a sweep. */
struct waiter {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool is_done;
};

static struct waiter waiter = {.mutex = PTHREAD_MUTEX_INITIALIZER,
                               .changed = PTHREAD_COND_INITIALIZER};

static void wake(struct store_request *request)
{
    (void)request;
    (void)pthread_mutex_lock(&waiter.mutex);
    waiter.is_done = true;
    (void)pthread_cond_signal(&waiter.changed);
    (void)pthread_mutex_unlock(&waiter.mutex);
}

/* Returns whether it succeeded; the results are released. */
static bool wait_done(struct store_request *request)
{
    (void)pthread_mutex_lock(&waiter.mutex);
    while (!waiter.is_done) {
        (void)pthread_cond_wait(&waiter.changed, &waiter.mutex);
    }
    waiter.is_done = false;
    (void)pthread_mutex_unlock(&waiter.mutex);
    enum parley_code code = request->error.code;
    store_request_release(request);
    return code == PARLEY_OK;
}

#define ROOM                                                                                       \
    {                                                                                              \
        "room-1", 6                                                                                \
    }
#define ALICE                                                                                      \
    {                                                                                              \
        "alice", 5                                                                                 \
    }

static bool use(struct store *store)
{
    const struct store_bytes members[] = {{"bob", 3}, {"carol", 5}};
    struct store_create create = {.request.done = wake,
                                  .conversation_id = ROOM,
                                  .creator = ALICE,
                                  .members = members,
                                  .member_count = 2};
    struct store_append append = {.request.done = wake,
                                  .conversation_id = ROOM,
                                  .sender = ALICE,
                                  .client_message_id = {"m1", 2}};
    struct store_read read = {.request.done = wake, .conversation_id = ROOM, .limit = 10};
    struct store_list_conversations list = {.request.done = wake, .user = ALICE, .limit = 10};
    struct store_list_members list_members = {
        .request.done = wake, .conversation_id = ROOM, .limit = 10};
    store_create(store, &create);
    bool is_well = wait_done(&create.request);
    store_append(store, &append);
    is_well = wait_done(&append.request) && is_well;
    store_read(store, &read);
    is_well = wait_done(&read.request) && is_well;
    store_list_conversations(store, &list);
    is_well = wait_done(&list.request) && is_well;
    store_list_members(store, &list_members);
    return wait_done(&list_members.request) && is_well;
}

static bool open_use_close(void *context)
{
    struct store *store = NULL;
    const struct store_sqlite_options options = {
        .data_dir = ":memory:", .shards = 2, .readers = 1, .batch_rows_max = 16};
    (void)context;
    if (store_sqlite_open(&options, &store, NULL) != PARLEY_OK) {
        return false;
    }
    bool is_well = use(store);
    store_close(store);
    return is_well;
}

static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    size_t failed = failing_heap_sweep(open_use_close, NULL);
    print_message("  %zu allocations were made to fail\n", failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
