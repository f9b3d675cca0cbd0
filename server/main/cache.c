/* SPDX-License-Identifier: Apache-2.0 */
/* The cache that the settings ask for; see cache.h. */
#include "main/cache.h"

#include "base/log.h"
#include "store/cache.h"

/* The choices of cache.kind, in their order in the table. */
enum {
    KIND_NONE,
    KIND_MEMORY,
    KIND_MEMCACHED,
};

enum parley_code cache_add(const struct config *config, struct store **store, struct pl_error *err)
{
    if (config->cache_kind == KIND_NONE) {
        return PARLEY_OK;
    }
    if (config->cache_kind == KIND_MEMORY && config->mysql_shards[0] != '\0') {
        pl_log_warn("CACHE_ALONE", NULL,
                    "cache.kind memory: another node on these databases would read old state");
    }
    const struct store_cache_options options = {
        .kind = config->cache_kind == KIND_MEMCACHED ? STORE_CACHE_MEMCACHED : STORE_CACHE_MEMORY,
        .memory_bytes = (size_t)config->cache_memory_bytes,
        .servers = config->cache_servers,
        .prefix = config->cache_prefix,
        .ttl_ms = config->cache_ttl,
        .timeout_ms = (unsigned)config->cache_timeout_ms,
    };
    enum parley_code code = store_cache_open(*store, &options, store, err);
    return code == PARLEY_OK ? code : pl_error_wrap(err, "cache: ");
}
