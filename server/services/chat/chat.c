/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of handlers of both services. */
#include "chat/chat_impl.h"

#include "base/mem.h"

static const parley_v1_ChatService_handlers chat_handlers = {
    .Send = chat_on_send,
    .Send_done = chat_on_send_done,
    .SendStream_open = chat_on_stream_open,
    .SendStream_message = chat_on_stream_message,
    .SendStream_half_close = chat_on_stream_half_close,
    .SendStream_writable = chat_on_stream_writable,
    .SendStream_done = chat_on_stream_done,
    .Subscribe = chat_on_subscribe,
    .Subscribe_writable = chat_on_subscribe_writable,
    .Subscribe_done = chat_on_subscribe_done,
    .History = chat_on_history,
    .History_writable = chat_on_history_writable,
    .History_done = chat_on_history_done,
};

static const parley_v1_ConversationService_handlers conversation_handlers = {
    .CreateConversation = chat_on_create,
    .CreateConversation_done = chat_on_create_done,
    .GetConversation = chat_on_get,
    .GetConversation_done = chat_on_get_done,
    .ListConversations = chat_on_list,
    .ListConversations_done = chat_on_list_done,
    .AddMembers = chat_on_add,
    .AddMembers_done = chat_on_add_done,
    .RemoveMembers = chat_on_remove,
    .RemoveMembers_done = chat_on_remove_done,
    .LeaveConversation = chat_on_leave,
    .LeaveConversation_done = chat_on_leave_done,
    .SetRetention = chat_on_set_retention,
    .SetRetention_done = chat_on_set_retention_done,
    .ListMembers = chat_on_members,
    .ListMembers_done = chat_on_members_done,
};

enum parley_code chat_new(parley_server *server, struct store *store, struct hub *hub,
                          struct chat **chat, struct pl_error *err)
{
    struct chat *made = pl_calloc(1, sizeof(*made));
    if (made == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for the chat services");
    }
    made->store = store;
    made->hub = hub;
    if (parley_v1_ChatService_register(server, &chat_handlers, made) != 0 ||
        parley_v1_ConversationService_register(server, &conversation_handlers, made) != 0) {
        chat_free(made);
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "cannot register the chat services");
    }
    *chat = made;
    return PARLEY_OK;
}

void chat_free(struct chat *chat)
{
    pl_free(chat);
}
