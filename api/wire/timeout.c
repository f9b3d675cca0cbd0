/* SPDX-License-Identifier: Apache-2.0 */
/* grpc-timeout. 99999999H is 3.6e20 ns and must be clamped, not wrapped. No state. */
#include "wire/timeout.h"

#include "base/attr.h"

#define DIGITS_MAX 8

static const struct {
    char letter;
    int64_t ns;
} UNITS[] = {
    {'n', 1},
    {'u', 1000},
    {'m', 1000000},
    {'S', 1000000000},
    {'M', 60 * INT64_C(1000000000)},
    {'H', 3600 * INT64_C(1000000000)},
};

bool pl_timeout_decode(const char *text, size_t len, int64_t *timeout_ns)
{
    if (len < 2 || len > DIGITS_MAX + 1) {
        return false;
    }
    int64_t value = 0;
    for (size_t i = 0; i < len - 1; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        value = value * 10 + (text[i] - '0');
    }
    for (size_t i = 0; i < PL_COUNT(UNITS); i++) {
        if (UNITS[i].letter == text[len - 1]) {
            int64_t most = (INT64_MAX - 1) / UNITS[i].ns;
            *timeout_ns = value > most ? INT64_MAX - 1 : value * UNITS[i].ns;
            if (*timeout_ns > 0 && *timeout_ns < 1000) {
                *timeout_ns = 1000;
            }
            return true;
        }
    }
    return false;
}

size_t pl_timeout_encode(int64_t timeout_ns, char out[PL_TIMEOUT_TEXT_MAX])
{
    int64_t value = timeout_ns < 1 ? 1 : timeout_ns;
    size_t unit = 0;
    while (value > 99999999 && unit < PL_COUNT(UNITS) - 1) {
        unit++;
        int64_t whole = (timeout_ns - 1) / UNITS[unit].ns;
        value = whole + 1;
    }
    char digits[24];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0 && count < DIGITS_MAX);
    for (size_t i = 0; i < count; i++) {
        out[i] = digits[count - 1 - i];
    }
    out[count] = UNITS[unit].letter;
    out[count + 1] = '\0';
    return count + 1;
}
