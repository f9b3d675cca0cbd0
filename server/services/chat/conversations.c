/* SPDX-License-Identifier: Apache-2.0 */
/* CreateConversation, GetConversation, ListConversations and SetRetention. Thread: the call's loop.
 */
#include "chat/chat_impl.h"
#include "chat/encode.h"
#include "chat/failure.h"
#include "chat/validate.h"

#include "base/id.h"
#include "call/call.h"

#include <string.h>

/* ---- create ---- */

static enum parley_code check_create(const Parley__V1__CreateConversationRequest *request,
                                     struct store_retention *retention, struct pl_error *err)
{
    enum parley_code code = PARLEY_OK;
    if (request->conversation_id[0] != '\0') {
        code = chat_check_id("conversation_id", request->conversation_id, err);
    }
    if (code == PARLEY_OK) {
        code = chat_check_title(request->title, err);
    }
    if (code == PARLEY_OK) {
        code = chat_check_retention(request->retention, retention, err);
    }
    return code == PARLEY_OK
               ? chat_check_ids("member_ids", request->member_ids, request->n_member_ids, 0, err)
               : code;
}

static void fill_create(struct store_call *pending, const char *creator,
                        const Parley__V1__CreateConversationRequest *request)
{
    struct store_create *create = &pending->store.create;
    char made[PL_ID_MAX + 1];
    const char *id = request->conversation_id;
    if (id[0] == '\0') {
        pl_id_make(made);
        id = made;
    }
    create->conversation_id = store_call_keep_text(pending, id);
    create->title = store_call_keep_text(pending, request->title);
    create->creator = store_call_keep_text(pending, creator);
    create->members = store_call_keep_ids(pending, request->member_ids, request->n_member_ids);
    create->member_count = request->n_member_ids;
}

static void reply_create(struct store_call *pending)
{
    const struct store_create *create = &pending->store.create;
    Parley__V1__CreateConversationResponse response =
        PARLEY__V1__CREATE_CONVERSATION_RESPONSE__INIT;
    response.conversation = encode_conversation(&pending->inputs, &create->conversation);
    response.created = create->created;
    if (response.conversation == NULL) {
        chat_fail_memory(pending->call);
        return;
    }
    parley_server_call_reply(pending->call, &response.base);
}

void chat_on_create(parley_v1_ConversationService_srv_CreateConversation_call *call,
                    const Parley__V1__CreateConversationRequest *request, void *service)
{
    struct chat *chat = service;
    parley_server_call *base = parley_v1_ConversationService_srv_CreateConversation_base(call);
    struct pl_error err = PL_ERROR_INIT;
    const char *creator = chat_caller(base);
    if (creator == NULL) {
        return;
    }
    struct store_retention retention;
    if (check_create(request, &retention, &err) != PARLEY_OK) {
        call_fail(base, &err, true);
        return;
    }
    size_t bytes = strlen(request->title) + (size_t)2 * PL_ID_MAX +
                   store_call_ids_bytes(request->member_ids, request->n_member_ids);
    struct store_call *pending = unary_new(base, bytes, reply_create);
    if (pending != NULL) {
        fill_create(pending, creator, request);
        pending->store.create.retention = retention;
        store_call_submit(pending, chat->store, STORE_OP_CREATE);
    }
}

void chat_on_create_done(parley_v1_ConversationService_srv_CreateConversation_call *call,
                         void *service)
{
    (void)service;
    unary_done(parley_v1_ConversationService_srv_CreateConversation_base(call));
}

/* ---- get ---- */

static void reply_get(struct store_call *pending)
{
    Parley__V1__GetConversationResponse response = PARLEY__V1__GET_CONVERSATION_RESPONSE__INIT;
    response.conversation = encode_conversation(&pending->inputs, &pending->store.get.conversation);
    if (response.conversation == NULL) {
        chat_fail_memory(pending->call);
        return;
    }
    parley_server_call_reply(pending->call, &response.base);
}

void chat_on_get(parley_v1_ConversationService_srv_GetConversation_call *call,
                 const Parley__V1__GetConversationRequest *request, void *service)
{
    struct chat *chat = service;
    parley_server_call *base = parley_v1_ConversationService_srv_GetConversation_base(call);
    struct pl_error err = PL_ERROR_INIT;
    const char *user = chat_caller(base);
    if (user == NULL) {
        return;
    }
    if (chat_check_id("conversation_id", request->conversation_id, &err) != PARLEY_OK) {
        call_fail(base, &err, true);
        return;
    }
    struct store_call *pending = unary_new(base, (size_t)2 * PL_ID_MAX, reply_get);
    if (pending != NULL) {
        struct store_get *get = &pending->store.get;
        get->conversation_id = store_call_keep_text(pending, request->conversation_id);
        get->user = store_call_keep_text(pending, user);
        store_call_submit(pending, chat->store, STORE_OP_GET);
    }
}

