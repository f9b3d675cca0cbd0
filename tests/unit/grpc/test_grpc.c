/* SPDX-License-Identifier: Apache-2.0 */
/* Connections of the gRPC server: how many, how long, how they are told to go, and how they end.
 * The service is health, whose Watch keeps a call open as long as one likes. */
#include "base/clock.h"
#include "builtin/health.h"
#include "builtin/reflection.h"
#include "core/loops.h"
#include "grpc/grpc.h"
#include "support/check.h"
#include "support/wait.h"
#include "wire/client.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct site {
    struct loops *loops;
    parley_server *server;
    struct health *health;
    struct reflection *reflection;
    struct grpc_server *grpc;
};

static void open_site(struct site *site, struct grpc_server_options options)
{
    options.address = options.address != NULL ? options.address : "127.0.0.1:0";
    *site = (struct site){.loops = NULL};
    assert_int_equal(loops_new(2, &site->loops, NULL), PARLEY_OK);
    assert_int_equal(server_new(&site->server, NULL), PARLEY_OK);
    assert_int_equal(health_new(site->server, site->loops, true, &site->health, NULL), PARLEY_OK);
    assert_int_equal(reflection_new(site->server, &site->reflection, NULL), PARLEY_OK);
    assert_int_equal(loops_start(site->loops, NULL), PARLEY_OK);
    assert_int_equal(grpc_server_start(site->loops, site->server, &options, &site->grpc, NULL),
                     PARLEY_OK);
}

static void close_site(struct site *site)
{
    grpc_server_stop(site->grpc);
    assert_int_equal(grpc_server_connection_count(site->grpc), 0);
    loops_stop(site->loops);
    grpc_server_free(site->grpc);
    health_free(site->health);
    server_free(site->server);
    reflection_free(site->reflection);
    loops_free(site->loops);
}

#define CALL(path)                                                                                 \
    {                                                                                              \
        ":method", "POST", ":scheme", "http", ":path", path, ":authority", "h", "content-type",    \
            "application/grpc", NULL                                                               \
    }

static const char *const check_call[] = CALL("/grpc.health.v1.Health/Check");
static const char *const watch_call[] = CALL("/grpc.health.v1.Health/Watch");
static const char *const reflect_call[] =
    CALL("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo");
static const uint8_t empty[5];

static void start(struct client *client, const char *const *headers)
{
    const struct client_request request = {
        .headers = headers, .body = empty, .body_len = sizeof(empty)};
    client_start(client, &request);
}

static void check(struct client *client)
{
    start(client, check_call);
    client_finish(client);
    assert_string_equal(client->answer.grpc_status, "0");
}

/* Start a Watch and wait for its first message. */
static void watch(struct client *client)
{
    start(client, watch_call);
    int64_t deadline_ms = wait_deadline(WAIT_MS);
    while (client->answer.data_len == 0) {
        wait_or_fail(deadline_ms, "the first message", __FILE__, __LINE__);
        client_turn(client, 50);
    }
}

static void turn_until_closed(struct client *client)
{
    int64_t deadline_ms = wait_deadline(WAIT_MS);
    while (!client->is_connection_over) {
        wait_or_fail(deadline_ms, "the server closes", __FILE__, __LINE__);
        client_turn(client, 50);
    }
}

static void turn_for(struct client *client, int64_t duration_ms)
{
    for (int64_t end_ms = wait_deadline(duration_ms); wait_turn(end_ms);) {
        client_turn(client, 10);
    }
}

/* ---- how many ---- */

