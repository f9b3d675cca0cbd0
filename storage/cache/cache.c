/* SPDX-License-Identifier: Apache-2.0 */
/* The cache as a store; see store/cache.h. Why an old value is never given:
 *
 * Writes. A write goes to the store first. When the store has answered, and before the caller is
 * told, the entries that it may have changed are deleted: by the time of an answer they are gone.
 * That includes the answer to a repeat (the node that committed the first may have died before its
 * delete) and an answer that says that the outcome is unknown.
 *
 * Fills. Whoever misses adds a marker with a random token under the key (the lease), then loads,
 * and stores what it loaded only over its own marker: `get` with the version, then `replace` of
 * that version. A delete takes the marker away, so a value that was loaded before a commit cannot
 * be put back after it. Memberships are many to one conversation, and a change may touch a
 * thousand: they are held under one marker for all, the epoch, which stays. Each carries the token
 * of the epoch that was there before it was loaded, and counts only as long as that epoch is there.
 * One delete ends them all.
 *
 * So: if a look-up at time t finds a value, nothing deleted it (or its epoch) between the lease and
 * t; each write that was answered before t has deleted it before its answer, hence before the
 * lease, hence the load saw it.
 *
 * Joining. A miss may wait for a load of the same key only if it has itself seen the token of that
 * load still in place: otherwise the load may be older than a write that was answered before the
 * miss was submitted. This holds also for writes of other nodes, of which this one is not told.
 *
 * History. Blocks of 64 events exist only when all 64 do: they never change but for being trimmed,
 * which the tail's first_seq tells: a trim deletes the tail, and no read goes before what a tail
 * tells. What a block holds of trimmed messages is gone from memory when it is `ttl_ms` old. The
 * growing end of a log is the tail's.
 *
 * Listeners. What on_commit told is not answered yet, so its entries may still be there: until they
 * are deleted, this node reads that conversation from the store (write.c).
 *
 * Failures. A server that cannot be asked is not waited for: the read goes to the store as it is. A
 * server that could not be told to delete is not read again by this node before it has been; other
 * nodes may find what it held until then, which is the breaker's window and a moment after it
 * answers again; or, if this node is gone, until what it held is `ttl_ms` old. Entries carry their
 * end in themselves, so this does not depend on memcached's clock. Which server holds a
 * conversation never depends on which of them live: otherwise two nodes could differ.
 *
 * An answer is put together from entries of different moments, each of them later than the request.
 */
#include "cache/cache_impl.h"

#include "cache/metrics.h"

#include "store/cache.h"

#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>

#define LANES        4
#define MEMORY_BYTES (64U << 20)
#define TTL_MS       60000
#define TIMEOUT_MS   50
#define BREAKER_MS   1000
#define PREFIX       "parley"
#define PREFIX_MAX   32
#define RETRY_MS     100

void cache_begin(struct store_cache *cache)
{
    __atomic_add_fetch(&cache->pending, 1, __ATOMIC_SEQ_CST);
}

/* Close sets its flag before it looks at the count: one of the two sees the other. */
void cache_end(struct store_cache *cache)
{
    if (__atomic_sub_fetch(&cache->pending, 1, __ATOMIC_SEQ_CST) == 0 &&
        __atomic_load_n(&cache->is_closing, __ATOMIC_SEQ_CST)) {
        (void)pthread_mutex_lock(&cache->idle_mutex);
        (void)pthread_cond_broadcast(&cache->idle);
        (void)pthread_mutex_unlock(&cache->idle_mutex);
    }
}

uint64_t cache_token(void)
{
    uint64_t token = 0;
    while (token == 0) {
        pl_random_bytes(&token, sizeof(token));
    }
    return token;
}

/* It is answered from a thread of the cache, which outlives the store behind. */
static void refuse_closing(struct store_cache *cache, struct store_request *request)
{
    pl_error_clear(&request->error);
    pl_arena_init(&request->arena, NULL, 0, 0);
    pl_fail(&request->error, PARLEY_UNAVAILABLE, "the store is closing");
    request->error.retry_after_ms = RETRY_MS;
    cache_begin(cache);
    cache_lane_refuse(&cache->lanes[0], request);
}

static void submit(struct store *base, struct store_request *request)
{
    struct store_cache *cache = (struct store_cache *)base;
    if (PL_UNLIKELY(__atomic_load_n(&cache->is_closing, __ATOMIC_SEQ_CST))) {
        refuse_closing(cache, request);
        return;
    }
    switch (request->op) {
    case STORE_OP_APPEND:
    case STORE_OP_CREATE:
    case STORE_OP_CHANGE_MEMBERS:
    case STORE_OP_SET_RETENTION:
    case STORE_OP_TRIM:
        cache_write_submit(cache, request);
        return;
    case STORE_OP_READ:
        if (((const struct store_read *)request)->uncached) {
            break;
        }
        cache_read_submit(cache, request);
        return;
    case STORE_OP_GET:
        cache_read_submit(cache, request);
        return;
    case STORE_OP_LIST_CONVERSATIONS:
    case STORE_OP_LIST_MEMBERS:
    case STORE_OP_HEADS:
    case STORE_OP_LIST_EXPIRED:
        break;
    }
    cache->inner->ops->submit(cache->inner, request);
}

