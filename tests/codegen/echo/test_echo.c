/* SPDX-License-Identifier: Apache-2.0 */
/* Generated stubs against generated skeletons, every kind of method, synchronous and not. */
#include "echo_server.h"

#include "support/check.h"
#include "support/wait.h"

#include "parley/channel.h"

#include "echo.client.parley.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct world {
    struct echo_server *server;
    parley_channel *channel;
};

static int open_world(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    world->server = echo_server_start();
    assert_null(parley_channel_new(echo_server_address(world->server), NULL, &world->channel));
    *state = world;
    return 0;
}

static int close_world(void **state)
{
    struct world *world = *state;
    parley_channel_free(world->channel);
    echo_server_stop(world->server);
    free(world);
    return 0;
}

static Echo__V1__EchoRequest request_of(const char *text)
{
    Echo__V1__EchoRequest request = ECHO__V1__ECHO_REQUEST__INIT;
    request.text = (char *)(uintptr_t)text; /* protobuf-c's fields are not const */
    return request;
}

static void assert_fails(parley_error *error, enum parley_code code, const char *message)
{
    assert_non_null(error);
    assert_string_equal(parley_error_code_name(parley_error_code(error)),
                        parley_error_code_name(code));
    if (message != NULL) {
        assert_string_equal(parley_error_message(error), message);
    }
    parley_error_free(error);
}

/* ---- synchronous ---- */

static void test_a_unary_call_gives_the_typed_response(void **state)
{
    struct world *world = *state;
    Echo__V1__EchoRequest request = request_of("hello");
    Echo__V1__EchoResponse *response = NULL;
    assert_null(echo_v1_Echo_Say(world->channel, NULL, &request, &response));
    assert_string_equal(response->text, "hello");
    parley_message_free(&response->base);
}

static void test_a_refused_field_is_named_to_the_caller(void **state)
{
    struct world *world = *state;
    Echo__V1__EchoRequest request = request_of("");
    Echo__V1__EchoResponse *response = NULL;
    parley_error *error = echo_v1_Echo_Say(world->channel, NULL, &request, &response);
    assert_null(response);
    assert_string_equal(parley_error_field(error), "text");
    assert_fails(error, PARLEY_INVALID_ARGUMENT, NULL);
}

static void test_a_hint_to_retry_reaches_the_caller(void **state)
{
    struct world *world = *state;
    Echo__V1__EchoRequest request = request_of("busy");
    Echo__V1__EchoResponse *response = NULL;
    parley_error *error = echo_v1_Echo_Say(world->channel, NULL, &request, &response);
    assert_true(parley_error_is_retryable(error));
    assert_int_equal(parley_error_retry_after_ms(error), 250);
    assert_fails(error, PARLEY_UNAVAILABLE, "come back");
}

static void test_a_deadline_ends_a_call_on_both_sides(void **state)
{
    struct world *world = *state;
    parley_call_options options = {.size = sizeof(options), .timeout_ms = 50};
    Echo__V1__EchoRequest request = request_of("never");
    Echo__V1__EchoResponse *response = NULL;
    size_t before = echo_server_done_count(world->server);
    assert_fails(echo_v1_Echo_Say(world->channel, &options, &request, &response),
                 PARLEY_DEADLINE_EXCEEDED, NULL);
    WAIT_FOR(echo_server_done_count(world->server) == before + 1);
}

static void test_a_method_without_a_handler_is_unimplemented(void **state)
{
    struct world *world = *state;
    Echo__V1__EchoRequest request = request_of("hello");
    Echo__V1__EchoResponse *response = NULL;
    assert_fails(echo_v1_Echo_Nothing(world->channel, NULL, &request, &response),
                 PARLEY_UNIMPLEMENTED, NULL);
}

static void test_client_streaming_ends_with_one_response(void **state)
{
    struct world *world = *state;
    const char *const texts[] = {"one", "two", "three"};
    echo_v1_Echo_Collect_stream *stream = NULL;
    Echo__V1__EchoResponse *response = NULL;
    assert_null(echo_v1_Echo_Collect_open(world->channel, NULL, &stream));
    for (size_t i = 0; i < 3; i++) {
        Echo__V1__EchoRequest request = request_of(texts[i]);
        assert_int_equal(echo_v1_Echo_Collect_write(stream, &request), 0);
    }
    echo_v1_Echo_Collect_writes_done(stream);
    assert_null(echo_v1_Echo_Collect_finish(stream, &response));
    assert_string_equal(response->text, "three");
    assert_int_equal(response->number, 11);
    parley_message_free(&response->base);
}

