/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_WIRE_QUEUE_H
#define PARLEY_WIRE_QUEUE_H

/* What one stream has to send: references to buffers, first in first out. The first few need no
 * memory of their own, and a queue that ran empty gives its memory back. @thread the session's */

#include "base/buf.h"

struct pl_gather;

#define PL_QUEUE_INLINE 4

struct pl_queue_entry {
    struct pl_buf *buf;
    size_t offset;
};

struct pl_queue {
    struct pl_queue_entry *ring; /* inline_ring or on the heap */
    uint32_t capacity;           /* a power of two */
    uint32_t head;
    uint32_t count;
    size_t bytes;
    struct pl_queue_entry inline_ring[PL_QUEUE_INLINE];
};

void pl_queue_init(struct pl_queue *queue);
void pl_queue_clear(struct pl_queue *queue);
/* From `offset`, which is below buf->len. refs. 0, or -1: no memory. */
PL_MUST_CHECK int pl_queue_push(struct pl_queue *queue, struct pl_buf *buf, size_t offset);
/* Move the first `len` bytes into a gather that has room for them (pl_gather_has_room). 0, or -1.
 */
PL_MUST_CHECK int pl_queue_move(struct pl_queue *queue, struct pl_gather *gather, size_t len);

#endif /* PARLEY_WIRE_QUEUE_H */
