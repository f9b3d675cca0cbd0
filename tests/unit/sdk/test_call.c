/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of a channel: outcomes, deadlines, cancelling, streams, the driven form, memory. */
#include "raw_server.h"
#include "sdk_world.h"

#include "base/attr.h"
#include "support/check.h"
#include "support/failing_heap.h"
#include "support/fake_chat.h"
#include "support/wait.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define MANY 2000

struct world {
    struct fake_chat *chat;
    parley_channel *channel;
};

static int set_up(void **state)
{
    static struct world world;
    world.chat = fake_chat_start(NULL);
    world.channel = channel_to(fake_chat_target(world.chat));
    *state = &world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    parley_channel_free(world->channel);
    fake_chat_stop(world->chat);
    return 0;
}

static void test_unary_call_gets_its_answer(void **state)
{
    struct world *world = *state;
    expect_code(send_hello(world->channel, NULL), PARLEY_OK);
    assert_int_equal(fake_chat_count(world->chat, "c"), 1);
}

static void test_error_carries_code_and_retry_hint(void **state)
{
    struct world *world = *state;
    fake_chat_fail(world->chat, FAKE_SEND, 1, PARLEY_UNAVAILABLE, 1500);
    parley_error *error = send_hello(world->channel, NULL);
    assert_int_equal(parley_error_retry_after_ms(error), 1500);
    assert_true(parley_error_is_retryable(error));
    assert_string_equal(parley_error_message(error), "on command");
    assert_non_null(parley_error_request_id(error));
    expect_code(error, PARLEY_UNAVAILABLE);
}

static void test_metadata_travels_both_ways(void **state)
{
    struct world *world = *state;
    struct outcome outcome = {0};
    parley_metadata *metadata = parley_metadata_new();
    assert_int_equal(parley_metadata_add(metadata, "x-echo", "there and back"), 0);
    parley_call_options options = {.size = sizeof(options), .metadata = metadata};
    (void)start_hello(world->channel, &options, &outcome);
    parley_metadata_free(metadata); /* copied at the start */
    WAIT_FOR(atomic_load(&outcome.count) == 1);
    assert_int_equal(atomic_load(&outcome.code), PARLEY_OK);
    assert_string_equal(outcome.trailer, "there and back");
    assert_string_equal(fake_chat_last_token(world->chat), "Bearer secret");
}

static void test_token_is_replaced_for_later_calls_and_by_a_call_for_itself(void **state)
{
    struct world *world = *state;
    expect_code(parley_channel_set_token(world->channel, "fresh"), PARLEY_OK);
    expect_code(send_hello(world->channel, NULL), PARLEY_OK);
    assert_string_equal(fake_chat_last_token(world->chat), "Bearer fresh");
    parley_metadata *metadata = parley_metadata_new();
    assert_int_equal(parley_metadata_add(metadata, "authorization", "Bearer own"), 0);
    parley_call_options options = {.size = sizeof(options), .metadata = metadata};
    expect_code(send_hello(world->channel, &options), PARLEY_OK);
    assert_string_equal(fake_chat_last_token(world->chat), "Bearer own");
    parley_metadata_free(metadata);
    expect_code(parley_channel_set_token(world->channel, NULL), PARLEY_OK);
    expect_code(send_hello(world->channel, NULL), PARLEY_OK);
    assert_string_equal(fake_chat_last_token(world->chat), "");
    expect_code(parley_channel_set_token(world->channel, "two\nlines"), PARLEY_INVALID_ARGUMENT);
}

static void test_d3_deadline_ends_a_call_that_is_not_answered(void **state)
{
    struct world *world = *state;
    parley_call_options options = {.size = sizeof(options), .timeout_ms = 100};
    fake_chat_hold(world->chat, true);
    expect_code(send_hello(world->channel, &options), PARLEY_DEADLINE_EXCEEDED);
    fake_chat_hold(world->chat, false);
    expect_code(send_hello(world->channel, NULL), PARLEY_OK);
}

static void test_d3_deadline_covers_the_wait_for_a_connection(void **state)
{
    static const enum raw_act acts[] = {RAW_SILENCE};
    struct raw_server *server = raw_server_start(acts, 1);
    parley_channel *channel = channel_to(raw_server_target(server));
    parley_call_options options = {
        .size = sizeof(options), .timeout_ms = 100, .wait_for_ready = true};
    (void)state;
    expect_code(send_hello(channel, &options), PARLEY_DEADLINE_EXCEEDED);
    parley_channel_free(channel);
    raw_server_stop(server);
}

