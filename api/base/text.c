/* SPDX-License-Identifier: Apache-2.0 */
/* Text from outside; see text.h. */
#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DISTANCE_MAX 64

/* Length of the well-formed character at `p` (RFC 3629, section 4), or 0. */
static size_t character(const uint8_t *p, size_t left)
{
    static const struct {
        uint8_t first, last, low, high;
        size_t len;
    } forms[] = {
        {0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    for (size_t i = 0; i < PL_COUNT(forms); i++) {
        if (p[0] < forms[i].first || p[0] > forms[i].last) {
            continue;
        }
        if (forms[i].len > left ||
            (forms[i].len > 1 && (p[1] < forms[i].low || p[1] > forms[i].high))) {
            return 0;
        }
        for (size_t k = 2; k < forms[i].len; k++) {
            if ((p[k] & 0xc0) != 0x80) {
                return 0;
            }
        }
        return forms[i].len;
    }
    return 0;
}

bool pl_text_is_utf8(const void *data, size_t len)
{
    const uint8_t *p = data;
    size_t i = 0;
    while (i < len) {
        uint64_t word = 0;
        if (len - i >= sizeof(word)) { /* eight ASCII bytes at once */
            memcpy(&word, p + i, sizeof(word));
            if ((word & 0x8080808080808080U) == 0) {
                i += sizeof(word);
                continue;
            }
        }
        size_t step = p[i] < 0x80 ? 1 : character(p + i, len - i);
        if (step == 0) {
            return false;
        }
        i += step;
    }
    return true;
}

size_t pl_text_utf8_prefix(const char *text, size_t len, size_t max)
{
    if (len <= max) {
        return len;
    }
    while (max > 0 && ((unsigned char)text[max] & 0xc0) == 0x80) {
        max--;
    }
    return max;
}

bool pl_text_vformat(char *out, size_t size, const char *format, va_list args)
{
    if (size == 0) {
        return false;
    }
    int wanted = vsnprintf(out, size, format, args);
    if (wanted < 0) {
        out[0] = '\0';
        return false;
    }
    if ((size_t)wanted < size) {
        return true;
    }
    size_t end = size - 1;
    while (end > 0 && ((unsigned char)out[end - 1] & 0xc0) == 0x80) {
        end--;
    }
    if (end > 0 && (unsigned char)out[end - 1] >= 0xc0 &&
        character((const uint8_t *)out + end - 1, size - end) == 0) {
        out[end - 1] = '\0';
    }
    return false;
}

bool pl_text_format(char *out, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    bool fitted = pl_text_vformat(out, size, format, args);
    va_end(args);
    return fitted;
}

bool pl_text_to_i64(const char *text, int64_t min, int64_t max, int64_t *value)
{
    char *end = NULL;
    if (!((text[0] >= '0' && text[0] <= '9') || (text[0] == '-' && text[1] != '\0'))) {
        return false;
    }
    errno = 0;
    long long parsed = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || parsed < min || parsed > max) {
        return false;
    }
    *value = parsed;
    return true;
}

size_t pl_text_distance(const char *a, const char *b)
{
    size_t a_len = strnlen(a, DISTANCE_MAX);
    size_t b_len = strnlen(b, DISTANCE_MAX);
    size_t row[DISTANCE_MAX + 1];
    for (size_t j = 0; j <= b_len; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            size_t shorter = row[j] < row[j - 1] ? row[j] : row[j - 1];
            row[j] = change < shorter + 1 ? change : shorter + 1;
        }
    }
    return row[b_len];
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool pl_text_equals_nocase(const char *a, const char *b)
{
    while (*a != '\0' && lower(*a) == lower(*b)) {
        a++;
        b++;
    }
    return lower(*a) == lower(*b);
}
