/* SPDX-License-Identifier: Apache-2.0 */
/* Entries in memcached, by libmemcached: consistent hashing of conversations over servers, and a
 * connection of each lane to each server. A server that fails is left alone (breaker.h); its keys
 * go nowhere else meanwhile, since two nodes could then hold different values. */
#include "cache/memcached_impl.h"

#include "cache/entry.h"
#include "cache/metrics.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"

#include <string.h>

/* One use of a server. */
struct visit {
    struct memcached *memcached;
    unsigned lane;
    size_t index; /* of the server */
    struct server *server;
    bool is_probe;
    int64_t began_ns;
};

/* What is asked of a connection. */
typedef memcached_return_t (*operation_fn)(memcached_st *connection, void *context);

/* ---- visits ---- */

/* Less than a timeout: the server, or the machine that it was on, says no. */
static bool is_quick(const struct visit *visit)
{
    int64_t took_ns = pl_clock_monotonic_ns() - visit->began_ns;
    return took_ns < (int64_t)visit->memcached->timeout_ms * 1000000 / 2;
}

static void fail(const struct visit *visit, memcached_return_t rc)
{
    pl_metric_add(&cache_metric_errors, 1);
    bool is_news = cache_breaker_fail(&visit->server->breaker, pl_clock_monotonic_ns(),
                                      visit->is_probe, !is_quick(visit));
    if (is_news) {
        pl_log_warn("CACHE_SERVER_FAILED", visit->server->name, "%s", memcached_strerror(NULL, rc));
    }
}

static bool is_answer(memcached_return_t rc)
{
    switch (rc) {
    case MEMCACHED_SUCCESS:
    case MEMCACHED_NOTSTORED:
    case MEMCACHED_DATA_EXISTS:
    case MEMCACHED_NOTFOUND:
    case MEMCACHED_E2BIG:
    case MEMCACHED_SERVER_ERROR:
    case MEMCACHED_SERVER_MEMORY_ALLOCATION_FAILURE:
        return true;
    default:
        return false;
    }
}

static memcached_return_t try_once(const struct visit *visit, operation_fn operation, void *context)
{
    memcached_st *connection = mc_connection(visit->memcached, visit->lane, visit->index);
    if (connection == NULL) {
        return MEMCACHED_MEMORY_ALLOCATION_FAILURE;
    }
    memcached_return_t rc = operation(connection, context);
    if (!is_answer(rc)) {
        mc_disconnect(visit->memcached, visit->lane, visit->index);
    }
    return rc;
}

/* A connection may be from before the server's last end, which nobody noticed: once more, on a new
 * one. What took its time is not tried again. All that is done here may be done twice. */
static memcached_return_t operate(const struct visit *visit, operation_fn operation, void *context)
{
    memcached_return_t rc = try_once(visit, operation, context);
    if (!is_answer(rc) && is_quick(visit)) {
        rc = try_once(visit, operation, context);
    }
    return rc;
}

/* ---- deletes, and what is owed ---- */

/* Removals that one server has to do. */
struct chore {
    size_t count;
    const struct cache_removal *removals[CACHE_REMOVALS_MAX];
};

static memcached_return_t remove_key(memcached_st *connection, const struct cache_key *key,
                                     bool is_last)
{
    (void)memcached_behavior_set(connection, MEMCACHED_BEHAVIOR_NOREPLY, !is_last);
    memcached_return_t rc = memcached_delete(connection, key->text, key->len, 0);
    (void)memcached_behavior_set(connection, MEMCACHED_BEHAVIOR_NOREPLY, 0);
    return rc == MEMCACHED_NOTFOUND ? MEMCACHED_SUCCESS : rc;
}

/* Only the last is answered: a server does what comes on one connection one after the other. What
 * fails ends the connection, and all of it is done again. */
static memcached_return_t remove_once(memcached_st *connection, void *context)
{
    const struct chore *chore = context;
    memcached_return_t rc = MEMCACHED_SUCCESS;
    for (size_t i = 0; i < chore->count && rc == MEMCACHED_SUCCESS; i++) {
        const struct cache_removal *removal = chore->removals[i];
        for (size_t j = 0; j < removal->count && rc == MEMCACHED_SUCCESS; j++) {
            bool is_last = i + 1 == chore->count && j + 1 == removal->count;
            rc = remove_key(connection, &removal->keys[j], is_last);
        }
    }
    return rc;
}

static memcached_return_t pay_debt(const struct visit *visit, struct store_bytes conversation)
{
    struct cache_removal removal;
    struct chore chore = {.count = 1, .removals = {&removal}};
    cache_removal_make(&removal, visit->memcached->prefix, conversation, true);
    return operate(visit, remove_once, &chore);
}

static memcached_return_t ask_version(memcached_st *connection, void *context)
{
    (void)context;
    return memcached_version(connection);
}

