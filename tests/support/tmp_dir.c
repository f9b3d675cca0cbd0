/* SPDX-License-Identifier: Apache-2.0 */
/* Scratch folders; see tmp_dir.h. The C library's heap is used directly, so that a test of failing
 * allocations does not count what its scaffolding needs. */
#define _XOPEN_SOURCE 700 /* nftw */

#include "support/tmp_dir.h"

#include "support/check.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define OPEN_FOLDERS_MAX 16

int tmp_dir_init(struct tmp_dir *dir)
{
    const char *parent = getenv("TMPDIR");
    if (parent == NULL || parent[0] != '/') {
        parent = "/tmp";
    }
    int len = snprintf(dir->path, sizeof(dir->path), "%s/parley-test-XXXXXX", parent);
    if (len < 0 || (size_t)len >= sizeof(dir->path)) {
        dir->path[0] = '\0';
        errno = ENAMETOOLONG;
        return -1;
    }
    if (mkdtemp(dir->path) == NULL) {
        dir->path[0] = '\0';
        return -1;
    }
    return 0;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *position)
{
    (void)status;
    (void)kind;
    (void)position;
    return remove(path);
}

int tmp_dir_deinit(struct tmp_dir *dir)
{
    if (dir->path[0] == '\0') {
        return 0;
    }
    int left = nftw(dir->path, remove_one, OPEN_FOLDERS_MAX, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    dir->path[0] = '\0';
    return left == 0 ? 0 : -1;
}

char *tmp_dir_join(const struct tmp_dir *dir, const char *name)
{
    size_t size = strlen(dir->path) + strlen(name) + 2;
    char *path = malloc(size);
    assert_non_null(path);
    (void)snprintf(path, size, "%s/%s", dir->path, name);
    return path;
}

int tmp_dir_write(const struct tmp_dir *dir, const char *name, const char *text)
{
    char *path = tmp_dir_join(dir, name);
    FILE *file = fopen(path, "we");
    free(path);
    if (file == NULL) {
        return -1;
    }
    size_t len = strlen(text);
    bool is_written = fwrite(text, 1, len, file) == len;
    bool is_closed = fclose(file) == 0;
    return is_written && is_closed ? 0 : -1;
}
