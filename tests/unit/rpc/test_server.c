/* SPDX-License-Identifier: Apache-2.0 */
/* A server of parley/server.h and a channel to it. */
#include "certs.h"
#include "sdk_world.h"

#include "base/attr.h"
#include "base/clock.h"
#include "parley/server.h"
#include "parley/v1/chat_service.server.parley.h"
#include "support/check.h"
#include "support/tmp_dir.h"
#include "support/wait.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* Answers, or keeps the call until it is over. */
struct desk {
    atomic_bool is_holding;
    atomic_uint held;
    atomic_uint done;
    char identity[64]; /* of the last call; read it after its answer */
    _Atomic int64_t timeout_ms;
};

static void on_send(parley_v1_ChatService_srv_Send_call *call, const Parley__V1__SendRequest *send,
                    void *service)
{
    struct desk *desk = service;
    Parley__V1__SendResponse response = PARLEY__V1__SEND_RESPONSE__INIT;
    const parley_server_call *base = parley_v1_ChatService_srv_Send_base(call);
    const char *identity = parley_server_call_peer_identity(base);
    (void)send;
    (void)snprintf(desk->identity, sizeof(desk->identity), "%s", identity == NULL ? "" : identity);
    atomic_store(&desk->timeout_ms, parley_server_call_timeout_ms(base, 60000));
    if (atomic_load(&desk->is_holding)) {
        atomic_fetch_add(&desk->held, 1);
        return;
    }
    parley_v1_ChatService_srv_Send_reply(call, &response);
}

static void on_send_done(parley_v1_ChatService_srv_Send_call *call, void *service)
{
    struct desk *desk = service;
    (void)call;
    atomic_fetch_add(&desk->done, 1);
}

static const parley_v1_ChatService_handlers handlers = {
    .Send = on_send,
    .Send_done = on_send_done,
};

static parley_server *serve(struct desk *desk, const parley_server_options *options)
{
    parley_server *server = NULL;
    expect_code(parley_server_new(options, &server), PARLEY_OK);
    assert_int_equal(parley_v1_ChatService_register(server, &handlers, desk), 0);
    return server;
}

static void test_server_answers_at_several_addresses(void **state)
{
    struct tmp_dir dir;
    struct desk desk = {0};
    char address[600];
    const char *bound[3] = {NULL};
    (void)state;
    assert_int_equal(tmp_dir_init(&dir), 0);
    (void)snprintf(address, sizeof(address), "unix:%s/socket", dir.path);
    parley_server_options options = {.size = sizeof(options), .threads = 2};
    parley_server *server = serve(&desk, &options);
    expect_code(parley_server_listen(server, "127.0.0.1:0", &bound[0]), PARLEY_OK);
    expect_code(parley_server_listen(server, "127.0.0.1:0", &bound[1]), PARLEY_OK);
    expect_code(parley_server_listen(server, address, &bound[2]), PARLEY_OK);
    for (size_t i = 0; i < 3; i++) {
        parley_channel *channel = channel_to(bound[i]);
        expect_code(send_hello(channel, NULL), PARLEY_OK);
        parley_channel_free(channel);
    }
    parley_server_free(server);
    assert_int_equal(tmp_dir_deinit(&dir), 0);
}

static void test_bad_servers_are_refused(void **state)
{
    static const struct {
        const char *name;
        parley_server_options options;
        const char *address;
    } rows[] = {
        {"a key without a certificate", {.key_file = "/nowhere"}, NULL},
        {"a certificate that is not there", {.cert_file = "/no", .key_file = "/no"}, NULL},
        {"a client authority without TLS", {.client_ca_file = "/no"}, NULL},
        {"an address that is none", {.threads = 1}, "nowhere"},
        {"an address that is not ours", {.threads = 1}, "192.0.2.1:1"},
    };
    (void)state;
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        struct desk desk = {0};
        parley_server *server = NULL;
        parley_server_options options = rows[i].options;
        options.size = sizeof(options);
        print_message("%s\n", rows[i].name);
        parley_error *error = parley_server_new(&options, &server);
        if (rows[i].address != NULL) {
            assert_null(error);
            assert_int_equal(parley_v1_ChatService_register(server, &handlers, &desk), 0);
            error = parley_server_listen(server, rows[i].address, NULL);
        } else {
            assert_null(server);
        }
        assert_non_null(error);
        assert_true(parley_error_message(error)[0] != '\0');
        parley_error_free(error);
        parley_server_free(server);
    }
    parley_server_free(NULL);
}

