/* SPDX-License-Identifier: Apache-2.0 */
/* Refcounted bytes; see buf.h. */
#include "base/buf.h"

#include "base/mem.h"

#include <string.h>

struct pl_buf *pl_buf_new(size_t capacity)
{
    if (capacity > SIZE_MAX - sizeof(struct pl_buf)) {
        return NULL;
    }
    struct pl_buf *buf = pl_malloc(sizeof(*buf) + capacity);
    if (buf != NULL) {
        buf->refs = 1;
        buf->reserved = 0;
        buf->len = 0;
        buf->capacity = capacity;
    }
    return buf;
}

struct pl_buf *pl_buf_copy(const void *data, size_t len)
{
    struct pl_buf *buf = pl_buf_new(len);
    if (buf != NULL && len > 0) {
        memcpy(buf->data, data, len);
        buf->len = len;
    }
    return buf;
}

struct pl_buf *pl_buf_ref(struct pl_buf *buf)
{
    __atomic_fetch_add(&buf->refs, 1, __ATOMIC_RELAXED);
    return buf;
}

void pl_buf_unref(struct pl_buf *buf)
{
    if (buf == NULL) {
        return;
    }
    /* The sole holder needs no atomic write: nobody else can add a reference. */
    if (__atomic_load_n(&buf->refs, __ATOMIC_ACQUIRE) == 1 ||
        __atomic_fetch_sub(&buf->refs, 1, __ATOMIC_ACQ_REL) == 1) {
        pl_free(buf);
    }
}

int pl_buf_append(struct pl_buf **buf, const void *data, size_t len)
{
    size_t used = *buf == NULL ? 0 : (*buf)->len;
    size_t capacity = *buf == NULL ? 0 : (*buf)->capacity;
    if (len > SIZE_MAX / 4 || used > SIZE_MAX / 4) {
        return -1;
    }
    if (*buf == NULL || used + len > capacity) {
        size_t wanted = capacity * 2 > used + len ? capacity * 2 : used + len;
        wanted = wanted < 64 ? 64 : wanted;
        struct pl_buf *grown = pl_realloc(*buf, sizeof(*grown) + wanted);
        if (grown == NULL) {
            return -1;
        }
        if (*buf == NULL) {
            grown->refs = 1;
            grown->reserved = 0;
            grown->len = 0;
        }
        grown->capacity = wanted;
        *buf = grown;
    }
    if (len > 0) {
        memcpy((*buf)->data + used, data, len);
    }
    (*buf)->len = used + len;
    return 0;
}
