/* SPDX-License-Identifier: Apache-2.0 */
/* One stream in one conversation: from its cursor on, every event once and in order.
 *
 *                 ┌──────────── no room, or a hole ─────────────┐
 *                 v                                             │
 *   new ──> WAITING ──a turn──> READING ──page──> WAITING ──> LIVE
 *              ^                   │         (nothing newer is known, or the rest is in the tail)
 *              └──after a while── DELAYED <──the store failed
 *
 * The step to LIVE is safe when the log was read up to next_seq after the interest was told, and
 * nothing that came to this loop since is newer (room->last_seq): what was committed later still
 * comes by mail. If something newer did come, the tail has it or the log is read once more.
 * Nothing is repeated since a LIVE follow skips what is before next_seq. @thread loop */
#include "fanout/hub_impl.h"

#include "base/mem.h"

#include <string.h>

static const bool is_move_allowed[FOLLOW_STATES][FOLLOW_STATES] = {
    [FOLLOW_WAITING] = {[FOLLOW_READING] = true, [FOLLOW_LIVE] = true},
    [FOLLOW_READING] = {[FOLLOW_WAITING] = true, [FOLLOW_DELAYED] = true},
    [FOLLOW_DELAYED] = {[FOLLOW_WAITING] = true},
    [FOLLOW_LIVE] = {[FOLLOW_WAITING] = true},
};

static void link_to_stream(struct follow *follow)
{
    struct hub_stream *stream = follow->stream;
    if (follow->state == FOLLOW_WAITING) {
        pl_list_push(&stream->waiting, &follow->stream_node);
    } else if (follow->state == FOLLOW_DELAYED) {
        pl_list_push(&stream->delayed, &follow->stream_node);
    }
}

void follow_set_state(struct follow *follow, enum follow_state state)
{
    if (!is_move_allowed[follow->state][state]) {
        struct pl_error err = PL_ERROR_INIT;
        pl_fail(&err, PARLEY_INTERNAL, "a follow cannot go from state %d to %d", follow->state,
                state);
        stream_fail(follow->stream, &err);
        return;
    }
    bool was_live = follow->state == FOLLOW_LIVE;
    follow->state = state;
    pl_list_remove(&follow->stream_node);
    link_to_stream(follow);
    if (was_live != (state == FOLLOW_LIVE)) {
        struct room *room = follow->room;
        pl_list_remove(&follow->room_node);
        pl_list_push(was_live ? &room->behind : &room->live, &follow->room_node);
        room_trim(room);
    }
}

/* ---- LIVE ---- */

static bool send_from(struct follow *follow, struct batch *batch)
{
    struct hub_stream *stream = follow->stream;
    size_t index = (size_t)(follow->next_seq - batch->first_seq);
    follow->next_seq = batch_last_seq(batch) + 1;
    return stream_sent(stream,
                       stream->events->send(stream->owner, batch->frames, batch->offsets[index]));
}

void follow_push(struct follow *follow, struct batch *batch)
{
    struct hub_stream *stream = follow->stream;
    if (follow->next_seq > batch_last_seq(batch)) {
        return;
    }
    if (follow->next_seq < batch->first_seq) {
        follow->is_stale = true;
        follow_set_state(follow, FOLLOW_WAITING);
        stream_pump(stream);
    } else if (!stream_may_send(stream)) {
        pl_metric_add(&hub_metric_fell_behind, 1);
        follow_set_state(follow, FOLLOW_WAITING);
    } else {
        pl_metric_add(&hub_metric_delivered, batch_last_seq(batch) + 1 - follow->next_seq);
        (void)send_from(follow, batch);
    }
}

/* ---- CATCH-UP ---- */

static void go_live(struct follow *follow)
{
    struct hub_stream *stream = follow->stream;
    follow_set_state(follow, FOLLOW_LIVE);
    if (!follow->is_announced) {
        follow->is_announced = true;
        (void)stream_sent(stream, stream->events->on_caught_up(stream->owner, follow->room->id,
                                                               follow->next_seq - 1));
    }
}

static void send_tail(struct follow *follow)
{
    struct batch *batch = room_find(follow->room, follow->next_seq);
    while (batch != NULL && stream_may_send(follow->stream)) {
        (void)send_from(follow, batch);
        batch = room_find(follow->room, follow->next_seq);
    }
}

void follow_advance(struct follow *follow)
{
    if (follow->was_read && !follow->is_stale) {
        send_tail(follow);
        if (!stream_may_send(follow->stream)) {
            return;
        }
        if (follow->next_seq > follow->room->last_seq) {
            go_live(follow);
            return;
        }
    }
    if (page_read(follow) != 0) {
        struct pl_error err = PL_ERROR_INIT;
        pl_fail(&err, PARLEY_UNAVAILABLE, "no memory to read the log");
        stream_fail(follow->stream, &err);
    }
}

/* ---- life ---- */

/* One client must not make the server grow, nor take from others what there is for all. */
static bool has_room(const struct hub_stream *stream)
{
    const struct lane *lane = stream->lane;
    return lane->follows < lane->hub->follows_max &&
           stream->reader->follows < lane->hub->follows_per_user_max;
}

static void count(const struct hub_stream *stream, int change)
{
    stream->lane->follows += (size_t)change;
    stream->reader->follows += (size_t)change;
    pl_metric_add(&hub_metric_follows, change);
}

static int enter(struct follow *follow, const char *id, int64_t known_seq)
{
    struct hub_stream *stream = follow->stream;
    size_t id_len = strlen(id);
    follow->room = room_enter(stream->lane, id, id_len);
    if (follow->room == NULL) {
        return -1;
    }
    if (known_seq > follow->room->head_seq) {
        follow->room->head_seq = known_seq;
    }
    pl_list_push(&follow->room->behind, &follow->room_node);
    if (pl_map_put(stream->follows, id, id_len, follow, NULL) != 0) {
        pl_list_remove(&follow->room_node);
        room_release(follow->room);
        return -1;
    }
    return 0;
}

int follow_new(struct hub_stream *stream, const char *id, int64_t after_seq, int64_t known_seq)
{
    if (pl_map_find(stream->follows, id, strlen(id)) != NULL) {
        return 0;
    }
    struct follow *follow = has_room(stream) ? pl_calloc(1, sizeof(*follow)) : NULL;
    if (follow == NULL) {
        return -1;
    }
    follow->stream = stream;
    follow->next_seq = after_seq + 1;
    if (enter(follow, id, known_seq) != 0) {
        pl_free(follow);
        return -1;
    }
    count(stream, 1);
    link_to_stream(follow);
    stream_pump(stream);
    return 0;
}

void follow_leave(struct follow *follow)
{
    struct room *room = follow->room;
    page_abandon(follow->page);
    pl_list_remove(&follow->stream_node);
    pl_list_remove(&follow->room_node);
    count(follow->stream, -1);
    pl_free(follow);
    room_trim(room);
    room_release(room);
}

void follow_remove(struct follow *follow)
{
    struct hub_stream *stream = follow->stream;
    struct room *room = follow->room;
    char id[PL_ID_MAX + 1];
    memcpy(id, room->id, sizeof(id));
    (void)pl_map_take(stream->follows, room->id, room->id_len);
    follow_leave(follow);
    (void)stream_sent(stream, stream->events->on_removed(stream->owner, id));
    stream_pump(stream); /* it may have had the turn that others wait for */
}
