/* SPDX-License-Identifier: Apache-2.0 */
/* The SendStream method: sends are passed to the store as they come and answered in the order in
 * which they came, whether they succeed or not. One that is done waits in the list for those before
 * it, since the store may answer failures out of turn. What waits is bounded: over the budget, or
 * while the client does not read its answers, the stream is not read. Thread: the call's loop. */
#include "chat/chat_impl.h"
#include "chat/failure.h"
#include "chat/validate.h"

#include "call/call.h"

#include <string.h>

/* Memory of the sends of one stream: about 1,000 short messages, or 15 of the longest. */
#define STREAM_BYTES_MAX (1024 * 1024)

/* Lives in the call's arena; the call's user. */
struct send_stream {
    struct chat *chat;
    parley_server_call *call;
    const char *sender;
    struct pl_list sends; /* of store_call, the oldest first */
    size_t bytes;
    bool is_half_closed;
    bool is_paused;
    bool is_full; /* no room for answers until `writable` */
};

static size_t cost(const struct store_call *pending)
{
    const struct store_append *append = &pending->store.append;
    return sizeof(*pending) + append->conversation_id.len + append->client_message_id.len +
           append->body.len;
}

static void control_flow(struct send_stream *stream)
{
    size_t max = stream->is_paused ? STREAM_BYTES_MAX / 2 : STREAM_BYTES_MAX;
    bool is_paused = stream->is_full || stream->bytes > max;
    if (is_paused != stream->is_paused) {
        stream->is_paused = is_paused;
        parley_server_call_pause(stream->call, is_paused);
    }
}

static void set_error(Parley__V1__SendError *error, const parley_server_call *call,
                      const struct pl_error *err)
{
    bool is_limit = err->code == PARLEY_INVALID_ARGUMENT;
    /* protobuf-c has no const strings, and does not write to them. */
    error->code = (int32_t)err->code;
    error->message = (char *)(uintptr_t)(is_limit ? err->text : chat_failure_text(call, err));
    error->field = (char *)(uintptr_t)(is_limit ? err->field : "");
    error->retry_after_ms = err->retry_after_ms;
}

static void answer(struct send_stream *stream, const struct store_call *pending)
{
    const struct store_append *append = &pending->store.append;
    Parley__V1__SendStreamResponse response = PARLEY__V1__SEND_STREAM_RESPONSE__INIT;
    Parley__V1__SendResponse sent = PARLEY__V1__SEND_RESPONSE__INIT;
    Parley__V1__SendError error = PARLEY__V1__SEND_ERROR__INIT;
    response.conversation_id = (char *)(uintptr_t)append->conversation_id.data;
    response.client_message_id = (char *)(uintptr_t)append->client_message_id.data;
    if (append->request.error.code == PARLEY_OK) {
        sent.seq = append->seq;
        sent.created_at_ms = append->created_at_ms;
        response.result_case = PARLEY__V1__SEND_STREAM_RESPONSE__RESULT_SENT;
        response.sent = &sent;
    } else {
        set_error(&error, stream->call, &append->request.error);
        response.result_case = PARLEY__V1__SEND_STREAM_RESPONSE__RESULT_ERROR;
        response.error = &error;
    }
    if (parley_server_call_send(stream->call, &response.base) == 1) {
        stream->is_full = true;
    }
}

/* Answer what is done, up to the first that is not. */
static void settle(struct send_stream *stream)
{
    while (!pl_list_is_empty(&stream->sends)) {
        struct store_call *first = PL_LIST_ENTRY(stream->sends.next, struct store_call, node);
        if (!first->is_done) {
            break;
        }
        pl_list_remove(&first->node);
        stream->bytes -= cost(first);
        answer(stream, first);
        store_call_free(first);
    }
    if (stream->is_half_closed && pl_list_is_empty(&stream->sends)) {
        parley_server_call_finish(stream->call, PARLEY_OK, NULL);
        return;
    }
    control_flow(stream);
}

static void on_done(struct store_call *pending)
{
    if (pending->call != NULL) {
        settle(parley_server_call_user(pending->call));
    } else {
        store_call_free(pending);
    }
}