static void test_endless_deadline_is_none(void **state)
{
    struct world *world = *state;
    parley_call_options options = {.size = sizeof(options), .timeout_ms = INT64_MAX - 1};
    expect_code(send_hello(world->channel, &options), PARLEY_OK);
}

static void test_cancelled_call_is_done_once(void **state)
{
    struct world *world = *state;
    struct outcome outcome = {0};
    fake_chat_hold(world->chat, true);
    parley_call *call = start_hello(world->channel, NULL, &outcome);
    WAIT_FOR(fake_chat_calls(world->chat, FAKE_SEND) == 1);
    assert_int_equal(atomic_load(&outcome.count), 0);
    parley_call_cancel(call);
    WAIT_FOR(atomic_load(&outcome.count) == 1);
    assert_int_equal(atomic_load(&outcome.code), PARLEY_CANCELLED);
    fake_chat_hold(world->chat, false);
    expect_code(send_hello(world->channel, NULL), PARLEY_OK);
    assert_int_equal(atomic_load(&outcome.count), 1);
}

struct nested {
    parley_channel *channel;
    atomic_int code;
};

static void call_from_callback(void *user, const parley_error *error,
                               const Parley__V1__SendResponse *response,
                               const parley_metadata *trailers)
{
    struct nested *nested = user;
    (void)error;
    (void)response;
    (void)trailers;
    parley_error *refusal = send_hello(nested->channel, NULL);
    atomic_store(&nested->code, (int)parley_error_code(refusal));
    parley_error_free(refusal);
}

static void test_synchronous_call_in_a_callback_is_refused(void **state)
{
    struct world *world = *state;
    struct nested nested = {.channel = world->channel, .code = -1};
    Parley__V1__SendRequest request = PARLEY__V1__SEND_REQUEST__INIT;
    assert_non_null(parley_v1_ChatService_Send_async(world->channel, NULL, &request,
                                                     call_from_callback, &nested));
    WAIT_FOR(atomic_load(&nested.code) != -1);
    assert_int_equal(atomic_load(&nested.code), PARLEY_FAILED_PRECONDITION);
}

static void test_message_over_the_limit_is_refused(void **state)
{
    struct world *world = *state;
    parley_channel_options options = {.size = sizeof(options), .max_message_bytes = 2000};
    parley_channel *channel = channel_with(fake_chat_target(world->chat), &options);
    Parley__V1__HistoryRequest request = PARLEY__V1__HISTORY_REQUEST__INIT;
    static char conversation[] = "c";
    parley_v1_ChatService_History_stream *stream = NULL;
    Parley__V1__HistoryResponse *page = NULL;
    request.conversation_id = conversation;
    fake_chat_say(world->chat, "c", "short");
    fake_chat_say_much(world->chat, "c", 3000);
    expect_code(parley_v1_ChatService_History_open(channel, NULL, &request, &stream), PARLEY_OK);
    assert_int_equal(parley_v1_ChatService_History_read(stream, &page), 1);
    parley_message_free(&page->base);
    assert_int_equal(parley_v1_ChatService_History_read(stream, &page), 0);
    expect_code(parley_v1_ChatService_History_finish(stream), PARLEY_RESOURCE_EXHAUSTED);
    parley_channel_free(channel);
}

/* ---- streams ---- */

static void *write_many(void *user)
{
    parley_v1_ChatService_SendStream_stream *stream = user;
    static char conversation[] = "c";
    uint8_t body[1000];
    memset(body, 'x', sizeof(body));
    for (int i = 0; i < MANY; i++) {
        char id[16];
        Parley__V1__SendRequest send = PARLEY__V1__SEND_REQUEST__INIT;
        Parley__V1__SendStreamRequest request = PARLEY__V1__SEND_STREAM_REQUEST__INIT;
        (void)snprintf(id, sizeof(id), "s%d", i);
        send.conversation_id = conversation;
        send.client_message_id = id;
        send.body.data = body;
        send.body.len = sizeof(body);
        request.send = &send;
        if (parley_v1_ChatService_SendStream_write(stream, &request) != 0) {
            return stream;
        }
    }
    parley_v1_ChatService_SendStream_writes_done(stream);
    return NULL;
}

struct counted {
    atomic_int messages;
    atomic_int code; /* -1: not over */
};

