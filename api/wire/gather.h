/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_WIRE_GATHER_H
#define PARLEY_WIRE_GATHER_H

/* Output of one connection for one system call. Headers and small payloads are copied into the
 * gather's block, large payloads go by reference. One gather a thread: a connection that is idle,
 * or whose output the socket took at once, owns no output memory. */

#include "base/attr.h"
#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define PL_GATHER_SLICES 128
#define PL_GATHER_BLOCK  65536
/* Payloads up to this are copied. One block is sent for less than two slices are: at 5 KB the copy
 * still saves more than it costs, at a whole frame of 16 KB it no longer does. */
#define PL_GATHER_COPY_MAX 8192

struct pl_gather {
    struct iovec slices[PL_GATHER_SLICES];
    struct pl_buf *refs[PL_GATHER_SLICES]; /* what a slice points into; NULL: the block */
    size_t slice_count;
    size_t total_bytes;
    size_t block_used;
    uint8_t block[PL_GATHER_BLOCK];
};

void pl_gather_init(struct pl_gather *gather);
/* Room for one more frame header and one more payload slice? */
bool pl_gather_has_room(const struct pl_gather *gather);
/* Copy bytes in. false: no room, nothing done. */
bool pl_gather_copy(struct pl_gather *gather, const void *data, size_t len);
/* Add `len` bytes of `buf` from `offset`; refs, or copies if small. false: no room, nothing done.
 */
bool pl_gather_add(struct pl_gather *gather, struct pl_buf *buf, size_t offset, size_t len);
/* Drop everything and its references. */
void pl_gather_clear(struct pl_gather *gather);
/* The bytes after the first `sent`, copied into one owned buffer (what the socket did not take). */
PL_MUST_CHECK struct pl_buf *pl_gather_rest(const struct pl_gather *gather, size_t sent);

#endif /* PARLEY_WIRE_GATHER_H */
