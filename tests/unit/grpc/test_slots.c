/* SPDX-License-Identifier: Apache-2.0 */
/* A call that was reset counts against the limit of its connection until the work that it began is
 * over: neither a client's resets nor those that it provokes let it ask for more. */
#include "call/call.h"
#include "call/server.h"
#include "core/loops.h"
#include "grpc/grpc.h"
#include "support/check.h"
#include "support/wait.h"
#include "wire/client.h"

#include <stdatomic.h>

#define STREAMS 3

/* The method answers nothing. When its call is gone its work goes on until `finish_work`. */
struct site {
    struct loops *loops;
    parley_server *server;
    struct grpc_server *grpc;
    struct call_slots *work[64];
    atomic_size_t opens;
    atomic_size_t dones;
    size_t finished;
};

static void on_open(parley_server_call *call, const void *handlers, void *service)
{
    (void)call;
    (void)handlers;
    atomic_fetch_add(&((struct site *)service)->opens, 1);
}

static void on_done(parley_server_call *call, const void *handlers, void *service)
{
    (void)handlers;
    struct site *site = service;
    site->work[atomic_load(&site->dones)] = call_keep_slot(call);
    atomic_fetch_add(&site->dones, 1);
}

static void finish_work(struct pl_loop *loop, void *context)
{
    (void)loop;
    struct site *site = context;
    while (site->finished < atomic_load(&site->dones)) {
        call_leave_slot(site->work[site->finished++]);
    }
}

static void open_site(struct site *site)
{
    static const parley_method methods[] = {
        {.path = "/test.Slow/Work", .service = "test.Slow", .name = "Work", .client_streaming = 1}};
    static const parley_service slow = {.name = "test.Slow", .methods = methods, .method_count = 1};
    const parley_dispatch dispatch = {.open = on_open, .done = on_done, .is_handled = true};
    const struct grpc_server_options options = {.address = "127.0.0.1:0",
                                                .limits = {.streams_max = STREAMS}};
    *site = (struct site){.loops = NULL};
    assert_int_equal(loops_new(1, &site->loops, NULL), PARLEY_OK);
    assert_int_equal(server_new(&site->server, NULL), PARLEY_OK);
    assert_int_equal(parley_server_register(site->server, &slow, &dispatch, NULL, site), 0);
    assert_int_equal(loops_start(site->loops, NULL), PARLEY_OK);
    assert_int_equal(grpc_server_start(site->loops, site->server, &options, &site->grpc, NULL),
                     PARLEY_OK);
}

static void close_site(struct site *site)
{
    grpc_server_stop(site->grpc);
    loops_call(site->loops, 0, finish_work, site);
    loops_stop(site->loops);
    grpc_server_free(site->grpc);
    server_free(site->server);
    loops_free(site->loops);
}

static void start(struct client *client)
{
    static const char *const headers[] = {":method",
                                          "POST",
                                          ":scheme",
                                          "http",
                                          ":path",
                                          "/test.Slow/Work",
                                          ":authority",
                                          "h",
                                          "content-type",
                                          "application/grpc",
                                          NULL};
    const struct client_request request = {.headers = headers, .is_open_ended = true};
    client_start(client, &request);
}

static void turn_until(struct client *client, const atomic_size_t *count, size_t expected)
{
    int64_t deadline_ms = wait_deadline(WAIT_MS);
    while (atomic_load(count) < expected) {
        wait_or_fail(deadline_ms, "the handler hears of it", __FILE__, __LINE__);
        client_turn(client, 10);
    }
}

static void cancel(struct client *client)
{
    assert_int_equal(
        nghttp2_submit_rst_stream(client->h2, NGHTTP2_FLAG_NONE, client->id, NGHTTP2_CANCEL), 0);
}

/* The server has to reset the stream, since its window overflows. */
static void make_reset(struct client *client)
{
    static const uint8_t most[] = {0x7f, 0xff, 0xff, 0xff};
    client_send_frame(client, NGHTTP2_WINDOW_UPDATE, 0, client->id, most, sizeof(most));
}

static void check_slots_are_kept(void (*end_call)(struct client *client))
{
    struct site site;
    struct client client;
    open_site(&site);
    client_open(&client, grpc_server_address(site.grpc), NULL, 0);
    for (size_t i = 1; i <= STREAMS; i++) {
        start(&client);
        turn_until(&client, &site.opens, i);
        end_call(&client);
        turn_until(&client, &site.dones, i);
    }
    start(&client);
    client_finish(&client);
    assert_true(client.answer.is_reset);
    assert_int_equal(client.answer.reset_error, NGHTTP2_REFUSED_STREAM);
    assert_int_equal(site.opens, STREAMS);
    loops_call(site.loops, 0, finish_work, &site);
    start(&client);
    turn_until(&client, &site.opens, STREAMS + 1);
    assert_false(client.is_connection_over);
    client_close(&client);
    close_site(&site);
}

static void test_calls_that_the_client_reset_keep_their_slots(void **state)
{
    (void)state;
    check_slots_are_kept(cancel);
}

static void test_calls_that_it_made_the_server_reset_keep_them_too(void **state)
{
    (void)state;
    check_slots_are_kept(make_reset);
}

static void test_work_may_outlive_its_connection(void **state)
{
    (void)state;
    struct site site;
    struct client client;
    open_site(&site);
    client_open(&client, grpc_server_address(site.grpc), NULL, 0);
    start(&client);
    turn_until(&client, &site.opens, 1);
    client_close(&client);
    WAIT_FOR(atomic_load(&site.dones) == 1 && grpc_server_connection_count(site.grpc) == 0);
    close_site(&site);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls_that_the_client_reset_keep_their_slots),
        cmocka_unit_test(test_calls_that_it_made_the_server_reset_keep_them_too),
        cmocka_unit_test(test_work_may_outlive_its_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
