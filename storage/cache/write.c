/* SPDX-License-Identifier: Apache-2.0 */
/* Writes: to the store, then the deletes, then the answer. All writes of a conversation that the
 * store answered meanwhile share their deletes, as they may have shared their transaction.
 *
 * Flights. on_commit comes before the answers, on a thread that must not wait for a memcached. So
 * it only notes, for each conversation with a write under way, how often it was told; when the
 * deletes are made, up to which of these they count. Between the two this node reads from the
 * store. */
#include "cache/cache_impl.h"

#include "cache/metrics.h"

#include "base/id.h"
#include "base/mem.h"

#define RETRY_MS 100

/* The writes of one conversation that are under way. */
struct flight {
    size_t writes;
    uint64_t told;    /* commits noted */
    uint64_t deleted; /* of these: entries are gone */
};

struct write {
    struct cache_task task; /* first */
    struct cache_lane *lane;
    struct store_request *outer;
    struct store_bytes conversation;
    struct flight *flight; /* NULL: there is no listener */
    uint64_t told;         /* the flight's, when the store answered */
    bool is_leader;        /* deletes for all of its conversation */
    bool has_members;      /* leader: one of them changed members */
    union {
        struct store_request request;
        struct store_append append;
        struct store_create create;
        struct store_change_members change;
        struct store_set_retention set;
        struct store_trim trim;
    } inner;
};

/* ---- flights ---- */

/* False: no memory. */
static bool enter_flight(struct write *write)
{
    struct cache_lane *lane = write->lane;
    const struct store_bytes id = write->conversation;
    (void)pthread_mutex_lock(&lane->fence.mutex);
    struct flight *flight = pl_map_find(lane->fence.flights, id.data, id.len);
    if (flight == NULL) {
        flight = pl_calloc(1, sizeof(*flight));
        if (flight != NULL && pl_map_put(lane->fence.flights, id.data, id.len, flight, NULL) != 0) {
            pl_free(flight);
            flight = NULL;
        }
    }
    if (flight != NULL) {
        flight->writes++;
    }
    write->flight = flight;
    (void)pthread_mutex_unlock(&lane->fence.mutex);
    return flight != NULL;
}

/* @param has_deleted  the entries of its conversation are gone, for the sake of this write */
static void leave_flight(struct write *write, bool has_deleted)
{
    struct cache_lane *lane = write->lane;
    struct flight *flight = write->flight;
    if (flight == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&lane->fence.mutex);
    if (has_deleted && flight->deleted < write->told) {
        flight->deleted = write->told;
    }
    flight->writes--;
    if (flight->writes == 0) {
        pl_free(
            pl_map_take(lane->fence.flights, write->conversation.data, write->conversation.len));
    }
    (void)pthread_mutex_unlock(&lane->fence.mutex);
}

bool cache_is_fenced(struct cache_lane *lane, struct store_bytes conversation)
{
    if (!lane->cache->has_listener) {
        return false;
    }
    (void)pthread_mutex_lock(&lane->fence.mutex);
    const struct flight *flight =
        pl_map_find(lane->fence.flights, conversation.data, conversation.len);
    bool is_fenced = flight != NULL && flight->told != flight->deleted;
    (void)pthread_mutex_unlock(&lane->fence.mutex);
    return is_fenced;
}

static void note_commit(struct cache_lane *lane, struct store_bytes conversation)
{
    (void)pthread_mutex_lock(&lane->fence.mutex);
    struct flight *flight = pl_map_find(lane->fence.flights, conversation.data, conversation.len);
    if (flight != NULL) {
        flight->told++;
    }
    (void)pthread_mutex_unlock(&lane->fence.mutex);
}

/* @thread a writer of the store */
static void on_commit(void *context, const struct store_commit *commits, size_t commit_count)
{
    struct store_cache *cache = context;
    for (size_t i = 0; i < commit_count; i++) {
        struct store_bytes id = commits[i].conversation_id;
        note_commit(cache_lane_of(cache, id), id);
    }
    cache->listener.on_commit(cache->listener.context, commits, commit_count);
}

void cache_set_listener(struct store *base, const struct store_listener *listener)
{
    struct store_cache *cache = (struct store_cache *)base;
    const struct store_listener own = {.on_commit = on_commit, .context = cache};
    const struct store_listener none = {.on_commit = NULL};
    cache->listener = *listener;
    cache->has_listener = listener->on_commit != NULL;
    store_set_listener(cache->inner, cache->has_listener ? &own : &none);
}

/* ---- deletes ---- */

/* Whether the write may have changed something, or an earlier copy of it. */
static bool must_delete(const struct write *write)
{
    switch (write->inner.request.error.code) {
    case PARLEY_INVALID_ARGUMENT:
    case PARLEY_NOT_FOUND:
    case PARLEY_ALREADY_EXISTS:
    case PARLEY_PERMISSION_DENIED:
        return false;
    default:
        return true; /* done, or nobody knows */
    }
}

static void choose_leader(struct cache_lane *lane, struct write *write)
{
    const struct store_bytes id = write->conversation;
    enum store_op op = write->inner.request.op;
    bool has_members = op == STORE_OP_CREATE || op == STORE_OP_CHANGE_MEMBERS;
    struct write *leader = pl_map_find(lane->settled, id.data, id.len);
    if (leader != NULL) {
        leader->has_members = leader->has_members || has_members;
        return;
    }
    write->is_leader = true;
    write->has_members = has_members;
    /* Without memory for it each write deletes for itself. */
    int rv = pl_map_put(lane->settled, id.data, id.len, write, NULL);
    (void)rv;
}

