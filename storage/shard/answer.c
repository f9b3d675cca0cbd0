/* SPDX-License-Identifier: Apache-2.0 */
/* Answers to reads, as all engines give them; see answer.h. */
#include "shard/answer.h"

#include "base/mem.h"

void shard_answer(const struct shard_read_ops *ops, struct shard_reader *reader,
                  struct store_request *request)
{
    switch ((int)request->op) {
    case STORE_OP_READ:
        ops->read_log(reader, (struct store_read *)request);
        return;
    case STORE_OP_GET:
        ops->get(reader, (struct store_get *)request);
        return;
    case STORE_OP_LIST_CONVERSATIONS:
        ops->list_conversations(reader, (struct store_list_conversations *)request);
        return;
    case STORE_OP_LIST_MEMBERS:
        ops->list_members(reader, (struct store_list_members *)request);
        return;
    case STORE_OP_LIST_EXPIRED:
        ops->list_expired(reader, (struct store_list_expired *)request);
        return;
    case SHARD_OP_LOOKUP:
        ops->look_up(reader, (struct shard_lookup_request *)request);
        return;
    default:
        pl_fail(&request->error, PARLEY_UNIMPLEMENTED, "operation %d is no read", (int)request->op);
        return;
    }
}

/* ---- rows ---- */

void *shard_rows_reserve(struct shard_rows *rows, size_t count, size_t size)
{
    size_t bytes = count * size;
    if (bytes > rows->bytes) {
        size_t wanted = bytes < 2 * rows->bytes ? 2 * rows->bytes : bytes;
        void *data = pl_realloc(rows->data, wanted);
        if (data == NULL) {
            return NULL;
        }
        rows->data = data;
        rows->bytes = wanted;
    }
    return rows->data;
}

void shard_rows_deinit(struct shard_rows *rows)
{
    pl_free(rows->data);
}

/* @return NULL: no memory, and the request has failed and no rows */
static const void *give(const struct shard_rows *rows, struct store_request *request, size_t *count,
                        size_t size)
{
    const void *given = pl_arena_memdup(&request->arena, rows->data, *count * size);
    if (given == NULL) {
        *count = 0;
        (void)shard_fail_memory(&request->error);
    }
    return given;
}

void shard_give_events(const struct shard_rows *rows, struct store_read *read)
{
    read->events = give(rows, &read->request, &read->event_count, sizeof(struct store_event));
}

void shard_give_conversations(const struct shard_rows *rows, struct store_list_conversations *list)
{
    list->conversations =
        give(rows, &list->request, &list->count, sizeof(struct store_conversation));
}

void shard_give_members(const struct shard_rows *rows, struct store_list_members *list)
{
    list->members = give(rows, &list->request, &list->count, sizeof(struct store_member));
}

void shard_give_expired(const struct shard_rows *rows, struct store_list_expired *list,
                        struct store_bytes last)
{
    list->ids = give(rows, &list->request, &list->count, sizeof(struct store_bytes));
    list->last = last;
}

void shard_give_id(struct store_get *get)
{
    struct store_bytes *id = &get->conversation.id;
    id->data = pl_arena_strndup(&get->request.arena, id->data, id->len);
    if (id->data == NULL) {
        (void)shard_fail_memory(&get->request.error);
    }
}

size_t shard_page_limit(size_t limit)
{
    return limit < STORE_PAGE_MAX ? limit : STORE_PAGE_MAX;
}

/* ---- failures ---- */

enum parley_code shard_fail_memory(struct pl_error *err)
{
    return pl_fail(err, PARLEY_UNAVAILABLE, "no memory for the answer");
}

enum parley_code shard_fail_not_found(struct pl_error *err)
{
    return pl_fail(err, PARLEY_NOT_FOUND, "no such conversation, or the user is no member");
}
