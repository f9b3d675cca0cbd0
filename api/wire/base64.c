/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 of "-bin" metadata and of grpc-status-details-bin. No state. */
#include "wire/base64.h"

static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    if (c == '+') {
        return 62;
    }
    return c == '/' ? 63 : -1;
}

size_t pl_base64_encode(const void *data, size_t len, char *out)
{
    const uint8_t *bytes = data;
    size_t written = 0;
    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        uint32_t group = (uint32_t)bytes[i] << 16;
        group |= left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0;
        group |= left > 2 ? (uint32_t)bytes[i + 2] : 0;
        out[written++] = ALPHABET[group >> 18];
        out[written++] = ALPHABET[(group >> 12) & 63];
        if (left > 1) {
            out[written++] = ALPHABET[(group >> 6) & 63];
        }
        if (left > 2) {
            out[written++] = ALPHABET[group & 63];
        }
    }
    return written;
}

bool pl_base64_decode(const char *text, size_t len, uint8_t *out, size_t *out_len)
{
    /* Padding, if there is any, fills up to a multiple of four. */
    if (len % 4 == 0 && len > 0 && text[len - 1] == '=') {
        len -= text[len - 2] == '=' ? 2 : 1;
    }
    if (len % 4 == 1) {
        return false;
    }
    uint32_t group = 0;
    unsigned bits = 0;
    size_t written = 0;
    for (size_t i = 0; i < len; i++) {
        int value = value_of(text[i]);
        if (value < 0) {
            return false;
        }
        group = (group << 6 | (uint32_t)value) & 0xffffff;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out[written++] = (uint8_t)(group >> bits);
        }
    }
    *out_len = written;
    return true;
}
