/* SPDX-License-Identifier: Apache-2.0 */
/* Following conversations over broken streams: once, in order, and from where it was. */
#include "sdk_world.h"

#include "parley/client.h"
#include "support/check.h"
#include "support/fake_chat.h"
#include "support/wait.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

struct seen {
    atomic_uint events;
    atomic_uint disorder;
    _Atomic int64_t last_seq;
    atomic_uint caught_up;
    _Atomic int64_t caught_up_seq;
    atomic_uint removed;
    atomic_uint interrupted;
    atomic_uint done;
    atomic_int done_code; /* -1: on_done has not come */
    atomic_int interrupted_code;
};

struct world {
    struct fake_chat *chat;
    parley_channel *channel;
    parley_client *client;
    struct seen seen;
};

static int set_up(void **state)
{
    static struct world world;
    parley_client_options options = {
        .size = sizeof(options), .retry_initial_ms = 10, .retry_max_ms = 50};
    memset(&world, 0, sizeof(world));
    world.seen.done_code = -1;
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
    return 0;
}

static void on_event(void *user, const Parley__V1__Event *event)
{
    struct seen *seen = user;
    atomic_fetch_add(&seen->disorder, event->seq != atomic_load(&seen->last_seq) + 1);
    atomic_store(&seen->last_seq, event->seq);
    atomic_fetch_add(&seen->events, 1);
}

static void on_caught_up(void *user, const char *conversation_id, int64_t seq)
{
    struct seen *seen = user;
    (void)conversation_id;
    atomic_store(&seen->caught_up_seq, seq);
    atomic_fetch_add(&seen->caught_up, 1);
}

static void on_removed(void *user, const char *conversation_id)
{
    struct seen *seen = user;
    (void)conversation_id;
    atomic_fetch_add(&seen->removed, 1);
}

static void on_interrupted(void *user, const parley_error *error)
{
    struct seen *seen = user;
    atomic_store(&seen->interrupted_code, (int)parley_error_code(error));
    atomic_fetch_add(&seen->interrupted, 1);
}

static void on_done(void *user, const parley_error *error)
{
    struct seen *seen = user;
    atomic_store(&seen->done_code, (int)parley_error_code(error));
    atomic_fetch_add(&seen->done, 1);
}

static const parley_subscription_events events = {
    .size = sizeof(events),
    .on_event = on_event,
    .on_caught_up = on_caught_up,
    .on_removed = on_removed,
    .on_interrupted = on_interrupted,
    .on_done = on_done,
};

static parley_subscription *follow(struct world *world, int64_t after_seq)
{
    parley_cursor cursor = {.conversation_id = "c", .after_seq = after_seq};
    parley_subscription *subscription = NULL;
    atomic_store(&world->seen.last_seq, after_seq);
    expect_code(parley_client_subscribe(world->client, &cursor, 1, false, &events, &world->seen,
                                        &subscription),
                PARLEY_OK);
    return subscription;
}

static void say(struct world *world, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        fake_chat_say(world->chat, "c", "hello");
    }
}

static void test_subscription_starts_at_its_cursor_and_goes_live(void **state)
{
    struct world *world = *state;
    say(world, 10);
    (void)follow(world, 4);
    WAIT_FOR(atomic_load(&world->seen.caught_up) == 1);
    assert_int_equal(atomic_load(&world->seen.events), 6);
    assert_int_equal(atomic_load(&world->seen.caught_up_seq), 10);
    say(world, 5);
    WAIT_FOR(atomic_load(&world->seen.events) == 11);
    assert_int_equal(atomic_load(&world->seen.disorder), 0);
    assert_int_equal(atomic_load(&world->seen.interrupted), 0);
}

static void test_broken_stream_resumes_without_loss_or_repeat(void **state)
{
    struct world *world = *state;
    (void)follow(world, 0);
    for (unsigned i = 1; i <= 5; i++) {
        say(world, 7);
        fake_chat_repeat(world->chat, 3);
        WAIT_FOR(fake_chat_subscribers(world->chat) == 1);
        fake_chat_end_subscriptions(world->chat, i % 2 == 0 ? PARLEY_UNAVAILABLE : PARLEY_OK);
        say(world, 7);
        WAIT_FOR(atomic_load(&world->seen.events) == i * 14);
    }
    assert_true(atomic_load(&world->seen.interrupted) >= 5);
    assert_int_equal(atomic_load(&world->seen.disorder), 0);
    assert_int_equal(atomic_load(&world->seen.done), 0);
}

static void test_crash_of_the_server_is_survived(void **state)
{
    struct world *world = *state;
    (void)follow(world, 0);
    say(world, 3);
    WAIT_FOR(atomic_load(&world->seen.events) == 3);
    fake_chat_crash(world->chat);
    WAIT_FOR(atomic_load(&world->seen.interrupted) >= 1);
    say(world, 3);
    fake_chat_recover(world->chat);
    WAIT_FOR(atomic_load(&world->seen.events) == 6);
    assert_int_equal(atomic_load(&world->seen.disorder), 0);
    WAIT_FOR(atomic_load(&world->seen.caught_up) >= 2);
}

