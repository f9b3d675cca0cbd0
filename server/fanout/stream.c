/* SPDX-License-Identifier: Apache-2.0 */
/* A client's stream: the conversations it follows take turns in reading the log, several at once
 * while the client takes what it is sent, and one at a time once it was full: a page that finds no
 * room is read in vain. @thread loop */
#include "fanout/hub_impl.h"

#include "base/mem.h"
#include "base/text.h"

#include <string.h>

bool stream_sent(struct hub_stream *stream, int answer)
{
    if (answer > 0) {
        stream->is_full = true;
        stream->reads_max = 1;
    }
    stream->is_broken = stream->is_broken || answer < 0;
    return stream_may_send(stream);
}

void stream_fail(struct hub_stream *stream, const struct pl_error *err)
{
    if (!stream->is_broken) {
        stream->is_broken = true;
        stream->events->on_failed(stream->owner, err);
    }
}

/* A follow whose turn ended without a read in flight is LIVE, or the stream takes no more. */
void stream_pump(struct hub_stream *stream)
{
    while (stream_may_send(stream) && stream->reads < stream->reads_max &&
           !pl_list_is_empty(&stream->waiting)) {
        follow_advance(PL_LIST_ENTRY(stream->waiting.next, struct follow, stream_node));
    }
}

void stream_retry(struct hub_stream *stream)
{
    for (struct pl_list *node = stream->delayed.next; node != &stream->delayed;
         node = stream->delayed.next) {
        follow_set_state(PL_LIST_ENTRY(node, struct follow, stream_node), FOLLOW_WAITING);
    }
    listing_retry(stream);
    stream_pump(stream);
}

/* ---- life ---- */

static struct reader *reader_enter(struct lane *lane, const char *user)
{
    struct reader *reader = pl_map_find(lane->readers, user, strlen(user));
    if (reader == NULL) {
        reader = pl_calloc(1, sizeof(*reader));
        if (reader != NULL && pl_map_put(lane->readers, user, strlen(user), reader, NULL) != 0) {
            pl_free(reader);
            reader = NULL;
        }
    }
    if (reader != NULL) {
        reader->streams++;
    }
    return reader;
}

static void reader_leave(const struct hub_stream *stream)
{
    if (--stream->reader->streams == 0) {
        pl_free(pl_map_take(stream->lane->readers, stream->user, strlen(stream->user)));
    }
}

struct hub_stream *hub_stream_open(struct hub *hub, unsigned loop_index, const char *user,
                                   const struct hub_stream_events *events, void *owner)
{
    struct hub_stream *stream = pl_calloc(1, sizeof(*stream));
    if (stream == NULL) {
        return NULL;
    }
    stream->lane = &hub->lanes[loop_index];
    stream->follows = pl_map_new();
    if (stream->follows != NULL && pl_text_format(stream->user, sizeof(stream->user), "%s", user)) {
        stream->reader = reader_enter(stream->lane, user);
    }
    if (stream->reader == NULL) {
        pl_map_free(stream->follows, NULL);
        pl_free(stream);
        return NULL;
    }
    stream->events = events;
    stream->owner = owner;
    stream->reads_max = HUB_STREAM_READS_MAX;
    pl_list_init(&stream->waiting);
    pl_list_init(&stream->delayed);
    pl_list_init(&stream->joinings);
    pl_metric_add(&hub_metric_streams, 1);
    return stream;
}

int hub_stream_follow(struct hub_stream *stream, const char *conversation_id, int64_t after_seq)
{
    return follow_new(stream, conversation_id, after_seq, 0);
}

/* The topic first: what is joined after it comes by mail, what was joined before is listed. */
int hub_stream_follow_all(struct hub_stream *stream)
{
    if (stream->follows_all) {
        return 0;
    }
    if (user_topic_enter(stream) != 0) {
        return -1;
    }
    stream->follows_all = true;
    return listing_start(stream);
}

size_t hub_stream_count(const struct hub_stream *stream)
{
    return pl_map_count(stream->follows);
}

bool hub_stream_follows_all(const struct hub_stream *stream)
{
    return stream->follows_all;
}

void hub_stream_writable(struct hub_stream *stream)
{
    stream->is_full = false;
    stream_pump(stream);
}

void hub_stream_close(struct hub_stream *stream)
{
    if (stream == NULL) {
        return;
    }
    size_t cursor = 0;
    for (struct follow *follow = pl_map_next(stream->follows, &cursor, NULL, NULL); follow != NULL;
         follow = pl_map_next(stream->follows, &cursor, NULL, NULL)) {
        follow_leave(follow);
    }
    pl_map_free(stream->follows, NULL);
    listing_abandon(stream->listing);
    joining_abandon_all(stream);
    user_topic_leave(stream);
    pl_list_remove(&stream->lane_node);
    pl_list_remove(&stream->lister_node);
    reader_leave(stream);
    pl_free(stream);
    pl_metric_add(&hub_metric_streams, -1);
}
