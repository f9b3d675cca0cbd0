/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_SUPPORT_TMP_DIR_H
#define PARLEY_TEST_SUPPORT_TMP_DIR_H

/* A scratch folder of one test, below $TMPDIR or /tmp. @thread any */

#define TMP_DIR_PATH_MAX 512

struct tmp_dir {
    char path[TMP_DIR_PATH_MAX]; /* absolute, without a slash at the end */
};

/* Make a new, empty folder that only this user may enter. Returns 0, or -1: errno says why. */
int tmp_dir_init(struct tmp_dir *dir);
/* Remove it and all that is in it; symbolic links are not followed. Returns 0, or -1: something is
 * left. After a failed init: no effect. */
int tmp_dir_deinit(struct tmp_dir *dir);

/* @return owned (free): the path of `name` in the folder; fails the test when memory is gone. */
char *tmp_dir_join(const struct tmp_dir *dir, const char *name);
/* Write a file there, replacing what it was. Returns 0, or -1: errno says why. */
int tmp_dir_write(const struct tmp_dir *dir, const char *name, const char *text);

#endif /* PARLEY_TEST_SUPPORT_TMP_DIR_H */
