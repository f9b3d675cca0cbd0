/* SPDX-License-Identifier: Apache-2.0 */
/* See h2_memory.h. Places are mapped, many at once, apart from the heap, so that their pages can be
 * given back; huge pages are kept out, as one would hold a whole chunk resident.
 *
 * Packed: runs of a head (words that are zero, words that follow as they are) and those words. A
 * place is zero again when its pages come back, so unpacking writes only what was not. */
#include "wire/h2_memory.h"

#include "base/mem.h"

#include <string.h>
#include <sys/mman.h>

#define ALIGNMENT       16
#define WORDS_MAX       (PL_H2_PLACE_BYTES / sizeof(uint64_t))
#define PACKED_MAX      (PL_H2_PLACE_BYTES / 4)
#define ALL_PLACES_FREE UINT32_MAX

_Static_assert(PL_H2_CHUNK_PLACES == 32, "a chunk's places are the bits of a word");

struct pl_h2_chunk {
    struct pl_list node; /* pool->open; not linked: full */
    uint8_t *base;
    uint32_t free_places; /* a bit for each */
};

struct run {
    uint16_t zeros;
    uint16_t words;
};

/* ---- places ---- */

static struct pl_h2_chunk *new_chunk(struct pl_h2_pool *pool)
{
    size_t bytes = (size_t)PL_H2_PLACE_BYTES * PL_H2_CHUNK_PLACES;
    struct pl_h2_chunk *chunk = pl_calloc(1, sizeof(*chunk));
    if (chunk == NULL) {
        return NULL;
    }
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    /* cppcheck-suppress invalidFunctionArg ; -1 is the descriptor of memory without a file */
    void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (base == MAP_FAILED) {
        pl_free(chunk);
        return NULL;
    }
    (void)madvise(base, bytes, MADV_NOHUGEPAGE);
    chunk->base = base;
    chunk->free_places = ALL_PLACES_FREE;
    pl_list_push(&pool->open, &chunk->node);
    return chunk;
}

static void take_place(struct pl_h2_memory *memory)
{
    struct pl_h2_pool *pool = memory->pool;
    struct pl_h2_chunk *chunk = pl_list_is_empty(&pool->open)
                                    ? new_chunk(pool)
                                    : PL_LIST_ENTRY(pool->open.next, struct pl_h2_chunk, node);
    if (chunk == NULL) {
        return;
    }
    unsigned index = (unsigned)__builtin_ctz(chunk->free_places);
    chunk->free_places &= ~(UINT32_C(1) << index);
    if (chunk->free_places == 0) {
        pl_list_remove(&chunk->node);
    }
    memory->chunk = chunk;
    memory->place = chunk->base + (size_t)index * PL_H2_PLACE_BYTES;
}

static void give_place_back(struct pl_h2_memory *memory)
{
    struct pl_h2_chunk *chunk = memory->chunk;
    size_t index = (size_t)(memory->place - chunk->base) / PL_H2_PLACE_BYTES;
    if (chunk->free_places == 0) {
        pl_list_push(&memory->pool->open, &chunk->node);
    }
    chunk->free_places |= UINT32_C(1) << index;
    if (chunk->free_places == ALL_PLACES_FREE) {
        pl_list_remove(&chunk->node);
        (void)munmap(chunk->base, (size_t)PL_H2_PLACE_BYTES * PL_H2_CHUNK_PLACES);
        pl_free(chunk);
        return;
    }
    /* The next to have it finds zeros: calloc relies on it. */
    if (madvise(memory->place, PL_H2_PLACE_BYTES, MADV_DONTNEED) != 0) {
        memset(memory->place, 0, PL_H2_PLACE_BYTES);
    }
}

/* ---- what nghttp2 calls ---- */

static bool is_in_place(const struct pl_h2_memory *memory, const void *at)
{
    uintptr_t offset = (uintptr_t)at - (uintptr_t)memory->place;
    return memory->place != NULL && offset < PL_H2_PLACE_BYTES;
}

/* @return zeroed, or NULL: from the heap then */
static void *take_from_place(struct pl_h2_memory *memory, size_t size)
{
    size_t bytes = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (memory->place == NULL || memory->is_settled || size > PL_H2_PLACE_BYTES ||
        bytes > PL_H2_PLACE_BYTES - memory->used) {
        return NULL;
    }
    void *at = memory->place + memory->used;
    memory->used += bytes;
    return at;
}

