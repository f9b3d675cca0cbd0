/* SPDX-License-Identifier: Apache-2.0 */
/* grpc-timeout (R7, D2): the grammar, the clamp, and never sending less than was asked for. */
#include "wire/timeout.h"

#include "support/check.h"

#include <string.h>

#define NEVER (INT64_MAX - 1)

static void test_r7_decoding_row_for_row(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ns; /* -1: refused */
    } rows[] = {
        {"5S", INT64_C(5000000000)},
        {"4999m", INT64_C(4999000000)},
        {"4999606u", INT64_C(4999606000)},
        {"1H", INT64_C(3600000000000)},
        {"2M", INT64_C(120000000000)},
        {"1n", 1000}, /* rounded up to a microsecond */
        {"999n", 1000},
        {"1000n", 1000},
        {"1001n", 1001},
        {"0n", 0},
        {"0S", 0},
        {"00000000H", 0},
        {"00000001S", 1000000000},
        {"99999999S", INT64_C(99999999000000000)},
        {"99999999M", INT64_C(5999999940000000000)},
        {"99999999H", NEVER}, /* 3.6e20 ns */
        {"2562047H", INT64_C(9223369200000000000)},
        {"2562048H", NEVER},
        {"", -1},
        {"S", -1},
        {"10", -1},
        {"abc", -1},
        {"-1S", -1},
        {"+1S", -1},
        {" 1S", -1},
        {"1 S", -1},
        {"1S ", -1},
        {"1s", -1},
        {"1h", -1},
        {"1.5S", -1},
        {"1SS", -1},
        {"0x1S", -1},
        {"123456789S", -1},
        {"000000001S", -1},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t ns = -1;
        bool is_timeout = pl_timeout_decode(rows[i].text, strlen(rows[i].text), &ns);
        if (is_timeout != (rows[i].ns >= 0) || (is_timeout && ns != rows[i].ns)) {
            fail_msg("\"%s\" gives %lld", rows[i].text, (long long)ns);
        }
    }
    int64_t ns = 0;
    assert_false(pl_timeout_decode("1\0S", 3, &ns));
}

static void test_r7_encoding_rounds_up_to_eight_digits(void **state)
{
    (void)state;
    static const struct {
        int64_t ns;
        const char *text;
    } rows[] = {
        {INT64_MIN, "1n"},
        {-1, "1n"},
        {0, "1n"},
        {1, "1n"},
        {99999999, "99999999n"},
        {100000000, "100000u"},
        {100000001, "100001u"},
        {INT64_C(99999999000), "99999999u"},
        {INT64_C(99999999001), "100000m"},
        {INT64_C(99999999000000), "99999999m"},
        {INT64_C(99999999000001), "100000S"},
        {INT64_C(99999999000000000), "99999999S"},
        {INT64_C(99999999000000001), "1666667M"},
        {INT64_C(5999999940000000000), "99999999M"},
        {INT64_C(5999999940000000001), "1666667H"},
        {NEVER, "2562048H"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[PL_TIMEOUT_TEXT_MAX];
        memset(text, 'x', sizeof(text));
        assert_int_equal(pl_timeout_encode(rows[i].ns, text), strlen(rows[i].text));
        assert_string_equal(text, rows[i].text);
    }
}

static void test_d2_the_peer_never_gives_up_before_us(void **state)
{
    (void)state;
    for (int64_t ns = 1; ns < INT64_MAX / 3; ns = ns * 3 + 1) {
        char text[PL_TIMEOUT_TEXT_MAX];
        int64_t back = 0;
        assert_true(pl_timeout_decode(text, pl_timeout_encode(ns, text), &back));
        assert_true(back >= ns);
        assert_true(ns < 1000 || back - ns <= ns / 10000 + 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_r7_decoding_row_for_row),
        cmocka_unit_test(test_r7_encoding_rounds_up_to_eight_digits),
        cmocka_unit_test(test_d2_the_peer_never_gives_up_before_us),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
