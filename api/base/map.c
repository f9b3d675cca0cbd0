/* SPDX-License-Identifier: Apache-2.0 */
/* Hash map with chained entries; see map.h. A chain entry holds its key behind it, so that an
 * insertion is one allocation. The table doubles when it is full. */
#include "base/map.h"

#include "base/hash.h"
#include "base/mem.h"

#include <string.h>

#define SLOTS_FIRST 16

struct entry {
    struct entry *next;
    uint64_t hash;
    void *value;
    size_t key_len;
    char key[];
};

struct pl_map {
    struct entry **slots;
    size_t slot_count; /* a power of two */
    size_t count;
};

struct pl_map *pl_map_new(void)
{
    struct pl_map *map = pl_calloc(1, sizeof(*map));
    if (map == NULL) {
        return NULL;
    }
    map->slot_count = SLOTS_FIRST;
    map->slots = pl_calloc(map->slot_count, sizeof(struct entry *));
    if (map->slots == NULL) {
        pl_free(map);
        return NULL;
    }
    return map;
}

void pl_map_free(struct pl_map *map, void (*free_value)(void *value))
{
    if (map == NULL) {
        return;
    }
    for (size_t i = 0; i < map->slot_count; i++) {
        while (map->slots[i] != NULL) {
            struct entry *entry = map->slots[i];
            map->slots[i] = entry->next;
            if (free_value != NULL) {
                free_value(entry->value);
            }
            pl_free(entry);
        }
    }
    pl_free(map->slots);
    pl_free(map);
}

/* Where the pointer to the entry is, or to the NULL at the end of its chain. */
static struct entry **locate(const struct pl_map *map, uint64_t hash, const void *key,
                             size_t key_len)
{
    struct entry **place = &map->slots[hash & (map->slot_count - 1)];
    while (*place != NULL && ((*place)->hash != hash || (*place)->key_len != key_len ||
                              (key_len > 0 && memcmp((*place)->key, key, key_len) != 0))) {
        place = &(*place)->next;
    }
    return place;
}

void *pl_map_find(const struct pl_map *map, const void *key, size_t key_len)
{
    struct entry *entry = *locate(map, pl_hash_keyed(key, key_len), key, key_len);
    return entry == NULL ? NULL : entry->value;
}

/* Failing to grow only makes chains longer. */
static void grow(struct pl_map *map)
{
    size_t wanted = map->slot_count * 2;
    struct entry **slots = pl_calloc(wanted, sizeof(struct entry *));
    if (slots == NULL) {
        return;
    }
    for (size_t i = 0; i < map->slot_count; i++) {
        while (map->slots[i] != NULL) {
            struct entry *entry = map->slots[i];
            map->slots[i] = entry->next;
            entry->next = slots[entry->hash & (wanted - 1)];
            slots[entry->hash & (wanted - 1)] = entry;
        }
    }
    pl_free(map->slots);
    map->slots = slots;
    map->slot_count = wanted;
}

int pl_map_put(struct pl_map *map, const void *key, size_t key_len, void *value, void **old)
{
    uint64_t hash = pl_hash_keyed(key, key_len);
    struct entry *entry = *locate(map, hash, key, key_len);
    if (old != NULL) {
        *old = entry == NULL ? NULL : entry->value;
    }
    if (entry != NULL) {
        entry->value = value;
        return 0;
    }
    entry = key_len > SIZE_MAX / 2 ? NULL : pl_malloc(sizeof(*entry) + key_len);
    if (entry == NULL) {
        return -1;
    }
    if (map->count >= map->slot_count) {
        grow(map);
    }
    entry->hash = hash;
    entry->value = value;
    entry->key_len = key_len;
    if (key_len > 0) {
        memcpy(entry->key, key, key_len);
    }
    struct entry **slot = &map->slots[hash & (map->slot_count - 1)];
    entry->next = *slot;
    *slot = entry;
    map->count++;
    return 0;
}

void *pl_map_take(struct pl_map *map, const void *key, size_t key_len)
{
    struct entry **place = locate(map, pl_hash_keyed(key, key_len), key, key_len);
    struct entry *entry = *place;
    if (entry == NULL) {
        return NULL;
    }
    void *value = entry->value;
    *place = entry->next;
    pl_free(entry);
    map->count--;
    return value;
}

size_t pl_map_count(const struct pl_map *map)
{
    return map->count;
}

/* The cursor counts slots in its upper half and places in the chain in its lower half. */
void *pl_map_next(const struct pl_map *map, size_t *cursor, const void **key, size_t *key_len)
{
    size_t slot = *cursor >> 32;
    size_t depth = *cursor & 0xffffffffU;
    for (; slot < map->slot_count; slot++, depth = 0) {
        struct entry *entry = map->slots[slot];
        for (size_t i = 0; entry != NULL && i < depth; i++) {
            entry = entry->next;
        }
        if (entry != NULL) {
            *cursor = (slot << 32) | (depth + 1);
            if (key != NULL) {
                *key = entry->key;
            }
            if (key_len != NULL) {
                *key_len = entry->key_len;
            }
            return entry->value;
        }
    }
    return NULL;
}
