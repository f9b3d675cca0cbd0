/* SPDX-License-Identifier: Apache-2.0 */
/* See cases.h. Typed stubs where they show all that a case asks about, else a probe. */
#include "cases_impl.h"

#include <string.h>

#define COUNT 4

static const int32_t REQUEST_SIZES[COUNT] = {27182, 8, 1828, 45904};
static const int32_t RESPONSE_SIZES[COUNT] = {31415, 9, 2653, 58979};
static const uint8_t ZEROS[LARGE_RESPONSE];

const Grpc__Testing__BoolValue CASE_TRUE = {
    .base = PROTOBUF_C_MESSAGE_INIT(&grpc__testing__bool_value__descriptor), .value = 1};
const Grpc__Testing__BoolValue CASE_FALSE = {
    .base = PROTOBUF_C_MESSAGE_INIT(&grpc__testing__bool_value__descriptor), .value = 0};

static void check_ok(parley_error *error)
{
    if (error != NULL) {
        die("the call failed: %s: %s", parley_error_code_name(parley_error_code(error)),
            parley_error_message(error));
    }
}

static void check_code(parley_error *error, enum parley_code code)
{
    if (parley_error_code(error) != code) {
        die("the call ended with %s: %s, not with %s",
            parley_error_code_name(parley_error_code(error)),
            error != NULL ? parley_error_message(error) : "", parley_error_code_name(code));
    }
    parley_error_free(error);
}

void case_fill(Grpc__Testing__Payload *payload, int32_t size)
{
    grpc__testing__payload__init(payload);
    payload->body.len = (size_t)size;
    payload->body.data = (uint8_t *)(uintptr_t)ZEROS;
}

void case_check_payload(const Grpc__Testing__Payload *payload, int32_t size)
{
    CHECK(payload != NULL && payload->body.len == (size_t)size);
    CHECK(size == 0 || memcmp(payload->body.data, ZEROS, (size_t)size) == 0);
}

/* ---- unary ---- */

static void empty_unary(parley_channel *channel)
{
    Grpc__Testing__Empty request = GRPC__TESTING__EMPTY__INIT;
    Grpc__Testing__Empty *response = NULL;
    check_ok(grpc_testing_TestService_EmptyCall(channel, NULL, &request, &response));
    parley_message_free(&response->base);
}

static void large_unary(parley_channel *channel)
{
    Grpc__Testing__SimpleRequest request = GRPC__TESTING__SIMPLE_REQUEST__INIT;
    Grpc__Testing__SimpleResponse *response = NULL;
    Grpc__Testing__Payload payload;
    case_fill(&payload, LARGE_REQUEST);
    request.payload = &payload;
    request.response_size = LARGE_RESPONSE;
    check_ok(grpc_testing_TestService_UnaryCall(channel, NULL, &request, &response));
    case_check_payload(response->payload, LARGE_RESPONSE);
    parley_message_free(&response->base);
}

/* ---- streams ---- */

static void client_streaming(parley_channel *channel)
{
    grpc_testing_TestService_StreamingInputCall_stream *stream = NULL;
    Grpc__Testing__StreamingInputCallResponse *response = NULL;
    check_ok(grpc_testing_TestService_StreamingInputCall_open(channel, NULL, &stream));
    for (int i = 0; i < COUNT; i++) {
        Grpc__Testing__StreamingInputCallRequest request =
            GRPC__TESTING__STREAMING_INPUT_CALL_REQUEST__INIT;
        Grpc__Testing__Payload payload;
        case_fill(&payload, REQUEST_SIZES[i]);
        request.payload = &payload;
        CHECK(grpc_testing_TestService_StreamingInputCall_write(stream, &request) == 0);
    }
    check_ok(grpc_testing_TestService_StreamingInputCall_finish(stream, &response));
    CHECK(response->aggregated_payload_size == 74922);
    parley_message_free(&response->base);
}