/* More than the windows and the high-water mark hold: the server has to wait for room. */
static void test_server_streaming_gives_every_frame_that_was_encoded_once(void **state)
{
    struct world *world = *state;
    char text[1025];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    Echo__V1__EchoRequest request = request_of(text);
    request.count = 3000;
    echo_v1_Echo_Repeat_stream *stream = NULL;
    Echo__V1__EchoResponse *response = NULL;
    assert_null(echo_v1_Echo_Repeat_open(world->channel, NULL, &request, &stream));
    for (int i = 0; i < request.count; i++) {
        assert_int_equal(echo_v1_Echo_Repeat_read(stream, &response), 1);
        assert_string_equal(response->text, text);
        parley_message_free(&response->base);
    }
    assert_int_equal(echo_v1_Echo_Repeat_read(stream, &response), 0);
    assert_null(response);
    assert_null(echo_v1_Echo_Repeat_finish(stream));
    assert_true(echo_server_writable_count(world->server) > 0);
}

static void test_both_sides_of_a_bidi_call_take_turns(void **state)
{
    struct world *world = *state;
    echo_v1_Echo_Talk_stream *stream = NULL;
    Echo__V1__EchoResponse *response = NULL;
    assert_null(echo_v1_Echo_Talk_open(world->channel, NULL, &stream));
    for (int i = 1; i <= 3; i++) {
        Echo__V1__EchoRequest request = request_of("turn");
        assert_int_equal(echo_v1_Echo_Talk_write(stream, &request), 0);
        assert_int_equal(echo_v1_Echo_Talk_read(stream, &response), 1);
        assert_int_equal(response->number, i);
        parley_message_free(&response->base);
    }
    echo_v1_Echo_Talk_writes_done(stream);
    assert_int_equal(echo_v1_Echo_Talk_read(stream, &response), 0);
    assert_null(echo_v1_Echo_Talk_finish(stream));
}

static void test_a_server_that_ends_a_bidi_call_says_why(void **state)
{
    struct world *world = *state;
    Echo__V1__EchoRequest request = request_of("stop");
    echo_v1_Echo_Talk_stream *stream = NULL;
    Echo__V1__EchoResponse *response = NULL;
    assert_null(echo_v1_Echo_Talk_open(world->channel, NULL, &stream));
    assert_int_equal(echo_v1_Echo_Talk_write(stream, &request), 0);
    assert_int_equal(echo_v1_Echo_Talk_read(stream, &response), 0);
    assert_int_equal(echo_v1_Echo_Talk_write(stream, &request), -1);
    assert_fails(echo_v1_Echo_Talk_finish(stream), PARLEY_ABORTED, "stopped");
}

static void test_a_cancelled_stream_ends_on_both_sides(void **state)
{
    struct world *world = *state;
    Echo__V1__EchoRequest request = request_of("turn");
    size_t before = echo_server_done_count(world->server);
    echo_v1_Echo_Talk_stream *stream = NULL;
    Echo__V1__EchoResponse *response = NULL;
    assert_null(echo_v1_Echo_Talk_open(world->channel, NULL, &stream));
    assert_int_equal(echo_v1_Echo_Talk_write(stream, &request), 0);
    assert_int_equal(echo_v1_Echo_Talk_read(stream, &response), 1);
    parley_message_free(&response->base);
    echo_v1_Echo_Talk_cancel(stream);
    assert_fails(echo_v1_Echo_Talk_finish(stream), PARLEY_CANCELLED, NULL);
    WAIT_FOR(echo_server_done_count(world->server) == before + 1);
}

/* ---- asynchronous ---- */

/* What the callbacks of one call saw. Written on the channel's thread, read after is_done. */
struct seen {
    char text[64];
    char trailer[64];
    char message[64];
    int64_t number;
    enum parley_code code;
    atomic_int headers;
    atomic_int messages;
    atomic_int writables;
    atomic_int is_done;
};

static void copy_text(char *to, size_t size, const char *from, size_t len)
{
    size_t kept = len < size - 1 ? len : size - 1;
    memcpy(to, from, kept);
    to[kept] = '\0';
}

static void on_headers(void *user, const parley_metadata *metadata)
{
    struct seen *seen = user;
    (void)metadata;
    (void)atomic_fetch_add(&seen->headers, 1);
}

static void on_message(void *user, const Echo__V1__EchoResponse *response)
{
    struct seen *seen = user;
    copy_text(seen->text, sizeof(seen->text), response->text, strlen(response->text));
    seen->number = response->number;
    (void)atomic_fetch_add(&seen->messages, 1);
}

