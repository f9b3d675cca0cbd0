/* SPDX-License-Identifier: Apache-2.0 */
/* The services under test; see desk.h. */
#include "desk.h"

#include "support/check.h"
#include "support/wait.h"

#include "base/text.h"
#include "call/server.h"
#include "core/loops.h"
#include "fanout/hub.h"
#include "store/sqlite.h"

#include <stdlib.h>
#include <string.h>

static enum parley_code identify(void *context, parley_server_call *call, struct pl_error *err)
{
    (void)context;
    const char *user = parley_metadata_find(parley_server_call_metadata(call), DESK_USER_KEY, NULL);
    if (user != NULL && call_set_identity(call, user) != 0) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "out of memory");
    }
    return PARLEY_OK;
}

static void open_services(struct desk *desk)
{
    const struct interceptor interceptor = {.on_open = identify};
    const struct hub_options options = {
        .store = &desk->gate.base, .loops = desk->loops, .encode = chat_encode};
    assert_int_equal(hub_new(&options, &desk->hub, NULL), PARLEY_OK);
    assert_int_equal(server_new(&desk->server, NULL), PARLEY_OK);
    assert_int_equal(server_add_interceptor(desk->server, &interceptor, NULL), PARLEY_OK);
    assert_int_equal(chat_new(desk->server, &desk->gate.base, desk->hub, &desk->chat, NULL),
                     PARLEY_OK);
    assert_int_equal(call_lane_open(desk->server, loops_get(desk->loops, 0), 0, &desk->lane, NULL),
                     PARLEY_OK);
}

void desk_open(struct desk *desk)
{
    const struct store_sqlite_options options = {
        .data_dir = ":memory:", .shards = 2, .auto_migrate = true};
    struct store *store = NULL;
    *desk = (struct desk){.loops = NULL};
    pl_list_init(&desk->callers);
    desk->slots = call_slots_new();
    assert_non_null(desk->slots);
    assert_int_equal(store_sqlite_open(&options, &store, NULL), PARLEY_OK);
    gate_init(&desk->gate, store);
    assert_int_equal(loops_new(1, &desk->loops, NULL), PARLEY_OK);
    open_services(desk);
}

void desk_close(struct desk *desk)
{
    PL_LIST_FOREACH_SAFE (node, following, &desk->callers) {
        caller_free(PL_LIST_ENTRY(node, struct caller, node));
    }
    store_close(&desk->gate.base);
    desk_turn(desk);
    assert_int_equal(call_slots_kept(desk->slots), 0);
    call_slots_unref(desk->slots);
    call_lane_close(desk->lane);
    chat_free(desk->chat);
    server_free(desk->server);
    hub_free(desk->hub);
    loops_free(desk->loops);
}

int desk_setup(void **state)
{
    struct desk *desk = malloc(sizeof(*desk));
    assert_non_null(desk);
    desk_open(desk);
    *state = desk;
    return 0;
}

int desk_teardown(void **state)
{
    desk_close(*state);
    free(*state);
    return 0;
}

void desk_turn(struct desk *desk)
{
    pl_loop_turn(loops_get(desk->loops, 0));
    PL_LIST_FOREACH_SAFE (node, following, &desk->callers) {
        caller_turn(PL_LIST_ENTRY(node, struct caller, node));
    }
}

void desk_create(struct desk *desk, const char *conversation, const char *owner, const char *member)
{
    Parley__V1__CreateConversationRequest request = PARLEY__V1__CREATE_CONVERSATION_REQUEST__INIT;
    char *members[] = {(char *)(uintptr_t)member};
    request.conversation_id = (char *)(uintptr_t)conversation;
    request.member_ids = members;
    request.n_member_ids = member != NULL ? 1 : 0;
    const Parley__V1__CreateConversationResponse *response =
        caller_get(desk, CONVERSATION_METHOD(CreateConversation), owner, &request.base);
    assert_true(response->created);
}

int64_t desk_send(struct desk *desk, const char *conversation, const char *sender,
                  const char *client_message_id, const char *text)
{
    Parley__V1__SendRequest request = PARLEY__V1__SEND_REQUEST__INIT;
    request.conversation_id = (char *)(uintptr_t)conversation;
    request.client_message_id = (char *)(uintptr_t)client_message_id;
    request.body.data = (uint8_t *)(uintptr_t)text;
    request.body.len = strlen(text);
    const Parley__V1__SendResponse *response =
        caller_get(desk, CHAT_METHOD(Send), sender, &request.base);
    return response->seq;
}

void desk_send_many(struct desk *desk, const char *conversation, const char *sender, size_t count)
{
    for (size_t i = 1; i <= count; i++) {
        char id[24];
        assert_true(pl_text_format(id, sizeof(id), "m%zu", i));
        (void)desk_send(desk, conversation, sender, id, id + 1);
    }
}

void desk_remove(struct desk *desk, const char *conversation, const char *owner, const char *user)
{
    Parley__V1__RemoveMembersRequest request = PARLEY__V1__REMOVE_MEMBERS_REQUEST__INIT;
    char *users[] = {(char *)(uintptr_t)user};
    request.conversation_id = (char *)(uintptr_t)conversation;
    request.user_ids = users;
    request.n_user_ids = 1;
    (void)caller_get(desk, CONVERSATION_METHOD(RemoveMembers), owner, &request.base);
}
