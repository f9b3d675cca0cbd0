/* SPDX-License-Identifier: Apache-2.0 */
/* The limits of the port: what is at the limit is taken, what is beyond it is refused with the name
 * of the field. */
#include "world.h"

#include <stdlib.h>
#include <string.h>

#define LONG_ID "0123456789012345678901234567890123456789012345678901234567890123" /* 64 */

static void expect_field(struct ask *ask, const char *field)
{
    assert_int_equal(ask_code(ask), PARLEY_INVALID_ARGUMENT);
    assert_string_equal(ask->request.error.field, field);
    assert_true(strlen(ask->request.error.text) > 0);
    ask_release(ask);
}

static const struct {
    const char *conversation;
    const char *sender;
    const char *id;
    const char *field;
} sends[] = {
    {"", "alice", "m1", "conversation_id"},
    {"c 1", "alice", "m1", "conversation_id"},
    {"c/1", "alice", "m1", "conversation_id"},
    {"c1\n", "alice", "m1", "conversation_id"},
    {"\xc3\xa4", "alice", "m1", "conversation_id"},
    {LONG_ID "x", "alice", "m1", "conversation_id"},
    {"c1", "", "m1", "sender"},
    {"c1", "al%ice", "m1", "sender"},
    {"c1", "alice", "", "client_message_id"},
    {"c1", "alice", LONG_ID "x", "client_message_id"},
};

static void test_ids_of_a_message(void **state)
{
    struct world *world = *state;
    struct ask ask;
    world_create(world, "c1", "alice", "");
    for (size_t i = 0; i < sizeof(sends) / sizeof(sends[0]); i++) {
        ask_append(&ask, world->store, sends[i].conversation, sends[i].sender, sends[i].id,
                   bytes_of("x"));
        expect_field(&ask, sends[i].field);
    }
    assert_int_equal(world_check_log(world, "c1"), 1);
}

static void test_ids_may_have_64_bytes_of_their_alphabet(void **state)
{
    struct world *world = *state;
    world_create(world, LONG_ID, "az.AZ_09~:-", "");
    assert_int_equal(world_send(world, LONG_ID, "az.AZ_09~:-", LONG_ID, "x"), 2);
    char list[128];
    world_list(world, "az.AZ_09~:-", 1, list, sizeof(list));
    assert_string_equal(list, LONG_ID);
}

static void test_sizes_of_a_message(void **state)
{
    struct world *world = *state;
    struct ask ask;
    char *bytes = malloc(STORE_BODY_MAX + 1);
    assert_non_null(bytes);
    memset(bytes, 'x', STORE_BODY_MAX + 1);
    world_create(world, "c1", "alice", "");
    ask_append(&ask, world->store, "c1", "alice", "m1",
               (struct store_bytes){bytes, STORE_BODY_MAX});
    assert_int_equal(ask_code(&ask), PARLEY_OK);
    ask_release(&ask);
    ask_append(&ask, world->store, "c1", "alice", "m2",
               (struct store_bytes){bytes, STORE_BODY_MAX + 1});
    expect_field(&ask, "body");
    for (size_t len = STORE_CONTENT_TYPE_MAX; len <= STORE_CONTENT_TYPE_MAX + 1; len++) {
        ask_init(&ask);
        ask.append.conversation_id = bytes_of("c1");
        ask.append.sender = bytes_of("alice");
        ask.append.client_message_id = bytes_of("m3");
        ask.append.content_type = (struct store_bytes){bytes, len};
        store_append(world->store, &ask.append);
        if (len > STORE_CONTENT_TYPE_MAX) {
            expect_field(&ask, "content_type");
        } else {
            assert_int_equal(ask_code(&ask), PARLEY_OK);
            ask_release(&ask);
        }
    }
    assert_int_equal(world_check_log(world, "c1"), 3);
    free(bytes);
}

static void create_titled(struct world *world, struct ask *ask, const char *id, const char *title,
                          size_t len)
{
    ask_init(ask);
    ask->create.conversation_id = bytes_of(id);
    ask->create.creator = bytes_of("alice");
    ask->create.title = (struct store_bytes){title, len};
    store_create(world->store, &ask->create);
}

static void test_titles(void **state)
{
    struct world *world = *state;
    struct ask ask;
    char title[STORE_TITLE_MAX + 1];
    memset(title, 't', sizeof(title));
    create_titled(world, &ask, "c1", title, STORE_TITLE_MAX);
    assert_int_equal(ask_code(&ask), PARLEY_OK);
    ask_release(&ask);
    create_titled(world, &ask, "c2", title, STORE_TITLE_MAX + 1);
    expect_field(&ask, "title");
    create_titled(world, &ask, "c2", "no \xff UTF-8", 10);
    expect_field(&ask, "title");
    create_titled(world, &ask, "c2", NULL, 0);
    assert_int_equal(ask_code(&ask), PARLEY_OK);
    assert_true(ask.create.created);
    ask_release(&ask);
}

