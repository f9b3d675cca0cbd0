/* SPDX-License-Identifier: Apache-2.0 */
/* The official cases about compression. They look at the flag of single messages, which only a
 * probe shows. */
#include "cases_impl.h"

#include <string.h>

/* ---- unary ---- */

struct unary {
    bool compress;
    const Grpc__Testing__BoolValue *expect; /* NULL: not asked for */
    const Grpc__Testing__BoolValue *answer;
};

static struct probe *call_unary(parley_channel *channel, const struct unary *unary)
{
    const parley_call_options options = {.size = sizeof(options), .compress = unary->compress};
    Grpc__Testing__SimpleRequest request = GRPC__TESTING__SIMPLE_REQUEST__INIT;
    Grpc__Testing__Payload payload;
    case_fill(&payload, LARGE_REQUEST);
    request.payload = &payload;
    request.response_size = LARGE_RESPONSE;
    request.expect_compressed = (Grpc__Testing__BoolValue *)(uintptr_t)unary->expect;
    request.response_compressed = (Grpc__Testing__BoolValue *)(uintptr_t)unary->answer;
    return probe_start(channel, METHOD(UnaryCall), &options, &request.base);
}

/* @return whether the one message came compressed */
static bool end_unary(struct probe *probe)
{
    Grpc__Testing__SimpleResponse *response =
        (Grpc__Testing__SimpleResponse *)(void *)probe_read(probe);
    bool is_compressed = probe_is_compressed(probe);
    CHECK(response != NULL);
    case_check_payload(response->payload, LARGE_RESPONSE);
    parley_message_free(&response->base);
    probe_wait_done(probe);
    CHECK(probe_code(probe) == PARLEY_OK);
    probe_free(probe);
    return is_compressed;
}

/* A server that cannot tell would pass the cases below for the wrong reason. */
static void check_refused(struct probe *probe)
{
    probe_wait_done(probe);
    CHECK(probe_code(probe) == PARLEY_INVALID_ARGUMENT);
    probe_free(probe);
}

void case_client_compressed_unary(parley_channel *channel)
{
    check_refused(call_unary(channel, &(struct unary){.expect = &CASE_TRUE}));
    (void)end_unary(call_unary(channel, &(struct unary){.compress = true, .expect = &CASE_TRUE}));
    (void)end_unary(call_unary(channel, &(struct unary){.expect = &CASE_FALSE}));
}

void case_server_compressed_unary(parley_channel *channel)
{
    CHECK(end_unary(call_unary(channel, &(struct unary){.answer = &CASE_TRUE})));
    CHECK(!end_unary(call_unary(channel, &(struct unary){.answer = &CASE_FALSE})));
}

/* ---- streams ---- */

static void write_input(struct probe *probe, bool compress, const Grpc__Testing__BoolValue *expect,
                        int32_t size)
{
    Grpc__Testing__StreamingInputCallRequest request =
        GRPC__TESTING__STREAMING_INPUT_CALL_REQUEST__INIT;
    Grpc__Testing__Payload payload;
    case_fill(&payload, size);
    request.payload = &payload;
    request.expect_compressed = (Grpc__Testing__BoolValue *)(uintptr_t)expect;
    probe_compress(probe, compress);
    (void)probe_write(probe, &request.base); /* a refusal shows in the status */
}

void case_client_compressed_streaming(parley_channel *channel)
{
    const parley_call_options options = {.size = sizeof(options), .compress = true};
    struct probe *probe = probe_start(channel, METHOD(StreamingInputCall), &options, NULL);
    write_input(probe, false, &CASE_TRUE, 27182);
    probe_writes_done(probe);
    check_refused(probe);
    probe = probe_start(channel, METHOD(StreamingInputCall), &options, NULL);
    write_input(probe, true, &CASE_TRUE, 27182);
    write_input(probe, false, &CASE_FALSE, 45904);
    probe_writes_done(probe);
    Grpc__Testing__StreamingInputCallResponse *response =
        (Grpc__Testing__StreamingInputCallResponse *)(void *)probe_read(probe);
    CHECK(response != NULL && response->aggregated_payload_size == 73086);
    parley_message_free(&response->base);
    probe_wait_done(probe);
    CHECK(probe_code(probe) == PARLEY_OK);
    probe_free(probe);
}

void case_server_compressed_streaming(parley_channel *channel)
{
    enum {
        COUNT = 2
    };
    static const int32_t SIZES[COUNT] = {31415, 92653};
    Grpc__Testing__StreamingOutputCallRequest request =
        GRPC__TESTING__STREAMING_OUTPUT_CALL_REQUEST__INIT;
    Grpc__Testing__ResponseParameters parameters[COUNT];
    Grpc__Testing__ResponseParameters *list[COUNT];
    for (int i = 0; i < COUNT; i++) {
        const Grpc__Testing__BoolValue *wish = i == 0 ? &CASE_TRUE : &CASE_FALSE;
        grpc__testing__response_parameters__init(&parameters[i]);
        parameters[i].size = SIZES[i];
        parameters[i].compressed = (Grpc__Testing__BoolValue *)(uintptr_t)wish;
        list[i] = &parameters[i];
    }
    request.n_response_parameters = COUNT;
    request.response_parameters = list;
    struct probe *probe = probe_start(channel, METHOD(StreamingOutputCall), NULL, &request.base);
    for (int i = 0; i < COUNT; i++) {
        Grpc__Testing__StreamingOutputCallResponse *response =
            (Grpc__Testing__StreamingOutputCallResponse *)(void *)probe_read(probe);
        CHECK(response != NULL);
        case_check_payload(response->payload, SIZES[i]);
        CHECK(probe_is_compressed(probe) == (i == 0));
        parley_message_free(&response->base);
    }
    probe_wait_done(probe);
    CHECK(probe_code(probe) == PARLEY_OK);
    probe_free(probe);
}
