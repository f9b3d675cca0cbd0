/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of the port: each names its operation and hands the request to the store behind. */
#include "store/store.h"

static void submit(struct store *store, struct store_request *request, enum store_op op)
{
    request->op = op;
    store->ops->submit(store, request);
}

void store_append(struct store *store, struct store_append *request)
{
    submit(store, &request->request, STORE_OP_APPEND);
}

void store_create(struct store *store, struct store_create *request)
{
    submit(store, &request->request, STORE_OP_CREATE);
}

void store_change_members(struct store *store, struct store_change_members *request)
{
    submit(store, &request->request, STORE_OP_CHANGE_MEMBERS);
}

void store_set_retention(struct store *store, struct store_set_retention *request)
{
    submit(store, &request->request, STORE_OP_SET_RETENTION);
}

void store_read(struct store *store, struct store_read *request)
{
    submit(store, &request->request, STORE_OP_READ);
}

void store_get(struct store *store, struct store_get *request)
{
    submit(store, &request->request, STORE_OP_GET);
}

void store_list_conversations(struct store *store, struct store_list_conversations *request)
{
    submit(store, &request->request, STORE_OP_LIST_CONVERSATIONS);
}

void store_list_members(struct store *store, struct store_list_members *request)
{
    submit(store, &request->request, STORE_OP_LIST_MEMBERS);
}

void store_heads(struct store *store, struct store_heads *request)
{
    submit(store, &request->request, STORE_OP_HEADS);
}

void store_list_expired(struct store *store, struct store_list_expired *request)
{
    submit(store, &request->request, STORE_OP_LIST_EXPIRED);
}

void store_trim(struct store *store, struct store_trim *request)
{
    submit(store, &request->request, STORE_OP_TRIM);
}

struct store_bytes store_request_conversation(const struct store_request *request)
{
    switch (request->op) {
    case STORE_OP_APPEND:
        return ((const struct store_append *)request)->conversation_id;
    case STORE_OP_CREATE:
        return ((const struct store_create *)request)->conversation_id;
    case STORE_OP_CHANGE_MEMBERS:
        return ((const struct store_change_members *)request)->conversation_id;
    case STORE_OP_SET_RETENTION:
        return ((const struct store_set_retention *)request)->conversation_id;
    case STORE_OP_READ:
        return ((const struct store_read *)request)->conversation_id;
    case STORE_OP_GET:
        return ((const struct store_get *)request)->conversation_id;
    case STORE_OP_LIST_MEMBERS:
        return ((const struct store_list_members *)request)->conversation_id;
    case STORE_OP_TRIM:
        return ((const struct store_trim *)request)->conversation_id;
    case STORE_OP_LIST_CONVERSATIONS:
    case STORE_OP_HEADS:
    case STORE_OP_LIST_EXPIRED:
        break;
    }
    return (struct store_bytes){"", 0};
}

bool store_request_is_write(const struct store_request *request)
{
    return request->op == STORE_OP_APPEND || request->op == STORE_OP_CREATE ||
           request->op == STORE_OP_CHANGE_MEMBERS || request->op == STORE_OP_SET_RETENTION ||
           request->op == STORE_OP_TRIM;
}

void store_request_release(struct store_request *request)
{
    pl_arena_deinit(&request->arena);
}

void store_set_listener(struct store *store, const struct store_listener *listener)
{
    store->ops->set_listener(store, listener);
}

void store_close(struct store *store)
{
    if (store != NULL) {
        store->ops->close(store);
    }
}