static void test_nothing_is_registered_once_the_server_listens(void **state)
{
    struct desk desk = {0};
    parley_server *server = NULL;
    (void)state;
    expect_code(parley_server_new(NULL, &server), PARLEY_OK);
    expect_code(parley_server_listen(server, "127.0.0.1:0", NULL), PARLEY_OK);
    assert_int_equal(parley_v1_ChatService_register(server, &handlers, &desk), -1);
    parley_server_free(server);
}

static void test_drain_lets_calls_end_and_sends_others_away(void **state)
{
    struct desk desk = {.is_holding = true};
    struct outcome outcome = {0};
    const char *bound = NULL;
    (void)state;
    parley_server *server = serve(&desk, NULL);
    expect_code(parley_server_listen(server, "127.0.0.1:0", &bound), PARLEY_OK);
    parley_channel *channel = channel_to(bound);
    (void)start_hello(channel, NULL, &outcome);
    WAIT_FOR(atomic_load(&desk.held) == 1);
    parley_server_drain(server, 1500);
    assert_true(parley_server_wait(server, WAIT_MS));
    WAIT_FOR(atomic_load(&outcome.count) == 1);
    assert_int_equal(atomic_load(&outcome.code), PARLEY_UNAVAILABLE); /* the grace is over */
    assert_int_equal(atomic_load(&desk.done), 1);
    expect_code(send_hello(channel, NULL), PARLEY_UNAVAILABLE);
    parley_channel_free(channel);
    parley_server_free(server);
}

static void test_wait_has_one_deadline_for_all_addresses(void **state)
{
    static const int64_t nothing_ms[] = {0, -1, -999, INT64_MIN};
    struct desk desk = {0};
    parley_server *server = serve(&desk, NULL);
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        expect_code(parley_server_listen(server, "127.0.0.1:0", NULL), PARLEY_OK);
    }
    for (size_t i = 0; i < PL_COUNT(nothing_ms); i++) {
        assert_false(parley_server_wait(server, nothing_ms[i]));
    }
    int64_t start_ms = pl_clock_monotonic_ms();
    assert_false(parley_server_wait(server, 400)); /* nothing drains */
    int64_t waited_ms = pl_clock_monotonic_ms() - start_ms;
    assert_true(waited_ms >= 399 && waited_ms < 4 * 400);
    parley_server_free(server);
}

static void test_free_ends_what_is_open(void **state)
{
    struct desk desk = {.is_holding = true};
    struct outcome outcome = {0};
    const char *bound = NULL;
    (void)state;
    parley_server *server = serve(&desk, NULL);
    expect_code(parley_server_listen(server, "127.0.0.1:0", &bound), PARLEY_OK);
    parley_channel *channel = channel_to(bound);
    (void)start_hello(channel, NULL, &outcome);
    WAIT_FOR(atomic_load(&desk.held) == 1);
    parley_server_free(server);
    assert_int_equal(atomic_load(&desk.done), 1);
    WAIT_FOR(atomic_load(&outcome.count) == 1);
    assert_int_equal(atomic_load(&outcome.code), PARLEY_UNAVAILABLE);
    parley_channel_free(channel);
}

