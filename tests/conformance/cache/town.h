/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_CACHE_TOWN_H
#define PARLEY_TEST_CACHE_TOWN_H

/* One engine, and nodes that read it through caches: two that share memcached servers, or one with
 * a cache of its own. Whatever goes wrong in these functions fails the test: @thread the test's
 * own. */

#include "ask.h"
#include "support/check.h"
#include "support/memcached.h"
#include "watched.h"

#include "store/cache.h"

#define TOWN_NODES   2
#define TOWN_SERVERS 2

struct town {
    struct store *engine;
    struct watched watched[TOWN_NODES];
    struct store *nodes[TOWN_NODES]; /* memory: both are the same */
    unsigned node_count;
    unsigned server_count;
    struct memcached_server servers[TOWN_SERVERS];
};

/* What this run is about. */
extern enum store_cache_kind town_kind;

/* @param options  kind and servers are filled in; NULL: the defaults, with a long timeout. */
void town_open(struct town *town, unsigned server_count, const struct store_cache_options *options);
void town_close(struct town *town);

/* With one server and the defaults. */
int town_setup(void **state);
int town_teardown(void **state);
#define CACHE_TEST(function) cmocka_unit_test_setup_teardown(function, town_setup, town_teardown)

/* Each group returns how many tests failed. */
int backend_tests(void);
int counts_tests(void);
int differential_tests(void);
int failure_tests(void);
int lease_tests(void);
int race_tests(void);

void town_create(struct store *store, const char *conversation, const char *creator,
                 const struct store_bytes *members, size_t count);
enum parley_code town_change(struct store *store, enum store_kind kind, const char *conversation,
                             const char *actor, const char *user);
/* Returns the seq. */
int64_t town_send(struct store *store, const char *conversation, const char *sender,
                  const char *client_message_id, size_t body_len);
/* Keep so many of the newest messages; at most `limit` events go. */
enum parley_code town_trim(struct store *store, const char *conversation, int64_t messages,
                           size_t limit);
void town_fill(struct store *store, const char *conversation, const char *sender, size_t count);
/* Submit; the caller waits and releases. */
void town_start_get(struct ask *ask, struct store *store, const char *conversation,
                    const char *user);
void town_start_read(struct ask *ask, struct store *store, const char *conversation,
                     const char *user, int64_t from_seq, size_t limit);
/* What such a request answers. */
enum parley_code town_get(struct store *store, const char *conversation, const char *user);
int64_t town_head(struct store *store, const char *conversation);
size_t town_read(struct store *store, const char *conversation, const char *user, int64_t from_seq,
                 size_t limit);

#endif /* PARLEY_TEST_CACHE_TOWN_H */
