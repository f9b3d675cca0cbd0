/* SPDX-License-Identifier: Apache-2.0 */
/* What a chat client tells of itself: its states and its counters. */
#include "sdk_world.h"

#include "parley/client.h"
#include "support/check.h"
#include "support/fake_chat.h"
#include "support/wait.h"

#include <pthread.h>
#include <string.h>

#define STATES_MAX 64

struct world {
    struct fake_chat *chat;
    parley_channel *channel;
    parley_client *client;
    pthread_mutex_t mu;
    parley_client_state states[STATES_MAX];
    size_t count;
};

static void on_state(void *user, parley_client_state state)
{
    struct world *world = user;
    (void)pthread_mutex_lock(&world->mu);
    assert_true(world->count < STATES_MAX);
    world->states[world->count++] = state;
    (void)pthread_mutex_unlock(&world->mu);
}

static int set_up(void **state)
{
    static struct world world;
    memset(&world, 0, sizeof(world));
    (void)pthread_mutex_init(&world.mu, NULL);
    parley_client_options options = {.size = sizeof(options),
                                     .retry_initial_ms = 10,
                                     .retry_max_ms = 50,
                                     .on_state = on_state,
                                     .user = &world};
    world.chat = fake_chat_start(NULL);
    world.channel = channel_to(fake_chat_target(world.chat));
    expect_code(parley_client_new(world.channel, &options, &world.client), PARLEY_OK);
    *state = &world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    parley_client_free(world->client);
    parley_channel_free(world->channel);
    fake_chat_stop(world->chat);
    (void)pthread_mutex_destroy(&world->mu);
    return 0;
}

static parley_subscription *follow(struct world *world)
{
    static const parley_subscription_events events = {.size = sizeof(events)};
    parley_cursor cursor = {.conversation_id = "c"};
    parley_subscription *subscription = NULL;
    expect_code(
        parley_client_subscribe(world->client, &cursor, 1, false, &events, NULL, &subscription),
        PARLEY_OK);
    return subscription;
}

static parley_client_counters counters_of(struct world *world)
{
    parley_client_counters counters;
    parley_client_get_counters(world->client, &counters);
    return counters;
}

#define WAIT_STATE(state) WAIT_FOR(parley_client_get_state(world->client) == (state))

/* Are these the states that were told, one after the other, from the beginning? */
static bool told(struct world *world, const parley_client_state *states, size_t count)
{
    (void)pthread_mutex_lock(&world->mu);
    bool is_told =
        world->count >= count && memcmp(world->states, states, count * sizeof(states[0])) == 0;
    (void)pthread_mutex_unlock(&world->mu);
    return is_told;
}

static void test_client_connects_catches_up_and_is_live(void **state)
{
    static const parley_client_state expected[] = {PARLEY_CLIENT_CONNECTING,
                                                   PARLEY_CLIENT_CATCHING_UP, PARLEY_CLIENT_LIVE};
    struct world *world = *state;
    assert_int_equal(parley_client_get_state(world->client), PARLEY_CLIENT_OFFLINE);
    for (int i = 0; i < 20; i++) {
        fake_chat_say(world->chat, "c", "before");
    }
    (void)follow(world);
    WAIT_STATE(PARLEY_CLIENT_LIVE);
    assert_true(told(world, expected, 3));
    assert_int_equal(counters_of(world).events, 20);
}

static void test_client_is_offline_while_no_server_answers(void **state)
{
    struct world *world = *state;
    (void)follow(world);
    WAIT_STATE(PARLEY_CLIENT_LIVE);
    fake_chat_crash(world->chat);
    WAIT_FOR(parley_channel_get_state(world->channel) == PARLEY_CHANNEL_TRANSIENT_FAILURE);
    WAIT_STATE(PARLEY_CLIENT_OFFLINE);
    fake_chat_recover(world->chat);
    WAIT_STATE(PARLEY_CLIENT_LIVE);
    assert_true(counters_of(world).interrupted >= 1);
}

static void test_client_without_subscriptions_is_live_when_it_is_connected(void **state)
{
    struct world *world = *state;
    parley_outgoing message = {
        .size = sizeof(message), .conversation_id = "c", .body = "x", .body_len = 1};
    expect_code(parley_client_send_wait(world->client, &message, NULL), PARLEY_OK);
    WAIT_STATE(PARLEY_CLIENT_LIVE);
}

static void test_subscription_that_ends_holds_nothing_up(void **state)
{
    struct world *world = *state;
    parley_subscription *subscription = NULL;
    fake_chat_hold(world->chat, true);
    subscription = follow(world);
    WAIT_FOR(fake_chat_calls(world->chat, FAKE_SUBSCRIBE) == 1);
    WAIT_STATE(PARLEY_CLIENT_CATCHING_UP);
    parley_subscription_cancel(subscription);
    WAIT_STATE(PARLEY_CLIENT_LIVE);
}

static void test_counters_tell_what_went_wrong(void **state)
{
    struct world *world = *state;
    parley_outgoing message = {
        .size = sizeof(message), .conversation_id = "c", .body = "x", .body_len = 1};
    (void)follow(world);
    WAIT_STATE(PARLEY_CLIENT_LIVE);
    fake_chat_fail(world->chat, FAKE_MESSAGE, 1, PARLEY_UNAVAILABLE, 0);
    expect_code(parley_client_send_wait(world->client, &message, NULL), PARLEY_OK);
    fake_chat_fail(world->chat, FAKE_MESSAGE, 1, PARLEY_PERMISSION_DENIED, 0);
    expect_code(parley_client_send_wait(world->client, &message, NULL), PARLEY_PERMISSION_DENIED);
    WAIT_FOR(counters_of(world).events == 1);
    fake_chat_repeat(world->chat, 1);
    fake_chat_end_subscriptions(world->chat, PARLEY_UNAVAILABLE);
    WAIT_FOR(counters_of(world).repeats == 1);
    parley_client_counters counters = counters_of(world);
    assert_int_equal(counters.accepted, 2);
    assert_int_equal(counters.sent, 1);
    assert_int_equal(counters.failed, 1);
    assert_int_equal(counters.resent, 1);
    assert_int_equal(counters.interrupted, 1);
    assert_int_equal(counters.unsent, 0);
    assert_int_equal(counters.unsent_bytes, 0);
}

static void test_hole_is_counted_and_filled(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < 5; i++) {
        fake_chat_say(world->chat, "c", "hello");
    }
    fake_chat_skip(world->chat, 3);
    (void)follow(world);
    WAIT_FOR(counters_of(world).events == 5);
    assert_int_equal(counters_of(world).holes, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_client_connects_catches_up_and_is_live, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_client_is_offline_while_no_server_answers, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            test_client_without_subscriptions_is_live_when_it_is_connected, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_subscription_that_ends_holds_nothing_up, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_counters_tell_what_went_wrong, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_hole_is_counted_and_filled, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
