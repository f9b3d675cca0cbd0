/* SPDX-License-Identifier: Apache-2.0 */
/* Channels to servers with several addresses. Names are looked up in a table of this file: the
 * linker puts __wrap_getaddrinfo in the place of the system's. */
#include "raw_server.h"
#include "sdk_world.h"

#include "base/attr.h"
#include "base/clock.h"
#include "support/check.h"
#include "support/fake_chat.h"
#include "support/wait.h"

#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVERS 3

/* ---- a name server ---- */

static struct {
    pthread_mutex_t mu;
    const char *addresses; /* of servers.test, with commas between; NULL: unknown */
    unsigned lookups;
} names = {.mu = PTHREAD_MUTEX_INITIALIZER};

int __real_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                       struct addrinfo **found);
int __wrap_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                       struct addrinfo **found);

int __wrap_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                       struct addrinfo **found)
{
    char text[128];
    struct addrinfo **end = found;
    char *rest = NULL;
    if (strcmp(node, "servers.test") != 0) {
        return __real_getaddrinfo(node, service, hints, found);
    }
    (void)pthread_mutex_lock(&names.mu);
    names.lookups++;
    (void)snprintf(text, sizeof(text), "%s", names.addresses == NULL ? "" : names.addresses);
    (void)pthread_mutex_unlock(&names.mu);
    for (char *one = strtok_r(text, ",", &rest); one != NULL; one = strtok_r(NULL, ",", &rest)) {
        assert_int_equal(__real_getaddrinfo(one, service, hints, end), 0);
        end = &(*end)->ai_next;
    }
    return end == found ? EAI_NONAME : 0;
}

static void set_name(const char *addresses)
{
    (void)pthread_mutex_lock(&names.mu);
    names.addresses = addresses;
    (void)pthread_mutex_unlock(&names.mu);
}

static unsigned count_lookups(void)
{
    (void)pthread_mutex_lock(&names.mu);
    unsigned count = names.lookups;
    (void)pthread_mutex_unlock(&names.mu);
    return count;
}

/* ---- servers ---- */

struct world {
    struct fake_chat *chats[SERVERS];
    char target[256]; /* all of them, "ipv4:a,b,c" */
    unsigned before[SERVERS];
};

static int set_up(void **state)
{
    static struct world world;
    size_t len = (size_t)snprintf(world.target, sizeof(world.target), "ipv4:");
    for (size_t i = 0; i < SERVERS; i++) {
        world.chats[i] = fake_chat_start(NULL);
        len += (size_t)snprintf(world.target + len, sizeof(world.target) - len, "%s%s",
                                i == 0 ? "" : ",", fake_chat_target(world.chats[i]));
    }
    *state = &world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    for (size_t i = 0; i < SERVERS; i++) {
        fake_chat_stop(world->chats[i]);
    }
    return 0;
}

static parley_channel *round_robin_to(const char *target)
{
    parley_channel_options options = {
        .size = sizeof(options),
        .balancing = PARLEY_ROUND_ROBIN,
        .backoff_initial_ms = 20,
        .backoff_max_ms = 100,
        .resolve_interval_ms = 1,
    };
    return channel_with(target, &options);
}

static unsigned calls_since(struct world *world, size_t server)
{
    return fake_chat_calls(world->chats[server], FAKE_SEND) - world->before[server];
}

static void look(struct world *world)
{
    for (size_t i = 0; i < SERVERS; i++) {
        world->before[i] = fake_chat_calls(world->chats[i], FAKE_SEND);
    }
}

/* Calls go out until one has reached the server: the channel has a connection to it. */
static void reach(struct world *world, parley_channel *channel, size_t server)
{
    parley_call_options wait = {.size = sizeof(wait), .wait_for_ready = true};
    look(world);
    int64_t deadline_ms = wait_deadline(WAIT_MS);
    while (calls_since(world, server) == 0) {
        parley_error_free(send_hello(channel, &wait));
        wait_or_fail(deadline_ms, "a call reaches the server", __FILE__, __LINE__);
    }
}

