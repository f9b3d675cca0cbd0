/* SPDX-License-Identifier: Apache-2.0 */
/* Name and password, from a file or from the options. */
#include "mysql/credentials.h"

#include "support/check.h"
#include "support/tmp_dir.h"

#include <stdlib.h>
#include <string.h>

static enum parley_code read_text(const char *text, struct mdb_credentials *credentials,
                                  struct pl_error *err)
{
    struct tmp_dir dir;
    assert_int_equal(tmp_dir_init(&dir), 0);
    assert_int_equal(tmp_dir_write(&dir, "credentials", text), 0);
    char *path = tmp_dir_join(&dir, "credentials");
    const struct store_mysql_options options = {
        .credentials_file = path, .user = "unused", .password = "unused"};
    enum parley_code code = mdb_credentials_read(&options, credentials, err);
    free(path);
    assert_int_equal(tmp_dir_deinit(&dir), 0);
    return code;
}

static void test_a_file_is_read_as_people_write_it(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *user;
        const char *password;
    } cases[] = {
        {"user = alice\npassword = secret\n", "alice", "secret"},
        {"password=secret\nuser=alice", "alice", "secret"},
        {"# a comment\n\n  user =  alice \r\n password = with = and spaces \n", "alice",
         "with = and spaces"},
        {"user = alice\n", "alice", ""},
        {"", "", ""},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct mdb_credentials credentials;
        assert_int_equal(read_text(cases[i].text, &credentials, NULL), PARLEY_OK);
        assert_string_equal(credentials.user, cases[i].user);
        assert_string_equal(credentials.password, cases[i].password);
    }
}

static void test_what_is_not_understood_is_refused_without_being_repeated(void **state)
{
    (void)state;
    static const char *const wrong[] = {"secret\n", "user = a\npass = secret\n",
                                        "user = a\n= secret\n"};
    for (size_t i = 0; i < PL_COUNT(wrong); i++) {
        struct mdb_credentials credentials;
        struct pl_error error = PL_ERROR_INIT;
        assert_int_equal(read_text(wrong[i], &credentials, &error), PARLEY_UNAUTHENTICATED);
        assert_null(strstr(error.text, "secret"));
    }
}

static void test_a_file_that_is_missing_is_named(void **state)
{
    (void)state;
    struct mdb_credentials credentials;
    struct pl_error error = PL_ERROR_INIT;
    const struct store_mysql_options options = {.credentials_file = "/nowhere/credentials"};
    assert_int_equal(mdb_credentials_read(&options, &credentials, &error), PARLEY_UNAUTHENTICATED);
    assert_non_null(strstr(error.text, "/nowhere/credentials"));
}

static void test_without_a_file_the_options_count(void **state)
{
    (void)state;
    struct mdb_credentials credentials;
    struct store_mysql_options options = {
        .credentials_file = "", .user = "alice", .password = "secret"};
    assert_int_equal(mdb_credentials_read(&options, &credentials, NULL), PARLEY_OK);
    assert_string_equal(credentials.user, "alice");
    assert_string_equal(credentials.password, "secret");
    mdb_credentials_forget(&credentials);
    assert_string_equal(credentials.password, "");
    char longer[MDB_PASSWORD_MAX + 1];
    memset(longer, 'x', sizeof(longer));
    longer[MDB_PASSWORD_MAX] = '\0';
    options.password = longer;
    assert_int_equal(mdb_credentials_read(&options, &credentials, NULL), PARLEY_UNAUTHENTICATED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_file_is_read_as_people_write_it),
        cmocka_unit_test(test_what_is_not_understood_is_refused_without_being_repeated),
        cmocka_unit_test(test_a_file_that_is_missing_is_named),
        cmocka_unit_test(test_without_a_file_the_options_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
