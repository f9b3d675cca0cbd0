/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_BASE_BUF_H
#define PARLEY_BASE_BUF_H

/* A refcounted run of bytes, written once by its maker and read-only after it is shared. An event
 * that goes to many is encoded once into one of these; every queue holds a reference.
 * @thread any for ref and unref (atomic); writing only while the maker has the sole reference. */

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pl_buf {
    uint32_t refs;       /* private: atomic */
    uint32_t twin_state; /* private: atomic */
    struct pl_buf *twin; /* private */
    size_t len;          /* bytes in use */
    size_t capacity;     /* bytes at data */
    uint8_t data[];
};

/* @return owned (pl_buf_unref), len 0, or NULL: no memory. */
PL_MUST_CHECK struct pl_buf *pl_buf_new(size_t capacity);
PL_MUST_CHECK struct pl_buf *pl_buf_copy(const void *data, size_t len);
struct pl_buf *pl_buf_ref(struct pl_buf *buf);
void pl_buf_unref(struct pl_buf *buf); /* NULL is fine */

/* Make room for `more` bytes behind those of a buffer with one reference, growing it
 * geometrically: `*buf` may move. *buf may be NULL: a new one is made. Its twin is forgotten.
 * Returns 0, or -1: no memory and *buf untouched. */
PL_MUST_CHECK int pl_buf_reserve(struct pl_buf **buf, size_t more);
/* Reserve, and write them there. */
PL_MUST_CHECK int pl_buf_append(struct pl_buf **buf, const void *data, size_t len);

/* Another form of the same bytes (compressed, say), made at most once, when it is first wanted, and
 * freed with the buffer.
 * @param twin  borrowed while the buffer lives; NULL: there is none, or another thread makes it.
 * @return true: nobody has tried. The caller makes it and says so by pl_buf_set_twin.
 * @thread any */
PL_MUST_CHECK bool pl_buf_claim_twin(struct pl_buf *buf, struct pl_buf **twin);
void pl_buf_set_twin(struct pl_buf *buf, struct pl_buf *twin); /* takes; NULL: there is none */

#endif /* PARLEY_BASE_BUF_H */
