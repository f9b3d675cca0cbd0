/* SPDX-License-Identifier: Apache-2.0 */
/* See service.h. Handlers run on the call's loop; a stream of answers is a queue that is sent as
 * fast as the asked intervals and the client's reading allow. */
#include "service.h"

#include "stack/die.h"

#include "call/call.h"

#include "grpc/testing/test.server.parley.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ECHO_INITIAL  "x-grpc-test-echo-initial"
#define ECHO_TRAILING "x-grpc-test-echo-trailing-bin"
#define ANSWER_MAX    (64 * 1024 * 1024)

static const uint8_t ZEROS[ANSWER_MAX]; /* the test service's payload; costs no memory */

static void echo_metadata(parley_server_call *call)
{
    const parley_metadata *metadata = parley_server_call_metadata(call);
    size_t len = 0;
    const char *initial = parley_metadata_find(metadata, ECHO_INITIAL, NULL);
    const void *trailing = parley_metadata_find(metadata, ECHO_TRAILING, &len);
    if (initial != NULL) {
        (void)parley_server_call_add_header(call, ECHO_INITIAL, initial);
    }
    if (trailing != NULL) {
        (void)parley_server_call_add_trailer_bin(call, ECHO_TRAILING, trailing, len);
    }
}

/* @return true: the request asked for a failure, and got it. */
static bool fail_if_asked(parley_server_call *call, const Grpc__Testing__EchoStatus *status)
{
    if (status == NULL || status->code == 0) {
        return false;
    }
    parley_server_call_finish(call, (enum parley_code)status->code, status->message);
    return true;
}

static bool is_size_fine(parley_server_call *call, int32_t size)
{
    if (size >= 0 && size <= ANSWER_MAX) {
        return true;
    }
    parley_server_call_finish(call, PARLEY_INVALID_ARGUMENT, "response size out of range");
    return false;
}

static void fill(Grpc__Testing__Payload *payload, int32_t size)
{
    grpc__testing__payload__init(payload);
    payload->body.len = (size_t)size;
    payload->body.data = (uint8_t *)(uintptr_t)ZEROS;
}

/* @return false: the request says that it was compressed, or was not, and is mistaken. */
static bool is_as_expected(parley_server_call *call, const Grpc__Testing__BoolValue *expected)
{
    if (expected == NULL || (expected->value != 0) == parley_server_call_is_compressed(call)) {
        return true;
    }
    parley_server_call_finish(call, PARLEY_INVALID_ARGUMENT,
                              expected->value ? "expected a compressed message"
                                              : "expected a message that is not compressed");
    return false;
}

/* ---- one answer ---- */

static void empty_call(grpc_testing_TestService_srv_EmptyCall_call *call,
                       const Grpc__Testing__Empty *request, void *service)
{
    Grpc__Testing__Empty response = GRPC__TESTING__EMPTY__INIT;
    (void)request;
    (void)service;
    echo_metadata(grpc_testing_TestService_srv_EmptyCall_base(call));
    grpc_testing_TestService_srv_EmptyCall_reply(call, &response);
}

static void answer_simple(parley_server_call *call, const Grpc__Testing__SimpleRequest *request)
{
    Grpc__Testing__SimpleResponse response = GRPC__TESTING__SIMPLE_RESPONSE__INIT;
    Grpc__Testing__Payload payload;
    echo_metadata(call);
    if (request->response_compressed != NULL) {
        parley_server_call_compress(call, request->response_compressed->value);
    }
    if (!is_as_expected(call, request->expect_compressed) ||
        fail_if_asked(call, request->response_status) ||
        !is_size_fine(call, request->response_size)) {
        return;
    }
    fill(&payload, request->response_size);
    response.payload = &payload;
    parley_server_call_reply(call, &response.base);
}

static void unary_call(grpc_testing_TestService_srv_UnaryCall_call *call,
                       const Grpc__Testing__SimpleRequest *request, void *service)
{
    (void)service;
    answer_simple(grpc_testing_TestService_srv_UnaryCall_base(call), request);
}

static void cacheable_unary_call(grpc_testing_TestService_srv_CacheableUnaryCall_call *call,
                                 const Grpc__Testing__SimpleRequest *request, void *service)
{
    (void)service;
    answer_simple(grpc_testing_TestService_srv_CacheableUnaryCall_base(call), request);
}

/* ---- a stream of requests, one answer ---- */

static void input_open(grpc_testing_TestService_srv_StreamingInputCall_call *call, void *service)
{
    parley_server_call *base = grpc_testing_TestService_srv_StreamingInputCall_base(call);
    int32_t *total = parley_server_call_alloc(base, sizeof(*total));
    (void)service;
    if (total == NULL) {
        parley_server_call_finish(base, PARLEY_RESOURCE_EXHAUSTED, "out of memory");
        return;
    }
    *total = 0;
    parley_server_call_set_user(base, total);
    echo_metadata(base);
}

