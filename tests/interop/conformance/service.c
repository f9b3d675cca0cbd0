/* SPDX-License-Identifier: Apache-2.0 */
/* See service.h. Each call is one exchange: the first request says what to answer, and the answers
 * tell what was asked. Thread: the call's loop; memory: the call's. */
#include "service.h"

#include "stack/die.h"
#include "suite.h"

#include "call/call.h"
#include "wire/pb.h"

#include "connectrpc/conformance/v1/service.server.parley.h"
#include "rpc_status.pb-c.h"

#include <string.h>

#define REQUESTS_MAX 64

struct exchange {
    parley_server_call *call;
    struct pl_arena *arena;
    struct pl_timer timer;
    Google__Protobuf__Any *requests[REQUESTS_MAX]; /* that no answer has told of */
    size_t request_count;
    const CONFORMANCE(UnaryResponseDefinition) * unary;
    const CONFORMANCE(StreamResponseDefinition) * stream;
    /* One answer, of the method's type, around a payload. */
    ProtobufCMessage *(*wrap)(struct exchange *exchange, CONFORMANCE(ConformancePayload) * payload);
    size_t sent;
    bool has_first;
    bool is_full_duplex;
    bool is_input_over;
    bool is_owed;    /* full duplex: an answer to the request that came last */
    bool has_waited; /* the delay of the next answer is over */
};

static void go_on(struct exchange *exchange);

static void on_delay(struct pl_loop *loop, struct pl_timer *timer)
{
    struct exchange *exchange = PL_CONTAINER_OF(timer, struct exchange, timer);
    (void)loop;
    exchange->has_waited = true;
    go_on(exchange);
}

static struct exchange *open_exchange(parley_server_call *call)
{
    struct exchange *exchange = suite_alloc(call_arena(call), sizeof(*exchange));
    exchange->call = call;
    exchange->arena = call_arena(call);
    exchange->timer.fire = on_delay;
    parley_server_call_set_user(call, exchange);
    parley_server_call_compress(call, true);
    return exchange;
}

static void close_exchange(parley_server_call *call)
{
    struct exchange *exchange = parley_server_call_user(call);
    pl_timer_stop(call_loop(call), &exchange->timer);
}

/* What the definition asks for lives as long as the call. */
static void *keep(struct exchange *exchange, const ProtobufCMessage *message)
{
    if (message == NULL) {
        return NULL;
    }
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = suite_alloc(exchange->arena, len + 1);
    ProtobufCMessage *kept = NULL;
    (void)protobuf_c_message_pack(message, bytes);
    if (pl_pb_decode(message->descriptor, bytes, len, exchange->arena, NULL, &kept, NULL) !=
        PARLEY_OK) {
        die("a definition cannot be copied");
    }
    return kept;
}

/* ---- metadata ---- */

static void add_header(void *context, const char *key, const void *value, size_t len)
{
    struct exchange *exchange = context;
    size_t key_len = strlen(key);
    bool is_bin = key_len > 4 && strcmp(key + key_len - 4, "-bin") == 0;
    (void)(is_bin ? parley_server_call_add_header_bin(exchange->call, key, value, len)
                  : parley_server_call_add_header(exchange->call, key, value));
}

static void add_trailer(void *context, const char *key, const void *value, size_t len)
{
    struct exchange *exchange = context;
    size_t key_len = strlen(key);
    bool is_bin = key_len > 4 && strcmp(key + key_len - 4, "-bin") == 0;
    (void)(is_bin ? parley_server_call_add_trailer_bin(exchange->call, key, value, len)
                  : parley_server_call_add_trailer(exchange->call, key, value));
}

/* ---- what was asked ---- */

static void note_request(struct exchange *exchange, const ProtobufCMessage *request)
{
    if (exchange->request_count == REQUESTS_MAX) {
        die("more requests than the suite has ever sent");
    }
    exchange->requests[exchange->request_count++] = suite_any(exchange->arena, request);
}

