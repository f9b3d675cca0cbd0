/* SPDX-License-Identifier: Apache-2.0 */
/* One loop's part of the hub: what comes to it by mail, and what it tries again later. */
#include "fanout/hub_impl.h"

#include "base/mem.h"
#include "core/loops.h"

static void on_retry(struct pl_loop *loop, struct pl_timer *timer)
{
    struct lane *lane = PL_CONTAINER_OF(timer, struct lane, retry);
    struct pl_list due;
    (void)loop;
    pl_list_init(&due);
    pl_list_splice(&due, &lane->delayed);
    for (struct pl_list *node = pl_list_pop(&due); node != NULL; node = pl_list_pop(&due)) {
        stream_retry(PL_LIST_ENTRY(node, struct hub_stream, lane_node));
    }
}

void lane_delay(struct lane *lane, struct hub_stream *stream)
{
    if (!pl_list_is_linked(&stream->lane_node)) {
        pl_list_push(&lane->delayed, &stream->lane_node);
    }
    if (!pl_timer_is_running(&lane->retry) &&
        pl_timer_start(lane->loop, &lane->retry, HUB_RETRY_MS) != 0) {
        struct pl_error err = PL_ERROR_INIT;
        pl_fail(&err, PARLEY_UNAVAILABLE, "no memory to try again later");
        stream_fail(stream, &err);
    }
}

/* ---- mail ---- */

static void deliver_batch(struct pl_loop *loop, struct pl_mail *mail)
{
    (void)loop;
    struct parcel *parcel = PL_CONTAINER_OF(mail, struct parcel, mail);
    struct lane *lane = parcel->lane;
    struct batch *batch = parcel->batch;
    atomic_fetch_sub(&lane->bytes_coming, batch_bytes(batch));
    struct room *room = pl_map_find(lane->rooms, batch->id, batch->id_len);
    if (room != NULL) {
        room_deliver(room, batch);
    }
    if (batch_adds(batch)) {
        user_topics_deliver(lane, batch);
    }
    batch_unref(batch);
}

/* The budget covers batches that several loops share once for each of them. */
void lane_post(struct lane *lane, struct batch *batch, struct parcel *parcel)
{
    size_t bytes = batch_bytes(batch);
    if (atomic_fetch_add(&lane->bytes_coming, bytes) + bytes > HUB_LANE_BYTES_MAX) {
        atomic_fetch_sub(&lane->bytes_coming, bytes);
        batch_unref(batch);
        lane_post_gap(lane);
        return;
    }
    parcel->mail.deliver = deliver_batch;
    parcel->lane = lane;
    parcel->batch = batch;
    pl_loop_post(lane->loop, &parcel->mail);
}

/* Users who follow all list their conversations again too: the batch that was lost may have been
 * the one that brought them in. */
static void on_gap(struct pl_loop *loop, struct pl_mail *mail)
{
    (void)loop;
    struct lane *lane = PL_CONTAINER_OF(mail, struct lane, gap_mail);
    atomic_store(&lane->is_gap_posted, false);
    pl_metric_add(&hub_metric_gaps, 1);
    size_t cursor = 0;
    for (struct room *room = pl_map_next(lane->rooms, &cursor, NULL, NULL); room != NULL;
         room = pl_map_next(lane->rooms, &cursor, NULL, NULL)) {
        room_on_gap(room);
    }
    cursor = 0;
    for (struct user_topic *topic = pl_map_next(lane->users, &cursor, NULL, NULL); topic != NULL;
         topic = pl_map_next(lane->users, &cursor, NULL, NULL)) {
        PL_LIST_FOREACH (node, &topic->streams) {
            struct hub_stream *stream = PL_LIST_ENTRY(node, struct hub_stream, user_node);
            stream->wants_listing = true;
            lane_delay(lane, stream);
        }
    }
}

void lane_post_gap(struct lane *lane)
{
    if (!atomic_exchange(&lane->is_gap_posted, true)) {
        pl_loop_post(lane->loop, &lane->gap_mail);
    }
}

/* ---- life ---- */

int lane_init(struct lane *lane, struct hub *hub, unsigned index)
{
    lane->hub = hub;
    lane->loop = loops_get(hub->loops, index);
    lane->index = index;
    lane->retry.fire = on_retry;
    lane->gap_mail.deliver = on_gap;
    pl_list_init(&lane->delayed);
    lane->rooms = pl_map_new();
    lane->users = pl_map_new();
    return lane->rooms != NULL && lane->users != NULL ? 0 : -1;
}

void lane_deinit(struct lane *lane)
{
    pl_map_free(lane->rooms, pl_free);
    pl_map_free(lane->users, pl_free);
}
