/* SPDX-License-Identifier: Apache-2.0 */
/* grpc-message on the wire. No state; lenient on input, since the text is only for people. */
#include "wire/percent.h"

#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

static const char HEX[] = "0123456789ABCDEF";

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_plain(char c)
{
    return c >= 0x20 && c <= 0x7e && c != '%';
}

/* Bytes of the well-formed character at `text`, or 0. */
static size_t character_bytes(const char *text, size_t len)
{
    for (size_t bytes = 1; bytes <= 4 && bytes <= len; bytes++) {
        if (pl_text_is_utf8(text, bytes)) {
            return bytes;
        }
    }
    return 0;
}

static size_t put_escaped(char *out, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        uint8_t byte = (uint8_t)bytes[i];
        out[i * 3] = '%';
        out[i * 3 + 1] = HEX[byte >> 4];
        out[i * 3 + 2] = HEX[byte & 15];
    }
    return len * 3;
}

char *pl_percent_encode(struct pl_arena *arena, const char *text, size_t len, size_t *out_len)
{
    if (len > SIZE_MAX / 16) {
        return NULL;
    }
    size_t plain = 0;
    while (plain < len && is_plain(text[plain])) {
        plain++;
    }
    if (plain == len) {
        *out_len = len;
        return pl_arena_strndup(arena, text, len);
    }
    /* The worst byte is one that is not UTF-8: three bytes of U+FFFD, nine characters. */
    char *out = pl_arena_alloc(arena, len * 9 + 1);
    if (out == NULL) {
        return NULL;
    }
    size_t written = 0;
    for (size_t i = 0; i < len;) {
        if (is_plain(text[i])) {
            out[written++] = text[i++];
            continue;
        }
        size_t bytes = character_bytes(text + i, len - i);
        if (bytes == 0) {
            written += put_escaped(out + written, "\xef\xbf\xbd", 3);
            i++;
        } else {
            written += put_escaped(out + written, text + i, bytes);
            i += bytes;
        }
    }
    out[written] = '\0';
    *out_len = written;
    return out;
}

char *pl_percent_decode(struct pl_arena *arena, const char *text, size_t len, size_t *out_len)
{
    char *out = pl_arena_alloc(arena, len + 1);
    if (out == NULL) {
        return NULL;
    }
    size_t written = 0;
    for (size_t i = 0; i < len; i++) {
        int high = text[i] == '%' && len - i > 2 ? hex_value(text[i + 1]) : -1;
        int low = high >= 0 ? hex_value(text[i + 2]) : -1;
        if (low >= 0) {
            out[written++] = (char)(high * 16 + low);
            i += 2;
        } else {
            out[written++] = text[i];
        }
    }
    out[written] = '\0';
    *out_len = written;
    return out;
}