static enum parley_code check(const Parley__V1__SendStreamRequest *request, struct pl_error *err)
{
    return request->send != NULL ? chat_check_send(request->send, err)
                                 : pl_fail_field(err, "send", "is missing");
}

static void add(struct send_stream *stream, struct store_call *pending)
{
    pl_list_push(&stream->sends, &pending->node);
    stream->bytes += cost(pending);
}

/* Takes its place in the order of the answers, without going to the store. */
static void refuse(struct send_stream *stream, struct store_call *pending,
                   const Parley__V1__SendRequest *request, const struct pl_error *err)
{
    struct store_append *append = &pending->store.append;
    append->conversation_id = store_call_keep_text(pending, request->conversation_id);
    append->client_message_id = store_call_keep_text(pending, request->client_message_id);
    append->request.error = *err;
    pending->is_done = true;
    add(stream, pending);
    settle(stream);
}

static void accept(struct send_stream *stream, struct store_call *pending,
                   const Parley__V1__SendRequest *request)
{
    chat_fill_append(pending, stream->sender, request);
    add(stream, pending);
    store_call_submit(pending, stream->chat->store, STORE_OP_APPEND);
    control_flow(stream);
}

void chat_on_stream_open(parley_v1_ChatService_srv_SendStream_call *call, void *service)
{
    parley_server_call *base = parley_v1_ChatService_srv_SendStream_base(call);
    const char *sender = chat_caller(base);
    if (sender == NULL) {
        return;
    }
    struct send_stream *stream = pl_arena_calloc(call_arena(base), sizeof(*stream));
    if (stream == NULL) {
        chat_fail_memory(base);
        return;
    }
    stream->chat = service;
    stream->call = base;
    stream->sender = sender;
    pl_list_init(&stream->sends);
    parley_server_call_set_user(base, stream);
}

void chat_on_stream_message(parley_v1_ChatService_srv_SendStream_call *call,
                            const Parley__V1__SendStreamRequest *request, void *service)
{
    (void)service;
    static const Parley__V1__SendRequest nothing = PARLEY__V1__SEND_REQUEST__INIT;
    parley_server_call *base = parley_v1_ChatService_srv_SendStream_base(call);
    struct send_stream *stream = parley_server_call_user(base);
    const Parley__V1__SendRequest *send = request->send != NULL ? request->send : &nothing;
    struct pl_error err = PL_ERROR_INIT;
    enum parley_code code = check(request, &err);
    struct store_call *pending = store_call_new(base, chat_append_bytes(send), on_done);
    if (pending == NULL) {
        chat_fail_memory(base);
    } else if (code != PARLEY_OK) {
        refuse(stream, pending, send, &err);
    } else {
        accept(stream, pending, send);
    }
}

void chat_on_stream_half_close(parley_v1_ChatService_srv_SendStream_call *call, void *service)
{
    (void)service;
    struct send_stream *stream =
        parley_server_call_user(parley_v1_ChatService_srv_SendStream_base(call));
    stream->is_half_closed = true;
    settle(stream);
}

void chat_on_stream_writable(parley_v1_ChatService_srv_SendStream_call *call, void *service)
{
    (void)service;
    struct send_stream *stream =
        parley_server_call_user(parley_v1_ChatService_srv_SendStream_base(call));
    stream->is_full = false;
    control_flow(stream);
}

void chat_on_stream_done(parley_v1_ChatService_srv_SendStream_call *call, void *service)
{
    (void)service;
    struct send_stream *stream =
        parley_server_call_user(parley_v1_ChatService_srv_SendStream_base(call));
    if (stream == NULL) {
        return;
    }
    struct store_call *newest = NULL;
    PL_LIST_FOREACH_SAFE (node, following, &stream->sends) {
        struct store_call *pending = PL_LIST_ENTRY(node, struct store_call, node);
        pl_list_remove(&pending->node);
        if (pending->is_done) {
            store_call_free(pending);
        } else {
            pending->call = NULL;
            newest = pending;
        }
    }
    if (newest != NULL) {
        newest->call = stream->call;
        store_call_orphan(newest);
    }
}
