/* SPDX-License-Identifier: Apache-2.0 */
/* A channel's states, its waits between attempts, GOAWAY, TLS names and kinds of targets. */
#include "certs.h"
#include "channel_impl.h"
#include "raw_server.h"
#include "sdk_world.h"

#include "support/check.h"
#include "support/failing_heap.h"
#include "support/fake_chat.h"
#include "support/tmp_dir.h"
#include "support/wait.h"
#include "transport/tls.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATES_MAX 64

struct history {
    pthread_mutex_t mu;
    parley_channel_state states[STATES_MAX];
    size_t count;
};

static void on_state(void *user, parley_channel_state state)
{
    struct history *history = user;
    (void)pthread_mutex_lock(&history->mu);
    if (history->count < STATES_MAX) {
        history->states[history->count++] = state;
    }
    (void)pthread_mutex_unlock(&history->mu);
}

static void test_cl1_channel_passes_through_its_states(void **state)
{
    static const parley_channel_state expected[] = {
        PARLEY_CHANNEL_CONNECTING,
        PARLEY_CHANNEL_READY,
        PARLEY_CHANNEL_IDLE,
        PARLEY_CHANNEL_CONNECTING,
        PARLEY_CHANNEL_TRANSIENT_FAILURE,
    };
    struct history history = {.mu = PTHREAD_MUTEX_INITIALIZER};
    struct fake_chat *chat = fake_chat_start(NULL);
    parley_channel *channel = channel_to(fake_chat_target(chat));
    (void)state;
    parley_channel_watch_state(channel, on_state, &history);
    assert_int_equal(parley_channel_get_state(channel), PARLEY_CHANNEL_IDLE);
    expect_code(send_hello(channel, NULL), PARLEY_OK);
    assert_int_equal(parley_channel_get_state(channel), PARLEY_CHANNEL_READY);
    fake_chat_crash(chat);
    WAIT_FOR(parley_channel_get_state(channel) == PARLEY_CHANNEL_IDLE);
    expect_code(send_hello(channel, NULL), PARLEY_UNAVAILABLE);
    fake_chat_recover(chat);
    parley_call_options options = {.size = sizeof(options), .wait_for_ready = true};
    expect_code(send_hello(channel, &options), PARLEY_OK);
    parley_channel_free(channel);
    assert_true(history.count > 6);
    assert_memory_equal(history.states, expected, sizeof(expected));
    assert_int_equal(history.states[history.count - 1], PARLEY_CHANNEL_SHUTDOWN);
    fake_chat_stop(chat);
}

static void test_cl1_failing_channel_fails_calls_at_once_but_those_that_wait(void **state)
{
    struct outcome waiting = {0};
    struct fake_chat *chat = fake_chat_start(NULL);
    parley_channel_options options = {.size = sizeof(options), .backoff_initial_ms = 300};
    parley_channel *channel = channel_with(fake_chat_target(chat), &options);
    (void)state;
    fake_chat_crash(chat);
    parley_error *error = send_hello(channel, NULL);
    assert_non_null(strstr(parley_error_message(error), fake_chat_target(chat)));
    assert_true(parley_error_is_retryable(error));
    expect_code(error, PARLEY_UNAVAILABLE);
    parley_call_options wait = {.size = sizeof(wait), .wait_for_ready = true};
    (void)start_hello(channel, &wait, &waiting);
    expect_code(send_hello(channel, NULL), PARLEY_UNAVAILABLE);
    assert_int_equal(atomic_load(&waiting.count), 0);
    fake_chat_recover(chat);
    WAIT_FOR(atomic_load(&waiting.count) == 1);
    assert_int_equal(atomic_load(&waiting.code), PARLEY_OK);
    parley_channel_free(channel);
    fake_chat_stop(chat);
}

/* ---- backoff ---- */

