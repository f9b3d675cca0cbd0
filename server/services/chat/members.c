/* SPDX-License-Identifier: Apache-2.0 */
/* AddMembers, RemoveMembers, LeaveConversation and ListMembers. Thread: the call's loop. */
#include "chat/chat_impl.h"
#include "chat/encode.h"
#include "chat/failure.h"
#include "chat/validate.h"

#include "base/id.h"
#include "call/call.h"

/* ---- changes ---- */

/* What the requests of the three methods have in common. */
struct change {
    enum store_kind kind;
    const char *conversation_id;
    char *const *user_ids; /* none for LEFT */
    size_t user_count;
    enum store_role role;
};

static enum parley_code check_change(const struct change *change, struct pl_error *err)
{
    enum parley_code code = chat_check_id("conversation_id", change->conversation_id, err);
    if (code != PARLEY_OK || change->kind == STORE_MEMBERS_LEFT) {
        return code;
    }
    return chat_check_ids("user_ids", change->user_ids, change->user_count, 1, err);
}

static void start_change(struct chat *chat, parley_server_call *call, const struct change *asked,
                         store_call_fn reply)
{
    struct pl_error err = PL_ERROR_INIT;
    const char *actor = chat_caller(call);
    if (actor == NULL) {
        return;
    }
    if (check_change(asked, &err) != PARLEY_OK) {
        call_fail(call, &err, true);
        return;
    }
    size_t bytes = (size_t)2 * PL_ID_MAX + store_call_ids_bytes(asked->user_ids, asked->user_count);
    struct store_call *pending = unary_new(call, bytes, reply);
    if (pending == NULL) {
        return;
    }
    struct store_change_members *change = &pending->store.change;
    change->kind = asked->kind;
    change->conversation_id = store_call_keep_text(pending, asked->conversation_id);
    change->actor = store_call_keep_text(pending, actor);
    change->users = store_call_keep_ids(pending, asked->user_ids, asked->user_count);
    change->user_count = asked->user_count;
    change->role = asked->role;
    store_call_submit(pending, chat->store, STORE_OP_CHANGE_MEMBERS);
}

static void reply_add(struct store_call *pending)
{
    Parley__V1__AddMembersResponse response = PARLEY__V1__ADD_MEMBERS_RESPONSE__INIT;
    response.seq = pending->store.change.head_seq;
    parley_server_call_reply(pending->call, &response.base);
}

void chat_on_add(parley_v1_ConversationService_srv_AddMembers_call *call,
                 const Parley__V1__AddMembersRequest *request, void *service)
{
    parley_server_call *base = parley_v1_ConversationService_srv_AddMembers_base(call);
    struct pl_error err = PL_ERROR_INIT;
    struct change change = {
        .kind = STORE_MEMBERS_ADDED,
        .conversation_id = request->conversation_id,
        .user_ids = request->user_ids,
        .user_count = request->n_user_ids,
    };
    if (chat_check_role(request->role, &change.role, &err) != PARLEY_OK) {
        call_fail(base, &err, true);
        return;
    }
    start_change(service, base, &change, reply_add);
}

void chat_on_add_done(parley_v1_ConversationService_srv_AddMembers_call *call, void *service)
{
    (void)service;
    unary_done(parley_v1_ConversationService_srv_AddMembers_base(call));
}

static void reply_remove(struct store_call *pending)
{
    Parley__V1__RemoveMembersResponse response = PARLEY__V1__REMOVE_MEMBERS_RESPONSE__INIT;
    response.seq = pending->store.change.head_seq;
    parley_server_call_reply(pending->call, &response.base);
}

void chat_on_remove(parley_v1_ConversationService_srv_RemoveMembers_call *call,
                    const Parley__V1__RemoveMembersRequest *request, void *service)
{
    const struct change change = {
        .kind = STORE_MEMBERS_REMOVED,
        .conversation_id = request->conversation_id,
        .user_ids = request->user_ids,
        .user_count = request->n_user_ids,
    };
    start_change(service, parley_v1_ConversationService_srv_RemoveMembers_base(call), &change,
                 reply_remove);
}

