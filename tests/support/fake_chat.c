/* SPDX-License-Identifier: Apache-2.0 */
/* The fake has one loop, and all that changes belongs to it: what the test wants is done there
 * (loops_call), so that nothing is locked. */
#include "support/fake_chat.h"

#include "call/call.h"
#include "call/server.h"
#include "core/loops.h"
#include "grpc/grpc.h"
#include "support/check.h"

#include "parley/v1/chat_service.server.parley.h"
#include "parley/v1/conversation_service.server.parley.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGES_MAX      20000
#define CONVERSATIONS_MAX 4

struct said {
    char conversation[65];
    char id[65];
    int64_t seq;
    size_t len;
    char *body;
};

struct subscriber {
    struct pl_list node;
    parley_server_call *call;
    bool follows_all;
    size_t count;
    char conversations[CONVERSATIONS_MAX][65];
};

struct failure {
    unsigned count;
    enum parley_code code;
    uint32_t retry_after_ms;
};

struct fake_chat {
    struct loops *loops;
    parley_server *server;
    struct grpc_server *grpc;
    struct pl_tls *tls;
    char address[128];
    struct said *log;
    size_t log_count;
    struct pl_list subscribers;
    unsigned calls[FAKE_RPC_COUNT];
    struct failure failures[FAKE_RPC_COUNT];
    unsigned answers_to_lose;
    unsigned peers;
    char last_peer[64];
    char last_token[256];
    bool is_holding;
    uint32_t streams_max;
    int64_t repeat;
    int64_t skip_seq;
    int64_t stall_seq;
};

/* ---- the log ---- */

static size_t count_of(const struct fake_chat *chat, const char *conversation)
{
    size_t count = 0;
    for (size_t i = 0; i < chat->log_count; i++) {
        count += strcmp(chat->log[i].conversation, conversation) == 0;
    }
    return count;
}

static const struct said *find_said(const struct fake_chat *chat, const char *conversation,
                                    const char *id)
{
    for (size_t i = 0; i < chat->log_count; i++) {
        if (strcmp(chat->log[i].conversation, conversation) == 0 &&
            strcmp(chat->log[i].id, id) == 0) {
            return &chat->log[i];
        }
    }
    return NULL;
}

static const struct said *find_seq(const struct fake_chat *chat, const char *conversation,
                                   int64_t seq)
{
    for (size_t i = 0; i < chat->log_count; i++) {
        if (strcmp(chat->log[i].conversation, conversation) == 0 && chat->log[i].seq == seq) {
            return &chat->log[i];
        }
    }
    return NULL;
}

static void fill_event(Parley__V1__Event *event, Parley__V1__Message *message,
                       const struct said *said)
{
    static char sender[] = "bob";
    static char type[] = "text/plain";
    parley__v1__event__init(event);
    parley__v1__message__init(message);
    event->conversation_id = (char *)(uintptr_t)said->conversation;
    event->seq = said->seq;
    event->created_at_ms = 1000 + said->seq;
    event->sender_id = sender;
    event->kind_case = PARLEY__V1__EVENT__KIND_MESSAGE;
    event->message = message;
    message->client_message_id = (char *)(uintptr_t)said->id;
    message->content_type = type;
    message->body.data = (uint8_t *)said->body;
    message->body.len = said->len;
}

static void send_event(parley_server_call *call, const struct said *said)
{
    Parley__V1__Event event;
    Parley__V1__Message message;
    Parley__V1__SubscribeResponse response = PARLEY__V1__SUBSCRIBE_RESPONSE__INIT;
    fill_event(&event, &message, said);
    response.kind_case = PARLEY__V1__SUBSCRIBE_RESPONSE__KIND_EVENT;
    response.event = &event;
    (void)parley_server_call_send(call, &response.base);
}

static bool follows(const struct subscriber *subscriber, const char *conversation)
{
    for (size_t i = 0; i < subscriber->count; i++) {
        if (strcmp(subscriber->conversations[i], conversation) == 0) {
            return true;
        }
    }
    return subscriber->follows_all;
}