static void test_cl4_round_robin_gives_every_server_its_turn(void **state)
{
    struct world *world = *state;
    parley_channel *channel = round_robin_to(world->target);
    for (size_t i = 0; i < SERVERS; i++) {
        reach(world, channel, i);
    }
    look(world);
    for (int i = 0; i < 4 * SERVERS; i++) {
        expect_code(send_hello(channel, NULL), PARLEY_OK);
    }
    for (size_t i = 0; i < SERVERS; i++) {
        assert_int_equal(calls_since(world, i), 4);
    }
    parley_channel_free(channel);
}

static void test_cl4_round_robin_goes_around_a_dead_server_and_back(void **state)
{
    struct world *world = *state;
    parley_channel *channel = round_robin_to(world->target);
    for (size_t i = 0; i < SERVERS; i++) {
        reach(world, channel, i);
    }
    fake_chat_crash(world->chats[1]);
    look(world);
    unsigned failed = 0;
    for (int i = 0; i < 40; i++) {
        parley_error *error = send_hello(channel, NULL);
        failed += error != NULL;
        parley_error_free(error);
    }
    assert_in_range(failed, 0, 1); /* one that was on its way before the end was seen */
    assert_true(calls_since(world, 0) >= 13 && calls_since(world, 2) >= 13);
    assert_int_equal(parley_channel_get_state(channel), PARLEY_CHANNEL_READY);
    fake_chat_recover(world->chats[1]);
    reach(world, channel, 1);
    parley_channel_free(channel);
}

static void test_cl4_round_robin_fails_when_all_servers_have_failed(void **state)
{
    struct world *world = *state;
    parley_channel *channel = round_robin_to(world->target);
    expect_code(send_hello(channel, NULL), PARLEY_OK);
    for (size_t i = 0; i < SERVERS; i++) {
        fake_chat_crash(world->chats[i]);
    }
    WAIT_FOR(parley_channel_get_state(channel) == PARLEY_CHANNEL_TRANSIENT_FAILURE);
    expect_code(send_hello(channel, NULL), PARLEY_UNAVAILABLE);
    fake_chat_recover(world->chats[2]);
    reach(world, channel, 2);
    assert_int_equal(parley_channel_get_state(channel), PARLEY_CHANNEL_READY);
    for (size_t i = 0; i < 2; i++) {
        fake_chat_recover(world->chats[i]);
    }
    parley_channel_free(channel);
}

static void test_cl4_pick_first_stays_where_it_is(void **state)
{
    struct world *world = *state;
    parley_channel *channel = channel_to(world->target);
    look(world);
    for (int i = 0; i < 5; i++) {
        expect_code(send_hello(channel, NULL), PARLEY_OK);
    }
    assert_int_equal(calls_since(world, 0), 5);
    fake_chat_crash(world->chats[0]);
    WAIT_FOR(parley_channel_get_state(channel) == PARLEY_CHANNEL_IDLE);
    expect_code(send_hello(channel, NULL), PARLEY_OK);
    fake_chat_recover(world->chats[0]);
    for (int i = 0; i < 4; i++) {
        expect_code(send_hello(channel, NULL), PARLEY_OK);
    }
    assert_int_equal(calls_since(world, 0), 5);
    assert_int_equal(calls_since(world, 1), 5);
    parley_channel_free(channel);
}

/* gRFC A61: an address that takes the connection and says nothing delays by 250 ms, not by 20 s. */
static void test_cl4_silent_address_does_not_hold_up_the_next(void **state)
{
    static const enum raw_act acts[] = {RAW_SILENCE};
    struct world *world = *state;
    struct raw_server *silent = raw_server_start(acts, 1);
    char target[128];
    (void)snprintf(target, sizeof(target), "%s,%s", raw_server_target(silent),
                   fake_chat_target(world->chats[0]));
    parley_channel *channel = channel_to(target);
    int64_t start_ms = pl_clock_monotonic_ms();
    expect_code(send_hello(channel, NULL), PARLEY_OK);
    assert_in_range(pl_clock_monotonic_ms() - start_ms, 250, 10000);
    assert_int_equal(raw_server_accepts(silent), 1);
    parley_channel_free(channel);
    raw_server_stop(silent);
}