void chat_on_remove_done(parley_v1_ConversationService_srv_RemoveMembers_call *call, void *service)
{
    (void)service;
    unary_done(parley_v1_ConversationService_srv_RemoveMembers_base(call));
}

static void reply_leave(struct store_call *pending)
{
    Parley__V1__LeaveConversationResponse response = PARLEY__V1__LEAVE_CONVERSATION_RESPONSE__INIT;
    response.seq = pending->store.change.head_seq;
    parley_server_call_reply(pending->call, &response.base);
}

void chat_on_leave(parley_v1_ConversationService_srv_LeaveConversation_call *call,
                   const Parley__V1__LeaveConversationRequest *request, void *service)
{
    const struct change change = {
        .kind = STORE_MEMBERS_LEFT,
        .conversation_id = request->conversation_id,
    };
    start_change(service, parley_v1_ConversationService_srv_LeaveConversation_base(call), &change,
                 reply_leave);
}

void chat_on_leave_done(parley_v1_ConversationService_srv_LeaveConversation_call *call,
                        void *service)
{
    (void)service;
    unary_done(parley_v1_ConversationService_srv_LeaveConversation_base(call));
}

/* ---- list ---- */

static enum parley_code check_list(const Parley__V1__ListMembersRequest *request, size_t *limit,
                                   struct pl_error *err)
{
    enum parley_code code = chat_check_id("conversation_id", request->conversation_id, err);
    return code == PARLEY_OK ? chat_check_page(request->page_size, request->page_token, limit, err)
                             : code;
}

static bool encode_page(struct pl_arena *arena, const struct store_list_members *list,
                        Parley__V1__ListMembersResponse *response)
{
    response->members = pl_arena_alloc(arena, list->count * sizeof(*response->members));
    if (response->members == NULL) {
        return false;
    }
    for (size_t i = 0; i < list->count; i++) {
        response->members[i] = encode_member(arena, &list->members[i]);
        if (response->members[i] == NULL) {
            return false;
        }
        response->n_members++;
    }
    if (list->has_more && list->count > 0) {
        response->next_page_token = response->members[list->count - 1]->user_id;
    }
    return true;
}

static void reply_list(struct store_call *pending)
{
    Parley__V1__ListMembersResponse response = PARLEY__V1__LIST_MEMBERS_RESPONSE__INIT;
    if (!encode_page(&pending->inputs, &pending->store.members, &response)) {
        chat_fail_memory(pending->call);
        return;
    }
    parley_server_call_reply(pending->call, &response.base);
}

void chat_on_members(parley_v1_ConversationService_srv_ListMembers_call *call,
                     const Parley__V1__ListMembersRequest *request, void *service)
{
    struct chat *chat = service;
    parley_server_call *base = parley_v1_ConversationService_srv_ListMembers_base(call);
    struct pl_error err = PL_ERROR_INIT;
    size_t limit = 0;
    const char *user = chat_caller(base);
    if (user == NULL) {
        return;
    }
    if (check_list(request, &limit, &err) != PARLEY_OK) {
        call_fail(base, &err, true);
        return;
    }
    struct store_call *pending = unary_new(base, (size_t)3 * PL_ID_MAX, reply_list);
    if (pending != NULL) {
        struct store_list_members *list = &pending->store.members;
        list->conversation_id = store_call_keep_text(pending, request->conversation_id);
        list->user = store_call_keep_text(pending, user);
        list->after = store_call_keep_text(pending, request->page_token);
        list->limit = limit;
        store_call_submit(pending, chat->store, STORE_OP_LIST_MEMBERS);
    }
}

void chat_on_members_done(parley_v1_ConversationService_srv_ListMembers_call *call, void *service)
{
    (void)service;
    unary_done(parley_v1_ConversationService_srv_ListMembers_base(call));
}