/* A probe: does it answer? Then it is told what it missed, which closes the breaker. */
static bool pay_debts(const struct visit *visit)
{
    char id[PL_ID_MAX];
    struct store_bytes conversation = {id, 0};
    struct cache_breaker *breaker = &visit->server->breaker;
    memcached_return_t rc = operate(visit, ask_version, NULL);
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

/* True: the server may be asked. */
static bool take_permit(struct visit *visit, enum cache_permit permit)
{
    visit->is_probe = permit == CACHE_PROBE;
    bool is_free = permit == CACHE_GO || (permit == CACHE_PROBE && pay_debts(visit));
    visit->is_probe = false;
    return is_free;
}

static size_t server_of(const struct memcached *memcached, unsigned lane, struct store_bytes group)
{
    return memcached_generate_hash(memcached->lanes[lane].router, group.data, group.len);
}

static void init_visit(struct visit *visit, struct cache_backend *backend, unsigned lane,
                       size_t index)
{
    struct memcached *memcached = (struct memcached *)backend;
    visit->memcached = memcached;
    visit->lane = lane;
    visit->index = index;
    visit->server = &memcached->servers[index];
    visit->began_ns = pl_clock_monotonic_ns();
}

/* False: the server is to be left alone. */
static bool begin(struct visit *visit, struct cache_backend *backend, unsigned lane,
                  struct store_bytes group)
{
    init_visit(visit, backend, lane, server_of((struct memcached *)backend, lane, group));
    return take_permit(visit, cache_breaker_ask(&visit->server->breaker, visit->began_ns));
}

/* False: the server is there again: it can be told. */
static bool owe(const struct visit *visit, const struct chore *chore)
{
    bool is_owed = true;
    for (size_t i = 0; i < chore->count && is_owed; i++) {
        is_owed = cache_breaker_owe(&visit->server->breaker, chore->removals[i]->group,
                                    pl_clock_monotonic_ns());
    }
    return is_owed;
}

static enum cache_outcome remove_at(struct cache_backend *backend, unsigned lane, size_t index,
                                    struct chore *chore)
{
    struct visit visit;
    do {
        init_visit(&visit, backend, lane, index);
        struct cache_breaker *breaker = &visit.server->breaker;
        if (take_permit(&visit, cache_breaker_ask_delete(breaker, visit.began_ns))) {
            memcached_return_t rc = operate(&visit, remove_once, chore);
            if (rc == MEMCACHED_SUCCESS) {
                return CACHE_DONE;
            }
            fail(&visit, rc);
        }
    } while (!owe(&visit, chore));
    return CACHE_DOWN;
}

static enum cache_outcome remove_all(struct cache_backend *backend, unsigned lane,
                                     const struct cache_removal *removals, size_t count)
{
    const struct memcached *memcached = (struct memcached *)backend;
    enum cache_outcome outcome = CACHE_DONE;
    size_t servers[CACHE_REMOVALS_MAX] = {0};
    for (size_t i = 0; i < count; i++) {
        servers[i] = server_of(memcached, lane, removals[i].group);
    }
    for (size_t index = 0; index < memcached->server_count; index++) {
        struct chore chore = {.count = 0};
        for (size_t i = 0; i < count; i++) {
            if (servers[i] == index) {
                chore.removals[chore.count++] = &removals[i];
            }
        }
        if (chore.count > 0 && remove_at(backend, lane, index, &chore) != CACHE_DONE) {
            outcome = CACHE_DOWN;
        }
    }
    return outcome;
}

static bool tend(struct cache_backend *backend, unsigned lane)
{
    struct memcached *memcached = (struct memcached *)backend;
    bool owes = false;
    for (size_t i = 0; i < memcached->server_count; i++) {
        struct server *server = &memcached->servers[i];
        struct visit visit;
        init_visit(&visit, backend, lane, i);
        if (cache_breaker_owes(&server->breaker)) {
            owes =
                !take_permit(&visit, cache_breaker_ask(&server->breaker, visit.began_ns)) || owes;
        }
    }
    return owes;
}

/* ---- look-ups ---- */

struct look_up {
    struct cache_item *items;
    size_t count;
};

static void take_result(const struct look_up *look_up, const memcached_result_st *result)
{
    const char *key = memcached_result_key_value(result);
    size_t len = memcached_result_key_length(result);
    for (size_t i = 0; i < look_up->count; i++) {
        struct cache_item *item = &look_up->items[i];
        if (item->value == NULL && item->key.len == len && memcmp(item->key.text, key, len) == 0) {
            item->value =
                pl_buf_copy(memcached_result_value(result), memcached_result_length(result));
            item->version = memcached_result_cas(result);
            return;
        }
    }
}

static memcached_return_t fetch_all(memcached_st *connection, const struct look_up *look_up)
{
    memcached_return_t rc = MEMCACHED_SUCCESS;
    memcached_result_st result;
    if (memcached_result_create(connection, &result) == NULL) {
        return MEMCACHED_MEMORY_ALLOCATION_FAILURE;
    }
    while (memcached_fetch_result(connection, &result, &rc) != NULL) {
        take_result(look_up, &result);
    }
    memcached_result_free(&result);
    bool is_end = rc == MEMCACHED_END || rc == MEMCACHED_NOTFOUND;
    return is_end ? MEMCACHED_SUCCESS : rc;
}

static memcached_return_t get_once(memcached_st *connection, void *context)
{
    const struct look_up *look_up = context;
    const char *keys[CACHE_ITEMS_MAX];
    size_t lens[CACHE_ITEMS_MAX];
    for (size_t i = 0; i < look_up->count; i++) {
        keys[i] = look_up->items[i].key.text;
        lens[i] = look_up->items[i].key.len;
    }
    memcached_return_t rc = memcached_mget(connection, keys, lens, look_up->count);
    if (rc == MEMCACHED_SUCCESS) {
        rc = fetch_all(connection, look_up);
    }
    for (size_t i = 0; i < look_up->count && rc != MEMCACHED_SUCCESS; i++) {
        pl_buf_unref(look_up->items[i].value);
        look_up->items[i].value = NULL;
    }
    return rc;
}

static enum cache_outcome get(struct cache_backend *backend, unsigned lane,
                              struct store_bytes group, struct cache_item *items, size_t count)
{
    struct visit visit;
    struct look_up look_up = {items, count};
    for (size_t i = 0; i < count; i++) {
        items[i].value = NULL;
    }
    if (!begin(&visit, backend, lane, group)) {
        return CACHE_DOWN;
    }
    memcached_return_t rc = operate(&visit, get_once, &look_up);
    if (rc != MEMCACHED_SUCCESS) {
        fail(&visit, rc);
        return CACHE_DOWN;
    }
    return CACHE_DONE;
}

/* ---- storing ---- */

enum verb {
    ADD,
    SET,
    REPLACE,
};

/* What is put under a key, and how. */
struct put {
    enum verb verb;
    const struct cache_key *key;
    const struct pl_buf *value;
    uint64_t version; /* REPLACE */
};

/* memcached counts whole seconds, and may end one early: what counts is in the entry. */
static time_t seconds_left(const struct pl_buf *value)
{
    int64_t left_ms = cache_expiry(value) - pl_clock_wall_ms();
    return left_ms <= 0 ? 1 : (time_t)(left_ms / 1000 + 2);
}

static memcached_return_t put_once(memcached_st *connection, void *context)
{
    const struct put *what = context;
    const char *key = what->key->text;
    size_t key_len = what->key->len;
    const char *data = (const char *)what->value->data;
    size_t len = what->value->len;
    time_t seconds = seconds_left(what->value);
    switch (what->verb) {
    case ADD:
        return memcached_add(connection, key, key_len, data, len, seconds, 0);
    case SET:
        return memcached_set(connection, key, key_len, data, len, seconds, 0);
    case REPLACE:
        break;
    }
    return memcached_cas(connection, key, key_len, data, len, seconds, 0, what->version);
}

static enum cache_outcome put(struct cache_backend *backend, unsigned lane,
                              struct store_bytes group, struct put *what)
{
    struct visit visit;
    if (!begin(&visit, backend, lane, group)) {
        return CACHE_DOWN;
    }
    memcached_return_t rc = operate(&visit, put_once, what);
    if (!is_answer(rc)) {
        fail(&visit, rc);
        return CACHE_DOWN;
    }
    return rc == MEMCACHED_SUCCESS ? CACHE_DONE : CACHE_REFUSED;
}

static enum cache_outcome add(struct cache_backend *backend, unsigned lane,
                              struct store_bytes group, const struct cache_key *key,
                              struct pl_buf *value)
{
    struct put what = {ADD, key, value, 0};
    return put(backend, lane, group, &what);
}

static enum cache_outcome replace(struct cache_backend *backend, unsigned lane,
                                  struct store_bytes group, const struct cache_key *key,
                                  struct pl_buf *value, uint64_t version)
{
    struct put what = {REPLACE, key, value, version};
    return put(backend, lane, group, &what);
}

static enum cache_outcome set(struct cache_backend *backend, unsigned lane,
                              struct store_bytes group, const struct cache_key *key,
                              struct pl_buf *value)
{
    struct put what = {SET, key, value, 0};
    return put(backend, lane, group, &what);
}

const struct cache_backend_ops mc_ops = {
    .get = get,
    .add = add,
    .replace = replace,
    .set = set,
    .remove = remove_all,
    .tend = tend,
    .close = mc_close,
};
