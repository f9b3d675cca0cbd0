/* SPDX-License-Identifier: Apache-2.0 */
/* conformance_client: what connectconformance starts in client mode. Each message on stdin is one
 * call to make; what was seen of it is told on stdout. Calls run side by side, a thread each; all
 * threads have ended before OpenSSL cleans up at exit, which would lose what it keeps for each. */
#include "stack/die.h"
#include "stack/probe.h"
#include "suite.h"

#include "connectrpc/conformance/v1/client_compat.pb-c.h"
#include "connectrpc/conformance/v1/service.parley.h"
#include "rpc_status.pb-c.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CALLS_MAX    16 /* at a time */
#define PAYLOADS_MAX 64
#define NEVER        (-1)

struct order {
    const CONFORMANCE(ClientCompatRequest) * request;
    const parley_method *method;
    struct pl_arena arena;
    struct probe *probe;
    ProtobufCMessage *responses[PAYLOADS_MAX]; /* owned */
    size_t response_count;
    int64_t cancel_after_responses; /* NEVER */
    bool is_cancelled;
};

static void sleep_ms(uint32_t ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    (void)nanosleep(&time, NULL); /* the runner asks for a pause: there is nothing to wait for */
}

/* ---- the channel ---- */

static parley_channel *open_channel(const CONFORMANCE(ClientCompatRequest) * request)
{
    parley_channel_options options = {.size = sizeof(options),
                                      .use_tls = request->server_tls_cert.len > 0,
                                      .max_message_bytes = request->message_receive_limit,
                                      .default_timeout_ms = INT64_MAX}; /* none */
    char paths[3][64] = {"", "", ""};
    char target[256];
    parley_channel *channel = NULL;
    if (options.use_tls) {
        suite_save(&request->server_tls_cert, paths[0]);
        options.ca_file = paths[0];
    }
    if (request->client_tls_creds != NULL) {
        suite_save(&request->client_tls_creds->cert, paths[1]);
        suite_save(&request->client_tls_creds->key, paths[2]);
        options.cert_file = paths[1];
        options.key_file = paths[2];
    }
    (void)snprintf(target, sizeof(target), "%s:%u", request->host, request->port);
    parley_error *error = parley_channel_new(target, &options, &channel);
    if (error != NULL) {
        die("no channel: %s", parley_error_message(error));
    }
    for (size_t i = 0; i < 3; i++) {
        if (paths[i][0] != '\0') {
            (void)unlink(paths[i]);
        }
    }
    return channel;
}

/* ---- the call ---- */

static void add_metadata(void *context, const char *key, const void *value, size_t len)
{
    size_t key_len = strlen(key);
    bool is_bin = key_len > 4 && strcmp(key + key_len - 4, "-bin") == 0;
    if ((is_bin ? parley_metadata_add_bin(context, key, value, len)
                : parley_metadata_add(context, key, value)) != 0) {
        die("the header %s cannot be sent", key);
    }
}

static ProtobufCMessage *request_of(const struct order *order, size_t i)
{
    const Google__Protobuf__Any *any = order->request->request_messages[i];
    const char *name = strrchr(any->type_url, '/');
    if (name == NULL || strcmp(name + 1, order->method->request->name) != 0) {
        die("%s is not of the type of %s", any->type_url, order->method->path);
    }
    ProtobufCMessage *message =
        protobuf_c_message_unpack(order->method->request, NULL, any->value.len, any->value.data);
    if (message == NULL) {
        die("a request of %s cannot be decoded", order->request->test_name);
    }
    return message;
}

static void cancel_once(struct order *order)
{
    if (!order->is_cancelled) {
        order->is_cancelled = true;
        probe_cancel(order->probe);
    }
}

/* @return false: no more */
static bool read_one(struct order *order)
{
    ProtobufCMessage *response = probe_read(order->probe);
    if (response == NULL) {
        return false;
    }
    if (order->response_count == PAYLOADS_MAX) {
        die("more responses than the suite has ever asked for");
    }
    order->responses[order->response_count++] = response;
    if ((int64_t)order->response_count == order->cancel_after_responses) {
        cancel_once(order);
    }
    return true;
}

