/* SPDX-License-Identifier: Apache-2.0 */
/* One conversation on one loop: who follows it, and the newest events for those who catch up. */
#include "fanout/hub_impl.h"

#include "base/mem.h"

#include <string.h>

/* ---- the tail ---- */

static void drop_oldest(struct tail *tail, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        tail->bytes -= batch_bytes(tail->batches[i]);
        batch_unref(tail->batches[i]);
    }
    tail->count -= count;
    memmove(tail->batches, tail->batches + count, tail->count * sizeof(struct batch *));
}

static void clear_tail(struct tail *tail)
{
    if (tail->batches != NULL) {
        drop_oldest(tail, tail->count);
        pl_free(tail->batches);
        *tail = (struct tail){0};
    }
}

static bool reserve(struct tail *tail)
{
    if (tail->count < tail->capacity) {
        return true;
    }
    size_t capacity = tail->capacity == 0 ? 8 : tail->capacity * 2;
    struct batch **batches = pl_realloc(tail->batches, capacity * sizeof(struct batch *));
    if (batches == NULL) {
        return false;
    }
    tail->batches = batches;
    tail->capacity = capacity;
    return true;
}

/* Without memory there is no tail, and who catches up reads the log instead. */
static void keep(struct tail *tail, struct batch *batch, size_t max_bytes)
{
    if (tail->count > 0 && batch->first_seq != batch_last_seq(tail->batches[tail->count - 1]) + 1) {
        drop_oldest(tail, tail->count);
    }
    if (!reserve(tail)) {
        clear_tail(tail);
        return;
    }
    tail->batches[tail->count++] = batch_ref(batch);
    tail->bytes += batch_bytes(batch);
    size_t excess = 0;
    size_t bytes = tail->bytes;
    while (bytes > max_bytes && excess + 1 < tail->count) {
        bytes -= batch_bytes(tail->batches[excess++]);
    }
    drop_oldest(tail, excess);
}

struct batch *room_find(const struct room *room, int64_t seq)
{
    const struct tail *tail = &room->tail;
    size_t low = 0;
    size_t high = tail->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (batch_last_seq(tail->batches[middle]) < seq) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    bool is_there = low < tail->count && tail->batches[low]->first_seq <= seq;
    return is_there ? tail->batches[low] : NULL;
}

void room_trim(struct room *room)
{
    if (pl_list_is_empty(&room->behind)) {
        clear_tail(&room->tail);
    }
}

/* ---- life ---- */

struct room *room_enter(struct lane *lane, const char *id, size_t id_len)
{
    struct room *room = pl_map_find(lane->rooms, id, id_len);
    if (room != NULL || id_len > PL_ID_MAX) {
        return room;
    }
    room = pl_calloc(1, sizeof(*room));
    if (room == NULL) {
        return NULL;
    }
    room->lane = lane;
    room->id_len = id_len;
    memcpy(room->id, id, id_len);
    pl_list_init(&room->live);
    pl_list_init(&room->behind);
    if (pl_map_put(lane->rooms, id, id_len, room, NULL) != 0) {
        pl_free(room);
        return NULL;
    }
    if (lane_listen(lane, TOPIC_CONVERSATION, id, id_len) != 0) {
        (void)pl_map_take(lane->rooms, id, id_len);
        pl_free(room);
        return NULL;
    }
    return room;
}

void room_release(struct room *room)
{
    if (room->pins > 0 || !pl_list_is_empty(&room->live) || !pl_list_is_empty(&room->behind)) {
        return;
    }
    struct lane *lane = room->lane;
    lane_unlisten(lane, TOPIC_CONVERSATION, room->id, room->id_len);
    pl_list_remove(&room->suspect_node);
    fetch_abandon(room->fetch);
    (void)pl_map_take(lane->rooms, room->id, room->id_len);
    clear_tail(&room->tail);
    clear_tail(&room->held);
    pl_free(room);
}

/* ---- what comes ---- */

