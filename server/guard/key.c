/* SPDX-License-Identifier: Apache-2.0 */
/* The key that signs tokens, as a file in the data folder. Blocks: start or a pool thread only. */
#include "guard/auth.h"

#include "base/id.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_NAME "token.key"

void auth_key_wipe(struct auth_key *key)
{
    explicit_bzero(key, sizeof(*key));
}

static enum parley_code join(char *path, const char *dir, const char *name, struct pl_error *err)
{
    if (!pl_text_format(path, PATH_MAX, "%s/%s", dir, name)) {
        return pl_fail(err, PARLEY_INVALID_ARGUMENT, "the data folder's path is too long");
    }
    return PARLEY_OK;
}

/* A key that others can read signs nothing any more. */
static enum parley_code check_file(int fd, const char *path, struct pl_error *err)
{
    struct stat info;
    if (fstat(fd, &info) != 0) {
        return pl_fail_errno(err, PARLEY_INTERNAL, errno, "cannot look at %s", path);
    }
    if (!S_ISREG(info.st_mode) || info.st_size != AUTH_KEY_BYTES) {
        return pl_fail(err, PARLEY_FAILED_PRECONDITION, "%s is not a key of %d bytes", path,
                       AUTH_KEY_BYTES);
    }
    if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        return pl_fail(err, PARLEY_FAILED_PRECONDITION,
                       "%s can be read by others: make a new key, or chmod 600", path);
    }
    return PARLEY_OK;
}

static enum parley_code read_key(int fd, const char *path, struct auth_key *key,
                                 struct pl_error *err)
{
    size_t have = 0;
    while (have < sizeof(key->bytes)) {
        ssize_t got = read(fd, key->bytes + have, sizeof(key->bytes) - have);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return pl_fail_errno(err, PARLEY_INTERNAL, got < 0 ? errno : EIO, "cannot read %s",
                                 path);
        }
        have += (size_t)got;
    }
    return PARLEY_OK;
}

enum parley_code auth_key_load(const char *dir, struct auth_key *key, struct pl_error *err)
{
    char path[PATH_MAX];
    enum parley_code code = join(path, dir, KEY_NAME, err);
    if (code != PARLEY_OK) {
        return code;
    }
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return pl_fail_errno(err, errno == ENOENT ? PARLEY_NOT_FOUND : PARLEY_INTERNAL, errno,
                             "cannot open %s", path);
    }
    code = check_file(fd, path, err);
    if (code == PARLEY_OK) {
        code = read_key(fd, path, key, err);
    }
    (void)close(fd);
    return code;
}

static int write_all(int fd, const uint8_t *data, size_t len)
{
    size_t done = 0;
    while (done < len) {
        ssize_t put = write(fd, data + done, len - done);
        if (put < 0 && errno != EINTR) {
            return -1;
        }
        done += put > 0 ? (size_t)put : 0;
    }
    return fsync(fd);
}

static enum parley_code write_new(const char *path, struct pl_error *err)
{
    struct auth_key key;
    pl_random_bytes(key.bytes, sizeof(key.bytes));
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0) {
        auth_key_wipe(&key);
        return pl_fail_errno(err, PARLEY_INTERNAL, errno, "cannot make %s", path);
    }
    int rv = write_all(fd, key.bytes, sizeof(key.bytes));
    int sys_errno = errno;
    auth_key_wipe(&key);
    (void)close(fd);
    if (rv != 0) {
        (void)unlink(path);
        return pl_fail_errno(err, PARLEY_INTERNAL, sys_errno, "cannot write %s", path);
    }
    return PARLEY_OK;
}

static void sync_dir(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        /* Where directories cannot be synced the link is as durable as it gets. */
        (void)fsync(fd);
        (void)close(fd);
    }
}

/* The whole file appears under its name at once, or another process's does: link() does not
 * replace. */
static enum parley_code make(const char *dir, struct pl_error *err)
{
    char id[PL_ID_MAX];
    char name[PL_ID_MAX + sizeof(KEY_NAME)];
    char path[PATH_MAX];
    char made[PATH_MAX];
    pl_id_make(id);
    (void)pl_text_format(name, sizeof(name), KEY_NAME ".%s", id);
    enum parley_code code = join(path, dir, KEY_NAME, err);
    if (code == PARLEY_OK) {
        code = join(made, dir, name, err);
    }
    if (code == PARLEY_OK) {
        code = write_new(made, err);
    }
    if (code != PARLEY_OK) {
        return code;
    }
    if (link(made, path) != 0 && errno != EEXIST) {
        code = pl_fail_errno(err, PARLEY_INTERNAL, errno, "cannot make %s", path);
    }
    (void)unlink(made);
    sync_dir(dir);
    return code;
}

enum parley_code auth_key_load_or_make(const char *dir, struct auth_key *key, struct pl_error *err)
{
    enum parley_code code = auth_key_load(dir, key, err);
    if (code != PARLEY_NOT_FOUND) {
        return code;
    }
    code = make(dir, err);
    return code == PARLEY_OK ? auth_key_load(dir, key, err) : code;
}