static void start(struct order *order, parley_channel *channel)
{
    const CONFORMANCE(ClientCompatRequest) *request = order->request;
    parley_metadata *metadata = parley_metadata_new();
    ProtobufCMessage *first = NULL;
    if (metadata == NULL) {
        die("out of memory");
    }
    suite_each_value(request->request_headers, request->n_request_headers, add_metadata, metadata);
    const parley_call_options options = {
        .size = sizeof(options),
        .timeout_ms = request->has_timeout_ms_case != 0 ? (int64_t)request->timeout_ms : 0,
        .metadata = metadata,
        .compress =
            request->compression == CONNECTRPC__CONFORMANCE__V1__COMPRESSION__COMPRESSION_GZIP,
    };
    if (!order->method->client_streaming) {
        first = request_of(order, 0);
    }
    order->probe = probe_start(channel, order->method, &options, first);
    if (first != NULL) {
        protobuf_c_message_free_unpacked(first, NULL);
    }
    parley_metadata_free(metadata);
}

/* @return how many requests could not be sent. */
static size_t send_requests(struct order *order)
{
    const CONFORMANCE(ClientCompatRequest) *request = order->request;
    bool is_full_duplex =
        request->stream_type ==
        CONNECTRPC__CONFORMANCE__V1__STREAM_TYPE__STREAM_TYPE_FULL_DUPLEX_BIDI_STREAM;
    for (size_t i = 0; order->method->client_streaming && i < request->n_request_messages; i++) {
        ProtobufCMessage *message = request_of(order, i);
        sleep_ms(request->request_delay_ms);
        bool is_sent = probe_write(order->probe, message) == 0;
        protobuf_c_message_free_unpacked(message, NULL);
        if (!is_sent || (is_full_duplex && !read_one(order))) {
            return request->n_request_messages - i - (is_sent ? 1 : 0);
        }
    }
    return 0;
}

/* What the order says of cancelling besides the count of responses. */
static void end_requests(struct order *order)
{
    const CONFORMANCE(ClientCompatRequest__Cancel) *cancel = order->request->cancel;
    if (cancel != NULL &&
        cancel->cancel_timing_case ==
            CONNECTRPC__CONFORMANCE__V1__CLIENT_COMPAT_REQUEST__CANCEL__CANCEL_TIMING_BEFORE_CLOSE_SEND) {
        cancel_once(order);
    }
    if (order->method->client_streaming) {
        probe_writes_done(order->probe);
    }
    if (cancel != NULL &&
        (cancel->cancel_timing_case ==
             CONNECTRPC__CONFORMANCE__V1__CLIENT_COMPAT_REQUEST__CANCEL__CANCEL_TIMING__NOT_SET ||
         cancel->cancel_timing_case ==
             CONNECTRPC__CONFORMANCE__V1__CLIENT_COMPAT_REQUEST__CANCEL__CANCEL_TIMING_AFTER_CLOSE_SEND_MS)) {
        sleep_ms(cancel->cancel_timing_case != 0 ? cancel->after_close_send_ms : 0);
        cancel_once(order);
    }
}

/* ---- what was seen ---- */

/* The payload is the first field of every response that can have one; NULL: it cannot. */
static CONFORMANCE(ConformancePayload) *
    payload_of(struct order *order, const ProtobufCMessage *response)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field(response->descriptor, 1);
    if (field == NULL) {
        return NULL;
    }
    CONFORMANCE(ConformancePayload) *payload = *(CONFORMANCE(
        ConformancePayload) *const *)(const void *)((const char *)response + field->offset);
    if (payload == NULL) {
        payload = suite_alloc(&order->arena, sizeof(*payload));
        CONFORMANCE_FUNC(conformance_payload__init)(payload);
    }
    return payload;
}

static void tell_error(struct order *order, CONFORMANCE(Error) * error)
{
    size_t len = 0;
    const char *message = probe_message(order->probe);
    const uint8_t *details = probe_details(order->probe, &len);
    CONFORMANCE_FUNC(error__init)(error);
    error->code = (CONFORMANCE(Code))probe_code(order->probe);
    error->has_message_case = CONNECTRPC__CONFORMANCE__V1__ERROR__HAS_MESSAGE_MESSAGE;
    error->message = suite_alloc(&order->arena, strlen(message) + 1);
    memcpy(error->message, message, strlen(message));
    Interop__RpcStatus *status =
        details != NULL ? interop__rpc_status__unpack(NULL, len, details) : NULL;
    if (status == NULL) {
        return;
    }
    error->n_details = status->n_details;
    error->details = suite_alloc(&order->arena, (len + 1) * sizeof(*error->details));
    for (size_t i = 0; i < status->n_details; i++) {
        const Google__Protobuf__Any *from = status->details[i];
        Google__Protobuf__Any *to = suite_alloc(&order->arena, sizeof(*to));
        google__protobuf__any__init(to);
        to->type_url = suite_alloc(&order->arena, strlen(from->type_url) + 1);
        memcpy(to->type_url, from->type_url, strlen(from->type_url));
        to->value.len = from->value.len;
        to->value.data = suite_alloc(&order->arena, from->value.len + 1);
        memcpy(to->value.data, from->value.data, from->value.len);
        error->details[i] = to;
    }
    interop__rpc_status__free_unpacked(status, NULL);
}

