/* SPDX-License-Identifier: Apache-2.0 */
/* A random workload, asked of the nodes and of the engine itself: identical answers, with the cache
 * in every condition. The seed is printed. */
#include "town.h"

#include "support/wait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOMS 3
#define USERS 4
#define STEPS 1200

enum condition {
    CACHE_ON,      /* all is well */
    CACHE_TINY,    /* memory: entries are given up all the time */
    CACHE_FLUSHED, /* at random moments */
    CACHE_DYING,   /* one of two servers is killed and comes back */
    CACHE_FROZEN,  /* one of two servers stands still for a while */
    CACHE_OFF,     /* no server answers */
};

struct work {
    struct town town;
    enum condition condition;
    uint64_t random;
    unsigned sent;
    bool is_hurt; /* a server is dead or frozen */
};

static unsigned below(struct work *work, unsigned bound)
{
    work->random ^= work->random << 13;
    work->random ^= work->random >> 7;
    work->random ^= work->random << 17;
    return (unsigned)((work->random >> 11) % bound);
}

static const char *const rooms[ROOMS + 1] = {"c0", "c1", "c2", "nowhere"};
static const char *const users[USERS + 1] = {"alice", "bob", "carol", "dave", ""};

/* ---- the same answer ---- */

static void expect_bytes(struct store_bytes a, struct store_bytes b)
{
    assert_int_equal(a.len, b.len);
    if (a.len > 0) {
        assert_memory_equal(a.data, b.data, a.len);
    }
}

static void expect_conversation(const struct store_conversation *a,
                                const struct store_conversation *b)
{
    expect_bytes(a->id, b->id);
    expect_bytes(a->title, b->title);
    expect_bytes(a->created_by, b->created_by);
    assert_int_equal(a->created_at_ms, b->created_at_ms);
    assert_int_equal(a->head_seq, b->head_seq);
    assert_int_equal(a->ordinal, b->ordinal);
    assert_int_equal(a->member_count, b->member_count);
    assert_int_equal(a->role, b->role);
    assert_int_equal(a->retention.age_ms, b->retention.age_ms);
    assert_int_equal(a->retention.messages, b->retention.messages);
}

static void expect_event(const struct store_event *a, const struct store_event *b)
{
    assert_int_equal(a->seq, b->seq);
    assert_int_equal(a->created_at_ms, b->created_at_ms);
    assert_int_equal(a->ordinal, b->ordinal);
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->role, b->role);
    expect_bytes(a->sender, b->sender);
    expect_bytes(a->client_message_id, b->client_message_id);
    expect_bytes(a->content_type, b->content_type);
    expect_bytes(a->body, b->body);
}

static void expect_same(struct ask *a, struct ask *b)
{
    assert_int_equal(ask_code(a), ask_code(b));
    assert_string_equal(a->request.error.text, b->request.error.text);
    if (a->request.error.code != PARLEY_OK) {
        return;
    }
    if (a->request.op == STORE_OP_GET) {
        expect_conversation(&a->get.conversation, &b->get.conversation);
        return;
    }
    assert_int_equal(a->read.head_seq, b->read.head_seq);
    assert_int_equal(a->read.first_seq, b->read.first_seq);
    assert_int_equal(a->read.event_count, b->read.event_count);
    for (size_t i = 0; i < a->read.event_count; i++) {
        expect_event(&a->read.events[i], &b->read.events[i]);
    }
}

/* ---- steps ---- */

/* A frozen server is told late: until then only the node that wrote knows. */
static struct store *any_node(struct work *work)
{
    return work->town.nodes[work->condition == CACHE_FROZEN ? 0 : below(work, TOWN_NODES)];
}

static void compare_get(struct work *work)
{
    struct ask cached, plain;
    const char *room = rooms[below(work, ROOMS + 1)];
    const char *user = users[below(work, USERS + 1)];
    town_start_get(&cached, any_node(work), room, user);
    town_start_get(&plain, work->town.engine, room, user);
    expect_same(&cached, &plain);
    ask_release(&cached);
    ask_release(&plain);
}

static void fill_read(struct ask *ask, const struct store_read *read, struct store *store)
{
    ask_init(ask);
    ask->read.conversation_id = read->conversation_id;
    ask->read.user = read->user;
    ask->read.from_seq = read->from_seq;
    ask->read.limit = read->limit;
    ask->read.max_bytes = read->max_bytes;
    ask->read.backwards = read->backwards;
    store_read(store, &ask->read);
}

static void compare_read(struct work *work)
{
    static const size_t limits[] = {1, 10, 64, 200, 5000};
    static const size_t sizes[] = {0, 500, 20000, SIZE_MAX};
    struct ask cached, plain;
    const struct store_read read = {
        .conversation_id = bytes_of(rooms[below(work, ROOMS + 1)]),
        .user = bytes_of(users[below(work, USERS + 1)]),
        .from_seq = below(work, 3) == 0 ? 0 : below(work, work->sent + 4),
        .limit = limits[below(work, 5)],
        .max_bytes = sizes[below(work, 4)],
        .backwards = below(work, 2) == 0,
    };
    fill_read(&cached, &read, any_node(work));
    fill_read(&plain, &read, work->town.engine);
    expect_same(&cached, &plain);
    ask_release(&cached);
    ask_release(&plain);
}

