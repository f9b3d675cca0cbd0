/* SPDX-License-Identifier: Apache-2.0 */
/* Misses: asks the store for one entry, keeps it if the lease still holds, and gives it to all who
 * wait for it. cache.c says why this is safe. */
#include "cache/cache_impl.h"

#include "cache/metrics.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"

#include <string.h>

struct load {
    struct cache_task task; /* first */
    struct store_cache *cache;
    struct cache_lane *lane;
    struct cache_key key;
    enum cache_kind kind;
    int64_t block;
    uint64_t stamp;
    bool keeps;
    int64_t began_ms; /* wall clock */
    struct pl_list waiters;
    size_t conversation_len;
    char conversation[PL_ID_MAX];
    char user[PL_ID_MAX];
    union {
        struct store_request request;
        struct store_get get;
        struct store_read read;
    } inner;
};

static struct store_bytes group_of(const struct load *load)
{
    return (struct store_bytes){load->conversation, load->conversation_len};
}

/* ---- what was loaded, as an entry ---- */

static int64_t expiry(const struct load *load, bool is_negative)
{
    int64_t lasts_ms = load->cache->ttl_ms;
    if (is_negative && lasts_ms > CACHE_NEGATIVE_MS) {
        lasts_ms = CACHE_NEGATIVE_MS;
    }
    /* From before the load: a write that came after it is not older than the entry. */
    return load->began_ms + lasts_ms;
}

/* The store gave the newest first. */
static struct pl_buf *encode_tail(const struct load *load)
{
    struct store_event events[CACHE_BLOCK_EVENTS];
    const struct store_read *read = &load->inner.read;
    size_t count = read->event_count;
    for (size_t i = 0; i < count; i++) {
        events[count - 1 - i] = read->events[i];
    }
    const struct cache_tail tail = {read->head_seq, read->first_seq, count, events};
    return cache_encode_tail(&tail, expiry(load, false));
}

/* A block is kept if the store gave it to its end. */
static struct pl_buf *encode_block(const struct load *load)
{
    const struct store_read *read = &load->inner.read;
    size_t count = read->event_count;
    int64_t end = (load->block + 1) * CACHE_BLOCK_EVENTS;
    if (count == 0 || read->head_seq < end) {
        return NULL;
    }
    if (read->events[count - 1].seq < end) {
        return cache_encode_bare(CACHE_BLOCK, CACHE_LARGE, expiry(load, false), 0);
    }
    return cache_encode_block(read->events, count, expiry(load, false));
}

static struct pl_buf *encode(const struct load *load)
{
    enum parley_code code = load->inner.request.error.code;
    bool is_missing = code == PARLEY_NOT_FOUND;
    if (code != PARLEY_OK && !is_missing) {
        return NULL;
    }
    switch (load->kind) {
    case CACHE_MEMBER:
        return cache_encode_role(is_missing ? STORE_ROLE_NONE : load->inner.get.conversation.role,
                                 expiry(load, is_missing), load->stamp);
    case CACHE_CONVERSATION:
        if (!is_missing) {
            return cache_encode_conversation(&load->inner.get.conversation, expiry(load, false));
        }
        break;
    case CACHE_TAIL:
        if (!is_missing) {
            return encode_tail(load);
        }
        break;
    case CACHE_BLOCK:
        return is_missing ? NULL : encode_block(load);
    case CACHE_EPOCH:
    case CACHE_KINDS:
        return NULL;
    }
    return cache_encode_bare(load->kind, CACHE_NONE, expiry(load, true), 0);
}

/* ---- keeping it ---- */

/* Store over the marker of this load, and over nothing else. */
static enum cache_outcome replace_marker(struct load *load, struct pl_buf *entry)
{
    struct cache_backend *backend = load->cache->backend;
    struct cache_item item = {.key = load->key};
    struct cache_entry marker;
    enum cache_outcome outcome =
        backend->ops->get(backend, load->lane->index, group_of(load), &item, 1);
    pl_metric_add(&cache_metric_operations, 1);
    if (outcome == CACHE_DONE) {
        outcome = CACHE_REFUSED;
        if (cache_decode(item.value, load->kind, pl_clock_wall_ms(), &marker) &&
            marker.form == CACHE_MARKER && marker.stamp == load->stamp) {
            pl_metric_add(&cache_metric_operations, 1);
            outcome = backend->ops->replace(backend, load->lane->index, group_of(load), &load->key,
                                            entry, item.version);
        }
    }
    pl_buf_unref(item.value);
    return outcome;
}