static void on_writable(void *user)
{
    struct seen *seen = user;
    (void)atomic_fetch_add(&seen->writables, 1);
}

static void on_done(void *user, const parley_error *error, const parley_metadata *trailers)
{
    struct seen *seen = user;
    size_t len = 0;
    const char *value = parley_metadata_find(trailers, "x-echo", &len);
    if (value != NULL) {
        copy_text(seen->trailer, sizeof(seen->trailer), value, len);
    }
    if (error != NULL) {
        const char *message = parley_error_message(error);
        copy_text(seen->message, sizeof(seen->message), message, strlen(message));
    }
    seen->code = parley_error_code(error);
    (void)atomic_fetch_add(&seen->is_done, 1);
}

static void on_said(void *user, const parley_error *error, const Echo__V1__EchoResponse *response,
                    const parley_metadata *trailers)
{
    if (response != NULL) {
        on_message(user, response);
    }
    on_done(user, error, trailers);
}

static void test_a_unary_callback_comes_with_the_response_and_the_trailers(void **state)
{
    struct world *world = *state;
    struct seen seen = {.code = PARLEY_UNKNOWN};
    Echo__V1__EchoRequest request = request_of("hello");
    assert_non_null(echo_v1_Echo_Say_async(world->channel, NULL, &request, on_said, &seen));
    WAIT_FOR(atomic_load(&seen.is_done) == 1);
    assert_int_equal(seen.code, PARLEY_OK);
    assert_string_equal(seen.text, "hello");
    assert_string_equal(seen.trailer, "said");
}

static void test_a_unary_callback_comes_with_the_error_and_no_response(void **state)
{
    struct world *world = *state;
    struct seen seen = {.code = PARLEY_OK};
    Echo__V1__EchoRequest request = request_of("busy");
    assert_non_null(echo_v1_Echo_Say_async(world->channel, NULL, &request, on_said, &seen));
    WAIT_FOR(atomic_load(&seen.is_done) == 1);
    assert_int_equal(seen.code, PARLEY_UNAVAILABLE);
    assert_string_equal(seen.message, "come back");
    assert_int_equal(atomic_load(&seen.messages), 0);
}

static void test_an_asynchronous_download_gives_each_message_then_done(void **state)
{
    struct world *world = *state;
    const echo_v1_Echo_Repeat_events events = {
        .on_headers = on_headers, .on_message = on_message, .on_done = on_done};
    struct seen seen = {.code = PARLEY_UNKNOWN};
    Echo__V1__EchoRequest request = request_of("again");
    request.count = 200;
    assert_non_null(echo_v1_Echo_Repeat_start(world->channel, NULL, &request, &events, &seen));
    WAIT_FOR(atomic_load(&seen.is_done) == 1);
    assert_int_equal(seen.code, PARLEY_OK);
    assert_int_equal(atomic_load(&seen.headers), 1);
    assert_int_equal(atomic_load(&seen.messages), 200);
    assert_string_equal(seen.text, "again");
}

/* Writes until there is no room, then goes on as on_writable says. */
static void test_an_asynchronous_upload_is_held_back_and_goes_on(void **state)
{
    struct world *world = *state;
    const echo_v1_Echo_Collect_events events = {
        .on_message = on_message, .on_writable = on_writable, .on_done = on_done};
    enum {
        SIZE = 65536,
        COUNT = 100,
    };
    struct seen seen = {.code = PARLEY_UNKNOWN};
    char *text = calloc(1, SIZE + 1);
    memset(text, 'y', SIZE);
    Echo__V1__EchoRequest request = request_of(text);
    int stops = 0;
    echo_v1_Echo_Collect_call *call =
        echo_v1_Echo_Collect_start(world->channel, NULL, &events, &seen);
    assert_non_null(call);
    for (int i = 0; i < COUNT; i++) {
        int before = atomic_load(&seen.writables);
        int room = echo_v1_Echo_Collect_call_write(call, &request);
        assert_true(room == 0 || room == 1);
        if (room == 1) {
            stops++;
            WAIT_FOR(atomic_load(&seen.writables) > before);
        }
    }
    echo_v1_Echo_Collect_call_writes_done(call);
    WAIT_FOR(atomic_load(&seen.is_done) == 1);
    assert_int_equal(seen.code, PARLEY_OK);
    assert_int_equal(seen.number, (int64_t)SIZE * COUNT);
    assert_true(stops > 0);
    free(text);
}