static const struct said *append(struct fake_chat *chat, const char *conversation, const char *id,
                                 const void *body, size_t len)
{
    const struct said *before = find_said(chat, conversation, id);
    if (before != NULL || chat->log_count == MESSAGES_MAX) {
        return before;
    }
    struct said *said = &chat->log[chat->log_count];
    (void)snprintf(said->conversation, sizeof(said->conversation), "%s", conversation);
    (void)snprintf(said->id, sizeof(said->id), "%s", id);
    said->seq = (int64_t)count_of(chat, conversation) + 1;
    said->len = len;
    said->body = calloc(1, len + 1);
    if (len > 0) {
        memcpy(said->body, body, len);
    }
    chat->log_count++;
    PL_LIST_FOREACH (node, &chat->subscribers) {
        struct subscriber *subscriber = PL_LIST_ENTRY(node, struct subscriber, node);
        if (follows(subscriber, conversation)) {
            send_event(subscriber->call, said);
        }
    }
    return said;
}

/* ---- calls ---- */

static void note_call(struct fake_chat *chat, parley_server_call *call, enum fake_chat_rpc rpc)
{
    const parley_metadata *metadata = parley_server_call_metadata(call);
    const char *token = parley_metadata_find(metadata, "authorization", NULL);
    const char *echo = parley_metadata_find(metadata, "x-echo", NULL);
    chat->calls[rpc]++;
    if (strcmp(call_peer(call), chat->last_peer) != 0) {
        chat->peers++;
        (void)snprintf(chat->last_peer, sizeof(chat->last_peer), "%s", call_peer(call));
    }
    (void)snprintf(chat->last_token, sizeof(chat->last_token), "%s", token == NULL ? "" : token);
    if (echo != NULL) {
        (void)parley_server_call_add_trailer(call, "x-echo", echo);
    }
}

/* @return true: the call was failed, or is left without an answer. */
static bool is_broken(struct fake_chat *chat, parley_server_call *call, enum fake_chat_rpc rpc)
{
    struct failure *failure = &chat->failures[rpc];
    note_call(chat, call, rpc);
    if (failure->count > 0) {
        failure->count--;
        if (failure->retry_after_ms > 0) {
            parley_server_call_fail_retry(call, failure->code, "on command",
                                          failure->retry_after_ms);
        } else {
            parley_server_call_finish(call, failure->code, "on command");
        }
        return true;
    }
    return chat->is_holding;
}

static void on_send(parley_v1_ChatService_srv_Send_call *call, const Parley__V1__SendRequest *send,
                    void *service)
{
    Parley__V1__SendResponse response = PARLEY__V1__SEND_RESPONSE__INIT;
    if (is_broken(service, parley_v1_ChatService_srv_Send_base(call), FAKE_SEND)) {
        return;
    }
    const struct said *said = append(service, send->conversation_id, send->client_message_id,
                                     send->body.data, send->body.len);
    response.seq = said->seq;
    response.created_at_ms = 1000 + said->seq;
    parley_v1_ChatService_srv_Send_reply(call, &response);
}

static void on_stream_open(parley_v1_ChatService_srv_SendStream_call *call, void *service)
{
    (void)is_broken(service, parley_v1_ChatService_srv_SendStream_base(call), FAKE_SEND_STREAM);
}

static void answer(parley_v1_ChatService_srv_SendStream_call *call,
                   const Parley__V1__SendRequest *send, const struct said *said,
                   struct failure *failure)
{
    static char text[] = "on command";
    Parley__V1__SendStreamResponse response = PARLEY__V1__SEND_STREAM_RESPONSE__INIT;
    Parley__V1__SendResponse sent = PARLEY__V1__SEND_RESPONSE__INIT;
    Parley__V1__SendError error = PARLEY__V1__SEND_ERROR__INIT;
    response.conversation_id = send->conversation_id;
    response.client_message_id = send->client_message_id;
    if (said != NULL) {
        sent.seq = said->seq;
        sent.created_at_ms = 1000 + said->seq;
        response.result_case = PARLEY__V1__SEND_STREAM_RESPONSE__RESULT_SENT;
        response.sent = &sent;
    } else {
        error.code = (int32_t)failure->code;
        error.message = text;
        error.retry_after_ms = failure->retry_after_ms;
        response.result_case = PARLEY__V1__SEND_STREAM_RESPONSE__RESULT_ERROR;
        response.error = &error;
    }
    (void)parley_v1_ChatService_srv_SendStream_send(call, &response);
}

