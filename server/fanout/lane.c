/* SPDX-License-Identifier: Apache-2.0 */
/* One loop's part of the hub: what comes to it by mail, and what it tries again later. */
#include "fanout/hub_impl.h"

#include "base/mem.h"
#include "base/text.h"
#include "core/loops.h"

#include <string.h>

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
    sweep_retry(lane);
}

int lane_retry_later(struct lane *lane)
{
    return pl_timer_is_running(&lane->retry)
               ? 0
               : pl_timer_start(lane->loop, &lane->retry, HUB_RETRY_MS);
}

void lane_delay(struct lane *lane, struct hub_stream *stream)
{
    if (!pl_list_is_linked(&stream->lane_node)) {
        pl_list_push(&lane->delayed, &stream->lane_node);
    }
    if (lane_retry_later(lane) != 0) {
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
        room_receive(room, batch);
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

void lane_list_users(struct lane *lane)
{
    size_t cursor = 0;
    for (struct user_topic *topic = pl_map_next(lane->users, &cursor, NULL, NULL); topic != NULL;
         topic = pl_map_next(lane->users, &cursor, NULL, NULL)) {
        user_topic_list(topic);
    }
}

/* Users who follow all list their conversations again too: the batch that was lost may have been
 * the one that brought them in. */
static void on_gap(struct pl_loop *loop, struct pl_mail *mail)
{
    (void)loop;
    struct lane *lane = PL_CONTAINER_OF(mail, struct lane, gap_mail);
    atomic_store(&lane->is_gap_posted, false);
    pl_metric_add(&hub_metric_gaps, 1);
    sweep_suspect_all(lane);
    lane_list_users(lane);
}

void lane_post_gap(struct lane *lane)
{
    if (!atomic_exchange(&lane->is_gap_posted, true)) {
        pl_loop_post(lane->loop, &lane->gap_mail);
    }
}

/* A topic that something of may have been lost. */
struct doubt {
    struct pl_mail mail;
    struct lane *lane;
    enum topic_kind kind;
    size_t id_len;
    char id[PL_ID_MAX];
};

static void on_doubt(struct pl_loop *loop, struct pl_mail *mail)
{
    struct doubt *doubt = PL_CONTAINER_OF(mail, struct doubt, mail);
    struct lane *lane = doubt->lane;
    (void)loop;
    if (doubt->kind == TOPIC_USER) {
        struct user_topic *topic = pl_map_find(lane->users, doubt->id, doubt->id_len);
        if (topic != NULL) {
            user_topic_list(topic);
        }
    } else {
        struct room *room = pl_map_find(lane->rooms, doubt->id, doubt->id_len);
        if (room != NULL) {
            sweep_suspect(room);
        }
    }
    pl_free(doubt);
}

void lane_post_doubt(struct lane *lane, enum topic_kind kind, const char *id, size_t id_len)
{
    struct doubt *doubt = id_len <= PL_ID_MAX ? pl_malloc(sizeof(*doubt)) : NULL;
    if (doubt == NULL) {
        lane_post_gap(lane);
        return;
    }
    *doubt = (struct doubt){.lane = lane, .kind = kind, .id_len = id_len};
    doubt->mail.deliver = on_doubt;
    memcpy(doubt->id, id, id_len);
    pl_loop_post(lane->loop, &doubt->mail);
}

/* A user was brought into a conversation on another node. */
struct joined {
    struct pl_mail mail;
    struct lane *lane;
    int64_t seq; /* of the event */
    char id[PL_ID_MAX + 1];
    char user[PL_ID_MAX + 1];
};

static void on_joined(struct pl_loop *loop, struct pl_mail *mail)
{
    struct joined *joined = PL_CONTAINER_OF(mail, struct joined, mail);
    (void)loop;
    user_topic_deliver(joined->lane, joined->user, joined->id, joined->seq);
    pl_free(joined);
}

void lane_post_joined(struct lane *lane, struct store_bytes id, int64_t seq, const char *user)
{
    struct joined *joined = pl_calloc(1, sizeof(*joined));
    if (joined == NULL ||
        !pl_text_format(joined->id, sizeof(joined->id), "%.*s", (int)id.len, id.data) ||
        !pl_text_format(joined->user, sizeof(joined->user), "%s", user)) {
        pl_free(joined);
        lane_post_gap(lane);
        return;
    }
    joined->mail.deliver = on_joined;
    joined->lane = lane;
    joined->seq = seq;
    pl_loop_post(lane->loop, &joined->mail);
}

static void on_state(struct pl_loop *loop, struct pl_mail *mail)
{
    struct lane *lane = PL_CONTAINER_OF(mail, struct lane, state_mail);
    (void)loop;
    atomic_store(&lane->is_state_posted, false);
    sweep_on_state(lane);
}

void lane_post_state(struct lane *lane)
{
    if (!atomic_exchange(&lane->is_state_posted, true)) {
        pl_loop_post(lane->loop, &lane->state_mail);
    }
}

/* ---- topics ---- */

/* In this order: what the bus says of the topic finds the loop. */
int lane_listen(struct lane *lane, enum topic_kind kind, const char *id, size_t id_len)
{
    struct hub *hub = lane->hub;
    struct topic_name name;
    if (interest_add(hub->interest, kind, id, id_len, lane->index) != 0) {
        return -1;
    }
    if (hub->bus == NULL) {
        return 0;
    }
    const struct bus_topic topic = relay_topic(&name, kind, id, id_len);
    if (bus_subscribe(hub->bus, &topic) != 0) {
        interest_remove(hub->interest, kind, id, id_len, lane->index);
        return -1;
    }
    return 0;
}

void lane_unlisten(struct lane *lane, enum topic_kind kind, const char *id, size_t id_len)
{
    struct hub *hub = lane->hub;
    struct topic_name name;
    interest_remove(hub->interest, kind, id, id_len, lane->index);
    if (hub->bus != NULL) {
        const struct bus_topic topic = relay_topic(&name, kind, id, id_len);
        bus_unsubscribe(hub->bus, &topic);
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
    lane->state_mail.deliver = on_state;
    pl_list_init(&lane->suspects);
    pl_list_init(&lane->unknown);
    pl_list_init(&lane->delayed);
    pl_list_init(&lane->listers);
    lane->rooms = pl_map_new();
    lane->users = pl_map_new();
    lane->readers = pl_map_new();
    return lane->rooms != NULL && lane->users != NULL && lane->readers != NULL ? 0 : -1;
}

void lane_deinit(struct lane *lane)
{
    pl_map_free(lane->rooms, pl_free);
    pl_map_free(lane->users, pl_free);
    pl_map_free(lane->readers, pl_free);
}
