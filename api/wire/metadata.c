/* SPDX-License-Identifier: Apache-2.0 */
/* Metadata lists, ours and the peer's. Thread: the owner's. What a user sets is checked here, at
 * the door (M1); what a peer sends is taken as generously as the reference says. */
#include "wire/metadata_impl.h"

#include "wire/base64.h"

#include "base/attr.h"
#include "base/mem.h"

#include <string.h>

#define KEY_BYTES_MAX   256
#define VALUE_BYTES_MAX (1024 * 1024)

static const char *const RESERVED[] = {
    "content-type", "te", "user-agent", "content-length", "connection", "host",
};

static const char *const SECRET[] = {"authorization", "cookie", "set-cookie", "x-api-key"};

void pl_metadata_init(parley_metadata *metadata, struct pl_arena *arena)
{
    *metadata = (parley_metadata){.arena = arena};
}

bool pl_metadata_is_secret(const char *key, size_t len)
{
    for (size_t i = 0; i < PL_COUNT(SECRET); i++) {
        if (strlen(SECRET[i]) == len && memcmp(SECRET[i], key, len) == 0) {
            return true;
        }
    }
    return false;
}

bool pl_metadata_is_bin(const char *key, size_t len)
{
    return len >= 4 && memcmp(key + len - 4, "-bin", 4) == 0;
}

static bool is_key_allowed(const char *key, size_t len)
{
    if (len == 0 || len > KEY_BYTES_MAX || strncmp(key, "grpc-", 5) == 0) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        char c = key[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
              c == '.')) {
            return false;
        }
    }
    for (size_t i = 0; i < PL_COUNT(RESERVED); i++) {
        if (strcmp(key, RESERVED[i]) == 0) {
            return false;
        }
    }
    return true;
}

static bool is_value_allowed(const char *value, size_t len)
{
    if (len > VALUE_BYTES_MAX || (len > 0 && (value[0] == ' ' || value[len - 1] == ' '))) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (value[i] < 0x20 || value[i] > 0x7e) {
            return false;
        }
    }
    return true;
}

static int make_room(parley_metadata *metadata)
{
    if (metadata->count < metadata->capacity) {
        return 0;
    }
    uint32_t capacity = metadata->capacity == 0 ? 4 : metadata->capacity * 2;
    size_t bytes = capacity * sizeof(*metadata->entries);
    struct pl_metadata_entry *entries = metadata->arena != NULL
                                            ? pl_arena_alloc(metadata->arena, bytes)
                                            : pl_realloc(metadata->entries, bytes);
    if (entries == NULL) {
        return -1;
    }
    if (metadata->arena != NULL && metadata->count > 0) {
        memcpy(entries, metadata->entries, metadata->count * sizeof(*entries));
    }
    metadata->entries = entries;
    metadata->capacity = capacity;
    return 0;
}

/* Add an entry with room for a value of value_max bytes. @return where the value goes, or NULL. */
static char *add_entry(parley_metadata *metadata, const char *key, size_t key_len, size_t value_max)
{
    if (make_room(metadata) != 0) {
        return NULL;
    }
    size_t bytes = key_len + 1 + value_max + 1;
    char *memory =
        metadata->arena != NULL ? pl_arena_alloc(metadata->arena, bytes) : pl_malloc(bytes);
    if (memory == NULL) {
        return NULL;
    }
    memcpy(memory, key, key_len);
    memory[key_len] = '\0';
    metadata->entries[metadata->count++] = (struct pl_metadata_entry){
        .key = memory, .value = memory + key_len + 1, .key_len = (uint32_t)key_len};
    return memory + key_len + 1;
}

static void set_value_len(parley_metadata *metadata, char *value, size_t len)
{
    value[len] = '\0';
    metadata->entries[metadata->count - 1].value_len = (uint32_t)len;
}

static int add_copy(parley_metadata *metadata, const char *key, size_t key_len, const void *value,
                    size_t value_len)
{
    char *room = add_entry(metadata, key, key_len, value_len);
    if (room == NULL) {
        return -1;
    }
    if (value_len > 0) {
        memcpy(room, value, value_len);
    }
    set_value_len(metadata, room, value_len);
    return 0;
}

enum pl_metadata_result pl_metadata_add_received(parley_metadata *metadata, const char *key,
                                                 size_t key_len, const char *value,
                                                 size_t value_len)
{
    if (!pl_metadata_is_bin(key, key_len)) {
        return add_copy(metadata, key, key_len, value, value_len) == 0 ? PL_METADATA_ADDED
                                                                       : PL_METADATA_NO_MEMORY;
    }
    for (;;) {
        const char *comma = value_len > 0 ? memchr(value, ',', value_len) : NULL;
        size_t len = comma != NULL ? (size_t)(comma - value) : value_len;
        char *room = add_entry(metadata, key, key_len, PL_BASE64_DECODED_MAX(len));
        if (room == NULL) {
            return PL_METADATA_NO_MEMORY;
        }
        size_t decoded = 0;
        if (!pl_base64_decode(value, len, (uint8_t *)room, &decoded)) {
            metadata->count--;
            return PL_METADATA_BAD_BASE64;
        }
        set_value_len(metadata, room, decoded);
        if (comma == NULL) {
            return PL_METADATA_ADDED;
        }
        value += len + 1;
        value_len -= len + 1;
    }
}

parley_metadata *parley_metadata_new(void)
{
    return pl_calloc(1, sizeof(parley_metadata));
}

void parley_metadata_free(parley_metadata *metadata)
{
    if (metadata == NULL || metadata->arena != NULL) {
        return;
    }
    for (uint32_t i = 0; i < metadata->count; i++) {
        pl_free((void *)(uintptr_t)metadata->entries[i].key);
    }
    pl_free(metadata->entries);
    pl_free(metadata);
}

int parley_metadata_add(parley_metadata *metadata, const char *key, const char *value)
{
    size_t key_len = strlen(key);
    size_t value_len = strlen(value);
    if (!is_key_allowed(key, key_len) || pl_metadata_is_bin(key, key_len) ||
        !is_value_allowed(value, value_len)) {
        return -1;
    }
    return add_copy(metadata, key, key_len, value, value_len);
}

int parley_metadata_add_bin(parley_metadata *metadata, const char *key, const void *value,
                            size_t len)
{
    size_t key_len = strlen(key);
    if (!is_key_allowed(key, key_len) || !pl_metadata_is_bin(key, key_len) ||
        len > VALUE_BYTES_MAX) {
        return -1;
    }
    return add_copy(metadata, key, key_len, value, len);
}

size_t parley_metadata_count(const parley_metadata *metadata)
{
    return metadata != NULL ? metadata->count : 0;
}

const char *parley_metadata_key(const parley_metadata *metadata, size_t i)
{
    return i < parley_metadata_count(metadata) ? metadata->entries[i].key : NULL;
}

const void *parley_metadata_value(const parley_metadata *metadata, size_t i, size_t *len)
{
    if (i >= parley_metadata_count(metadata)) {
        return NULL;
    }
    if (len != NULL) {
        *len = metadata->entries[i].value_len;
    }
    return metadata->entries[i].value;
}

const void *parley_metadata_find(const parley_metadata *metadata, const char *key, size_t *len)
{
    size_t key_len = strlen(key);
    for (size_t i = 0; i < parley_metadata_count(metadata); i++) {
        const struct pl_metadata_entry *entry = &metadata->entries[i];
        if (entry->key_len == key_len && memcmp(entry->key, key, key_len) == 0) {
            return parley_metadata_value(metadata, i, len);
        }
    }
    return NULL;
}