static void remove_gone(struct pl_list *follows, const struct batch *batch)
{
    PL_LIST_FOREACH_SAFE (node, following, follows) {
        struct follow *follow = PL_LIST_ENTRY(node, struct follow, room_node);
        /* Who is further was brought in again since. */
        if (follow->next_seq <= batch_last_seq(batch) + 1 &&
            batch_removes(batch, follow->stream->user)) {
            follow_remove(follow);
        }
    }
}

static bool is_removal(const struct batch *batch)
{
    return batch_is_change(batch) && !batch_adds(batch);
}

void room_deliver(struct room *room, struct batch *batch)
{
    room->pins++;
    PL_LIST_FOREACH_SAFE (node, following, &room->live) {
        follow_push(PL_LIST_ENTRY(node, struct follow, room_node), batch);
    }
    /* What comes late (another node's may) or again changes nothing: who is LIVE has it, who
     * catches up reads it, and the store knows who is a member now. */
    if (batch_last_seq(batch) > room->last_seq) {
        room->last_seq = batch_last_seq(batch);
        if (!pl_list_is_empty(&room->behind)) {
            keep(&room->tail, batch, room->lane->hub->tail_bytes);
        }
        if (is_removal(batch)) {
            remove_gone(&room->live, batch);
            remove_gone(&room->behind, batch);
        }
    }
    room->pins--;
    room_release(room);
}

/* From here on nobody goes LIVE without what is known to be in the log. */
void room_fall_behind(struct room *room, int64_t head_seq)
{
    clear_tail(&room->held);
    room->last_seq = head_seq > room->last_seq ? head_seq : room->last_seq;
    room->pins++;
    PL_LIST_FOREACH_SAFE (node, following, &room->live) {
        struct follow *follow = PL_LIST_ENTRY(node, struct follow, room_node);
        if (follow->next_seq <= head_seq) {
            follow_set_state(follow, FOLLOW_WAITING);
            stream_pump(follow->stream);
        }
    }
    room->pins--;
    room_release(room);
}

/* Of those who are LIVE, the next that some do not have; above `head_seq`: all have all. */
static int64_t find_missing(const struct room *room, int64_t head_seq)
{
    int64_t missing = head_seq + 1;
    PL_LIST_FOREACH (node, &room->live) {
        const struct follow *follow = PL_LIST_ENTRY(node, struct follow, room_node);
        missing = follow->next_seq < missing ? follow->next_seq : missing;
    }
    return missing;
}

/* One who is LIVE reads for itself, as a member; more of them have it read once. */
static bool is_crowd(const struct room *room)
{
    return room->live.next != room->live.prev;
}

void room_on_head(struct room *room, int64_t head_seq)
{
    room->head_seq = head_seq > room->head_seq ? head_seq : room->head_seq;
    if (room->head_seq <= room->last_seq || room->fetch != NULL) {
        return;
    }
    int64_t missing = find_missing(room, room->head_seq);
    bool is_missing = missing <= room->head_seq;
    pl_metric_add(&hub_metric_behind, is_missing ? 1 : 0);
    if (!is_missing || !is_crowd(room) || fetch_start(room, missing) != 0) {
        room_fall_behind(room, room->head_seq);
    }
}

static bool is_hole_before(const struct room *room, const struct batch *batch)
{
    return batch->first_seq > room->last_seq + 1 &&
           find_missing(room, batch->first_seq - 1) < batch->first_seq;
}

void room_receive(struct room *room, struct batch *batch)
{
    if (is_crowd(room) && is_hole_before(room, batch)) {
        keep(&room->held, batch, room->lane->hub->tail_bytes);
        room_on_head(room, batch_last_seq(batch));
    } else {
        room_deliver(room, batch);
    }
}

void room_deliver_held(struct room *room)
{
    struct tail held = room->held;
    room->held = (struct tail){0};
    for (size_t i = 0; i < held.count; i++) {
        room_receive(room, held.batches[i]);
    }
    clear_tail(&held);
}

/* What was told may not be so: only the store knows. */
void room_ask_later(struct room *room)
{
    room->head_seq = 0;
    clear_tail(&room->held);
    sweep_suspect_later(room);
}