static void *h2_malloc(size_t size, void *user_data)
{
    void *at = take_from_place(user_data, size);
    return at != NULL ? at : pl_malloc(size);
}

static void *h2_calloc(size_t count, size_t size, void *user_data)
{
    void *at = size == 0 || count > PL_H2_PLACE_BYTES / size
                   ? NULL
                   : take_from_place(user_data, count * size);
    return at != NULL ? at : pl_calloc(count, size);
}

static void h2_free(void *at, void *user_data)
{
    if (!is_in_place(user_data, at)) {
        pl_free_secret(at); /* one of them is a token that came */
    }
}

static void *h2_realloc(void *at, size_t size, void *user_data)
{
    const struct pl_h2_memory *memory = user_data;
    if (at == NULL) {
        return h2_malloc(size, user_data); /* the frame buffer is made so */
    }
    if (!is_in_place(memory, at)) {
        return pl_realloc(at, size);
    }
    /* How long it was is not known, but not beyond what is used. */
    size_t old_max = (size_t)(memory->place + memory->used - (uint8_t *)at);
    void *moved = pl_malloc(size);
    if (moved != NULL) {
        memcpy(moved, at, size < old_max ? size : old_max);
    }
    return moved;
}

/* ---- packing ---- */

/* @param out  NULL: only measure. @return bytes */
static size_t pack(const uint64_t *words, size_t count, uint8_t *out)
{
    size_t len = 0;
    size_t at = 0;
    while (at < count) {
        struct run run = {0};
        while (at < count && words[at] == 0) {
            run.zeros++;
            at++;
        }
        size_t from = at;
        while (at < count && words[at] != 0) {
            run.words++;
            at++;
        }
        if (out != NULL) {
            memcpy(out + len, &run, sizeof(run));
            memcpy(out + len + sizeof(run), words + from, run.words * sizeof(*words));
        }
        len += sizeof(run) + run.words * sizeof(*words);
    }
    return len;
}

_Static_assert(WORDS_MAX <= UINT16_MAX, "a run's counts hold a whole place");

void pl_h2_memory_pack(struct pl_h2_memory *memory)
{
    if (memory->place == NULL || memory->packed != NULL) {
        return;
    }
    const uint64_t *words = (const uint64_t *)(const void *)memory->place;
    size_t count = memory->used / sizeof(*words);
    size_t len = pack(words, count, NULL);
    uint8_t *packed = len <= PACKED_MAX ? pl_malloc(len) : NULL;
    if (packed == NULL) {
        return;
    }
    (void)pack(words, count, packed);
    if (madvise(memory->place, PL_H2_PLACE_BYTES, MADV_DONTNEED) != 0) {
        pl_free(packed); /* locked into memory: nothing could be saved */
        return;
    }
    memory->packed = packed;
    memory->packed_len = len;
}

void pl_h2_memory_unpack(struct pl_h2_memory *memory)
{
    if (memory->packed == NULL) {
        return;
    }
    uint8_t *to = memory->place;
    for (size_t at = 0; at < memory->packed_len;) {
        struct run run;
        memcpy(&run, memory->packed + at, sizeof(run));
        at += sizeof(run);
        to += run.zeros * sizeof(uint64_t);
        memcpy(to, memory->packed + at, run.words * sizeof(uint64_t));
        to += run.words * sizeof(uint64_t);
        at += run.words * sizeof(uint64_t);
    }
    pl_free(memory->packed);
    memory->packed = NULL;
}

/* ---- life ---- */

void pl_h2_pool_init(struct pl_h2_pool *pool)
{
    pl_list_init(&pool->open);
}

void pl_h2_memory_init(struct pl_h2_memory *memory, struct pl_h2_pool *pool)
{
    *memory = (struct pl_h2_memory){
        .mem = {memory, h2_malloc, h2_free, h2_calloc, h2_realloc},
        .pool = pool,
    };
    if (pool != NULL) {
        take_place(memory);
    }
}

void pl_h2_memory_deinit(struct pl_h2_memory *memory)
{
    pl_free(memory->packed);
    memory->packed = NULL;
    if (memory->place != NULL) {
        give_place_back(memory);
        memory->place = NULL;
    }
}

void pl_h2_memory_settle(struct pl_h2_memory *memory)
{
    memory->is_settled = true;
}
