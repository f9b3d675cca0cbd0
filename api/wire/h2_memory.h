/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_WIRE_H2_MEMORY_H
#define PARLEY_WIRE_H2_MEMORY_H

/* Memory of nghttp2's sessions. It comes through the same door as ours (base/mem.h), but for what a
 * session that may rest allocates at its birth and keeps: its state, its tables and its frame
 * buffer, about 26 KiB of which nearly all is zero or never touched. That lies in a place of its
 * own, which can be packed into the few words that are not zero, its pages given back, and be
 * unpacked to the same addresses. So a connection that is idle, or that only gets messages, costs
 * about a tenth of another.
 * @thread the wire's */

#include "base/attr.h"
#include "base/list.h"

#include <nghttp2/nghttp2.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PL_H2_PLACE_BYTES  32768
#define PL_H2_CHUNK_PLACES 32

struct pl_h2_chunk;

/* Places for the sessions of one wire. */
struct pl_h2_pool {
    struct pl_list open; /* chunks with a free place */
};

struct pl_h2_memory {
    nghttp2_mem mem; /* for nghttp2_session_server_new3 */
    struct pl_h2_pool *pool;
    struct pl_h2_chunk *chunk;
    uint8_t *place;  /* NULL: none; everything is on the heap */
    size_t used;     /* bytes of the place */
    bool is_settled; /* what is allocated from now on comes from the heap */
    uint8_t *packed; /* not NULL: the place is empty and this is what it held */
    size_t packed_len;
};

void pl_h2_pool_init(struct pl_h2_pool *pool);

/* @param pool  keeps; NULL, or if the system gives no place: all on the heap. `memory` must not
 * move while a session uses it. */
void pl_h2_memory_init(struct pl_h2_memory *memory, struct pl_h2_pool *pool);
/* After nghttp2_session_del. */
void pl_h2_memory_deinit(struct pl_h2_memory *memory);
/* The session is born: its place takes nothing more. */
void pl_h2_memory_settle(struct pl_h2_memory *memory);

/* Give the pages back. nghttp2 must not touch the session until pl_h2_memory_unpack. No effect
 * without a place, or if packing would save too little. */
void pl_h2_memory_pack(struct pl_h2_memory *memory);
void pl_h2_memory_unpack(struct pl_h2_memory *memory); /* cannot fail */
static inline bool pl_h2_memory_is_packed(const struct pl_h2_memory *memory)
{
    return memory->packed != NULL;
}

#endif /* PARLEY_WIRE_H2_MEMORY_H */
