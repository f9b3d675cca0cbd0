/* SPDX-License-Identifier: Apache-2.0 */
/* What the chat client does in one call, and its life on a channel that the application drives. */
#include "sdk_world.h"

#include "parley/client.h"
#include "support/check.h"
#include "support/failing_heap.h"
#include "support/fake_chat.h"
#include "support/wait.h"

#include <poll.h>
#include <string.h>

struct world {
    struct fake_chat *chat;
    parley_channel *channel;
    parley_client *client;
};

static int set_up(void **state)
{
    static struct world world;
    world.chat = fake_chat_start(NULL);
    world.channel = channel_to(fake_chat_target(world.chat));
    expect_code(parley_client_new(world.channel, NULL, &world.client), PARLEY_OK);
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

/* The heap changes hands while there is one thread. */
static int set_up_on_a_failing_heap(void **state)
{
    failing_heap_start();
    return set_up(state);
}

static int tear_down_the_failing_heap(void **state)
{
    int rv = tear_down(state);
    failing_heap_stop();
    return rv;
}

struct range {
    int64_t first;
    int64_t last;
    int count;
};

static void note(void *user, const Parley__V1__Event *event)
{
    struct range *range = user;
    range->first = range->count++ == 0 ? event->seq : range->first;
    range->last = event->seq;
}

static void test_history_is_read_in_both_directions(void **state)
{
    static const struct {
        const char *name;
        int64_t from;
        bool backwards;
        int32_t limit;
        struct range expected;
    } cases[] = {
        {"all", 0, false, 0, {1, 20, 20}},
        {"from the middle", 15, false, 0, {15, 20, 6}},
        {"a part", 5, false, 3, {5, 7, 3}},
        {"the newest", 0, true, 5, {20, 16, 5}},
        {"backwards from the middle", 3, true, 0, {3, 1, 3}},
        {"behind the end", 21, false, 0, {0, 0, 0}},
    };
    struct world *world = *state;
    for (int i = 0; i < 20; i++) {
        fake_chat_say(world->chat, "c", "hello");
    }
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct range range = {0};
        print_message("%s\n", cases[i].name);
        expect_code(parley_client_history(world->client, "c", cases[i].from, cases[i].backwards,
                                          cases[i].limit, note, &range),
                    PARLEY_OK);
        assert_int_equal(range.first, cases[i].expected.first);
        assert_int_equal(range.last, cases[i].expected.last);
        assert_int_equal(range.count, cases[i].expected.count);
    }
    fake_chat_fail(world->chat, FAKE_HISTORY, 1, PARLEY_NOT_FOUND, 0);
    expect_code(parley_client_history(world->client, "c", 0, false, 0, note, &(struct range){0}),
                PARLEY_NOT_FOUND);
}

