/* SPDX-License-Identifier: Apache-2.0 */
/* Databases and stores for tests; see place.h. */
#include "place.h"

#include <stdio.h>
#include <string.h>

#define LOG_MAX 10000

struct mariadb place_server;

int place_start_server(void **state)
{
    *state = &place_server;
    return mariadb_start(&place_server, 1);
}

int place_stop_server(void **state)
{
    (void)state;
    mariadb_stop(&place_server);
    return 0;
}

static void for_each_database(const struct place *place, const char *what)
{
    char sql[128];
    for (unsigned i = 0; i < place->shards; i++) {
        (void)snprintf(sql, sizeof(sql), "%s DATABASE parley_%u_%u", what, place->number, i);
        assert_int_equal(mariadb_run(&place_server, 0, sql), 0);
    }
}

void place_address(const struct place *place, unsigned shard, unsigned port, char *out, size_t size)
{
    (void)snprintf(out, size, "127.0.0.1:%u/parley_%u_%u", port, place->number, shard);
}

void place_init(struct place *place, unsigned shards)
{
    static unsigned places;
    *place = (struct place){.server = &place_server, .shards = shards, .number = places++};
    for (unsigned i = 0; i < shards; i++) {
        char one[128];
        size_t used = strlen(place->addresses);
        place_address(place, i, place_server.ports[0], one, sizeof(one));
        (void)snprintf(place->addresses + used, sizeof(place->addresses) - used, "%s%s",
                       i == 0 ? "" : ",", one);
    }
    for_each_database(place, "CREATE");
}

void place_deinit(struct place *place)
{
    for_each_database(place, "DROP");
}

struct store_mysql_options place_options(const struct place *place)
{
    return (struct store_mysql_options){
        .shards = place->addresses,
        .credentials_file = place_server.credentials,
        .deadline_ms = 2000,
        .wait_ms = 500,
        .busy_retry_ms = 123,
        .auto_migrate = true,
    };
}

struct store *place_open(const struct store_mysql_options *options)
{
    struct store *store = NULL;
    struct pl_error error = PL_ERROR_INIT;
    if (store_mysql_open(options, &store, &error) != PARLEY_OK) {
        fail_msg("cannot open: %s", error.text);
    }
    return store;
}

/* The helper's connection is to another database. */
int64_t place_sum(const struct place *place, unsigned shard, const char *sql)
{
    char database[64];
    (void)snprintf(database, sizeof(database), "parley_%u_%u", place->number, shard);
    int64_t sum = mariadb_sum_in(&place_server, 0, database, sql);
    assert_true(sum >= 0);
    return sum;
}

void place_run(const struct place *place, unsigned shard, const char *sql)
{
    (void)place_sum(place, shard, sql);
}

static enum parley_code finish(struct ask *ask)
{
    enum parley_code code = ask_code(ask);
    ask_release(ask);
    return code;
}

enum parley_code place_create(struct store *store, const char *conversation, const char *creator,
                              const char *member)
{
    struct ask ask;
    const struct store_bytes user = bytes_of(member);
    ask_create(&ask, store, conversation, creator, &user, 1);
    return finish(&ask);
}

enum parley_code place_change(struct store *store, enum store_kind kind, const char *conversation,
                              const char *actor, const char *user)
{
    struct ask ask;
    const struct store_bytes users = bytes_of(user);
    ask_change(&ask, store, kind, conversation, actor, &users, kind == STORE_MEMBERS_LEFT ? 0 : 1);
    return finish(&ask);
}

int64_t place_send(struct store *store, const char *conversation, const char *sender,
                   const char *client_message_id)
{
    struct ask ask;
    ask_append(&ask, store, conversation, sender, client_message_id, bytes_of("a text"));
    enum parley_code code = finish(&ask);
    return code == PARLEY_OK ? ask.append.seq : -(int64_t)code;
}

size_t place_count_list(struct store *store, const char *user)
{
    struct ask ask;
    ask_init(&ask);
    ask.list.user = bytes_of(user);
    ask.list.limit = LOG_MAX;
    store_list_conversations(store, &ask.list);
    assert_int_equal(ask_code(&ask), PARLEY_OK);
    size_t count = ask.list.count;
    ask_release(&ask);
    return count;
}

int64_t place_check_log(struct store *store, const char *conversation)
{
    struct ask ask;
    ask_init(&ask);
    ask.read.conversation_id = bytes_of(conversation);
    ask.read.from_seq = 1;
    ask.read.limit = LOG_MAX;
    ask.read.max_bytes = SIZE_MAX;
    store_read(store, &ask.read);
    assert_int_equal(ask_code(&ask), PARLEY_OK);
    for (size_t i = 0; i < ask.read.event_count; i++) {
        assert_int_equal(ask.read.events[i].seq, (int64_t)i + 1);
    }
    int64_t head = ask.read.head_seq;
    assert_int_equal(ask.read.event_count, head);
    ask_release(&ask);
    return head;
}
