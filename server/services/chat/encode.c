/* SPDX-License-Identifier: Apache-2.0 */
/* From the store's structs to messages of the contract; see encode.h. */
#include "chat/encode.h"

#include "call/call.h"
#include "chat/chat.h"
#include "chat/validate.h"

#include "parley/v1/chat_service.pb-c.h"

#include <string.h>

char *encode_text(struct pl_arena *arena, struct store_bytes text)
{
    return pl_arena_strndup(arena, text.len > 0 ? text.data : "", text.len);
}

static Parley__V1__Role encode_role(enum store_role role)
{
    switch (role) {
    case STORE_ROLE_MEMBER:
        return PARLEY__V1__ROLE__ROLE_MEMBER;
    case STORE_ROLE_OWNER:
        return PARLEY__V1__ROLE__ROLE_OWNER;
    case STORE_ROLE_NONE:
        break;
    }
    return PARLEY__V1__ROLE__ROLE_UNSPECIFIED;
}

/* False: no memory. */
static bool encode_retention(struct pl_arena *arena, const struct store_retention *retention,
                             Parley__V1__Retention **out)
{
    if (retention->age_ms == 0 && retention->messages == 0) {
        return true; /* as the default says */
    }
    *out = pl_arena_alloc(arena, sizeof(**out));
    if (*out == NULL) {
        return false;
    }
    parley__v1__retention__init(*out);
    (*out)->days = retention->age_ms > 0 ? (int32_t)(retention->age_ms / CHAT_DAY_MS)
                                         : (int32_t)retention->age_ms;
    (*out)->messages = retention->messages;
    return true;
}

Parley__V1__Conversation *encode_conversation(struct pl_arena *arena,
                                              const struct store_conversation *conversation)
{
    Parley__V1__Conversation *out = pl_arena_alloc(arena, sizeof(*out));
    if (out == NULL) {
        return NULL;
    }
    parley__v1__conversation__init(out);
    out->conversation_id = encode_text(arena, conversation->id);
    out->title = encode_text(arena, conversation->title);
    out->created_by = encode_text(arena, conversation->created_by);
    if (out->conversation_id == NULL || out->title == NULL || out->created_by == NULL ||
        !encode_retention(arena, &conversation->retention, &out->retention)) {
        return NULL;
    }
    out->created_at_ms = conversation->created_at_ms;
    out->head_seq = conversation->head_seq;
    out->member_count = conversation->member_count;
    out->role = encode_role(conversation->role);
    return out;
}

Parley__V1__Member *encode_member(struct pl_arena *arena, const struct store_member *member)
{
    Parley__V1__Member *out = pl_arena_alloc(arena, sizeof(*out));
    if (out == NULL) {
        return NULL;
    }
    parley__v1__member__init(out);
    out->user_id = encode_text(arena, member->user_id);
    out->role = encode_role(member->role);
    return out->user_id != NULL ? out : NULL;
}

static Parley__V1__Message *encode_message(struct pl_arena *arena, const struct store_event *event)
{
    Parley__V1__Message *out = pl_arena_alloc(arena, sizeof(*out));
    if (out == NULL) {
        return NULL;
    }
    parley__v1__message__init(out);
    out->client_message_id = encode_text(arena, event->client_message_id);
    out->content_type = encode_text(arena, event->content_type);
    /* protobuf-c has no const bytes, and does not write to them. */
    out->body.data = (uint8_t *)(uintptr_t)event->body.data;
    out->body.len = event->body.len;
    out->ordinal = event->ordinal;
    return out->client_message_id != NULL && out->content_type != NULL ? out : NULL;
}