/* The time limit of calls is one between events, however long the reading takes. */
static void test_history_goes_on_where_it_stood_still_and_gives_up_when_nothing_comes(void **state)
{
    struct world *world = *state;
    parley_channel_options options = {.size = sizeof(options), .default_timeout_ms = 400};
    parley_channel *channel = channel_with(fake_chat_target(world->chat), &options);
    parley_client *client = NULL;
    expect_code(parley_client_new(channel, NULL, &client), PARLEY_OK);
    for (int i = 0; i < 20; i++) {
        fake_chat_say(world->chat, "c", "hello");
    }
    static const struct {
        const char *name;
        bool backwards;
        int32_t limit;
        int64_t stall_seq;
        struct range expected;
    } cases[] = {
        {"forwards", false, 0, 8, {1, 20, 20}},
        {"backwards", true, 0, 8, {20, 1, 20}},
        {"a part", false, 10, 8, {1, 10, 10}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct range range = {0};
        print_message("%s\n", cases[i].name);
        fake_chat_stall(world->chat, cases[i].stall_seq);
        expect_code(
            parley_client_history(client, "c", 0, cases[i].backwards, cases[i].limit, note, &range),
            PARLEY_OK);
        assert_int_equal(range.first, cases[i].expected.first);
        assert_int_equal(range.last, cases[i].expected.last);
        assert_int_equal(range.count, cases[i].expected.count);
    }
    fake_chat_hold(world->chat, true);
    expect_code(parley_client_history(client, "c", 0, false, 0, note, &(struct range){0}),
                PARLEY_DEADLINE_EXCEEDED);
    parley_client_free(client);
    parley_channel_free(channel);
}

static void test_conversation_is_created(void **state)
{
    static const char *const members[] = {"bob", "carol"};
    struct world *world = *state;
    Parley__V1__CreateConversationResponse *response = NULL;
    expect_code(
        parley_client_create_conversation(world->client, "team", "The team", members, 2, &response),
        PARLEY_OK);
    assert_string_equal(response->conversation->conversation_id, "team");
    assert_string_equal(response->conversation->title, "The team");
    assert_int_equal(response->conversation->member_count, 3);
    parley_message_free(&response->base);
    expect_code(parley_client_create_conversation(world->client, NULL, NULL, NULL, 0, NULL),
                PARLEY_OK);
    fake_chat_fail(world->chat, FAKE_CREATE, 1, PARLEY_ALREADY_EXISTS, 0);
    expect_code(parley_client_create_conversation(world->client, "team", NULL, NULL, 0, &response),
                PARLEY_ALREADY_EXISTS);
    assert_null(response);
}

static void test_conversation_that_cannot_be_asked_for_gives_no_response(void **state)
{
    static const char *const members[] = {"bob"};
    static Parley__V1__CreateConversationResponse old;
    struct world *world = *state;
    Parley__V1__CreateConversationResponse *response = &old;
    failing_heap_fail_from(1);
    parley_error *error =
        parley_client_create_conversation(world->client, "team", NULL, members, 1, &response);
    failing_heap_fail_from(0);
    expect_code(error, PARLEY_RESOURCE_EXHAUSTED);
    assert_null(response);
}

static void test_client_options_without_their_size_are_refused(void **state)
{
    struct world *world = *state;
    parley_client_options options = {.send_timeout_ms = 10000};
    parley_client *client = world->client;
    expect_code(parley_client_new(world->channel, &options, &client), PARLEY_INVALID_ARGUMENT);
    assert_null(client);
}

struct driven {
    int events;
    int sent;
    int done;
};

static void on_event(void *user, const Parley__V1__Event *event)
{
    (void)event;
    ((struct driven *)user)->events++;
}

static void on_done(void *user, const parley_error *error)
{
    assert_null(error);
    ((struct driven *)user)->done++;
}

static void on_sent(void *user, const parley_error *error, const parley_receipt *receipt)
{
    assert_null(error);
    assert_non_null(receipt);
    ((struct driven *)user)->sent++;
}

static void test_client_works_on_a_driven_channel(void **state)
{
    static const parley_subscription_events events = {
        .size = sizeof(events), .on_event = on_event, .on_done = on_done};
    struct world *world = *state;
    struct driven driven = {0};
    parley_channel_options options = {.size = sizeof(options), .is_driven = true};
    parley_channel *channel = channel_with(fake_chat_target(world->chat), &options);
    parley_client *client = NULL;
    parley_subscription *subscription = NULL;
    parley_cursor cursor = {.conversation_id = "c"};
    parley_outgoing message = {
        .size = sizeof(message), .conversation_id = "c", .body = "hello", .body_len = 5};
    expect_code(parley_client_new(channel, NULL, &client), PARLEY_OK);
    expect_code(parley_client_send_wait(client, &message, NULL), PARLEY_FAILED_PRECONDITION);
    expect_code(parley_client_flush(client, 1000), PARLEY_FAILED_PRECONDITION);
    expect_code(parley_client_subscribe(client, &cursor, 1, false, &events, &driven, &subscription),
                PARLEY_OK);
    for (int i = 0; i < 3; i++) {
        expect_code(parley_client_send(client, &message, on_sent, &driven), PARLEY_OK);
    }
    int64_t deadline = wait_deadline(WAIT_MS);
    while (driven.events < 3 || driven.sent < 3) {
        struct pollfd wait = {.fd = parley_channel_fd(channel), .events = POLLIN};
        int wait_ms = parley_channel_wait_ms(channel);
        (void)poll(&wait, 1, wait_ms < 0 || wait_ms > 1000 ? 1000 : wait_ms);
        assert_true(wait_deadline(0) < deadline);
        parley_channel_process(channel);
    }
    parley_client_free(client);
    assert_int_equal(driven.done, 1);
    parley_channel_free(channel);
}

#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_WORLD(test_history_is_read_in_both_directions),
        WITH_WORLD(test_history_goes_on_where_it_stood_still_and_gives_up_when_nothing_comes),
        WITH_WORLD(test_conversation_is_created),
        cmocka_unit_test_setup_teardown(
            test_conversation_that_cannot_be_asked_for_gives_no_response, set_up_on_a_failing_heap,
            tear_down_the_failing_heap),
        WITH_WORLD(test_client_options_without_their_size_are_refused),
        WITH_WORLD(test_client_works_on_a_driven_channel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
