/* SPDX-License-Identifier: Apache-2.0 */
/* What a room missed, read from the log once for all who are LIVE in it and delivered as if it had
 * come by mail: without it ten thousand listeners would read the same page ten thousand times. Who
 * is in CATCH-UP reads for itself. @thread loop */
#include "fanout/hub_impl.h"

#include "base/mem.h"

#include <string.h>

/* Owns what the store borrows, so that the room may go meanwhile. */
struct fetch {
    struct store_read read;
    struct pl_mail mail;
    struct lane *lane;
    struct room *room; /* NULL: gone */
    char id[PL_ID_MAX + 1];
};

static void deliver_span(struct room *room, const struct store_read *read, size_t first,
                         size_t count)
{
    struct batch *batch =
        batch_new(read->conversation_id, &read->events[first], count, 0, room->lane->hub->encode);
    if (batch != NULL) {
        room_deliver(room, batch);
    } else {
        room_fall_behind(room, read->events[first + count - 1].seq);
    }
    batch_unref(batch);
}

/* The pin keeps the room, which the last of its follows may leave. */
static void deliver_events(struct room *room, const struct store_read *read)
{
    for (size_t first = 0; first < read->event_count;) {
        size_t span = batch_span(&read->events[first], read->event_count - first);
        deliver_span(room, read, first, span);
        first += span;
    }
}

/* A failure that lasts, and what is gone from the log, each is told as it is when it reads. */
static void take(struct room *room, const struct store_read *read)
{
    const struct pl_error *err = &read->request.error;
    bool is_read = err->code == PARLEY_OK;
    if (is_read ? read->head_seq < read->from_seq : err->is_retryable) {
        room_ask_later(room);
    } else if (!is_read || read->event_count == 0 || read->events[0].seq != read->from_seq) {
        room_fall_behind(room, room->head_seq);
    } else {
        deliver_events(room, read);
        room_deliver_held(room);
        room_on_head(room, read->head_seq);
    }
}

static void arrive(struct fetch *fetch)
{
    struct room *room = fetch->room;
    room->fetch = NULL;
    room->pins++;
    take(room, &fetch->read);
    room->pins--;
    room_release(room);
}

static void deliver(struct pl_loop *loop, struct pl_mail *mail)
{
    struct fetch *fetch = PL_CONTAINER_OF(mail, struct fetch, mail);
    (void)loop;
    if (fetch->room != NULL) {
        arrive(fetch);
    }
    store_request_release(&fetch->read.request);
    pl_free(fetch);
}

static void on_done(struct store_request *request)
{
    struct fetch *fetch = PL_CONTAINER_OF(request, struct fetch, read.request);
    pl_loop_post(fetch->lane->loop, &fetch->mail);
}

int fetch_start(struct room *room, int64_t from_seq)
{
    const struct hub *hub = room->lane->hub;
    struct fetch *fetch = pl_calloc(1, sizeof(*fetch));
    if (fetch == NULL) {
        return -1;
    }
    fetch->lane = room->lane;
    fetch->room = room;
    fetch->mail.deliver = deliver;
    memcpy(fetch->id, room->id, sizeof(fetch->id));
    fetch->read.request.done = on_done;
    fetch->read.conversation_id = (struct store_bytes){fetch->id, room->id_len};
    fetch->read.from_seq = from_seq;
    fetch->read.limit = hub->page_events;
    fetch->read.max_bytes = hub->page_bytes;
    fetch->read.uncached = true;
    room->fetch = fetch;
    pl_metric_add(&hub_metric_pages, 1);
    store_read(hub->store, &fetch->read);
    return 0;
}

void fetch_abandon(struct fetch *fetch)
{
    if (fetch != NULL) {
        fetch->room = NULL;
    }
}