static void input_message(grpc_testing_TestService_srv_StreamingInputCall_call *call,
                          const Grpc__Testing__StreamingInputCallRequest *request, void *service)
{
    parley_server_call *base = grpc_testing_TestService_srv_StreamingInputCall_base(call);
    int32_t *total = parley_server_call_user(base);
    (void)service;
    if (!is_as_expected(base, request->expect_compressed)) {
        return;
    }
    *total += request->payload != NULL ? (int32_t)request->payload->body.len : 0;
}

static void input_half_close(grpc_testing_TestService_srv_StreamingInputCall_call *call,
                             void *service)
{
    Grpc__Testing__StreamingInputCallResponse response =
        GRPC__TESTING__STREAMING_INPUT_CALL_RESPONSE__INIT;
    const int32_t *total =
        parley_server_call_user(grpc_testing_TestService_srv_StreamingInputCall_base(call));
    (void)service;
    response.aggregated_payload_size = *total;
    grpc_testing_TestService_srv_StreamingInputCall_reply(call, &response);
}

/* ---- streams of answers ---- */

struct answer {
    int32_t size;
    int32_t interval_us;
    bool is_compressed;
};

struct output {
    parley_server_call *call;
    struct pl_timer timer;
    struct answer *answers;
    size_t count;
    size_t next;
    bool is_input_over; /* end after the last answer */
    bool is_held;       /* half duplex: nothing before the input is over */
    bool has_waited;    /* the interval of the next answer is over */
};

static void pump(struct output *output);

static void on_interval(struct pl_loop *loop, struct pl_timer *timer)
{
    struct output *output = PL_CONTAINER_OF(timer, struct output, timer);
    (void)loop;
    output->has_waited = true;
    pump(output);
}

/* @return true: not yet; a timer calls again. */
static bool must_wait(struct output *output, const struct answer *answer)
{
    if (answer->interval_us <= 0 || output->has_waited) {
        return false;
    }
    if (!pl_timer_is_running(&output->timer) &&
        pl_timer_start(call_loop(output->call), &output->timer,
                       (answer->interval_us + 999) / 1000) != 0) {
        parley_server_call_finish(output->call, PARLEY_RESOURCE_EXHAUSTED, "out of memory");
    }
    return true;
}

static void pump(struct output *output)
{
    Grpc__Testing__StreamingOutputCallResponse response =
        GRPC__TESTING__STREAMING_OUTPUT_CALL_RESPONSE__INIT;
    Grpc__Testing__Payload payload;
    if (output->is_held) {
        return;
    }
    int room = 0;
    while (output->next < output->count && room == 0) {
        const struct answer *answer = &output->answers[output->next];
        if (!is_size_fine(output->call, answer->size) || must_wait(output, answer)) {
            return;
        }
        output->has_waited = false;
        output->next++;
        fill(&payload, answer->size);
        response.payload = &payload;
        parley_server_call_compress(output->call, answer->is_compressed);
        room = parley_server_call_send(output->call, &response.base);
    }
    if (output->next == output->count && output->is_input_over) {
        parley_server_call_finish(output->call, PARLEY_OK, NULL);
    }
}

static struct output *open_output(parley_server_call *call)
{
    struct output *output = calloc(1, sizeof(*output));
    if (output == NULL) {
        die("out of memory");
    }
    output->call = call;
    parley_server_call_compress(call, true); /* the headers have to say so before it is known */
    output->timer.fire = on_interval;
    parley_server_call_set_user(call, output);
    echo_metadata(call);
    return output;
}

static void close_output(parley_server_call *call)
{
    struct output *output = parley_server_call_user(call);
    pl_timer_stop(call_loop(call), &output->timer);
    free(output->answers);
    free(output);
}

static void add_answers(parley_server_call *call,
                        const Grpc__Testing__StreamingOutputCallRequest *request)
{
    struct output *output = parley_server_call_user(call);
    size_t count = output->count + request->n_response_parameters;
    if (fail_if_asked(call, request->response_status)) {
        return;
    }
    output->answers = realloc(output->answers, (count + 1) * sizeof(*output->answers));
    if (output->answers == NULL) {
        die("out of memory");
    }
    for (size_t i = 0; i < request->n_response_parameters; i++) {
        const Grpc__Testing__ResponseParameters *asked = request->response_parameters[i];
        output->answers[output->count++] = (struct answer){
            .size = asked->size,
            .interval_us = asked->interval_us,
            .is_compressed = asked->compressed != NULL && asked->compressed->value,
        };
    }
    pump(output);
}

