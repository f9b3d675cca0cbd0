/* SPDX-License-Identifier: Apache-2.0 */
/* The data folder; see folder.h. */
#include "sqlite/folder.h"

#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static void format_path(const struct sqlite_folder *folder, const char *name, char *out)
{
    (void)pl_text_format(out, PATH_MAX, "%s/%s", folder->path, name);
}

static enum parley_code make_temporary(struct sqlite_folder *folder, struct pl_error *err)
{
    const char *parent = getenv("TMPDIR"); // NOLINT(concurrency-mt-unsafe): at start
    folder->is_temporary = true;
    (void)pl_text_format(folder->path, sizeof(folder->path), "%s/parley-memory-XXXXXX",
                         parent == NULL || parent[0] == '\0' ? "/tmp" : parent);
    if (mkdtemp(folder->path) == NULL) {
        return pl_fail_errno(err, PARLEY_UNAVAILABLE, errno, "cannot make %s", folder->path);
    }
    return PARLEY_OK;
}

static enum parley_code make_folder(struct sqlite_folder *folder, const char *path,
                                    struct pl_error *err)
{
    if (!pl_text_format(folder->path, sizeof(folder->path), "%s", path) || path[0] == '\0') {
        return pl_fail(err, PARLEY_INVALID_ARGUMENT, "the data folder's path is empty or too long");
    }
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        return pl_fail_errno(err, PARLEY_UNAVAILABLE, errno, "cannot make the data folder %s",
                             path);
    }
    return PARLEY_OK;
}

static void read_pid(int fd, char *out, size_t size)
{
    ssize_t got = pread(fd, out, size - 1, 0);
    out[got < 0 ? 0 : got] = '\0';
    out[strcspn(out, "\n")] = '\0';
    if (out[0] == '\0') {
        (void)pl_text_format(out, size, "unknown");
    }
}

static enum parley_code lock_folder(struct sqlite_folder *folder, struct pl_error *err)
{
    char path[PATH_MAX];
    char pid[24];
    format_path(folder, "parley.lock", path);
    folder->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (folder->lock_fd < 0) {
        return pl_fail_errno(err, PARLEY_UNAVAILABLE, errno, "cannot open %s", path);
    }
    if (flock(folder->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        int failed = errno;
        read_pid(folder->lock_fd, pid, sizeof(pid));
        (void)close(folder->lock_fd);
        folder->lock_fd = -1;
        if (failed == EWOULDBLOCK) {
            return pl_fail(err, PARLEY_UNAVAILABLE, "the data folder %s is in use by pid %s",
                           folder->path, pid);
        }
        return pl_fail_errno(err, PARLEY_UNAVAILABLE, failed, "cannot lock %s", path);
    }
    (void)pl_text_format(pid, sizeof(pid), "%ld\n", (long)getpid());
    /* Only a help for people: the lock itself does not depend on it. */
    if (ftruncate(folder->lock_fd, 0) == 0 && pwrite(folder->lock_fd, pid, strlen(pid), 0) < 0) {
        return pl_fail_errno(err, PARLEY_UNAVAILABLE, errno, "cannot write %s", path);
    }
    return PARLEY_OK;
}

enum parley_code sqlite_folder_open(struct sqlite_folder *folder, const char *path,
                                    struct pl_error *err)
{
    folder->lock_fd = -1;
    folder->is_temporary = false;
    enum parley_code code = strcmp(path, ":memory:") == 0 ? make_temporary(folder, err)
                                                          : make_folder(folder, path, err);
    if (code == PARLEY_OK) {
        code = lock_folder(folder, err);
    } else {
        folder->is_temporary = false;
    }
    if (code != PARLEY_OK) {
        sqlite_folder_close(folder);
    }
    return code;
}

static void remove_all(const char *path)
{
    DIR *entries = opendir(path);
    if (entries == NULL) {
        return;
    }
    for (struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
        if (entry->d_name[0] != '.') {
            (void)unlinkat(dirfd(entries), entry->d_name, 0);
        }
    }
    (void)closedir(entries);
    (void)rmdir(path);
}

void sqlite_folder_close(struct sqlite_folder *folder)
{
    if (folder->is_temporary) {
        remove_all(folder->path);
        folder->is_temporary = false;
    }
    if (folder->lock_fd >= 0) {
        (void)close(folder->lock_fd);
        folder->lock_fd = -1;
    }
}

void sqlite_folder_shard_path(const struct sqlite_folder *folder, unsigned shard, char *out)
{
    char name[32];
    (void)pl_text_format(name, sizeof(name), "shard-%03u.db", shard);
    format_path(folder, name, out);
}

bool sqlite_folder_has_shard(const struct sqlite_folder *folder, unsigned shard)
{
    char path[PATH_MAX];
    sqlite_folder_shard_path(folder, shard, path);
    return access(path, F_OK) == 0;
}

enum parley_code sqlite_folder_make_shard(const struct sqlite_folder *folder, unsigned shard,
                                          struct pl_error *err)
{
    char path[PATH_MAX];
    sqlite_folder_shard_path(folder, shard, path);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return pl_fail_errno(err, PARLEY_UNAVAILABLE, errno, "cannot make %s", path);
    }
    (void)close(fd);
    return PARLEY_OK;
}
