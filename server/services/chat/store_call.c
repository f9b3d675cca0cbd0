/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to the store on behalf of calls; see store_call.h. */
#include "chat/store_call.h"

#include "base/mem.h"
#include "call/call.h"

#include <string.h>

/* For the NULs of some inputs and their alignment. */
#define INPUT_SLACK 96

/* @thread loop */
static void deliver(struct pl_loop *loop, struct pl_mail *mail)
{
    (void)loop;
    struct store_call *pending = PL_CONTAINER_OF(mail, struct store_call, mail);
    pending->is_done = true;
    pending->on_done(pending);
}

/* @thread pool: the store's. Once it is posted, the loop may free it. */
static void on_stored(struct store_request *request)
{
    struct store_call *pending = PL_CONTAINER_OF(request, struct store_call, store.request);
    pl_loop_post(pending->loop, &pending->mail);
}

struct store_call *store_call_new(parley_server_call *call, size_t input_bytes,
                                  store_call_fn on_done)
{
    input_bytes += INPUT_SLACK;
    struct store_call *pending = pl_malloc(sizeof(*pending) + input_bytes);
    if (pending == NULL) {
        return NULL;
    }
    memset(pending, 0, sizeof(*pending));
    pl_arena_init(&pending->inputs, pending + 1, input_bytes, 0);
    pending->mail.deliver = deliver;
    pending->loop = call_loop(call);
    pending->call = call;
    pending->on_done = on_done;
    pending->store.request.done = on_stored;
    return pending;
}

struct store_bytes store_call_keep(struct store_call *pending, const void *data, size_t len)
{
    struct store_bytes kept = {"", 0};
    const char *copy = pl_arena_strndup(&pending->inputs, len > 0 ? data : "", len);
    if (copy == NULL) {
        pending->is_short_of_memory = true;
        return kept;
    }
    kept.data = copy;
    kept.len = len;
    return kept;
}

struct store_bytes store_call_keep_text(struct store_call *pending, const char *text)
{
    return store_call_keep(pending, text, strlen(text));
}

const struct store_bytes *store_call_keep_ids(struct store_call *pending, char *const *ids,
                                              size_t count)
{
    struct store_bytes *kept = pl_arena_alloc(&pending->inputs, count * sizeof(*kept));
    if (kept == NULL) {
        pending->is_short_of_memory = true;
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        kept[i] = store_call_keep_text(pending, ids[i]);
    }
    return kept;
}

size_t store_call_ids_bytes(char *const *ids, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        bytes += sizeof(struct store_bytes) + strlen(ids[i]) + 8; /* its NUL, its alignment */
    }
    return bytes;
}

static void submit(struct store_call *pending, struct store *store, enum store_op op)
{
    switch (op) {
    case STORE_OP_APPEND:
        store_append(store, &pending->store.append);
        break;
    case STORE_OP_CREATE:
        store_create(store, &pending->store.create);
        break;
    case STORE_OP_CHANGE_MEMBERS:
        store_change_members(store, &pending->store.change);
        break;
    case STORE_OP_SET_RETENTION:
        store_set_retention(store, &pending->store.retention);
        break;
    case STORE_OP_READ:
        store_read(store, &pending->store.read);
        break;
    case STORE_OP_GET:
        store_get(store, &pending->store.get);
        break;
    case STORE_OP_LIST_CONVERSATIONS:
        store_list_conversations(store, &pending->store.conversations);
        break;
    case STORE_OP_LIST_MEMBERS:
        store_list_members(store, &pending->store.members);
        break;
    case STORE_OP_HEADS: /* no calls of a client's */
    case STORE_OP_LIST_EXPIRED:
    case STORE_OP_TRIM:
        break;
    }
}

void store_call_submit(struct store_call *pending, struct store *store, enum store_op op)
{
    pending->is_done = false;
    if (PL_LIKELY(!pending->is_short_of_memory)) {
        submit(pending, store, op);
        return;
    }
    pl_fail(&pending->store.request.error, PARLEY_RESOURCE_EXHAUSTED, "no memory for a request");
    pl_loop_post(pending->loop, &pending->mail);
}

void store_call_orphan(struct store_call *pending)
{
    pending->slot = call_keep_slot(pending->call);
    pending->call = NULL;
}

void store_call_free(struct store_call *pending)
{
    if (pending != NULL) {
        call_leave_slot(pending->slot);
        store_request_release(&pending->store.request);
        pl_arena_deinit(&pending->inputs);
        pl_free(pending);
    }
}