/* @param is_first  the answer that tells of everything; those after it tell of new requests only */
static CONFORMANCE(ConformancePayload__RequestInfo) *
    request_info(struct exchange *exchange, bool is_first)
{
    CONFORMANCE(ConformancePayload__RequestInfo) *info =
        suite_alloc(exchange->arena, sizeof(*info));
    CONFORMANCE_FUNC(conformance_payload__request_info__init)(info);
    size_t bytes = exchange->request_count * sizeof(*info->requests);
    info->n_requests = exchange->request_count;
    info->requests = suite_alloc(exchange->arena, bytes + 1);
    memcpy(info->requests, exchange->requests, bytes);
    exchange->request_count = 0;
    if (!is_first) {
        return info;
    }
    info->request_headers = suite_headers(
        exchange->arena, parley_server_call_metadata(exchange->call), &info->n_request_headers);
    int64_t left_ms = parley_server_call_remaining_ms(exchange->call);
    if (left_ms != INT64_MAX) {
        info->has_timeout_ms_case =
            CONNECTRPC__CONFORMANCE__V1__CONFORMANCE_PAYLOAD__REQUEST_INFO__HAS_TIMEOUT_MS_TIMEOUT_MS;
        info->timeout_ms = left_ms;
    }
    return info;
}

/* ---- answers ---- */

static void fail(struct exchange *exchange, const CONFORMANCE(Error) * error)
{
    Interop__RpcStatus status = INTEROP__RPC_STATUS__INIT;
    static char none[] = "";
    bool is_asked = exchange->sent == 0; /* no answer has told of the requests */
    status.code = (int32_t)error->code;
    status.message = error->has_message_case != 0 ? error->message : none;
    status.details = suite_alloc(exchange->arena, (error->n_details + 1) * sizeof(*status.details));
    for (size_t i = 0; i < error->n_details; i++) {
        status.details[status.n_details++] = error->details[i];
    }
    if (is_asked) {
        status.details[status.n_details++] =
            suite_any(exchange->arena, &request_info(exchange, true)->base);
    }
    size_t len = interop__rpc_status__get_packed_size(&status);
    uint8_t *details = suite_alloc(exchange->arena, len + 1);
    (void)interop__rpc_status__pack(&status, details);
    parley_server_call_fail_details(exchange->call, (enum parley_code)error->code, status.message,
                                    details, len);
}

static CONFORMANCE(ConformancePayload) *
    new_payload(struct exchange *exchange, const ProtobufCBinaryData *data)
{
    CONFORMANCE(ConformancePayload) *payload = suite_alloc(exchange->arena, sizeof(*payload));
    CONFORMANCE_FUNC(conformance_payload__init)(payload);
    if (data != NULL) {
        payload->data = *data;
    }
    return payload;
}

/* @return true: a timer calls again, or is about to. */
static bool must_wait(struct exchange *exchange, uint32_t delay_ms)
{
    if (delay_ms == 0 || exchange->has_waited) {
        exchange->has_waited = false;
        return false;
    }
    if (!pl_timer_is_running(&exchange->timer) &&
        pl_timer_start(call_loop(exchange->call), &exchange->timer, delay_ms) != 0) {
        die("out of memory");
    }
    return true;
}

static void answer_once(struct exchange *exchange)
{
    const CONFORMANCE(UnaryResponseDefinition) *definition = exchange->unary;
    const ProtobufCBinaryData *data = NULL;
    if (definition != NULL) {
        if (must_wait(exchange, definition->response_delay_ms)) {
            return;
        }
        if (definition->response_case ==
            CONNECTRPC__CONFORMANCE__V1__UNARY_RESPONSE_DEFINITION__RESPONSE_ERROR) {
            fail(exchange, definition->error);
            return;
        }
        if (definition->response_case ==
            CONNECTRPC__CONFORMANCE__V1__UNARY_RESPONSE_DEFINITION__RESPONSE_RESPONSE_DATA) {
            data = &definition->response_data;
        }
    }
    CONFORMANCE(ConformancePayload) *payload = new_payload(exchange, data);
    payload->request_info = request_info(exchange, true);
    parley_server_call_reply(exchange->call, exchange->wrap(exchange, payload));
}

