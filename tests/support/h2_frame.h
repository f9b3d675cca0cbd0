/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_SUPPORT_H2_FRAME_H
#define PARLEY_TEST_SUPPORT_H2_FRAME_H

/* Headers of HTTP/2 frames (RFC 9113, 4.1), for peers that are written by hand. */

#include <stddef.h>
#include <stdint.h>

#define H2_PREFACE      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define H2_HEADER_BYTES 9

static inline void h2_put_number(uint8_t *at, uint32_t number)
{
    at[0] = (uint8_t)(number >> 24);
    at[1] = (uint8_t)(number >> 16);
    at[2] = (uint8_t)(number >> 8);
    at[3] = (uint8_t)number;
}

static inline uint32_t h2_number(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline void h2_put_header(uint8_t *header, size_t len, uint8_t type, uint8_t flags,
                                 uint32_t id)
{
    h2_put_number(header, (uint32_t)len << 8 | type);
    header[4] = flags;
    h2_put_number(header + 5, id);
}

/* Of the payload. */
static inline size_t h2_len(const uint8_t *header)
{
    return h2_number(header) >> 8;
}

#endif /* PARLEY_TEST_SUPPORT_H2_FRAME_H */