/* The sums, on a channel that is not connected and whose clock stands still. */
static void test_cl2_waits_grow_to_their_cap_with_jitter(void **state)
{
    static const int64_t expected_ms[] = {100, 160, 256, 300, 300};
    parley_channel_options options = {.size = sizeof(options),
                                      .is_driven = true,
                                      .backoff_initial_ms = 100,
                                      .backoff_max_ms = 300};
    parley_channel *channel = channel_with("127.0.0.1:1", &options);
    int64_t shortest[PL_COUNT(expected_ms)] = {0};
    int64_t longest[PL_COUNT(expected_ms)] = {0};
    (void)state;
    for (int round = 0; round < 200; round++) {
        struct attempts attempts = {.started_ms = pl_loop_now_ms(channel->loop)};
        for (size_t i = 0; i < PL_COUNT(expected_ms); i++) {
            int64_t wait = attempts_failed(channel, &attempts);
            shortest[i] = round == 0 || wait < shortest[i] ? wait : shortest[i];
            longest[i] = wait > longest[i] ? wait : longest[i];
        }
    }
    for (size_t i = 0; i < PL_COUNT(expected_ms); i++) {
        assert_in_range(shortest[i], expected_ms[i] * 8 / 10, expected_ms[i] * 9 / 10);
        assert_in_range(longest[i], expected_ms[i] * 11 / 10, expected_ms[i] * 12 / 10);
    }
    /* Counted from the start of the attempt: one that took long is followed at once. */
    struct attempts slow = {.started_ms = pl_loop_now_ms(channel->loop) - 1000};
    assert_int_equal(attempts_failed(channel, &slow), 0);
    parley_channel_free(channel);
}

/* 60, 96, 154, 246 ms, each with 20 % of jitter; a connection that never said SETTINGS resets
 * nothing. The server's clock: it may see a connection late, hence sums and margins. */
static void test_cl2_only_settings_reset_the_waits(void **state)
{
    static const enum raw_act acts[] = {
        RAW_HANG_UP,       RAW_HANG_UP, RAW_HANG_UP, RAW_HANG_UP,
        RAW_READY_HANG_UP, RAW_HANG_UP, RAW_ANSWER,
    };
    struct raw_server *server = raw_server_start(acts, 7);
    parley_channel_options options = {.size = sizeof(options), .backoff_initial_ms = 60};
    parley_channel *channel = channel_with(raw_server_target(server), &options);
    parley_call_options wait = {.size = sizeof(wait), .wait_for_ready = true};
    (void)state;
    expect_code(send_hello(channel, &wait), PARLEY_UNAVAILABLE); /* cut off by READY_HANG_UP */
    expect_code(send_hello(channel, &wait), PARLEY_OK);
    assert_int_equal(raw_server_accepts(server), 7);
    parley_channel_free(channel);
    int64_t four = raw_server_accepted_ms(server, 4) - raw_server_accepted_ms(server, 0);
    int64_t last = raw_server_accepted_ms(server, 6) - raw_server_accepted_ms(server, 5);
    print_message("four waits: %lld ms, the last: %lld ms\n", (long long)four, (long long)last);
    assert_true((double)four >= 555 * 0.8 * 0.85);
    assert_true((double)last < 393 * 0.8); /* what it would be without the reset */
    raw_server_stop(server);
}

/* ---- GOAWAY and refused streams ---- */

static void test_cl5_call_that_the_server_did_not_begin_is_sent_again(void **state)
{
    static const struct {
        const char *name;
        enum raw_act acts[2];
        unsigned accepts;
    } cases[] = {
        {"refused on the same connection", {RAW_REFUSE_FIRST, RAW_ANSWER}, 1},
        {"left out by GOAWAY", {RAW_GOAWAY_IGNORES, RAW_ANSWER}, 2},
        {"GOAWAY before SETTINGS", {RAW_EARLY_GOAWAY, RAW_ANSWER}, 2},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        print_message("%s\n", cases[i].name);
        struct raw_server *server = raw_server_start(cases[i].acts, 2);
        parley_channel *channel = channel_to(raw_server_target(server));
        parley_call_options options = {
            .size = sizeof(options), .timeout_ms = 10000, .wait_for_ready = true};
        expect_code(send_hello(channel, &options), PARLEY_OK);
        assert_int_equal(raw_server_accepts(server), cases[i].accepts);
        parley_channel_free(channel);
        raw_server_stop(server);
    }
}

