/* SPDX-License-Identifier: Apache-2.0 */
/* Entries in memcached, by libmemcached: consistent hashing of conversations over servers, and a
 * set of connections for each lane. A server that fails is left alone (breaker.h); its keys go
 * nowhere else meanwhile, since two nodes could then hold different values. */
#include "cache/backend.h"
#include "cache/breaker.h"
#include "cache/entry.h"
#include "cache/metrics.h"

#include "store/cache.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

#include <libmemcached/memcached.h>

#include <string.h>

#define SERVERS_MAX  64
#define SERVER_MAX   96
#define PORT_DEFAULT 11211

struct server {
    char name[SERVER_MAX]; /* "host:port" */
    char host[SERVER_MAX];
    uint16_t port;
    struct cache_breaker breaker;
};

struct memcached {
    struct cache_backend backend; /* first */
    char prefix[33];
    unsigned lane_count;
    memcached_st **lanes;
    size_t server_count;
    struct server servers[SERVERS_MAX];
};

/* One use of a server. */
struct visit {
    struct memcached *memcached;
    memcached_st *connection;
    struct server *server;
    struct store_bytes group;
    bool is_probe;
};

/* ---- visits ---- */

static void fail(const struct visit *visit, memcached_return_t rc)
{
    pl_metric_add(&cache_metric_errors, 1);
    cache_breaker_fail(&visit->server->breaker, pl_clock_monotonic_ns(), visit->is_probe);
    pl_log_warn("CACHE_SERVER_FAILED", visit->server->name, "%s",
                memcached_strerror(visit->connection, rc));
}

static memcached_return_t delete_key(const struct visit *visit, struct store_bytes group,
                                     const struct cache_key *key)
{
    memcached_return_t rc =
        memcached_delete_by_key(visit->connection, group.data, group.len, key->text, key->len, 0);
    return rc == MEMCACHED_NOTFOUND ? MEMCACHED_SUCCESS : rc;
}

static memcached_return_t pay_debt(const struct visit *visit, struct store_bytes conversation)
{
    static const enum cache_kind kinds[] = {CACHE_CONVERSATION, CACHE_TAIL, CACHE_EPOCH};
    const struct store_bytes nobody = {"", 0};
    memcached_return_t rc = MEMCACHED_SUCCESS;
    struct cache_key key;
    for (size_t i = 0; i < PL_COUNT(kinds) && rc == MEMCACHED_SUCCESS; i++) {
        cache_key_make(&key, visit->memcached->prefix, kinds[i], conversation, nobody, 0);
        rc = delete_key(visit, conversation, &key);
    }
    return rc;
}

/* A probe: delete what is owed, which closes the breaker. Entries of the conversation at hand go
 * first, owed or not, to hear whether the server answers. */
static bool pay_debts(const struct visit *visit)
{
    char id[PL_ID_MAX];
    struct store_bytes conversation = {id, 0};
    struct cache_breaker *breaker = &visit->server->breaker;
    memcached_return_t rc = pay_debt(visit, visit->group);
    while (rc == MEMCACHED_SUCCESS && cache_breaker_next_debt(breaker, id, &conversation.len)) {
        rc = pay_debt(visit, conversation);
        if (rc != MEMCACHED_SUCCESS) {
            cache_breaker_owe_again(breaker, conversation, pl_clock_monotonic_ns());
        }
    }
    if (rc != MEMCACHED_SUCCESS) {
        fail(visit, rc);
        return false;
    }
    if (!cache_breaker_is_closed(breaker)) {
        return false; /* more was owed meanwhile than can be remembered */
    }
    pl_log_info("CACHE_SERVER_BACK", visit->server->name, "%s", "answers again");
    return true;
}

/* False: the server is to be left alone. */
static bool begin(struct visit *visit, struct cache_backend *backend, unsigned lane,
                  struct store_bytes group)
{
    struct memcached *memcached = (struct memcached *)backend;
    visit->memcached = memcached;
    visit->connection = memcached->lanes[lane];
    visit->group = group;
    visit->server =
        &memcached->servers[memcached_generate_hash(visit->connection, group.data, group.len)];
    enum cache_permit permit = cache_breaker_ask(&visit->server->breaker, pl_clock_monotonic_ns());
    visit->is_probe = permit == CACHE_PROBE;
    if (!visit->is_probe) {
        return permit == CACHE_GO;
    }
    bool is_back = pay_debts(visit);
    visit->is_probe = false;
    return is_back;
}

/* ---- the port ---- */

static void take_result(struct cache_item *items, size_t count, const memcached_result_st *result)
{
    const char *key = memcached_result_key_value(result);
    size_t len = memcached_result_key_length(result);
    for (size_t i = 0; i < count; i++) {
        if (items[i].value == NULL && items[i].key.len == len &&
            memcmp(items[i].key.text, key, len) == 0) {
            items[i].value =
                pl_buf_copy(memcached_result_value(result), memcached_result_length(result));
            items[i].version = memcached_result_cas(result);
            return;
        }
    }
}

