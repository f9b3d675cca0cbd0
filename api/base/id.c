/* SPDX-License-Identifier: Apache-2.0 */
/* Identifiers; see id.h. */
#include "base/id.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

/* In the order of their byte values, so that ids sort as the numbers they spell. */
static const char digits[64] = {"-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"};

#define CLOCK_DIGITS 8  /* 48 bits */
#define TOTAL_DIGITS 22 /* 84 random bits follow */

bool pl_id_is_valid(const char *id, size_t len)
{
    if (len == 0 || len > PL_ID_MAX) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        char c = id[i];
        bool is_allowed = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '~' || c == ':' ||
                          c == '-';
        if (!is_allowed) {
            return false;
        }
    }
    return true;
}

void pl_id_make(char *out)
{
    uint64_t now = (uint64_t)pl_clock_wall_ms();
    uint8_t random[TOTAL_DIGITS - CLOCK_DIGITS];
    for (int i = CLOCK_DIGITS - 1; i >= 0; i--) {
        out[i] = digits[now & 63];
        now >>= 6;
    }
    pl_random_bytes(random, sizeof(random));
    for (size_t i = 0; i < sizeof(random); i++) {
        out[CLOCK_DIGITS + i] = digits[random[i] & 63];
    }
    out[TOTAL_DIGITS] = '\0';
}

static void fill_from_kernel(void *out, size_t len)
{
    uint8_t *bytes = out;
    while (len > 0) {
        ssize_t got = getrandom(bytes, len, 0);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            (void)fputs("the kernel has no random bytes\n", stderr);
            abort();
        }
        bytes += got;
        len -= (size_t)got;
    }
}

static void (*fill_random)(void *out, size_t len) = fill_from_kernel;

void pl_random_set_hook(void (*fill)(void *out, size_t len))
{
    fill_random = fill == NULL ? fill_from_kernel : fill;
}

void pl_random_bytes(void *out, size_t len)
{
    fill_random(out, len);
}

uint64_t pl_random_below(uint64_t bound)
{
    uint64_t value = 0;
    uint64_t limit =
        UINT64_MAX - UINT64_MAX % bound; /* above it some values would come too often */
    do {
        pl_random_bytes(&value, sizeof(value));
    } while (value >= limit);
    return value % bound;
}
