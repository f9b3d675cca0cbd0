/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a call: what the transport's events make of it. Thread: its loop.
 *
 *   open -> refused (no such method, an interceptor, the deadline)  ----------------> close
 *        -> waiting for the one request -> dispatched at half-close -> answered ----> close
 *        -> dispatched (client streaming): message* -> half-close -> answered ------> close
 *
 * `done` of the handler comes at the close, if it was dispatched. A method that takes one message
 * is not run before the client's half-close, since a second message makes the call invalid and an
 * answer that is out cannot be taken back (R10). */
#include "call/call_impl.h"

#include "base/clock.h"
#include "base/text.h"
#include "wire/pb.h"

#include <string.h>

#define NS_PER_MS 1000000

static void count_opened(const struct method_entry *entry)
{
    if (entry->metrics.by_code != NULL) {
        pl_metric_add(entry->metrics.active, 1);
    }
}

static void count_closed(const parley_server_call *call)
{
    const struct method_metrics *metrics = &call->entry->metrics;
    if (metrics->by_code == NULL) {
        return;
    }
    pl_metric_add(metrics->active, -1);
    pl_metric_add(&metrics->by_code[call->code], 1);
    if (metrics->latency != NULL) {
        pl_metric_observe_us(metrics->latency, (pl_clock_monotonic_ns() - call->opened_ns) / 1000);
    }
}

static void on_deadline(struct pl_loop *loop, struct pl_timer *timer)
{
    (void)loop;
    parley_server_call *call = PL_CONTAINER_OF(timer, parley_server_call, deadline);
    if (call->is_over || call->ops->queued_bytes(call->stream) > 0) {
        /* The client does not read: no status would get through to it. */
        call_break_off(call, PARLEY_DEADLINE_EXCEEDED);
    } else {
        call_end_text(call, PARLEY_DEADLINE_EXCEEDED, "deadline exceeded");
    }
}

/* @return false: it is over already. */
static bool start_deadline(parley_server_call *call, int64_t timeout_ns)
{
    call->deadline_ms = INT64_MAX;
    if (timeout_ns == INT64_MAX) {
        return true;
    }
    if (timeout_ns <= 0) {
        call_end_text(call, PARLEY_DEADLINE_EXCEEDED, "deadline exceeded");
        return false;
    }
    int64_t delay_ms = timeout_ns / NS_PER_MS + (timeout_ns % NS_PER_MS != 0);
    call->deadline_ms = pl_loop_now_ms(call->lane->loop) + delay_ms;
    call->deadline.fire = on_deadline;
    if (pl_timer_start(call->lane->loop, &call->deadline, delay_ms) != 0) {
        call_end_text(call, PARLEY_RESOURCE_EXHAUSTED, "out of memory");
        return false;
    }
    return true;
}

static bool pass_interceptors(parley_server_call *call)
{
    const parley_server *server = call->lane->server;
    for (size_t i = 0; i < server->interceptor_count; i++) {
        const struct interceptor *interceptor = &server->interceptors[i];
        if (interceptor->on_open != NULL) {
            struct pl_error err = PL_ERROR_INIT;
            enum parley_code code = interceptor->on_open(interceptor->context, call, &err);
            if (code != PARLEY_OK) {
                err.code = code;
                call_fail(call, &err, true);
                return false;
            }
        }
        call->interceptor_count++;
    }
    return !call->is_over;
}

static void refuse_unknown(parley_server_call *call, const struct call_opening *opening)
{
    char text[256];
    int shown = opening->path_len < 200 ? (int)opening->path_len : 200;
    (void)pl_text_format(text, sizeof(text), "unknown method %.*s", shown, opening->path);
    call_end_text(call, PARLEY_UNIMPLEMENTED, text);
}

static void begin(parley_server_call *call, const struct call_opening *opening)
{
    const struct method_entry *entry = call->entry;
    if (entry == NULL || !entry->dispatch.is_handled) {
        refuse_unknown(call, opening);
        return;
    }
    if (!start_deadline(call, opening->timeout_ns) || !pass_interceptors(call)) {
        return;
    }
    if (!entry->method->client_streaming) {
        call_wait_for_request(call);
        return;
    }
    call->is_dispatched = true;
    if (entry->dispatch.open != NULL) {
        entry->dispatch.open(call, entry->handlers, entry->service);
    }
}

parley_server_call *call_open(struct call_lane *lane, const struct call_opening *opening)
{
    parley_server_call *call = pl_arena_calloc(opening->arena, sizeof(*call));
    if (call == NULL) {
        return NULL;
    }
    call->lane = lane;
    call->ops = opening->ops;
    call->stream = opening->stream;
    call->slots = opening->slots;
    call->arena = opening->arena;
    call->metadata = opening->metadata;
    call->peer = opening->peer;
    call->peer_identity = opening->peer_identity;
    call->deadline_ms = INT64_MAX;
    call->opened_ns = pl_clock_monotonic_ns();
    call->entry = server_find(lane->server, opening->path, opening->path_len);
    pl_list_push(&lane->calls, &call->node);
    lane->count++;
    if (call->entry != NULL) {
        count_opened(call->entry);
    }
    begin(call, opening);
    return call;
}

