/* SPDX-License-Identifier: Apache-2.0 */
/* Sending by the chat client: order, retries with the same id, one fate for each message. */
#include "sdk_world.h"

#include "base/attr.h"
#include "base/id.h"
#include "parley/client.h"
#include "support/check.h"
#include "support/fake_chat.h"
#include "support/wait.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define MANY         500
#define OUTBOX_BYTES 400000

struct fates {
    atomic_uint count;
    atomic_uint failed;
    atomic_int last_code;
    atomic_int disorder; /* receipts whose seq was not the next */
    _Atomic int64_t last_seq;
    char last_id[65];
};

struct world {
    struct fake_chat *chat;
    parley_channel *channel;
    parley_client *client;
    struct fates fates;
};

static int set_up(void **state)
{
    static struct world world;
    memset(&world, 0, sizeof(world));
    parley_client_options options = {
        .size = sizeof(options),
        .outbox_bytes_max = OUTBOX_BYTES,
        .retry_initial_ms = 10,
        .retry_max_ms = 50,
    };
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

static void on_sent(void *user, const parley_error *error, const parley_receipt *receipt)
{
    struct fates *fates = user;
    atomic_store(&fates->last_code, (int)parley_error_code(error));
    if (error != NULL) {
        atomic_fetch_add(&fates->failed, 1);
    } else {
        atomic_fetch_add(&fates->disorder, receipt->seq != atomic_load(&fates->last_seq) + 1);
        atomic_store(&fates->last_seq, receipt->seq);
        (void)snprintf(fates->last_id, sizeof(fates->last_id), "%s", receipt->client_message_id);
    }
    atomic_fetch_add(&fates->count, 1);
}

static parley_outgoing text(const char *body)
{
    return (parley_outgoing){
        .size = sizeof(parley_outgoing),
        .conversation_id = "c",
        .body = body,
        .body_len = strlen(body),
    };
}

static void send_numbered(struct world *world, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char body[32];
        (void)snprintf(body, sizeof(body), "%u", i);
        parley_outgoing message = text(body);
        expect_code(parley_client_send(world->client, &message, on_sent, &world->fates), PARLEY_OK);
    }
}

/* Stored once each, in the order of the sends. */
static void expect_numbered(struct world *world, unsigned count)
{
    assert_int_equal(fake_chat_count(world->chat, "c"), count);
    for (unsigned i = 0; i < count; i++) {
        char body[32] = "";
        char expected[32];
        (void)snprintf(expected, sizeof(expected), "%u", i);
        assert_true(fake_chat_body(world->chat, "c", i + 1, body, sizeof(body)));
        assert_string_equal(body, expected);
    }
}

static void test_messages_are_committed_in_order_with_a_fate_each(void **state)
{
    struct world *world = *state;
    send_numbered(world, MANY);
    expect_code(parley_client_flush(world->client, WAIT_MS), PARLEY_OK);
    assert_int_equal(atomic_load(&world->fates.count), MANY);
    assert_int_equal(atomic_load(&world->fates.failed), 0);
    assert_int_equal(atomic_load(&world->fates.disorder), 0);
    expect_numbered(world, MANY);
}

static void test_send_wait_gives_the_receipt(void **state)
{
    struct world *world = *state;
    parley_receipt receipt = {0};
    parley_outgoing message = text("hello");
    message.client_message_id = "my-id";
    expect_code(parley_client_send_wait(world->client, &message, &receipt), PARLEY_OK);
    assert_int_equal(receipt.seq, 1);
    assert_int_equal(receipt.created_at_ms, 1001);
    expect_code(parley_client_send_wait(world->client, &message, &receipt), PARLEY_OK);
    assert_int_equal(receipt.seq, 1); /* the same message */
}

static void test_lost_answers_are_asked_for_again_with_the_same_ids(void **state)
{
    struct world *world = *state;
    fake_chat_lose_answers(world->chat, 5);
    send_numbered(world, 100);
    expect_code(parley_client_flush(world->client, WAIT_MS), PARLEY_OK);
    assert_int_equal(atomic_load(&world->fates.count), 100);
    assert_int_equal(atomic_load(&world->fates.disorder), 0);
    assert_true(fake_chat_calls(world->chat, FAKE_SEND_STREAM) >= 6);
    expect_numbered(world, 100);
}

static void test_messages_outlive_a_server_that_is_not_there(void **state)
{
    struct world *world = *state;
    fake_chat_crash(world->chat);
    send_numbered(world, 20);
    expect_code(parley_client_flush(world->client, 50), PARLEY_DEADLINE_EXCEEDED);
    fake_chat_recover(world->chat);
    expect_code(parley_client_flush(world->client, WAIT_MS), PARLEY_OK);
    assert_int_equal(atomic_load(&world->fates.failed), 0);
    expect_numbered(world, 20);
}

