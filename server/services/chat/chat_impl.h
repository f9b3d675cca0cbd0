/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_CHAT_CHAT_IMPL_H
#define PARLEY_CHAT_CHAT_IMPL_H

/* The handlers of both services, one file for each group; for this folder only. All are @thread
 * loop; `service` is the struct chat. */

#include "chat/chat.h"
#include "chat/store_call.h"
#include "chat/unary.h"

#include "parley/v1/chat_service.server.parley.h"
#include "parley/v1/conversation_service.server.parley.h"

struct chat {
    struct store *store;
    struct hub *hub;
};

/* send.c */
void chat_on_send(parley_v1_ChatService_srv_Send_call *call, const Parley__V1__SendRequest *request,
                  void *service);
void chat_on_send_done(parley_v1_ChatService_srv_Send_call *call, void *service);
/* What the inputs of an append take, and the filling of it from a checked request. */
size_t chat_append_bytes(const Parley__V1__SendRequest *request);
void chat_fill_append(struct store_call *pending, const char *sender,
                      const Parley__V1__SendRequest *request);

/* send_stream.c */
void chat_on_stream_open(parley_v1_ChatService_srv_SendStream_call *call, void *service);
void chat_on_stream_message(parley_v1_ChatService_srv_SendStream_call *call,
                            const Parley__V1__SendStreamRequest *request, void *service);
void chat_on_stream_half_close(parley_v1_ChatService_srv_SendStream_call *call, void *service);
void chat_on_stream_writable(parley_v1_ChatService_srv_SendStream_call *call, void *service);
void chat_on_stream_done(parley_v1_ChatService_srv_SendStream_call *call, void *service);

/* history.c */
void chat_on_history(parley_v1_ChatService_srv_History_call *call,
                     const Parley__V1__HistoryRequest *request, void *service);
void chat_on_history_writable(parley_v1_ChatService_srv_History_call *call, void *service);
void chat_on_history_done(parley_v1_ChatService_srv_History_call *call, void *service);

/* subscribe.c */
void chat_on_subscribe(parley_v1_ChatService_srv_Subscribe_call *call,
                       const Parley__V1__SubscribeRequest *request, void *service);
void chat_on_subscribe_writable(parley_v1_ChatService_srv_Subscribe_call *call, void *service);
void chat_on_subscribe_done(parley_v1_ChatService_srv_Subscribe_call *call, void *service);

/* conversations.c */
void chat_on_create(parley_v1_ConversationService_srv_CreateConversation_call *call,
                    const Parley__V1__CreateConversationRequest *request, void *service);
void chat_on_create_done(parley_v1_ConversationService_srv_CreateConversation_call *call,
                         void *service);
void chat_on_get(parley_v1_ConversationService_srv_GetConversation_call *call,
                 const Parley__V1__GetConversationRequest *request, void *service);
void chat_on_get_done(parley_v1_ConversationService_srv_GetConversation_call *call, void *service);
void chat_on_list(parley_v1_ConversationService_srv_ListConversations_call *call,
                  const Parley__V1__ListConversationsRequest *request, void *service);
void chat_on_list_done(parley_v1_ConversationService_srv_ListConversations_call *call,
                       void *service);
void chat_on_set_retention(parley_v1_ConversationService_srv_SetRetention_call *call,
                           const Parley__V1__SetRetentionRequest *request, void *service);
void chat_on_set_retention_done(parley_v1_ConversationService_srv_SetRetention_call *call,
                                void *service);

/* members.c */
void chat_on_add(parley_v1_ConversationService_srv_AddMembers_call *call,
                 const Parley__V1__AddMembersRequest *request, void *service);
void chat_on_add_done(parley_v1_ConversationService_srv_AddMembers_call *call, void *service);
void chat_on_remove(parley_v1_ConversationService_srv_RemoveMembers_call *call,
                    const Parley__V1__RemoveMembersRequest *request, void *service);
void chat_on_remove_done(parley_v1_ConversationService_srv_RemoveMembers_call *call, void *service);
void chat_on_leave(parley_v1_ConversationService_srv_LeaveConversation_call *call,
                   const Parley__V1__LeaveConversationRequest *request, void *service);
void chat_on_leave_done(parley_v1_ConversationService_srv_LeaveConversation_call *call,
                        void *service);
void chat_on_members(parley_v1_ConversationService_srv_ListMembers_call *call,
                     const Parley__V1__ListMembersRequest *request, void *service);
void chat_on_members_done(parley_v1_ConversationService_srv_ListMembers_call *call, void *service);

#endif /* PARLEY_CHAT_CHAT_IMPL_H */
