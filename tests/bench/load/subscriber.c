/* SPDX-License-Identifier: Apache-2.0 */
#include "subscriber.h"

#include "field.h"
#include "template.h"

#include "base/mem.h"
#include "wire/pb.h"

#include "parley/v1/chat_service.pb-c.h"

#include <string.h>

#define SUBSCRIBE_PATH   "/parley.v1.ChatService/Subscribe"
#define REMEMBERED       4096
#define REMEMBERED_BYTES 1024 /* longer events are taken apart by everyone */

struct remembered {
    int64_t seq;
    int64_t stamp;
    size_t len;
    uint8_t data[REMEMBERED_BYTES];
};

struct event_memory {
    struct remembered events[REMEMBERED];
};

struct event_memory *event_memory_new(void)
{
    return pl_xcalloc(1, sizeof(struct event_memory));
}

void event_memory_free(struct event_memory *memory)
{
    pl_free(memory);
}

static bool take_apart(const uint8_t *data, size_t len, int64_t *seq, int64_t *stamp)
{
    struct field event, field, message, body;
    uint64_t value = 0;
    *stamp = 0;
    if (!field_find(data, len, 1, &event) || !field_find(event.data, event.len, 2, &field)) {
        return false;
    }
    *seq = (int64_t)field.value;
    if (field_find(event.data, event.len, 5, &message) &&
        field_find(message.data, message.len, 3, &body) &&
        stamp_read(body.data, body.len, &value)) {
        *stamp = (int64_t)value;
    }
    return true;
}

/* @return false: not an event */
static bool read_event(struct event_memory *memory, int64_t expected, const uint8_t *data,
                       size_t len, int64_t *seq, int64_t *stamp)
{
    struct remembered *known = &memory->events[expected % REMEMBERED];
    if (known->seq == expected && known->len == len && memcmp(known->data, data, len) == 0) {
        *seq = known->seq;
        *stamp = known->stamp;
        return true;
    }
    if (!take_apart(data, len, seq, stamp)) {
        return false;
    }
    if (*seq == expected && len <= REMEMBERED_BYTES) {
        known->seq = *seq;
        known->stamp = *stamp;
        known->len = len;
        memcpy(known->data, data, len);
    }
    return true;
}

static void on_message(struct call *call, const uint8_t *data, size_t len)
{
    struct subscriber *subscriber = PL_CONTAINER_OF(call, struct subscriber, call);
    struct worker *worker = call->link->worker;
    struct field field;
    int64_t seq = 0;
    int64_t stamp = 0;
    if (read_event(subscriber->memory, subscriber->next_seq, data, len, &seq, &stamp)) {
        if (seq != subscriber->next_seq) {
            fleet_fail(worker, "event %lld came where %lld is due", (long long)seq,
                       (long long)subscriber->next_seq);
            return;
        }
        subscriber->next_seq++;
        if (subscriber->on_event != NULL) {
            subscriber->on_event(subscriber, seq, stamp);
        }
    } else if (field_find(data, len, 2, &field)) {
        /* Again after it fell behind and caught up. */
        bool was_live = subscriber->is_live;
        subscriber->is_live = true;
        if (!was_live) {
            subscriber->on_live(subscriber);
        }
    } else {
        fleet_fail(worker, "a subscriber was told what it should not");
    }
}

static void on_close(struct call *call, const struct pl_status *status)
{
    struct worker *worker = call->link->worker;
    if (!worker->is_done) {
        fleet_fail(worker, "Subscribe ended: %s %s", pl_code_name(status->code),
                   status->message != NULL ? status->message : "");
    }
}

void subscriber_start(struct subscriber *subscriber, struct link *link,
                      const struct conversation *conversation)
{
    Parley__V1__SubscribeRequest request;
    Parley__V1__Cursor cursor;
    Parley__V1__Cursor *cursors[] = {&cursor};
    char *id = pl_xstrdup(conversation->id);
    parley__v1__subscribe_request__init(&request);
    parley__v1__cursor__init(&cursor);
    cursor.conversation_id = id;
    request.cursors = cursors;
    request.n_cursors = 1;
    struct pl_buf *frame = pl_pb_frame(&request.base);
    pl_free(id);
    subscriber->next_seq = 1;
    subscriber->call.on_message = on_message;
    subscriber->call.on_close = on_close;
    call_start(&subscriber->call, link, SUBSCRIBE_PATH, frame, true);
    pl_buf_unref(frame);
}
