/* SPDX-License-Identifier: Apache-2.0 */
/* Creating conversations, once, and what is known of them. */
#include "world.h"

#include <stdio.h>

#include <string.h>

static void check_conversation(const struct store_conversation *conversation, const char *id,
                               const char *creator, int64_t members)
{
    assert_true(bytes_equal(conversation->id, id));
    assert_true(bytes_equal(conversation->title, "A title"));
    assert_true(bytes_equal(conversation->created_by, creator));
    assert_true(conversation->created_at_ms > 0);
    assert_int_equal(conversation->member_count, members);
}

static void test_a_conversation_begins_with_its_creation(void **state)
{
    struct world *world = *state;
    struct ask ask;
    const struct store_bytes members[] = {bytes_of("bob"), bytes_of("carol")};
    ask_create(&ask, world->store, "c1", "alice", members, 2);
    assert_int_equal(ask_code(&ask), PARLEY_OK);
    assert_true(ask.create.created);
    check_conversation(&ask.create.conversation, "c1", "alice", 3);
    assert_int_equal(ask.create.conversation.head_seq, 1);
    assert_int_equal(ask.create.conversation.ordinal, 0);
    assert_int_equal(ask.create.conversation.role, STORE_ROLE_OWNER);
    ask_release(&ask);
    world_read(world, &ask, "c1", 1, 10);
    assert_int_equal(ask.read.event_count, 1);
    const struct store_event *event = &ask.read.events[0];
    assert_int_equal(event->kind, STORE_MEMBERS_CREATED);
    assert_int_equal(event->seq, 1);
    assert_int_equal(event->ordinal, 0);
    assert_true(bytes_equal(event->sender, "alice"));
    assert_int_equal(event->body.len, 16);
    assert_memory_equal(event->body.data, "alice\0bob\0carol", 16);
    assert_int_equal(event->client_message_id.len, 0);
    assert_int_equal(event->content_type.len, 0);
    ask_release(&ask);
}

static void test_creating_again_gives_what_is_there(void **state)
{
    struct world *world = *state;
    struct ask ask;
    const struct store_bytes other = bytes_of("dave");
    world_create(world, "c1", "alice", "bob");
    (void)world_send(world, "c1", "alice", "m1", "x");
    ask_create(&ask, world->store, "c1", "alice", &other, 1);
    assert_int_equal(ask_code(&ask), PARLEY_OK);
    assert_false(ask.create.created);
    check_conversation(&ask.create.conversation, "c1", "alice", 2);
    assert_int_equal(ask.create.conversation.head_seq, 2);
    assert_int_equal(ask.create.conversation.ordinal, 1);
    ask_release(&ask);
    assert_int_equal(world_check_log(world, "c1"), 2);
    assert_int_equal(world_try_send(world, "c1", "dave", "m1"), PARLEY_NOT_FOUND);
}

static void test_the_id_of_another_is_taken(void **state)
{
    struct world *world = *state;
    struct ask ask;
    world_create(world, "c1", "alice", "bob");
    ask_create(&ask, world->store, "c1", "bob", NULL, 0);
    assert_int_equal(ask_code(&ask), PARLEY_ALREADY_EXISTS);
    assert_false(ask.create.created);
    ask_release(&ask);
    assert_int_equal(world_check_log(world, "c1"), 1);
}

static void test_racing_creations_make_one_conversation(void **state)
{
    enum {
        RACERS = 30
    };
    struct world *world = *state;
    struct ask asks[RACERS];
    size_t created = 0;
    size_t refused = 0;
    for (size_t i = 0; i < RACERS; i++) {
        ask_create(&asks[i], world->store, "c1", i % 3 == 2 ? "bob" : "alice", NULL, 0);
    }
    for (size_t i = 0; i < RACERS; i++) {
        enum parley_code code = ask_code(&asks[i]);
        assert_true(code == PARLEY_OK || code == PARLEY_ALREADY_EXISTS);
        created += asks[i].create.created;
        refused += code == PARLEY_ALREADY_EXISTS;
        ask_release(&asks[i]);
    }
    assert_int_equal(created, 1);
    assert_int_equal(refused, RACERS / 3); /* alice was first */
    assert_int_equal(world_check_log(world, "c1"), 1);
}

static void test_members_named_twice_are_members_once(void **state)
{
    struct world *world = *state;
    struct ask ask;
    world_create(world, "c1", "alice", "bob alice bob carol");
    world_get(world, &ask, "c1", "alice");
    assert_int_equal(ask.get.conversation.member_count, 3);
    assert_int_equal(ask.get.conversation.role, STORE_ROLE_OWNER);
    ask_release(&ask);
    world_read(world, &ask, "c1", 1, 1);
    assert_int_equal(ask.read.events[0].body.len, 16);
    assert_memory_equal(ask.read.events[0].body.data, "alice\0bob\0carol", 16);
    ask_release(&ask);
}

