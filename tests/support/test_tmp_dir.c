/* SPDX-License-Identifier: Apache-2.0 */
/* Scratch folders. */
#include "support/tmp_dir.h"

#include "support/check.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_makes_a_private_folder_and_removes_all_below_it(void **state)
{
    (void)state;
    struct tmp_dir dir;
    struct stat status;
    assert_int_equal(tmp_dir_init(&dir), 0);
    assert_int_equal(stat(dir.path, &status), 0);
    assert_true(S_ISDIR(status.st_mode));
    assert_int_equal(status.st_mode & 0777, 0700);
    char *inner = tmp_dir_join(&dir, "inner");
    char *path = strdup(dir.path);
    assert_int_equal(mkdir(inner, 0700), 0);
    assert_int_equal(tmp_dir_write(&dir, "inner/file", "text"), 0);
    assert_int_equal(tmp_dir_deinit(&dir), 0);
    assert_int_equal(stat(path, &status), -1);
    assert_int_equal(tmp_dir_deinit(&dir), 0);
    free(inner);
    free(path);
}

static void test_removing_does_not_follow_symbolic_links(void **state)
{
    (void)state;
    struct tmp_dir kept;
    struct tmp_dir removed;
    assert_int_equal(tmp_dir_init(&kept), 0);
    assert_int_equal(tmp_dir_init(&removed), 0);
    assert_int_equal(tmp_dir_write(&kept, "file", "text"), 0);
    char *link = tmp_dir_join(&removed, "link");
    char *file = tmp_dir_join(&kept, "file");
    assert_int_equal(symlink(kept.path, link), 0);
    assert_int_equal(tmp_dir_deinit(&removed), 0);
    assert_int_equal(access(file, F_OK), 0);
    assert_int_equal(tmp_dir_deinit(&kept), 0);
    free(link);
    free(file);
}

static void test_init_fails_below_a_folder_that_is_not_there(void **state)
{
    (void)state;
    struct tmp_dir dir;
    const char *now = getenv("TMPDIR");
    char *before = now == NULL ? NULL : strdup(now);
    assert_int_equal(setenv("TMPDIR", "/nonexistent", 1), 0);
    int result = tmp_dir_init(&dir);
    if (before == NULL) {
        unsetenv("TMPDIR");
    } else {
        setenv("TMPDIR", before, 1);
    }
    free(before);
    assert_int_equal(result, -1);
    assert_int_equal(tmp_dir_deinit(&dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_makes_a_private_folder_and_removes_all_below_it),
        cmocka_unit_test(test_removing_does_not_follow_symbolic_links),
        cmocka_unit_test(test_init_fails_below_a_folder_that_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