static void end_input(parley_server_call *call)
{
    struct output *output = parley_server_call_user(call);
    output->is_input_over = true;
    output->is_held = false;
    pump(output);
}

static void output_call(grpc_testing_TestService_srv_StreamingOutputCall_call *call,
                        const Grpc__Testing__StreamingOutputCallRequest *request, void *service)
{
    parley_server_call *base = grpc_testing_TestService_srv_StreamingOutputCall_base(call);
    (void)service;
    (void)open_output(base);
    add_answers(base, request);
    if (!parley_server_call_is_over(base)) {
        end_input(base);
    }
}

static void output_writable(grpc_testing_TestService_srv_StreamingOutputCall_call *call,
                            void *service)
{
    (void)service;
    pump(parley_server_call_user(grpc_testing_TestService_srv_StreamingOutputCall_base(call)));
}

static void output_done(grpc_testing_TestService_srv_StreamingOutputCall_call *call, void *service)
{
    (void)service;
    close_output(grpc_testing_TestService_srv_StreamingOutputCall_base(call));
}

static void full_open(grpc_testing_TestService_srv_FullDuplexCall_call *call, void *service)
{
    (void)service;
    (void)open_output(grpc_testing_TestService_srv_FullDuplexCall_base(call));
}

static void full_message(grpc_testing_TestService_srv_FullDuplexCall_call *call,
                         const Grpc__Testing__StreamingOutputCallRequest *request, void *service)
{
    (void)service;
    add_answers(grpc_testing_TestService_srv_FullDuplexCall_base(call), request);
}

static void full_half_close(grpc_testing_TestService_srv_FullDuplexCall_call *call, void *service)
{
    (void)service;
    end_input(grpc_testing_TestService_srv_FullDuplexCall_base(call));
}

static void full_writable(grpc_testing_TestService_srv_FullDuplexCall_call *call, void *service)
{
    (void)service;
    pump(parley_server_call_user(grpc_testing_TestService_srv_FullDuplexCall_base(call)));
}

static void full_done(grpc_testing_TestService_srv_FullDuplexCall_call *call, void *service)
{
    (void)service;
    close_output(grpc_testing_TestService_srv_FullDuplexCall_base(call));
}

static void half_open(grpc_testing_TestService_srv_HalfDuplexCall_call *call, void *service)
{
    (void)service;
    open_output(grpc_testing_TestService_srv_HalfDuplexCall_base(call))->is_held = true;
}

static void half_message(grpc_testing_TestService_srv_HalfDuplexCall_call *call,
                         const Grpc__Testing__StreamingOutputCallRequest *request, void *service)
{
    (void)service;
    add_answers(grpc_testing_TestService_srv_HalfDuplexCall_base(call), request);
}

static void half_half_close(grpc_testing_TestService_srv_HalfDuplexCall_call *call, void *service)
{
    (void)service;
    end_input(grpc_testing_TestService_srv_HalfDuplexCall_base(call));
}

static void half_writable(grpc_testing_TestService_srv_HalfDuplexCall_call *call, void *service)
{
    (void)service;
    pump(parley_server_call_user(grpc_testing_TestService_srv_HalfDuplexCall_base(call)));
}

static void half_done(grpc_testing_TestService_srv_HalfDuplexCall_call *call, void *service)
{
    (void)service;
    close_output(grpc_testing_TestService_srv_HalfDuplexCall_base(call));
}

/* UnimplementedCall has no handler: that is the test. */
static const grpc_testing_TestService_handlers HANDLERS = {
    .EmptyCall = empty_call,
    .UnaryCall = unary_call,
    .CacheableUnaryCall = cacheable_unary_call,
    .StreamingInputCall_open = input_open,
    .StreamingInputCall_message = input_message,
    .StreamingInputCall_half_close = input_half_close,
    .StreamingOutputCall = output_call,
    .StreamingOutputCall_writable = output_writable,
    .StreamingOutputCall_done = output_done,
    .FullDuplexCall_open = full_open,
    .FullDuplexCall_message = full_message,
    .FullDuplexCall_half_close = full_half_close,
    .FullDuplexCall_writable = full_writable,
    .FullDuplexCall_done = full_done,
    .HalfDuplexCall_open = half_open,
    .HalfDuplexCall_message = half_message,
    .HalfDuplexCall_half_close = half_half_close,
    .HalfDuplexCall_writable = half_writable,
    .HalfDuplexCall_done = half_done,
};

int test_service_register(parley_server *server, void *context)
{
    return grpc_testing_TestService_register(server, &HANDLERS, context);
}
