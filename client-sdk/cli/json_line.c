/* SPDX-License-Identifier: Apache-2.0 */
/* See json_line.h. */
#include "json_line.h"

#include "safe_text.h"

#include <stdbool.h>
#include <stdlib.h>

const char json_line_help[] =
    "With --json every command prints one JSON object a line; unknown keys and types may be added\n"
    "later, those below stay. Times are milliseconds since 1970.\n"
    "\n"
    "type          other keys                                                       printed by\n"
    "message       conversation_id seq created_at_ms sender_id client_message_id    tail history\n"
    "              content_type ordinal, and body, or body_base64 if it is no UTF-8 chat\n"
    "membership    conversation_id seq created_at_ms sender_id, action (created,    tail history\n"
    "              added, removed, left), user_ids, role (member, owner; not for    chat\n"
    "              those who left)\n"
    "unknown       conversation_id seq created_at_ms sender_id: an event of a newer tail history\n"
    "              server                                                           chat\n"
    "caught_up     conversation_id seq: what follows is live                        tail chat\n"
    "interrupted   code message: the connection broke; it is being resumed          tail chat\n"
    "truncated     conversation_id first_seq: what was before it is gone            tail chat\n"
    "removed       conversation_id: you are no longer a member                      tail chat\n"
    "sent          conversation_id seq created_at_ms client_message_id              send\n"
    "conversation  conversation_id title created_by created_at_ms head_seq          create list\n"
    "              member_count role; created (create only): false if it was there;\n"
    "              keep_days keep_messages (0: the server's default; -1: no limit),\n"
    "              if an owner set any\n"
    "member        user_id role                                                     members list\n"
    "changed       conversation_id seq: the log's last seq after the change         members leave\n"
    "kept          conversation_id days messages, as keep_days and keep_messages    keep\n"
    "error         code (of gRPC, as NOT_FOUND), message; field and request_id if   all, to the\n"
    "              known                                                            error output\n";

void json_line_print(FILE *out, json_t *object)
{
    if (object != NULL && json_dumpf(object, out, JSON_COMPACT) == 0) {
        (void)fputc('\n', out);
    }
    json_decref(object);
}

void json_line_set(json_t *object, const char *key, json_t *value)
{
    if (value != NULL) {
        (void)json_object_set_new(object, key, value);
    }
}

const char *json_line_role(Parley__V1__Role role)
{
    switch (role) {
    case PARLEY__V1__ROLE__ROLE_MEMBER:
        return "member";
    case PARLEY__V1__ROLE__ROLE_OWNER:
        return "owner";
    default:
        return NULL;
    }
}

const char *json_line_action(Parley__V1__MembershipAction action)
{
    switch (action) {
    case PARLEY__V1__MEMBERSHIP_ACTION__MEMBERSHIP_ACTION_CREATED:
        return "created";
    case PARLEY__V1__MEMBERSHIP_ACTION__MEMBERSHIP_ACTION_ADDED:
        return "added";
    case PARLEY__V1__MEMBERSHIP_ACTION__MEMBERSHIP_ACTION_REMOVED:
        return "removed";
    case PARLEY__V1__MEMBERSHIP_ACTION__MEMBERSHIP_ACTION_LEFT:
        return "left";
    default:
        return NULL;
    }
}

static json_t *text_or_nothing(const char *text)
{
    return text == NULL ? NULL : json_string(text);
}

static void set_message(json_t *object, const Parley__V1__Message *message)
{
    json_line_set(object, "client_message_id", json_string(message->client_message_id));
    json_line_set(object, "content_type", json_string(message->content_type));
    json_line_set(object, "ordinal", json_integer(message->ordinal));
    json_t *body = json_stringn((const char *)message->body.data, message->body.len);
    if (body != NULL) {
        json_line_set(object, "body", body);
        return;
    }
    char *base64 = safe_text_base64(message->body.data, message->body.len);
    json_line_set(object, "body_base64", text_or_nothing(base64));
    free(base64);
}

static void set_membership(json_t *object, const Parley__V1__MembershipChange *change)
{
    json_t *users = json_array();
    for (size_t i = 0; i < change->n_user_ids; i++) {
        (void)json_array_append_new(users, json_string(change->user_ids[i]));
    }
    json_line_set(object, "action", text_or_nothing(json_line_action(change->action)));
    json_line_set(object, "user_ids", users);
    json_line_set(object, "role", text_or_nothing(json_line_role(change->role)));
}

json_t *json_line_event(const Parley__V1__Event *event)
{
    bool is_message = event->kind_case == PARLEY__V1__EVENT__KIND_MESSAGE;
    bool is_membership = event->kind_case == PARLEY__V1__EVENT__KIND_MEMBERSHIP;
    json_t *object =
        json_pack("{s:s, s:s, s:I, s:I, s:s}", "type",
                  is_message      ? "message"
                  : is_membership ? "membership"
                                  : "unknown",
                  "conversation_id", event->conversation_id, "seq", (json_int_t)event->seq,
                  "created_at_ms", (json_int_t)event->created_at_ms, "sender_id", event->sender_id);
    if (is_message) {
        set_message(object, event->message);
    } else if (is_membership) {
        set_membership(object, event->membership);
    }
    return object;
}

json_t *json_line_conversation(const Parley__V1__Conversation *conversation)
{
    json_t *object = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I}", "type", "conversation",
                               "conversation_id", conversation->conversation_id, "title",
                               conversation->title, "created_by", conversation->created_by,
                               "created_at_ms", (json_int_t)conversation->created_at_ms, "head_seq",
                               (json_int_t)conversation->head_seq, "member_count",
                               (json_int_t)conversation->member_count);
    json_line_set(object, "role", text_or_nothing(json_line_role(conversation->role)));
    if (conversation->retention != NULL) {
        json_line_set(object, "keep_days", json_integer(conversation->retention->days));
        json_line_set(object, "keep_messages", json_integer(conversation->retention->messages));
    }
    return object;
}

json_t *json_line_member(const Parley__V1__Member *member)
{
    json_t *object = json_pack("{s:s, s:s}", "type", "member", "user_id", member->user_id);
    json_line_set(object, "role", text_or_nothing(json_line_role(member->role)));
    return object;
}