static void on_stream_message(parley_v1_ChatService_srv_SendStream_call *call,
                              const Parley__V1__SendStreamRequest *request, void *service)
{
    struct fake_chat *chat = service;
    struct failure *failure = &chat->failures[FAKE_MESSAGE];
    const Parley__V1__SendRequest *send = request->send;
    chat->calls[FAKE_MESSAGE]++;
    if (chat->is_holding ||
        parley_server_call_is_over(parley_v1_ChatService_srv_SendStream_base(call))) {
        return;
    }
    if (failure->count > 0) {
        failure->count--;
        answer(call, send, NULL, failure);
        return;
    }
    const struct said *said = append(chat, send->conversation_id, send->client_message_id,
                                     send->body.data, send->body.len);
    if (chat->answers_to_lose > 0) {
        chat->answers_to_lose--;
        parley_v1_ChatService_srv_SendStream_finish(call, PARLEY_UNAVAILABLE, "answers are lost");
        return;
    }
    answer(call, send, said, failure);
}

static void on_stream_half_close(parley_v1_ChatService_srv_SendStream_call *call, void *service)
{
    (void)service;
    parley_v1_ChatService_srv_SendStream_finish(call, PARLEY_OK, NULL);
}

static void replay(struct fake_chat *chat, parley_server_call *call, const char *conversation,
                   int64_t after_seq)
{
    Parley__V1__SubscribeResponse response = PARLEY__V1__SUBSCRIBE_RESPONSE__INIT;
    Parley__V1__CaughtUp caught_up = PARLEY__V1__CAUGHT_UP__INIT;
    int64_t head = (int64_t)count_of(chat, conversation);
    for (int64_t seq = after_seq - chat->repeat + 1; seq <= head; seq++) {
        const struct said *said = find_seq(chat, conversation, seq);
        if (said != NULL && seq == chat->skip_seq) {
            chat->skip_seq = 0;
        } else if (said != NULL) {
            send_event(call, said);
        }
    }
    caught_up.conversation_id = (char *)(uintptr_t)conversation;
    caught_up.seq = head > after_seq ? head : after_seq;
    response.kind_case = PARLEY__V1__SUBSCRIBE_RESPONSE__KIND_CAUGHT_UP;
    response.caught_up = &caught_up;
    (void)parley_server_call_send(call, &response.base);
}

static void on_subscribe(parley_v1_ChatService_srv_Subscribe_call *typed,
                         const Parley__V1__SubscribeRequest *request, void *service)
{
    struct fake_chat *chat = service;
    parley_server_call *call = parley_v1_ChatService_srv_Subscribe_base(typed);
    if (is_broken(chat, call, FAKE_SUBSCRIBE)) {
        return;
    }
    struct subscriber *subscriber = parley_server_call_alloc(call, sizeof(*subscriber));
    memset(subscriber, 0, sizeof(*subscriber));
    subscriber->call = call;
    subscriber->follows_all = request->all_conversations;
    for (size_t i = 0; i < request->n_cursors && i < CONVERSATIONS_MAX; i++) {
        (void)snprintf(subscriber->conversations[i], sizeof(subscriber->conversations[i]), "%s",
                       request->cursors[i]->conversation_id);
        subscriber->count++;
        replay(chat, call, subscriber->conversations[i], request->cursors[i]->after_seq);
    }
    parley_server_call_set_user(call, subscriber);
    pl_list_push(&chat->subscribers, &subscriber->node);
}

static void on_subscribe_done(parley_v1_ChatService_srv_Subscribe_call *typed, void *service)
{
    struct subscriber *subscriber =
        parley_server_call_user(parley_v1_ChatService_srv_Subscribe_base(typed));
    (void)service;
    if (subscriber != NULL) {
        pl_list_remove(&subscriber->node);
    }
}