static void test_tls_may_ask_for_certificates_of_clients(void **state)
{
    struct certs certs;
    struct desk desk = {0};
    const char *bound = NULL;
    (void)state;
    certs_make(&certs);
    parley_server_options options = {.size = sizeof(options),
                                     .threads = 1,
                                     .cert_file = certs.server_cert,
                                     .key_file = certs.server_key,
                                     .client_ca_file = certs.ca};
    parley_server *server = serve(&desk, &options);
    expect_code(parley_server_listen(server, "127.0.0.1:0", &bound), PARLEY_OK);
    parley_channel_options client = {
        .size = sizeof(client), .use_tls = true, .ca_file = certs.ca, .backoff_initial_ms = 20};
    parley_channel *stranger = channel_with(bound, &client);
    expect_code(send_hello(stranger, NULL), PARLEY_UNAVAILABLE);
    parley_channel_free(stranger);
    expect_code(parley_server_reload_tls(server), PARLEY_OK);
    client.cert_file = certs.client_cert;
    client.key_file = certs.client_key;
    parley_channel *friend = channel_with(bound, &client);
    expect_code(send_hello(friend, NULL), PARLEY_OK);
    assert_string_equal(desk.identity, "CN=alice");
    parley_channel_free(friend);
    parley_server_free(server);
    certs_remove(&certs);
}

static void test_what_was_not_asked_for_is_told(void **state)
{
    parley_server *server = NULL;
    (void)state;
    expect_code(parley_server_new(NULL, &server), PARLEY_OK);
    expect_code(parley_server_listen(server, "127.0.0.1:0", NULL), PARLEY_OK);
    expect_code(parley_server_set_serving(server, NULL, false), PARLEY_FAILED_PRECONDITION);
    expect_code(parley_server_reload_tls(server), PARLEY_FAILED_PRECONDITION);
    parley_server_free(server);
}

/* D2: what a handler asks of others may take what is left of its caller's time, and no longer. */
static void test_d2_calls_of_a_handler_inherit_the_deadline(void **state)
{
    struct desk desk = {0};
    const char *bound = NULL;
    (void)state;
    parley_server *server = serve(&desk, NULL);
    expect_code(parley_server_listen(server, "127.0.0.1:0", &bound), PARLEY_OK);
    parley_channel *channel = channel_to(bound);
    parley_call_options options = {.size = sizeof(options), .timeout_ms = 20000};
    expect_code(send_hello(channel, &options), PARLEY_OK);
    assert_in_range(atomic_load(&desk.timeout_ms), 1, 20000);
    options.timeout_ms = 100000;
    expect_code(send_hello(channel, &options), PARLEY_OK);
    assert_int_equal(atomic_load(&desk.timeout_ms), 60000); /* the handler's own */
    assert_string_equal(desk.identity, "");
    parley_channel_free(channel);
    parley_server_free(server);
}

static void *run(void *server)
{
    return parley_server_run(server, INT64_MAX); /* as long as it takes: there are no calls */
}

static void test_run_ends_at_a_signal(void **state)
{
    struct desk desk = {0};
    pthread_t thread;
    void *error = NULL;
    sigset_t wanted;
    sigset_t before;
    (void)state;
    (void)sigemptyset(&wanted);
    (void)sigaddset(&wanted, SIGTERM);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &wanted, &before), 0);
    parley_server_options options = {.size = sizeof(options), .has_health = true};
    parley_server *server = serve(&desk, &options);
    expect_code(parley_server_listen(server, "127.0.0.1:0", NULL), PARLEY_OK);
    expect_code(parley_server_set_serving(server, "parley.v1.ChatService", false), PARLEY_OK);
    assert_int_equal(pthread_create(&thread, NULL, run, server), 0);
    assert_int_equal(pthread_kill(thread, SIGTERM), 0);
    assert_int_equal(pthread_join(thread, &error), 0);
    expect_code(error, PARLEY_OK);
    parley_server_free(server);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_server_answers_at_several_addresses),
        cmocka_unit_test(test_bad_servers_are_refused),
        cmocka_unit_test(test_nothing_is_registered_once_the_server_listens),
        cmocka_unit_test(test_drain_lets_calls_end_and_sends_others_away),
        cmocka_unit_test(test_wait_has_one_deadline_for_all_addresses),
        cmocka_unit_test(test_free_ends_what_is_open),
        cmocka_unit_test(test_tls_may_ask_for_certificates_of_clients),
        cmocka_unit_test(test_d2_calls_of_a_handler_inherit_the_deadline),
        cmocka_unit_test(test_what_was_not_asked_for_is_told),
        cmocka_unit_test(test_run_ends_at_a_signal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
