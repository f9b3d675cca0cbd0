/* SPDX-License-Identifier: Apache-2.0 */
/* gzip by zlib; see gzip.h. Thread: the session's. Must never hold more output than the limit. */
#include "wire/gzip.h"

#include "base/mem.h"
#include "wire/framing.h"

#include <string.h>
#include <zlib.h>

#define COMPRESS_MIN     512 /* below, the gain is not worth the work (C6) */
#define GZIP_WINDOW_BITS (15 + 16)
#define GZIP_LEVEL       1 /* chat is text: the higher ones gain a tenth and take three times as long */
#define GZIP_MEM_LEVEL   8
#define OUTPUT_MIN       1024

struct pl_gzip {
    z_stream inflater;
    z_stream deflater;
    bool has_inflater;
    bool has_deflater;
};

static voidpf allocate(voidpf opaque, uInt count, uInt size)
{
    (void)opaque;
    return pl_calloc(count, size);
}

static void release(voidpf opaque, voidpf memory)
{
    (void)opaque;
    pl_free(memory);
}

struct pl_gzip *pl_gzip_new(void)
{
    struct pl_gzip *gzip = pl_calloc(1, sizeof(*gzip));
    if (gzip != NULL) {
        gzip->inflater.zalloc = gzip->deflater.zalloc = allocate;
        gzip->inflater.zfree = gzip->deflater.zfree = release;
    }
    return gzip;
}

void pl_gzip_free(struct pl_gzip *gzip)
{
    if (gzip == NULL) {
        return;
    }
    if (gzip->has_inflater) {
        (void)inflateEnd(&gzip->inflater);
    }
    if (gzip->has_deflater) {
        (void)deflateEnd(&gzip->deflater);
    }
    pl_free(gzip);
}

static z_stream *ready_inflater(struct pl_gzip *gzip)
{
    if (gzip->has_inflater) {
        (void)inflateReset(&gzip->inflater);
    } else if (inflateInit2(&gzip->inflater, GZIP_WINDOW_BITS) == Z_OK) {
        gzip->has_inflater = true;
    }
    return gzip->has_inflater ? &gzip->inflater : NULL;
}

static z_stream *ready_deflater(struct pl_gzip *gzip)
{
    if (gzip->has_deflater) {
        (void)deflateReset(&gzip->deflater);
    } else if (deflateInit2(&gzip->deflater, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW_BITS,
                            GZIP_MEM_LEVEL, Z_DEFAULT_STRATEGY) == Z_OK) {
        gzip->has_deflater = true;
    }
    return gzip->has_deflater ? &gzip->deflater : NULL;
}

/* ---- decompression ---- */

/* `limit` is one over the longest message that is allowed: who fills it has one that is not. */
static enum parley_code inflate_into(z_stream *zlib, size_t limit, struct pl_buf **out)
{
    for (;;) {
        if ((*out)->len == (*out)->capacity && pl_buf_reserve(out, 1) != 0) {
            return PARLEY_RESOURCE_EXHAUSTED;
        }
        size_t end = (*out)->capacity < limit ? (*out)->capacity : limit;
        size_t room = end - (*out)->len;
        zlib->next_out = (*out)->data + (*out)->len;
        zlib->avail_out = (uInt)room;
        int rv = inflate(zlib, Z_NO_FLUSH);
        (*out)->len += room - zlib->avail_out;
        if ((*out)->len == limit || rv == Z_MEM_ERROR) {
            return PARLEY_RESOURCE_EXHAUSTED;
        }
        if (rv == Z_STREAM_END) {
            return zlib->avail_in == 0 ? PARLEY_OK : PARLEY_INTERNAL;
        }
        /* Output left and no end: the input is cut off. */
        if (rv != Z_OK || zlib->avail_out > 0) {
            return PARLEY_INTERNAL;
        }
    }
}

enum parley_code pl_gzip_decompress(struct pl_gzip *gzip, const uint8_t *data, size_t len,
                                    size_t max, struct pl_buf **out)
{
    z_stream *zlib = ready_inflater(gzip);
    size_t limit = max + 1;
    size_t first = len > OUTPUT_MIN / 4 ? len * 4 : OUTPUT_MIN;
    struct pl_buf *made = pl_buf_new(first < limit ? first : limit);
    *out = NULL;
    if (zlib == NULL || made == NULL) {
        pl_buf_unref(made);
        return PARLEY_RESOURCE_EXHAUSTED;
    }
    zlib->next_in = (z_const Bytef *)(uintptr_t)data;
    zlib->avail_in = (uInt)len;
    enum parley_code code = inflate_into(zlib, limit, &made);
    if (code != PARLEY_OK) {
        pl_buf_unref(made);
        return code;
    }
    *out = made;
    return PARLEY_OK;
}

/* ---- compression ---- */

/* @return bytes of the compressed body at `out`; 0: it does not fit into `room`. */
static size_t deflate_into(struct pl_gzip *gzip, const uint8_t *body, size_t len, uint8_t *out,
                           size_t room)
{
    z_stream *zlib = ready_deflater(gzip);
    if (zlib == NULL) {
        return 0;
    }
    zlib->next_in = (z_const Bytef *)(uintptr_t)body;
    zlib->avail_in = (uInt)len;
    zlib->next_out = out;
    zlib->avail_out = (uInt)room;
    return deflate(zlib, Z_FINISH) == Z_STREAM_END ? room - zlib->avail_out : 0;
}

/* @return owned, or NULL: nothing gets shorter by it, or no memory. */
static struct pl_buf *compress_frames(struct pl_gzip *gzip, const struct pl_buf *frames)
{
    struct pl_buf *made = NULL;
    for (size_t at = 0, bytes = 0; at < frames->len; at += bytes) {
        const uint8_t *frame = frames->data + at;
        size_t len = pl_prefix_body_bytes(frame);
        bytes = PL_PREFIX_BYTES + len;
        if (len >= COMPRESS_MIN && made == NULL) {
            made = pl_buf_new(frames->len); /* no frame gets longer */
            if (made == NULL) {
                return NULL;
            }
            memcpy(made->data, frames->data, at);
            made->len = at;
        }
        if (made == NULL) {
            continue;
        }
        uint8_t *to = made->data + made->len;
        size_t shorter = len >= COMPRESS_MIN ? deflate_into(gzip, frame + PL_PREFIX_BYTES, len,
                                                            to + PL_PREFIX_BYTES, len)
                                             : 0;
        if (shorter > 0) {
            pl_prefix_put(to, true, shorter);
            made->len += PL_PREFIX_BYTES + shorter;
        } else {
            memcpy(to, frame, bytes);
            made->len += bytes;
        }
    }
    if (made != NULL && made->len == frames->len) {
        pl_buf_unref(made);
        return NULL;
    }
    return made;
}

struct pl_buf *pl_gzip_frames(struct pl_gzip *gzip, struct pl_buf *frames, size_t *offset)
{
    struct pl_buf *twin = NULL;
    if (pl_buf_claim_twin(frames, &twin)) {
        twin = compress_frames(gzip, frames);
        pl_buf_set_twin(frames, twin);
    }
    if (twin == NULL) {
        return frames;
    }
    size_t there = 0;
    for (size_t here = 0; here < *offset;) {
        here += PL_PREFIX_BYTES + pl_prefix_body_bytes(frames->data + here);
        there += PL_PREFIX_BYTES + pl_prefix_body_bytes(twin->data + there);
    }
    *offset = there;
    return twin;
}
