/* SPDX-License-Identifier: Apache-2.0 */
/* grpc-message on the wire (S2). */
#include "wire/percent.h"

#include "support/check.h"

#include <string.h>

struct row {
    const char *from;
    const char *to;
};

typedef char *(*convert_fn)(struct pl_arena *arena, const char *text, size_t len, size_t *out_len);

static void check_rows(convert_fn convert, const struct row *rows, size_t count)
{
    struct pl_arena arena;
    pl_arena_init(&arena, NULL, 0, 0);
    for (size_t i = 0; i < count; i++) {
        size_t len = 0;
        const char *to = convert(&arena, rows[i].from, strlen(rows[i].from), &len);
        assert_string_equal(to, rows[i].to);
        assert_int_equal(len, strlen(rows[i].to));
    }
    pl_arena_deinit(&arena);
}

static void test_s2_all_but_printable_ascii_is_escaped(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"", ""},
        {"plain ~!", "plain ~!"},
        {"100%", "100%25"},
        {"%41", "%2541"},
        {"a\tb\r\nc\x7f", "a%09b%0D%0Ac%7F"},
        {"h\xc3\xa9", "h%C3%A9"},
        {"\xe2\x9c\x93", "%E2%9C%93"},
        {"\xf0\x9f\x98\x80", "%F0%9F%98%80"},
        /* special_status_message of the interop suite. */
        {"\t\ntest with whitespace\r\nand Unicode BMP \xe2\x98\xba and non-BMP "
         "\xf0\x9f\x98\x88\t\n",
         "%09%0Atest with whitespace%0D%0Aand Unicode BMP %E2%98%BA and non-BMP "
         "%F0%9F%98%88%09%0A"},
    };
    check_rows(pl_percent_encode, rows, sizeof(rows) / sizeof(rows[0]));
}

static void test_s2_what_is_not_utf8_is_sent_as_replacement_characters(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"a\xff"
         "b",
         "a%EF%BF%BDb"},
        {"\xc3", "%EF%BF%BD"},
        {"\xe2\x9c", "%EF%BF%BD%EF%BF%BD"},
        {"\xc3\xa9\xff", "%C3%A9%EF%BF%BD"},
        {"\xed\xa0\x80", "%EF%BF%BD%EF%BF%BD%EF%BF%BD"},
    };
    check_rows(pl_percent_encode, rows, sizeof(rows) / sizeof(rows[0]));
}

static void test_s2_decoding_keeps_broken_escapes(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"", ""},
        {"plain", "plain"},
        {"%41%62", "Ab"},
        {"%e2%9C%93", "\xe2\x9c\x93"},
        {"not found %E2%9C%93 %ZZ", "not found \xe2\x9c\x93 %ZZ"},
        {"100%", "100%"},
        {"%4", "%4"},
        {"%4g%g4", "%4g%g4"},
        {"%%41", "%A"},
        {"%2541", "%41"},
        {"caf\xc3\xa9", "caf\xc3\xa9"},
    };
    check_rows(pl_percent_decode, rows, sizeof(rows) / sizeof(rows[0]));
}

static void test_s2_there_and_back_is_the_same(void **state)
{
    (void)state;
    struct pl_arena arena;
    char text[128];
    for (size_t i = 0; i < 127; i++) {
        text[i] = (char)(i + 1);
    }
    pl_arena_init(&arena, NULL, 0, 0);
    size_t len = 0;
    const char *encoded = pl_percent_encode(&arena, text, 127, &len);
    const char *back = pl_percent_decode(&arena, encoded, len, &len);
    assert_int_equal(len, 127);
    assert_memory_equal(back, text, 127);
    pl_arena_deinit(&arena);
}

static void test_s2_without_memory_there_is_nothing(void **state)
{
    (void)state;
    struct pl_arena arena;
    size_t len = 0;
    pl_arena_init(&arena, NULL, 0, 8);
    assert_null(pl_percent_encode(&arena, "0123456789", 10, &len));
    assert_null(pl_percent_encode(&arena, "\n", 1, &len));
    assert_null(pl_percent_decode(&arena, "0123456789", 10, &len));
    assert_null(pl_percent_encode(&arena, "\n", SIZE_MAX / 8, &len));
    pl_arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_s2_all_but_printable_ascii_is_escaped),
        cmocka_unit_test(test_s2_what_is_not_utf8_is_sent_as_replacement_characters),
        cmocka_unit_test(test_s2_decoding_keeps_broken_escapes),
        cmocka_unit_test(test_s2_there_and_back_is_the_same),
        cmocka_unit_test(test_s2_without_memory_there_is_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