static void on_history(parley_v1_ChatService_srv_History_call *call,
                       const Parley__V1__HistoryRequest *request, void *service)
{
    struct fake_chat *chat = service;
    bool is_backwards = request->direction == PARLEY__V1__DIRECTION__DIRECTION_BACKWARDS;
    int64_t head = (int64_t)count_of(chat, request->conversation_id);
    int64_t seq = request->from_seq > 0 ? request->from_seq : (is_backwards ? head : 1);
    if (is_broken(chat, parley_v1_ChatService_srv_History_base(call), FAKE_HISTORY)) {
        return;
    }
    for (int32_t left = request->limit == 0 ? 100 : request->limit;
         left > 0 && seq >= 1 && seq <= head; left--, seq += is_backwards ? -1 : 1) {
        Parley__V1__Event event;
        Parley__V1__Message message;
        Parley__V1__Event *events[] = {&event};
        Parley__V1__HistoryResponse page = PARLEY__V1__HISTORY_RESPONSE__INIT;
        if (seq == chat->stall_seq) {
            chat->stall_seq = 0;
            return;
        }
        fill_event(&event, &message, find_seq(chat, request->conversation_id, seq));
        page.n_events = 1;
        page.events = events;
        page.head_seq = head;
        (void)parley_v1_ChatService_srv_History_send(call, &page);
    }
    parley_v1_ChatService_srv_History_finish(call, PARLEY_OK, NULL);
}

static void on_create(parley_v1_ConversationService_srv_CreateConversation_call *call,
                      const Parley__V1__CreateConversationRequest *request, void *service)
{
    Parley__V1__Conversation conversation = PARLEY__V1__CONVERSATION__INIT;
    Parley__V1__CreateConversationResponse response =
        PARLEY__V1__CREATE_CONVERSATION_RESPONSE__INIT;
    if (is_broken(service, parley_v1_ConversationService_srv_CreateConversation_base(call),
                  FAKE_CREATE)) {
        return;
    }
    conversation.conversation_id = request->conversation_id;
    conversation.title = request->title;
    conversation.member_count = (int64_t)request->n_member_ids + 1;
    response.conversation = &conversation;
    response.created = true;
    parley_v1_ConversationService_srv_CreateConversation_reply(call, &response);
}

static const parley_v1_ChatService_handlers chat_handlers = {
    .Send = on_send,
    .SendStream_open = on_stream_open,
    .SendStream_message = on_stream_message,
    .SendStream_half_close = on_stream_half_close,
    .Subscribe = on_subscribe,
    .Subscribe_done = on_subscribe_done,
    .History = on_history,
};

static const parley_v1_ConversationService_handlers conversation_handlers = {
    .CreateConversation = on_create,
};

/* ---- life ---- */

static void must(enum parley_code code, const struct pl_error *err)
{
    if (code != PARLEY_OK) {
        fail_msg("fake chat server: %s", err->text);
    }
}

static void listen_at(struct fake_chat *chat, const char *address)
{
    struct pl_error err = PL_ERROR_INIT;
    struct grpc_server_options options = {
        .address = address,
        .tls = chat->tls,
        .limits = {.streams_max = chat->streams_max},
    };
    must(grpc_server_start(chat->loops, chat->server, &options, &chat->grpc, &err), &err);
    (void)snprintf(chat->address, sizeof(chat->address), "%s", grpc_server_address(chat->grpc));
}

struct fake_chat *fake_chat_start(const struct fake_chat_options *options)
{
    struct fake_chat_options chosen = {0};
    struct pl_error err = PL_ERROR_INIT;
    struct fake_chat *chat = calloc(1, sizeof(*chat));
    if (options != NULL) {
        chosen = *options;
    }
    assert_non_null(chat);
    chat->log = calloc(MESSAGES_MAX, sizeof(*chat->log));
    assert_non_null(chat->log);
    chat->tls = chosen.tls == NULL ? NULL : pl_tls_ref(chosen.tls);
    chat->streams_max = chosen.streams_max;
    pl_list_init(&chat->subscribers);
    must(loops_new(1, &chat->loops, &err), &err);
    must(server_new(&chat->server, &err), &err);
    assert_int_equal(parley_v1_ChatService_register(chat->server, &chat_handlers, chat), 0);
    assert_int_equal(
        parley_v1_ConversationService_register(chat->server, &conversation_handlers, chat), 0);
    must(loops_start(chat->loops, &err), &err);
    listen_at(chat, chosen.address == NULL ? "127.0.0.1:0" : chosen.address);
    return chat;
}

void fake_chat_crash(struct fake_chat *chat)
{
    grpc_server_stop(chat->grpc);
    grpc_server_free(chat->grpc);
    chat->grpc = NULL;
}