static void keep(struct load *load, struct pl_buf *entry)
{
    struct cache_backend *backend = load->cache->backend;
    enum cache_outcome outcome = CACHE_DONE;
    if (load->kind == CACHE_MEMBER) {
        /* It says itself under which epoch it counts. */
        pl_metric_add(&cache_metric_operations, 1);
        outcome = backend->ops->set(backend, load->lane->index, group_of(load), &load->key, entry);
    } else {
        outcome = replace_marker(load, entry);
    }
    pl_metric_add(outcome == CACHE_DONE ? &cache_metric_fills : &cache_metric_fills_refused, 1);
}

/* ---- a load's life ---- */

/* @thread the lane's */
static void finish(struct cache_task *task)
{
    struct load *load = (struct load *)task;
    struct store_cache *cache = load->cache;
    struct pl_buf *entry = encode(load);
    if (entry != NULL && load->keeps) {
        keep(load, entry);
    }
    if (pl_map_find(load->lane->loads, load->key.text, load->key.len) == load) {
        (void)pl_map_take(load->lane->loads, load->key.text, load->key.len);
    }
    store_request_release(&load->inner.request);
    while (!pl_list_is_empty(&load->waiters)) {
        struct cache_want *waiter =
            PL_LIST_ENTRY(pl_list_pop(&load->waiters), struct cache_want, node);
        cache_job_give(waiter, entry == NULL ? NULL : pl_buf_ref(entry));
    }
    pl_buf_unref(entry);
    pl_free(load);
    cache_end(cache);
}

/* @thread the store's */
static void on_loaded(struct store_request *request)
{
    struct load *load = PL_CONTAINER_OF(request, struct load, inner.request);
    cache_lane_push_answer(load->lane, &load->task);
}

static struct load *new_load(const struct cache_want *missing, const struct cache_key *key,
                             uint64_t stamp, bool keeps)
{
    const struct cache_job *job = missing->job;
    struct load *load = pl_calloc(1, sizeof(*load));
    if (load == NULL) {
        return NULL;
    }
    load->task.run = finish;
    load->cache = job->cache;
    load->lane = job->lane;
    load->key = *key;
    load->kind = missing->kind;
    load->block = missing->block;
    load->stamp = stamp;
    load->keeps = keeps;
    load->began_ms = pl_clock_wall_ms();
    pl_list_init(&load->waiters);
    load->conversation_len = job->conversation.len;
    memcpy(load->conversation, job->conversation.data, job->conversation.len);
    if (job->user.len > 0) {
        memcpy(load->user, job->user.data, job->user.len);
    }
    load->inner.request.done = on_loaded;
    return load;
}

static void ask_store(struct load *load, size_t user_len)
{
    struct store *inner = load->cache->inner;
    if (load->kind == CACHE_MEMBER || load->kind == CACHE_CONVERSATION) {
        load->inner.get.conversation_id = group_of(load);
        if (load->kind == CACHE_MEMBER) {
            load->inner.get.user = (struct store_bytes){load->user, user_len};
        }
        store_get(inner, &load->inner.get);
        return;
    }
    load->inner.read.conversation_id = group_of(load);
    load->inner.read.backwards = load->kind == CACHE_TAIL;
    load->inner.read.from_seq = load->kind == CACHE_TAIL ? 0 : load->block * CACHE_BLOCK_EVENTS + 1;
    load->inner.read.limit = CACHE_BLOCK_EVENTS;
    load->inner.read.max_bytes = CACHE_ENTRY_BODIES_MAX;
    store_read(inner, &load->inner.read);
}

void cache_load(struct cache_want *missing, const struct cache_key *key, uint64_t stamp, bool keeps)
{
    struct cache_job *job = missing->job;
    struct cache_lane *lane = job->lane;
    struct load *running = pl_map_find(lane->loads, key->text, key->len);
    job->loads++;
    if (stamp != 0 && running != NULL && running->stamp == stamp) {
        pl_metric_add(&cache_metric_coalesced, 1);
        pl_list_push(&running->waiters, &missing->node);
        return;
    }
    struct load *load = new_load(missing, key, stamp, keeps);
    if (load == NULL) {
        cache_job_give(missing, NULL);
        return;
    }
    cache_begin(job->cache);
    pl_list_push(&load->waiters, &missing->node);
    if (stamp != 0) {
        /* Without memory for it nobody can join: no harm. */
        int rv = pl_map_put(lane->loads, key->text, key->len, load, NULL);
        (void)rv;
    }
    ask_store(load, job->user.len);
}
