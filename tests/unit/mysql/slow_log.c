/* SPDX-License-Identifier: Apache-2.0 */
/* Loaded before MariaDB: what InnoDB writes to its redo log takes a while to get there, so that a
 * test can see what happens in between. */
#define _GNU_SOURCE

#include <dlfcn.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define VISIBLE __attribute__((visibility("default")))

/* By its size, which deploy/local sets and no other file has: who has changed its account may not
 * look up a descriptor's path. */
static int is_redo_log(int fd)
{
    struct stat info;
    return fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size == 64 << 20;
}

static ssize_t write_late(const char *name, int fd, const void *data, size_t size, off64_t at)
{
    ssize_t (*next)(int, const void *, size_t, off64_t) = NULL;
    *(void **)&next = dlsym(RTLD_NEXT, name);
    if (is_redo_log(fd)) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 200 * 1000 * 1000}, NULL);
    }
    return next(fd, data, size, at);
}

VISIBLE ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at)
{
    return write_late("pwrite64", fd, data, size, at);
}

VISIBLE ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
    return write_late("pwrite", fd, data, size, at);
}
