/* SPDX-License-Identifier: Apache-2.0 */
/* Entries in this process: maps in parts, each with a lock and an order of use. What was not used
 * for longest goes when a part is full. */
#include "cache/backend.h"
#include "cache/entry.h"
#include "cache/metrics.h"

#include "store/cache.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"

#include <pthread.h>
#include <string.h>

#define PARTS 16U
/* The map's slot, its copy of the key, and what the heap takes for each of them; about. */
#define OVERHEAD (sizeof(struct kept) + sizeof(struct pl_buf) + 160)

struct kept {
    struct pl_list node; /* in part.order */
    struct pl_buf *value;
    uint64_t version;
    struct cache_key key;
};

struct part {
    pthread_mutex_t mutex;
    struct pl_map *kept;
    struct pl_list order; /* the next to go first */
    size_t bytes;
    uint64_t version; /* the last one given */
};

struct memory {
    struct cache_backend backend; /* first */
    size_t part_bytes_max;
    struct part parts[PARTS];
};

static struct part *part_of(struct cache_backend *backend, const struct cache_key *key)
{
    struct memory *memory = (struct memory *)backend;
    return &memory->parts[pl_hash_keyed(key->text, key->len) % PARTS];
}

static size_t bytes_of(const struct kept *kept)
{
    return OVERHEAD + kept->value->len;
}

static void account(struct part *part, size_t bytes, bool is_more)
{
    part->bytes = is_more ? part->bytes + bytes : part->bytes - bytes;
    pl_metric_add(&cache_metric_bytes, is_more ? (int64_t)bytes : -(int64_t)bytes);
}

static void drop_locked(struct part *part, struct kept *kept)
{
    (void)pl_map_take(part->kept, kept->key.text, kept->key.len);
    pl_list_remove(&kept->node);
    account(part, bytes_of(kept), false);
    pl_buf_unref(kept->value);
    pl_free(kept);
}

/* NULL: not there, or too old. */
static struct kept *find_locked(struct part *part, const struct cache_key *key)
{
    struct kept *kept = pl_map_find(part->kept, key->text, key->len);
    if (kept != NULL && cache_expiry(kept->value) <= pl_clock_wall_ms()) {
        drop_locked(part, kept);
        return NULL;
    }
    return kept;
}

static void use_locked(struct part *part, struct kept *kept)
{
    pl_list_remove(&kept->node);
    pl_list_push(&part->order, &kept->node);
}

static struct kept *add_locked(struct part *part, const struct cache_key *key)
{
    struct kept *kept = pl_calloc(1, sizeof(*kept));
    if (kept == NULL) {
        return NULL;
    }
    kept->key = *key;
    if (pl_map_put(part->kept, key->text, key->len, kept, NULL) != 0) {
        pl_free(kept);
        return NULL;
    }
    pl_list_push(&part->order, &kept->node);
    return kept;
}

static void trim_locked(const struct memory *memory, struct part *part)
{
    while (part->bytes > memory->part_bytes_max && !pl_list_is_empty(&part->order)) {
        drop_locked(part, PL_LIST_ENTRY(part->order.next, struct kept, node));
        pl_metric_add(&cache_metric_evictions, 1);
    }
}

/* @param kept  NULL: it is new. */
static enum cache_outcome put_locked(struct memory *memory, struct part *part, struct kept *kept,
                                     const struct cache_key *key, struct pl_buf *value)
{
    if (kept == NULL) {
        kept = add_locked(part, key);
        if (kept == NULL) {
            return CACHE_REFUSED;
        }
    } else {
        account(part, bytes_of(kept), false);
        pl_buf_unref(kept->value);
        use_locked(part, kept);
    }
    kept->value = pl_buf_ref(value);
    kept->version = ++part->version;
    account(part, bytes_of(kept), true);
    trim_locked(memory, part);
    return CACHE_DONE;
}

/* ---- the port ---- */

static enum cache_outcome get(struct cache_backend *backend, unsigned lane,
                              struct store_bytes group, struct cache_item *items, size_t count)
{
    (void)lane;
    (void)group;
    for (size_t i = 0; i < count; i++) {
        struct part *part = part_of(backend, &items[i].key);
        (void)pthread_mutex_lock(&part->mutex);
        struct kept *kept = find_locked(part, &items[i].key);
        items[i].value = NULL;
        if (kept != NULL) {
            use_locked(part, kept);
            items[i].value = pl_buf_ref(kept->value);
            items[i].version = kept->version;
        }
        (void)pthread_mutex_unlock(&part->mutex);
    }
    return CACHE_DONE;
}

