/* SPDX-License-Identifier: Apache-2.0 */
/* Bump allocation; see arena.h. Blocks double up to BLOCK_MAX; a larger request gets one of its
 * own. */
#include "base/arena.h"

#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define ALIGNMENT   8
#define BLOCK_FIRST 2048
#define BLOCK_MAX   65536

struct pl_arena_block {
    struct pl_arena_block *next;
    size_t size;
};

/* Where an arena without a block stands: zero bytes from here are still not NULL, since NULL means
 * that memory is gone. */
static char no_room[ALIGNMENT];

static void rewind_to_inline(struct pl_arena *arena)
{
    uintptr_t start =
        ((uintptr_t)arena->inline_block + ALIGNMENT - 1) & ~(uintptr_t)(ALIGNMENT - 1);
    uintptr_t end = (uintptr_t)arena->inline_block + arena->inline_bytes;
    bool has_room = arena->inline_block != NULL && start < end;
    arena->next =
        has_room ? (char *)arena->inline_block + (start - (uintptr_t)arena->inline_block) : no_room;
    arena->end = has_room ? (char *)arena->inline_block + arena->inline_bytes : no_room;
    arena->used_bytes = 0;
}

void pl_arena_init(struct pl_arena *arena, void *inline_block, size_t inline_bytes,
                   size_t max_bytes)
{
    arena->blocks = NULL;
    arena->inline_block = inline_block;
    arena->inline_bytes = inline_block == NULL ? 0 : inline_bytes;
    arena->max_bytes = max_bytes;
    rewind_to_inline(arena);
}

void pl_arena_wipe(struct pl_arena *arena)
{
    for (struct pl_arena_block *block = arena->blocks; block != NULL; block = block->next) {
        explicit_bzero(block + 1, block->size);
    }
    if (arena->inline_block != NULL) {
        explicit_bzero(arena->inline_block, arena->inline_bytes);
    }
}

void pl_arena_reset(struct pl_arena *arena)
{
    while (arena->blocks != NULL) {
        struct pl_arena_block *block = arena->blocks;
        arena->blocks = block->next;
        pl_free(block);
    }
    rewind_to_inline(arena);
}

void pl_arena_deinit(struct pl_arena *arena)
{
    pl_arena_reset(arena);
}

static void *allocate_block(struct pl_arena *arena, size_t size)
{
    size_t wanted = BLOCK_FIRST;
    if (arena->blocks != NULL) {
        wanted = arena->blocks->size * 2 > BLOCK_MAX ? BLOCK_MAX : arena->blocks->size * 2;
    }
    bool is_alone = size > wanted / 2;
    size_t bytes = is_alone ? size : wanted;
    struct pl_arena_block *block = pl_malloc(sizeof(*block) + bytes);
    if (block == NULL) {
        return NULL;
    }
    block->size = bytes;
    block->next = arena->blocks;
    arena->blocks = block;
    char *start = (char *)(block + 1);
    if (!is_alone) {
        arena->next = start + size;
        arena->end = start + bytes;
    }
    return start;
}

void *pl_arena_alloc(struct pl_arena *arena, size_t size)
{
    if (size > SIZE_MAX / 2) {
        return NULL;
    }
    size_t rounded = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (arena->max_bytes != 0 && rounded > arena->max_bytes - arena->used_bytes) {
        return NULL;
    }
    void *memory = NULL;
    if (PL_LIKELY(rounded <= (size_t)(arena->end - arena->next))) {
        memory = arena->next;
        arena->next += rounded;
    } else {
        memory = allocate_block(arena, rounded);
    }
    if (memory != NULL) {
        arena->used_bytes += rounded;
    }
    return memory;
}

void *pl_arena_calloc(struct pl_arena *arena, size_t size)
{
    void *memory = pl_arena_alloc(arena, size);
    if (memory != NULL) {
        memset(memory, 0, size);
    }
    return memory;
}

char *pl_arena_strndup(struct pl_arena *arena, const char *text, size_t len)
{
    char *copy = len == SIZE_MAX ? NULL : pl_arena_alloc(arena, len + 1);
    if (copy != NULL) {
        if (len > 0) {
            memcpy(copy, text, len);
        }
        copy[len] = '\0';
    }
    return copy;
}

char *pl_arena_strdup(struct pl_arena *arena, const char *text)
{
    return pl_arena_strndup(arena, text, strlen(text));
}

void *pl_arena_memdup(struct pl_arena *arena, const void *data, size_t len)
{
    void *copy = pl_arena_alloc(arena, len);
    if (copy != NULL && len > 0) {
        memcpy(copy, data, len);
    }
    return copy;
}
