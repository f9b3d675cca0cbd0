/* SPDX-License-Identifier: Apache-2.0 */
/* One test's store; see world.h. */
#include "world.h"

#include "clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define USERS_MAX 64
#define PAGE      256

const struct engine *world_engine;

int world_setup(void **state)
{
    const struct engine_options defaults = {0};
    struct world *world = calloc(1, sizeof(*world));
    if (world == NULL) {
        return -1;
    }
    *state = world;
    world->engine = world_engine;
    world->place = world_engine->ops->make_place(world_engine);
    if (world->place == NULL) {
        return -1;
    }
    world->store = world_engine->ops->open(world_engine, world->place, &defaults);
    return world->store == NULL ? -1 : 0;
}

int world_teardown(void **state)
{
    struct world *world = *state;
    clock_shift_s(0);
    store_close(world->store);
    world->engine->ops->free_place(world->place);
    free(world);
    return 0;
}

void world_reopen(struct world *world, const struct engine_options *options)
{
    const struct engine_options defaults = {0};
    store_close(world->store);
    world->store = world->engine->ops->open(world->engine, world->place,
                                            options == NULL ? &defaults : options);
    assert_non_null(world->store);
}

size_t world_split(const char *text, struct store_bytes *out, size_t max)
{
    size_t count = 0;
    while (*text != '\0') {
        assert_true(count < max);
        out[count++] = (struct store_bytes){text, strcspn(text, " ")};
        text += strcspn(text, " ");
        text += strspn(text, " ");
    }
    return count;
}

void world_create(struct world *world, const char *conversation, const char *creator,
                  const char *members)
{
    struct ask ask;
    struct store_bytes users[USERS_MAX];
    size_t count = world_split(members, users, USERS_MAX);
    ask_create(&ask, world->store, conversation, creator, users, count);
    assert_int_equal(ask_code(&ask), PARLEY_OK);
    assert_true(ask.create.created);
    ask_release(&ask);
}

enum parley_code world_change(struct world *world, enum store_kind kind, const char *conversation,
                              const char *actor, const char *users)
{
    struct ask ask;
    struct store_bytes list[USERS_MAX];
    size_t count = world_split(users, list, USERS_MAX);
    ask_change(&ask, world->store, kind, conversation, actor, list, count);
    enum parley_code code = ask_code(&ask);
    ask_release(&ask);
    return code;
}

int64_t world_send(struct world *world, const char *conversation, const char *sender,
                   const char *client_message_id, const char *text)
{
    struct ask ask;
    ask_append(&ask, world->store, conversation, sender, client_message_id, bytes_of(text));
    assert_int_equal(ask_code(&ask), PARLEY_OK);
    ask_release(&ask);
    return ask.append.seq;
}

enum parley_code world_try_send(struct world *world, const char *conversation, const char *sender,
                                const char *client_message_id)
{
    struct ask ask;
    ask_append(&ask, world->store, conversation, sender, client_message_id, bytes_of("a try"));
    enum parley_code code = ask_code(&ask);
    ask_release(&ask);
    return code;
}

void world_fill(struct world *world, const char *conversation, const char *sender,
                const char *prefix, size_t count)
{
    struct fill {
        struct ask ask;
        char id[40];
        char text[24];
    };
    struct fill *fills = calloc(count + 1, sizeof(*fills));
    assert_non_null(fills);
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(fills[i].id, sizeof(fills[i].id), "%s%zu", prefix, i);
        (void)snprintf(fills[i].text, sizeof(fills[i].text), "%zu", i);
        ask_append(&fills[i].ask, world->store, conversation, sender, fills[i].id,
                   bytes_of(fills[i].text));
    }
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(ask_code(&fills[i].ask), PARLEY_OK);
        ask_release(&fills[i].ask);
    }
    free(fills);
}

void world_read(struct world *world, struct ask *ask, const char *conversation, int64_t from_seq,
                size_t limit)
{
    ask_init(ask);
    ask->read.conversation_id = bytes_of(conversation);
    ask->read.from_seq = from_seq;
    ask->read.limit = limit;
    ask->read.max_bytes = SIZE_MAX;
    store_read(world->store, &ask->read);
    assert_int_equal(ask_code(ask), PARLEY_OK);
}

int64_t world_check_log(struct world *world, const char *conversation)
{
    struct ask ask;
    int64_t seq = 0;
    int64_t ordinal = 0;
    int64_t time_ms = 0;
    int64_t head = 0;
    do {
        world_read(world, &ask, conversation, seq + 1, PAGE);
        for (size_t i = 0; i < ask.read.event_count; i++) {
            const struct store_event *event = &ask.read.events[i];
            seq++;
            ordinal += event->kind == STORE_MESSAGE;
            assert_int_equal(event->seq, seq);
            assert_int_equal(event->ordinal, ordinal);
            assert_true(event->created_at_ms >= time_ms);
            time_ms = event->created_at_ms;
        }
        head = ask.read.head_seq;
        assert_true(ask.read.event_count > 0 || seq == head);
        ask_release(&ask);
    } while (seq < head);
    return head;
}

void world_get(struct world *world, struct ask *ask, const char *conversation, const char *user)
{
    ask_init(ask);
    ask->get.conversation_id = bytes_of(conversation);
    ask->get.user = bytes_of(user);
    store_get(world->store, &ask->get);
    assert_int_equal(ask_code(ask), PARLEY_OK);
}

/* Returns whether there is another page, which begins after `after`. */
static bool list_page(struct world *world, const char *user, size_t limit, char *after,
                      size_t after_size, char *out, size_t size)
{
    struct ask ask;
    ask_init(&ask);
    ask.list.user = bytes_of(user);
    ask.list.after = bytes_of(after);
    ask.list.limit = limit;
    store_list_conversations(world->store, &ask.list);
    assert_int_equal(ask_code(&ask), PARLEY_OK);
    assert_true(ask.list.count <= limit);
    assert_true(ask.list.count > 0 || !ask.list.has_more);
    for (size_t i = 0; i < ask.list.count; i++) {
        struct store_bytes id = ask.list.conversations[i].id;
        size_t used = strlen(out);
        (void)snprintf(out + used, size - used, "%s%.*s", used == 0 ? "" : " ", (int)id.len,
                       id.data);
        (void)snprintf(after, after_size, "%.*s", (int)id.len, id.data);
    }
    bool has_more = ask.list.has_more;
    ask_release(&ask);
    return has_more;
}

void world_list(struct world *world, const char *user, size_t limit, char *out, size_t size)
{
    char after[65] = "";
    out[0] = '\0';
    while (list_page(world, user, limit, after, sizeof(after), out, size)) {
    }
}
