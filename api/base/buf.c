/* SPDX-License-Identifier: Apache-2.0 */
/* Refcounted bytes; see buf.h. */
#include "base/buf.h"

#include "base/mem.h"

#include <string.h>

enum twin_state {
    TWIN_UNKNOWN,
    TWIN_CLAIMED, /* somebody makes it */
    TWIN_KNOWN
};

struct pl_buf *pl_buf_new(size_t capacity)
{
    if (capacity > SIZE_MAX - sizeof(struct pl_buf)) {
        return NULL;
    }
    struct pl_buf *buf = pl_malloc(sizeof(*buf) + capacity);
    if (buf != NULL) {
        buf->refs = 1;
        buf->twin_state = TWIN_UNKNOWN;
        buf->twin = NULL;
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
        pl_buf_unref(buf->twin); /* which has no twin of its own */
        pl_free(buf);
    }
}

/* The bytes change: the other form is not theirs any more. */
static void forget_twin(struct pl_buf *buf)
{
    if (buf->twin_state != TWIN_UNKNOWN) {
        pl_buf_unref(buf->twin);
        buf->twin = NULL;
        buf->twin_state = TWIN_UNKNOWN;
    }
}

int pl_buf_reserve(struct pl_buf **buf, size_t more)
{
    size_t used = *buf == NULL ? 0 : (*buf)->len;
    size_t capacity = *buf == NULL ? 0 : (*buf)->capacity;
    if (more > SIZE_MAX / 4 || used > SIZE_MAX / 4) {
        return -1;
    }
    if (*buf == NULL || used + more > capacity) {
        size_t wanted = capacity * 2 > used + more ? capacity * 2 : used + more;
        wanted = wanted < 64 ? 64 : wanted;
        struct pl_buf *grown = pl_realloc(*buf, sizeof(*grown) + wanted);
        if (grown == NULL) {
            return -1;
        }
        if (*buf == NULL) {
            grown->refs = 1;
            grown->twin_state = TWIN_UNKNOWN;
            grown->twin = NULL;
            grown->len = 0;
        }
        grown->capacity = wanted;
        *buf = grown;
    }
    forget_twin(*buf);
    return 0;
}

int pl_buf_append(struct pl_buf **buf, const void *data, size_t len)
{
    if (pl_buf_reserve(buf, len) != 0) {
        return -1;
    }
    if (len > 0) {
        memcpy((*buf)->data + (*buf)->len, data, len);
    }
    (*buf)->len += len;
    return 0;
}

bool pl_buf_claim_twin(struct pl_buf *buf, struct pl_buf **twin)
{
    uint32_t state = __atomic_load_n(&buf->twin_state, __ATOMIC_ACQUIRE);
    *twin = state == TWIN_KNOWN ? buf->twin : NULL;
    return state == TWIN_UNKNOWN &&
           __atomic_compare_exchange_n(&buf->twin_state, &state, TWIN_CLAIMED, false,
                                       __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

void pl_buf_set_twin(struct pl_buf *buf, struct pl_buf *twin)
{
    buf->twin = twin;
    __atomic_store_n(&buf->twin_state, TWIN_KNOWN, __ATOMIC_RELEASE);
}