/* The interoperability case "goaway": a call that was begun is answered, the next goes elsewhere.
 */
static void test_cl5_each_call_takes_a_new_connection_after_goaway(void **state)
{
    static const enum raw_act acts[] = {RAW_GOAWAY_ANSWERS};
    struct raw_server *server = raw_server_start(acts, 1);
    parley_channel *channel = channel_to(raw_server_target(server));
    (void)state;
    for (unsigned i = 1; i <= 5; i++) {
        expect_code(send_hello(channel, NULL), PARLEY_OK);
        assert_int_equal(raw_server_accepts(server), i);
    }
    parley_channel_free(channel);
    raw_server_stop(server);
}

static void test_cl8_connection_that_answers_no_ping_is_given_up(void **state)
{
    static const enum raw_act acts[] = {RAW_READY_SILENCE, RAW_ANSWER};
    struct raw_server *server = raw_server_start(acts, 2);
    sdk_keepalive_min_ms = 30;
    parley_channel_options options = {
        .size = sizeof(options), .keepalive_ms = 30, .keepalive_timeout_ms = 30};
    parley_channel *channel = channel_with(raw_server_target(server), &options);
    (void)state;
    expect_code(send_hello(channel, NULL), PARLEY_UNAVAILABLE); /* not DEADLINE_EXCEEDED */
    expect_code(send_hello(channel, NULL), PARLEY_OK);
    parley_channel_free(channel);
    raw_server_stop(server);
}

/* gRFC A8: a server that is asked too often says so, and is asked half as often from then on. */
static void test_cl8_keepalive_slows_down_when_a_server_minds(void **state)
{
    static const enum raw_act acts[] = {RAW_PINGED_TOO_OFTEN, RAW_ANSWER};
    struct raw_server *server = raw_server_start(acts, 2);
    sdk_keepalive_min_ms = 10000;
    parley_channel_options options = {.size = sizeof(options), .keepalive_ms = 1};
    parley_channel *channel = channel_with(raw_server_target(server), &options);
    (void)state;
    assert_int_equal(channel->keepalive_ms, 10000); /* no less is allowed */
    expect_code(send_hello(channel, NULL), PARLEY_OK);
    expect_code(send_hello(channel, NULL), PARLEY_OK);
    assert_int_equal(raw_server_accepts(server), 2);
    assert_int_equal(parley_channel_get_state(channel), PARLEY_CHANNEL_READY);
    assert_int_equal(channel->keepalive_ms, 20000);
    parley_channel_free(channel);
    raw_server_stop(server);
}

static void test_cl10_calls_over_the_servers_limit_wait_for_room(void **state)
{
    struct fake_chat_options server = {.streams_max = 2};
    struct fake_chat *chat = fake_chat_start(&server);
    parley_channel *channel = channel_to(fake_chat_target(chat));
    struct outcome outcomes[8] = {0};
    parley_call *calls[8];
    struct outcome late = {0};
    (void)state;
    expect_code(send_hello(channel, NULL), PARLEY_OK);
    fake_chat_hold(chat, true);
    for (size_t i = 0; i < PL_COUNT(outcomes); i++) {
        calls[i] = start_hello(channel, NULL, &outcomes[i]);
    }
    parley_call_options soon = {.size = sizeof(soon), .timeout_ms = 30};
    (void)start_hello(channel, &soon, &late);
    WAIT_FOR(atomic_load(&late.count) == 1);
    assert_int_equal(atomic_load(&late.code), PARLEY_DEADLINE_EXCEEDED);
    assert_int_equal(parley_channel_waiting_calls(channel), 6);
    assert_int_equal(fake_chat_calls(chat, FAKE_SEND), 3);
    fake_chat_hold(chat, false);
    parley_call_cancel(calls[0]);
    parley_call_cancel(calls[1]);
    for (size_t i = 0; i < PL_COUNT(outcomes); i++) {
        WAIT_FOR(atomic_load(&outcomes[i].count) == 1);
        assert_int_equal(atomic_load(&outcomes[i].code), i < 2 ? PARLEY_CANCELLED : PARLEY_OK);
    }
    assert_int_equal(parley_channel_waiting_calls(channel), 0);
    parley_channel_free(channel);
    fake_chat_stop(chat);
}

