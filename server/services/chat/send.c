/* SPDX-License-Identifier: Apache-2.0 */
/* The Send method: one durable message. Thread: the call's loop. */
#include "chat/chat_impl.h"
#include "chat/validate.h"

#include "base/id.h"
#include "call/call.h"

#include <string.h>

size_t chat_append_bytes(const Parley__V1__SendRequest *request)
{
    return strlen(request->conversation_id) + strlen(request->client_message_id) +
           strlen(request->content_type) + request->body.len + PL_ID_MAX;
}

void chat_fill_append(struct store_call *pending, const char *sender,
                      const Parley__V1__SendRequest *request)
{
    struct store_append *append = &pending->store.append;
    const char *type = request->content_type[0] != '\0' ? request->content_type : CHAT_TEXT_PLAIN;
    append->conversation_id = store_call_keep_text(pending, request->conversation_id);
    append->sender = store_call_keep_text(pending, sender);
    append->client_message_id = store_call_keep_text(pending, request->client_message_id);
    append->content_type = store_call_keep_text(pending, type);
    append->body = store_call_keep(pending, request->body.data, request->body.len);
}

static void reply(struct store_call *pending)
{
    Parley__V1__SendResponse response = PARLEY__V1__SEND_RESPONSE__INIT;
    response.seq = pending->store.append.seq;
    response.created_at_ms = pending->store.append.created_at_ms;
    parley_server_call_reply(pending->call, &response.base);
}

void chat_on_send(parley_v1_ChatService_srv_Send_call *call, const Parley__V1__SendRequest *request,
                  void *service)
{
    struct chat *chat = service;
    parley_server_call *base = parley_v1_ChatService_srv_Send_base(call);
    struct pl_error err = PL_ERROR_INIT;
    const char *sender = chat_caller(base);
    if (sender == NULL) {
        return;
    }
    if (chat_check_send(request, &err) != PARLEY_OK) {
        call_fail(base, &err, true);
        return;
    }
    struct store_call *pending = unary_new(base, chat_append_bytes(request), reply);
    if (pending != NULL) {
        chat_fill_append(pending, sender, request);
        store_call_submit(pending, chat->store, STORE_OP_APPEND);
    }
}

void chat_on_send_done(parley_v1_ChatService_srv_Send_call *call, void *service)
{
    (void)service;
    unary_done(parley_v1_ChatService_srv_Send_base(call));
}
