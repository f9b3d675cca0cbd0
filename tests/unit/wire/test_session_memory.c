/* SPDX-License-Identifier: Apache-2.0 */
/* A whole exchange with every allocation failing in turn: each call ends exactly once, the books
 * are straight, and nothing is left behind. */
#include "session_pair.h"
#include "support/check.h"
#include "support/failing_heap.h"

#include <string.h>

struct shape {
    int messages; /* each way */
    size_t bytes;
    bool is_refused; /* answered by an error with details and trailers */
};

static void refuse(struct pair *pair, struct pair_log *log)
{
    (void)pair;
    struct pl_status status = {.code = PARLEY_INVALID_ARGUMENT, .message = "no"};
    parley_metadata *trailers = parley_metadata_new();
    /* What there is no memory for is left out, as the server does it. */
    bool has_trailers =
        trailers != NULL && parley_metadata_add(trailers, "x-reason", "because") == 0;
    if (pl_status_bad_request(pl_stream_arena(log->stream), "not 50 %", "body", "is 51 %",
                              &status) != 0) {
        status.message = "no memory";
    }
    pl_stream_finish(log->stream, &status, has_trailers ? trailers : NULL);
    parley_metadata_free(trailers);
}

static void call_once(struct pair *pair, const struct shape *shape, parley_metadata *metadata)
{
    struct pl_open open = {.path = "/a.B/C", .timeout_ns = 1000000000, .metadata = metadata};
    struct pair_log *log = pair_open_with(pair, &open);
    if (log == NULL) {
        return;
    }
    for (int i = 0; i < shape->messages; i++) {
        (void)pair_write(log, shape->bytes, 'm');
    }
    pl_stream_half_close(log->stream);
    pair_pump(pair);
}

static bool is_given_up(const struct pair_side *side)
{
    return side->is_failed || pl_session_is_over(side->session);
}

/* A call ends, once, unless its connection has to be given up. */
static void check_books(const struct pair_side *side)
{
    bool is_alive = !is_given_up(&side->pair->client) && !is_given_up(&side->pair->server);
    for (int i = 0; i < side->count; i++) {
        assert_in_range(side->logs[i]->closes, is_alive ? 1 : 0, 1);
    }
    if (pl_session_stream_count(side->session) == 0) {
        assert_int_equal(pl_session_queued_bytes(side->session), 0);
        for (int i = 0; i < side->count; i++) {
            assert_int_equal(side->logs[i]->closes, 1);
        }
    }
}

static bool exchange(void *context)
{
    const struct shape *shape = context;
    struct pair *pair = pair_new(NULL, NULL);
    parley_metadata *metadata = parley_metadata_new();
    bool is_done = false;
    if (pair != NULL && metadata != NULL && parley_metadata_add(metadata, "x-trace", "1") == 0 &&
        parley_metadata_add_bin(metadata, "x-bin", "\xff\1", 2) == 0) {
        pair->server.hooks.on_message = shape->is_refused ? NULL : pair_echo_message;
        pair->server.hooks.on_half_close = shape->is_refused ? refuse : pair_finish_ok;
        call_once(pair, shape, metadata);
        check_books(&pair->client);
        check_books(&pair->server);
        const struct pair_log *log = pair_last(&pair->client);
        is_done = log != NULL && log->closes == 1 &&
                  log->code == (shape->is_refused ? PARLEY_INVALID_ARGUMENT : PARLEY_OK) &&
                  log->messages == (shape->is_refused ? 0 : shape->messages) &&
                  (!shape->is_refused || (log->details_len > 0 && log->trailers == 1));
    }
    parley_metadata_free(metadata);
    if (pair != NULL) {
        pair_free(pair);
    }
    return is_done;
}

static void test_unary_exchange_without_memory_leaks_nothing(void **state)
{
    (void)state;
    struct shape shape = {.messages = 1, .bytes = 100};
    assert_true(failing_heap_sweep(exchange, &shape) > 10);
}

static void test_unary_exchange_in_pieces_without_memory_leaks_nothing(void **state)
{
    (void)state;
    struct shape shape = {.messages = 1, .bytes = 100000};
    assert_true(failing_heap_sweep(exchange, &shape) > 10);
}

static void test_streaming_exchange_without_memory_leaks_nothing(void **state)
{
    (void)state;
    struct shape shape = {.messages = 20, .bytes = 10};
    assert_true(failing_heap_sweep(exchange, &shape) > 10);
}

static void test_refused_exchange_without_memory_leaks_nothing(void **state)
{
    (void)state;
    struct shape shape = {.messages = 1, .bytes = 10, .is_refused = true};
    assert_true(failing_heap_sweep(exchange, &shape) > 10);
}

static void test_write_that_found_no_memory_is_not_counted_as_queued(void **state)
{
    (void)state;
    struct pair *pair = pair_new(NULL, NULL);
    struct pair_log *log = pair_open(pair, "/a.B/C");
    struct pl_buf *message = pair_message(10, 'm');
    size_t queued = 1;
    failing_heap_start();
    failing_heap_fail_from(1);
    for (int i = 0; i < 100 && queued > 0; i++) {
        queued = pl_stream_write(log->stream, message, 0);
    }
    failing_heap_stop();
    assert_int_equal(queued, 0); /* the queue had to grow */
    pl_buf_unref(message);
    pair_pump(pair);
    assert_int_equal(log->closes, 1);
    assert_int_equal(log->code, PARLEY_RESOURCE_EXHAUSTED);
    assert_int_equal(pl_session_queued_bytes(pair->client.session), 0);
    pair_free(pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unary_exchange_without_memory_leaks_nothing),
        cmocka_unit_test(test_unary_exchange_in_pieces_without_memory_leaks_nothing),
        cmocka_unit_test(test_streaming_exchange_without_memory_leaks_nothing),
        cmocka_unit_test(test_refused_exchange_without_memory_leaks_nothing),
        cmocka_unit_test(test_write_that_found_no_memory_is_not_counted_as_queued),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
