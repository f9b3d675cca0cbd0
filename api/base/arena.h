/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_BASE_ARENA_H
#define PARLEY_BASE_ARENA_H

/* Memory of one call: handed out by moving a pointer, freed all at once. Blocks come from the heap;
 * the first may be the caller's (inside the call object), so that a small call allocates nothing.
 * An arena belongs to one thread at a time. */

#include "base/attr.h"

#include <stddef.h>

struct pl_arena_block;

struct pl_arena {
    char *next; /* private from here */
    char *end;
    struct pl_arena_block *blocks;
    void *inline_block;
    size_t inline_bytes;
    size_t used_bytes;
    size_t max_bytes;
};

/* @param inline_block  keeps: used first and never freed; may be NULL (with 0 bytes).
 * @param max_bytes     hard cap on all that is handed out; 0: none. */
void pl_arena_init(struct pl_arena *arena, void *inline_block, size_t inline_bytes,
                   size_t max_bytes);
/* Overwrite everything handed out, before a reset: it held a secret. */
void pl_arena_wipe(struct pl_arena *arena);
/* Forget everything handed out; give heap blocks back. The arena can be used again. */
void pl_arena_reset(struct pl_arena *arena);
void pl_arena_deinit(struct pl_arena *arena);

/* @return 8-byte-aligned uninitialised memory, valid until reset, or NULL: no memory or over the
 * cap. */
void *pl_arena_alloc(struct pl_arena *arena, size_t size);
void *pl_arena_calloc(struct pl_arena *arena, size_t size);
/* Copies with a NUL appended; NULL as above. */
char *pl_arena_strndup(struct pl_arena *arena, const char *text, size_t len);
char *pl_arena_strdup(struct pl_arena *arena, const char *text);
void *pl_arena_memdup(struct pl_arena *arena, const void *data, size_t len);

/* Bytes handed out since init or reset. */
static inline size_t pl_arena_used(const struct pl_arena *arena)
{
    return arena->used_bytes;
}

#endif /* PARLEY_BASE_ARENA_H */
