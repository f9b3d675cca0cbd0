/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/inlet.h"

#include "base/attr.h"

#include <nghttp2/nghttp2.h>
#include <string.h>

void pl_inlet_init(struct pl_inlet *inlet, size_t preface_bytes)
{
    *inlet = (struct pl_inlet){.left = preface_bytes};
}

static size_t payload_len(const uint8_t *header)
{
    return (size_t)header[0] << 16 | (size_t)header[1] << 8 | header[2];
}

static bool is_window_update(const struct pl_inlet *inlet, const uint8_t *header)
{
    return !inlet->is_amid_block && header[3] == NGHTTP2_WINDOW_UPDATE &&
           payload_len(header) == PL_WINDOW_UPDATE_BYTES - PL_FRAME_HEADER_BYTES;
}

static void begin_frame(struct pl_inlet *inlet, const uint8_t *header)
{
    inlet->left = payload_len(header);
    if (header[3] == NGHTTP2_HEADERS || header[3] == NGHTTP2_CONTINUATION) {
        inlet->is_amid_block = (header[4] & NGHTTP2_FLAG_END_HEADERS) == 0;
    }
}

static void skip(const uint8_t **data, size_t *len, size_t bytes)
{
    *data += bytes;
    *len -= bytes;
}

/* @return whether `wanted` bytes of the frame are held now */
static bool hold(struct pl_inlet *inlet, const uint8_t **data, size_t *len, size_t wanted)
{
    size_t missing = wanted - inlet->held_len;
    size_t take = missing < *len ? missing : *len;
    memcpy(inlet->held + inlet->held_len, *data, take);
    inlet->held_len += (uint8_t)take;
    skip(data, len, take);
    return take == missing;
}

/* A frame whose first bytes came before. */
static bool finish_held(struct pl_inlet *inlet, const uint8_t **data, size_t *len,
                        struct pl_inlet_piece *piece)
{
    if (inlet->held_len < PL_FRAME_HEADER_BYTES && !hold(inlet, data, len, PL_FRAME_HEADER_BYTES)) {
        return false;
    }
    bool is_update = is_window_update(inlet, inlet->held);
    if (is_update && !hold(inlet, data, len, PL_WINDOW_UPDATE_BYTES)) {
        return false;
    }
    *piece = (struct pl_inlet_piece){inlet->held, inlet->held_len, is_update};
    if (!is_update) {
        begin_frame(inlet, inlet->held);
    }
    inlet->held_len = 0;
    return true;
}

/* The bytes before the first WINDOW_UPDATE, or before a frame that is cut off. */
static size_t run_of_others(struct pl_inlet *inlet, const uint8_t *data, size_t len)
{
    size_t run = 0;
    for (;;) {
        size_t take = inlet->left < len - run ? inlet->left : len - run;
        run += take;
        inlet->left -= take;
        if (len - run < PL_FRAME_HEADER_BYTES || is_window_update(inlet, data + run)) {
            return run;
        }
        begin_frame(inlet, data + run);
        run += PL_FRAME_HEADER_BYTES;
    }
}

bool pl_inlet_next(struct pl_inlet *inlet, const uint8_t **data, size_t *len,
                   struct pl_inlet_piece *piece)
{
    if (PL_UNLIKELY(inlet->held_len > 0)) {
        return *len > 0 && finish_held(inlet, data, len, piece);
    }
    size_t run = run_of_others(inlet, *data, *len);
    if (run > 0) {
        *piece = (struct pl_inlet_piece){.data = *data, .len = run};
        skip(data, len, run);
        return true;
    }
    if (*len >= PL_WINDOW_UPDATE_BYTES) {
        *piece = (struct pl_inlet_piece){*data, PL_WINDOW_UPDATE_BYTES, true};
        skip(data, len, PL_WINDOW_UPDATE_BYTES);
        return true;
    }
    if (*len > 0) {
        (void)hold(inlet, data, len, *len);
    }
    return false;
}