static void count_message(void *user, const ProtobufCMessage *message)
{
    struct counted *counted = user;
    (void)message;
    (void)atomic_fetch_add(&counted->messages, 1);
}

static void keep_code(void *user, const parley_error *error, const parley_metadata *trailers)
{
    struct counted *counted = user;
    (void)trailers;
    atomic_store(&counted->code, (int)parley_error_code(error));
}

static void test_one_response_is_neither_none_nor_two(void **state)
{
    struct world *world = *state;
    static char conversation[] = "c";
    /* A stream of pages, of which the client thinks that it is one answer. */
    parley_method method = parley_v1_ChatService_methods[parley_v1_ChatService_M_History];
    method.server_streaming = false;
    const parley_call_events events = {.on_message = count_message, .on_done = keep_code};
    Parley__V1__HistoryRequest request = PARLEY__V1__HISTORY_REQUEST__INIT;
    request.conversation_id = conversation;
    for (int sent = 0; sent < 3; sent++) {
        enum parley_code code = sent == 1 ? PARLEY_OK : PARLEY_UNIMPLEMENTED;
        ProtobufCMessage *response = NULL;
        struct counted counted = {.code = -1};
        expect_code(parley_unary(world->channel, &method, NULL, &request.base, &response), code);
        assert_int_equal(response != NULL, code == PARLEY_OK);
        parley_message_free(response);
        assert_non_null(
            parley_call_start(world->channel, &method, NULL, &request.base, &events, &counted));
        WAIT_FOR(atomic_load(&counted.code) != -1);
        assert_int_equal(atomic_load(&counted.code), code);
        assert_int_equal(atomic_load(&counted.messages), sent > 0);
        expect_code(send_hello(world->channel, NULL), PARLEY_OK);
    }
}

static void test_stream_is_written_and_read_by_two_threads(void **state)
{
    struct world *world = *state;
    parley_v1_ChatService_SendStream_stream *stream = NULL;
    Parley__V1__SendStreamResponse *response = NULL;
    pthread_t writer;
    void *failed = NULL;
    int64_t last = 0;
    expect_code(parley_v1_ChatService_SendStream_open(world->channel, NULL, &stream), PARLEY_OK);
    assert_int_equal(pthread_create(&writer, NULL, write_many, stream), 0);
    while (parley_v1_ChatService_SendStream_read(stream, &response) == 1) {
        assert_int_equal(response->result_case, PARLEY__V1__SEND_STREAM_RESPONSE__RESULT_SENT);
        assert_int_equal(response->sent->seq, last + 1);
        last = response->sent->seq;
        parley_message_free(&response->base);
    }
    (void)pthread_join(writer, &failed);
    assert_null(failed);
    expect_code(parley_v1_ChatService_SendStream_finish(stream), PARLEY_OK);
    assert_int_equal(last, MANY);
}

static void test_finish_cancels_a_stream_that_goes_on(void **state)
{
    struct world *world = *state;
    Parley__V1__SubscribeRequest request = PARLEY__V1__SUBSCRIBE_REQUEST__INIT;
    parley_v1_ChatService_Subscribe_stream *stream = NULL;
    request.all_conversations = true;
    expect_code(parley_v1_ChatService_Subscribe_open(world->channel, NULL, &request, &stream),
                PARLEY_OK);
    WAIT_FOR(fake_chat_subscribers(world->chat) == 1);
    expect_code(parley_v1_ChatService_Subscribe_finish(stream), PARLEY_CANCELLED);
    WAIT_FOR(fake_chat_subscribers(world->chat) == 0);
}

/* A reader that does not read holds the server back instead of filling our memory. */
static void test_unread_messages_are_bounded_and_none_is_lost(void **state)
{
    struct world *world = *state;
    static char conversation[] = "c";
    Parley__V1__HistoryRequest request = PARLEY__V1__HISTORY_REQUEST__INIT;
    parley_v1_ChatService_History_stream *stream = NULL;
    Parley__V1__HistoryResponse *page = NULL;
    int64_t last = 0;
    for (int i = 0; i < 40; i++) {
        fake_chat_say_much(world->chat, "c", 60000);
    }
    request.conversation_id = conversation;
    expect_code(parley_v1_ChatService_History_open(world->channel, NULL, &request, &stream),
                PARLEY_OK);
    while (parley_v1_ChatService_History_read(stream, &page) == 1) {
        assert_int_equal(page->events[0]->seq, last + 1);
        last++;
        parley_message_free(&page->base);
    }
    expect_code(parley_v1_ChatService_History_finish(stream), PARLEY_OK);
    assert_int_equal(last, 40);
}

