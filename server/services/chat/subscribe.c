/* SPDX-License-Identifier: Apache-2.0 */
/* The Subscribe method: a call on top of a stream of the hub, which reads the log, hears of what is
 * new, knows who is a member and when to hold back. Thread: the call's loop. */
#include "chat/chat_impl.h"
#include "chat/encode.h"
#include "chat/failure.h"
#include "chat/validate.h"

#include "base/mem.h"
#include "base/text.h"
#include "call/call.h"
#include "fanout/hub.h"

#include <stdlib.h>
#include <string.h>

#define CURSORS_MAX 10000

/* Lives in the call's arena; the call's user. */
struct subscription {
    parley_server_call *call;
    struct hub_stream *stream;
    bool has_begun; /* the client was told something of a conversation that it may follow */
};

/* ---- what the hub tells ---- */

static int send(const struct subscription *subscription, Parley__V1__SubscribeResponse *response)
{
    return parley_server_call_send(subscription->call, &response->base);
}

static int send_frames(void *owner, struct pl_buf *frames, size_t offset)
{
    struct subscription *subscription = owner;
    subscription->has_begun = true;
    return call_send_frames(subscription->call, frames, offset);
}

/* protobuf-c has no const strings, and does not write to them. */
static char *borrow(const char *text)
{
    return (char *)(uintptr_t)text;
}

static int on_caught_up(void *owner, const char *conversation_id, int64_t seq)
{
    struct subscription *subscription = owner;
    Parley__V1__SubscribeResponse response = PARLEY__V1__SUBSCRIBE_RESPONSE__INIT;
    Parley__V1__CaughtUp caught_up = PARLEY__V1__CAUGHT_UP__INIT;
    caught_up.conversation_id = borrow(conversation_id);
    caught_up.seq = seq;
    response.kind_case = PARLEY__V1__SUBSCRIBE_RESPONSE__KIND_CAUGHT_UP;
    response.caught_up = &caught_up;
    subscription->has_begun = true;
    return send(subscription, &response);
}

static int on_truncated(void *owner, const char *conversation_id, int64_t first_seq)
{
    struct subscription *subscription = owner;
    Parley__V1__SubscribeResponse response = PARLEY__V1__SUBSCRIBE_RESPONSE__INIT;
    Parley__V1__Truncated truncated = PARLEY__V1__TRUNCATED__INIT;
    truncated.conversation_id = borrow(conversation_id);
    truncated.first_seq = first_seq;
    response.kind_case = PARLEY__V1__SUBSCRIBE_RESPONSE__KIND_TRUNCATED;
    response.truncated = &truncated;
    subscription->has_begun = true;
    return send(subscription, &response);
}

static int send_removed(const struct subscription *subscription, const char *conversation_id)
{
    Parley__V1__SubscribeResponse response = PARLEY__V1__SUBSCRIBE_RESPONSE__INIT;
    Parley__V1__Removed removed = PARLEY__V1__REMOVED__INIT;
    removed.conversation_id = borrow(conversation_id);
    response.kind_case = PARLEY__V1__SUBSCRIBE_RESPONSE__KIND_REMOVED;
    response.removed = &removed;
    return send(subscription, &response);
}

/* One conversation that is lost must not end what is heard of the others. Without any the call is
 * over, and a client that asked for none but those it may not see is told no more than that. */
static int on_removed(void *owner, const char *conversation_id)
{
    struct subscription *subscription = owner;
    const struct hub_stream *stream = subscription->stream;
    bool is_last = hub_stream_count(stream) == 0 && !hub_stream_follows_all(stream);
    int sent = 0;
    if (subscription->has_begun || !is_last) {
        sent = send_removed(subscription, conversation_id);
    }
    if (is_last) {
        struct pl_error err = PL_ERROR_INIT;
        pl_fail(&err, PARLEY_NOT_FOUND, "no conversation is left to follow");
        chat_fail(subscription->call, &err);
        return -1;
    }
    return sent;
}

static void tell_leaving(parley_server_call *call)
{
    const struct subscription *subscription = parley_server_call_user(call);
    Parley__V1__SubscribeResponse response = PARLEY__V1__SUBSCRIBE_RESPONSE__INIT;
    Parley__V1__Reconnect reconnect = PARLEY__V1__RECONNECT__INIT;
    response.kind_case = PARLEY__V1__SUBSCRIBE_RESPONSE__KIND_RECONNECT;
    response.reconnect = &reconnect;
    (void)send(subscription, &response);
}

static void on_failed(void *owner, const struct pl_error *err)
{
    const struct subscription *subscription = owner;
    chat_fail(subscription->call, err);
}

static const struct hub_stream_events stream_events = {
    .send = send_frames,
    .on_caught_up = on_caught_up,
    .on_truncated = on_truncated,
    .on_removed = on_removed,
    .on_failed = on_failed,
};

/* ---- the request ---- */