static void end_stream(struct exchange *exchange)
{
    if (exchange->stream != NULL && exchange->stream->error != NULL) {
        fail(exchange, exchange->stream->error);
    } else {
        parley_server_call_finish(exchange->call, PARLEY_OK, NULL);
    }
}

static void send_next(struct exchange *exchange)
{
    CONFORMANCE(ConformancePayload) *payload =
        new_payload(exchange, &exchange->stream->response_data[exchange->sent]);
    bool is_first = exchange->sent == 0;
    if (is_first || exchange->request_count > 0) {
        payload->request_info = request_info(exchange, is_first);
    }
    exchange->sent++;
    exchange->is_owed = false;
    (void)parley_server_call_send(exchange->call, exchange->wrap(exchange, payload));
}

static void answer_stream(struct exchange *exchange)
{
    size_t count = exchange->stream != NULL ? exchange->stream->n_response_data : 0;
    while (exchange->sent < count && (exchange->is_input_over || exchange->is_owed)) {
        if (must_wait(exchange, exchange->stream->response_delay_ms)) {
            return;
        }
        send_next(exchange);
    }
    if (exchange->sent == count && (exchange->is_input_over || exchange->is_owed)) {
        end_stream(exchange);
    } else if (exchange->is_full_duplex && !exchange->is_owed) {
        parley_server_call_pause(exchange->call, false);
    }
}

static void go_on(struct exchange *exchange)
{
    if (parley_server_call_method(exchange->call)->server_streaming) {
        answer_stream(exchange);
    } else {
        answer_once(exchange);
    }
}

static void define_unary(struct exchange *exchange,
                         const CONFORMANCE(UnaryResponseDefinition) * definition)
{
    exchange->unary = keep(exchange, definition != NULL ? &definition->base : NULL);
    if (definition != NULL) {
        suite_each_value(definition->response_headers, definition->n_response_headers, add_header,
                         exchange);
        suite_each_value(definition->response_trailers, definition->n_response_trailers,
                         add_trailer, exchange);
    }
}

static void define_stream(struct exchange *exchange,
                          const CONFORMANCE(StreamResponseDefinition) * definition)
{
    exchange->stream = keep(exchange, definition != NULL ? &definition->base : NULL);
    if (definition != NULL) {
        suite_each_value(definition->response_headers, definition->n_response_headers, add_header,
                         exchange);
        suite_each_value(definition->response_trailers, definition->n_response_trailers,
                         add_trailer, exchange);
        parley_server_call_send_headers(exchange->call);
    }
}

static void end_input(parley_server_call *call)
{
    struct exchange *exchange = parley_server_call_user(call);
    exchange->is_input_over = true;
    go_on(exchange);
}

/* ---- the methods ---- */

