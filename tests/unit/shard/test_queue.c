/* SPDX-License-Identifier: Apache-2.0 */
/* The queue of a shard: its budget, its order, and what it says when it is closed. */
#include "shard/queue.h"

#include "store/store.h"
#include "support/check.h"

#include <pthread.h>
#include <string.h>

#define BUDGET 100

static int setup(void **state)
{
    static struct shard_queue queue;
    shard_queue_init(&queue, BUDGET, NULL);
    *state = &queue;
    return 0;
}

static int teardown(void **state)
{
    shard_queue_deinit(*state);
    return 0;
}

static void test_takes_up_to_its_budget_and_no_more(void **state)
{
    struct shard_queue *queue = *state;
    struct store_request requests[4] = {0};
    assert_true(shard_queue_push(queue, &requests[0], 60));
    assert_true(shard_queue_push(queue, &requests[1], 40));
    assert_false(shard_queue_push(queue, &requests[2], 1));
    /* What was taken is on the account until it is released. */
    assert_ptr_equal(shard_queue_take_one(queue), &requests[0]);
    assert_false(shard_queue_push(queue, &requests[2], 1));
    shard_queue_release(queue, 60);
    assert_false(shard_queue_push(queue, &requests[2], 61));
    assert_true(shard_queue_push(queue, &requests[3], 60));
}

static void test_takes_one_of_any_size_when_empty(void **state)
{
    struct shard_queue *queue = *state;
    struct store_request requests[2] = {0};
    assert_true(shard_queue_push(queue, &requests[0], 10 * BUDGET));
    assert_false(shard_queue_push(queue, &requests[1], 1));
    (void)shard_queue_take_one(queue);
    shard_queue_release(queue, 10 * BUDGET);
    assert_true(shard_queue_push(queue, &requests[1], 1));
}

static void test_the_stores_own_work_is_always_taken(void **state)
{
    struct shard_queue *queue = *state;
    struct store_request requests[3] = {0};
    assert_true(shard_queue_push(queue, &requests[0], BUDGET));
    shard_queue_push_always(queue, &requests[1], 1);
    shard_queue_push_front(queue, &requests[2]);
    struct store_request *list = shard_queue_take_all(queue);
    assert_ptr_equal(list, &requests[2]);
    assert_ptr_equal(list->next, &requests[0]);
    assert_ptr_equal(list->next->next, &requests[1]);
    assert_null(list->next->next->next);
}

static void test_gives_out_what_is_inside_after_it_was_closed(void **state)
{
    struct shard_queue *queue = *state;
    struct store_request requests[2] = {0};
    assert_true(shard_queue_push(queue, &requests[0], 1));
    assert_true(shard_queue_push(queue, &requests[1], 1));
    shard_queue_close(queue);
    assert_ptr_equal(shard_queue_take_one(queue), &requests[0]);
    assert_ptr_equal(shard_queue_take_all(queue), &requests[1]);
    assert_null(shard_queue_take_one(queue));
    assert_null(shard_queue_take_all(queue));
}

static void *take_one(void *queue)
{
    return shard_queue_take_one(queue);
}

static void test_wakes_a_taker_that_waits(void **state)
{
    struct shard_queue *queue = *state;
    struct store_request request = {0};
    pthread_t taker;
    void *taken = NULL;
    assert_int_equal(pthread_create(&taker, NULL, take_one, queue), 0);
    assert_true(shard_queue_push(queue, &request, 1));
    assert_int_equal(pthread_join(taker, &taken), 0);
    assert_ptr_equal(taken, &request);
    assert_int_equal(pthread_create(&taker, NULL, take_one, queue), 0);
    shard_queue_close(queue);
    assert_int_equal(pthread_join(taker, &taken), 0);
    assert_null(taken);
}

static void test_cuts_a_batch_by_rows_and_by_bytes(void **state)
{
    struct store_append appends[4];
    struct store_request *out[4];
    size_t bytes = 0;
    (void)state;
    memset(appends, 0, sizeof(appends));
    struct store_request *list = &appends[0].request;
    for (size_t i = 0; i < 4; i++) {
        appends[i].request.op = STORE_OP_APPEND;
        appends[i].body.len = 1000;
        appends[i].request.next = i < 3 ? &appends[i + 1].request : NULL;
    }
    size_t each = shard_request_bytes(list);
    assert_int_equal(each, sizeof(appends[0]) + 1000);
    assert_int_equal(shard_queue_cut(&list, out, 4, 1, &bytes), 1); /* one is always let through */
    assert_int_equal(bytes, each);
    assert_int_equal(shard_queue_cut(&list, out, 1, SIZE_MAX, &bytes), 1);
    assert_ptr_equal(out[0], &appends[1]);
    assert_int_equal(shard_queue_cut(&list, out, 4, 2 * each, &bytes), 2);
    assert_ptr_equal(out[1], &appends[3]);
    assert_null(list);
}

#define QUEUE_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        QUEUE_TEST(test_takes_up_to_its_budget_and_no_more),
        QUEUE_TEST(test_takes_one_of_any_size_when_empty),
        QUEUE_TEST(test_the_stores_own_work_is_always_taken),
        QUEUE_TEST(test_gives_out_what_is_inside_after_it_was_closed),
        QUEUE_TEST(test_wakes_a_taker_that_waits),
        QUEUE_TEST(test_cuts_a_batch_by_rows_and_by_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