static Parley__V1__MembershipAction encode_action(enum store_kind kind)
{
    switch (kind) {
    case STORE_MEMBERS_CREATED:
        return PARLEY__V1__MEMBERSHIP_ACTION__MEMBERSHIP_ACTION_CREATED;
    case STORE_MEMBERS_ADDED:
        return PARLEY__V1__MEMBERSHIP_ACTION__MEMBERSHIP_ACTION_ADDED;
    case STORE_MEMBERS_REMOVED:
        return PARLEY__V1__MEMBERSHIP_ACTION__MEMBERSHIP_ACTION_REMOVED;
    case STORE_MEMBERS_LEFT:
        return PARLEY__V1__MEMBERSHIP_ACTION__MEMBERSHIP_ACTION_LEFT;
    case STORE_MESSAGE:
        break;
    }
    return PARLEY__V1__MEMBERSHIP_ACTION__MEMBERSHIP_ACTION_UNSPECIFIED;
}

/* The ids of a members event are strings one after the other: they are used where they lie. */
static bool encode_users(struct pl_arena *arena, struct store_bytes body,
                         Parley__V1__MembershipChange *out)
{
    size_t count = 0;
    for (size_t i = 0; i < body.len; i++) {
        count += body.data[i] == '\0' ? 1 : 0;
    }
    out->user_ids = pl_arena_alloc(arena, count * sizeof(char *));
    if (out->user_ids == NULL) {
        return false;
    }
    size_t place = 0;
    for (const char *id = store_next_id(body, &place); id != NULL;
         id = store_next_id(body, &place)) {
        out->user_ids[out->n_user_ids++] = (char *)(uintptr_t)id;
    }
    return true;
}

static Parley__V1__MembershipChange *encode_membership(struct pl_arena *arena,
                                                       const struct store_event *event)
{
    Parley__V1__MembershipChange *out = pl_arena_alloc(arena, sizeof(*out));
    if (out == NULL) {
        return NULL;
    }
    parley__v1__membership_change__init(out);
    out->action = encode_action(event->kind);
    out->role = encode_role(event->role);
    return encode_users(arena, event->body, out) ? out : NULL;
}

Parley__V1__Event *encode_event(struct pl_arena *arena, char *conversation_id,
                                const struct store_event *event)
{
    Parley__V1__Event *out = pl_arena_alloc(arena, sizeof(*out));
    if (out == NULL) {
        return NULL;
    }
    parley__v1__event__init(out);
    out->conversation_id = conversation_id;
    out->seq = event->seq;
    out->created_at_ms = event->created_at_ms;
    out->sender_id = encode_text(arena, event->sender);
    if (event->kind == STORE_MESSAGE) {
        out->kind_case = PARLEY__V1__EVENT__KIND_MESSAGE;
        out->message = encode_message(arena, event);
    } else {
        out->kind_case = PARLEY__V1__EVENT__KIND_MEMBERSHIP;
        out->membership = encode_membership(arena, event);
    }
    return out->sender_id != NULL && out->message != NULL ? out : NULL;
}

/* All of an event but its body and the ids of a members event fits; more goes to the heap. */
#define SCRATCH_WORDS 128

static Parley__V1__Event *encode_named(struct pl_arena *arena, struct store_bytes conversation_id,
                                       const struct store_event *event)
{
    char *id = encode_text(arena, conversation_id);
    return id != NULL ? encode_event(arena, id, event) : NULL;
}

int chat_encode(struct store_bytes conversation_id, const struct store_event *event,
                struct pl_buf **frames)
{
    uint64_t scratch[SCRATCH_WORDS];
    struct pl_arena arena;
    int result = -1;
    Parley__V1__SubscribeResponse response = PARLEY__V1__SUBSCRIBE_RESPONSE__INIT;
    pl_arena_init(&arena, scratch, sizeof(scratch), 0);
    response.kind_case = PARLEY__V1__SUBSCRIBE_RESPONSE__KIND_EVENT;
    response.event = encode_named(&arena, conversation_id, event);
    if (response.event != NULL) {
        result = call_append_frame(frames, &response.base);
    }
    pl_arena_deinit(&arena);
    return result;
}