static void test_retry_waits_as_long_as_the_server_asks(void **state)
{
    static const struct {
        const char *name;
        enum fake_chat_rpc rpc;
        unsigned count;
        enum parley_code code;
    } cases[] = {
        {"in the status of the call", FAKE_SEND_STREAM, 1, PARLEY_UNAVAILABLE},
        {"in the answers to messages", FAKE_MESSAGE, 3, PARLEY_UNAVAILABLE},
        {"a limit, in the answers to messages", FAKE_MESSAGE, 3, PARLEY_RESOURCE_EXHAUSTED},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct world *world = *state;
        print_message("%s\n", cases[i].name);
        fake_chat_fail(world->chat, cases[i].rpc, cases[i].count, cases[i].code, 300);
        int64_t early = wait_deadline(300);
        send_numbered(world, 3);
        expect_code(parley_client_flush(world->client, WAIT_MS), PARLEY_OK);
        assert_true(wait_deadline(0) >= early);
        assert_int_equal(atomic_load(&world->fates.failed), 0);
        expect_numbered(world, 3);
        assert_int_equal(tear_down(state), 0);
        assert_int_equal(set_up(state), 0);
    }
}

static void test_refused_message_fails_alone(void **state)
{
    struct world *world = *state;
    fake_chat_fail(world->chat, FAKE_MESSAGE, 1, PARLEY_NOT_FOUND, 0);
    parley_outgoing message = text("lost");
    expect_code(parley_client_send_wait(world->client, &message, NULL), PARLEY_NOT_FOUND);
    send_numbered(world, 3);
    expect_code(parley_client_flush(world->client, WAIT_MS), PARLEY_OK);
    expect_numbered(world, 3);
}

static void test_what_no_retry_mends_fails_all(void **state)
{
    struct world *world = *state;
    fake_chat_fail(world->chat, FAKE_SEND_STREAM, 1, PARLEY_UNAUTHENTICATED, 0);
    send_numbered(world, 3);
    expect_code(parley_client_flush(world->client, WAIT_MS), PARLEY_OK);
    assert_int_equal(atomic_load(&world->fates.failed), 3);
    assert_int_equal(atomic_load(&world->fates.last_code), PARLEY_UNAUTHENTICATED);
}

/* Small messages cost more than their bodies. */
static void test_outbox_is_bounded_in_bytes(void **state)
{
    static char body[60000];
    static const size_t lens[] = {1, sizeof(body) - 1};
    memset(body, 'x', sizeof(body) - 1);
    for (size_t i = 0; i < PL_COUNT(lens); i++) {
        struct world *world = *state;
        parley_outgoing message = text(body);
        parley_error *error = NULL;
        parley_client_counters counters;
        unsigned count = 0;
        message.body_len = lens[i];
        fake_chat_hold(world->chat, true);
        while (error == NULL && count < OUTBOX_BYTES) {
            error = parley_client_send(world->client, &message, on_sent, &world->fates);
            count += error == NULL;
        }
        expect_code(error, PARLEY_RESOURCE_EXHAUSTED);
        parley_client_get_counters(world->client, &counters);
        assert_int_equal(counters.unsent, count);
        assert_in_range(counters.unsent_bytes, count * (lens[i] + 2 * PL_ID_MAX), OUTBOX_BYTES);
        assert_true(counters.unsent_bytes > OUTBOX_BYTES - sizeof(body) - 1000);
        parley_client_free(world->client);
        world->client = NULL;
        assert_int_equal(atomic_load(&world->fates.count), count);
        assert_int_equal(atomic_load(&world->fates.last_code), PARLEY_CANCELLED);
        assert_int_equal(tear_down(state), 0);
        assert_int_equal(set_up(state), 0);
    }
}

static void test_bad_messages_are_refused_before_they_are_queued(void **state)
{
    static char big[65537];
    struct world *world = *state;
    char long_type[129] = "";
    memset(long_type, 'x', sizeof(long_type) - 1);
    const struct {
        const char *name;
        const char *conversation;
        const char *id;
        const char *type;
        size_t len;
    } cases[] = {
        {"no conversation", NULL, NULL, NULL, 1},
        {"an empty conversation", "", NULL, NULL, 1},
        {"a bad conversation", "a b", NULL, NULL, 1},
        {"a bad id", "c", "a/b", NULL, 1},
        {"a long content type", "c", NULL, long_type, 1},
        {"a content type that is no ASCII", "c", NULL, "text/\xc3\xa4", 1},
        {"an empty body", "c", NULL, NULL, 0},
        {"a long body", "c", NULL, NULL, sizeof(big)},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        print_message("%s\n", cases[i].name);
        parley_outgoing message = {
            .size = sizeof(message),
            .conversation_id = cases[i].conversation,
            .client_message_id = cases[i].id,
            .content_type = cases[i].type,
            .body = big,
            .body_len = cases[i].len,
        };
        expect_code(parley_client_send(world->client, &message, on_sent, &world->fates),
                    PARLEY_INVALID_ARGUMENT);
    }
    assert_int_equal(atomic_load(&world->fates.count), 0);
}

