/* SPDX-License-Identifier: Apache-2.0 */
/* A user's conversations, wherever these live: a change that was answered shows at once. */
#include "world.h"

#include <stdio.h>
#include <string.h>

static void check_list(struct world *world, const char *user, size_t limit, const char *expected)
{
    char text[2048];
    world_list(world, user, limit, text, sizeof(text));
    assert_string_equal(text, expected);
}

static void test_a_list_shows_a_change_at_once(void **state)
{
    struct world *world = *state;
    check_list(world, "bob", 10, "");
    for (int i = 0; i < 30; i++) {
        char id[16];
        (void)snprintf(id, sizeof(id), "room-%d", i);
        world_create(world, id, "alice", "bob");
        check_list(world, "bob", 10, id);
        check_list(world, "alice", 10, id);
        assert_int_equal(world_change(world, STORE_MEMBERS_ADDED, id, "alice", "carol"), PARLEY_OK);
        check_list(world, "carol", 10, id);
        assert_int_equal(world_change(world, STORE_MEMBERS_LEFT, id, "bob", ""), PARLEY_OK);
        check_list(world, "bob", 10, "");
        assert_int_equal(world_change(world, STORE_MEMBERS_REMOVED, id, "alice", "alice carol"),
                         PARLEY_OK);
        check_list(world, "alice", 10, "");
        check_list(world, "carol", 10, "");
    }
}

static void test_pages_join_in_the_order_of_the_ids(void **state)
{
    struct world *world = *state;
    static const size_t limits[] = {1, 2, 9, 10, 11, 25, 100, SIZE_MAX};
    char expected[512] = "";
    for (int i = 24; i >= 0; i--) {
        char id[16];
        (void)snprintf(id, sizeof(id), "c%02d", i);
        world_create(world, id, "alice", "bob");
    }
    for (int i = 0; i < 25; i++) {
        size_t used = strlen(expected);
        (void)snprintf(expected + used, sizeof(expected) - used, "%sc%02d", i == 0 ? "" : " ", i);
    }
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        check_list(world, "alice", limits[i], expected);
        check_list(world, "bob", limits[i], expected);
    }
    check_list(world, "carol", 10, "");
}

static void test_a_list_tells_what_is_known_of_each(void **state)
{
    struct world *world = *state;
    struct ask ask;
    world_create(world, "c1", "alice", "bob");
    world_create(world, "c2", "bob", "");
    (void)world_send(world, "c1", "alice", "m1", "x");
    ask_init(&ask);
    ask.list.user = bytes_of("bob");
    ask.list.limit = 10;
    store_list_conversations(world->store, &ask.list);
    assert_int_equal(ask_code(&ask), PARLEY_OK);
    assert_int_equal(ask.list.count, 2);
    const struct store_conversation *first = &ask.list.conversations[0];
    assert_true(bytes_equal(first->title, "A title"));
    assert_true(bytes_equal(first->created_by, "alice"));
    assert_int_equal(first->head_seq, 2);
    assert_int_equal(first->ordinal, 1);
    assert_int_equal(first->member_count, 2);
    assert_int_equal(first->role, STORE_ROLE_MEMBER);
    assert_int_equal(ask.list.conversations[1].role, STORE_ROLE_OWNER);
    ask_release(&ask);
}

static void test_lists_are_there_after_reopening(void **state)
{
    struct world *world = *state;
    if (!world->engine->is_lasting) {
        print_message("memory keeps nothing when it is closed, as it says\n");
        return;
    }
    for (int i = 0; i < 8; i++) {
        char id[16];
        (void)snprintf(id, sizeof(id), "c%d", i);
        world_create(world, id, "alice", "bob carol dave erin");
    }
    assert_int_equal(world_change(world, STORE_MEMBERS_LEFT, "c3", "carol", ""), PARLEY_OK);
    world_reopen(world, NULL);
    check_list(world, "alice", 3, "c0 c1 c2 c3 c4 c5 c6 c7");
    check_list(world, "erin", 3, "c0 c1 c2 c3 c4 c5 c6 c7");
    check_list(world, "carol", 3, "c0 c1 c2 c4 c5 c6 c7");
}

/* Many changes of one user at once: the list ends as the members do. */
static void test_lists_end_as_the_members_do(void **state)
{
    enum {
        ROUNDS = 40
    };
    struct world *world = *state;
    static struct ask asks[ROUNDS];
    const struct store_bytes users[] = {bytes_of("bob"), bytes_of("carol"), bytes_of("dave")};
    world_create(world, "c1", "alice", "");
    for (int i = 0; i < ROUNDS; i++) {
        ask_change(&asks[i], world->store, i % 2 == 0 ? STORE_MEMBERS_ADDED : STORE_MEMBERS_REMOVED,
                   "c1", "alice", users, i == ROUNDS - 1 ? 2 : 3);
    }
    for (int i = 0; i < ROUNDS; i++) {
        assert_int_equal(ask_code(&asks[i]), PARLEY_OK);
        ask_release(&asks[i]);
    }
    check_list(world, "bob", 10, "");
    check_list(world, "carol", 10, "");
    check_list(world, "dave", 10, "c1");
    assert_int_equal(world_check_log(world, "c1"), 1 + ROUNDS);
}

static void test_a_thousand_members_have_it_in_their_lists(void **state)
{
    struct world *world = *state;
    static char names[STORE_MEMBERS_MAX][16];
    static struct store_bytes users[STORE_MEMBERS_MAX];
    struct ask ask;
    for (size_t i = 0; i < STORE_MEMBERS_MAX; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "user-%zu", i);
        users[i] = bytes_of(names[i]);
    }
    ask_create(&ask, world->store, "c1", "alice", users, STORE_MEMBERS_MAX);
    assert_int_equal(ask_code(&ask), PARLEY_OK);
    assert_int_equal(ask.create.conversation.member_count, STORE_MEMBERS_MAX + 1);
    ask_release(&ask);
    for (size_t i = 0; i < STORE_MEMBERS_MAX; i += 37) {
        check_list(world, names[i], 10, "c1");
    }
    ask_change(&ask, world->store, STORE_MEMBERS_REMOVED, "c1", "alice", users, STORE_MEMBERS_MAX);
    assert_int_equal(ask_code(&ask), PARLEY_OK);
    ask_release(&ask);
    for (size_t i = 0; i < STORE_MEMBERS_MAX; i += 37) {
        check_list(world, names[i], 10, "");
    }
    check_list(world, "alice", 10, "c1");
}

int lists_tests(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_a_list_shows_a_change_at_once),
        STORE_TEST(test_pages_join_in_the_order_of_the_ids),
        STORE_TEST(test_a_list_tells_what_is_known_of_each),
        STORE_TEST(test_lists_are_there_after_reopening),
        STORE_TEST(test_lists_end_as_the_members_do),
        STORE_TEST(test_a_thousand_members_have_it_in_their_lists),
    };
    return cmocka_run_group_tests_name("lists", tests, NULL, NULL);
}
