/* SPDX-License-Identifier: Apache-2.0 */
/* The writer's memory; see cache.h. */
#include "sqlite/cache.h"

#include "base/id.h"
#include "base/map.h"
#include "base/mem.h"

#include <string.h>

struct role_key {
    int64_t number;
    char user[PL_ID_MAX];
};

struct role_entry {
    struct pl_list lru;
    enum store_role role;
    size_t key_len;
    struct role_key key;
};

int sqlite_cache_init(struct sqlite_cache *cache, size_t heads_max, size_t roles_max)
{
    cache->heads_max = heads_max;
    cache->roles_max = roles_max;
    pl_list_init(&cache->heads_lru);
    pl_list_init(&cache->roles_lru);
    cache->heads = pl_map_new();
    cache->roles = pl_map_new();
    if (cache->heads == NULL || cache->roles == NULL) {
        sqlite_cache_deinit(cache);
        return -1;
    }
    return 0;
}

void sqlite_cache_deinit(struct sqlite_cache *cache)
{
    if (cache->heads != NULL && cache->roles != NULL) {
        sqlite_cache_clear(cache);
    }
    pl_map_free(cache->heads, NULL);
    pl_map_free(cache->roles, NULL);
    cache->heads = NULL;
    cache->roles = NULL;
}

static void drop_head(struct sqlite_cache *cache, struct sqlite_head *head)
{
    (void)pl_map_take(cache->heads, head->id, head->id_len);
    pl_list_remove(&head->lru);
    pl_free(head);
}

static void drop_role(struct sqlite_cache *cache, struct role_entry *entry)
{
    (void)pl_map_take(cache->roles, &entry->key, entry->key_len);
    pl_list_remove(&entry->lru);
    pl_free(entry);
}

static void shrink_heads(struct sqlite_cache *cache, size_t max)
{
    while (pl_map_count(cache->heads) > max) {
        drop_head(cache, PL_LIST_ENTRY(cache->heads_lru.next, struct sqlite_head, lru));
    }
}

static void shrink_roles(struct sqlite_cache *cache, size_t max)
{
    while (pl_map_count(cache->roles) > max) {
        drop_role(cache, PL_LIST_ENTRY(cache->roles_lru.next, struct role_entry, lru));
    }
}

void sqlite_cache_clear(struct sqlite_cache *cache)
{
    shrink_heads(cache, 0);
    shrink_roles(cache, 0);
}

void sqlite_cache_trim(struct sqlite_cache *cache)
{
    shrink_heads(cache, cache->heads_max);
}

static void touch(struct pl_list *list, struct pl_list *node)
{
    if (list->prev != node) {
        pl_list_remove(node);
        pl_list_push(list, node);
    }
}

struct sqlite_head *sqlite_cache_find(struct sqlite_cache *cache, struct store_bytes id)
{
    struct sqlite_head *head = pl_map_find(cache->heads, id.data, id.len);
    if (head != NULL) {
        touch(&cache->heads_lru, &head->lru);
    }
    return head;
}

struct sqlite_head *sqlite_cache_add(struct sqlite_cache *cache, const struct sqlite_head *head)
{
    struct sqlite_head *copy = pl_malloc(sizeof(*copy));
    if (copy == NULL) {
        return NULL;
    }
    *copy = *head;
    copy->lru = (struct pl_list){NULL, NULL};
    if (pl_map_put(cache->heads, copy->id, copy->id_len, copy, NULL) != 0) {
        pl_free(copy);
        return NULL;
    }
    pl_list_push(&cache->heads_lru, &copy->lru);
    return copy;
}

static size_t make_key(struct role_key *key, int64_t number, struct store_bytes user)
{
    key->number = number;
    memcpy(key->user, user.data, user.len); /* a valid id: it fits */
    return offsetof(struct role_key, user) + user.len;
}

bool sqlite_cache_find_role(struct sqlite_cache *cache, int64_t number, struct store_bytes user,
                            enum store_role *role)
{
    struct role_key key;
    size_t key_len = make_key(&key, number, user);
    struct role_entry *entry = pl_map_find(cache->roles, &key, key_len);
    if (entry == NULL) {
        return false;
    }
    touch(&cache->roles_lru, &entry->lru);
    *role = entry->role;
    return true;
}

void sqlite_cache_set_role(struct sqlite_cache *cache, int64_t number, struct store_bytes user,
                           enum store_role role)
{
    struct role_key key;
    size_t key_len = make_key(&key, number, user);
    struct role_entry *entry = pl_map_find(cache->roles, &key, key_len);
    if (entry != NULL) {
        entry->role = role;
        touch(&cache->roles_lru, &entry->lru);
        return;
    }
    entry = pl_malloc(sizeof(*entry));
    if (entry == NULL) {
        return;
    }
    *entry = (struct role_entry){.role = role, .key_len = key_len};
    memcpy(&entry->key, &key, key_len);
    if (pl_map_put(cache->roles, &key, key_len, entry, NULL) != 0) {
        pl_free(entry);
        return;
    }
    pl_list_push(&cache->roles_lru, &entry->lru);
    shrink_roles(cache, cache->roles_max);
}
