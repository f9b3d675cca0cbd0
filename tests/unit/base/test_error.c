/* SPDX-License-Identifier: Apache-2.0 */
/* What an error says: its code, where it was made, the text on its way up. */
#include "base/error.h"

#include "base/text.h"
#include "support/check.h"

#include <errno.h>
#include <string.h>

static void test_fail_records_code_place_and_text(void **state)
{
    (void)state;
    struct pl_error err = PL_ERROR_INIT;
    int line = __LINE__ + 1;
    assert_int_equal(pl_fail(&err, PARLEY_NOT_FOUND, "no conversation %d", 7), PARLEY_NOT_FOUND);
    assert_int_equal(err.code, PARLEY_NOT_FOUND);
    assert_string_equal(err.text, "no conversation 7");
    assert_int_equal(err.line, line);
    assert_non_null(strstr(err.file, "test_error.c"));
    assert_string_equal(err.field, "");
    assert_int_equal(err.sys_errno, 0);
}

static void test_only_three_codes_are_retryable(void **state)
{
    (void)state;
    for (int code = PARLEY_OK; code <= PARLEY_UNAUTHENTICATED; code++) {
        struct pl_error err = PL_ERROR_INIT;
        (void)pl_fail(&err, (enum parley_code)code, "x");
        assert_int_equal(err.is_retryable, code == PARLEY_UNAVAILABLE || code == PARLEY_ABORTED ||
                                               code == PARLEY_RESOURCE_EXHAUSTED);
    }
}

static void test_without_an_error_only_the_code_is_returned(void **state)
{
    (void)state;
    assert_int_equal(pl_fail(NULL, PARLEY_ABORTED, "x"), PARLEY_ABORTED);
    assert_int_equal(pl_fail_field(NULL, "body", "x"), PARLEY_INVALID_ARGUMENT);
    assert_int_equal(pl_fail_errno(NULL, PARLEY_INTERNAL, EIO, "x"), PARLEY_INTERNAL);
    assert_int_equal(pl_error_wrap(NULL, "x"), PARLEY_UNKNOWN);
}

static void test_field_is_named_and_cut_to_its_room(void **state)
{
    (void)state;
    struct pl_error err = PL_ERROR_INIT;
    assert_int_equal(pl_fail_field(&err, "body", "is %s", "empty"), PARLEY_INVALID_ARGUMENT);
    assert_string_equal(err.field, "body");
    assert_string_equal(err.text, "is empty");
    char name[200];
    memset(name, 'f', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    (void)pl_fail_field(&err, name, "x");
    assert_int_equal(strlen(err.field), sizeof(err.field) - 1);
}

static void test_errno_is_kept_and_spelled(void **state)
{
    (void)state;
    struct pl_error err = PL_ERROR_INIT;
    assert_int_equal(pl_fail_errno(&err, PARLEY_UNAVAILABLE, ENOENT, "open %s", "a.db"),
                     PARLEY_UNAVAILABLE);
    assert_int_equal(err.sys_errno, ENOENT);
    assert_string_equal(err.text, "open a.db: No such file or directory");
}

static void test_wrap_puts_words_in_front_and_keeps_the_rest(void **state)
{
    (void)state;
    struct pl_error err = PL_ERROR_INIT;
    (void)pl_fail_errno(&err, PARLEY_UNAVAILABLE, EIO, "write");
    int line = err.line;
    assert_int_equal(pl_error_wrap(&err, "shard %d: ", 3), PARLEY_UNAVAILABLE);
    assert_string_equal(err.text, "shard 3: write: Input/output error");
    assert_int_equal(err.line, line);
    assert_int_equal(err.sys_errno, EIO);
    assert_true(err.is_retryable);
}

static void test_long_text_is_cut_between_characters(void **state)
{
    (void)state;
    struct pl_error err = PL_ERROR_INIT;
    char text[400];
    for (size_t shift = 0; shift < 3; shift++) {
        memset(text, 'a', shift);
        for (size_t i = shift; i + 3 < sizeof(text); i += 3) {
            memcpy(text + i, "\xe2\x82\xac", 4);
        }
        (void)pl_fail(&err, PARLEY_INTERNAL, "%s", text);
        size_t len = strlen(err.text);
        assert_in_range(len, sizeof(err.text) - 3, sizeof(err.text) - 1);
        assert_int_equal((len - shift) % 3, 0);
        (void)pl_error_wrap(&err, "%s", text);
        assert_true(pl_text_is_utf8(err.text, strlen(err.text)));
    }
}

static void test_an_error_can_speak_of_itself(void **state)
{
    (void)state;
    struct pl_error err = PL_ERROR_INIT;
    (void)pl_fail_field(&err, "name", "too long");
    (void)pl_fail_field(&err, err.field, "again: %s", err.text);
    assert_string_equal(err.field, "name");
    assert_string_equal(err.text, "again: too long");
    (void)pl_fail(&err, PARLEY_ABORTED, "%s!", err.text);
    assert_string_equal(err.text, "again: too long!");
    assert_string_equal(err.field, "");
    (void)pl_error_wrap(&err, "%s - ", err.text);
    assert_string_equal(err.text, "again: too long! - again: too long!");
}

static void test_clear_leaves_nothing(void **state)
{
    (void)state;
    struct pl_error err = PL_ERROR_INIT;
    (void)pl_fail_field(&err, "a", "b");
    err.retry_after_ms = 9;
    pl_error_clear(&err);
    assert_int_equal(err.code, PARLEY_OK);
    assert_string_equal(err.text, "");
    assert_string_equal(err.field, "");
    assert_int_equal(err.retry_after_ms, 0);
    assert_null(err.file);
}

static void test_codes_have_their_canonical_names(void **state)
{
    (void)state;
    assert_string_equal(pl_code_name(PARLEY_OK), "OK");
    assert_string_equal(pl_code_name(PARLEY_INVALID_ARGUMENT), "INVALID_ARGUMENT");
    assert_string_equal(pl_code_name(PARLEY_UNAUTHENTICATED), "UNAUTHENTICATED");
    assert_string_equal(pl_code_name((enum parley_code)17), "UNKNOWN");
    assert_string_equal(pl_code_name((enum parley_code) - 1), "UNKNOWN");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fail_records_code_place_and_text),
        cmocka_unit_test(test_only_three_codes_are_retryable),
        cmocka_unit_test(test_without_an_error_only_the_code_is_returned),
        cmocka_unit_test(test_field_is_named_and_cut_to_its_room),
        cmocka_unit_test(test_errno_is_kept_and_spelled),
        cmocka_unit_test(test_wrap_puts_words_in_front_and_keeps_the_rest),
        cmocka_unit_test(test_long_text_is_cut_between_characters),
        cmocka_unit_test(test_an_error_can_speak_of_itself),
        cmocka_unit_test(test_clear_leaves_nothing),
        cmocka_unit_test(test_codes_have_their_canonical_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