static void test_members(void **state)
{
    struct world *world = *state;
    struct ask ask;
    struct store_bytes *users = calloc(STORE_MEMBERS_MAX + 1, sizeof(*users));
    assert_non_null(users);
    for (size_t i = 0; i <= STORE_MEMBERS_MAX; i++) {
        users[i] = bytes_of("bob");
    }
    ask_create(&ask, world->store, "c1", "alice", users, STORE_MEMBERS_MAX + 1);
    expect_field(&ask, "members");
    ask_create(&ask, world->store, "c1", "alice", users, STORE_MEMBERS_MAX);
    assert_int_equal(ask_code(&ask), PARLEY_OK);
    ask_release(&ask);
    ask_change(&ask, world->store, STORE_MEMBERS_ADDED, "c1", "alice", users,
               STORE_MEMBERS_MAX + 1);
    expect_field(&ask, "users");
    ask_change(&ask, world->store, STORE_MEMBERS_ADDED, "c1", "alice", users, STORE_MEMBERS_MAX);
    assert_int_equal(ask_code(&ask), PARLEY_OK);
    ask_release(&ask);
    users[7] = bytes_of("not an id");
    ask_create(&ask, world->store, "c2", "alice", users, 10);
    expect_field(&ask, "members");
    ask_change(&ask, world->store, STORE_MEMBERS_REMOVED, "c1", "alice", users, 10);
    expect_field(&ask, "users");
    ask_create(&ask, world->store, "c2", "", NULL, 0);
    expect_field(&ask, "creator");
    ask_create(&ask, world->store, "", "alice", NULL, 0);
    expect_field(&ask, "conversation_id");
    free(users);
}

static const struct {
    enum store_kind kind;
    const char *actor;
    size_t user_count;
    enum store_role role;
    const char *field;
} changes[] = {
    {STORE_MEMBERS_ADDED, "alice", 1, STORE_ROLE_NONE, "role"},
    {STORE_MEMBERS_ADDED, "alice", 1, (enum store_role)3, "role"},
    {STORE_MESSAGE, "alice", 1, STORE_ROLE_MEMBER, "kind"},
    {STORE_MEMBERS_CREATED, "alice", 1, STORE_ROLE_MEMBER, "kind"},
    {(enum store_kind)0, "alice", 1, STORE_ROLE_MEMBER, "kind"},
    {STORE_MEMBERS_LEFT, "alice", 1, STORE_ROLE_NONE, "users"},
    {STORE_MEMBERS_ADDED, "", 1, STORE_ROLE_MEMBER, "actor"},
};

static void test_changes_of_members(void **state)
{
    struct world *world = *state;
    const struct store_bytes bob = bytes_of("bob");
    world_create(world, "c1", "alice", "");
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        struct ask ask;
        ask_init(&ask);
        ask.change.kind = changes[i].kind;
        ask.change.conversation_id = bytes_of("c1");
        ask.change.actor = bytes_of(changes[i].actor);
        ask.change.users = &bob;
        ask.change.user_count = changes[i].user_count;
        ask.change.role = changes[i].role;
        store_change_members(world->store, &ask.change);
        expect_field(&ask, changes[i].field);
    }
    assert_int_equal(world_check_log(world, "c1"), 1);
}

static void read_with(struct world *world, const char *conversation, const char *user,
                      int64_t from_seq, size_t limit, const char *field)
{
    struct ask ask;
    ask_init(&ask);
    ask.read.conversation_id = bytes_of(conversation);
    ask.read.user = bytes_of(user);
    ask.read.from_seq = from_seq;
    ask.read.limit = limit;
    store_read(world->store, &ask.read);
    expect_field(&ask, field);
}

static void test_reads(void **state)
{
    struct world *world = *state;
    struct ask ask;
    world_create(world, "c1", "alice", "");
    read_with(world, "", "alice", 1, 1, "conversation_id");
    read_with(world, "c1", "al ice", 1, 1, "user");
    read_with(world, "c1", "alice", -1, 1, "from_seq");
    read_with(world, "c1", "alice", 1, 0, "limit");
    ask_init(&ask);
    ask.get.conversation_id = bytes_of("c 1");
    store_get(world->store, &ask.get);
    expect_field(&ask, "conversation_id");
    ask_init(&ask);
    ask.list.limit = 1;
    store_list_conversations(world->store, &ask.list);
    expect_field(&ask, "user");
    ask_init(&ask);
    ask.list.user = bytes_of("alice");
    store_list_conversations(world->store, &ask.list);
    expect_field(&ask, "limit");
    ask_init(&ask);
    ask.members.conversation_id = bytes_of("c1");
    ask.members.after = bytes_of("?");
    ask.members.limit = 1;
    store_list_members(world->store, &ask.members);
    expect_field(&ask, "after");
}

int limits_tests(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_ids_of_a_message),
        STORE_TEST(test_ids_may_have_64_bytes_of_their_alphabet),
        STORE_TEST(test_sizes_of_a_message),
        STORE_TEST(test_titles),
        STORE_TEST(test_members),
        STORE_TEST(test_changes_of_members),
        STORE_TEST(test_reads),
    };
    return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