/* ---- the end of a channel ---- */

struct again {
    parley_channel *channel;
    struct outcome inner;
    atomic_uint count;
};

static void start_again(void *user, const parley_error *error,
                        const Parley__V1__SendResponse *response, const parley_metadata *trailers)
{
    struct again *again = user;
    (void)error;
    (void)response;
    (void)trailers;
    atomic_fetch_add(&again->count, 1);
    (void)start_hello(again->channel, NULL, &again->inner);
}

static void test_free_tells_every_call_its_end(void **state)
{
    struct world *world = *state;
    struct outcome outcomes[10] = {0};
    struct again again = {.channel = world->channel};
    Parley__V1__SendRequest request = PARLEY__V1__SEND_REQUEST__INIT;
    fake_chat_hold(world->chat, true);
    for (size_t i = 0; i < 10; i++) {
        (void)start_hello(world->channel, NULL, &outcomes[i]);
        if (i == 4) { /* half of them with the server, half of them perhaps not yet */
            WAIT_FOR(fake_chat_calls(world->chat, FAKE_SEND) == 5);
        }
    }
    assert_non_null(
        parley_v1_ChatService_Send_async(world->channel, NULL, &request, start_again, &again));
    parley_channel_free(world->channel);
    world->channel = NULL;
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(atomic_load(&outcomes[i].count), 1);
        assert_int_equal(atomic_load(&outcomes[i].code), PARLEY_CANCELLED);
    }
    assert_int_equal(atomic_load(&again.count), 1);
    assert_int_equal(atomic_load(&again.inner.count), 1);
    assert_int_equal(atomic_load(&again.inner.code), PARLEY_CANCELLED);
}

static void *wait_for_answer(void *user)
{
    return send_hello(user, NULL);
}

static void test_free_ends_synchronous_calls_of_other_threads(void **state)
{
    struct world *world = *state;
    pthread_t thread;
    void *error = NULL;
    fake_chat_hold(world->chat, true);
    assert_int_equal(pthread_create(&thread, NULL, wait_for_answer, world->channel), 0);
    WAIT_FOR(fake_chat_calls(world->chat, FAKE_SEND) == 1);
    parley_channel_free(world->channel);
    world->channel = NULL;
    (void)pthread_join(thread, &error);
    expect_code(error, PARLEY_CANCELLED);
}

/* ---- driven by the application ---- */

static void drive_until_done(parley_channel *channel, struct outcome *outcome)
{
    int64_t deadline = wait_deadline(WAIT_MS);
    while (atomic_load(&outcome->count) == 0) {
        struct pollfd wait = {.fd = parley_channel_fd(channel), .events = POLLIN};
        int wait_ms = parley_channel_wait_ms(channel);
        (void)poll(&wait, 1, wait_ms < 0 || wait_ms > 1000 ? 1000 : wait_ms);
        assert_true(wait_deadline(0) < deadline);
        parley_channel_process(channel);
    }
}

static void test_driven_channel_works_in_the_applications_poll_loop(void **state)
{
    struct world *world = *state;
    struct outcome outcome = {0};
    struct outcome late = {0};
    parley_channel_options options = {.size = sizeof(options), .is_driven = true};
    parley_channel *channel = channel_with(fake_chat_target(world->chat), &options);
    expect_code(send_hello(channel, NULL), PARLEY_FAILED_PRECONDITION);
    (void)start_hello(channel, NULL, &outcome);
    assert_int_equal(atomic_load(&outcome.count), 0); /* never inside the start */
    drive_until_done(channel, &outcome);
    assert_int_equal(atomic_load(&outcome.code), PARLEY_OK);
    fake_chat_hold(world->chat, true);
    parley_call_options short_options = {.size = sizeof(short_options), .timeout_ms = 50};
    (void)start_hello(channel, &short_options, &late);
    drive_until_done(channel, &late);
    assert_int_equal(atomic_load(&late.code), PARLEY_DEADLINE_EXCEEDED);
    struct outcome left = {0};
    (void)start_hello(channel, NULL, &left);
    parley_channel_free(channel);
    assert_int_equal(atomic_load(&left.count), 1);
    assert_int_equal(atomic_load(&left.code), PARLEY_CANCELLED);
}

/* ---- callers that were compiled with another version of the options ---- */

