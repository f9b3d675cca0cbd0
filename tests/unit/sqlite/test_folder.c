/* SPDX-License-Identifier: Apache-2.0 */
/* The data folder belongs to one process at a time. */
#include "sqlite/folder.h"

#include "support/check.h"
#include "support/tmp_dir.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int setup(void **state)
{
    static struct tmp_dir dir;
    *state = &dir;
    return tmp_dir_init(&dir);
}

static int teardown(void **state)
{
    return tmp_dir_deinit(*state);
}

/* Opens in a process of its own; what became of it is the exit code: 0 for what is promised when
 * `owner` has the folder, 1 for success, 2 for all else. */
static int open_elsewhere(const struct tmp_dir *dir, pid_t owner)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        struct sqlite_folder folder;
        struct pl_error error = PL_ERROR_INIT;
        char name[32];
        (void)snprintf(name, sizeof(name), "pid %ld", (long)owner);
        enum parley_code code = sqlite_folder_open(&folder, dir->path, &error);
        bool is_named = code == PARLEY_UNAVAILABLE && strstr(error.text, name) != NULL;
        _exit(is_named ? 0 : code == PARLEY_OK ? 1 : 2);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_a_second_process_is_told_who_has_it(void **state)
{
    struct sqlite_folder folder;
    assert_int_equal(sqlite_folder_open(&folder, ((struct tmp_dir *)*state)->path, NULL),
                     PARLEY_OK);
    assert_int_equal(open_elsewhere(*state, getpid()), 0);
    sqlite_folder_close(&folder);
    assert_int_equal(open_elsewhere(*state, getpid()), 1);
}

static void test_a_second_store_of_the_same_process_too(void **state)
{
    struct sqlite_folder first;
    struct sqlite_folder second;
    const char *path = ((struct tmp_dir *)*state)->path;
    assert_int_equal(sqlite_folder_open(&first, path, NULL), PARLEY_OK);
    assert_int_equal(sqlite_folder_open(&second, path, NULL), PARLEY_UNAVAILABLE);
    sqlite_folder_close(&first);
    assert_int_equal(sqlite_folder_open(&second, path, NULL), PARLEY_OK);
    sqlite_folder_close(&second);
}

static void test_a_process_that_died_leaves_the_folder_free(void **state)
{
    /* The child of open_elsewhere ends without closing. */
    struct sqlite_folder folder;
    assert_int_equal(open_elsewhere(*state, getpid()), 1);
    assert_int_equal(sqlite_folder_open(&folder, ((struct tmp_dir *)*state)->path, NULL),
                     PARLEY_OK);
    sqlite_folder_close(&folder);
}

static void test_memory_disappears(void **state)
{
    struct sqlite_folder folder;
    char path[sizeof(folder.path)];
    (void)state;
    assert_int_equal(sqlite_folder_open(&folder, ":memory:", NULL), PARLEY_OK);
    (void)snprintf(path, sizeof(path), "%s", folder.path);
    assert_int_equal(sqlite_folder_make_shard(&folder, 0, NULL), PARLEY_OK);
    assert_true(sqlite_folder_has_shard(&folder, 0));
    sqlite_folder_close(&folder);
    assert_int_equal(access(path, F_OK), -1);
}

static void test_a_folder_that_cannot_be_made_says_why(void **state)
{
    struct sqlite_folder folder;
    struct pl_error error = PL_ERROR_INIT;
    (void)state;
    assert_int_equal(sqlite_folder_open(&folder, "/nowhere/at/all", &error), PARLEY_UNAVAILABLE);
    assert_non_null(strstr(error.text, "/nowhere/at/all"));
    assert_int_equal(sqlite_folder_open(&folder, "", &error), PARLEY_INVALID_ARGUMENT);
}

#define FOLDER_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOLDER_TEST(test_a_second_process_is_told_who_has_it),
        FOLDER_TEST(test_a_second_store_of_the_same_process_too),
        FOLDER_TEST(test_a_process_that_died_leaves_the_folder_free),
        FOLDER_TEST(test_memory_disappears),
        FOLDER_TEST(test_a_folder_that_cannot_be_made_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
