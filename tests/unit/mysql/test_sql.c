/* SPDX-License-Identifier: Apache-2.0 */
/* The text of statements. */
#include "mysql/sql.h"

#include "support/check.h"
#include "support/failing_heap.h"

#include <string.h>

static void expect(const struct mdb_sql *sql, const char *text)
{
    assert_false(sql->is_short);
    assert_int_equal(sql->len, strlen(text));
    assert_memory_equal(sql->data, text, sql->len);
}

static void test_what_has_a_meaning_to_the_parser_is_escaped(void **state)
{
    (void)state;
    static const struct {
        struct store_bytes bytes;
        const char *text;
    } cases[] = {
        {{"", 0}, "''"},
        {{"plain", 5}, "'plain'"},
        {{"it's", 4}, "'it\\'s'"},
        {{"\\", 1}, "'\\\\'"},
        {{"'; DROP TABLE message; --", 25}, "'\\'; DROP TABLE message; --'"},
        {{"a\0b", 3}, "'a\\0b'"},
        {{"\r\n\x1a", 3}, "'\\r\\n\\Z'"},
        {{"?\"%\xff", 4}, "'?\"%\xff'"},
    };
    struct mdb_sql sql = {NULL};
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        mdb_sql_reset(&sql);
        mdb_sql_bytes(&sql, cases[i].bytes);
        expect(&sql, cases[i].text);
    }
    mdb_sql_deinit(&sql);
}

static void test_numbers_of_all_sizes_are_written(void **state)
{
    (void)state;
    struct mdb_sql sql = {NULL};
    mdb_sql_format(&sql, "iiii", "?,?,?,?", (int64_t)0, (int64_t)-7, INT64_MAX, INT64_MIN);
    expect(&sql, "0,-7,9223372036854775807,-9223372036854775808");
    mdb_sql_deinit(&sql);
}

static void test_arguments_take_the_places_of_question_marks_once(void **state)
{
    (void)state;
    struct mdb_sql sql = {NULL};
    mdb_sql_format(&sql, "sis", "a=? AND b=? AND c=?", (struct store_bytes){"?", 1}, (int64_t)5,
                   (struct store_bytes){"x", 1});
    expect(&sql, "a='?' AND b=5 AND c='x'");
    mdb_sql_deinit(&sql);
}

static void test_want_of_memory_is_remembered_until_reset(void **state)
{
    (void)state;
    static char large[100000];
    struct mdb_sql sql = {NULL};
    memset(large, 'x', sizeof(large));
    mdb_sql_add(&sql, "small");
    failing_heap_start();
    failing_heap_fail_nth(1);
    mdb_sql_bytes(&sql, (struct store_bytes){large, sizeof(large)});
    failing_heap_stop();
    assert_true(sql.is_short);
    mdb_sql_add(&sql, "more");
    assert_true(sql.is_short);
    mdb_sql_reset(&sql);
    mdb_sql_bytes(&sql, (struct store_bytes){large, sizeof(large)});
    assert_false(sql.is_short);
    assert_int_equal(sql.len, sizeof(large) + 2);
    mdb_sql_deinit(&sql);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_has_a_meaning_to_the_parser_is_escaped),
        cmocka_unit_test(test_numbers_of_all_sizes_are_written),
        cmocka_unit_test(test_arguments_take_the_places_of_question_marks_once),
        cmocka_unit_test(test_want_of_memory_is_remembered_until_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
