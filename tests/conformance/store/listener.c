/* SPDX-License-Identifier: Apache-2.0 */
/* Whoever listens is told of each event once, in order, before the answer goes out. */
#include "world.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define CONVERSATIONS 4
#define SENDS         400

/* What was told of each conversation "c0".."c3". */
struct told {
    atomic_llong head[CONVERSATIONS];
    atomic_llong messages[CONVERSATIONS];
    atomic_bool has_gap;       /* a seq was left out, repeated or out of order */
    atomic_bool is_incomplete; /* an event lacked something */
    atomic_bool is_late;       /* an answer came before its event was told */
};

static void note_event(struct told *told, unsigned index, const struct store_event *event)
{
    if (event->seq != atomic_load(&told->head[index]) + 1) {
        atomic_store(&told->has_gap, true);
    }
    atomic_store(&told->head[index], event->seq);
    if (event->kind == STORE_MESSAGE) {
        bool is_whole = event->ordinal == atomic_fetch_add(&told->messages[index], 1) + 1 &&
                        event->client_message_id.len > 0 && event->created_at_ms > 0 &&
                        bytes_equal(event->sender, "alice") &&
                        bytes_equal(event->content_type, "text/plain") &&
                        bytes_equal(event->body, "a body");
        if (!is_whole) {
            atomic_store(&told->is_incomplete, true);
        }
    } else if (event->body.len == 0) {
        atomic_store(&told->is_incomplete, true);
    }
}

static void on_commit(void *context, const struct store_commit *commits, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        unsigned index = (unsigned)(commits[i].conversation_id.data[1] - '0');
        for (size_t j = 0; j < commits[i].event_count; j++) {
            note_event(context, index, &commits[i].events[j]);
        }
    }
}

static void check_in_time(struct ask *ask)
{
    struct told *told = ask->context;
    unsigned index = (unsigned)(ask->append.conversation_id.data[1] - '0');
    if (ask->append.seq > atomic_load(&told->head[index])) {
        atomic_store(&told->is_late, true);
    }
}

static void start_listening(struct world *world, struct told *told)
{
    const struct store_listener listener = {on_commit, told};
    world_reopen(world, NULL);
    store_set_listener(world->store, &listener);
    for (int i = 0; i < CONVERSATIONS; i++) {
        char id[8];
        (void)snprintf(id, sizeof(id), "c%d", i);
        world_create(world, id, "alice", "bob");
    }
}

static void send_watched(struct world *world, struct told *told, struct ask *ask,
                         const char *conversation, const char *id)
{
    ask_init(ask);
    ask->then = check_in_time;
    ask->context = told;
    ask->append.conversation_id = bytes_of(conversation);
    ask->append.sender = bytes_of("alice");
    ask->append.client_message_id = bytes_of(id);
    ask->append.content_type = bytes_of("text/plain");
    ask->append.body = bytes_of("a body");
    store_append(world->store, &ask->append);
}

static void test_each_event_is_told_once_in_order_before_its_answer(void **state)
{
    struct world *world = *state;
    static struct told told;
    static struct ask asks[SENDS];
    static char ids[SENDS][16];
    static const char *const names[] = {"c0", "c1", "c2", "c3"};
    memset(&told, 0, sizeof(told));
    start_listening(world, &told);
    for (size_t i = 0; i < SENDS; i++) {
        (void)snprintf(ids[i], sizeof(ids[i]), "m%zu", i);
        send_watched(world, &told, &asks[i], names[i % CONVERSATIONS], ids[i]);
    }
    for (size_t i = 0; i < SENDS; i++) {
        assert_int_equal(ask_code(&asks[i]), PARLEY_OK);
        ask_release(&asks[i]);
    }
    assert_false(atomic_load(&told.has_gap));
    assert_false(atomic_load(&told.is_incomplete));
    assert_false(atomic_load(&told.is_late));
    for (size_t i = 0; i < CONVERSATIONS; i++) {
        assert_int_equal(atomic_load(&told.head[i]), 1 + SENDS / CONVERSATIONS);
    }
}

static void test_repeats_and_refusals_are_not_told(void **state)
{
    struct world *world = *state;
    static struct told told;
    struct ask ask;
    memset(&told, 0, sizeof(told));
    start_listening(world, &told);
    for (int i = 0; i < 3; i++) {
        send_watched(world, &told, &ask, "c0", "same");
        assert_int_equal(ask_code(&ask), PARLEY_OK);
        ask_release(&ask);
        assert_int_equal(atomic_load(&told.head[0]), 2);
    }
    assert_int_equal(world_try_send(world, "c0", "mallory", "m1"), PARLEY_NOT_FOUND);
    assert_int_equal(world_change(world, STORE_MEMBERS_ADDED, "c0", "alice", "bob"), PARLEY_OK);
    assert_int_equal(atomic_load(&told.head[0]), 2);
    assert_int_equal(world_change(world, STORE_MEMBERS_ADDED, "c0", "alice", "carol"), PARLEY_OK);
    assert_int_equal(atomic_load(&told.head[0]), 3);
    assert_false(atomic_load(&told.has_gap));
    assert_false(atomic_load(&told.is_incomplete));
}

int listener_tests(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_each_event_is_told_once_in_order_before_its_answer),
        STORE_TEST(test_repeats_and_refusals_are_not_told),
    };
    return cmocka_run_group_tests_name("listener", tests, NULL, NULL);
}
