/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a log, forwards and backwards, to every edge. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD     20
#define BODY_LEN 100
#define MUCH     ((size_t)1 << 20)

/* c1: the creation (a body of 6 bytes, "alice" and a NUL) and 19 messages of 100 bytes. */
static void make_log(struct world *world)
{
    char body[BODY_LEN + 1];
    memset(body, 'x', BODY_LEN);
    body[BODY_LEN] = '\0';
    world_create(world, "c1", "alice", "");
    for (int i = 2; i <= HEAD; i++) {
        char id[16];
        (void)snprintf(id, sizeof(id), "m%d", i);
        assert_int_equal(world_send(world, "c1", "alice", id, body), i);
    }
}

static const struct edge {
    const char *name;
    int64_t from_seq;
    size_t limit;
    size_t max_bytes;
    int64_t first; /* seq of the first event given */
    size_t count;
    bool backwards;
} edges[] = {
    {"forwards from 0", 0, 100, MUCH, 1, 20, false},
    {"forwards from 1", 1, 100, MUCH, 1, 20, false},
    {"forwards from the middle", 5, 100, MUCH, 5, 16, false},
    {"forwards from the head", HEAD, 100, MUCH, HEAD, 1, false},
    {"forwards from beyond the head", HEAD + 1, 100, MUCH, 0, 0, false},
    {"forwards from far beyond", INT64_MAX, 100, MUCH, 0, 0, false},
    {"forwards, a limit", 5, 3, MUCH, 5, 3, false},
    {"forwards, the limit meets the head", 18, 3, MUCH, 18, 3, false},
    {"forwards, no limit to speak of", 0, SIZE_MAX, SIZE_MAX, 1, 20, false},
    {"forwards, no bytes: one event all the same", 5, 100, 0, 5, 1, false},
    {"forwards, fewer bytes than one event", 5, 100, 99, 5, 1, false},
    {"forwards, bytes for two", 5, 100, 200, 5, 2, false},
    {"forwards, bytes for two and a half", 5, 100, 250, 5, 2, false},
    {"forwards, the creation counts its 6 bytes", 1, 100, 105, 1, 1, false},
    {"forwards, the creation and a message", 1, 100, 106, 1, 2, false},
    {"backwards from 0: the head", 0, 100, MUCH, HEAD, 20, true},
    {"backwards from the head", HEAD, 100, MUCH, HEAD, 20, true},
    {"backwards from beyond the head", HEAD + 5, 100, MUCH, HEAD, 20, true},
    {"backwards from far beyond", INT64_MAX, 3, MUCH, HEAD, 3, true},
    {"backwards from the middle", 5, 100, MUCH, 5, 5, true},
    {"backwards from 1", 1, 100, MUCH, 1, 1, true},
    {"backwards, a limit", 10, 4, MUCH, 10, 4, true},
    {"backwards, no bytes: one event all the same", 10, 4, 0, 10, 1, true},
    {"backwards, bytes for two", 10, 100, 200, 10, 2, true},
};

static void check_edge(struct world *world, const struct edge *edge)
{
    struct ask ask;
    print_message("  %s\n", edge->name);
    ask_init(&ask);
    ask.read.conversation_id = bytes_of("c1");
    ask.read.user = bytes_of("alice");
    ask.read.from_seq = edge->from_seq;
    ask.read.limit = edge->limit;
    ask.read.max_bytes = edge->max_bytes;
    ask.read.backwards = edge->backwards;
    store_read(world->store, &ask.read);
    assert_int_equal(ask_code(&ask), PARLEY_OK);
    assert_int_equal(ask.read.event_count, edge->count);
    assert_int_equal(ask.read.head_seq, HEAD);
    assert_int_equal(ask.read.first_seq, 1);
    for (size_t i = 0; i < edge->count; i++) {
        int64_t step = (int64_t)i;
        assert_int_equal(ask.read.events[i].seq, edge->first + (edge->backwards ? -step : step));
    }
    ask_release(&ask);
}

static void test_every_edge_of_a_log(void **state)
{
    struct world *world = *state;
    make_log(world);
    for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++) {
        check_edge(world, &edges[i]);
    }
}

static void test_pages_join_without_a_gap(void **state)
{
    struct world *world = *state;
    world_create(world, "c1", "alice", "");
    world_fill(world, "c1", "alice", "m", 1000);
    int64_t next = 1;
    while (next <= 1001) {
        struct ask ask;
        world_read(world, &ask, "c1", next, 64);
        assert_true(ask.read.event_count > 0);
        for (size_t i = 0; i < ask.read.event_count; i++) {
            assert_int_equal(ask.read.events[i].seq, next);
            next++;
        }
        ask_release(&ask);
    }
    assert_int_equal(next, 1002);
}

