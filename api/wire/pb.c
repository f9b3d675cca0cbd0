/* SPDX-License-Identifier: Apache-2.0 */
/* Unpacking into an arena or onto the heap, always after a scan; and packing into frames. Thread:
 * the caller's. */
#include "wire/pb.h"

#include "base/mem.h"
#include "wire/framing.h"

#include "parley/stub.h"

#include <stdbool.h>
#include <string.h>

#define ALIGN8(bytes) (((bytes) + 7) & ~(size_t)7)

/* The scan predicts; this holds protobuf-c to it, whatever it does. */
struct budget {
    struct pl_arena *arena; /* NULL: the heap */
    size_t left;
    bool is_exhausted;
};

static void *budget_alloc(void *context, size_t size)
{
    struct budget *budget = context;
    void *memory = NULL;
    if (ALIGN8(size) <= budget->left) {
        memory = budget->arena != NULL ? pl_arena_alloc(budget->arena, size) : pl_malloc(size);
    }
    budget->left -= memory != NULL ? ALIGN8(size) : 0;
    budget->is_exhausted |= memory == NULL;
    return memory;
}

static void budget_free(void *context, void *memory)
{
    struct budget *budget = context;
    if (budget->arena == NULL) { /* an arena is freed at once */
        pl_free(memory);
    }
}

static void *heap_alloc(void *context, size_t size)
{
    (void)context;
    return pl_malloc(size);
}

static void heap_free(void *context, void *memory)
{
    (void)context;
    pl_free(memory);
}

static ProtobufCAllocator heap_allocator = {.alloc = heap_alloc, .free = heap_free};

static enum parley_code scan_and_unpack(const ProtobufCMessageDescriptor *descriptor,
                                        const uint8_t *data, size_t len, struct pl_arena *arena,
                                        const struct pl_pb_limits *limits,
                                        ProtobufCMessage **message, struct pl_error *err)
{
    size_t predicted = 0;
    *message = NULL;
    enum parley_code code = pl_pb_scan(descriptor, data, len, limits, &predicted, err);
    if (code != PARLEY_OK) {
        return code;
    }
    /* Merged copies of a message are allocated again, at most merges_max times. */
    uint32_t merges = (limits != NULL ? limits : &pl_pb_default_limits)->merges_max;
    struct budget budget = {.arena = arena, .left = predicted * (1 + (size_t)merges) + 64};
    ProtobufCAllocator allocator = {
        .alloc = budget_alloc, .free = budget_free, .allocator_data = &budget};
    *message = protobuf_c_message_unpack(descriptor, &allocator, len, data);
    if (*message != NULL) {
        return PARLEY_OK;
    }
    return budget.is_exhausted
               ? pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory to unpack a message")
               : pl_fail(err, PARLEY_INTERNAL, "a message cannot be unpacked");
}

enum parley_code pl_pb_decode(const ProtobufCMessageDescriptor *descriptor, const uint8_t *data,
                              size_t len, struct pl_arena *arena, const struct pl_pb_limits *limits,
                              ProtobufCMessage **message, struct pl_error *err)
{
    return scan_and_unpack(descriptor, data, len, arena, limits, message, err);
}

enum parley_code pl_pb_decode_heap(const ProtobufCMessageDescriptor *descriptor,
                                   const uint8_t *data, size_t len, ProtobufCMessage **message,
                                   struct pl_error *err)
{
    return scan_and_unpack(descriptor, data, len, NULL, NULL, message, err);
}

void parley_message_free(ProtobufCMessage *message)
{
    if (message != NULL) {
        protobuf_c_message_free_unpacked(message, &heap_allocator);
    }
}

static void put_frame(uint8_t *out, const ProtobufCMessage *message, size_t len)
{
    pl_prefix_put(out, false, len);
    (void)protobuf_c_message_pack(message, out + PL_PREFIX_BYTES);
}

struct pl_buf *pl_pb_frame(const ProtobufCMessage *message)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    struct pl_buf *buf = len <= UINT32_MAX ? pl_buf_new(PL_PREFIX_BYTES + len) : NULL;
    if (buf != NULL) {
        put_frame(buf->data, message, len);
        buf->len = PL_PREFIX_BYTES + len;
    }
    return buf;
}

int pl_pb_frame_append(struct pl_buf **buf, const ProtobufCMessage *message)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    if (len > UINT32_MAX || pl_buf_reserve(buf, PL_PREFIX_BYTES + len) != 0) {
        return -1;
    }
    put_frame((*buf)->data + (*buf)->len, message, len);
    (*buf)->len += PL_PREFIX_BYTES + len;
    return 0;
}
