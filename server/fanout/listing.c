/* SPDX-License-Identifier: Apache-2.0 */
/* Streams that follow all conversations of their user: those that the store lists, and those that
 * the user is brought into later. A list is read again when something may have been lost; few of
 * them at once, since what was lost may concern every user of the loop. @thread loop */
#include "fanout/hub_impl.h"

#include "base/mem.h"
#include "base/text.h"

#include <string.h>

/* ---- users ---- */

static struct user_topic *find_or_add(struct lane *lane, const char *user, size_t len)
{
    struct user_topic *topic = pl_map_find(lane->users, user, len);
    if (topic != NULL) {
        return topic;
    }
    topic = pl_calloc(1, sizeof(*topic));
    if (topic == NULL || pl_map_put(lane->users, user, len, topic, NULL) != 0) {
        pl_free(topic);
        return NULL;
    }
    pl_list_init(&topic->streams);
    if (lane_listen(lane, TOPIC_USER, user, len) != 0) {
        pl_free(pl_map_take(lane->users, user, len));
        return NULL;
    }
    return topic;
}

int user_topic_enter(struct hub_stream *stream)
{
    struct user_topic *topic = find_or_add(stream->lane, stream->user, strlen(stream->user));
    if (topic == NULL) {
        return -1;
    }
    pl_list_push(&topic->streams, &stream->user_node);
    return 0;
}

void user_topic_leave(struct hub_stream *stream)
{
    struct lane *lane = stream->lane;
    size_t len = strlen(stream->user);
    if (!pl_list_is_linked(&stream->user_node)) {
        return;
    }
    pl_list_remove(&stream->user_node);
    struct user_topic *topic = pl_map_find(lane->users, stream->user, len);
    if (topic != NULL && pl_list_is_empty(&topic->streams)) {
        lane_unlisten(lane, TOPIC_USER, stream->user, len);
        pl_free(pl_map_take(lane->users, stream->user, len));
    }
}

void user_topic_list(struct user_topic *topic)
{
    PL_LIST_FOREACH (node, &topic->streams) {
        struct hub_stream *stream = PL_LIST_ENTRY(node, struct hub_stream, user_node);
        listing_want(stream);
    }
}

void listing_follow(struct hub_stream *stream, const char *id, int64_t after_seq, int64_t known_seq)
{
    if (follow_new(stream, id, after_seq, known_seq) != 0) {
        struct pl_error err = PL_ERROR_INIT;
        pl_fail(&err, PARLEY_RESOURCE_EXHAUSTED, "no room to follow a conversation");
        stream_fail(stream, &err);
    }
}

void user_topic_deliver(struct lane *lane, const char *user, const char *id, int64_t seq)
{
    struct user_topic *topic = pl_map_find(lane->users, user, strlen(user));
    if (topic == NULL) {
        return;
    }
    PL_LIST_FOREACH (node, &topic->streams) {
        struct hub_stream *stream = PL_LIST_ENTRY(node, struct hub_stream, user_node);
        listing_follow(stream, id, seq - 1, seq);
    }
}

void user_topics_deliver(struct lane *lane, const struct batch *batch)
{
    size_t place = 0;
    for (const char *user = batch_next_user(batch, &place); user != NULL;
         user = batch_next_user(batch, &place)) {
        user_topic_deliver(lane, user, batch->id, batch_last_seq(batch));
    }
}

/* ---- the list ---- */

/* Owns what the store borrows, so that the stream may go meanwhile. */
struct listing {
    struct store_list_conversations list;
    struct pl_mail mail;
    struct lane *lane;
    struct hub_stream *stream; /* NULL: gone */
    char user[PL_ID_MAX + 1];
    char after[PL_ID_MAX + 1];
};

/* The first list is what there is "now"; what a later one adds was joined since. */
static void take_one(struct hub_stream *stream, const struct store_conversation *conversation)
{
    if (!pl_text_format(stream->list_after, sizeof(stream->list_after), "%.*s",
                        (int)conversation->id.len, conversation->id.data)) {
        return;
    }
    if (!stream->was_listed) {
        listing_follow(stream, stream->list_after, conversation->head_seq, conversation->head_seq);
    } else if (joining_start(stream, stream->list_after) != 0) {
        stream->wants_listing = true;
    }
}

