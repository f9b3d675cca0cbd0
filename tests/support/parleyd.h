/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_SUPPORT_PARLEYD_H
#define PARLEY_TEST_SUPPORT_PARLEYD_H

/* The server program as a child of the test: in a scratch folder, on ports that the system chose.
 * Fails the test on any problem. */

#include "support/tmp_dir.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define PARLEYD_ARGUMENTS_MAX 32

struct parleyd {
    struct tmp_dir dir;
    pid_t pid; /* 0: not running */
    char listen[64];
    char admin[64];
};

/* Start `program` and return when it serves.
 * @param arguments  more options of `parleyd serve`, ended by NULL; NULL: none */
void parleyd_start(struct parleyd *server, const char *program, const char *const *arguments);
/* A token for `user`, as `parleyd token` makes it. */
void parleyd_token(const struct parleyd *server, const char *program, const char *user, char *out,
                   size_t size);
/* Memory in use, in KiB. */
long parleyd_rss_kib(const struct parleyd *server);
bool parleyd_is_alive(struct parleyd *server);
/* SIGTERM: it must still be there and end by itself with 0, so that a crash or a leak fails the
 * test. Then the folder goes. */
void parleyd_stop(struct parleyd *server);

#endif /* PARLEY_TEST_SUPPORT_PARLEYD_H */
