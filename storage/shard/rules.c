/* SPDX-License-Identifier: Apache-2.0 */
/* The rules for writes; see rules.h. */
#include "shard/rules.h"

#include <string.h>

static bool is_owner(bool is_there, enum store_role role, struct pl_error *err)
{
    if (!is_there || role == STORE_ROLE_NONE) {
        pl_fail(err, PARLEY_NOT_FOUND, "no such conversation, or the actor is no member");
        return false;
    }
    if (role != STORE_ROLE_OWNER) {
        pl_fail(err, PARLEY_PERMISSION_DENIED, "only an owner may do this");
        return false;
    }
    return true;
}

bool shard_may_change(bool is_there, enum store_role role, struct store_change_members *change)
{
    bool may_leave = change->kind == STORE_MEMBERS_LEFT && is_there;
    return may_leave || is_owner(is_there, role, &change->request.error);
}

bool shard_may_set_retention(bool is_there, enum store_role role, struct store_set_retention *set)
{
    return is_owner(is_there, role, &set->request.error);
}

bool shard_is_creator(struct store_create *create)
{
    const struct store_bytes *by = &create->conversation.created_by;
    if (by->len != create->creator.len || memcmp(by->data, create->creator.data, by->len) != 0) {
        pl_fail(&create->request.error, PARLEY_ALREADY_EXISTS,
                "the conversation was created by another user");
        return false;
    }
    return true;
}

struct store_retention shard_retention(const struct store_retention *standard,
                                       struct store_retention own)
{
    return (struct store_retention){
        .age_ms = own.age_ms != 0 ? own.age_ms : standard->age_ms,
        .messages = own.messages != 0 ? own.messages : standard->messages,
    };
}

bool shard_keeps_all(const struct store_retention *retention)
{
    return retention->age_ms <= 0 && retention->messages <= 0;
}

bool shard_is_expired(const struct store_retention *retention, int64_t now_ms, int64_t head_ordinal,
                      int64_t created_at_ms, int64_t ordinal)
{
    int64_t beyond = retention->messages > 0 ? head_ordinal - retention->messages : 0;
    return (retention->age_ms > 0 && created_at_ms < now_ms - retention->age_ms) ||
           (beyond > 0 && ordinal <= beyond);
}

void shard_fail_append(struct store_append *append)
{
    pl_fail(&append->request.error, PARLEY_NOT_FOUND,
            "no such conversation, or the sender is no member");
}

void shard_fail_trim(struct store_trim *trim)
{
    pl_fail(&trim->request.error, PARLEY_NOT_FOUND, "no such conversation");
}

void shard_fail_write(struct store_request *request)
{
    pl_fail(&request->error, PARLEY_UNIMPLEMENTED, "operation %d is no write", (int)request->op);
}

void shard_fail_resync(struct shard_batch *batch, const struct pl_error *failure)
{
    for (size_t i = 0; i < batch->count; i++) {
        struct store_request *request = batch->requests[i];
        if (request->error.code == PARLEY_OK &&
            (request->op == STORE_OP_CREATE || request->op == STORE_OP_CHANGE_MEMBERS ||
             (int)request->op == SHARD_OP_RESYNC)) {
            request->error = *failure;
        }
    }
}