/* R15: what cannot be parsed is INTERNAL, as every gRPC server says. If the client announced an
 * encoding that we do not speak, that is why, whatever the message's flag claims (C2). */
static ProtobufCMessage *decode(parley_server_call *call, struct pl_arena *arena,
                                const uint8_t *data, size_t len)
{
    ProtobufCMessage *message = NULL;
    struct pl_error err = PL_ERROR_INIT;
    enum parley_code code =
        pl_pb_decode(call->entry->method->request, data, len, arena, NULL, &message, &err);
    if (code != PARLEY_OK) {
        bool is_encoded =
            call->ops->is_encoding_known != NULL && !call->ops->is_encoding_known(call->stream);
        call_end_text(call, is_encoded ? PARLEY_UNIMPLEMENTED : code,
                      is_encoded ? "grpc: message encoding is not supported" : err.text);
        return NULL;
    }
    return message;
}

/* A stream's messages come and go while its arena only grows, so they live in the lane's scratch
 * memory; a message inside the event of another (a transport within the process) lives in the
 * call's. */
static void on_stream_message(parley_server_call *call, const uint8_t *data, size_t len)
{
    struct call_lane *lane = call->lane;
    const struct method_entry *entry = call->entry;
    bool is_nested = lane->is_scratch_taken;
    struct pl_arena *arena = is_nested ? call->arena : &lane->scratch;
    lane->is_scratch_taken = true;
    const ProtobufCMessage *message = decode(call, arena, data, len);
    if (message != NULL && entry->dispatch.message != NULL) {
        entry->dispatch.message(call, message, entry->handlers, entry->service);
    }
    if (!is_nested) {
        lane->is_scratch_taken = false;
        pl_arena_reset(arena);
    }
}

static void take_request(parley_server_call *call, const uint8_t *data, size_t len)
{
    if (!call_may_take_request(call)) {
        return;
    }
    size_t before = pl_arena_used(call->arena);
    call->request = decode(call, call->arena, data, len);
    call_count_request(call, pl_arena_used(call->arena) - before);
}

void call_on_message(parley_server_call *call, const uint8_t *data, size_t len)
{
    if (call->is_over) {
        return;
    }
    call->is_compressed =
        call->ops->is_message_compressed != NULL && call->ops->is_message_compressed(call->stream);
    if (call->entry->method->client_streaming) {
        on_stream_message(call, data, len);
    } else if (call->request != NULL) {
        call_end_text(call, PARLEY_UNIMPLEMENTED, "more than one message for a unary request");
    } else {
        take_request(call, data, len);
    }
}

void call_on_half_close(parley_server_call *call)
{
    if (call->is_over) {
        return;
    }
    const struct method_entry *entry = call->entry;
    if (entry->method->client_streaming) {
        if (entry->dispatch.half_close != NULL) {
            entry->dispatch.half_close(call, entry->handlers, entry->service);
        }
        return;
    }
    pl_list_remove(&call->waiting_node);
    if (call->request == NULL) {
        call_end_text(call, PARLEY_UNIMPLEMENTED, "no message for a unary request");
        return;
    }
    call->is_dispatched = true;
    if (entry->dispatch.open != NULL) {
        entry->dispatch.open(call, entry->handlers, entry->service);
    }
    if (!call->is_over && entry->dispatch.message != NULL) {
        entry->dispatch.message(call, call->request, entry->handlers, entry->service);
    }
}

void call_on_writable(parley_server_call *call)
{
    const struct method_entry *entry = call->entry;
    if (!call->is_over && call->is_dispatched && entry->dispatch.writable != NULL) {
        entry->dispatch.writable(call, entry->handlers, entry->service);
    }
}

void call_on_leaving(parley_server_call *call)
{
    if (!call->is_over && call->tell_leaving != NULL) {
        call->tell_leaving(call);
    }
}

void call_on_close(parley_server_call *call, enum parley_code code)
{
    struct call_lane *lane = call->lane;
    if (!call->is_over) {
        call->is_over = true;
        call->code = (uint8_t)(code != PARLEY_OK ? code : PARLEY_CANCELLED);
    }
    pl_timer_stop(lane->loop, &call->deadline);
    pl_list_remove(&call->waiting_node);
    pl_list_remove(&call->node);
    lane->count--;
    call_uncount_request(call);
    const struct method_entry *entry = call->entry;
    if (call->is_dispatched && entry->dispatch.done != NULL) {
        entry->dispatch.done(call, entry->handlers, entry->service);
    }
    for (size_t i = call->interceptor_count; i > 0; i--) {
        const struct interceptor *interceptor = &lane->server->interceptors[i - 1];
        if (interceptor->on_done != NULL) {
            interceptor->on_done(interceptor->context, call, (enum parley_code)call->code);
        }
    }
    if (entry != NULL) {
        count_closed(call);
    }
    parley_metadata_free(call->headers);
    parley_metadata_free(call->trailers);
}