#define WRAP(type, name)                                                                           \
    static ProtobufCMessage *wrap_##name(struct exchange *exchange,                                \
                                         CONFORMANCE(ConformancePayload) * payload)                \
    {                                                                                              \
        CONFORMANCE(type) *response = suite_alloc(exchange->arena, sizeof(*response));             \
        CONFORMANCE_FUNC(name##__init)(response);                                                  \
        response->payload = payload;                                                               \
        return &response->base;                                                                    \
    }

WRAP(UnaryResponse, unary_response)
WRAP(ServerStreamResponse, server_stream_response)
WRAP(ClientStreamResponse, client_stream_response)
WRAP(BidiStreamResponse, bidi_stream_response)

typedef connectrpc_conformance_v1_ConformanceService_srv_Unary_call unary_call;
typedef connectrpc_conformance_v1_ConformanceService_srv_ServerStream_call server_stream_call;
typedef connectrpc_conformance_v1_ConformanceService_srv_ClientStream_call client_stream_call;
typedef connectrpc_conformance_v1_ConformanceService_srv_BidiStream_call bidi_call;

#define BASE(method, call) connectrpc_conformance_v1_ConformanceService_srv_##method##_base(call)

static void unary(unary_call *call, const CONFORMANCE(UnaryRequest) * request, void *service)
{
    struct exchange *exchange = open_exchange(BASE(Unary, call));
    (void)service;
    exchange->wrap = wrap_unary_response;
    note_request(exchange, &request->base);
    define_unary(exchange, request->response_definition);
    end_input(exchange->call);
}

static void unary_done(unary_call *call, void *service)
{
    (void)service;
    close_exchange(BASE(Unary, call));
}

static void server_stream(server_stream_call *call,
                          const CONFORMANCE(ServerStreamRequest) * request, void *service)
{
    struct exchange *exchange = open_exchange(BASE(ServerStream, call));
    (void)service;
    exchange->wrap = wrap_server_stream_response;
    note_request(exchange, &request->base);
    define_stream(exchange, request->response_definition);
    end_input(exchange->call);
}

static void server_stream_done(server_stream_call *call, void *service)
{
    (void)service;
    close_exchange(BASE(ServerStream, call));
}

static void client_stream_open(client_stream_call *call, void *service)
{
    (void)service;
    open_exchange(BASE(ClientStream, call))->wrap = wrap_client_stream_response;
}

static void client_stream_message(client_stream_call *call,
                                  const CONFORMANCE(ClientStreamRequest) * request, void *service)
{
    struct exchange *exchange = parley_server_call_user(BASE(ClientStream, call));
    (void)service;
    note_request(exchange, &request->base);
    if (!exchange->has_first) {
        exchange->has_first = true;
        define_unary(exchange, request->response_definition);
    }
}

static void client_stream_half_close(client_stream_call *call, void *service)
{
    (void)service;
    end_input(BASE(ClientStream, call));
}

static void client_stream_done(client_stream_call *call, void *service)
{
    (void)service;
    close_exchange(BASE(ClientStream, call));
}

static void bidi_open(bidi_call *call, void *service)
{
    (void)service;
    open_exchange(BASE(BidiStream, call))->wrap = wrap_bidi_stream_response;
}

static void bidi_message(bidi_call *call, const CONFORMANCE(BidiStreamRequest) * request,
                         void *service)
{
    struct exchange *exchange = parley_server_call_user(BASE(BidiStream, call));
    (void)service;
    note_request(exchange, &request->base);
    if (!exchange->has_first) {
        exchange->has_first = true;
        exchange->is_full_duplex = request->full_duplex;
        define_stream(exchange, request->response_definition);
    }
    if (exchange->is_full_duplex) {
        /* One by one: the next request waits for the answer to this one. */
        exchange->is_owed = true;
        parley_server_call_pause(exchange->call, true);
        go_on(exchange);
    }
}

static void bidi_half_close(bidi_call *call, void *service)
{
    (void)service;
    end_input(BASE(BidiStream, call));
}

static void bidi_done(bidi_call *call, void *service)
{
    (void)service;
    close_exchange(BASE(BidiStream, call));
}

/* Unimplemented has no handler: that is the test. IdempotentUnary is of the Connect protocol. */
static const connectrpc_conformance_v1_ConformanceService_handlers HANDLERS = {
    .Unary = unary,
    .Unary_done = unary_done,
    .ServerStream = server_stream,
    .ServerStream_done = server_stream_done,
    .ClientStream_open = client_stream_open,
    .ClientStream_message = client_stream_message,
    .ClientStream_half_close = client_stream_half_close,
    .ClientStream_done = client_stream_done,
    .BidiStream_open = bidi_open,
    .BidiStream_message = bidi_message,
    .BidiStream_half_close = bidi_half_close,
    .BidiStream_done = bidi_done,
};

int conformance_service_register(parley_server *server, void *context)
{
    return connectrpc_conformance_v1_ConformanceService_register(server, &HANDLERS, context);
}
