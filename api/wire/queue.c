/* SPDX-License-Identifier: Apache-2.0 */
/* The send queue of a stream. Thread: the session's. Never touches the bytes themselves. */
#include "wire/queue.h"

#include "wire/gather.h"

#include "base/mem.h"

void pl_queue_init(struct pl_queue *queue)
{
    queue->ring = queue->inline_ring;
    queue->capacity = PL_QUEUE_INLINE;
    queue->head = 0;
    queue->count = 0;
    queue->bytes = 0;
}

static void give_ring_back(struct pl_queue *queue)
{
    if (queue->ring != queue->inline_ring) {
        pl_free(queue->ring);
        queue->ring = queue->inline_ring;
        queue->capacity = PL_QUEUE_INLINE;
    }
    queue->head = 0;
}

static void drop_head(struct pl_queue *queue)
{
    pl_buf_unref(queue->ring[queue->head].buf);
    queue->head = (queue->head + 1) & (queue->capacity - 1);
    queue->count--;
}

void pl_queue_clear(struct pl_queue *queue)
{
    while (queue->count > 0) {
        drop_head(queue);
    }
    queue->bytes = 0;
    give_ring_back(queue);
}

static int grow(struct pl_queue *queue)
{
    if (queue->capacity > UINT32_MAX / 4) {
        return -1;
    }
    uint32_t capacity = queue->capacity * 2;
    struct pl_queue_entry *ring = pl_malloc(capacity * sizeof(*ring));
    if (ring == NULL) {
        return -1;
    }
    for (uint32_t i = 0; i < queue->count; i++) {
        ring[i] = queue->ring[(queue->head + i) & (queue->capacity - 1)];
    }
    give_ring_back(queue);
    queue->ring = ring;
    queue->capacity = capacity;
    return 0;
}

int pl_queue_push(struct pl_queue *queue, struct pl_buf *buf, size_t offset)
{
    if (queue->count == queue->capacity && grow(queue) != 0) {
        return -1;
    }
    uint32_t at = (queue->head + queue->count) & (queue->capacity - 1);
    queue->ring[at] = (struct pl_queue_entry){.buf = pl_buf_ref(buf), .offset = offset};
    queue->count++;
    queue->bytes += buf->len - offset;
    return 0;
}

int pl_queue_move(struct pl_queue *queue, struct pl_gather *gather, size_t len)
{
    while (len > 0) {
        if (queue->count == 0) {
            return -1;
        }
        struct pl_queue_entry *entry = &queue->ring[queue->head];
        size_t left = entry->buf->len - entry->offset;
        size_t take = left < len ? left : len;
        if (!pl_gather_add(gather, entry->buf, entry->offset, take)) {
            return -1;
        }
        entry->offset += take;
        queue->bytes -= take;
        len -= take;
        if (take == left) {
            drop_head(queue);
        }
    }
    if (queue->count == 0) {
        give_ring_back(queue);
    }
    return 0;
}
