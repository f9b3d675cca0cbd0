/* SPDX-License-Identifier: Apache-2.0 */
/* Who belongs to a conversation, who may change it, and the events that say so. */
#include "world.h"

#include <stdio.h>
#include <string.h>

/* The event that a change made; `users` are separated by blanks; "": no event was made. */
static const struct change {
    const char *name;
    enum store_kind kind;
    const char *actor;
    const char *users;
    enum parley_code code;
    const char *told;
} changes[] = {
    {"an owner adds", STORE_MEMBERS_ADDED, "alice", "carol dave", PARLEY_OK, "carol dave"},
    {"who is there is not added again", STORE_MEMBERS_ADDED, "alice", "carol erin", PARLEY_OK,
     "erin"},
    {"nobody new: no event", STORE_MEMBERS_ADDED, "alice", "carol bob alice", PARLEY_OK, ""},
    {"nobody at all: no event", STORE_MEMBERS_ADDED, "alice", "", PARLEY_OK, ""},
    {"one new, named twice", STORE_MEMBERS_ADDED, "alice", "frank frank", PARLEY_OK, "frank"},
    {"a member may not add", STORE_MEMBERS_ADDED, "bob", "zoe", PARLEY_PERMISSION_DENIED, ""},
    {"a stranger learns nothing", STORE_MEMBERS_ADDED, "mallory", "zoe", PARLEY_NOT_FOUND, ""},
    {"a member may not remove", STORE_MEMBERS_REMOVED, "bob", "carol", PARLEY_PERMISSION_DENIED,
     ""},
    {"a stranger may not remove", STORE_MEMBERS_REMOVED, "mallory", "carol", PARLEY_NOT_FOUND, ""},
    {"an owner removes", STORE_MEMBERS_REMOVED, "alice", "carol zoe", PARLEY_OK, "carol"},
    {"who is not there is not removed", STORE_MEMBERS_REMOVED, "alice", "carol zoe", PARLEY_OK, ""},
    {"a member leaves", STORE_MEMBERS_LEFT, "dave", "", PARLEY_OK, "dave"},
    {"leaving twice is no error", STORE_MEMBERS_LEFT, "dave", "", PARLEY_OK, ""},
    {"a stranger leaves", STORE_MEMBERS_LEFT, "mallory", "", PARLEY_OK, ""},
    {"who left may be added again", STORE_MEMBERS_ADDED, "alice", "dave", PARLEY_OK, "dave"},
};

/* "a b" against "a\0b\0". */
static bool tells(struct store_bytes body, const char *users)
{
    char text[256];
    size_t len = strlen(users) + 1;
    (void)snprintf(text, sizeof(text), "%s", users);
    for (size_t i = 0; i < len; i++) {
        text[i] = (char)(text[i] == ' ' ? '\0' : text[i]);
    }
    return body.len == len && memcmp(body.data, text, len) == 0;
}

static void check_told(struct world *world, const struct change *change, int64_t head)
{
    struct ask ask;
    world_read(world, &ask, "c1", head + 1, 10);
    assert_int_equal(ask.read.event_count, change->told[0] == '\0' ? 0 : 1);
    if (ask.read.event_count > 0) {
        const struct store_event *event = &ask.read.events[0];
        bool is_added = change->kind == STORE_MEMBERS_ADDED;
        assert_int_equal(event->kind, change->kind);
        assert_int_equal(event->role, is_added ? STORE_ROLE_MEMBER : STORE_ROLE_NONE);
        assert_int_equal(event->ordinal, 0);
        assert_true(bytes_equal(event->sender, change->actor));
        assert_true(tells(event->body, change->told));
    }
    ask_release(&ask);
}

static void test_changes_and_their_events(void **state)
{
    struct world *world = *state;
    int64_t head = 1;
    world_create(world, "c1", "alice", "bob");
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        const struct change *change = &changes[i];
        struct store_bytes users[8];
        struct ask ask;
        print_message("  %s\n", change->name);
        ask_change(&ask, world->store, change->kind, "c1", change->actor, users,
                   world_split(change->users, users, 8));
        assert_int_equal(ask_code(&ask), change->code);
        check_told(world, change, head);
        head += change->told[0] != '\0';
        if (change->code == PARLEY_OK) {
            assert_int_equal(ask.change.head_seq, head);
        }
        ask_release(&ask);
    }
    assert_int_equal(world_check_log(world, "c1"), head);
    struct ask get;
    world_get(world, &get, "c1", "alice");
    assert_int_equal(get.get.conversation.member_count, 5); /* alice bob dave erin frank */
    ask_release(&get);
}

static void test_nothing_changes_where_nothing_is(void **state)
{
    struct world *world = *state;
    assert_int_equal(world_change(world, STORE_MEMBERS_ADDED, "c1", "alice", "bob"),
                     PARLEY_NOT_FOUND);
    assert_int_equal(world_change(world, STORE_MEMBERS_REMOVED, "c1", "alice", "bob"),
                     PARLEY_NOT_FOUND);
    assert_int_equal(world_change(world, STORE_MEMBERS_LEFT, "c1", "alice", ""), PARLEY_NOT_FOUND);
}

static enum parley_code add_owner(struct world *world, const char *actor, const char *user)
{
    struct ask ask;
    struct store_bytes users = bytes_of(user);
    ask_init(&ask);
    ask.change.kind = STORE_MEMBERS_ADDED;
    ask.change.conversation_id = bytes_of("c1");
    ask.change.actor = bytes_of(actor);
    ask.change.users = &users;
    ask.change.user_count = 1;
    ask.change.role = STORE_ROLE_OWNER;
    store_change_members(world->store, &ask.change);
    enum parley_code code = ask_code(&ask);
    ask_release(&ask);
    return code;
}