/* A62: while a new attempt is under way, calls still fail, instead of each waiting for its end. */
static void test_cl4_failed_channel_stays_failed_until_it_is_ready(void **state)
{
    static const enum raw_act acts[] = {RAW_HANG_UP, RAW_SILENCE};
    struct raw_server *server = raw_server_start(acts, 2);
    parley_channel *channel = channel_to(raw_server_target(server));
    (void)state;
    expect_code(send_hello(channel, NULL), PARLEY_UNAVAILABLE);
    WAIT_FOR(raw_server_accepts(server) == 2);
    assert_int_equal(parley_channel_get_state(channel), PARLEY_CHANNEL_TRANSIENT_FAILURE);
    expect_code(send_hello(channel, NULL), PARLEY_UNAVAILABLE);
    parley_channel_free(channel);
    raw_server_stop(server);
}

/* Two servers with the same port at 127.0.0.1 and 127.0.0.2, as a name server has them. */
struct pair {
    struct fake_chat *chats[2];
    char target[64];
};

static void start_pair(struct pair *pair)
{
    char address[64];
    pair->chats[0] = fake_chat_start(NULL);
    const char *port = strrchr(fake_chat_target(pair->chats[0]), ':') + 1;
    (void)snprintf(address, sizeof(address), "127.0.0.2:%s", port);
    struct fake_chat_options options = {.address = address};
    pair->chats[1] = fake_chat_start(&options);
    (void)snprintf(pair->target, sizeof(pair->target), "servers.test:%s", port);
}

static void stop_pair(struct pair *pair)
{
    fake_chat_stop(pair->chats[0]);
    fake_chat_stop(pair->chats[1]);
}

static void test_cl3_name_is_looked_up_again_when_its_server_is_gone(void **state)
{
    static const parley_balancing balancings[] = {PARLEY_PICK_FIRST, PARLEY_ROUND_ROBIN};
    (void)state;
    for (size_t i = 0; i < PL_COUNT(balancings); i++) {
        struct pair pair;
        parley_channel_options options = {.size = sizeof(options),
                                          .balancing = balancings[i],
                                          .backoff_initial_ms = 20,
                                          .resolve_interval_ms = 1};
        parley_call_options wait = {.size = sizeof(wait), .wait_for_ready = true};
        start_pair(&pair);
        set_name("127.0.0.1");
        parley_channel *channel = channel_with(pair.target, &options);
        expect_code(send_hello(channel, NULL), PARLEY_OK);
        set_name("127.0.0.2");
        fake_chat_crash(pair.chats[0]);
        WAIT_FOR(parley_channel_get_state(channel) != PARLEY_CHANNEL_READY ||
                 balancings[i] == PARLEY_ROUND_ROBIN);
        parley_error_free(send_hello(channel, &wait));
        expect_code(send_hello(channel, &wait), PARLEY_OK);
        assert_true(fake_chat_calls(pair.chats[1], FAKE_SEND) > 0);
        parley_channel_free(channel);
        fake_chat_recover(pair.chats[0]);
        stop_pair(&pair);
    }
}

