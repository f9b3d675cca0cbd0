/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_CACHE_MEMCACHED_IMPL_H
#define PARLEY_CACHE_MEMCACHED_IMPL_H

/* What the files over libmemcached share: memcached.c (operations), memcached_open.c (servers and
 * connections). */

#include "cache/backend.h"
#include "cache/breaker.h"

#include <libmemcached/memcached.h>

#define MEMCACHED_SERVERS_MAX 64
#define MEMCACHED_SERVER_MAX  96

struct server {
    char name[MEMCACHED_SERVER_MAX]; /* "host:port" */
    char host[MEMCACHED_SERVER_MAX];
    uint16_t port;
    struct cache_breaker breaker;
};

struct mc_lane {
    memcached_st *router;                             /* knows all servers, and never connects */
    memcached_st *connections[MEMCACHED_SERVERS_MAX]; /* one server each; NULL: none now */
};

struct memcached {
    struct cache_backend backend; /* first */
    char prefix[33];
    unsigned timeout_ms;
    unsigned lane_count;
    struct mc_lane *lanes;
    size_t server_count;
    struct server servers[MEMCACHED_SERVERS_MAX];
};

extern const struct cache_backend_ops mc_ops;

void mc_close(struct cache_backend *backend);
/* Give up what connection a lane has to a server. libmemcached keeps a breaker of its own in it,
 * which counts in whole seconds: it must not stand in the way of ours. */
void mc_disconnect(struct memcached *memcached, unsigned lane, size_t server);
/* NULL: no memory. */
memcached_st *mc_connection(struct memcached *memcached, unsigned lane, size_t server);

#endif /* PARLEY_CACHE_MEMCACHED_IMPL_H */