static enum store_role role_of(struct world *world, const char *user)
{
    struct ask ask;
    world_get(world, &ask, "c1", user);
    enum store_role role = ask.get.conversation.role;
    ask_release(&ask);
    return role;
}

static void test_owners_make_owners(void **state)
{
    struct world *world = *state;
    world_create(world, "c1", "alice", "bob");
    assert_int_equal(add_owner(world, "bob", "bob"), PARLEY_PERMISSION_DENIED);
    assert_int_equal(add_owner(world, "alice", "carol"), PARLEY_OK);
    assert_int_equal(role_of(world, "carol"), STORE_ROLE_OWNER);
    /* Adding one who is there changes nothing, the role included. */
    assert_int_equal(add_owner(world, "alice", "bob"), PARLEY_OK);
    assert_int_equal(role_of(world, "bob"), STORE_ROLE_MEMBER);
    assert_int_equal(world_change(world, STORE_MEMBERS_REMOVED, "c1", "carol", "alice"), PARLEY_OK);
    assert_int_equal(world_change(world, STORE_MEMBERS_ADDED, "c1", "alice", "dave"),
                     PARLEY_NOT_FOUND);
    assert_int_equal(world_change(world, STORE_MEMBERS_ADDED, "c1", "carol", "dave"), PARLEY_OK);
    struct ask ask;
    world_read(world, &ask, "c1", 2, 1);
    assert_int_equal(ask.read.events[0].role, STORE_ROLE_OWNER);
    ask_release(&ask);
}

static void test_who_is_removed_sends_no_more(void **state)
{
    struct world *world = *state;
    world_create(world, "c1", "alice", "bob");
    assert_int_equal(world_try_send(world, "c1", "bob", "m1"), PARLEY_OK);
    assert_int_equal(world_change(world, STORE_MEMBERS_REMOVED, "c1", "alice", "bob"), PARLEY_OK);
    assert_int_equal(world_try_send(world, "c1", "bob", "m2"), PARLEY_NOT_FOUND);
    if (world->engine->is_lasting) {
        world_reopen(world, NULL);
        assert_int_equal(world_try_send(world, "c1", "bob", "m2"), PARLEY_NOT_FOUND);
    }
    assert_int_equal(world_change(world, STORE_MEMBERS_ADDED, "c1", "alice", "bob"), PARLEY_OK);
    assert_int_equal(world_try_send(world, "c1", "bob", "m2"), PARLEY_OK);
}

/* One page of the members, checked against "user user ...". Returns has_more. */
static bool check_page(struct world *world, const char *after, size_t limit, const char *expected)
{
    struct ask ask;
    struct store_bytes users[8];
    size_t count = world_split(expected, users, 8);
    ask_init(&ask);
    ask.members.conversation_id = bytes_of("c1");
    ask.members.user = bytes_of("alice");
    ask.members.after = bytes_of(after);
    ask.members.limit = limit;
    store_list_members(world->store, &ask.members);
    assert_int_equal(ask_code(&ask), PARLEY_OK);
    assert_int_equal(ask.members.count, count);
    for (size_t i = 0; i < count; i++) {
        const struct store_member *member = &ask.members.members[i];
        bool is_owner = bytes_equal(member->user_id, "alice");
        assert_int_equal(member->user_id.len, users[i].len);
        assert_memory_equal(member->user_id.data, users[i].data, users[i].len);
        assert_int_equal(member->role, is_owner ? STORE_ROLE_OWNER : STORE_ROLE_MEMBER);
    }
    bool has_more = ask.members.has_more;
    ask_release(&ask);
    return has_more;
}

static void test_members_are_listed_in_pages(void **state)
{
    struct world *world = *state;
    world_create(world, "c1", "alice", "erin bob dave carol");
    assert_true(check_page(world, "", 2, "alice bob"));
    assert_true(check_page(world, "bob", 2, "carol dave"));
    assert_false(check_page(world, "dave", 2, "erin"));
    assert_false(check_page(world, "bob", 3, "carol dave erin"));
    assert_false(check_page(world, "bobby", 100, "carol dave erin"));
    assert_false(check_page(world, "erin", 2, ""));
    assert_false(check_page(world, "", SIZE_MAX, "alice bob carol dave erin"));
}

static void test_only_members_see_the_members(void **state)
{
    struct world *world = *state;
    static const char *const askers[][2] = {{"c1", "mallory"}, {"nowhere", "alice"}};
    world_create(world, "c1", "alice", "");
    for (size_t i = 0; i < 2; i++) {
        struct ask ask;
        ask_init(&ask);
        ask.members.conversation_id = bytes_of(askers[i][0]);
        ask.members.user = bytes_of(askers[i][1]);
        ask.members.limit = 10;
        store_list_members(world->store, &ask.members);
        assert_int_equal(ask_code(&ask), PARLEY_NOT_FOUND);
        ask_release(&ask);
    }
}

int members_tests(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_changes_and_their_events),
        STORE_TEST(test_nothing_changes_where_nothing_is),
        STORE_TEST(test_owners_make_owners),
        STORE_TEST(test_who_is_removed_sends_no_more),
        STORE_TEST(test_members_are_listed_in_pages),
        STORE_TEST(test_only_members_see_the_members),
    };
    return cmocka_run_group_tests_name("members", tests, NULL, NULL);
}
