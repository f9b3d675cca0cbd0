/* SPDX-License-Identifier: Apache-2.0 */
/* A map of digests and a list of them, the most recently used last. Thread: its loop. A token is
 * known by its SHA-256 alone, so that nobody who reads our memory gets tokens that are still good.
 */
#include "guard/token_cache.h"

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"

#include <openssl/evp.h>

#include <string.h>

#define DIGEST_BYTES 32

struct cached {
    struct pl_list node;
    struct auth_identity identity;
    uint8_t digest[DIGEST_BYTES];
};

struct token_cache {
    struct pl_map *map;
    struct pl_list by_use;
    size_t max;
    EVP_MD *sha256; /* fetched once: that costs more than to use it */
    EVP_MD_CTX *context;
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
    cache->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    cache->context = EVP_MD_CTX_new();
    if (cache->map == NULL || cache->sha256 == NULL || cache->context == NULL) {
        token_cache_free(cache);
        return NULL;
    }
    return cache;
}

void token_cache_free(struct token_cache *cache)
{
    if (cache != NULL) {
        pl_map_free(cache->map, pl_free);
        EVP_MD_CTX_free(cache->context); /* its buffer is cleansed */
        EVP_MD_free(cache->sha256);
        pl_free(cache);
    }
}

static bool digest(struct token_cache *cache, const char *token, size_t len,
                   uint8_t out[DIGEST_BYTES])
{
    return EVP_DigestInit_ex2(cache->context, cache->sha256, NULL) == 1 &&
           EVP_DigestUpdate(cache->context, token, len) == 1 &&
           EVP_DigestFinal_ex(cache->context, out, NULL) == 1;
}

static void forget(struct token_cache *cache, struct cached *cached)
{
    (void)pl_map_take(cache->map, cached->digest, DIGEST_BYTES);
    pl_list_remove(&cached->node);
    pl_free(cached);
}

const struct auth_identity *token_cache_find(struct token_cache *cache, const char *token,
                                             size_t len, int64_t now_s)
{
    uint8_t key[DIGEST_BYTES];
    struct cached *cached =
        digest(cache, token, len, key) ? pl_map_find(cache->map, key, DIGEST_BYTES) : NULL;
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
    struct cached *cached = pl_calloc(1, sizeof(*cached));
    if (cached == NULL) {
        return;
    }
    if (!digest(cache, token, len, cached->digest)) {
        pl_free(cached);
        return;
    }
    struct cached *old = pl_map_find(cache->map, cached->digest, DIGEST_BYTES);
    if (old != NULL) {
        forget(cache, old);
    }
    while (pl_map_count(cache->map) >= cache->max && !pl_list_is_empty(&cache->by_use)) {
        forget(cache, PL_LIST_ENTRY(cache->by_use.next, struct cached, node));
    }
    cached->identity = *identity;
    if (pl_map_put(cache->map, cached->digest, DIGEST_BYTES, cached, NULL) != 0) {
        pl_free(cached);
        return;
    }
    pl_list_push(&cache->by_use, &cached->node);
}

size_t token_cache_count(const struct token_cache *cache)
{
    return pl_map_count(cache->map);
}