static memcached_return_t fetch_all(memcached_st *connection, struct cache_item *items,
                                    size_t count)
{
    memcached_return_t rc = MEMCACHED_SUCCESS;
    memcached_result_st result;
    if (memcached_result_create(connection, &result) == NULL) {
        return MEMCACHED_MEMORY_ALLOCATION_FAILURE;
    }
    while (memcached_fetch_result(connection, &result, &rc) != NULL) {
        take_result(items, count, &result);
    }
    memcached_result_free(&result);
    bool is_end = rc == MEMCACHED_END || rc == MEMCACHED_NOTFOUND || rc == MEMCACHED_SUCCESS;
    return is_end ? MEMCACHED_SUCCESS : rc;
}

static enum cache_outcome get(struct cache_backend *backend, unsigned lane,
                              struct store_bytes group, struct cache_item *items, size_t count)
{
    const char *keys[CACHE_ITEMS_MAX];
    size_t lens[CACHE_ITEMS_MAX];
    struct visit visit;
    for (size_t i = 0; i < count; i++) {
        keys[i] = items[i].key.text;
        lens[i] = items[i].key.len;
        items[i].value = NULL;
    }
    if (!begin(&visit, backend, lane, group)) {
        return CACHE_DOWN;
    }
    memcached_return_t rc =
        memcached_mget_by_key(visit.connection, group.data, group.len, keys, lens, count);
    if (rc == MEMCACHED_SUCCESS) {
        rc = fetch_all(visit.connection, items, count);
    }
    if (rc == MEMCACHED_SUCCESS) {
        return CACHE_DONE;
    }
    for (size_t i = 0; i < count; i++) {
        pl_buf_unref(items[i].value);
        items[i].value = NULL;
    }
    fail(&visit, rc);
    return CACHE_DOWN;
}

/* memcached counts whole seconds, and may end one early: what counts is in the entry. */
static time_t seconds_left(const struct pl_buf *value)
{
    int64_t left_ms = cache_expiry(value) - pl_clock_wall_ms();
    return left_ms <= 0 ? 1 : (time_t)(left_ms / 1000 + 2);
}

static enum cache_outcome conclude(const struct visit *visit, memcached_return_t rc)
{
    switch (rc) {
    case MEMCACHED_SUCCESS:
        return CACHE_DONE;
    case MEMCACHED_NOTSTORED:
    case MEMCACHED_DATA_EXISTS:
    case MEMCACHED_NOTFOUND:
    case MEMCACHED_E2BIG:
    case MEMCACHED_SERVER_MEMORY_ALLOCATION_FAILURE:
        return CACHE_REFUSED;
    default:
        fail(visit, rc);
        return CACHE_DOWN;
    }
}

static const char *text_of(const struct pl_buf *value)
{
    return (const char *)value->data;
}

static enum cache_outcome add(struct cache_backend *backend, unsigned lane,
                              struct store_bytes group, const struct cache_key *key,
                              struct pl_buf *value)
{
    struct visit visit;
    if (!begin(&visit, backend, lane, group)) {
        return CACHE_DOWN;
    }
    return conclude(&visit, memcached_add_by_key(visit.connection, group.data, group.len, key->text,
                                                 key->len, text_of(value), value->len,
                                                 seconds_left(value), 0));
}

static enum cache_outcome replace(struct cache_backend *backend, unsigned lane,
                                  struct store_bytes group, const struct cache_key *key,
                                  struct pl_buf *value, uint64_t version)
{
    struct visit visit;
    if (!begin(&visit, backend, lane, group)) {
        return CACHE_DOWN;
    }
    return conclude(&visit, memcached_cas_by_key(visit.connection, group.data, group.len, key->text,
                                                 key->len, text_of(value), value->len,
                                                 seconds_left(value), 0, version));
}

static enum cache_outcome set(struct cache_backend *backend, unsigned lane,
                              struct store_bytes group, const struct cache_key *key,
                              struct pl_buf *value)
{
    struct visit visit;
    if (!begin(&visit, backend, lane, group)) {
        return CACHE_DOWN;
    }
    return conclude(&visit, memcached_set_by_key(visit.connection, group.data, group.len, key->text,
                                                 key->len, text_of(value), value->len,
                                                 seconds_left(value), 0));
}

static bool try_remove(struct visit *visit, const struct cache_key *keys, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        memcached_return_t rc = delete_key(visit, visit->group, &keys[i]);
        if (rc != MEMCACHED_SUCCESS) {
            fail(visit, rc);
            return false;
        }
    }
    return true;
}

static enum cache_outcome remove_keys(struct cache_backend *backend, unsigned lane,
                                      struct store_bytes group, const struct cache_key *keys,
                                      size_t count)
{
    struct visit visit;
    do {
        if (begin(&visit, backend, lane, group) && try_remove(&visit, keys, count)) {
            return CACHE_DONE;
        }
    } while (!cache_breaker_owe(&visit.server->breaker, group, pl_clock_monotonic_ns()));
    return CACHE_DOWN;
}

