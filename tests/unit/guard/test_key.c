/* SPDX-License-Identifier: Apache-2.0 */
/* The signing key as a file: made once, for its owner only, and the same for all who race. */
#include "guard/auth.h"

#include "support/check.h"
#include "support/tmp_dir.h"

#include <dirent.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct tmp_dir dir;
static char *path;

static int make_folder(void **state)
{
    (void)state;
    assert_int_equal(tmp_dir_init(&dir), 0);
    path = tmp_dir_join(&dir, "token.key");
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    free(path);
    return tmp_dir_deinit(&dir);
}

static int count_files(void)
{
    int count = 0;
    DIR *folder = opendir(dir.path);
    assert_non_null(folder);
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        count += entry->d_name[0] != '.' ? 1 : 0;
    }
    (void)closedir(folder);
    return count;
}

static void test_a_key_is_made_once_and_found_again(void **state)
{
    (void)state;
    struct auth_key first = {{0}};
    struct auth_key again = {{0}};
    struct stat info;
    struct pl_error err = PL_ERROR_INIT;
    assert_int_equal(auth_key_load(dir.path, &first, &err), PARLEY_NOT_FOUND);
    assert_non_null(strstr(err.text, "token.key"));
    assert_int_equal(auth_key_load_or_make(dir.path, &first, NULL), PARLEY_OK);
    assert_int_equal(auth_key_load_or_make(dir.path, &again, NULL), PARLEY_OK);
    assert_memory_equal(&first, &again, sizeof(first));
    assert_int_equal(auth_key_load(dir.path, &again, NULL), PARLEY_OK);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    assert_int_equal(count_files(), 1);
}

static void test_a_new_key_after_the_old_is_another(void **state)
{
    (void)state;
    struct auth_key first = {{0}};
    struct auth_key second = {{0}};
    assert_int_equal(auth_key_load_or_make(dir.path, &first, NULL), PARLEY_OK);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(auth_key_load_or_make(dir.path, &second, NULL), PARLEY_OK);
    assert_memory_not_equal(&first, &second, sizeof(first));
}

static void test_a_key_that_others_can_read_is_refused(void **state)
{
    (void)state;
    static const mode_t modes[] = {0640, 0604, 0620, 0602, 0610, 0601, 0666};
    struct auth_key key = {{0}};
    assert_int_equal(auth_key_load_or_make(dir.path, &key, NULL), PARLEY_OK);
    for (size_t i = 0; i < PL_COUNT(modes); i++) {
        struct pl_error err = PL_ERROR_INIT;
        assert_int_equal(chmod(path, modes[i]), 0);
        assert_int_equal(auth_key_load_or_make(dir.path, &key, &err), PARLEY_FAILED_PRECONDITION);
        assert_non_null(strstr(err.text, "600"));
    }
    assert_int_equal(chmod(path, 0400), 0);
    assert_int_equal(auth_key_load(dir.path, &key, NULL), PARLEY_OK);
}

static void test_what_is_no_key_is_refused_and_not_replaced(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "short", "thirty-three bytes are one too many"};
    struct auth_key key = {{0}};
    for (size_t i = 0; i < PL_COUNT(texts); i++) {
        assert_int_equal(tmp_dir_write(&dir, "token.key", texts[i]), 0);
        assert_int_equal(chmod(path, 0600), 0);
        assert_int_equal(auth_key_load_or_make(dir.path, &key, NULL), PARLEY_FAILED_PRECONDITION);
        struct stat info;
        assert_int_equal(stat(path, &info), 0);
        assert_int_equal(info.st_size, strlen(texts[i]));
    }
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_not_equal(auth_key_load_or_make(dir.path, &key, NULL), PARLEY_OK);
}

static void test_a_link_to_a_key_is_not_followed(void **state)
{
    (void)state;
    struct auth_key key = {{0}};
    assert_int_equal(tmp_dir_write(&dir, "elsewhere", "01234567890123456789012345678901"), 0);
    assert_int_equal(symlink("elsewhere", path), 0);
    assert_int_not_equal(auth_key_load_or_make(dir.path, &key, NULL), PARLEY_OK);
}

static void test_a_folder_that_is_not_there_is_said(void **state)
{
    (void)state;
    struct auth_key key = {{0}};
    struct pl_error err = PL_ERROR_INIT;
    char *missing = tmp_dir_join(&dir, "missing");
    assert_int_not_equal(auth_key_load_or_make(missing, &key, &err), PARLEY_OK);
    assert_non_null(strstr(err.text, "missing"));
    free(missing);
}

struct racer {
    pthread_t thread;
    struct auth_key key;
    enum parley_code code;
};

static void *race(void *context)
{
    struct racer *racer = context;
    racer->code = auth_key_load_or_make(dir.path, &racer->key, NULL);
    return NULL;
}

static void test_all_who_start_at_once_get_the_same_key(void **state)
{
    (void)state;
    enum {
        RACERS = 8,
        ROUNDS = 20
    };
    for (int round = 0; round < ROUNDS; round++) {
        struct racer racers[RACERS];
        for (int i = 0; i < RACERS; i++) {
            assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
        }
        for (int i = 0; i < RACERS; i++) {
            assert_int_equal(pthread_join(racers[i].thread, NULL), 0);
            assert_int_equal(racers[i].code, PARLEY_OK);
            assert_memory_equal(&racers[i].key, &racers[0].key, sizeof(racers[0].key));
        }
        assert_int_equal(count_files(), 1);
        assert_int_equal(unlink(path), 0);
    }
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(test_a_key_is_made_once_and_found_again),
        ROW(test_a_new_key_after_the_old_is_another),
        ROW(test_a_key_that_others_can_read_is_refused),
        ROW(test_what_is_no_key_is_refused_and_not_replaced),
        ROW(test_a_link_to_a_key_is_not_followed),
        ROW(test_a_folder_that_is_not_there_is_said),
        ROW(test_all_who_start_at_once_get_the_same_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