static void delete_some(struct cache_lane *lane, size_t count)
{
    struct cache_backend *backend = lane->cache->backend;
    for (size_t i = 0; i < count; i++) {
        pl_metric_add(&cache_metric_operations, (int64_t)lane->removals[i].count);
    }
    /* Down: the backend remembers; see cache.c for what that means to others. */
    if (count > 0 &&
        backend->ops->remove(backend, lane->index, lane->removals, count) != CACHE_DONE) {
        lane->owes = true;
    }
}

/* Of the conversations of all leaders in the list. */
static void delete_entries(struct cache_lane *lane, struct cache_task *first)
{
    size_t count = 0;
    for (struct cache_task *task = first; task != NULL; task = task->next) {
        const struct write *write = (struct write *)task;
        if (!write->is_leader) {
            continue;
        }
        cache_removal_make(&lane->removals[count++], lane->cache->prefix, write->conversation,
                           write->has_members);
        (void)pl_map_take(lane->settled, write->conversation.data, write->conversation.len);
        if (count == CACHE_REMOVALS_MAX) {
            delete_some(lane, count);
            count = 0;
        }
    }
    delete_some(lane, count);
}

/* ---- answers ---- */

static void give_results(const struct write *write)
{
    struct store_request *outer = write->outer;
    outer->error = write->inner.request.error;
    outer->arena = write->inner.request.arena; /* and what it holds */
    if (outer->op == STORE_OP_APPEND) {
        struct store_append *append = (struct store_append *)outer;
        append->seq = write->inner.append.seq;
        append->created_at_ms = write->inner.append.created_at_ms;
        append->is_duplicate = write->inner.append.is_duplicate;
    } else if (outer->op == STORE_OP_CREATE) {
        struct store_create *create = (struct store_create *)outer;
        create->conversation = write->inner.create.conversation;
        create->created = write->inner.create.created;
    } else if (outer->op == STORE_OP_TRIM) {
        struct store_trim *trim = (struct store_trim *)outer;
        trim->trimmed = write->inner.trim.trimmed;
        trim->first_seq = write->inner.trim.first_seq;
        trim->has_more = write->inner.trim.has_more;
    } else if (outer->op == STORE_OP_CHANGE_MEMBERS) {
        struct store_change_members *change = (struct store_change_members *)outer;
        change->head_seq = write->inner.change.head_seq;
    }
}

void cache_write_settle(struct cache_task *first)
{
    struct write *write = (struct write *)first;
    struct cache_lane *lane = write->lane;
    for (struct cache_task *task = first; task != NULL; task = task->next) {
        write = (struct write *)task;
        if (must_delete(write)) {
            choose_leader(lane, write);
        }
    }
    delete_entries(lane, first);
    while (first != NULL) {
        write = (struct write *)first;
        struct store_request *outer = write->outer;
        first = first->next;
        leave_flight(write, must_delete(write));
        give_results(write);
        pl_free(write);
        outer->done(outer);
        cache_end(lane->cache);
    }
}

/* @thread the store's */
static void on_stored(struct store_request *request)
{
    struct write *write = PL_CONTAINER_OF(request, struct write, inner.request);
    if (write->flight != NULL) {
        (void)pthread_mutex_lock(&write->lane->fence.mutex);
        write->told = write->flight->told;
        (void)pthread_mutex_unlock(&write->lane->fence.mutex);
    }
    cache_lane_push_write(write->lane, &write->task);
}

static void copy_request(struct write *write, const struct store_request *request)
{
    if (request->op == STORE_OP_APPEND) {
        write->inner.append = *(const struct store_append *)request;
    } else if (request->op == STORE_OP_CREATE) {
        write->inner.create = *(const struct store_create *)request;
    } else if (request->op == STORE_OP_TRIM) {
        write->inner.trim = *(const struct store_trim *)request;
    } else if (request->op == STORE_OP_SET_RETENTION) {
        write->inner.set = *(const struct store_set_retention *)request;
    } else {
        write->inner.change = *(const struct store_change_members *)request;
    }
    write->inner.request.done = on_stored;
}

static void refuse(struct store_cache *cache, struct store_request *request)
{
    pl_error_clear(&request->error);
    pl_arena_init(&request->arena, NULL, 0, 0);
    pl_fail(&request->error, PARLEY_UNAVAILABLE, "no memory for a write");
    request->error.retry_after_ms = RETRY_MS;
    cache_lane_refuse(&cache->lanes[0], request);
}

void cache_write_submit(struct store_cache *cache, struct store_request *request)
{
    const struct store_bytes conversation = store_request_conversation(request);
    if (!pl_id_is_valid(conversation.data, conversation.len)) {
        cache->inner->ops->submit(cache->inner, request); /* it says why it refuses */
        return;
    }
    cache_begin(cache);
    struct write *write = pl_calloc(1, sizeof(*write));
    if (write == NULL) {
        refuse(cache, request);
        return;
    }
    write->lane = cache_lane_of(cache, conversation);
    write->outer = request;
    write->conversation = conversation;
    copy_request(write, request);
    if (cache->has_listener && !enter_flight(write)) {
        pl_free(write);
        refuse(cache, request);
        return;
    }
    cache->inner->ops->submit(cache->inner, &write->inner.request);
}