void fake_chat_recover(struct fake_chat *chat)
{
    listen_at(chat, chat->address);
}

void fake_chat_stop(struct fake_chat *chat)
{
    if (chat == NULL) {
        return;
    }
    if (chat->grpc != NULL) {
        fake_chat_crash(chat);
    }
    loops_stop(chat->loops);
    server_free(chat->server);
    loops_free(chat->loops);
    pl_tls_unref(chat->tls);
    for (size_t i = 0; i < chat->log_count; i++) {
        free(chat->log[i].body);
    }
    free(chat->log);
    free(chat);
}

const char *fake_chat_target(const struct fake_chat *chat)
{
    return chat->address;
}

/* ---- on the loop, for the test ---- */

struct wish {
    struct fake_chat *chat;
    void (*act)(struct fake_chat *chat, struct wish *wish);
    const char *conversation;
    const void *body;
    size_t len;
    enum fake_chat_rpc rpc;
    struct failure failure;
    int64_t number;
    char *to;
    size_t result;
};

static void fulfil(struct pl_loop *loop, void *context)
{
    struct wish *wish = context;
    (void)loop;
    wish->act(wish->chat, wish);
}

static size_t on_loop(struct fake_chat *chat, void (*act)(struct fake_chat *, struct wish *),
                      struct wish *wish)
{
    wish->chat = chat;
    wish->act = act;
    loops_call(chat->loops, 0, fulfil, wish);
    return wish->result;
}

static void get_calls(struct fake_chat *chat, struct wish *wish)
{
    wish->result = chat->calls[wish->rpc];
}

static void get_peers(struct fake_chat *chat, struct wish *wish)
{
    wish->result = chat->peers;
}

static void get_subscribers(struct fake_chat *chat, struct wish *wish)
{
    PL_LIST_FOREACH (node, &chat->subscribers) {
        wish->result++;
    }
}

static void get_count(struct fake_chat *chat, struct wish *wish)
{
    wish->result = count_of(chat, wish->conversation);
}

static void get_body(struct fake_chat *chat, struct wish *wish)
{
    const struct said *said = find_seq(chat, wish->conversation, wish->number);
    wish->result = said != NULL;
    if (said != NULL) {
        (void)snprintf(wish->to, wish->len, "%.*s", (int)said->len, said->body);
    }
}

static void get_token(struct fake_chat *chat, struct wish *wish)
{
    (void)snprintf(wish->to, wish->len, "%s", chat->last_token);
}

static void say(struct fake_chat *chat, struct wish *wish)
{
    char id[32];
    (void)snprintf(id, sizeof(id), "other-%zu", chat->log_count);
    (void)append(chat, wish->conversation, id, wish->body, wish->len);
}

static void set_failure(struct fake_chat *chat, struct wish *wish)
{
    chat->failures[wish->rpc] = wish->failure;
}

static void set_lost(struct fake_chat *chat, struct wish *wish)
{
    chat->answers_to_lose = (unsigned)wish->number;
}

static void set_hold(struct fake_chat *chat, struct wish *wish)
{
    chat->is_holding = wish->number != 0;
}

static void set_repeat(struct fake_chat *chat, struct wish *wish)
{
    chat->repeat = wish->number;
}

static void set_stall(struct fake_chat *chat, struct wish *wish)
{
    chat->stall_seq = wish->number;
}

static void set_skip(struct fake_chat *chat, struct wish *wish)
{
    chat->skip_seq = wish->number;
}

static void end_all(struct fake_chat *chat, struct wish *wish)
{
    PL_LIST_FOREACH_SAFE (node, following, &chat->subscribers) {
        parley_server_call_finish(PL_LIST_ENTRY(node, struct subscriber, node)->call,
                                  wish->failure.code, "on command");
    }
}

static void tell_all(struct fake_chat *chat, const Parley__V1__SubscribeResponse *response)
{
    PL_LIST_FOREACH (node, &chat->subscribers) {
        (void)parley_server_call_send(PL_LIST_ENTRY(node, struct subscriber, node)->call,
                                      &response->base);
    }
}

