/* SPDX-License-Identifier: Apache-2.0 */
/* Adding messages: one order, without holes, whoever sends and however many at once. */
#include "world.h"

#include "clock.h"

#include <stdio.h>
#include <string.h>

static void test_first_message_follows_the_creation(void **state)
{
    struct world *world = *state;
    struct ask ask;
    world_create(world, "c1", "alice", "bob");
    ask_append(&ask, world->store, "c1", "bob", "m1", bytes_of("hello"));
    assert_int_equal(ask_code(&ask), PARLEY_OK);
    assert_int_equal(ask.append.seq, 2);
    assert_true(ask.append.created_at_ms > 0);
    assert_false(ask.append.is_duplicate);
    ask_release(&ask);
    world_read(world, &ask, "c1", 2, 1);
    assert_int_equal(ask.read.event_count, 1);
    const struct store_event *event = &ask.read.events[0];
    assert_int_equal(event->kind, STORE_MESSAGE);
    assert_int_equal(event->role, STORE_ROLE_NONE);
    assert_int_equal(event->ordinal, 1);
    assert_true(bytes_equal(event->sender, "bob"));
    assert_true(bytes_equal(event->client_message_id, "m1"));
    assert_true(bytes_equal(event->content_type, "text/plain"));
    assert_true(bytes_equal(event->body, "hello"));
    ask_release(&ask);
}

static void test_only_members_of_a_conversation_that_exists_can_send(void **state)
{
    struct world *world = *state;
    world_create(world, "c1", "alice", "");
    assert_int_equal(world_try_send(world, "nowhere", "alice", "m1"), PARLEY_NOT_FOUND);
    assert_int_equal(world_try_send(world, "c1", "mallory", "m1"), PARLEY_NOT_FOUND);
    assert_int_equal(world_try_send(world, "c1", "Alice", "m1"), PARLEY_NOT_FOUND);
    assert_int_equal(world_try_send(world, "C1", "alice", "m1"), PARLEY_NOT_FOUND);
    /* What was refused has taken no seq. */
    assert_int_equal(world_send(world, "c1", "alice", "m1", "x"), 2);
    assert_int_equal(world_check_log(world, "c1"), 2);
}

#define THREADS       8
#define SENDS         60
#define CONVERSATIONS 3

struct sender {
    struct world *world;
    unsigned index;
    char id[SENDS][16];
    struct ask asks[SENDS];
    bool is_done;
};

/* Keeps several in flight: waits for a third of them at a time. */
static void *send_many(void *argument)
{
    static const char *const names[CONVERSATIONS] = {"c0", "c1", "c2"};
    struct sender *sender = argument;
    sender->is_done = true;
    for (unsigned i = 0; i < SENDS; i++) {
        (void)snprintf(sender->id[i], sizeof(sender->id[i]), "t%u-%u", sender->index, i);
        ask_append(&sender->asks[i], sender->world->store, names[i % CONVERSATIONS], "alice",
                   sender->id[i], bytes_of(sender->id[i]));
        if (i % 20 == 19) {
            sender->is_done = ask_wait(&sender->asks[i]) && sender->is_done;
        }
    }
    return NULL;
}

/* Each message lies where its answer said. */
static void check_sender(struct world *world, struct sender *sender)
{
    int64_t last[CONVERSATIONS] = {0};
    assert_true(sender->is_done);
    for (unsigned i = 0; i < SENDS; i++) {
        struct ask *ask = &sender->asks[i];
        char conversation[8];
        struct ask read;
        (void)snprintf(conversation, sizeof(conversation), "c%u", i % CONVERSATIONS);
        assert_int_equal(ask_code(ask), PARLEY_OK);
        assert_true(ask->append.seq > last[i % CONVERSATIONS]);
        last[i % CONVERSATIONS] = ask->append.seq;
        world_read(world, &read, conversation, ask->append.seq, 1);
        assert_true(bytes_equal(read.read.events[0].client_message_id, sender->id[i]));
        assert_int_equal(read.read.events[0].created_at_ms, ask->append.created_at_ms);
        ask_release(&read);
        ask_release(ask);
    }
}