static void test_hole_is_asked_for_again(void **state)
{
    struct world *world = *state;
    say(world, 5);
    fake_chat_skip(world->chat, 3);
    (void)follow(world, 0);
    WAIT_FOR(atomic_load(&world->seen.events) == 5);
    assert_int_equal(atomic_load(&world->seen.disorder), 0);
    assert_int_equal(atomic_load(&world->seen.interrupted), 1);
    assert_int_equal(atomic_load(&world->seen.interrupted_code), PARLEY_DATA_LOSS);
}

static void test_hole_at_the_end_of_the_replay_is_asked_for_again(void **state)
{
    struct world *world = *state;
    say(world, 5);
    fake_chat_skip(world->chat, 5);
    (void)follow(world, 0);
    WAIT_FOR(atomic_load(&world->seen.caught_up) == 1);
    assert_int_equal(atomic_load(&world->seen.events), 5);
    assert_int_equal(atomic_load(&world->seen.disorder), 0);
}

static void test_what_no_retry_mends_ends_it_once(void **state)
{
    static const enum parley_code codes[] = {PARLEY_NOT_FOUND, PARLEY_UNAUTHENTICATED,
                                             PARLEY_PERMISSION_DENIED, PARLEY_INVALID_ARGUMENT,
                                             PARLEY_OUT_OF_RANGE};
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        struct world *world = *state;
        fake_chat_fail(world->chat, FAKE_SUBSCRIBE, 1, codes[i], 0);
        (void)follow(world, 0);
        WAIT_FOR(atomic_load(&world->seen.done) == i + 1);
        assert_int_equal(atomic_load(&world->seen.done_code), codes[i]);
        assert_int_equal(atomic_load(&world->seen.interrupted), 0);
    }
}

static void test_retry_waits_as_long_as_the_server_asks(void **state)
{
    struct world *world = *state;
    say(world, 1);
    fake_chat_fail(world->chat, FAKE_SUBSCRIBE, 1, PARLEY_UNAVAILABLE, 200);
    int64_t early = wait_deadline(200);
    (void)follow(world, 0);
    WAIT_FOR(atomic_load(&world->seen.events) == 1);
    assert_true(wait_deadline(0) >= early);
}

static void test_it_goes_where_the_server_asks_it_to_and_misses_nothing(void **state)
{
    struct world *world = *state;
    say(world, 2);
    (void)follow(world, 0);
    WAIT_FOR(atomic_load(&world->seen.caught_up) == 1);
    fake_chat_ask_to_reconnect(world->chat);
    say(world, 3);
    WAIT_FOR(atomic_load(&world->seen.caught_up) == 2);
    WAIT_FOR(atomic_load(&world->seen.events) == 5);
    assert_int_equal(fake_chat_calls(world->chat, FAKE_SUBSCRIBE), 2);
    WAIT_FOR(fake_chat_subscribers(world->chat) == 1);
    assert_int_equal(atomic_load(&world->seen.interrupted), 1);
    assert_int_equal(atomic_load(&world->seen.disorder), 0);
    assert_int_equal(atomic_load(&world->seen.done), 0);
}

static void test_cancelled_subscription_is_done_without_an_error(void **state)
{
    struct world *world = *state;
    parley_subscription *subscription = follow(world, 0);
    WAIT_FOR(fake_chat_subscribers(world->chat) == 1);
    parley_subscription_cancel(subscription);
    WAIT_FOR(atomic_load(&world->seen.done) == 1);
    assert_int_equal(atomic_load(&world->seen.done_code), PARLEY_OK);
    WAIT_FOR(fake_chat_subscribers(world->chat) == 0);
}

static void test_subscription_is_cancelled_while_it_waits_to_retry(void **state)
{
    struct world *world = *state;
    fake_chat_fail(world->chat, FAKE_SUBSCRIBE, 1, PARLEY_UNAVAILABLE, 60000);
    parley_subscription *subscription = follow(world, 0);
    WAIT_FOR(atomic_load(&world->seen.interrupted) == 1);
    parley_subscription_cancel(subscription);
    WAIT_FOR(atomic_load(&world->seen.done) == 1);
    assert_int_equal(atomic_load(&world->seen.done_code), PARLEY_OK);
}

static void test_free_ends_subscriptions_first(void **state)
{
    struct world *world = *state;
    (void)follow(world, 0);
    (void)follow(world, 0);
    WAIT_FOR(fake_chat_subscribers(world->chat) == 2);
    parley_client_free(world->client);
    world->client = NULL;
    assert_int_equal(atomic_load(&world->seen.done), 2);
    assert_int_equal(atomic_load(&world->seen.done_code), PARLEY_OK);
}