static void read_page(struct hub_stream *stream)
{
    if (listing_start(stream) != 0) {
        lane_delay(stream->lane, stream);
    }
}

static void end_list(struct hub_stream *stream)
{
    stream->list_after[0] = '\0';
    stream->was_listed = true;
    stream->is_listing = false;
    if (stream->wants_listing) {
        lane_delay(stream->lane, stream);
    }
}

static void take_list(struct hub_stream *stream, const struct listing *listing)
{
    for (size_t i = 0; i < listing->list.count; i++) {
        take_one(stream, &listing->list.conversations[i]);
    }
    if (listing->list.has_more && listing->list.count > 0) {
        read_page(stream);
    } else {
        end_list(stream);
    }
}

static void arrive(struct listing *listing)
{
    struct hub_stream *stream = listing->stream;
    const struct pl_error *err = &listing->list.request.error;
    stream->listing = NULL;
    if (err->code == PARLEY_OK) {
        take_list(stream, listing);
    } else if (err->is_retryable) {
        lane_delay(stream->lane, stream);
    } else {
        stream_fail(stream, err);
    }
}

/* ---- turns ---- */

/* A list that was begun and failed goes on where it failed. */
static void take_turn(struct hub_stream *stream)
{
    if (!stream->is_listing) {
        stream->wants_listing = false;
    }
    if (!stream->is_broken) {
        read_page(stream);
    }
}

static void give_turns(struct lane *lane)
{
    while (lane->listings < HUB_LANE_LISTS_MAX && !pl_list_is_empty(&lane->listers)) {
        struct pl_list *node = pl_list_pop(&lane->listers);
        take_turn(PL_LIST_ENTRY(node, struct hub_stream, lister_node));
    }
}

static void deliver(struct pl_loop *loop, struct pl_mail *mail)
{
    (void)loop;
    struct listing *listing = PL_CONTAINER_OF(mail, struct listing, mail);
    struct lane *lane = listing->lane;
    lane->listings--;
    if (listing->stream != NULL) {
        arrive(listing);
    }
    store_request_release(&listing->list.request);
    pl_free(listing);
    give_turns(lane);
}

static void on_done(struct store_request *request)
{
    struct listing *listing = PL_CONTAINER_OF(request, struct listing, list.request);
    pl_loop_post(listing->lane->loop, &listing->mail);
}

int listing_start(struct hub_stream *stream)
{
    struct listing *listing = pl_calloc(1, sizeof(*listing));
    stream->is_listing = true;
    if (listing == NULL) {
        return -1;
    }
    memcpy(listing->user, stream->user, sizeof(listing->user));
    memcpy(listing->after, stream->list_after, sizeof(listing->after));
    listing->mail.deliver = deliver;
    listing->lane = stream->lane;
    listing->stream = stream;
    listing->list.request.done = on_done;
    listing->list.user = (struct store_bytes){listing->user, strlen(listing->user)};
    listing->list.after = (struct store_bytes){listing->after, strlen(listing->after)};
    listing->list.limit = HUB_LIST_PAGE;
    stream->listing = listing;
    stream->lane->listings++;
    store_list_conversations(stream->lane->hub->store, &listing->list);
    return 0;
}

/* While a page is on its way its arrival decides. */
void listing_retry(struct hub_stream *stream)
{
    bool is_due = stream->wants_listing || stream->is_listing;
    if (is_due && stream->listing == NULL && !pl_list_is_linked(&stream->lister_node)) {
        pl_list_push(&stream->lane->listers, &stream->lister_node);
        give_turns(stream->lane);
    }
}

/* What is on its way may have been read before what was lost: it does not count. */
void listing_want(struct hub_stream *stream)
{
    stream->wants_listing = true;
    listing_retry(stream);
}

void listing_abandon(struct listing *listing)
{
    if (listing != NULL) {
        listing->stream = NULL;
    }
}