static void test_an_asynchronous_bidi_call_answers_in_order(void **state)
{
    struct world *world = *state;
    const echo_v1_Echo_Talk_events events = {.on_message = on_message, .on_done = on_done};
    struct seen seen = {.code = PARLEY_UNKNOWN};
    Echo__V1__EchoRequest request = request_of("turn");
    echo_v1_Echo_Talk_call *call = echo_v1_Echo_Talk_start(world->channel, NULL, &events, &seen);
    assert_non_null(call);
    echo_v1_Echo_Talk_call_pause(call, true);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(echo_v1_Echo_Talk_call_write(call, &request), 0);
    }
    echo_v1_Echo_Talk_call_pause(call, false);
    WAIT_FOR(atomic_load(&seen.messages) == 20);
    echo_v1_Echo_Talk_call_writes_done(call);
    WAIT_FOR(atomic_load(&seen.is_done) == 1);
    assert_int_equal(seen.code, PARLEY_OK);
    assert_int_equal(seen.number, 20);
}

static void test_a_cancelled_asynchronous_call_is_done_once(void **state)
{
    struct world *world = *state;
    const echo_v1_Echo_Talk_events events = {.on_headers = on_headers, .on_done = on_done};
    struct seen seen = {.code = PARLEY_OK};
    echo_v1_Echo_Talk_call *call = echo_v1_Echo_Talk_start(world->channel, NULL, &events, &seen);
    assert_non_null(call);
    WAIT_FOR(atomic_load(&seen.headers) == 1);
    echo_v1_Echo_Talk_call_cancel(call);
    WAIT_FOR(atomic_load(&seen.is_done) > 0);
    assert_int_equal(seen.code, PARLEY_CANCELLED);
    assert_int_equal(atomic_load(&seen.is_done), 1);
}

/* ---- tables ---- */

static void test_the_tables_say_what_the_proto_says(void **state)
{
    (void)state;
    const struct {
        const char *path;
        bool client_streaming;
        bool server_streaming;
    } expected[] = {
        {"/echo.v1.Echo/Say", false, false},     {"/echo.v1.Echo/Collect", true, false},
        {"/echo.v1.Echo/Repeat", false, true},   {"/echo.v1.Echo/Talk", true, true},
        {"/echo.v1.Echo/Nothing", false, false},
    };
    assert_int_equal(echo_v1_Echo_service.method_count, echo_v1_Echo_M_COUNT);
    for (size_t i = 0; i < echo_v1_Echo_M_COUNT; i++) {
        const parley_method *method = &echo_v1_Echo_service.methods[i];
        assert_string_equal(method->path, expected[i].path);
        assert_int_equal(method->client_streaming, expected[i].client_streaming);
        assert_int_equal(method->server_streaming, expected[i].server_streaming);
        assert_ptr_equal(method->request, &echo__v1__echo_request__descriptor);
        assert_ptr_equal(method->response, &echo__v1__echo_response__descriptor);
    }
    assert_string_equal(echo_v1_Echo_service.name, "echo.v1.Echo");
    assert_string_equal(echo_v1_Echo_service.file->name, "echo.proto");
    assert_true(echo_v1_Echo_service.file->descriptor_bytes > 0);
    assert_null(echo_v1_Echo_service.file->imports[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_unary_call_gives_the_typed_response),
        cmocka_unit_test(test_a_refused_field_is_named_to_the_caller),
        cmocka_unit_test(test_a_hint_to_retry_reaches_the_caller),
        cmocka_unit_test(test_a_deadline_ends_a_call_on_both_sides),
        cmocka_unit_test(test_a_method_without_a_handler_is_unimplemented),
        cmocka_unit_test(test_client_streaming_ends_with_one_response),
        cmocka_unit_test(test_server_streaming_gives_every_frame_that_was_encoded_once),
        cmocka_unit_test(test_both_sides_of_a_bidi_call_take_turns),
        cmocka_unit_test(test_a_server_that_ends_a_bidi_call_says_why),
        cmocka_unit_test(test_a_cancelled_stream_ends_on_both_sides),
        cmocka_unit_test(test_a_unary_callback_comes_with_the_response_and_the_trailers),
        cmocka_unit_test(test_a_unary_callback_comes_with_the_error_and_no_response),
        cmocka_unit_test(test_an_asynchronous_download_gives_each_message_then_done),
        cmocka_unit_test(test_an_asynchronous_upload_is_held_back_and_goes_on),
        cmocka_unit_test(test_an_asynchronous_bidi_call_answers_in_order),
        cmocka_unit_test(test_a_cancelled_asynchronous_call_is_done_once),
        cmocka_unit_test(test_the_tables_say_what_the_proto_says),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
