/* SPDX-License-Identifier: Apache-2.0 */
/* SQLite behind a cache: whoever asks must not notice. Which cache: the engine's name says it. */
#include "engine.h"

#include "store/cache.h"
#include "support/memcached.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cached_place {
    void *inner;
    bool has_server;
    struct memcached_server server;
    unsigned opened;
};

static bool is_in_memcached(const struct engine *engine)
{
    return strncmp(engine->name, "memcached", strlen("memcached")) == 0;
}

static void free_place(void *place)
{
    struct cached_place *cached = place;
    if (cached->has_server) {
        memcached_server_stop(&cached->server);
    }
    if (cached->inner != NULL) {
        sqlite_engine_ops.free_place(cached->inner);
    }
    free(cached);
}

static void *make_place(const struct engine *engine)
{
    struct cached_place *place = calloc(1, sizeof(*place));
    if (place == NULL) {
        return NULL;
    }
    place->inner = sqlite_engine_ops.make_place(engine);
    if (is_in_memcached(engine)) {
        place->has_server = memcached_server_start(&place->server);
    }
    if (place->inner == NULL || place->has_server != is_in_memcached(engine)) {
        free_place(place);
        return NULL;
    }
    return place;
}

static struct store *open_store(const struct engine *engine, void *place,
                                const struct engine_options *options)
{
    struct cached_place *cached = place;
    struct store *inner = sqlite_engine_ops.open(engine, cached->inner, options);
    struct store *store = NULL;
    struct pl_error error = PL_ERROR_INIT;
    char prefix[16];
    /* What lasts is read through the same keys again; what does not is another store. */
    (void)snprintf(prefix, sizeof(prefix), "test-%u", engine->is_lasting ? 0 : cached->opened++);
    const struct store_cache_options cache = {
        .kind = cached->has_server ? STORE_CACHE_MEMCACHED : STORE_CACHE_MEMORY,
        .servers = cached->server.address,
        .prefix = prefix,
        .timeout_ms = 5000, /* a busy machine is no reason to go without the cache */
    };
    if (inner != NULL && store_cache_open(inner, &cache, &store, &error) != PARLEY_OK) {
        (void)fprintf(stderr, "cannot open the cache: %s\n", error.text);
        store_close(inner);
    }
    return store;
}

static uint64_t work(void *place)
{
    const struct cached_place *cached = place;
    return sqlite_engine_ops.work(cached->inner);
}

const struct engine_ops cached_engine_ops = {make_place, open_store, free_place, work};
