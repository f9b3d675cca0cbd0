/* SPDX-License-Identifier: Apache-2.0 */
/* Loaded before MariaDB: each of its flushes takes PARLEY_FLUSH_US microseconds longer, as on a
 * disk that is far away or has no protection against the loss of power. */
#define _GNU_SOURCE

#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int flush_late(const char *name, int fd)
{
    int (*next)(int) = NULL;
    long late_us = strtol(getenv("PARLEY_FLUSH_US"), NULL, 10);
    *(void **)&next = dlsym(RTLD_NEXT, name);
    (void)nanosleep(
        &(struct timespec){.tv_sec = late_us / 1000000, .tv_nsec = late_us % 1000000 * 1000}, NULL);
    return next(fd);
}

int fsync(int fd)
{
    return flush_late("fsync", fd);
}

int fdatasync(int fd)
{
    return flush_late("fdatasync", fd);
}
