/* SPDX-License-Identifier: Apache-2.0 */
/* Servers and connections of the cache in memcached; see memcached_impl.h. */
#include "cache/memcached_impl.h"

#include "cache/metrics.h"

#include "store/cache.h"

#include "base/mem.h"
#include "base/text.h"

#include <string.h>

#define PORT_DEFAULT 11211

/* ---- connections ---- */

static memcached_return_t configure(memcached_st *connection, uint64_t timeout_ms)
{
    const struct {
        memcached_behavior_t behavior;
        uint64_t value;
    } settings[] = {
        {MEMCACHED_BEHAVIOR_SUPPORT_CAS, 1},
        {MEMCACHED_BEHAVIOR_TCP_NODELAY, 1},
        {MEMCACHED_BEHAVIOR_NO_BLOCK, 1},
        {MEMCACHED_BEHAVIOR_CONNECT_TIMEOUT, timeout_ms},
        {MEMCACHED_BEHAVIOR_POLL_TIMEOUT, timeout_ms},
        {MEMCACHED_BEHAVIOR_SND_TIMEOUT, timeout_ms * 1000},
        {MEMCACHED_BEHAVIOR_RCV_TIMEOUT, timeout_ms * 1000},
    };
    memcached_return_t rc = MEMCACHED_SUCCESS;
    for (size_t i = 0; i < PL_COUNT(settings) && rc == MEMCACHED_SUCCESS; i++) {
        rc = memcached_behavior_set(connection, settings[i].behavior, settings[i].value);
    }
    return rc;
}

static void free_connection(memcached_st **connection)
{
    if (*connection != NULL) {
        memcached_free(*connection);
        *connection = NULL;
    }
}

void mc_disconnect(struct memcached *memcached, unsigned lane, size_t server)
{
    free_connection(&memcached->lanes[lane].connections[server]);
}

memcached_st *mc_connection(struct memcached *memcached, unsigned lane, size_t server)
{
    memcached_st **connection = &memcached->lanes[lane].connections[server];
    const struct server *target = &memcached->servers[server];
    if (PL_LIKELY(*connection != NULL)) {
        return *connection;
    }
    *connection = memcached_create(NULL);
    if (*connection != NULL &&
        (configure(*connection, memcached->timeout_ms) != MEMCACHED_SUCCESS ||
         memcached_server_add(*connection, target->host, target->port) != MEMCACHED_SUCCESS)) {
        free_connection(connection);
    }
    return *connection;
}

static enum parley_code open_router(struct memcached *memcached, unsigned lane,
                                    struct pl_error *err)
{
    memcached_st *router = memcached_create(NULL);
    memcached->lanes[lane].router = router;
    if (router == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for libmemcached");
    }
    memcached_return_t rc = memcached_behavior_set(router, MEMCACHED_BEHAVIOR_KETAMA, 1);
    for (size_t i = 0; i < memcached->server_count && rc == MEMCACHED_SUCCESS; i++) {
        rc = memcached_server_add(router, memcached->servers[i].host, memcached->servers[i].port);
    }
    return rc == MEMCACHED_SUCCESS
               ? PARLEY_OK
               : pl_fail(err, PARLEY_INTERNAL, "libmemcached: %s", memcached_strerror(router, rc));
}

/* ---- servers ---- */

static enum parley_code add_server(struct memcached *memcached, const char *text, size_t len,
                                   const struct store_cache_options *options, struct pl_error *err)
{
    struct server *server = &memcached->servers[memcached->server_count];
    int64_t port = PORT_DEFAULT;
    if (memcached->server_count == MEMCACHED_SERVERS_MAX) {
        return pl_fail(err, PARLEY_INVALID_ARGUMENT, "more than %d memcached servers",
                       MEMCACHED_SERVERS_MAX);
    }
    if (!pl_text_format(server->name, sizeof(server->name), "%.*s", (int)len, text)) {
        return pl_fail(err, PARLEY_INVALID_ARGUMENT, "a memcached server's name is too long");
    }
    memcpy(server->host, server->name, sizeof(server->host));
    char *colon = strrchr(server->host, ':');
    if (colon != NULL) {
        *colon = '\0';
    }
    if (server->host[0] == '\0' ||
        (colon != NULL && !pl_text_to_i64(colon + 1, 1, UINT16_MAX, &port))) {
        return pl_fail(err, PARLEY_INVALID_ARGUMENT, "\"%s\" is not host:port of a memcached",
                       server->name);
    }
    server->port = (uint16_t)port;
    memcached->server_count++;
    if (cache_breaker_init(&server->breaker, (int64_t)options->breaker_ms * 1000000,
                           options->ttl_ms * 1000000, cache_metric_breaker(server->name)) != 0) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for a memcached server");
    }
    return PARLEY_OK;
}

static enum parley_code add_servers(struct memcached *memcached,
                                    const struct store_cache_options *options, struct pl_error *err)
{
    enum parley_code code = PARLEY_OK;
    const char *at = options->servers == NULL ? "" : options->servers;
    while (*at != '\0' && code == PARLEY_OK) {
        at += strspn(at, ", ");
        size_t len = strcspn(at, ", ");
        if (len > 0) {
            code = add_server(memcached, at, len, options, err);
        }
        at += len;
    }
    if (code == PARLEY_OK && memcached->server_count == 0) {
        code = pl_fail(err, PARLEY_INVALID_ARGUMENT, "no memcached server is given");
    }
    return code;
}

/* ---- opening and closing ---- */

void mc_close(struct cache_backend *backend)
{
    struct memcached *memcached = (struct memcached *)backend;
    for (unsigned i = 0; memcached->lanes != NULL && i < memcached->lane_count; i++) {
        free_connection(&memcached->lanes[i].router);
        for (size_t j = 0; j < memcached->server_count; j++) {
            mc_disconnect(memcached, i, j);
        }
    }
    for (size_t i = 0; i < memcached->server_count; i++) {
        cache_breaker_deinit(&memcached->servers[i].breaker);
    }
    pl_free(memcached->lanes);
    pl_free(memcached);
}

enum parley_code cache_memcached_open(const struct store_cache_options *options,
                                      struct cache_backend **backend, struct pl_error *err)
{
    struct memcached *memcached = pl_calloc(1, sizeof(*memcached));
    if (memcached == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for the cache");
    }
    memcached->backend.ops = &mc_ops;
    memcached->lane_count = options->threads;
    memcached->timeout_ms = options->timeout_ms;
    (void)pl_text_format(memcached->prefix, sizeof(memcached->prefix), "%s", options->prefix);
    memcached->lanes = pl_calloc(options->threads, sizeof(*memcached->lanes));
    enum parley_code code = memcached->lanes == NULL
                                ? pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for the cache")
                                : add_servers(memcached, options, err);
    for (unsigned i = 0; i < options->threads && code == PARLEY_OK; i++) {
        code = open_router(memcached, i, err);
    }
    if (code != PARLEY_OK) {
        mc_close(&memcached->backend);
        return code;
    }
    *backend = &memcached->backend;
    return PARLEY_OK;
}