/* ---- opening and closing ---- */

static void close_memcached(struct cache_backend *backend)
{
    struct memcached *memcached = (struct memcached *)backend;
    for (unsigned i = 0; memcached->lanes != NULL && i < memcached->lane_count; i++) {
        if (memcached->lanes[i] != NULL) {
            memcached_free(memcached->lanes[i]);
        }
    }
    for (size_t i = 0; i < memcached->server_count; i++) {
        cache_breaker_deinit(&memcached->servers[i].breaker);
    }
    pl_free(memcached->lanes);
    pl_free(memcached);
}

static const struct cache_backend_ops memcached_ops = {
    .get = get,
    .add = add,
    .replace = replace,
    .set = set,
    .remove = remove_keys,
    .close = close_memcached,
};

static enum parley_code add_server(struct memcached *memcached, const char *text, size_t len,
                                   const struct store_cache_options *options, struct pl_error *err)
{
    struct server *server = &memcached->servers[memcached->server_count];
    int64_t port = PORT_DEFAULT;
    if (memcached->server_count == SERVERS_MAX) {
        return pl_fail(err, PARLEY_INVALID_ARGUMENT, "more than %d memcached servers", SERVERS_MAX);
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
    if (*at == '\0') {
        return pl_fail(err, PARLEY_INVALID_ARGUMENT, "no memcached server is given");
    }
    while (*at != '\0' && code == PARLEY_OK) {
        at += strspn(at, ", ");
        size_t len = strcspn(at, ", ");
        if (len > 0) {
            code = add_server(memcached, at, len, options, err);
        }
        at += len;
    }
    return code;
}

static memcached_return_t configure(memcached_st *connection, uint64_t timeout_ms)
{
    const struct {
        memcached_behavior_t behavior;
        uint64_t value;
    } settings[] = {
        {MEMCACHED_BEHAVIOR_KETAMA, 1},
        {MEMCACHED_BEHAVIOR_SUPPORT_CAS, 1},
        {MEMCACHED_BEHAVIOR_TCP_NODELAY, 1},
        {MEMCACHED_BEHAVIOR_NO_BLOCK, 1},
        {MEMCACHED_BEHAVIOR_CONNECT_TIMEOUT, timeout_ms},
        {MEMCACHED_BEHAVIOR_POLL_TIMEOUT, timeout_ms},
        {MEMCACHED_BEHAVIOR_SND_TIMEOUT, timeout_ms * 1000},
        {MEMCACHED_BEHAVIOR_RCV_TIMEOUT, timeout_ms * 1000},
        {MEMCACHED_BEHAVIOR_RETRY_TIMEOUT, 0}, /* the breaker's job */
    };
    memcached_return_t rc = MEMCACHED_SUCCESS;
    for (size_t i = 0; i < PL_COUNT(settings) && rc == MEMCACHED_SUCCESS; i++) {
        rc = memcached_behavior_set(connection, settings[i].behavior, settings[i].value);
    }
    return rc;
}

static enum parley_code open_lane(struct memcached *memcached, unsigned lane, unsigned timeout_ms,
                                  struct pl_error *err)
{
    memcached_st *connection = memcached_create(NULL);
    memcached->lanes[lane] = connection;
    if (connection == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for libmemcached");
    }
    memcached_return_t rc = configure(connection, timeout_ms);
    for (size_t i = 0; i < memcached->server_count && rc == MEMCACHED_SUCCESS; i++) {
        rc = memcached_server_add(connection, memcached->servers[i].host,
                                  memcached->servers[i].port);
    }
    return rc == MEMCACHED_SUCCESS ? PARLEY_OK
                                   : pl_fail(err, PARLEY_INTERNAL, "libmemcached: %s",
                                             memcached_strerror(connection, rc));
}

enum parley_code cache_memcached_open(const struct store_cache_options *options,
                                      struct cache_backend **backend, struct pl_error *err)
{
    struct memcached *memcached = pl_calloc(1, sizeof(*memcached));
    if (memcached == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for the cache");
    }
    memcached->backend.ops = &memcached_ops;
    memcached->lane_count = options->threads;
    (void)pl_text_format(memcached->prefix, sizeof(memcached->prefix), "%s", options->prefix);
    memcached->lanes = pl_calloc(options->threads, sizeof(*memcached->lanes));
    enum parley_code code = memcached->lanes == NULL
                                ? pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for the cache")
                                : add_servers(memcached, options, err);
    for (unsigned i = 0; i < options->threads && code == PARLEY_OK; i++) {
        code = open_lane(memcached, i, options->timeout_ms, err);
    }
    if (code != PARLEY_OK) {
        close_memcached(&memcached->backend);
        return code;
    }
    *backend = &memcached->backend;
    return PARLEY_OK;
}
