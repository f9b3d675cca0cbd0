/* SPDX-License-Identifier: Apache-2.0 */
/* Finds what did not come: looks at the heads of conversations that are followed here, many in one
 * request, and has those read the log that do not have all of it.
 *
 *   suspect ──a look is free──> asked ──the head──> nothing new, or room_on_head
 *      ^                          │
 *      └──after a while── unknown <──the store failed, or did not know this one
 *
 * Suspect is a room whose topic was just subscribed, one that the bus or the mailbox lost something
 * of, and from time to time every room: each poll_ms while there is no bus or it is down, each
 * sweep_ms while it is up, because the last message of a node that dies, or what a broker drops
 * without a word, is missed by nobody. Users who follow all list their conversations then, too, for
 * what was lost may have brought them into one. A room that becomes suspect while its head is being
 * read is asked again, for the head may have been read before the loss. @thread loop */
#include "fanout/hub_impl.h"

#include "base/mem.h"

#include <string.h>

/* How long each user's list makes all wait for the next, while the bus is down and up. */
#define LIST_DOWN_MS 5
#define LIST_UP_MS   50

struct heads {
    struct store_heads read;
    struct pl_mail mail;
    struct lane *lane;
    struct store_bytes ids[HUB_HEADS];
    char names[HUB_HEADS][PL_ID_MAX];
};

static void take(struct heads *heads)
{
    struct lane *lane = heads->lane;
    bool is_read = heads->read.request.error.code == PARLEY_OK;
    for (size_t i = 0; i < heads->read.count; i++) {
        struct room *room = pl_map_find(lane->rooms, heads->ids[i].data, heads->ids[i].len);
        if (room == NULL) {
            continue;
        }
        if (is_read && heads->read.head_seqs[i] != STORE_HEAD_UNKNOWN) {
            room_on_head(room, heads->read.head_seqs[i]);
        } else if (!pl_list_is_linked(&room->suspect_node)) {
            pl_list_push(&lane->unknown, &room->suspect_node);
        }
    }
    if (!pl_list_is_empty(&lane->unknown)) {
        (void)!lane_retry_later(lane); /* without memory the next sweep goes on */
    }
    sweep_go_on(lane);
}

static void deliver(struct pl_loop *loop, struct pl_mail *mail)
{
    struct heads *heads = PL_CONTAINER_OF(mail, struct heads, mail);
    (void)loop;
    heads->lane->heads = NULL;
    take(heads);
    store_request_release(&heads->read.request);
    pl_free(heads);
}

static void on_done(struct store_request *request)
{
    struct heads *heads = PL_CONTAINER_OF(request, struct heads, read.request);
    pl_loop_post(heads->lane->loop, &heads->mail);
}

static void add_suspects(struct heads *heads)
{
    struct lane *lane = heads->lane;
    size_t count = 0;
    while (count < HUB_HEADS && !pl_list_is_empty(&lane->suspects)) {
        struct room *room = PL_LIST_ENTRY(pl_list_pop(&lane->suspects), struct room, suspect_node);
        memcpy(heads->names[count], room->id, room->id_len);
        heads->ids[count] = (struct store_bytes){heads->names[count], room->id_len};
        count++;
    }
    heads->read.count = count;
}

void sweep_go_on(struct lane *lane)
{
    if (lane->heads != NULL || pl_list_is_empty(&lane->suspects)) {
        return;
    }
    struct heads *heads = pl_calloc(1, sizeof(*heads));
    if (heads == NULL) {
        (void)!lane_retry_later(lane);
        return;
    }
    heads->lane = lane;
    heads->mail.deliver = deliver;
    heads->read.request.done = on_done;
    heads->read.ids = heads->ids;
    lane->heads = heads;
    add_suspects(heads);
    pl_metric_add(&hub_metric_heads, (int64_t)heads->read.count);
    store_heads(lane->hub->store, &heads->read);
}

void sweep_retry(struct lane *lane)
{
    pl_list_splice(&lane->suspects, &lane->unknown);
    sweep_go_on(lane);
}

static void mark(struct room *room)
{
    if (!pl_list_is_linked(&room->suspect_node)) {
        pl_list_push(&room->lane->suspects, &room->suspect_node);
    }
}

void sweep_suspect(struct room *room)
{
    mark(room);
    sweep_go_on(room->lane);
}

void sweep_suspect_later(struct room *room)
{
    if (!pl_list_is_linked(&room->suspect_node)) {
        pl_list_push(&room->lane->unknown, &room->suspect_node);
    }
    (void)!lane_retry_later(room->lane); /* without memory the next sweep goes on */
}

void sweep_suspect_all(struct lane *lane)
{
    size_t cursor = 0;
    for (struct room *room = pl_map_next(lane->rooms, &cursor, NULL, NULL); room != NULL;
         room = pl_map_next(lane->rooms, &cursor, NULL, NULL)) {
        mark(room);
    }
    sweep_retry(lane);
}

/* ---- from time to time ---- */

/* Lists are long and there is no batch of them: with many users each waits longer for its turn. */
static void list_users_at_times(struct lane *lane, bool is_connected)
{
    int64_t now_ms = pl_loop_now_ms(lane->loop);
    int64_t users = (int64_t)pl_map_count(lane->users);
    int64_t rest_ms = users * (is_connected ? LIST_UP_MS : LIST_DOWN_MS);
    if (users > 0 && now_ms - lane->listed_ms >= rest_ms) {
        lane->listed_ms = now_ms;
        lane_list_users(lane);
    }
}

static void on_sweep(struct pl_loop *loop, struct pl_timer *timer)
{
    struct lane *lane = PL_CONTAINER_OF(timer, struct lane, sweep);
    struct hub *hub = lane->hub;
    bool is_connected = hub->bus != NULL && bus_is_connected(hub->bus);
    sweep_suspect_all(lane);
    list_users_at_times(lane, is_connected);
    /* Only the first start takes memory. Without it, the next change of state starts it. */
    (void)!pl_timer_start(loop, timer, is_connected ? hub->sweep_ms : hub->poll_ms);
}

void sweep_on_state(struct lane *lane)
{
    lane->sweep.fire = on_sweep;
    on_sweep(lane->loop, &lane->sweep);
}