static enum parley_code get_as(struct world *world, const char *conversation, const char *user)
{
    struct ask ask;
    ask_init(&ask);
    ask.get.conversation_id = bytes_of(conversation);
    ask.get.user = bytes_of(user);
    store_get(world->store, &ask.get);
    enum parley_code code = ask_code(&ask);
    ask_release(&ask);
    return code;
}

static void test_only_members_know_of_a_conversation(void **state)
{
    struct world *world = *state;
    struct ask ask;
    world_create(world, "c1", "alice", "bob");
    world_get(world, &ask, "c1", "bob");
    check_conversation(&ask.get.conversation, "c1", "alice", 2);
    assert_int_equal(ask.get.conversation.role, STORE_ROLE_MEMBER);
    ask_release(&ask);
    world_get(world, &ask, "c1", "");
    check_conversation(&ask.get.conversation, "c1", "alice", 2);
    assert_int_equal(ask.get.conversation.role, STORE_ROLE_NONE);
    ask_release(&ask);
    assert_int_equal(get_as(world, "c1", "mallory"), PARLEY_NOT_FOUND);
    assert_int_equal(get_as(world, "nowhere", "alice"), PARLEY_NOT_FOUND);
}

static void test_a_title_comes_back_as_it_was(void **state)
{
    struct world *world = *state;
    struct ask ask;
    char title[STORE_TITLE_MAX];
    for (size_t i = 0; i < sizeof(title); i += 4) {
        memcpy(title + i, "\xf0\x9f\x8e\x89", 4);
    }
    ask_init(&ask);
    ask.create.conversation_id = bytes_of("c1");
    ask.create.creator = bytes_of("alice");
    ask.create.title = (struct store_bytes){title, sizeof(title)};
    store_create(world->store, &ask.create);
    assert_int_equal(ask_code(&ask), PARLEY_OK);
    ask_release(&ask);
    world_get(world, &ask, "c1", "alice");
    assert_int_equal(ask.get.conversation.title.len, sizeof(title));
    assert_memory_equal(ask.get.conversation.title.data, title, sizeof(title));
    ask_release(&ask);
}

static void test_heads_of_many_are_told_at_once(void **state)
{
    enum {
        ROOMS = 60
    };
    struct world *world = *state;
    struct ask ask;
    static char names[ROOMS][16];
    struct store_bytes ids[ROOMS + 2];
    for (size_t i = 0; i < ROOMS; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "room-%zu", i);
        ids[i + 1] = bytes_of(names[i]);
        if (i % 10 != 3) {
            world_create(world, names[i], "alice", "");
            world_fill(world, names[i], "alice", "m", i % 4);
        }
    }
    ids[0] = bytes_of("no-such-room");
    ids[ROOMS + 1] = ids[1]; /* twice */
    ask_init(&ask);
    ask.heads.ids = ids;
    ask.heads.count = ROOMS + 2;
    store_heads(world->store, &ask.heads);
    assert_int_equal(ask_code(&ask), PARLEY_OK);
    assert_int_equal(ask.heads.head_seqs[0], 0);
    assert_int_equal(ask.heads.head_seqs[ROOMS + 1], 1);
    for (size_t i = 0; i < ROOMS; i++) {
        assert_int_equal(ask.heads.head_seqs[i + 1], i % 10 == 3 ? 0 : 1 + i % 4);
    }
    ask_release(&ask);
}

static void test_heads_of_too_many_are_refused(void **state)
{
    struct world *world = *state;
    static const size_t counts[] = {0, STORE_HEADS_MAX + 1};
    static struct store_bytes ids[STORE_HEADS_MAX + 1];
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        ids[i] = bytes_of("c1");
    }
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        struct ask ask;
        ask_init(&ask);
        ask.heads.ids = ids;
        ask.heads.count = counts[i];
        store_heads(world->store, &ask.heads);
        assert_int_equal(ask_code(&ask), PARLEY_INVALID_ARGUMENT);
        ask_release(&ask);
    }
}

int conversations_tests(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_a_conversation_begins_with_its_creation),
        STORE_TEST(test_creating_again_gives_what_is_there),
        STORE_TEST(test_the_id_of_another_is_taken),
        STORE_TEST(test_racing_creations_make_one_conversation),
        STORE_TEST(test_members_named_twice_are_members_once),
        STORE_TEST(test_only_members_know_of_a_conversation),
        STORE_TEST(test_a_title_comes_back_as_it_was),
        STORE_TEST(test_heads_of_many_are_told_at_once),
        STORE_TEST(test_heads_of_too_many_are_refused),
    };
    return cmocka_run_group_tests_name("conversations", tests, NULL, NULL);
}