static void test_options_are_read_as_far_as_their_size(void **state)
{
    struct world *world = *state;
    parley_metadata *metadata = parley_metadata_new();
    struct {
        parley_call_options known;
        char more[64];
    } newer;
    assert_int_equal(parley_metadata_add(metadata, "authorization", "Bearer own"), 0);
    memset(&newer, 0xff, sizeof(newer));
    newer.known = (parley_call_options){.size = sizeof(newer), .metadata = metadata};
    expect_code(send_hello(world->channel, &newer.known), PARLEY_OK);
    assert_string_equal(fake_chat_last_token(world->chat), "Bearer own");
    newer.known.size = offsetof(parley_call_options, metadata);
    expect_code(send_hello(world->channel, &newer.known), PARLEY_OK);
    assert_string_equal(fake_chat_last_token(world->chat), "Bearer secret");
    parley_metadata_free(metadata);
}

static void test_options_without_their_size_are_refused(void **state)
{
    static const parley_call_events events = {.on_done = NULL};
    struct world *world = *state;
    parley_call_options options = {.timeout_ms = 10000};
    expect_code(send_hello(world->channel, &options), PARLEY_INVALID_ARGUMENT);
    assert_null(parley_call_start(
        world->channel, &parley_v1_ChatService_methods[parley_v1_ChatService_M_SendStream],
        &options, NULL, &events, NULL));
    assert_int_equal(fake_chat_calls(world->chat, FAKE_SEND), 0);
}

/* ---- memory ---- */

struct attempt {
    char target[64];
    parley_balancing balancing;
};

static bool call_once(void *context)
{
    struct attempt *attempt = context;
    parley_channel *channel = NULL;
    parley_channel_options channel_options = {
        .size = sizeof(channel_options), .balancing = attempt->balancing, .backoff_initial_ms = 5};
    parley_call_options options = {.size = sizeof(options), .timeout_ms = 10000};
    parley_error *error = parley_channel_new(attempt->target, &channel_options, &channel);
    if (error == NULL) {
        error = send_hello(channel, &options);
    }
    bool is_ok = error == NULL;
    parley_error_free(error);
    parley_channel_free(channel);
    return is_ok;
}

static void test_unary_call_survives_the_failure_of_every_allocation(void **state)
{
    static const enum raw_act acts[] = {RAW_ANSWER};
    static const parley_balancing balancings[] = {PARLEY_PICK_FIRST, PARLEY_ROUND_ROBIN};
    struct raw_server *server = raw_server_start(acts, 1);
    (void)state;
    for (size_t i = 0; i < PL_COUNT(balancings); i++) {
        struct attempt attempt = {.balancing = balancings[i]};
        (void)snprintf(attempt.target, sizeof(attempt.target), "%s", raw_server_target(server));
        assert_true(failing_heap_sweep(call_once, &attempt) > 20);
    }
    raw_server_stop(server);
}

#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_WORLD(test_unary_call_gets_its_answer),
        WITH_WORLD(test_error_carries_code_and_retry_hint),
        WITH_WORLD(test_metadata_travels_both_ways),
        WITH_WORLD(test_options_are_read_as_far_as_their_size),
        WITH_WORLD(test_options_without_their_size_are_refused),
        WITH_WORLD(test_token_is_replaced_for_later_calls_and_by_a_call_for_itself),
        WITH_WORLD(test_d3_deadline_ends_a_call_that_is_not_answered),
        cmocka_unit_test(test_d3_deadline_covers_the_wait_for_a_connection),
        WITH_WORLD(test_endless_deadline_is_none),
        WITH_WORLD(test_cancelled_call_is_done_once),
        WITH_WORLD(test_synchronous_call_in_a_callback_is_refused),
        WITH_WORLD(test_message_over_the_limit_is_refused),
        WITH_WORLD(test_one_response_is_neither_none_nor_two),
        WITH_WORLD(test_stream_is_written_and_read_by_two_threads),
        WITH_WORLD(test_finish_cancels_a_stream_that_goes_on),
        WITH_WORLD(test_unread_messages_are_bounded_and_none_is_lost),
        WITH_WORLD(test_free_tells_every_call_its_end),
        WITH_WORLD(test_free_ends_synchronous_calls_of_other_threads),
        WITH_WORLD(test_driven_channel_works_in_the_applications_poll_loop),
        cmocka_unit_test(test_unary_call_survives_the_failure_of_every_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