static void test_channel_connects_when_it_is_told_to(void **state)
{
    struct fake_chat *chat = fake_chat_start(NULL);
    parley_channel *channel = channel_to(fake_chat_target(chat));
    (void)state;
    parley_channel_connect(channel);
    WAIT_FOR(parley_channel_get_state(channel) == PARLEY_CHANNEL_READY);
    parley_channel_free(channel);
    fake_chat_stop(chat);
}

/* ---- TLS ---- */

struct tls_case {
    const char *name;
    bool trusts_other;
    const char *server_name;
    enum parley_code code;
};

static void test_cl11_tls_checks_the_authority_and_the_name(void **state)
{
    static const struct tls_case cases[] = {
        {"the target's name", false, NULL, PARLEY_OK},
        {"a name of the certificate", false, "localhost", PARLEY_OK},
        {"another name", false, "chat.example.org", PARLEY_UNAVAILABLE},
        {"an authority that is not trusted", true, NULL, PARLEY_UNAVAILABLE},
    };
    struct certs certs;
    struct pl_error err = PL_ERROR_INIT;
    struct pl_tls *tls = NULL;
    (void)state;
    certs_make(&certs);
    struct pl_tls_server_options server = {.cert_file = certs.server_cert,
                                           .key_file = certs.server_key};
    assert_int_equal(pl_tls_server_new(&server, &tls, &err), PARLEY_OK);
    struct fake_chat_options chat_options = {.tls = tls};
    struct fake_chat *chat = fake_chat_start(&chat_options);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        print_message("%s\n", cases[i].name);
        parley_channel_options options = {
            .size = sizeof(options),
            .use_tls = true,
            .ca_file = cases[i].trusts_other ? certs.other_ca : certs.ca,
            .server_name = cases[i].server_name,
        };
        parley_channel *channel = channel_with(fake_chat_target(chat), &options);
        expect_code(send_hello(channel, NULL), cases[i].code);
        parley_channel_free(channel);
    }
    parley_channel *cleartext = channel_to(fake_chat_target(chat));
    expect_code(send_hello(cleartext, NULL), PARLEY_UNAVAILABLE);
    parley_channel_free(cleartext);
    fake_chat_stop(chat);
    pl_tls_unref(tls);
    certs_remove(&certs);
}

/* ---- tokens ---- */

static void test_token_that_cannot_be_sent_is_refused(void **state)
{
    static char big[8300];
    const char *const tokens[] = {"", "two\nlines", "two words", "\xc3\xa4", big};
    parley_channel *driven = channel_with(
        "localhost:1",
        &(parley_channel_options){.size = sizeof(parley_channel_options), .is_driven = true});
    (void)state;
    memset(big, 'x', sizeof(big) - 1);
    for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
        parley_channel_options options = {.size = sizeof(options), .token = tokens[i]};
        parley_channel *channel = NULL;
        expect_code(parley_channel_new("localhost:1", &options, &channel), PARLEY_INVALID_ARGUMENT);
        expect_code(parley_channel_set_token(driven, tokens[i]), PARLEY_INVALID_ARGUMENT);
    }
    parley_channel_free(driven);
}

static bool is_token_set(parley_channel *channel, size_t failing)
{
    failing_heap_start();
    failing_heap_fail_nth(failing);
    parley_error *error = parley_channel_set_token(channel, "secret");
    bool has_failed = failing_heap_failures() > 0;
    failing_heap_stop();
    expect_code(error, has_failed ? PARLEY_RESOURCE_EXHAUSTED : PARLEY_OK);
    return !has_failed;
}

static void test_token_without_memory_for_it_is_not_called_a_bad_one(void **state)
{
    parley_channel_options options = {.size = sizeof(options), .is_driven = true};
    parley_channel *channel = channel_with("localhost:1", &options);
    size_t failing = 1;
    (void)state;
    while (!is_token_set(channel, failing)) {
        failing++;
    }
    assert_true(failing > 3);
    parley_channel_free(channel);
}