static void server_streaming(parley_channel *channel)
{
    grpc_testing_TestService_StreamingOutputCall_stream *stream = NULL;
    Grpc__Testing__StreamingOutputCallRequest request =
        GRPC__TESTING__STREAMING_OUTPUT_CALL_REQUEST__INIT;
    Grpc__Testing__ResponseParameters parameters[COUNT];
    Grpc__Testing__ResponseParameters *list[COUNT];
    Grpc__Testing__StreamingOutputCallResponse *response = NULL;
    for (int i = 0; i < COUNT; i++) {
        grpc__testing__response_parameters__init(&parameters[i]);
        parameters[i].size = RESPONSE_SIZES[i];
        list[i] = &parameters[i];
    }
    request.n_response_parameters = COUNT;
    request.response_parameters = list;
    check_ok(grpc_testing_TestService_StreamingOutputCall_open(channel, NULL, &request, &stream));
    for (int i = 0; i < COUNT; i++) {
        CHECK(grpc_testing_TestService_StreamingOutputCall_read(stream, &response) == 1);
        case_check_payload(response->payload, RESPONSE_SIZES[i]);
        parley_message_free(&response->base);
    }
    CHECK(grpc_testing_TestService_StreamingOutputCall_read(stream, &response) == 0);
    check_ok(grpc_testing_TestService_StreamingOutputCall_finish(stream));
}

typedef grpc_testing_TestService_FullDuplexCall_stream duplex;

static void ping(duplex *stream, int i)
{
    Grpc__Testing__StreamingOutputCallRequest request =
        GRPC__TESTING__STREAMING_OUTPUT_CALL_REQUEST__INIT;
    Grpc__Testing__ResponseParameters parameters = GRPC__TESTING__RESPONSE_PARAMETERS__INIT;
    Grpc__Testing__ResponseParameters *list[] = {&parameters};
    Grpc__Testing__Payload payload;
    case_fill(&payload, REQUEST_SIZES[i]);
    parameters.size = RESPONSE_SIZES[i];
    request.payload = &payload;
    request.n_response_parameters = 1;
    request.response_parameters = list;
    CHECK(grpc_testing_TestService_FullDuplexCall_write(stream, &request) == 0);
}

static void pong(duplex *stream, int i)
{
    Grpc__Testing__StreamingOutputCallResponse *response = NULL;
    CHECK(grpc_testing_TestService_FullDuplexCall_read(stream, &response) == 1);
    case_check_payload(response->payload, RESPONSE_SIZES[i]);
    parley_message_free(&response->base);
}

static void end_duplex(duplex *stream)
{
    Grpc__Testing__StreamingOutputCallResponse *response = NULL;
    grpc_testing_TestService_FullDuplexCall_writes_done(stream);
    CHECK(grpc_testing_TestService_FullDuplexCall_read(stream, &response) == 0);
    check_ok(grpc_testing_TestService_FullDuplexCall_finish(stream));
}

static void ping_pong(parley_channel *channel)
{
    duplex *stream = NULL;
    check_ok(grpc_testing_TestService_FullDuplexCall_open(channel, NULL, &stream));
    for (int i = 0; i < COUNT; i++) {
        ping(stream, i);
        pong(stream, i);
    }
    end_duplex(stream);
}

static void empty_stream(parley_channel *channel)
{
    duplex *stream = NULL;
    check_ok(grpc_testing_TestService_FullDuplexCall_open(channel, NULL, &stream));
    end_duplex(stream);
}

static void half_duplex(parley_channel *channel)
{
    grpc_testing_TestService_HalfDuplexCall_stream *stream = NULL;
    Grpc__Testing__StreamingOutputCallResponse *response = NULL;
    check_ok(grpc_testing_TestService_HalfDuplexCall_open(channel, NULL, &stream));
    for (int i = 0; i < COUNT; i++) {
        Grpc__Testing__StreamingOutputCallRequest request =
            GRPC__TESTING__STREAMING_OUTPUT_CALL_REQUEST__INIT;
        Grpc__Testing__ResponseParameters parameters = GRPC__TESTING__RESPONSE_PARAMETERS__INIT;
        Grpc__Testing__ResponseParameters *list[] = {&parameters};
        parameters.size = RESPONSE_SIZES[i];
        request.n_response_parameters = 1;
        request.response_parameters = list;
        CHECK(grpc_testing_TestService_HalfDuplexCall_write(stream, &request) == 0);
    }
    grpc_testing_TestService_HalfDuplexCall_writes_done(stream);
    for (int i = 0; i < COUNT; i++) {
        CHECK(grpc_testing_TestService_HalfDuplexCall_read(stream, &response) == 1);
        case_check_payload(response->payload, RESPONSE_SIZES[i]);
        parley_message_free(&response->base);
    }
    CHECK(grpc_testing_TestService_HalfDuplexCall_read(stream, &response) == 0);
    check_ok(grpc_testing_TestService_HalfDuplexCall_finish(stream));
}

