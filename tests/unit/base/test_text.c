/* SPDX-License-Identifier: Apache-2.0 */
/* Text from outside: every form of UTF-8, bounded formatting, numbers, distances. */
#include "base/text.h"

#include "support/check.h"

#include <string.h>

/* Encode as if every number below 2^21 were a character, in `len` bytes. */
static void encode(uint32_t code, size_t len, uint8_t *out)
{
    static const uint8_t leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = len - 1; i > 0; i--) {
        out[i] = (uint8_t)(0x80 | (code & 0x3f));
        code >>= 6;
    }
    out[0] = (uint8_t)(leads[len] | code);
}

static void test_exactly_the_characters_of_unicode_are_utf8(void **state)
{
    (void)state;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000, 0x200000};
    for (size_t len = 2; len <= 4; len++) {
        for (uint32_t code = 0; code < least[len + 1]; code++) {
            uint8_t bytes[4];
            encode(code, len, bytes);
            bool is_character =
                code >= least[len] && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
            if (pl_text_is_utf8(bytes, len) != is_character) {
                fail_msg("U+%04X in %zu bytes", code, len);
            }
        }
    }
}

static void test_broken_sequences_are_not_utf8(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\x80",
        "\xbf",
        "\xc0\x80",
        "\xc1\xbf",
        "\xc3",
        "\xe2\x82",
        "\xf0\x9f\x92",
        "\xf5\x80\x80\x80",
        "\xff",
        "\xfe",
        "\xc3(",
        "\xe2\x28\xa1",
        "\xe2\x82\x28",
        "\xf0\x28\x8c\xbc",
        "\xf0\x9f\x92\x28",
        "\xf8\x88\x80\x80\x80",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        size_t len = strlen(bad[i]);
        assert_false(pl_text_is_utf8(bad[i], len));
        /* Also when it stands at any place in or after a run that is checked eight at a time. */
        for (size_t at = 0; at <= 17; at++) {
            char text[32];
            memset(text, 'a', sizeof(text));
            memcpy(text + at, bad[i], len);
            assert_false(pl_text_is_utf8(text, at + len));
            assert_false(pl_text_is_utf8(text, sizeof(text)));
        }
    }
}

static void test_whole_texts_are_utf8(void **state)
{
    (void)state;
    assert_true(pl_text_is_utf8(NULL, 0));
    assert_true(pl_text_is_utf8("a\0b", 3));
    assert_true(pl_text_is_utf8("0123456789abcdef\xf0\x9f\x98\x80z", 21));
    assert_true(pl_text_is_utf8("\xc3\xa9\xe2\x82\xac\xf4\x8f\xbf\xbf", 9));
}

