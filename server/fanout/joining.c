/* SPDX-License-Identifier: Apache-2.0 */
/* A conversation that a list shows and that is not followed: the message that should have said so
 * was lost. The log tells when the user came in, and is followed from there on: read backwards, a
 * page at a time, until the event is found that names the user. @thread loop */
#include "fanout/hub_impl.h"

#include "base/mem.h"
#include "base/text.h"

#include <string.h>

/* Owns what the store borrows, so that the stream may go meanwhile. */
struct joining {
    struct store_read read;
    struct pl_mail mail;
    struct pl_loop *loop;
    struct hub_stream *stream;  /* NULL: gone */
    struct pl_list stream_node; /* stream->joinings */
    char id[PL_ID_MAX + 1];
    char user[PL_ID_MAX + 1];
};

static void submit(struct joining *joining)
{
    store_read(joining->stream->lane->hub->store, &joining->read);
}

static void leave(struct joining *joining)
{
    store_request_release(&joining->read.request);
    pl_list_remove(&joining->stream_node);
    pl_free(joining);
}

static bool brings_in(const struct store_event *event, const char *user)
{
    return store_kind_adds(event->kind) && store_has_id(event->body, user);
}

/* The newest event of the page that brings the user in; 0: none. */
static int64_t find_seq(const struct joining *joining)
{
    for (size_t i = 0; i < joining->read.event_count; i++) {
        if (brings_in(&joining->read.events[i], joining->user)) {
            return joining->read.events[i].seq;
        }
    }
    return 0;
}

static void go_on(struct joining *joining, int64_t from_seq)
{
    store_request_release(&joining->read.request);
    joining->read.from_seq = from_seq;
    submit(joining);
}

/* A failure is mended by the next list, which shows the conversation again, or does not because the
 * user has left it. */
static void arrive(struct joining *joining)
{
    const struct store_read *read = &joining->read;
    struct hub_stream *stream = joining->stream;
    int64_t seq = find_seq(joining);
    if (read->request.error.code != PARLEY_OK) {
        if (read->request.error.is_retryable) {
            stream->wants_listing = true;
            lane_delay(stream->lane, stream);
        }
        leave(joining);
        return;
    }
    int64_t oldest =
        read->event_count > 0 ? read->events[read->event_count - 1].seq : read->first_seq;
    if (seq == 0 && oldest > read->first_seq) {
        go_on(joining, oldest - 1);
        return;
    }
    seq = seq != 0 ? seq : oldest;
    listing_follow(stream, joining->id, seq - 1, seq);
    leave(joining);
}

static void deliver(struct pl_loop *loop, struct pl_mail *mail)
{
    struct joining *joining = PL_CONTAINER_OF(mail, struct joining, mail);
    (void)loop;
    if (joining->stream != NULL) {
        arrive(joining);
    } else {
        leave(joining);
    }
}

static void on_done(struct store_request *request)
{
    struct joining *joining = PL_CONTAINER_OF(request, struct joining, read.request);
    pl_loop_post(joining->loop, &joining->mail);
}

static bool is_sought(const struct hub_stream *stream, const char *id)
{
    PL_LIST_FOREACH (node, &stream->joinings) {
        if (strcmp(PL_LIST_ENTRY(node, struct joining, stream_node)->id, id) == 0) {
            return true;
        }
    }
    return false;
}

int joining_start(struct hub_stream *stream, const char *id)
{
    const struct hub *hub = stream->lane->hub;
    if (pl_map_find(stream->follows, id, strlen(id)) != NULL || is_sought(stream, id)) {
        return 0;
    }
    struct joining *joining = pl_calloc(1, sizeof(*joining));
    if (joining == NULL) {
        return -1;
    }
    (void)pl_text_format(joining->id, sizeof(joining->id), "%s", id);
    memcpy(joining->user, stream->user, sizeof(joining->user));
    joining->mail.deliver = deliver;
    joining->loop = stream->lane->loop;
    joining->stream = stream;
    joining->read.request.done = on_done;
    joining->read.conversation_id = (struct store_bytes){joining->id, strlen(joining->id)};
    joining->read.user = (struct store_bytes){joining->user, strlen(joining->user)};
    joining->read.backwards = true;
    joining->read.uncached = true;
    joining->read.limit = hub->page_events;
    joining->read.max_bytes = hub->page_bytes;
    pl_list_push(&stream->joinings, &joining->stream_node);
    submit(joining);
    return 0;
}

void joining_abandon_all(struct hub_stream *stream)
{
    for (struct pl_list *node = pl_list_pop(&stream->joinings); node != NULL;
         node = pl_list_pop(&stream->joinings)) {
        PL_LIST_ENTRY(node, struct joining, stream_node)->stream = NULL;
    }
}