/* ---- targets ---- */

static void test_unix_socket_is_a_target(void **state)
{
    struct tmp_dir dir;
    char address[600];
    (void)state;
    assert_int_equal(tmp_dir_init(&dir), 0);
    (void)snprintf(address, sizeof(address), "unix:%s/chat.sock", dir.path);
    struct fake_chat_options options = {.address = address};
    struct fake_chat *chat = fake_chat_start(&options);
    parley_channel *channel = channel_to(address);
    expect_code(send_hello(channel, NULL), PARLEY_OK);
    parley_channel_free(channel);
    fake_chat_stop(chat);
    assert_int_equal(tmp_dir_deinit(&dir), 0);
}

/* localhost is ::1 as well where there is IPv6, and nobody listens there. */
static void test_names_are_resolved_and_every_address_is_tried(void **state)
{
    static const char *const forms[] = {"localhost:%s", "dns:///localhost:%s", "ipv4:127.0.0.1:%s"};
    struct fake_chat *chat = fake_chat_start(NULL);
    const char *port = strrchr(fake_chat_target(chat), ':') + 1;
    (void)state;
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        char target[64];
        (void)snprintf(target, sizeof(target), "%.*s%s", (int)strlen(forms[i]) - 2, forms[i], port);
        print_message("%s\n", target);
        parley_channel *channel = channel_to(target);
        expect_code(send_hello(channel, NULL), PARLEY_OK);
        parley_channel_free(channel);
    }
    fake_chat_stop(chat);
}

static void test_bad_channels_are_refused_or_fail_their_calls(void **state)
{
    parley_channel *channel = NULL;
    (void)state;
    expect_code(parley_channel_new("", NULL, &channel), PARLEY_INVALID_ARGUMENT);
    expect_code(parley_channel_new(NULL, NULL, &channel), PARLEY_INVALID_ARGUMENT);
    assert_null(channel);
    parley_channel_options options = {.use_tls = true, .ca_file = "/nowhere"};
    expect_code(parley_channel_new("localhost:1", &options, &channel), PARLEY_INVALID_ARGUMENT);
    options.size = sizeof(options);
    parley_error *error = parley_channel_new("localhost:1", &options, &channel);
    assert_non_null(strstr(parley_error_message(error), "/nowhere"));
    assert_int_not_equal(parley_error_code(error), PARLEY_OK);
    parley_error_free(error);
    assert_null(channel);
    parley_channel_free(NULL);
    channel = channel_to("no-such-host.invalid:1");
    expect_code(send_hello(channel, NULL), PARLEY_UNAVAILABLE);
    parley_channel_free(channel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cl1_channel_passes_through_its_states),
        cmocka_unit_test(test_cl1_failing_channel_fails_calls_at_once_but_those_that_wait),
        cmocka_unit_test(test_cl2_waits_grow_to_their_cap_with_jitter),
        cmocka_unit_test(test_cl2_only_settings_reset_the_waits),
        cmocka_unit_test(test_cl5_call_that_the_server_did_not_begin_is_sent_again),
        cmocka_unit_test(test_cl5_each_call_takes_a_new_connection_after_goaway),
        cmocka_unit_test(test_cl8_connection_that_answers_no_ping_is_given_up),
        cmocka_unit_test(test_cl8_keepalive_slows_down_when_a_server_minds),
        cmocka_unit_test(test_cl10_calls_over_the_servers_limit_wait_for_room),
        cmocka_unit_test(test_channel_connects_when_it_is_told_to),
        cmocka_unit_test(test_cl11_tls_checks_the_authority_and_the_name),
        cmocka_unit_test(test_token_that_cannot_be_sent_is_refused),
        cmocka_unit_test(test_token_without_memory_for_it_is_not_called_a_bad_one),
        cmocka_unit_test(test_unix_socket_is_a_target),
        cmocka_unit_test(test_names_are_resolved_and_every_address_is_tried),
        cmocka_unit_test(test_bad_channels_are_refused_or_fail_their_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