/* ---- metadata and status ---- */

static void check_echo(struct probe *probe)
{
    size_t len = 0;
    const char *initial =
        parley_metadata_find(probe_headers(probe), "x-grpc-test-echo-initial", NULL);
    const void *trailing =
        parley_metadata_find(probe_trailers(probe), "x-grpc-test-echo-trailing-bin", &len);
    if (probe_code(probe) != PARLEY_OK) {
        die("the call failed: %s: %s", parley_error_code_name(probe_code(probe)),
            probe_message(probe));
    }
    CHECK(initial != NULL && strcmp(initial, "test_initial_metadata_value") == 0);
    CHECK(trailing != NULL && len == 3 && memcmp(trailing, "\xab\xab\xab", 3) == 0);
}

static void echo_by_unary(parley_channel *channel, const parley_call_options *options)
{
    Grpc__Testing__SimpleRequest request = GRPC__TESTING__SIMPLE_REQUEST__INIT;
    struct probe *probe = probe_start(channel, METHOD(UnaryCall), options, &request.base);
    probe_wait_done(probe);
    check_echo(probe);
    probe_free(probe);
}

static void echo_by_duplex(parley_channel *channel, const parley_call_options *options)
{
    Grpc__Testing__StreamingOutputCallRequest request =
        GRPC__TESTING__STREAMING_OUTPUT_CALL_REQUEST__INIT;
    Grpc__Testing__ResponseParameters parameters = GRPC__TESTING__RESPONSE_PARAMETERS__INIT;
    Grpc__Testing__ResponseParameters *list[] = {&parameters};
    parameters.size = LARGE_RESPONSE;
    request.n_response_parameters = 1;
    request.response_parameters = list;
    struct probe *probe = probe_start(channel, METHOD(FullDuplexCall), options, NULL);
    CHECK(probe_write(probe, &request.base) == 0);
    probe_writes_done(probe);
    probe_wait_done(probe);
    check_echo(probe);
    probe_free(probe);
}

static void custom_metadata(parley_channel *channel)
{
    parley_metadata *metadata = parley_metadata_new();
    CHECK(metadata != NULL);
    CHECK(parley_metadata_add(metadata, "x-grpc-test-echo-initial",
                              "test_initial_metadata_value") == 0);
    CHECK(parley_metadata_add_bin(metadata, "x-grpc-test-echo-trailing-bin", "\xab\xab\xab", 3) ==
          0);
    const parley_call_options options = {.size = sizeof(options), .metadata = metadata};
    echo_by_unary(channel, &options);
    echo_by_duplex(channel, &options);
    parley_metadata_free(metadata);
}

static void check_status(struct probe *probe, const Grpc__Testing__EchoStatus *status)
{
    probe_wait_done(probe);
    CHECK(probe_code(probe) == (enum parley_code)status->code);
    CHECK(strcmp(probe_message(probe), status->message) == 0);
    probe_free(probe);
}

static struct probe *ask_for_status(parley_channel *channel, Grpc__Testing__EchoStatus *status)
{
    Grpc__Testing__SimpleRequest request = GRPC__TESTING__SIMPLE_REQUEST__INIT;
    request.response_status = status;
    return probe_start(channel, METHOD(UnaryCall), NULL, &request.base);
}

static void status_code_and_message(parley_channel *channel)
{
    static char text[] = "test status message";
    Grpc__Testing__EchoStatus status = GRPC__TESTING__ECHO_STATUS__INIT;
    Grpc__Testing__StreamingOutputCallRequest request =
        GRPC__TESTING__STREAMING_OUTPUT_CALL_REQUEST__INIT;
    status.code = PARLEY_UNKNOWN;
    status.message = text;
    check_status(ask_for_status(channel, &status), &status);
    request.response_status = &status;
    struct probe *probe = probe_start(channel, METHOD(FullDuplexCall), NULL, NULL);
    CHECK(probe_write(probe, &request.base) == 0);
    probe_writes_done(probe);
    check_status(probe, &status);
}