static void test_prefix_never_cuts_a_character(void **state)
{
    (void)state;
    static const char text[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80";
    static const size_t expected[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10};
    for (size_t max = 0; max < sizeof(expected) / sizeof(expected[0]); max++) {
        assert_int_equal(pl_text_utf8_prefix(text, 10, max), expected[max]);
    }
    assert_int_equal(pl_text_utf8_prefix("\x80\x80\x80", 3, 2), 0);
}

static void test_format_says_whether_everything_fitted(void **state)
{
    (void)state;
    char out[6];
    assert_true(pl_text_format(out, sizeof(out), "%d", 12345));
    assert_string_equal(out, "12345");
    assert_false(pl_text_format(out, sizeof(out), "%d", 123456));
    assert_string_equal(out, "12345");
    assert_false(pl_text_format(out, 1, "x"));
    assert_string_equal(out, "");
    assert_true(pl_text_format(out, 1, "%s", ""));
    assert_false(pl_text_format(out, 0, "x"));
}

static void test_format_cuts_between_characters(void **state)
{
    (void)state;
    char out[8];
    static const struct {
        const char *text;
        const char *cut;
    } rows[] = {
        {"123456\xc3\xa9", "123456"},
        {"12345\xc3\xa9x", "12345\xc3\xa9"},
        {"12345\xe2\x82\xac", "12345"},
        {"1234\xe2\x82\xacx", "1234\xe2\x82\xac"},
        {"1234\xf0\x9f\x98\x80", "1234"},
        {"123\xf0\x9f\x98\x80x", "123\xf0\x9f\x98\x80"},
        {"123456\xc3\xa9\xc3\xa9", "123456"},
        {"\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac", "\xe2\x82\xac\xe2\x82\xac"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_false(pl_text_format(out, sizeof(out), "%s", rows[i].text));
        assert_string_equal(out, rows[i].cut);
    }
}

static void test_numbers_are_whole_decimal_and_in_range(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t min;
        int64_t max;
        bool is_number;
        int64_t value;
    } rows[] = {
        {"0", 0, 9, true, 0},
        {"9", 0, 9, true, 9},
        {"10", 0, 9, false, 0},
        {"-1", 0, 9, false, 0},
        {"-1", -1, 9, true, -1},
        {"007", 0, 9, true, 7},
        {"", 0, 9, false, 0},
        {"-", -9, 9, false, 0},
        {"--1", -9, 9, false, 0},
        {"- 1", -9, 9, false, 0},
        {"+1", 0, 9, false, 0},
        {" 1", 0, 9, false, 0},
        {"1 ", 0, 9, false, 0},
        {"1a", 0, 9, false, 0},
        {"0x1", 0, 9, false, 0},
        {"1.0", 0, 9, false, 0},
        {"9223372036854775807", 0, INT64_MAX, true, INT64_MAX},
        {"9223372036854775808", 0, INT64_MAX, false, 0},
        {"-9223372036854775808", INT64_MIN, 0, true, INT64_MIN},
        {"-9223372036854775809", INT64_MIN, 0, false, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t value = 0;
        if (pl_text_to_i64(rows[i].text, rows[i].min, rows[i].max, &value) != rows[i].is_number ||
            value != rows[i].value) {
            fail_msg("\"%s\"", rows[i].text);
        }
    }
}

static void test_distance_counts_edits(void **state)
{
    (void)state;
    static const struct {
        const char *a;
        const char *b;
        size_t distance;
    } rows[] = {
        {"", "", 0},         {"", "abc", 3},           {"abc", "", 3},          {"abc", "abc", 0},
        {"abc", "abd", 1},   {"kitten", "sitting", 3}, {"listen", "silent", 4}, {"ab", "ba", 2},
        {"flaw", "lawn", 2},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(pl_text_distance(rows[i].a, rows[i].b), rows[i].distance);
        assert_int_equal(pl_text_distance(rows[i].b, rows[i].a), rows[i].distance);
    }
    char long_a[200];
    char long_b[200];
    memset(long_a, 'a', sizeof(long_a));
    memset(long_b, 'b', sizeof(long_b));
    long_a[199] = long_b[199] = '\0';
    assert_int_equal(pl_text_distance(long_a, long_b), 64);
}

static void test_case_of_ascii_letters_is_ignored(void **state)
{
    (void)state;
    assert_true(pl_text_equals_nocase("", ""));
    assert_true(pl_text_equals_nocase("Trailers", "tRAILERS"));
    assert_false(pl_text_equals_nocase("a", "ab"));
    assert_false(pl_text_equals_nocase("ab", "a"));
    assert_false(pl_text_equals_nocase("[", "{")); /* differ in the same bit as letters do */
    assert_false(pl_text_equals_nocase("\xc3\x89", "\xc3\xa9"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exactly_the_characters_of_unicode_are_utf8),
        cmocka_unit_test(test_broken_sequences_are_not_utf8),
        cmocka_unit_test(test_whole_texts_are_utf8),
        cmocka_unit_test(test_prefix_never_cuts_a_character),
        cmocka_unit_test(test_format_says_whether_everything_fitted),
        cmocka_unit_test(test_format_cuts_between_characters),
        cmocka_unit_test(test_numbers_are_whole_decimal_and_in_range),
        cmocka_unit_test(test_distance_counts_edits),
        cmocka_unit_test(test_case_of_ascii_letters_is_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
