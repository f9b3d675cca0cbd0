/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_SUPPORT_MEMCACHED_H
#define PARLEY_TEST_SUPPORT_MEMCACHED_H

/* memcached as a child of the test, on a port of the loopback interface that the system chose.
 * Fails the test on any problem, unless said otherwise. */

#include <stdbool.h>
#include <sys/types.h>

struct memcached_server {
    pid_t pid; /* 0: not running */
    int port;  /* keeps its value when it is stopped */
    char address[32];
};

/* Start one and return when it listens. False: it cannot be had, and why has been printed. */
bool memcached_server_start(struct memcached_server *server);
/* Start it again on the port that it had. */
bool memcached_server_restart(struct memcached_server *server);
/* SIGKILL, and wait for its end. Not running: no effect. */
void memcached_server_stop(struct memcached_server *server);
/* SIGSTOP: it accepts and does not answer; returns when it stands. And SIGCONT. */
void memcached_server_freeze(struct memcached_server *server);
void memcached_server_thaw(struct memcached_server *server);
/* Forget all that it holds. */
void memcached_server_flush(const struct memcached_server *server);

#endif /* PARLEY_TEST_SUPPORT_MEMCACHED_H */
