/* SPDX-License-Identifier: Apache-2.0 */
/* A store that counts and holds; see watched.h. */
#include "watched.h"

#include "base/mem.h"
#include "support/wait.h"

#include <string.h>

struct watched_request {
    struct watched *watched;
    struct store_request *outer;
    struct watched_request *next;
    union {
        struct store_request request;
        struct store_append append;
        struct store_create create;
        struct store_change_members change;
        struct store_set_retention set;
        struct store_read read;
        struct store_get get;
        struct store_list_conversations list;
        struct store_list_members members;
        struct store_heads heads;
        struct store_list_expired expired;
        struct store_trim trim;
    } inner;
};

static size_t request_size(enum store_op op)
{
    switch (op) {
    case STORE_OP_APPEND:
        return sizeof(struct store_append);
    case STORE_OP_CREATE:
        return sizeof(struct store_create);
    case STORE_OP_CHANGE_MEMBERS:
        return sizeof(struct store_change_members);
    case STORE_OP_SET_RETENTION:
        return sizeof(struct store_set_retention);
    case STORE_OP_READ:
        return sizeof(struct store_read);
    case STORE_OP_GET:
        return sizeof(struct store_get);
    case STORE_OP_LIST_CONVERSATIONS:
        return sizeof(struct store_list_conversations);
    case STORE_OP_LIST_MEMBERS:
        return sizeof(struct store_list_members);
    case STORE_OP_HEADS:
        return sizeof(struct store_heads);
    case STORE_OP_LIST_EXPIRED:
        return sizeof(struct store_list_expired);
    case STORE_OP_TRIM:
        break;
    }
    return sizeof(struct store_trim);
}

/* All that the engine wrote into its copy is the caller's now. */
static void give(struct watched_request *request)
{
    struct watched *watched = request->watched;
    struct store_request *outer = request->outer;
    void (*done)(struct store_request *) = outer->done;
    memcpy(outer, &request->inner, request_size(outer->op));
    outer->done = done;
    pl_free(request);
    outer->done(outer);
    __atomic_sub_fetch(&watched->pending, 1, __ATOMIC_SEQ_CST);
}

static void on_done(struct store_request *inner)
{
    struct watched_request *request = PL_CONTAINER_OF(inner, struct watched_request, inner.request);
    struct watched *watched = request->watched;
    bool is_read = inner->op == STORE_OP_READ || inner->op == STORE_OP_GET;
    (void)pthread_mutex_lock(&watched->mutex);
    bool is_held = is_read && watched->holds_reads;
    if (is_held) {
        request->next = watched->held;
        watched->held = request;
        watched->held_count++;
    }
    (void)pthread_mutex_unlock(&watched->mutex);
    if (!is_held) {
        give(request);
    }
}

static void submit(struct store *store, struct store_request *outer)
{
    struct watched *watched = (struct watched *)store;
    struct watched_request *request = pl_xcalloc(1, sizeof(*request));
    __atomic_add_fetch(&watched->counts[outer->op], 1, __ATOMIC_SEQ_CST);
    __atomic_add_fetch(&watched->pending, 1, __ATOMIC_SEQ_CST);
    request->watched = watched;
    request->outer = outer;
    memcpy(&request->inner, outer, request_size(outer->op));
    request->inner.request.done = on_done;
    watched->inner->ops->submit(watched->inner, &request->inner.request);
}

static void set_listener(struct store *store, const struct store_listener *listener)
{
    store_set_listener(((struct watched *)store)->inner, listener);
}

static void close_watched(struct store *store)
{
    struct watched *watched = (struct watched *)store;
    WAIT_FOR(__atomic_load_n(&watched->pending, __ATOMIC_SEQ_CST) == 0);
}

static const struct store_ops ops = {submit, set_listener, close_watched};

void watched_init(struct watched *watched, struct store *inner)
{
    *watched = (struct watched){.base = {.ops = &ops}, .inner = inner};
    (void)pthread_mutex_init(&watched->mutex, NULL);
}

void watched_deinit(struct watched *watched)
{
    (void)pthread_mutex_destroy(&watched->mutex);
}

unsigned watched_count(struct watched *watched, enum store_op op)
{
    return __atomic_load_n(&watched->counts[op], __ATOMIC_SEQ_CST);
}

unsigned watched_total(struct watched *watched)
{
    unsigned total = 0;
    for (size_t i = 0; i < WATCHED_OPS; i++) {
        total += watched_count(watched, (enum store_op)i);
    }
    return total;
}

void watched_reset(struct watched *watched)
{
    for (size_t i = 0; i < WATCHED_OPS; i++) {
        __atomic_store_n(&watched->counts[i], 0, __ATOMIC_SEQ_CST);
    }
}

void watched_hold_reads(struct watched *watched)
{
    (void)pthread_mutex_lock(&watched->mutex);
    watched->holds_reads = true;
    (void)pthread_mutex_unlock(&watched->mutex);
}

unsigned watched_held(struct watched *watched)
{
    (void)pthread_mutex_lock(&watched->mutex);
    unsigned count = watched->held_count;
    (void)pthread_mutex_unlock(&watched->mutex);
    return count;
}

void watched_release(struct watched *watched)
{
    (void)pthread_mutex_lock(&watched->mutex);
    struct watched_request *held = watched->held;
    watched->held = NULL;
    watched->held_count = 0;
    watched->holds_reads = false;
    (void)pthread_mutex_unlock(&watched->mutex);
    while (held != NULL) {
        struct watched_request *next = held->next;
        give(held);
        held = next;
    }
}
