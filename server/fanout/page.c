/* SPDX-License-Identifier: Apache-2.0 */
/* A page of the log on its way from the store to a follow. The page owns what the store borrows,
 * so that follow and stream may go meanwhile. */
#include "fanout/hub_impl.h"

#include "base/mem.h"

#include <string.h>

struct page {
    struct store_read read;
    struct pl_mail mail;
    struct pl_loop *loop;
    struct hub_stream *stream; /* NULL: nobody waits for it any more */
    struct follow *follow;
    int64_t known_seq; /* what the log was known to have when the page was asked for */
    char id[PL_ID_MAX + 1];
    char user[PL_ID_MAX + 1];
};

static int encode_events(struct page *page, hub_encode_fn encode, struct pl_buf **frames)
{
    for (size_t i = 0; i < page->read.event_count; i++) {
        if (encode(page->read.conversation_id, &page->read.events[i], frames) != 0) {
            return -1;
        }
    }
    return 0;
}

static void send_events(struct page *page, struct follow *follow)
{
    struct hub_stream *stream = follow->stream;
    struct pl_buf *frames = NULL;
    if (encode_events(page, stream->lane->hub->encode, &frames) != 0) {
        struct pl_error err = PL_ERROR_INIT;
        pl_fail(&err, PARLEY_UNAVAILABLE, "no memory for a page of the log");
        stream_fail(stream, &err);
    } else if (frames != NULL) {
        follow->next_seq = page->read.events[page->read.event_count - 1].seq + 1;
        (void)stream_sent(stream, stream->events->send(stream->owner, frames, 0));
    }
    pl_buf_unref(frames);
}

/* The log ends before the cursor: it was never given by this server, or the store was put back. */
static void refuse_cursor(struct follow *follow, int64_t head_seq)
{
    struct pl_error err = PL_ERROR_INIT;
    pl_fail(&err, PARLEY_OUT_OF_RANGE, "the cursor %lld of %s lies beyond its last event, %lld",
            (long long)(follow->next_seq - 1), follow->room->id, (long long)head_seq);
    stream_fail(follow->stream, &err);
}

static void take_page(struct page *page, struct follow *follow)
{
    const struct store_read *read = &page->read;
    struct hub_stream *stream = follow->stream;
    if (follow->next_seq > read->head_seq + 1) {
        if (read->uncached) {
            refuse_cursor(follow, read->head_seq);
        }
        follow->is_stale = true; /* a cache may know less than who gave the cursor */
        return;
    }
    if (follow->next_seq < read->first_seq) {
        follow->next_seq = read->first_seq;
        (void)stream_sent(
            stream, stream->events->on_truncated(stream->owner, follow->room->id, read->first_seq));
    }
    send_events(page, follow);
    follow->was_read = follow->next_seq > read->head_seq;
}

static void refuse(struct follow *follow, const struct pl_error *err)
{
    if (err->code == PARLEY_NOT_FOUND) {
        follow_remove(follow);
    } else if (err->is_retryable) {
        follow_set_state(follow, FOLLOW_DELAYED);
        lane_delay(follow->stream->lane, follow->stream);
    } else {
        stream_fail(follow->stream, err);
    }
}

static void arrive(struct page *page)
{
    struct follow *follow = page->follow;
    struct hub_stream *stream = page->stream;
    stream->reads--;
    follow->page = NULL;
    if (page->read.request.error.code != PARLEY_OK) {
        refuse(follow, &page->read.request.error);
    } else if (page->read.uncached && page->read.event_count == 0 &&
               page->read.head_seq < page->known_seq) {
        /* A store that does not have yet what was told of it is not asked in circles. */
        follow_set_state(follow, FOLLOW_DELAYED);
        lane_delay(stream->lane, stream);
    } else {
        follow_set_state(follow, FOLLOW_WAITING);
        if (stream_may_send(stream)) {
            take_page(page, follow);
        } /* else it is read again when there is room: held pages would be memory of slow clients */
    }
    stream_pump(stream);
}

static void deliver(struct pl_loop *loop, struct pl_mail *mail)
{
    (void)loop;
    struct page *page = PL_CONTAINER_OF(mail, struct page, mail);
    if (page->stream != NULL) {
        arrive(page);
    }
    store_request_release(&page->read.request);
    pl_free(page);
}

static void on_done(struct store_request *request)
{
    struct page *page = PL_CONTAINER_OF(request, struct page, read.request);
    pl_loop_post(page->loop, &page->mail);
}

int page_read(struct follow *follow)
{
    struct hub_stream *stream = follow->stream;
    const struct hub *hub = stream->lane->hub;
    struct page *page = pl_calloc(1, sizeof(*page));
    if (page == NULL) {
        return -1;
    }
    page->mail.deliver = deliver;
    page->loop = stream->lane->loop;
    page->stream = stream;
    page->follow = follow;
    memcpy(page->id, follow->room->id, sizeof(page->id));
    memcpy(page->user, stream->user, sizeof(page->user));
    page->read.request.done = on_done;
    page->read.conversation_id = (struct store_bytes){page->id, follow->room->id_len};
    page->read.user = (struct store_bytes){page->user, strlen(page->user)};
    page->read.from_seq = follow->next_seq;
    page->read.limit = hub->page_events;
    page->read.max_bytes = hub->page_bytes;
    /* Whoever wrote what is missing may not have been answered, and the cache not been told. */
    page->known_seq = room_known_seq(follow->room);
    page->read.uncached = follow->is_stale || follow->next_seq <= page->known_seq;
    follow->page = page;
    follow->is_stale = false;
    follow_set_state(follow, FOLLOW_READING);
    stream->reads++;
    pl_metric_add(&hub_metric_pages, 1);
    store_read(hub->store, &page->read);
    return 0;
}

void page_abandon(struct page *page)
{
    if (page != NULL) {
        page->stream->reads--;
        page->stream = NULL;
        page->follow = NULL;
    }
}