/* ---- opening and closing ---- */

static void free_cache(struct store_cache *cache)
{
    for (unsigned i = 0; cache->lanes != NULL && i < cache->lane_count; i++) {
        cache_lane_stop(&cache->lanes[i]);
    }
    if (cache->backend != NULL) {
        cache->backend->ops->close(cache->backend);
    }
    (void)pthread_cond_destroy(&cache->idle);
    (void)pthread_mutex_destroy(&cache->idle_mutex);
    pl_free(cache->lanes);
    pl_free(cache);
}

static void close_cache(struct store *base)
{
    struct store_cache *cache = (struct store_cache *)base;
    struct store *inner = cache->inner;
    __atomic_store_n(&cache->is_closing, true, __ATOMIC_SEQ_CST);
    (void)pthread_mutex_lock(&cache->idle_mutex);
    while (__atomic_load_n(&cache->pending, __ATOMIC_SEQ_CST) > 0) {
        (void)pthread_cond_wait(&cache->idle, &cache->idle_mutex);
    }
    (void)pthread_mutex_unlock(&cache->idle_mutex);
    store_close(inner);
    free_cache(cache);
}

static const struct store_ops cache_ops = {submit, cache_set_listener, close_cache};

static enum parley_code open_backend(struct store_cache *cache,
                                     const struct store_cache_options *options,
                                     struct pl_error *err)
{
    if (options->kind == STORE_CACHE_MEMORY) {
        return cache_memory_open(options, &cache->backend, err);
    }
#ifdef PARLEY_WITH_MEMCACHED
    return cache_memcached_open(options, &cache->backend, err);
#else
    return pl_fail(err, PARLEY_UNIMPLEMENTED, "this build has no memcached");
#endif
}

static enum parley_code open_lanes(struct store_cache *cache, struct pl_error *err)
{
    enum parley_code code = PARLEY_OK;
    cache->lanes = pl_calloc(cache->lane_count, sizeof(*cache->lanes));
    if (cache->lanes == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for the cache");
    }
    for (unsigned i = 0; i < cache->lane_count && code == PARLEY_OK; i++) {
        code = cache_lane_start(cache, i, err);
    }
    return code;
}

static struct store_cache_options complete(const struct store_cache_options *options)
{
    struct store_cache_options all = *options;
    all.memory_bytes = all.memory_bytes == 0 ? MEMORY_BYTES : all.memory_bytes;
    all.prefix = all.prefix == NULL ? PREFIX : all.prefix;
    all.ttl_ms = all.ttl_ms == 0 ? TTL_MS : all.ttl_ms;
    all.timeout_ms = all.timeout_ms == 0 ? TIMEOUT_MS : all.timeout_ms;
    all.breaker_ms = all.breaker_ms == 0 ? BREAKER_MS : all.breaker_ms;
    all.threads = all.threads == 0 ? LANES : all.threads;
    return all;
}

enum parley_code store_cache_open(struct store *inner, const struct store_cache_options *options,
                                  struct store **store, struct pl_error *err)
{
    struct store_cache_options all = complete(options);
    size_t prefix_len = strlen(all.prefix);
    if (prefix_len > PREFIX_MAX || !pl_id_is_valid(all.prefix, prefix_len)) {
        return pl_fail(err, PARLEY_INVALID_ARGUMENT,
                       "the prefix of keys is not 1 to %d bytes of A-Z a-z 0-9 . _ ~ : -",
                       PREFIX_MAX);
    }
    struct store_cache *cache = pl_calloc(1, sizeof(*cache));
    if (cache == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for the cache");
    }
    cache->store.ops = &cache_ops;
    cache->inner = inner;
    cache->ttl_ms = all.ttl_ms;
    cache->lane_count = all.threads;
    (void)pl_text_format(cache->prefix, sizeof(cache->prefix), "%s", all.prefix);
    (void)pthread_mutex_init(&cache->idle_mutex, NULL);
    (void)pthread_cond_init(&cache->idle, NULL);
    cache_metrics_register();
    enum parley_code code = open_backend(cache, &all, err);
    if (code == PARLEY_OK) {
        code = open_lanes(cache, err);
    }
    if (code != PARLEY_OK) {
        free_cache(cache);
        return code;
    }
    *store = &cache->store;
    pl_log_info("CACHE_OPEN", NULL, "kind=%s threads=%u",
                all.kind == STORE_CACHE_MEMORY ? "memory" : "memcached", all.threads);
    return PARLEY_OK;
}