static void ask_all_to_reconnect(struct fake_chat *chat, struct wish *wish)
{
    Parley__V1__SubscribeResponse response = PARLEY__V1__SUBSCRIBE_RESPONSE__INIT;
    Parley__V1__Reconnect reconnect = PARLEY__V1__RECONNECT__INIT;
    (void)wish;
    response.kind_case = PARLEY__V1__SUBSCRIBE_RESPONSE__KIND_RECONNECT;
    response.reconnect = &reconnect;
    tell_all(chat, &response);
}

static void remove_all(struct fake_chat *chat, struct wish *wish)
{
    Parley__V1__SubscribeResponse response = PARLEY__V1__SUBSCRIBE_RESPONSE__INIT;
    Parley__V1__Removed removed = PARLEY__V1__REMOVED__INIT;
    removed.conversation_id = (char *)(uintptr_t)wish->conversation;
    response.kind_case = PARLEY__V1__SUBSCRIBE_RESPONSE__KIND_REMOVED;
    response.removed = &removed;
    tell_all(chat, &response);
}

unsigned fake_chat_calls(struct fake_chat *chat, enum fake_chat_rpc rpc)
{
    return (unsigned)on_loop(chat, get_calls, &(struct wish){.rpc = rpc});
}

unsigned fake_chat_peers(struct fake_chat *chat)
{
    return (unsigned)on_loop(chat, get_peers, &(struct wish){0});
}

size_t fake_chat_subscribers(struct fake_chat *chat)
{
    return on_loop(chat, get_subscribers, &(struct wish){0});
}

size_t fake_chat_count(struct fake_chat *chat, const char *conversation_id)
{
    return on_loop(chat, get_count, &(struct wish){.conversation = conversation_id});
}

bool fake_chat_body(struct fake_chat *chat, const char *conversation_id, int64_t seq, char *body,
                    size_t size)
{
    struct wish wish = {.conversation = conversation_id, .number = seq, .to = body, .len = size};
    return on_loop(chat, get_body, &wish) != 0;
}

const char *fake_chat_last_token(struct fake_chat *chat)
{
    static char token[256];
    (void)on_loop(chat, get_token, &(struct wish){.to = token, .len = sizeof(token)});
    return token;
}

void fake_chat_say(struct fake_chat *chat, const char *conversation_id, const char *body)
{
    struct wish wish = {.conversation = conversation_id, .body = body, .len = strlen(body)};
    (void)on_loop(chat, say, &wish);
}

void fake_chat_say_much(struct fake_chat *chat, const char *conversation_id, size_t len)
{
    char *body = malloc(len);
    assert_non_null(body);
    memset(body, 'x', len);
    struct wish wish = {.conversation = conversation_id, .body = body, .len = len};
    (void)on_loop(chat, say, &wish);
    free(body);
}

void fake_chat_fail(struct fake_chat *chat, enum fake_chat_rpc rpc, unsigned count,
                    enum parley_code code, uint32_t retry_after_ms)
{
    struct wish wish = {
        .rpc = rpc,
        .failure = {.count = count, .code = code, .retry_after_ms = retry_after_ms},
    };
    (void)on_loop(chat, set_failure, &wish);
}

void fake_chat_lose_answers(struct fake_chat *chat, unsigned count)
{
    (void)on_loop(chat, set_lost, &(struct wish){.number = count});
}

void fake_chat_hold(struct fake_chat *chat, bool is_holding)
{
    (void)on_loop(chat, set_hold, &(struct wish){.number = is_holding});
}

void fake_chat_end_subscriptions(struct fake_chat *chat, enum parley_code code)
{
    (void)on_loop(chat, end_all, &(struct wish){.failure = {.code = code}});
}

void fake_chat_repeat(struct fake_chat *chat, int64_t events)
{
    (void)on_loop(chat, set_repeat, &(struct wish){.number = events});
}

void fake_chat_stall(struct fake_chat *chat, int64_t seq)
{
    (void)on_loop(chat, set_stall, &(struct wish){.number = seq});
}

void fake_chat_skip(struct fake_chat *chat, int64_t seq)
{
    (void)on_loop(chat, set_skip, &(struct wish){.number = seq});
}

void fake_chat_ask_to_reconnect(struct fake_chat *chat)
{
    (void)on_loop(chat, ask_all_to_reconnect, &(struct wish){0});
}

void fake_chat_remove(struct fake_chat *chat, const char *conversation_id)
{
    (void)on_loop(chat, remove_all, &(struct wish){.conversation = conversation_id});
}
