/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_CACHE_BACKEND_H
#define PARLEY_CACHE_BACKEND_H

/* Where entries are kept: what memcached can do, and no more. All keys of one conversation
 * (`group`) are kept by one server, so that a conversation is either cached or not, and one answer
 * is one round trip. @thread pool; a lane is used by one thread at a time */

#include "store/store.h"

struct pl_buf;

#define CACHE_KEY_MAX          200
#define CACHE_ITEMS_MAX        16 /* in one look-up */
#define CACHE_REMOVALS_MAX     64 /* conversations in one round of deletes */
#define CACHE_REMOVAL_KEYS_MAX 3

struct cache_key {
    size_t len;
    char text[CACHE_KEY_MAX];
};

struct cache_item {
    struct cache_key key;
    struct pl_buf *value; /* result: owned by the caller, or NULL: not there */
    uint64_t version;     /* result: for `replace` */
};

enum cache_outcome {
    CACHE_DONE,
    CACHE_REFUSED, /* add: it is there already; replace: it has changed, or is gone */
    CACHE_DOWN,    /* nothing is known: the server does not answer */
};

/* What is to be deleted of one conversation. */
struct cache_removal {
    struct store_bytes group;
    size_t count;
    struct cache_key keys[CACHE_REMOVAL_KEYS_MAX];
};

struct cache_backend;

struct cache_backend_ops {
    /* Look up `count` keys. DOWN: no value is set. */
    enum cache_outcome (*get)(struct cache_backend *backend, unsigned lane,
                              struct store_bytes group, struct cache_item *items, size_t count);
    /* Store what is not there yet. */
    enum cache_outcome (*add)(struct cache_backend *backend, unsigned lane,
                              struct store_bytes group, const struct cache_key *key,
                              struct pl_buf *value);
    /* Store if what is there is still what `get` found. */
    enum cache_outcome (*replace)(struct cache_backend *backend, unsigned lane,
                                  struct store_bytes group, const struct cache_key *key,
                                  struct pl_buf *value, uint64_t version);
    enum cache_outcome (*set)(struct cache_backend *backend, unsigned lane,
                              struct store_bytes group, const struct cache_key *key,
                              struct pl_buf *value);
    /* Delete the keys of up to CACHE_REMOVALS_MAX conversations: one round trip to each server that
     * has some of them. DOWN: some may still be there, and are owed: the backend does not read from
     * their server again before they are deleted or too old. */
    enum cache_outcome (*remove)(struct cache_backend *backend, unsigned lane,
                                 const struct cache_removal *removals, size_t count);
    /* Do what is owed, if it is time. False: nothing is. NULL: there is never anything. */
    bool (*tend)(struct cache_backend *backend, unsigned lane);
    void (*close)(struct cache_backend *backend);
};

struct cache_backend {
    const struct cache_backend_ops *ops;
};

struct store_cache_options;

/* @return owned (ops->close). Options are complete: no defaults are filled in here. */
PL_MUST_CHECK enum parley_code cache_memory_open(const struct store_cache_options *options,
                                                 struct cache_backend **backend,
                                                 struct pl_error *err);
PL_MUST_CHECK enum parley_code cache_memcached_open(const struct store_cache_options *options,
                                                    struct cache_backend **backend,
                                                    struct pl_error *err);

#endif /* PARLEY_CACHE_BACKEND_H */
