/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes over one engine; see town.h. */
#include "town.h"

#include "base/text.h"
#include "store/sqlite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum store_cache_kind town_kind;

/* A busy machine is no reason to go without the cache. */
static const struct store_cache_options defaults = {.timeout_ms = 5000};

void town_open(struct town *town, unsigned server_count, const struct store_cache_options *options)
{
    struct pl_error error = PL_ERROR_INIT;
    struct store_cache_options cache = options == NULL ? defaults : *options;
    const struct store_sqlite_options sqlite = {
        .data_dir = ":memory:", .shards = 2, .auto_migrate = true};
    char servers[128];
    memset(town, 0, sizeof(*town));
    assert_int_equal(store_sqlite_open(&sqlite, &town->engine, &error), PARLEY_OK);
    town->node_count = town_kind == STORE_CACHE_MEMORY ? 1 : TOWN_NODES;
    town->server_count = town_kind == STORE_CACHE_MEMORY ? 0 : server_count;
    for (unsigned i = 0; i < town->server_count; i++) {
        assert_true(memcached_server_start(&town->servers[i]));
    }
    (void)snprintf(servers, sizeof(servers), "%s%s%s", town->servers[0].address,
                   town->server_count > 1 ? "," : "", town->servers[1].address);
    cache.kind = town_kind;
    cache.servers = servers;
    for (unsigned i = 0; i < town->node_count; i++) {
        watched_init(&town->watched[i], town->engine);
        assert_int_equal(store_cache_open(&town->watched[i].base, &cache, &town->nodes[i], &error),
                         PARLEY_OK);
    }
    if (town->node_count == 1) {
        town->nodes[1] = town->nodes[0];
    }
}

void town_close(struct town *town)
{
    for (unsigned i = 0; i < town->node_count; i++) {
        watched_release(&town->watched[i]);
        store_close(town->nodes[i]);
        watched_deinit(&town->watched[i]);
    }
    store_close(town->engine);
    for (unsigned i = 0; i < town->server_count; i++) {
        memcached_server_stop(&town->servers[i]);
    }
}

int town_setup(void **state)
{
    struct town *town = calloc(1, sizeof(*town));
    *state = town;
    if (town == NULL) {
        return -1;
    }
    town_open(town, 1, NULL);
    return 0;
}

int town_teardown(void **state)
{
    town_close(*state);
    free(*state);
    return 0;
}

void town_create(struct store *store, const char *conversation, const char *creator,
                 const struct store_bytes *members, size_t count)
{
    struct ask ask;
    ask_create(&ask, store, conversation, creator, members, count);
    assert_int_equal(ask_code(&ask), PARLEY_OK);
    ask_release(&ask);
}

enum parley_code town_change(struct store *store, enum store_kind kind, const char *conversation,
                             const char *actor, const char *user)
{
    struct ask ask;
    const struct store_bytes users[] = {bytes_of(user)};
    ask_change(&ask, store, kind, conversation, actor, users, kind != STORE_MEMBERS_LEFT);
    enum parley_code code = ask_code(&ask);
    ask_release(&ask);
    return code;
}

int64_t town_send(struct store *store, const char *conversation, const char *sender,
                  const char *client_message_id, size_t body_len)
{
    static char body[STORE_BODY_MAX];
    struct ask ask;
    ask_append(&ask, store, conversation, sender, client_message_id,
               (struct store_bytes){body, body_len});
    assert_int_equal(ask_code(&ask), PARLEY_OK);
    int64_t seq = ask.append.seq;
    ask_release(&ask);
    return seq;
}

enum parley_code town_trim(struct store *store, const char *conversation, int64_t messages,
                           size_t limit)
{
    struct ask ask;
    ask_init(&ask);
    ask.trim.conversation_id = bytes_of(conversation);
    ask.trim.retention.messages = messages;
    ask.trim.limit = limit;
    store_trim(store, &ask.trim);
    enum parley_code code = ask_code(&ask);
    ask_release(&ask);
    return code;
}

void town_fill(struct store *store, const char *conversation, const char *sender, size_t count)
{
    struct ask *asks = calloc(count + 1, sizeof(*asks));
    char(*ids)[32] = calloc(count + 1, sizeof(*ids));
    assert_true(asks != NULL && ids != NULL);
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(ids[i], sizeof(ids[i]), "fill-%zu", i);
        ask_append(&asks[i], store, conversation, sender, ids[i], bytes_of(ids[i]));
    }
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(ask_code(&asks[i]), PARLEY_OK);
        ask_release(&asks[i]);
    }
    free(asks);
    free(ids);
}

void town_start_get(struct ask *ask, struct store *store, const char *conversation,
                    const char *user)
{
    ask_init(ask);
    ask->get.conversation_id = bytes_of(conversation);
    ask->get.user = bytes_of(user);
    store_get(store, &ask->get);
}

void town_start_read(struct ask *ask, struct store *store, const char *conversation,
                     const char *user, int64_t from_seq, size_t limit)
{
    ask_init(ask);
    ask->read.conversation_id = bytes_of(conversation);
    ask->read.user = bytes_of(user);
    ask->read.from_seq = from_seq;
    ask->read.limit = limit;
    ask->read.max_bytes = SIZE_MAX;
    store_read(store, &ask->read);
}

enum parley_code town_get(struct store *store, const char *conversation, const char *user)
{
    struct ask ask;
    town_start_get(&ask, store, conversation, user);
    enum parley_code code = ask_code(&ask);
    ask_release(&ask);
    return code;
}

int64_t town_head(struct store *store, const char *conversation)
{
    struct ask ask;
    town_start_get(&ask, store, conversation, "");
    assert_int_equal(ask_code(&ask), PARLEY_OK);
    int64_t head_seq = ask.get.conversation.head_seq;
    ask_release(&ask);
    return head_seq;
}

size_t town_read(struct store *store, const char *conversation, const char *user, int64_t from_seq,
                 size_t limit)
{
    struct ask ask;
    town_start_read(&ask, store, conversation, user, from_seq, limit);
    assert_int_equal(ask_code(&ask), PARLEY_OK);
    size_t count = ask.read.event_count;
    ask_release(&ask);
    return count;
}