static void test_connections_over_the_limit_are_closed_at_once(void **state)
{
    (void)state;
    struct site site;
    struct client clients[3];
    open_site(&site, (struct grpc_server_options){.connections_max = 2});
    for (size_t i = 0; i < 3; i++) {
        client_open(&clients[i], grpc_server_address(site.grpc), NULL, 0);
        if (i < 2) {
            check(&clients[i]);
        }
    }
    turn_until_closed(&clients[2]);
    assert_int_equal(grpc_server_connection_count(site.grpc), 2);
    check(&clients[0]);
    client_close(&clients[2]);
    client_close(&clients[1]);
    WAIT_FOR(grpc_server_connection_count(site.grpc) == 1);
    client_open(&clients[1], grpc_server_address(site.grpc), NULL, 0);
    check(&clients[1]);
    client_close(&clients[0]);
    client_close(&clients[1]);
    close_site(&site);
}

/* ---- how long ---- */

static void test_k5_a_client_that_answers_no_ping_is_closed(void **state)
{
    (void)state;
    static const char hello[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
    struct site site;
    struct client alive;
    open_site(&site,
              (struct grpc_server_options){.keepalive_ms = 200, .keepalive_timeout_ms = 1000});
    int mute = client_socket(grpc_server_address(site.grpc));
    assert_int_equal(send(mute, hello, sizeof(hello) - 1, MSG_NOSIGNAL), sizeof(hello) - 1);
    client_open(&alive, grpc_server_address(site.grpc), NULL, 0);
    watch(&alive);
    assert_int_equal(grpc_server_connection_count(site.grpc), 2);
    int64_t deadline_ms = wait_deadline(WAIT_MS);
    while (grpc_server_connection_count(site.grpc) == 2) {
        wait_or_fail(deadline_ms, "the mute one is closed", __FILE__, __LINE__);
        client_turn(&alive, 20);
    }
    turn_for(&alive, 1500); /* answers pings */
    assert_false(alive.is_connection_over);
    assert_int_equal(grpc_server_connection_count(site.grpc), 1);
    (void)close(mute);
    client_close(&alive);
    close_site(&site);
}

static void test_k1_a_client_that_acknowledges_no_settings_is_closed(void **state)
{
    (void)state;
    static const char hello[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0";
    /* the end of what the server sends: GOAWAY of SETTINGS_TIMEOUT, no stream was processed */
    static const uint8_t goaway[17] = {0, 0, 8, 7, [16] = NGHTTP2_SETTINGS_TIMEOUT};
    struct site site;
    struct client alive;
    open_site(&site, (struct grpc_server_options){.settings_timeout_ms = 300});
    client_open(&alive, grpc_server_address(site.grpc), NULL, 0);
    int rude = client_socket(grpc_server_address(site.grpc));
    int64_t start_ms = wait_deadline(0);
    assert_int_equal(send(rude, hello, sizeof(hello), MSG_NOSIGNAL), sizeof(hello));
    uint8_t answer[512];
    size_t len = 0;
    for (ssize_t got = 1; got > 0; len += (size_t)got) {
        got = recv(rude, answer + len, sizeof(answer) - len, 0);
        assert_true(got >= 0);
    }
    assert_true(wait_deadline(0) - start_ms >= 300);
    assert_true(len >= sizeof(goaway));
    assert_memory_equal(answer + len - sizeof(goaway), goaway, sizeof(goaway));
    check(&alive); /* it did acknowledge */
    (void)close(rude);
    client_close(&alive);
    close_site(&site);
}

static void test_headers_that_drip_are_not_waited_for(void **state)
{
    (void)state;
    /* A header block of 10,000 bytes, of which one comes now and then. */
    static const char hello[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
                                "\0\x27\x10\1\4\0\0\0\1\x83\x86";
    static const uint8_t field[5] = {0, 1, 'a', 1, 'b'}; /* as HPACK */
    struct site site;
    struct client alive;
    open_site(&site, (struct grpc_server_options){.headers_timeout_ms = 300});
    int slow = client_socket(grpc_server_address(site.grpc));
    assert_int_equal(send(slow, hello, sizeof(hello) - 1, MSG_NOSIGNAL), sizeof(hello) - 1);
    client_open(&alive, grpc_server_address(site.grpc), NULL, 0);
    int64_t start_ms = wait_deadline(0);
    int64_t deadline_ms = wait_deadline(WAIT_MS);
    check(&alive);
    for (int n = 0; grpc_server_connection_count(site.grpc) == 2; n++) {
        wait_or_fail(deadline_ms, "the slow one is closed", __FILE__, __LINE__);
        if (n % 20 == 0) {
            (void)send(slow, field + n / 20 % 5, 1, MSG_NOSIGNAL);
        }
        check(&alive);
    }
    assert_true(wait_deadline(0) - start_ms >= 300);
    check(&alive);
    (void)close(slow);
    client_close(&alive);
    close_site(&site);
}

static void test_a_stream_whose_message_never_comes_whole_is_ended(void **state)
{
    (void)state;
    static const uint8_t part[] = {0, 0, 0, 0, 10, 1};
    const struct client_request request = {
        .headers = reflect_call, .body = part, .body_len = sizeof(part), .is_open_ended = true};
    struct site site;
    struct client client;
    open_site(&site, (struct grpc_server_options){.message_timeout_ms = 300});
    client_open(&client, grpc_server_address(site.grpc), NULL, 0);
    int64_t start_ms = wait_deadline(0);
    client_start(&client, &request);
    client_finish(&client);
    assert_string_equal(client.answer.grpc_status, "4"); /* DEADLINE_EXCEEDED */
    assert_true(wait_deadline(0) - start_ms >= 250);
    check(&client);
    client_close(&client);
    close_site(&site);
}

static void test_a_client_that_takes_nothing_is_closed_though_it_answers_pings(void **state)
{
    (void)state;
    static const nghttp2_settings_entry no_window = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0};
    struct site site;
    struct client stuck;
    struct client alive;
    open_site(&site, (struct grpc_server_options){.stall_ms = 300, .keepalive_ms = 100});
    client_open(&stuck, grpc_server_address(site.grpc), &no_window, 1);
    client_open(&alive, grpc_server_address(site.grpc), NULL, 0);
    watch(&alive);
    start(&stuck, watch_call);
    int64_t start_ms = wait_deadline(0);
    turn_until_closed(&stuck);
    assert_true(wait_deadline(0) - start_ms >= 250);
    assert_int_equal(stuck.answer.data_len, 0);
    turn_for(&alive, 300); /* nothing waits for it */
    assert_false(alive.is_connection_over);
    client_close(&stuck);
    client_close(&alive);
    close_site(&site);
}

static void test_k4_an_idle_connection_is_closed_politely_and_a_busy_one_stays(void **state)
{
    (void)state;
    struct site site;
    struct client idle;
    struct client busy;
    open_site(&site, (struct grpc_server_options){.idle_ms = 300});
    client_open(&idle, grpc_server_address(site.grpc), NULL, 0);
    client_open(&busy, grpc_server_address(site.grpc), NULL, 0);
    check(&idle);
    watch(&busy);
    turn_until_closed(&idle);
    assert_true(idle.is_goaway_seen);
    assert_int_equal(idle.goaway_error, NGHTTP2_NO_ERROR);
    turn_for(&busy, 300);
    assert_false(busy.is_goaway_seen);
    assert_false(busy.is_connection_over);
    client_close(&idle);
    client_close(&busy);
    close_site(&site);
}

static void test_k4_an_old_connection_is_cut_after_its_grace(void **state)
{
    (void)state;
    struct site site;
    struct client client;
    open_site(&site,
              (struct grpc_server_options){.age_ms = 200, .age_grace_ms = 300, .idle_ms = 1000});
    client_open(&client, grpc_server_address(site.grpc), NULL, 0);
    watch(&client);
    int64_t start_ms = pl_clock_monotonic_ms();
    turn_until_closed(&client); /* its call would go on for ever */
    assert_true(client.is_goaway_seen);
    assert_true(pl_clock_monotonic_ms() - start_ms >= 400);
    client_close(&client);
    close_site(&site);
}

/* Start a Watch once the server has told that it goes, and before the client reads that. */
static void watch_late(struct client *client)
{
    struct pollfd told = {.fd = client->fd, .events = POLLIN};
    turn_for(client, 100); /* what is left of the call before */
    assert_int_equal(poll(&told, 1, WAIT_MS), 1);
    watch(client);
    assert_true(client->is_goaway_seen);
}

static void test_a_call_that_crossed_the_goaway_of_idleness_ends_with_age(void **state)
{
    (void)state;
    struct site site;
    struct client client;
    int64_t start_ms = pl_clock_monotonic_ms();
    open_site(&site,
              (struct grpc_server_options){.idle_ms = 1000, .age_ms = 2400, .age_grace_ms = 100});
    client_open(&client, grpc_server_address(site.grpc), NULL, 0);
    check(&client);
    watch_late(&client);
    turn_until_closed(&client); /* its call would go on for ever */
    assert_string_equal(client.goaway_text, "max_idle");
    assert_true(pl_clock_monotonic_ms() - start_ms >= 2400 - 240 + 100);
    client_close(&client);
    close_site(&site);
}

static void test_connections_from_one_address_are_limited(void **state)
{
    (void)state;
    struct site site;
    struct client clients[2];
    open_site(&site, (struct grpc_server_options){.connections_per_address_max = 1});
    client_open(&clients[0], grpc_server_address(site.grpc), NULL, 0);
    check(&clients[0]);
    client_open(&clients[1], grpc_server_address(site.grpc), NULL, 0);
    turn_until_closed(&clients[1]);
    check(&clients[0]);
    client_close(&clients[1]);
    client_close(&clients[0]);
    close_site(&site);
}

static void test_k4_an_old_connection_is_told_to_go_and_its_call_goes_on(void **state)
{
    (void)state;
    struct site site;
    struct client client;
    open_site(&site, (struct grpc_server_options){.age_ms = 200, .idle_ms = 1000});
    client_open(&client, grpc_server_address(site.grpc), NULL, 0);
    watch(&client);
    int64_t deadline_ms = wait_deadline(WAIT_MS);
    while (!client.is_goaway_seen) {
        wait_or_fail(deadline_ms, "a GOAWAY", __FILE__, __LINE__);
        client_turn(&client, 20);
    }
    turn_for(&client, 700); /* the second GOAWAY, too */
    assert_int_equal(client.goaway_error, NGHTTP2_NO_ERROR);
    assert_false(client.is_connection_over);
    assert_false(client.answer.is_closed);
    assert_int_equal(
        nghttp2_submit_rst_stream(client.h2, NGHTTP2_FLAG_NONE, client.id, NGHTTP2_CANCEL), 0);
    turn_until_closed(&client);
    client_close(&client);
    close_site(&site);
}

static void test_headers_that_cross_the_goaway_harm_no_call(void **state)
{
    (void)state;
    static const uint8_t post[] = {0x83, 0x86}; /* POST, http: the beginning of a request */
    struct site site;
    struct client client;
    open_site(&site, (struct grpc_server_options){.age_ms = 100, .headers_timeout_ms = 200});
    client_open(&client, grpc_server_address(site.grpc), NULL, 0);
    watch(&client);
    int64_t deadline_ms = wait_deadline(WAIT_MS);
    while (client.goaway_text[0] == '\0') {
        wait_or_fail(deadline_ms, "the second GOAWAY", __FILE__, __LINE__);
        client_turn(&client, 20);
    }
    client_send_frame(&client, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, client.id + 2, post,
                      sizeof(post));
    turn_for(&client, 600);
    assert_false(client.is_connection_over);
    assert_false(client.answer.is_closed);
    client_close(&client);
    close_site(&site);
}

/* ---- how it ends ---- */

static void test_k3_a_drain_waits_for_calls_and_then_ends_them(void **state)
{
    (void)state;
    struct site site;
    struct client client;
    open_site(&site, (struct grpc_server_options){.idle_ms = 0});
    client_open(&client, grpc_server_address(site.grpc), NULL, 0);
    watch(&client);
    grpc_server_drain(site.grpc, 300);
    grpc_server_drain(site.grpc, 1000000); /* once is enough */
    assert_false(grpc_server_wait(site.grpc, 50));
    assert_int_equal(grpc_server_connection_count(site.grpc), 1);
    client_finish(&client);
    assert_true(client.is_goaway_seen);
    assert_string_equal(client.answer.grpc_status, "14");
    assert_string_equal(client.answer.grpc_message, "server is draining");
    turn_until_closed(&client);
    assert_true(grpc_server_wait(site.grpc, WAIT_MS));
    client_close(&client);
    close_site(&site);
}

/* When the first and the last of some clients came to a point. */
struct span {
    int64_t first_ms;
    int64_t last_ms;
    unsigned count;
};

static void note(struct span *span, bool *is_noted, bool is_there)
{
    if (is_there && !*is_noted) {
        *is_noted = true;
        span->last_ms = pl_clock_monotonic_ms();
        span->first_ms = span->count++ == 0 ? span->last_ms : span->first_ms;
    }
}

static void test_a_drain_sends_clients_away_one_after_the_other(void **state)
{
    (void)state;
    enum {
        CLIENTS = 12
    };
    struct site site;
    struct client clients[CLIENTS];
    bool is_told[CLIENTS] = {false};
    bool is_ended[CLIENTS] = {false};
    struct span told = {0};
    struct span ended = {0};
    open_site(&site, (struct grpc_server_options){.drain_spread_ms = 600});
    for (size_t i = 0; i < CLIENTS; i++) {
        client_open(&clients[i], grpc_server_address(site.grpc), NULL, 0);
        watch(&clients[i]);
    }
    grpc_server_drain(site.grpc, 0);
    int64_t deadline_ms = wait_deadline(WAIT_MS);
    while (ended.count < CLIENTS) {
        wait_or_fail(deadline_ms, "the end of all calls", __FILE__, __LINE__);
        for (size_t i = 0; i < CLIENTS; i++) {
            client_turn(&clients[i], 1);
            note(&told, &is_told[i], clients[i].is_goaway_seen);
            note(&ended, &is_ended[i], clients[i].answer.is_closed);
        }
    }
    /* Six of them are on one loop: five pauses, each of 15 ms or more. */
    assert_true(told.last_ms - told.first_ms >= 5 * 15);
    assert_true(ended.last_ms - ended.first_ms >= 5 * 15);
    for (size_t i = 0; i < CLIENTS; i++) {
        assert_string_equal(clients[i].answer.grpc_status, "14");
        client_close(&clients[i]);
    }
    assert_true(grpc_server_wait(site.grpc, WAIT_MS));
    close_site(&site);
}

static void test_the_longest_drain_can_be_told(void **state)
{
    (void)state;
    struct site site;
    open_site(&site, (struct grpc_server_options){.drain_spread_ms = 1000});
    int64_t own_ms = grpc_server_drain_max_ms(site.grpc, 0);
    assert_true(own_ms >= 2 * 1500 + 3000); /* both windows, and what is between and after them */
    assert_int_equal(grpc_server_drain_max_ms(site.grpc, 5000), own_ms + 5000);
    assert_int_equal(grpc_server_drain_max_ms(site.grpc, -1), own_ms);
    assert_int_equal(grpc_server_drain_max_ms(site.grpc, INT64_MAX - 1), INT64_MAX);
    close_site(&site);
}

static void test_a_drain_of_nothing_is_over_at_once(void **state)
{
    (void)state;
    struct site site;
    open_site(&site, (struct grpc_server_options){.idle_ms = 0});
    int64_t start_ms = wait_deadline(0);
    grpc_server_drain(site.grpc, 1000000);
    assert_true(grpc_server_wait(site.grpc, WAIT_MS));
    assert_true(wait_deadline(0) - start_ms < WAIT_MS);
    close_site(&site);
}

static void test_a_drain_ends_also_with_a_client_that_does_not_read(void **state)
{
    (void)state;
    struct site site;
    struct client deaf;
    const nghttp2_settings_entry no_window = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0};
    open_site(&site, (struct grpc_server_options){.idle_ms = 0});
    client_open(&deaf, grpc_server_address(site.grpc), &no_window, 1);
    start(&deaf, watch_call);
    int64_t deadline_ms = wait_deadline(WAIT_MS);
    while (deaf.answer.blocks == 0) {
        wait_or_fail(deadline_ms, "the headers", __FILE__, __LINE__);
        client_turn(&deaf, 20);
    }
    grpc_server_drain(site.grpc, 0);
    assert_true(grpc_server_wait(site.grpc, grpc_server_drain_max_ms(site.grpc, 0)));
    client_close(&deaf);
    close_site(&site);
}

static void test_stop_cuts_calls_off(void **state)
{
    (void)state;
    struct site site;
    struct client clients[4];
    open_site(&site, (struct grpc_server_options){.idle_ms = 0});
    for (size_t i = 0; i < 4; i++) {
        client_open(&clients[i], grpc_server_address(site.grpc), NULL, 0);
        watch(&clients[i]);
    }
    close_site(&site);
    for (size_t i = 0; i < 4; i++) {
        turn_until_closed(&clients[i]);
        client_close(&clients[i]);
    }
}

static void test_an_address_that_cannot_be_had_is_said(void **state)
{
    (void)state;
    static const char *const addresses[] = {"192.0.2.1:0", "nowhere", "unix:/no/such/folder/s"};
    struct site site;
    open_site(&site, (struct grpc_server_options){.idle_ms = 0});
    for (size_t i = 0; i < PL_COUNT(addresses); i++) {
        const struct grpc_server_options options = {.address = addresses[i]};
        struct grpc_server *none = NULL;
        struct pl_error err = PL_ERROR_INIT;
        assert_int_not_equal(grpc_server_start(site.loops, site.server, &options, &none, &err),
                             PARLEY_OK);
        assert_non_null(strstr(err.text, addresses[i]));
    }
    close_site(&site);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connections_over_the_limit_are_closed_at_once),
        cmocka_unit_test(test_k5_a_client_that_answers_no_ping_is_closed),
        cmocka_unit_test(test_k1_a_client_that_acknowledges_no_settings_is_closed),
        cmocka_unit_test(test_headers_that_drip_are_not_waited_for),
        cmocka_unit_test(test_a_stream_whose_message_never_comes_whole_is_ended),
        cmocka_unit_test(test_a_client_that_takes_nothing_is_closed_though_it_answers_pings),
        cmocka_unit_test(test_k4_an_idle_connection_is_closed_politely_and_a_busy_one_stays),
        cmocka_unit_test(test_k4_an_old_connection_is_told_to_go_and_its_call_goes_on),
        cmocka_unit_test(test_k4_an_old_connection_is_cut_after_its_grace),
        cmocka_unit_test(test_a_call_that_crossed_the_goaway_of_idleness_ends_with_age),
        cmocka_unit_test(test_connections_from_one_address_are_limited),
        cmocka_unit_test(test_headers_that_cross_the_goaway_harm_no_call),
        cmocka_unit_test(test_k3_a_drain_waits_for_calls_and_then_ends_them),
        cmocka_unit_test(test_a_drain_sends_clients_away_one_after_the_other),
        cmocka_unit_test(test_the_longest_drain_can_be_told),
        cmocka_unit_test(test_a_drain_of_nothing_is_over_at_once),
        cmocka_unit_test(test_a_drain_ends_also_with_a_client_that_does_not_read),
        cmocka_unit_test(test_stop_cuts_calls_off),
        cmocka_unit_test(test_an_address_that_cannot_be_had_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