void chat_on_get_done(parley_v1_ConversationService_srv_GetConversation_call *call, void *service)
{
    (void)service;
    unary_done(parley_v1_ConversationService_srv_GetConversation_base(call));
}

/* ---- list ---- */

static bool encode_page(struct pl_arena *arena, const struct store_list_conversations *list,
                        Parley__V1__ListConversationsResponse *response)
{
    response->conversations = pl_arena_alloc(arena, list->count * sizeof(*response->conversations));
    if (response->conversations == NULL) {
        return false;
    }
    for (size_t i = 0; i < list->count; i++) {
        response->conversations[i] = encode_conversation(arena, &list->conversations[i]);
        if (response->conversations[i] == NULL) {
            return false;
        }
        response->n_conversations++;
    }
    if (list->has_more && list->count > 0) {
        response->next_page_token = response->conversations[list->count - 1]->conversation_id;
    }
    return true;
}

static void reply_list(struct store_call *pending)
{
    Parley__V1__ListConversationsResponse response = PARLEY__V1__LIST_CONVERSATIONS_RESPONSE__INIT;
    if (!encode_page(&pending->inputs, &pending->store.conversations, &response)) {
        chat_fail_memory(pending->call);
        return;
    }
    parley_server_call_reply(pending->call, &response.base);
}

void chat_on_list(parley_v1_ConversationService_srv_ListConversations_call *call,
                  const Parley__V1__ListConversationsRequest *request, void *service)
{
    struct chat *chat = service;
    parley_server_call *base = parley_v1_ConversationService_srv_ListConversations_base(call);
    struct pl_error err = PL_ERROR_INIT;
    size_t limit = 0;
    const char *user = chat_caller(base);
    if (user == NULL) {
        return;
    }
    if (chat_check_page(request->page_size, request->page_token, &limit, &err) != PARLEY_OK) {
        call_fail(base, &err, true);
        return;
    }
    struct store_call *pending = unary_new(base, (size_t)2 * PL_ID_MAX, reply_list);
    if (pending != NULL) {
        struct store_list_conversations *list = &pending->store.conversations;
        list->user = store_call_keep_text(pending, user);
        list->after = store_call_keep_text(pending, request->page_token);
        list->limit = limit;
        store_call_submit(pending, chat->store, STORE_OP_LIST_CONVERSATIONS);
    }
}

void chat_on_list_done(parley_v1_ConversationService_srv_ListConversations_call *call,
                       void *service)
{
    (void)service;
    unary_done(parley_v1_ConversationService_srv_ListConversations_base(call));
}

/* ---- retention ---- */

static void reply_set_retention(struct store_call *pending)
{
    Parley__V1__SetRetentionResponse response = PARLEY__V1__SET_RETENTION_RESPONSE__INIT;
    parley_server_call_reply(pending->call, &response.base);
}

static enum parley_code check_set_retention(const Parley__V1__SetRetentionRequest *request,
                                            struct store_retention *retention, struct pl_error *err)
{
    enum parley_code code = chat_check_id("conversation_id", request->conversation_id, err);
    return code == PARLEY_OK ? chat_check_retention(request->retention, retention, err) : code;
}

void chat_on_set_retention(parley_v1_ConversationService_srv_SetRetention_call *call,
                           const Parley__V1__SetRetentionRequest *request, void *service)
{
    struct chat *chat = service;
    parley_server_call *base = parley_v1_ConversationService_srv_SetRetention_base(call);
    struct pl_error err = PL_ERROR_INIT;
    struct store_retention retention;
    const char *actor = chat_caller(base);
    if (actor == NULL) {
        return;
    }
    if (check_set_retention(request, &retention, &err) != PARLEY_OK) {
        call_fail(base, &err, true);
        return;
    }
    struct store_call *pending = unary_new(base, (size_t)2 * PL_ID_MAX, reply_set_retention);
    if (pending != NULL) {
        struct store_set_retention *set = &pending->store.retention;
        set->conversation_id = store_call_keep_text(pending, request->conversation_id);
        set->actor = store_call_keep_text(pending, actor);
        set->retention = retention;
        store_call_submit(pending, chat->store, STORE_OP_SET_RETENTION);
    }
}

void chat_on_set_retention_done(parley_v1_ConversationService_srv_SetRetention_call *call,
                                void *service)
{
    (void)service;
    unary_done(parley_v1_ConversationService_srv_SetRetention_base(call));
}
