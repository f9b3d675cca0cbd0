/* SPDX-License-Identifier: Apache-2.0 */
/* A hub with its surroundings; see world.h. The frame of an event is its conversation (16 bytes)
 * and its seq (8 bytes). */
#include "world.h"

#include "loop/loop.h"
#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct frame {
    char id[16];
    int64_t seq;
};

static int encode(struct store_bytes id, const struct store_event *event, struct pl_buf **frames)
{
    struct frame frame = {.seq = event->seq};
    (void)snprintf(frame.id, sizeof(frame.id), "%.*s", (int)id.len, id.data);
    return pl_buf_append(frames, &frame, sizeof(frame));
}

void world_open(struct world *world, struct script_store *origin, struct bus *bus)
{
    world->store = malloc(sizeof(*world->store));
    assert_non_null(world->store);
    script_store_init(world->store);
    if (origin != NULL) {
        script_store_share(world->store, origin);
    }
    assert_int_equal(loops_new(WORLD_LOOPS, &world->loops, NULL), PARLEY_OK);
    const struct hub_options options = {.store = &world->store->base,
                                        .loops = world->loops,
                                        .encode = encode,
                                        .page_events = 10,
                                        .tail_bytes = 4096,
                                        .bus = bus,
                                        .is_shared = origin != NULL,
                                        .follows_max = world->follows_max,
                                        .follows_per_user_max = world->follows_per_user_max,
                                        .poll_ms = 50,
                                        .sweep_ms = 3600000};
    assert_int_equal(hub_new(&options, &world->hub, NULL), PARLEY_OK);
}

void world_close(struct world *world)
{
    hub_free(world->hub);
    loops_free(world->loops);
    free(world->store);
}

int world_setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    assert_non_null(world);
    world_open(world, NULL, NULL);
    *state = world;
    return 0;
}

int world_teardown(void **state)
{
    struct world *world = *state;
    world_settle(world);
    world_close(world);
    free(world);
    return 0;
}

/* A turn delivers what was posted before it; what that posts is delivered by the next. */
void world_turn(struct world *world)
{
    for (unsigned turn = 0; turn < 4; turn++) {
        for (unsigned i = 0; i < WORLD_LOOPS; i++) {
            pl_loop_turn(loops_get(world->loops, i));
        }
    }
}

void world_settle(struct world *world)
{
    do {
        script_store_serve_all(world->store);
        world_turn(world);
    } while (world->store->queued_count + world->store->ready_count > 0);
}

/* ---- listeners ---- */

struct heard *listener_find(struct listener *listener, const char *id)
{
    for (size_t i = 0; i < listener->heard_count; i++) {
        if (strcmp(listener->heard[i].id, id) == 0) {
            return &listener->heard[i];
        }
    }
    return NULL;
}

static struct heard *find_or_add(struct listener *listener, const char *id, int64_t seq)
{
    struct heard *heard = listener_find(listener, id);
    if (heard == NULL) {
        assert_true(listener->heard_count < SCRIPT_LOGS);
        heard = &listener->heard[listener->heard_count++];
        *heard = (struct heard){.seq = seq, .is_new = true};
        (void)snprintf(heard->id, sizeof(heard->id), "%s", id);
    }
    return heard;
}

static int answer(struct listener *listener)
{
    if (listener->is_gone) {
        return -1;
    }
    listener->sends++;
    if (listener->room != LISTENER_ENDLESS && (listener->room == 0 || --listener->room == 0)) {
        listener->is_full = true;
    }
    return listener->is_full ? 1 : 0;
}

static int on_send(void *owner, struct pl_buf *frames, size_t offset)
{
    struct listener *listener = owner;
    assert_false(listener->is_full); /* it was asked to stop */
    assert_true(offset < frames->len && (frames->len - offset) % sizeof(struct frame) == 0);
    for (size_t at = offset; !listener->is_gone && at < frames->len; at += sizeof(struct frame)) {
        struct frame frame;
        memcpy(&frame, frames->data + at, sizeof(frame));
        struct heard *heard = find_or_add(listener, frame.id, frame.seq - 1);
        assert_false(heard->is_removed);
        assert_int_equal(frame.seq, heard->seq + 1);
        heard->seq = frame.seq;
        listener->first_seq = listener->first_seq == 0 ? frame.seq : listener->first_seq;
    }
    return answer(listener);
}

static int on_caught_up(void *owner, const char *id, int64_t seq)
{
    struct heard *heard = find_or_add(owner, id, seq);
    assert_int_equal(seq, heard->seq);
    heard->caught_up_seq = seq;
    heard->caught_up_count++;
    return answer(owner);
}

static int on_truncated(void *owner, const char *id, int64_t first_seq)
{
    struct heard *heard = find_or_add(owner, id, 0);
    assert_true(first_seq > heard->seq + 1);
    heard->first_seq = first_seq;
    heard->seq = first_seq - 1;
    return answer(owner);
}

static int on_removed(void *owner, const char *id)
{
    struct heard *heard = find_or_add(owner, id, 0);
    assert_false(heard->is_removed);
    heard->is_removed = true;
    return answer(owner);
}

static void on_failed(void *owner, const struct pl_error *err)
{
    struct listener *listener = owner;
    assert_int_equal(listener->failed, PARLEY_OK);
    listener->failed = err->code;
}

static const struct hub_stream_events events = {.send = on_send,
                                                .on_caught_up = on_caught_up,
                                                .on_truncated = on_truncated,
                                                .on_removed = on_removed,
                                                .on_failed = on_failed};

void listener_open(struct world *world, struct listener *listener, unsigned loop, const char *user)
{
    memset(listener, 0, sizeof(*listener));
    listener->room = LISTENER_ENDLESS;
    listener->stream = hub_stream_open(world->hub, loop, user, &events, listener);
    assert_non_null(listener->stream);
}

void listener_follow(struct listener *listener, const char *id, int64_t after_seq)
{
    struct heard *heard = find_or_add(listener, id, after_seq);
    heard->seq = after_seq;
    heard->is_removed = false;
    heard->is_new = false;
    assert_int_equal(hub_stream_follow(listener->stream, id, after_seq), 0);
}

void listener_drain(struct listener *listener, size_t room)
{
    bool was_full = listener->is_full;
    listener->room = room;
    listener->is_full = false;
    if (was_full) {
        hub_stream_writable(listener->stream);
    }
}

void listener_close(struct listener *listener)
{
    hub_stream_close(listener->stream);
    listener->stream = NULL;
}