static void tell(struct order *order, size_t unsent)
{
    CONFORMANCE(ClientCompatResponse)
    answer = CONNECTRPC__CONFORMANCE__V1__CLIENT_COMPAT_RESPONSE__INIT;
    CONFORMANCE(ClientResponseResult)
    result = CONNECTRPC__CONFORMANCE__V1__CLIENT_RESPONSE_RESULT__INIT;
    CONFORMANCE(Error) error;
    CONFORMANCE(ConformancePayload) * payloads[PAYLOADS_MAX];
    bool is_ok = probe_code(order->probe) == PARLEY_OK;
    result.payloads = payloads;
    /* Of a call for one response a failure leaves nothing. */
    for (size_t i = 0; i < order->response_count && (is_ok || order->method->server_streaming);
         i++) {
        payloads[result.n_payloads] = payload_of(order, order->responses[i]);
        result.n_payloads += payloads[result.n_payloads] != NULL ? 1 : 0;
    }
    result.response_headers =
        suite_headers(&order->arena, probe_headers(order->probe), &result.n_response_headers);
    result.response_trailers =
        suite_headers(&order->arena, probe_trailers(order->probe), &result.n_response_trailers);
    if (!is_ok) {
        tell_error(order, &error);
        result.error = &error;
    }
    result.num_unsent_requests = (int32_t)unsent;
    answer.test_name = order->request->test_name;
    answer.result_case = CONNECTRPC__CONFORMANCE__V1__CLIENT_COMPAT_RESPONSE__RESULT_RESPONSE;
    answer.response = &result;
    suite_write(&answer.base);
}

static const parley_method *method_of(const CONFORMANCE(ClientCompatRequest) * request)
{
    for (size_t i = 0; i < connectrpc_conformance_v1_ConformanceService_M_COUNT; i++) {
        const parley_method *method = &connectrpc_conformance_v1_ConformanceService_methods[i];
        if (request->has_method_case != 0 && strcmp(method->name, request->method) == 0) {
            return method;
        }
    }
    die("%s: no such method", request->test_name);
}

static int64_t responses_until_cancel(const CONFORMANCE(ClientCompatRequest) * request)
{
    return request->cancel != NULL &&
                   request->cancel->cancel_timing_case ==
                       CONNECTRPC__CONFORMANCE__V1__CLIENT_COMPAT_REQUEST__CANCEL__CANCEL_TIMING_AFTER_NUM_RESPONSES
               ? (int64_t)request->cancel->after_num_responses
               : NEVER;
}

static void carry_out(const CONFORMANCE(ClientCompatRequest) * request)
{
    struct order order = {.request = request,
                          .method = method_of(request),
                          .cancel_after_responses = responses_until_cancel(request)};
    parley_channel *channel = open_channel(request);
    pl_arena_init(&order.arena, NULL, 0, 0);
    start(&order, channel);
    size_t unsent = send_requests(&order);
    end_requests(&order);
    while (read_one(&order)) {
    }
    probe_wait_done(order.probe);
    tell(&order, unsent);
    for (size_t i = 0; i < order.response_count; i++) {
        parley_message_free(order.responses[i]);
    }
    probe_free(order.probe);
    parley_channel_free(channel);
    pl_arena_deinit(&order.arena);
}

static void *carry_out_all(void *context)
{
    ProtobufCMessage *request;
    while ((request = suite_read(&CONFORMANCE_FUNC(client_compat_request__descriptor))) != NULL) {
        carry_out((const CONFORMANCE(ClientCompatRequest) *)request);
        protobuf_c_message_free_unpacked(request, NULL);
    }
    return context;
}

int main(void)
{
    pthread_t threads[CALLS_MAX];
    for (int i = 0; i < CALLS_MAX; i++) {
        if (pthread_create(&threads[i], NULL, carry_out_all, NULL) != 0) {
            die("no thread for calls");
        }
    }
    for (int i = 0; i < CALLS_MAX; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    return 0;
}
