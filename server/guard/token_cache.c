/* SPDX-License-Identifier: Apache-2.0 */
/* A map of tokens and a list of them, the most recently used last. Thread: its loop. The map's hash
 * is keyed, since peers choose what is looked up. */
#include "guard/token_cache.h"

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"

#include <string.h>

struct cached {
    struct pl_list node;
    struct auth_identity identity;
    size_t len;
    char token[];
};

struct token_cache {
    struct pl_map *map;
    struct pl_list by_use;
    size_t max;
};

struct token_cache *token_cache_new(size_t max)
{
    struct token_cache *cache = pl_calloc(1, sizeof(*cache));
    if (cache == NULL) {
        return NULL;
    }
    pl_list_init(&cache->by_use);
    cache->max = max;
    cache->map = pl_map_new();
    if (cache->map == NULL) {
        pl_free(cache);
        return NULL;
    }
    return cache;
}

void token_cache_free(struct token_cache *cache)
{
    if (cache != NULL) {
        pl_map_free(cache->map, pl_free);
        pl_free(cache);
    }
}

static void forget(struct token_cache *cache, struct cached *cached)
{
    (void)pl_map_take(cache->map, cached->token, cached->len);
    pl_list_remove(&cached->node);
    pl_free(cached);
}

const struct auth_identity *token_cache_find(struct token_cache *cache, const char *token,
                                             size_t len, int64_t now_s)
{
    struct cached *cached = pl_map_find(cache->map, token, len);
    if (cached == NULL) {
        return NULL;
    }
    if (now_s >= cached->identity.valid_until_s) {
        forget(cache, cached);
        return NULL;
    }
    pl_list_remove(&cached->node);
    pl_list_push(&cache->by_use, &cached->node);
    return &cached->identity;
}

void token_cache_put(struct token_cache *cache, const char *token, size_t len,
                     const struct auth_identity *identity)
{
    struct cached *old = pl_map_find(cache->map, token, len);
    if (old != NULL) {
        forget(cache, old);
    }
    while (pl_map_count(cache->map) >= cache->max && !pl_list_is_empty(&cache->by_use)) {
        forget(cache, PL_LIST_ENTRY(cache->by_use.next, struct cached, node));
    }
    struct cached *cached = pl_malloc(sizeof(*cached) + len);
    if (cached == NULL) {
        return;
    }
    memset(cached, 0, sizeof(*cached));
    cached->identity = *identity;
    cached->len = len;
    memcpy(cached->token, token, len);
    if (pl_map_put(cache->map, token, len, cached, NULL) != 0) {
        pl_free(cached);
        return;
    }
    pl_list_push(&cache->by_use, &cached->node);
}

size_t token_cache_count(const struct token_cache *cache)
{
    return pl_map_count(cache->map);
}