static void test_round_robin_takes_up_new_addresses_and_drops_old_ones(void **state)
{
    struct pair pair;
    (void)state;
    start_pair(&pair);
    set_name("127.0.0.1");
    parley_channel *channel = round_robin_to(pair.target);
    parley_call_options wait = {.size = sizeof(wait), .wait_for_ready = true};
    expect_code(send_hello(channel, NULL), PARLEY_OK);
    set_name("127.0.0.1,127.0.0.2");
    fake_chat_crash(pair.chats[0]); /* a reason to look */
    fake_chat_recover(pair.chats[0]);
    int64_t deadline_ms = wait_deadline(WAIT_MS);
    while (fake_chat_calls(pair.chats[1], FAKE_SEND) < 3 ||
           fake_chat_calls(pair.chats[0], FAKE_SEND) < 3) {
        parley_error_free(send_hello(channel, &wait));
        wait_or_fail(deadline_ms, "both servers are called", __FILE__, __LINE__);
    }
    set_name("127.0.0.2");
    fake_chat_crash(pair.chats[1]);
    fake_chat_recover(pair.chats[1]);
    deadline_ms = wait_deadline(WAIT_MS);
    unsigned first = 0;
    unsigned same = 0;
    while (same < 10) { /* ten calls in a row that are not for the one that is no longer listed */
        unsigned before = first;
        parley_error_free(send_hello(channel, &wait));
        first = fake_chat_calls(pair.chats[0], FAKE_SEND);
        same = first == before ? same + 1 : 0;
        wait_or_fail(deadline_ms, "the old address is left", __FILE__, __LINE__);
    }
    parley_channel_free(channel);
    stop_pair(&pair);
}

static void test_cl3_names_are_not_looked_up_more_often_than_the_interval(void **state)
{
    parley_channel_options options = {
        .size = sizeof(options), .backoff_initial_ms = 1, .backoff_max_ms = 1};
    static const enum raw_act acts[] = {RAW_HANG_UP};
    struct raw_server *server = raw_server_start(acts, 1);
    char target[64];
    (void)state;
    (void)snprintf(target, sizeof(target), "servers.test%s",
                   strrchr(raw_server_target(server), ':'));
    set_name("127.0.0.1");
    unsigned before = count_lookups();
    parley_channel *channel = channel_with(target, &options);
    parley_channel_connect(channel);
    WAIT_FOR(raw_server_accepts(server) > 10);
    assert_int_equal(count_lookups() - before, 1);
    parley_channel_free(channel);
    raw_server_stop(server);
}

static void test_unknown_name_fails_calls_until_it_is_known(void **state)
{
    static const parley_balancing balancings[] = {PARLEY_PICK_FIRST, PARLEY_ROUND_ROBIN};
    (void)state;
    for (size_t i = 0; i < PL_COUNT(balancings); i++) {
        struct pair pair;
        parley_channel_options options = {.size = sizeof(options),
                                          .balancing = balancings[i],
                                          .backoff_initial_ms = 10,
                                          .backoff_max_ms = 20};
        parley_call_options wait = {.size = sizeof(wait), .wait_for_ready = true};
        start_pair(&pair);
        set_name(NULL);
        parley_channel *channel = channel_with(pair.target, &options);
        expect_code(send_hello(channel, NULL), PARLEY_UNAVAILABLE);
        set_name("127.0.0.1");
        expect_code(send_hello(channel, &wait), PARLEY_OK);
        parley_channel_free(channel);
        stop_pair(&pair);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_cl4_round_robin_gives_every_server_its_turn, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_cl4_round_robin_goes_around_a_dead_server_and_back,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cl4_round_robin_fails_when_all_servers_have_failed,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cl4_pick_first_stays_where_it_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cl4_silent_address_does_not_hold_up_the_next, set_up,
                                        tear_down),
        cmocka_unit_test(test_cl4_failed_channel_stays_failed_until_it_is_ready),
        cmocka_unit_test(test_cl3_name_is_looked_up_again_when_its_server_is_gone),
        cmocka_unit_test(test_round_robin_takes_up_new_addresses_and_drops_old_ones),
        cmocka_unit_test(test_cl3_names_are_not_looked_up_more_often_than_the_interval),
        cmocka_unit_test(test_unknown_name_fails_calls_until_it_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
