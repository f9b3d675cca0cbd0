/* SPDX-License-Identifier: Apache-2.0 */
/* See safe_text.h. */
#include "safe_text.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

/* One character of strict UTF-8 (RFC 3629). @return its bytes; 0: none starts here */
static size_t decode(const uint8_t *text, size_t len, uint32_t *character)
{
    static const uint32_t lowest[] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t first = text[0];
    size_t bytes = first < 0x80 ? 1 : first < 0xc0 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (bytes == 0 || bytes > len || first > 0xf4) {
        return 0;
    }
    *character = bytes == 1 ? first : first & (0x7fU >> bytes);
    for (size_t i = 1; i < bytes; i++) {
        if ((text[i] & 0xc0) != 0x80) {
            return 0;
        }
        *character = *character << 6 | (text[i] & 0x3f);
    }
    bool is_surrogate = *character >= 0xd800 && *character <= 0xdfff;
    return *character < lowest[bytes] || *character > 0x10ffff || is_surrogate ? 0 : bytes;
}

/* Line separators count: a message must not be able to begin a line that looks like another's. */
static bool is_dangerous(uint32_t c)
{
    return (c >= 0x80 && c < 0xa0) || (c >= 0x200e && c <= 0x200f) ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0x061c ||
           c == 0xfeff;
}

static void print_character(FILE *out, const uint8_t *text, size_t bytes, uint32_t character,
                            int indent)
{
    if (character == '\n') {
        (void)fprintf(out, "\n%*s", indent, "");
    } else if (character < 0x20 && character != '\t') {
        (void)fprintf(out, "^%c", (int)character + '@');
    } else if (character == 0x7f) {
        (void)fputs("^?", out);
    } else if (is_dangerous(character)) {
        (void)fprintf(out, "\\u%04x", (unsigned)character);
    } else {
        (void)fwrite(text, 1, bytes, out);
    }
}

void safe_text_print_bytes(FILE *out, const void *text, size_t len, int indent)
{
    const uint8_t *bytes = text;
    size_t at = 0;
    while (at < len) {
        uint32_t character = 0;
        size_t taken = decode(bytes + at, len - at, &character);
        if (taken == 0) {
            (void)fprintf(out, "\\x%02x", bytes[at]);
            taken = 1;
        } else {
            print_character(out, bytes + at, taken, character, indent);
        }
        at += taken;
    }
}

void safe_text_print(FILE *out, const char *text, int indent)
{
    safe_text_print_bytes(out, text, strlen(text), indent);
}

int safe_text_columns(const char *text, size_t len)
{
    int columns = 0;
    size_t at = 0;
    while (at < len) {
        uint32_t character = 0;
        size_t taken = decode((const uint8_t *)text + at, len - at, &character);
        int width = taken == 0 ? 1 : wcwidth((wchar_t)character);
        columns += width < 0 ? 2 : width; /* control characters are shown as ^X */
        at += taken == 0 ? 1 : taken;
    }
    return columns;
}

char *safe_text_base64(const void *data, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *bytes = data;
    char *text = malloc((len + 2) / 3 * 4 + 1);
    char *at = text;
    if (text == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < len; i += 3) {
        uint32_t group = (uint32_t)bytes[i] << 16;
        group |= i + 1 < len ? (uint32_t)bytes[i + 1] << 8 : 0;
        group |= i + 2 < len ? bytes[i + 2] : 0;
        *at++ = digits[group >> 18];
        *at++ = digits[group >> 12 & 63];
        *at++ = digits[group >> 6 & 63];
        *at++ = digits[group & 63];
        at[-2] = i + 1 < len ? at[-2] : '=';
        at[-1] = i + 2 < len ? at[-1] : '=';
    }
    *at = '\0';
    return text;
}