static void test_last_conversation_that_is_left_ends_it_at_the_next_break(void **state)
{
    struct world *world = *state;
    (void)follow(world, 0);
    WAIT_FOR(fake_chat_subscribers(world->chat) == 1);
    fake_chat_remove(world->chat, "c");
    WAIT_FOR(atomic_load(&world->seen.removed) == 1);
    fake_chat_end_subscriptions(world->chat, PARLEY_UNAVAILABLE);
    WAIT_FOR(atomic_load(&world->seen.done) == 1);
    assert_int_equal(atomic_load(&world->seen.done_code), PARLEY_NOT_FOUND);
}

static void test_conversation_that_is_joined_again_starts_where_it_is(void **state)
{
    struct world *world = *state;
    parley_subscription *subscription = NULL;
    parley_cursor cursor = {.conversation_id = "c"};
    expect_code(parley_client_subscribe(world->client, &cursor, 1, true, &events, &world->seen,
                                        &subscription),
                PARLEY_OK);
    WAIT_FOR(fake_chat_subscribers(world->chat) == 1);
    say(world, 2);
    WAIT_FOR(atomic_load(&world->seen.events) == 2);
    fake_chat_remove(world->chat, "c");
    WAIT_FOR(atomic_load(&world->seen.removed) == 1);
    fake_chat_crash(world->chat); /* what is said meanwhile is not for us */
    WAIT_FOR(atomic_load(&world->seen.interrupted) >= 1);
    say(world, 5);
    atomic_store(&world->seen.last_seq, 7);
    fake_chat_recover(world->chat);
    WAIT_FOR(fake_chat_subscribers(world->chat) == 1);
    say(world, 1);
    WAIT_FOR(atomic_load(&world->seen.events) == 3);
    assert_int_equal(atomic_load(&world->seen.disorder), 0);
}

static void test_bad_subscriptions_are_refused(void **state)
{
    struct world *world = *state;
    parley_subscription *subscription = NULL;
    static const char *const ids[] = {NULL, "", "a b"};
    expect_code(
        parley_client_subscribe(world->client, NULL, 0, false, &events, NULL, &subscription),
        PARLEY_INVALID_ARGUMENT);
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        parley_cursor cursor = {.conversation_id = ids[i]};
        expect_code(
            parley_client_subscribe(world->client, &cursor, 1, false, &events, NULL, &subscription),
            PARLEY_INVALID_ARGUMENT);
        assert_null(subscription);
    }
    parley_subscription_events unsized = events;
    unsized.size = 0;
    expect_code(
        parley_client_subscribe(world->client, NULL, 0, true, &unsized, NULL, &subscription),
        PARLEY_INVALID_ARGUMENT);
    assert_null(subscription);
}

/* What a caller does not know is not called. */
static void test_events_are_read_as_far_as_their_size(void **state)
{
    struct world *world = *state;
    parley_subscription_events older = events;
    parley_subscription *subscription = NULL;
    older.size = offsetof(parley_subscription_events, on_caught_up);
    expect_code(
        parley_client_subscribe(world->client, NULL, 0, true, &older, &world->seen, &subscription),
        PARLEY_OK);
    WAIT_FOR(fake_chat_subscribers(world->chat) == 1);
    say(world, 1);
    WAIT_FOR(atomic_load(&world->seen.events) == 1);
    parley_client_free(world->client);
    world->client = NULL;
    assert_int_equal(atomic_load(&world->seen.done), 0);
}

#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_WORLD(test_subscription_starts_at_its_cursor_and_goes_live),
        WITH_WORLD(test_broken_stream_resumes_without_loss_or_repeat),
        WITH_WORLD(test_crash_of_the_server_is_survived),
        WITH_WORLD(test_hole_is_asked_for_again),
        WITH_WORLD(test_hole_at_the_end_of_the_replay_is_asked_for_again),
        WITH_WORLD(test_what_no_retry_mends_ends_it_once),
        WITH_WORLD(test_retry_waits_as_long_as_the_server_asks),
        WITH_WORLD(test_it_goes_where_the_server_asks_it_to_and_misses_nothing),
        WITH_WORLD(test_cancelled_subscription_is_done_without_an_error),
        WITH_WORLD(test_subscription_is_cancelled_while_it_waits_to_retry),
        WITH_WORLD(test_free_ends_subscriptions_first),
        WITH_WORLD(test_last_conversation_that_is_left_ends_it_at_the_next_break),
        WITH_WORLD(test_conversation_that_is_joined_again_starts_where_it_is),
        WITH_WORLD(test_bad_subscriptions_are_refused),
        WITH_WORLD(test_events_are_read_as_far_as_their_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