static void test_bodies_come_back_byte_for_byte(void **state)
{
    static const size_t sizes[] = {0, 1, 255, 2029, 2030, 8192, 65535, STORE_BODY_MAX};
    enum {
        SIZES = sizeof(sizes) / sizeof(sizes[0])
    };
    struct world *world = *state;
    struct ask ask;
    char *body = malloc(STORE_BODY_MAX);
    assert_non_null(body);
    for (size_t i = 0; i < STORE_BODY_MAX; i++) {
        body[i] = (char)(i * 7 % 256); /* NULs and bytes that are no UTF-8, too */
    }
    world_create(world, "c1", "alice", "");
    for (size_t i = 0; i < SIZES; i++) {
        char id[16];
        (void)snprintf(id, sizeof(id), "m%zu", i);
        ask_append(&ask, world->store, "c1", "alice", id, (struct store_bytes){body, sizes[i]});
        assert_int_equal(ask_code(&ask), PARLEY_OK);
        ask_release(&ask);
    }
    world_read(world, &ask, "c1", 2, 100);
    assert_int_equal(ask.read.event_count, SIZES);
    for (size_t i = 0; i < SIZES; i++) {
        assert_int_equal(ask.read.events[i].body.len, sizes[i]);
        assert_memory_equal(ask.read.events[i].body.data, body, sizes[i]);
    }
    ask_release(&ask);
    free(body);
}

static enum parley_code read_as(struct world *world, const char *conversation, const char *user)
{
    struct ask ask;
    ask_init(&ask);
    ask.read.conversation_id = bytes_of(conversation);
    ask.read.user = bytes_of(user);
    ask.read.limit = 10;
    store_read(world->store, &ask.read);
    enum parley_code code = ask_code(&ask);
    assert_true((code == PARLEY_OK) == (ask.read.event_count > 0));
    ask_release(&ask);
    return code;
}

static void test_only_members_read(void **state)
{
    struct world *world = *state;
    world_create(world, "c1", "alice", "bob");
    assert_int_equal(read_as(world, "c1", "bob"), PARLEY_OK);
    assert_int_equal(read_as(world, "c1", ""), PARLEY_OK);
    assert_int_equal(read_as(world, "c1", "mallory"), PARLEY_NOT_FOUND);
    assert_int_equal(read_as(world, "nowhere", "alice"), PARLEY_NOT_FOUND);
    assert_int_equal(read_as(world, "nowhere", ""), PARLEY_NOT_FOUND);
    assert_int_equal(world_change(world, STORE_MEMBERS_REMOVED, "c1", "alice", "bob"), PARLEY_OK);
    assert_int_equal(read_as(world, "c1", "bob"), PARLEY_NOT_FOUND);
}

static void test_readers_and_writers_do_not_disturb_each_other(void **state)
{
    struct world *world = *state;
    enum {
        ROUNDS = 200
    };
    static struct ask sends[ROUNDS];
    static struct ask reads[ROUNDS];
    static char ids[ROUNDS][16];
    world_create(world, "c1", "alice", "");
    for (size_t i = 0; i < ROUNDS; i++) {
        (void)snprintf(ids[i], sizeof(ids[i]), "m%zu", i);
        ask_append(&sends[i], world->store, "c1", "alice", ids[i], bytes_of("x"));
        ask_init(&reads[i]);
        reads[i].read.conversation_id = bytes_of("c1");
        reads[i].read.limit = 1000;
        reads[i].read.max_bytes = MUCH;
        store_read(world->store, &reads[i].read);
    }
    for (size_t i = 0; i < ROUNDS; i++) {
        assert_int_equal(ask_code(&sends[i]), PARLEY_OK);
        assert_int_equal(ask_code(&reads[i]), PARLEY_OK);
        /* One moment's state: the head that is told is the last event that is given. */
        assert_int_equal(reads[i].read.head_seq, (int64_t)reads[i].read.event_count);
        ask_release(&sends[i]);
        ask_release(&reads[i]);
    }
}

int history_tests(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_every_edge_of_a_log),
        STORE_TEST(test_pages_join_without_a_gap),
        STORE_TEST(test_bodies_come_back_byte_for_byte),
        STORE_TEST(test_only_members_read),
        STORE_TEST(test_readers_and_writers_do_not_disturb_each_other),
    };
    return cmocka_run_group_tests_name("history", tests, NULL, NULL);
}
