/* SPDX-License-Identifier: Apache-2.0 */
/* What a warm request costs, in requests to the engine and in operations of the cache: stated
 * numbers, whatever the number of members and the length of the log. */
#include "town.h"

#include "cache/metrics.h"

#include <stdio.h>
#include <stdlib.h>

#define MANY 3000 /* members */
#define LONG 1000 /* events */

static int64_t operations(void)
{
    return __atomic_load_n(&cache_metric_operations.value, __ATOMIC_RELAXED);
}

static void add_members(struct store *store, const char *conversation, size_t count)
{
    char(*names)[16] = calloc(STORE_MEMBERS_MAX, sizeof(*names));
    struct store_bytes *users = calloc(STORE_MEMBERS_MAX, sizeof(*users));
    assert_true(names != NULL && users != NULL);
    for (size_t done = 0; done < count; done += STORE_MEMBERS_MAX) {
        struct ask ask;
        for (size_t i = 0; i < STORE_MEMBERS_MAX; i++) {
            (void)snprintf(names[i], sizeof(names[i]), "u%zu", done + i);
            users[i] = bytes_of(names[i]);
        }
        int64_t before = operations();
        ask_change(&ask, store, STORE_MEMBERS_ADDED, conversation, "alice", users,
                   STORE_MEMBERS_MAX);
        assert_int_equal(ask_code(&ask), PARLEY_OK);
        ask_release(&ask);
        assert_int_equal(operations() - before, 3);
    }
    free(names);
    free(users);
}

/* A conversation of few, and one of many with a long log. */
static void build(struct town *town)
{
    const struct store_bytes bob = bytes_of("bob");
    town_create(town->nodes[0], "few", "alice", &bob, 1);
    town_create(town->nodes[0], "many", "alice", &bob, 1);
    add_members(town->nodes[0], "many", MANY);
    town_fill(town->nodes[0], "many", "alice", LONG);
    town_fill(town->nodes[0], "few", "alice", 10);
}

static void expect_cost(struct town *town, unsigned queries, int64_t operations_before,
                        int64_t wanted)
{
    assert_int_equal(watched_total(&town->watched[0]), queries);
    assert_int_equal(operations() - operations_before, wanted);
    watched_reset(&town->watched[0]);
}

static const char *const conversations[] = {"few", "many"};

static void test_a_warm_send_is_one_query_and_two_deletes(void **state)
{
    struct town *town = *state;
    build(town);
    for (size_t i = 0; i < 2; i++) {
        (void)town_send(town->nodes[0], conversations[i], "alice", "first", 5);
        watched_reset(&town->watched[0]);
        int64_t before = operations();
        (void)town_send(town->nodes[0], conversations[i], "bob", "second", 5);
        expect_cost(town, 1, before, 2);
    }
}

static void test_a_warm_get_is_one_look_up(void **state)
{
    struct town *town = *state;
    build(town);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(town_get(town->nodes[0], conversations[i], "bob"), PARLEY_OK);
        watched_reset(&town->watched[0]);
        int64_t before = operations();
        assert_int_equal(town_get(town->nodes[0], conversations[i], "bob"), PARLEY_OK);
        expect_cost(town, 0, before, 1);
    }
}

static const struct {
    const char *name;
    const char *conversation;
    int64_t from_seq;
    size_t limit;
    size_t events;
    int64_t operations;
} pages[] = {
    {"the last events", "few", 1, 50, 11, 1},
    {"the last events of a long log", "many", MANY, 50, 0, 1},
    {"one block", "many", 65, 64, 64, 2},
    {"parts of three blocks", "many", 33, 128, 128, 2},
    {"nine blocks", "many", 1, 9 * 64, 9 * 64, 3},
    {"from the blocks into the tail", "many", 901, 200, 104, 2},
};

static void test_a_warm_page_is_a_stated_number_of_look_ups(void **state)
{
    struct town *town = *state;
    build(town);
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        print_message("  %s\n", pages[i].name);
        (void)town_read(town->nodes[0], pages[i].conversation, "bob", pages[i].from_seq,
                        pages[i].limit);
        watched_reset(&town->watched[0]);
        int64_t before = operations();
        assert_int_equal(town_read(town->nodes[0], pages[i].conversation, "bob", pages[i].from_seq,
                                   pages[i].limit),
                         pages[i].events);
        expect_cost(town, 0, before, pages[i].operations);
    }
}

/* What a subscription asks for that comes back at the head: is there anything after it? */
static void test_a_warm_subscription_is_one_look_up(void **state)
{
    struct town *town = *state;
    build(town);
    for (size_t i = 0; i < 2; i++) {
        int64_t head_seq = town_head(town->nodes[0], conversations[i]);
        assert_int_equal(town_read(town->nodes[0], conversations[i], "bob", head_seq + 1, 256), 0);
        watched_reset(&town->watched[0]);
        int64_t before = operations();
        assert_int_equal(town_read(town->nodes[0], conversations[i], "bob", head_seq + 1, 256), 0);
        expect_cost(town, 0, before, 1);
    }
}

static void test_who_is_no_member_is_known_too(void **state)
{
    struct town *town = *state;
    build(town);
    assert_int_equal(town_get(town->nodes[0], "few", "mallory"), PARLEY_NOT_FOUND);
    assert_int_equal(town_get(town->nodes[0], "nowhere", "bob"), PARLEY_NOT_FOUND);
    watched_reset(&town->watched[0]);
    assert_int_equal(town_get(town->nodes[0], "few", "mallory"), PARLEY_NOT_FOUND);
    assert_int_equal(town_get(town->nodes[0], "nowhere", "bob"), PARLEY_NOT_FOUND);
    assert_int_equal(watched_total(&town->watched[0]), 0);
}

static void test_the_other_node_finds_what_one_has_loaded(void **state)
{
    struct town *town = *state;
    build(town);
    (void)town_read(town->nodes[0], "many", "bob", 1, 500);
    for (unsigned i = 0; i < town->node_count; i++) {
        watched_reset(&town->watched[i]);
        (void)town_read(town->nodes[i], "many", "bob", 1, 500);
        assert_int_equal(watched_total(&town->watched[i]), 0);
    }
}

/* Too large to be kept: it goes to the store, every time. */
static void test_large_bodies_are_read_from_the_store(void **state)
{
    struct town *town = *state;
    char id[16];
    town_create(town->nodes[0], "large", "alice", NULL, 0);
    for (int i = 0; i < 130; i++) {
        (void)snprintf(id, sizeof(id), "m%d", i);
        (void)town_send(town->nodes[0], "large", "alice", id, 20000);
    }
    for (int i = 0; i < 2; i++) {
        watched_reset(&town->watched[0]);
        assert_int_equal(town_read(town->nodes[0], "large", "alice", 1, 200), 131);
        assert_true(watched_total(&town->watched[0]) >= 1);
    }
    assert_int_equal(watched_total(&town->watched[0]), 1);
}

int counts_tests(void)
{
    const struct CMUnitTest tests[] = {
        CACHE_TEST(test_a_warm_send_is_one_query_and_two_deletes),
        CACHE_TEST(test_a_warm_get_is_one_look_up),
        CACHE_TEST(test_a_warm_page_is_a_stated_number_of_look_ups),
        CACHE_TEST(test_a_warm_subscription_is_one_look_up),
        CACHE_TEST(test_who_is_no_member_is_known_too),
        CACHE_TEST(test_the_other_node_finds_what_one_has_loaded),
        CACHE_TEST(test_large_bodies_are_read_from_the_store),
    };
    return cmocka_run_group_tests_name("counts", tests, NULL, NULL);
}