static void test_many_threads_make_one_log_without_holes(void **state)
{
    static struct sender senders[THREADS];
    struct world *world = *state;
    pthread_t threads[THREADS];
    world_create(world, "c0", "alice", "");
    world_create(world, "c1", "alice", "");
    world_create(world, "c2", "alice", "");
    for (unsigned i = 0; i < THREADS; i++) {
        senders[i].world = world;
        senders[i].index = i;
        assert_int_equal(pthread_create(&threads[i], NULL, send_many, &senders[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        check_sender(world, &senders[i]);
    }
    assert_int_equal(world_check_log(world, "c0"), 1 + THREADS * SENDS / CONVERSATIONS);
    assert_int_equal(world_check_log(world, "c1"), 1 + THREADS * SENDS / CONVERSATIONS);
    assert_int_equal(world_check_log(world, "c2"), 1 + THREADS * SENDS / CONVERSATIONS);
}

static void test_writes_of_a_conversation_commit_in_the_order_of_submission(void **state)
{
    enum {
        COUNT = 500
    };
    static struct ask asks[COUNT];
    static char ids[COUNT][16];
    struct world *world = *state;
    world_create(world, "c1", "alice", "");
    for (size_t i = 0; i < COUNT; i++) {
        (void)snprintf(ids[i], sizeof(ids[i]), "m%zu", i);
        ask_append(&asks[i], world->store, "c1", "alice", ids[i], bytes_of("x"));
    }
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(ask_code(&asks[i]), PARLEY_OK);
        assert_int_equal(asks[i].append.seq, (int64_t)i + 2);
        ask_release(&asks[i]);
    }
}

static void test_sends_and_member_changes_keep_their_order(void **state)
{
    struct world *world = *state;
    struct ask asks[5];
    const struct store_bytes bob = bytes_of("bob");
    world_create(world, "c1", "alice", "");
    ask_append(&asks[0], world->store, "c1", "bob", "m0", bytes_of("too early"));
    ask_change(&asks[1], world->store, STORE_MEMBERS_ADDED, "c1", "alice", &bob, 1);
    ask_append(&asks[2], world->store, "c1", "bob", "m1", bytes_of("hello"));
    ask_change(&asks[3], world->store, STORE_MEMBERS_REMOVED, "c1", "alice", &bob, 1);
    ask_append(&asks[4], world->store, "c1", "bob", "m2", bytes_of("too late"));
    static const enum parley_code codes[] = {PARLEY_NOT_FOUND, PARLEY_OK, PARLEY_OK, PARLEY_OK,
                                             PARLEY_NOT_FOUND};
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(ask_code(&asks[i]), codes[i]);
        ask_release(&asks[i]);
    }
    assert_int_equal(asks[1].change.head_seq, 2);
    assert_int_equal(asks[2].append.seq, 3);
    assert_int_equal(asks[3].change.head_seq, 4);
    assert_int_equal(world_check_log(world, "c1"), 4);
}

static void test_a_read_after_a_write_sees_it(void **state)
{
    struct world *world = *state;
    world_create(world, "c1", "alice", "");
    for (int i = 0; i < 50; i++) {
        char id[16];
        struct ask read;
        (void)snprintf(id, sizeof(id), "m%d", i);
        int64_t seq = world_send(world, "c1", "alice", id, id);
        world_read(world, &read, "c1", seq, 10);
        assert_int_equal(read.read.head_seq, seq);
        assert_int_equal(read.read.event_count, 1);
        assert_true(bytes_equal(read.read.events[0].body, id));
        ask_release(&read);
        world_get(world, &read, "c1", "alice");
        assert_int_equal(read.get.conversation.head_seq, seq);
        ask_release(&read);
    }
}

static int64_t send_timed(struct world *world, const char *id)
{
    struct ask ask;
    ask_append(&ask, world->store, "c1", "alice", id, bytes_of("x"));
    assert_int_equal(ask_code(&ask), PARLEY_OK);
    ask_release(&ask);
    return ask.append.created_at_ms;
}

static void test_time_never_goes_back_though_the_clock_does(void **state)
{
    struct world *world = *state;
    world_create(world, "c1", "alice", "");
    int64_t first = send_timed(world, "m1");
    clock_shift_s(-3600);
    assert_true(send_timed(world, "m2") >= first);
    if (world->engine->is_lasting) {
        world_reopen(world, NULL);
    }
    assert_true(send_timed(world, "m3") >= first);
    assert_int_equal(world_change(world, STORE_MEMBERS_ADDED, "c1", "alice", "bob"), PARLEY_OK);
    clock_shift_s(3600);
    assert_true(send_timed(world, "m4") >= first + 3000 * 1000);
    assert_int_equal(world_check_log(world, "c1"), 6);
}

static void test_the_log_goes_on_after_reopening(void **state)
{
    struct world *world = *state;
    if (!world->engine->is_lasting) {
        print_message("memory keeps nothing when it is closed, as it says\n");
        return;
    }
    world_create(world, "c1", "alice", "bob");
    world_fill(world, "c1", "alice", "m", 20);
    world_reopen(world, NULL);
    assert_int_equal(world_check_log(world, "c1"), 21);
    assert_int_equal(world_send(world, "c1", "bob", "m0", "after"), 22);
    struct ask get;
    world_get(world, &get, "c1", "bob");
    assert_int_equal(get.get.conversation.ordinal, 21);
    assert_int_equal(get.get.conversation.member_count, 2);
    ask_release(&get);
}

int append_tests(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_first_message_follows_the_creation),
        STORE_TEST(test_only_members_of_a_conversation_that_exists_can_send),
        STORE_TEST(test_many_threads_make_one_log_without_holes),
        STORE_TEST(test_writes_of_a_conversation_commit_in_the_order_of_submission),
        STORE_TEST(test_sends_and_member_changes_keep_their_order),
        STORE_TEST(test_a_read_after_a_write_sees_it),
        STORE_TEST(test_time_never_goes_back_though_the_clock_does),
        STORE_TEST(test_the_log_goes_on_after_reopening),
    };
    return cmocka_run_group_tests_name("append", tests, NULL, NULL);
}