static enum cache_outcome add(struct cache_backend *backend, unsigned lane,
                              struct store_bytes group, const struct cache_key *key,
                              struct pl_buf *value)
{
    (void)lane;
    (void)group;
    struct part *part = part_of(backend, key);
    (void)pthread_mutex_lock(&part->mutex);
    enum cache_outcome outcome = CACHE_REFUSED;
    if (find_locked(part, key) == NULL) {
        outcome = put_locked((struct memory *)backend, part, NULL, key, value);
    }
    (void)pthread_mutex_unlock(&part->mutex);
    return outcome;
}

static enum cache_outcome replace(struct cache_backend *backend, unsigned lane,
                                  struct store_bytes group, const struct cache_key *key,
                                  struct pl_buf *value, uint64_t version)
{
    (void)lane;
    (void)group;
    struct part *part = part_of(backend, key);
    (void)pthread_mutex_lock(&part->mutex);
    struct kept *kept = find_locked(part, key);
    enum cache_outcome outcome = CACHE_REFUSED;
    if (kept != NULL && kept->version == version) {
        outcome = put_locked((struct memory *)backend, part, kept, key, value);
    }
    (void)pthread_mutex_unlock(&part->mutex);
    return outcome;
}

static enum cache_outcome set(struct cache_backend *backend, unsigned lane,
                              struct store_bytes group, const struct cache_key *key,
                              struct pl_buf *value)
{
    (void)lane;
    (void)group;
    struct part *part = part_of(backend, key);
    (void)pthread_mutex_lock(&part->mutex);
    enum cache_outcome outcome =
        put_locked((struct memory *)backend, part, find_locked(part, key), key, value);
    (void)pthread_mutex_unlock(&part->mutex);
    return outcome;
}

static void remove_key(struct cache_backend *backend, const struct cache_key *key)
{
    struct part *part = part_of(backend, key);
    (void)pthread_mutex_lock(&part->mutex);
    struct kept *kept = find_locked(part, key);
    if (kept != NULL) {
        drop_locked(part, kept);
    }
    (void)pthread_mutex_unlock(&part->mutex);
}

static enum cache_outcome remove_all(struct cache_backend *backend, unsigned lane,
                                     const struct cache_removal *removals, size_t count)
{
    (void)lane;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < removals[i].count; j++) {
            remove_key(backend, &removals[i].keys[j]);
        }
    }
    return CACHE_DONE;
}

static void close_memory(struct cache_backend *backend)
{
    struct memory *memory = (struct memory *)backend;
    for (size_t i = 0; i < PARTS; i++) {
        struct part *part = &memory->parts[i];
        while (part->kept != NULL && !pl_list_is_empty(&part->order)) {
            drop_locked(part, PL_LIST_ENTRY(part->order.next, struct kept, node));
        }
        pl_map_free(part->kept, NULL);
        (void)pthread_mutex_destroy(&part->mutex);
    }
    pl_free(memory);
}

static const struct cache_backend_ops memory_ops = {
    .get = get,
    .add = add,
    .replace = replace,
    .set = set,
    .remove = remove_all,
    .close = close_memory,
};

enum parley_code cache_memory_open(const struct store_cache_options *options,
                                   struct cache_backend **backend, struct pl_error *err)
{
    struct memory *memory = pl_calloc(1, sizeof(*memory));
    if (memory == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for the cache");
    }
    memory->backend.ops = &memory_ops;
    memory->part_bytes_max = options->memory_bytes / PARTS;
    bool is_made = true;
    for (size_t i = 0; i < PARTS; i++) {
        struct part *part = &memory->parts[i];
        (void)pthread_mutex_init(&part->mutex, NULL);
        pl_list_init(&part->order);
        part->kept = pl_map_new();
        is_made = is_made && part->kept != NULL;
    }
    if (!is_made) {
        close_memory(&memory->backend);
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for the cache");
    }
    *backend = &memory->backend;
    return PARLEY_OK;
}
