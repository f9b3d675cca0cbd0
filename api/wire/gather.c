/* SPDX-License-Identifier: Apache-2.0 */
/* Output of one connection for one system call. Thread: the session's. Slices that follow each
 * other in the block are joined, so that a run of small frames is one slice. */
#include "wire/gather.h"

#include <string.h>

/* One frame is at most 16 KiB of payload and a header; of the queued buffers in its payload at most
 * one is over PL_GATHER_COPY_MAX and not copied, with copied runs before and after it. */
#define FRAME_BYTES_MAX  (16384 + 512)
#define FRAME_SLICES_MAX 3

void pl_gather_init(struct pl_gather *gather)
{
    gather->slice_count = 0;
    gather->total_bytes = 0;
    gather->block_used = 0;
}

bool pl_gather_has_room(const struct pl_gather *gather)
{
    return gather->slice_count + FRAME_SLICES_MAX <= PL_GATHER_SLICES &&
           gather->block_used + FRAME_BYTES_MAX <= PL_GATHER_BLOCK;
}

bool pl_gather_copy(struct pl_gather *gather, const void *data, size_t len)
{
    if (len == 0) {
        return true;
    }
    if (len > PL_GATHER_BLOCK - gather->block_used) {
        return false;
    }
    uint8_t *at = gather->block + gather->block_used;
    size_t last = gather->slice_count - 1;
    bool is_joined = gather->slice_count > 0 && gather->refs[last] == NULL;
    if (!is_joined && gather->slice_count == PL_GATHER_SLICES) {
        return false;
    }
    memcpy(at, data, len);
    gather->block_used += len;
    gather->total_bytes += len;
    if (is_joined) {
        gather->slices[last].iov_len += len;
    } else {
        gather->slices[gather->slice_count] = (struct iovec){.iov_base = at, .iov_len = len};
        gather->refs[gather->slice_count++] = NULL;
    }
    return true;
}

bool pl_gather_add(struct pl_gather *gather, struct pl_buf *buf, size_t offset, size_t len)
{
    if (len <= PL_GATHER_COPY_MAX) {
        return pl_gather_copy(gather, buf->data + offset, len);
    }
    if (gather->slice_count == PL_GATHER_SLICES) {
        return false;
    }
    gather->slices[gather->slice_count] =
        (struct iovec){.iov_base = buf->data + offset, .iov_len = len};
    gather->refs[gather->slice_count++] = pl_buf_ref(buf);
    gather->total_bytes += len;
    return true;
}

void pl_gather_clear(struct pl_gather *gather)
{
    for (size_t i = 0; i < gather->slice_count; i++) {
        pl_buf_unref(gather->refs[i]);
    }
    pl_gather_init(gather);
}

struct pl_buf *pl_gather_rest(const struct pl_gather *gather, size_t sent)
{
    size_t rest = gather->total_bytes > sent ? gather->total_bytes - sent : 0;
    struct pl_buf *buf = pl_buf_new(rest);
    if (buf == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < gather->slice_count; i++) {
        const struct iovec *slice = &gather->slices[i];
        if (sent >= slice->iov_len) {
            sent -= slice->iov_len;
            continue;
        }
        memcpy(buf->data + buf->len, (const uint8_t *)slice->iov_base + sent,
               slice->iov_len - sent);
        buf->len += slice->iov_len - sent;
        sent = 0;
    }
    return buf;
}