static void test_message_of_another_version_is_taken_and_one_without_a_size_refused(void **state)
{
    struct world *world = *state;
    struct {
        parley_outgoing known;
        char more[64];
    } newer;
    memset(&newer, 0xff, sizeof(newer));
    newer.known = text("hello");
    newer.known.size = sizeof(newer);
    expect_code(parley_client_send_wait(world->client, &newer.known, NULL), PARLEY_OK);
    newer.known.size = 0;
    expect_code(parley_client_send_wait(world->client, &newer.known, NULL),
                PARLEY_INVALID_ARGUMENT);
}

static void test_message_expires(void **state)
{
    struct world *world = *state;
    parley_client *client = NULL;
    parley_client_options options = {.size = sizeof(options), .send_timeout_ms = 50};
    parley_outgoing message = text("too late");
    expect_code(parley_client_new(world->channel, &options, &client), PARLEY_OK);
    fake_chat_hold(world->chat, true);
    expect_code(parley_client_send_wait(client, &message, NULL), PARLEY_DEADLINE_EXCEEDED);
    parley_client_free(client);
}

/* ---- on the channel's own thread ---- */

struct nested {
    parley_client *client;
    atomic_int wait_code;
    atomic_int flush_code;
    atomic_int send_code;
    struct fates inner;
    atomic_uint count;
};

static void act_in_callback(void *user, const parley_error *error, const parley_receipt *receipt)
{
    struct nested *nested = user;
    parley_outgoing message = text("nested");
    parley_error *refusal = parley_client_send_wait(nested->client, &message, NULL);
    (void)error;
    (void)receipt;
    atomic_store(&nested->wait_code, (int)parley_error_code(refusal));
    parley_error_free(refusal);
    refusal = parley_client_flush(nested->client, 1000);
    atomic_store(&nested->flush_code, (int)parley_error_code(refusal));
    parley_error_free(refusal);
    refusal = parley_client_send(nested->client, &message, on_sent, &nested->inner);
    atomic_store(&nested->send_code, (int)parley_error_code(refusal));
    parley_error_free(refusal);
    atomic_fetch_add(&nested->count, 1);
}

static void test_waiting_in_a_callback_is_refused_and_sending_is_not(void **state)
{
    struct world *world = *state;
    struct nested nested = {.client = world->client};
    parley_outgoing message = text("outer");
    expect_code(parley_client_send(world->client, &message, act_in_callback, &nested), PARLEY_OK);
    WAIT_FOR(atomic_load(&nested.inner.count) == 1);
    assert_int_equal(atomic_load(&nested.wait_code), PARLEY_FAILED_PRECONDITION);
    assert_int_equal(atomic_load(&nested.flush_code), PARLEY_FAILED_PRECONDITION);
    assert_int_equal(atomic_load(&nested.send_code), PARLEY_OK);
    assert_int_equal(atomic_load(&nested.inner.failed), 0);
}

static void test_sending_while_the_client_is_freed_is_refused(void **state)
{
    struct world *world = *state;
    struct nested nested = {.client = world->client};
    parley_outgoing message = text("outer");
    fake_chat_hold(world->chat, true);
    expect_code(parley_client_send(world->client, &message, act_in_callback, &nested), PARLEY_OK);
    parley_client_free(world->client);
    world->client = NULL;
    assert_int_equal(atomic_load(&nested.count), 1);
    assert_int_equal(atomic_load(&nested.send_code), PARLEY_CANCELLED);
    assert_int_equal(atomic_load(&nested.inner.count), 0);
}

#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_WORLD(test_messages_are_committed_in_order_with_a_fate_each),
        WITH_WORLD(test_send_wait_gives_the_receipt),
        WITH_WORLD(test_lost_answers_are_asked_for_again_with_the_same_ids),
        WITH_WORLD(test_messages_outlive_a_server_that_is_not_there),
        WITH_WORLD(test_retry_waits_as_long_as_the_server_asks),
        WITH_WORLD(test_refused_message_fails_alone),
        WITH_WORLD(test_what_no_retry_mends_fails_all),
        WITH_WORLD(test_outbox_is_bounded_in_bytes),
        WITH_WORLD(test_bad_messages_are_refused_before_they_are_queued),
        WITH_WORLD(test_message_of_another_version_is_taken_and_one_without_a_size_refused),
        WITH_WORLD(test_message_expires),
        WITH_WORLD(test_waiting_in_a_callback_is_refused_and_sending_is_not),
        WITH_WORLD(test_sending_while_the_client_is_freed_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