static enum parley_code check_cursor(const Parley__V1__Cursor *cursor, size_t index,
                                     struct pl_error *err)
{
    char field[CHAT_FIELD_MAX];
    if (PL_UNLIKELY(cursor->after_seq < 0)) {
        (void)pl_text_format(field, sizeof(field), "cursors[%zu].after_seq", index);
        return pl_fail_field(err, field, "must not be negative");
    }
    if (PL_LIKELY(chat_check_id("", cursor->conversation_id, NULL) == PARLEY_OK)) {
        return PARLEY_OK;
    }
    (void)pl_text_format(field, sizeof(field), "cursors[%zu].conversation_id", index);
    return chat_check_id(field, cursor->conversation_id, err);
}

struct named {
    const char *id;
    size_t index;
};

static int compare(const void *a, const void *b)
{
    const struct named *left = a;
    const struct named *right = b;
    int order = strcmp(left->id, right->id);
    return order != 0 ? order : (left->index > right->index) - (left->index < right->index);
}

/* Two cursors for one conversation contradict each other. */
static enum parley_code check_twins(const Parley__V1__SubscribeRequest *request,
                                    struct pl_error *err)
{
    size_t count = request->n_cursors;
    enum parley_code code = PARLEY_OK;
    /* Not in the arena of the call, which lives as long as the stream. */
    struct named *names = pl_malloc((count + 1) * sizeof(*names));
    if (names == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "out of memory");
    }
    for (size_t i = 0; i < count; i++) {
        names[i] = (struct named){request->cursors[i]->conversation_id, i};
    }
    qsort(names, count, sizeof(*names), compare);
    for (size_t i = 1; i < count && code == PARLEY_OK; i++) {
        if (strcmp(names[i - 1].id, names[i].id) == 0) {
            char field[CHAT_FIELD_MAX];
            (void)pl_text_format(field, sizeof(field), "cursors[%zu].conversation_id",
                                 names[i].index);
            code = pl_fail_field(err, field, "was named before");
        }
    }
    pl_free(names);
    return code;
}

static enum parley_code check_request(const Parley__V1__SubscribeRequest *request,
                                      struct pl_error *err)
{
    size_t count = request->n_cursors;
    if (count > CURSORS_MAX) {
        return pl_fail_field(err, "cursors", "must be at most %d, not %zu", CURSORS_MAX, count);
    }
    if (count == 0 && !request->all_conversations) {
        return pl_fail_field(err, "cursors",
                             "must name a conversation, or ask for all_conversations");
    }
    for (size_t i = 0; i < count; i++) {
        if (check_cursor(request->cursors[i], i, err) != PARLEY_OK) {
            return PARLEY_INVALID_ARGUMENT;
        }
    }
    return check_twins(request, err);
}

static int follow(struct hub_stream *stream, const Parley__V1__SubscribeRequest *request)
{
    for (size_t i = 0; i < request->n_cursors; i++) {
        const Parley__V1__Cursor *cursor = request->cursors[i];
        if (hub_stream_follow(stream, cursor->conversation_id, cursor->after_seq) != 0) {
            return -1;
        }
    }
    return request->all_conversations ? hub_stream_follow_all(stream) : 0;
}

void chat_on_subscribe(parley_v1_ChatService_srv_Subscribe_call *call,
                       const Parley__V1__SubscribeRequest *request, void *service)
{
    struct chat *chat = service;
    parley_server_call *base = parley_v1_ChatService_srv_Subscribe_base(call);
    struct pl_error err = PL_ERROR_INIT;
    const char *user = chat_caller(base);
    if (user == NULL) {
        return;
    }
    if (check_request(request, &err) != PARLEY_OK) {
        call_fail(base, &err, true);
        return;
    }
    struct subscription *subscription = pl_arena_calloc(call_arena(base), sizeof(*subscription));
    if (subscription == NULL) {
        chat_fail_memory(base);
        return;
    }
    subscription->call = base;
    parley_server_call_set_user(base, subscription);
    call_tell_leaving(base, tell_leaving);
    parley_server_call_send_headers(base);
    subscription->stream =
        hub_stream_open(chat->hub, call_loop_index(base), user, &stream_events, subscription);
    if (subscription->stream == NULL) {
        chat_fail_memory(base);
    } else if (follow(subscription->stream, request) != 0) {
        parley_server_call_finish(base, PARLEY_RESOURCE_EXHAUSTED,
                                  "no room to follow so many conversations at once");
    }
}

void chat_on_subscribe_writable(parley_v1_ChatService_srv_Subscribe_call *call, void *service)
{
    (void)service;
    struct subscription *subscription =
        parley_server_call_user(parley_v1_ChatService_srv_Subscribe_base(call));
    if (subscription != NULL && subscription->stream != NULL) {
        hub_stream_writable(subscription->stream);
    }
}

void chat_on_subscribe_done(parley_v1_ChatService_srv_Subscribe_call *call, void *service)
{
    (void)service;
    struct subscription *subscription =
        parley_server_call_user(parley_v1_ChatService_srv_Subscribe_base(call));
    if (subscription != NULL) {
        hub_stream_close(subscription->stream);
    }
}
