/* SPDX-License-Identifier: Apache-2.0 */
/* The limits of the port, checked on the submitting thread, before anything is queued. */
#include "shard/executor_impl.h"

#include "base/id.h"
#include "base/text.h"

static enum parley_code check_id(struct pl_error *err, const char *field, struct store_bytes id)
{
    if (PL_LIKELY(pl_id_is_valid(id.data, id.len))) {
        return PARLEY_OK;
    }
    return pl_fail_field(err, field, "%s is not 1 to %d bytes of A-Z a-z 0-9 . _ ~ : -", field,
                         PL_ID_MAX);
}

static enum parley_code check_optional_id(struct pl_error *err, const char *field,
                                          struct store_bytes id)
{
    return id.len == 0 ? PARLEY_OK : check_id(err, field, id);
}

static enum parley_code check_len(struct pl_error *err, const char *field, struct store_bytes text,
                                  size_t max)
{
    if (PL_LIKELY(text.len <= max)) {
        return PARLEY_OK;
    }
    return pl_fail_field(err, field, "%s has %zu bytes, at most %zu are allowed", field, text.len,
                         max);
}

static enum parley_code check_users(struct pl_error *err, const char *field,
                                    const struct store_bytes *users, size_t count)
{
    if (count > STORE_MEMBERS_MAX) {
        return pl_fail_field(err, field, "%zu %s, at most %d are allowed", count, field,
                             STORE_MEMBERS_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        if (!pl_id_is_valid(users[i].data, users[i].len)) {
            return pl_fail_field(err, field, "%s[%zu] is not a valid id", field, i);
        }
    }
    return PARLEY_OK;
}

static enum parley_code check_limit(struct pl_error *err, size_t limit)
{
    return limit > 0 ? PARLEY_OK : pl_fail_field(err, "limit", "limit is 0");
}

static enum parley_code check_append(struct store_append *append, struct pl_error *err)
{
    enum parley_code code = check_id(err, "conversation_id", append->conversation_id);
    if (code == PARLEY_OK) {
        code = check_id(err, "sender", append->sender);
    }
    if (code == PARLEY_OK) {
        code = check_id(err, "client_message_id", append->client_message_id);
    }
    if (code == PARLEY_OK) {
        code = check_len(err, "content_type", append->content_type, STORE_CONTENT_TYPE_MAX);
    }
    return code == PARLEY_OK ? check_len(err, "body", append->body, STORE_BODY_MAX) : code;
}

static enum parley_code check_own_retention(const struct store_retention *retention,
                                            struct pl_error *err)
{
    return retention->age_ms >= STORE_KEEP_ALL && retention->messages >= STORE_KEEP_ALL
               ? PARLEY_OK
               : pl_fail_field(err, "retention", "retention is less than -1");
}

static enum parley_code check_create(struct store_create *create, struct pl_error *err)
{
    enum parley_code code = check_id(err, "conversation_id", create->conversation_id);
    if (code == PARLEY_OK) {
        code = check_id(err, "creator", create->creator);
    }
    if (code == PARLEY_OK) {
        code = check_len(err, "title", create->title, STORE_TITLE_MAX);
    }
    if (code == PARLEY_OK && !pl_text_is_utf8(create->title.data, create->title.len)) {
        code = pl_fail_field(err, "title", "title is not UTF-8");
    }
    if (code == PARLEY_OK) {
        code = check_own_retention(&create->retention, err);
    }
    return code == PARLEY_OK ? check_users(err, "members", create->members, create->member_count)
                             : code;
}

static enum parley_code check_change(struct store_change_members *change, struct pl_error *err)
{
    enum parley_code code = check_id(err, "conversation_id", change->conversation_id);
    if (code == PARLEY_OK) {
        code = check_id(err, "actor", change->actor);
    }
    if (code != PARLEY_OK) {
        return code;
    }
    switch (change->kind) {
    case STORE_MEMBERS_ADDED:
        if (change->role != STORE_ROLE_MEMBER && change->role != STORE_ROLE_OWNER) {
            return pl_fail_field(err, "role", "role %d cannot be given", (int)change->role);
        }
        return check_users(err, "users", change->users, change->user_count);
    case STORE_MEMBERS_REMOVED:
        return check_users(err, "users", change->users, change->user_count);
    case STORE_MEMBERS_LEFT:
        return change->user_count == 0
                   ? PARLEY_OK
                   : pl_fail_field(err, "users",
                                   "users are given to a leave, which is the actor's");
    default:
        return pl_fail_field(err, "kind", "kind %d is no change of members", (int)change->kind);
    }
}

static enum parley_code check_set_retention(const struct store_set_retention *set,
                                            struct pl_error *err)
{
    enum parley_code code = check_id(err, "conversation_id", set->conversation_id);
    if (code == PARLEY_OK) {
        code = check_id(err, "actor", set->actor);
    }
    return code == PARLEY_OK ? check_own_retention(&set->retention, err) : code;
}

static enum parley_code check_read(struct store_read *read, struct pl_error *err)
{
    enum parley_code code = check_id(err, "conversation_id", read->conversation_id);
    if (code == PARLEY_OK) {
        code = check_optional_id(err, "user", read->user);
    }
    if (code == PARLEY_OK && read->from_seq < 0) {
        code = pl_fail_field(err, "from_seq", "from_seq is negative");
    }
    return code == PARLEY_OK ? check_limit(err, read->limit) : code;
}

static enum parley_code check_get(struct store_get *get, struct pl_error *err)
{
    enum parley_code code = check_id(err, "conversation_id", get->conversation_id);
    return code == PARLEY_OK ? check_optional_id(err, "user", get->user) : code;
}

static enum parley_code check_list(struct store_list_conversations *list, struct pl_error *err)
{
    enum parley_code code = check_id(err, "user", list->user);
    if (code == PARLEY_OK) {
        code = check_optional_id(err, "after", list->after);
    }
    return code == PARLEY_OK ? check_limit(err, list->limit) : code;
}

static enum parley_code check_members(struct store_list_members *list, struct pl_error *err)
{
    enum parley_code code = check_id(err, "conversation_id", list->conversation_id);
    if (code == PARLEY_OK) {
        code = check_optional_id(err, "user", list->user);
    }
    if (code == PARLEY_OK) {
        code = check_optional_id(err, "after", list->after);
    }
    return code == PARLEY_OK ? check_limit(err, list->limit) : code;
}

static enum parley_code check_heads(const struct store_heads *heads, struct pl_error *err)
{
    if (heads->count < 1 || heads->count > STORE_HEADS_MAX) {
        return pl_fail_field(err, "ids", "%zu conversations at once; 1 to %d", heads->count,
                             STORE_HEADS_MAX);
    }
    enum parley_code code = PARLEY_OK;
    for (size_t i = 0; i < heads->count && code == PARLEY_OK; i++) {
        code = check_id(err, "ids", heads->ids[i]);
    }
    return code;
}

static enum parley_code check_retention(const struct store_retention *retention,
                                        struct pl_error *err)
{
    return retention->age_ms >= 0 && retention->messages >= 0
               ? PARLEY_OK
               : pl_fail_field(err, "retention", "retention is negative");
}

static enum parley_code check_expired(const struct store_list_expired *list, struct pl_error *err)
{
    enum parley_code code = check_retention(&list->retention, err);
    if (code == PARLEY_OK && list->bucket >= STORE_BUCKETS) {
        code = pl_fail_field(err, "bucket", "there is no bucket %u", list->bucket);
    }
    if (code == PARLEY_OK) {
        code = check_optional_id(err, "after", list->after);
    }
    return code == PARLEY_OK ? check_limit(err, list->limit) : code;
}

static enum parley_code check_trim(const struct store_trim *trim, struct pl_error *err)
{
    enum parley_code code = check_id(err, "conversation_id", trim->conversation_id);
    if (code == PARLEY_OK) {
        code = check_retention(&trim->retention, err);
    }
    if (code == PARLEY_OK && (trim->limit < 1 || trim->limit > STORE_TRIM_MAX)) {
        code =
            pl_fail_field(err, "limit", "%zu events at once; 1 to %d", trim->limit, STORE_TRIM_MAX);
    }
    return code;
}

enum parley_code shard_check(struct store_request *request)
{
    struct pl_error *err = &request->error;
    switch (request->op) {
    case STORE_OP_APPEND:
        return check_append((struct store_append *)request, err);
    case STORE_OP_CREATE:
        return check_create((struct store_create *)request, err);
    case STORE_OP_CHANGE_MEMBERS:
        return check_change((struct store_change_members *)request, err);
    case STORE_OP_SET_RETENTION:
        return check_set_retention((struct store_set_retention *)request, err);
    case STORE_OP_READ:
        return check_read((struct store_read *)request, err);
    case STORE_OP_GET:
        return check_get((struct store_get *)request, err);
    case STORE_OP_LIST_CONVERSATIONS:
        return check_list((struct store_list_conversations *)request, err);
    case STORE_OP_LIST_MEMBERS:
        return check_members((struct store_list_members *)request, err);
    case STORE_OP_HEADS:
        return check_heads((struct store_heads *)request, err);
    case STORE_OP_LIST_EXPIRED:
        return check_expired((struct store_list_expired *)request, err);
    case STORE_OP_TRIM:
        return check_trim((struct store_trim *)request, err);
    }
    return pl_fail(err, PARLEY_UNIMPLEMENTED, "no operation %d", (int)request->op);
}
