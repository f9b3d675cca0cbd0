/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_WIRE_INLET_H
#define PARLEY_WIRE_INLET_H

/* What a client sends, cut at its WINDOW_UPDATE frames (RFC 9113, 4.1 and 6.9), which
 * session_data.c takes; all else is for nghttp2, in pieces as long as they come. One in the midst
 * of a header block is none of them: it breaks the rules, which is for nghttp2 to say. What is held
 * back is at most one frame header, or one WINDOW_UPDATE. @thread the session's */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PL_FRAME_HEADER_BYTES  9
#define PL_WINDOW_UPDATE_BYTES (PL_FRAME_HEADER_BYTES + 4)

struct pl_inlet {
    uint8_t held[PL_WINDOW_UPDATE_BYTES]; /* a frame that has come in part */
    uint8_t held_len;
    size_t left;        /* bytes that come before the next frame's header */
    bool is_amid_block; /* only CONTINUATION may follow (RFC 9113, 6.10) */
};

struct pl_inlet_piece {
    const uint8_t *data; /* borrowed: from the input, or until the next call */
    size_t len;
    bool is_window_update; /* one whole frame of the right length; nothing in it is checked */
};

/* @param preface_bytes  that come before the first frame */
void pl_inlet_init(struct pl_inlet *inlet, size_t preface_bytes);
/* The next piece of *data, which is moved on. @return false: all is used up, or held */
bool pl_inlet_next(struct pl_inlet *inlet, const uint8_t **data, size_t *len,
                   struct pl_inlet_piece *piece);
/* Whether the last piece ended where a frame ends, and no header block is open there. */
static inline bool pl_inlet_is_between(const struct pl_inlet *inlet)
{
    return inlet->left == 0 && !inlet->is_amid_block;
}

#endif /* PARLEY_WIRE_INLET_H */