static void special_status_message(parley_channel *channel)
{
    static char text[] = "\t\ntest with whitespace\r\nand Unicode BMP \xe2\x98\xba and non-BMP "
                         "\xf0\x9f\x98\x88\t\n";
    Grpc__Testing__EchoStatus status = GRPC__TESTING__ECHO_STATUS__INIT;
    status.code = PARLEY_UNKNOWN;
    status.message = text;
    check_status(ask_for_status(channel, &status), &status);
}

static void unimplemented_method(parley_channel *channel)
{
    Grpc__Testing__Empty request = GRPC__TESTING__EMPTY__INIT;
    Grpc__Testing__Empty *response = NULL;
    check_code(grpc_testing_TestService_UnimplementedCall(channel, NULL, &request, &response),
               PARLEY_UNIMPLEMENTED);
}

static void unimplemented_service(parley_channel *channel)
{
    Grpc__Testing__Empty request = GRPC__TESTING__EMPTY__INIT;
    Grpc__Testing__Empty *response = NULL;
    check_code(
        grpc_testing_UnimplementedService_UnimplementedCall(channel, NULL, &request, &response),
        PARLEY_UNIMPLEMENTED);
}

/* ---- cancellation and deadlines ---- */

static void cancel_after_begin(parley_channel *channel)
{
    struct probe *probe = probe_start(channel, METHOD(StreamingInputCall), NULL, NULL);
    probe_cancel(probe);
    probe_wait_done(probe);
    CHECK(probe_code(probe) == PARLEY_CANCELLED);
    probe_free(probe);
}

static void cancel_after_first_response(parley_channel *channel)
{
    duplex *stream = NULL;
    check_ok(grpc_testing_TestService_FullDuplexCall_open(channel, NULL, &stream));
    ping(stream, 0);
    pong(stream, 0);
    grpc_testing_TestService_FullDuplexCall_cancel(stream);
    check_code(grpc_testing_TestService_FullDuplexCall_finish(stream), PARLEY_CANCELLED);
}

static void timeout_on_sleeping_server(parley_channel *channel)
{
    const parley_call_options options = {.size = sizeof(options), .timeout_ms = 1};
    duplex *stream = NULL;
    Grpc__Testing__StreamingOutputCallRequest request =
        GRPC__TESTING__STREAMING_OUTPUT_CALL_REQUEST__INIT;
    Grpc__Testing__StreamingOutputCallResponse *response = NULL;
    Grpc__Testing__Payload payload;
    case_fill(&payload, REQUEST_SIZES[0]);
    request.payload = &payload;
    check_ok(grpc_testing_TestService_FullDuplexCall_open(channel, &options, &stream));
    /* Either outcome: the deadline may pass before the write. */
    (void)!grpc_testing_TestService_FullDuplexCall_write(stream, &request);
    CHECK(grpc_testing_TestService_FullDuplexCall_read(stream, &response) == 0);
    check_code(grpc_testing_TestService_FullDuplexCall_finish(stream), PARLEY_DEADLINE_EXCEEDED);
}

const struct interop_case INTEROP_CASES[] = {
    {"empty_unary", empty_unary},
    {"large_unary", large_unary},
    {"client_compressed_unary", case_client_compressed_unary},
    {"server_compressed_unary", case_server_compressed_unary},
    {"client_streaming", client_streaming},
    {"client_compressed_streaming", case_client_compressed_streaming},
    {"server_streaming", server_streaming},
    {"server_compressed_streaming", case_server_compressed_streaming},
    {"ping_pong", ping_pong},
    {"empty_stream", empty_stream},
    {"half_duplex", half_duplex},
    {"custom_metadata", custom_metadata},
    {"status_code_and_message", status_code_and_message},
    {"special_status_message", special_status_message},
    {"unimplemented_method", unimplemented_method},
    {"unimplemented_service", unimplemented_service},
    {"cancel_after_begin", cancel_after_begin},
    {"cancel_after_first_response", cancel_after_first_response},
    {"timeout_on_sleeping_server", timeout_on_sleeping_server},
};
const size_t INTEROP_CASE_COUNT = sizeof(INTEROP_CASES) / sizeof(INTEROP_CASES[0]);