static void send(struct work *work)
{
    char id[24];
    static char body[3000];
    struct ask ask;
    bool is_repeat = below(work, 8) == 0 && work->sent > 0;
    (void)snprintf(id, sizeof(id), "m%u", is_repeat ? below(work, work->sent) : work->sent++);
    ask_append(&ask, any_node(work), rooms[below(work, ROOMS + 1)], users[below(work, USERS)], id,
               (struct store_bytes){body, below(work, 10) == 0 ? sizeof(body) : 20});
    (void)ask_code(&ask); /* a sender who is no member is refused */
    ask_release(&ask);
}

static void change(struct work *work)
{
    static const enum store_kind kinds[] = {STORE_MEMBERS_ADDED, STORE_MEMBERS_REMOVED,
                                            STORE_MEMBERS_LEFT};
    enum store_kind kind = kinds[below(work, 3)];
    const char *user = users[1 + below(work, USERS - 1)]; /* alice stays */
    (void)town_change(any_node(work), kind, rooms[below(work, ROOMS + 1)],
                      kind == STORE_MEMBERS_LEFT ? user : "alice", user);
}

static void trim(struct work *work)
{
    (void)town_trim(any_node(work), rooms[below(work, ROOMS + 1)], 1 + below(work, 80),
                    1 + below(work, 40));
}

static void set_retention(struct work *work)
{
    struct ask ask;
    ask_init(&ask);
    ask.set.conversation_id = bytes_of(rooms[below(work, ROOMS + 1)]);
    ask.set.actor = bytes_of(users[below(work, 2)]); /* bob is refused */
    ask.set.retention = (struct store_retention){below(work, 1000), 1 + below(work, 1000)};
    store_set_retention(any_node(work), &ask.set);
    (void)ask_code(&ask);
    ask_release(&ask);
}

static void hurt(struct work *work)
{
    struct memcached_server *server = &work->town.servers[1];
    if (work->condition == CACHE_FLUSHED) {
        memcached_server_flush(&work->town.servers[below(work, 2)]);
    } else if (work->condition == CACHE_DYING) {
        if (work->is_hurt) {
            assert_true(memcached_server_restart(server));
        } else {
            memcached_server_stop(server);
        }
        work->is_hurt = !work->is_hurt;
    } else if (work->condition == CACHE_FROZEN) {
        if (work->is_hurt) {
            memcached_server_thaw(server);
        } else {
            memcached_server_freeze(server);
        }
        work->is_hurt = !work->is_hurt;
    }
}

static void take_step(struct work *work)
{
    unsigned dice = below(work, 100);
    if (dice < 45) {
        compare_read(work);
    } else if (dice < 65) {
        compare_get(work);
    } else if (dice < 88) {
        send(work);
    } else if (dice < 93) {
        change(work);
    } else if (dice < 95) {
        set_retention(work);
    } else if (dice < 98) {
        trim(work);
    } else {
        hurt(work);
    }
}

static void run(enum condition condition)
{
    static struct work work;
    const struct store_cache_options options = {
        .timeout_ms = condition == CACHE_FROZEN ? 50 : 5000,
        .breaker_ms = 30,
        .memory_bytes = condition == CACHE_TINY ? 16 * 6000 : 0,
    };
    const char *given = getenv("PARLEY_TEST_SEED");
    memset(&work, 0, sizeof(work));
    work.condition = condition;
    work.random = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)wait_deadline(1) * 2 + 1;
    print_message("  PARLEY_TEST_SEED=%llu\n", (unsigned long long)work.random);
    town_open(&work.town, 2, &options);
    if (condition == CACHE_OFF) {
        memcached_server_stop(&work.town.servers[0]);
        memcached_server_stop(&work.town.servers[1]);
    }
    for (size_t i = 0; i < ROOMS; i++) {
        town_create(work.town.nodes[0], rooms[i], "alice", NULL, 0);
    }
    for (unsigned i = 0; i < STEPS; i++) {
        take_step(&work);
    }
    if (work.is_hurt && condition == CACHE_FROZEN) {
        memcached_server_thaw(&work.town.servers[1]);
    }
    town_close(&work.town);
}

static void test_on(void **state)
{
    (void)state;
    run(CACHE_ON);
}

static void test_with_hardly_any_room(void **state)
{
    (void)state;
    run(CACHE_TINY);
}

static void test_flushed_at_random(void **state)
{
    (void)state;
    run(CACHE_FLUSHED);
}

static void test_with_one_of_two_servers_dying(void **state)
{
    (void)state;
    run(CACHE_DYING);
}

static void test_with_one_of_two_servers_frozen(void **state)
{
    (void)state;
    run(CACHE_FROZEN);
}

static void test_off(void **state)
{
    (void)state;
    run(CACHE_OFF);
}

int differential_tests(void)
{
    const struct CMUnitTest in_memory[] = {
        cmocka_unit_test(test_on),
        cmocka_unit_test(test_with_hardly_any_room),
    };
    const struct CMUnitTest in_memcached[] = {
        cmocka_unit_test(test_on),
        cmocka_unit_test(test_flushed_at_random),
        cmocka_unit_test(test_with_one_of_two_servers_dying),
        cmocka_unit_test(test_with_one_of_two_servers_frozen),
        cmocka_unit_test(test_off),
    };
    return town_kind == STORE_CACHE_MEMORY
               ? cmocka_run_group_tests_name("differential", in_memory, NULL, NULL)
               : cmocka_run_group_tests_name("differential", in_memcached, NULL, NULL);
}
