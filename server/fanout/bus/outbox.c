/* SPDX-License-Identifier: Apache-2.0 */
/* What waits for a bus's own thread; see outbox.h. */
#include "fanout/bus/outbox.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* What an item costs beside its message. */
#define ITEM_OVERHEAD (sizeof(struct outbox_item) + BUS_TOPIC_MAX)

enum parley_code outbox_init(struct outbox *outbox, size_t bytes_max, struct pl_error *err)
{
    int ends[2];
    *outbox = (struct outbox){.bytes_max = bytes_max};
    if (pipe(ends) != 0) {
        return pl_fail_errno(err, PARLEY_UNAVAILABLE, errno, "no pipe for the bus");
    }
    for (int i = 0; i < 2; i++) {
        (void)fcntl(ends[i], F_SETFL, O_NONBLOCK);
        (void)fcntl(ends[i], F_SETFD, FD_CLOEXEC);
    }
    outbox->wake_read = ends[0];
    outbox->wake_write = ends[1];
    outbox->tail = &outbox->head;
    (void)pthread_mutex_init(&outbox->mutex, NULL);
    return PARLEY_OK;
}

void outbox_deinit(struct outbox *outbox)
{
    if (outbox->tail == NULL) {
        return;
    }
    while (outbox->head != NULL) {
        struct outbox_item *item = outbox->head;
        outbox->head = item->next;
        outbox_item_free(item);
    }
    (void)close(outbox->wake_read);
    (void)close(outbox->wake_write);
    (void)pthread_mutex_destroy(&outbox->mutex);
    outbox->tail = NULL;
}

static void wake_locked(struct outbox *outbox)
{
    if (!outbox->is_awake) {
        outbox->is_awake = true;
        (void)!write(outbox->wake_write, "", 1); /* never full: one byte at a time */
    }
}

static struct outbox_item *make(enum outbox_kind kind, const struct bus_topic *topic,
                                struct pl_buf *message)
{
    struct outbox_item *item = pl_malloc(sizeof(*item) + topic->len);
    if (item == NULL) {
        return NULL;
    }
    *item = (struct outbox_item){.kind = kind, .topic_len = topic->len};
    item->message = message != NULL ? pl_buf_ref(message) : NULL;
    memcpy(item->topic, topic->data, topic->len);
    return item;
}

static size_t charge(const struct outbox_item *item)
{
    return item->message != NULL ? item->message->len + ITEM_OVERHEAD : 0;
}

int outbox_put(struct outbox *outbox, enum outbox_kind kind, const struct bus_topic *topic,
               struct pl_buf *message)
{
    struct outbox_item *item = make(kind, topic, message);
    if (item == NULL) {
        return -1;
    }
    (void)pthread_mutex_lock(&outbox->mutex);
    bool has_room = outbox->bytes + charge(item) <= outbox->bytes_max || charge(item) == 0;
    if (has_room) {
        outbox->bytes += charge(item);
        *outbox->tail = item;
        outbox->tail = &item->next;
        wake_locked(outbox);
    }
    (void)pthread_mutex_unlock(&outbox->mutex);
    if (!has_room) {
        outbox_item_free(item);
        return -1;
    }
    return 0;
}

void outbox_wake(struct outbox *outbox)
{
    (void)pthread_mutex_lock(&outbox->mutex);
    wake_locked(outbox);
    (void)pthread_mutex_unlock(&outbox->mutex);
}

int outbox_fd(const struct outbox *outbox)
{
    return outbox->wake_read;
}

struct outbox_item *outbox_take(struct outbox *outbox)
{
    char byte;
    (void)pthread_mutex_lock(&outbox->mutex);
    struct outbox_item *items = outbox->head;
    outbox->head = NULL;
    outbox->tail = &outbox->head;
    outbox->bytes = 0;
    if (outbox->is_awake) {
        (void)!read(outbox->wake_read, &byte, 1);
        outbox->is_awake = false;
    }
    (void)pthread_mutex_unlock(&outbox->mutex);
    return items;
}

void outbox_item_free(struct outbox_item *item)
{
    pl_buf_unref(item->message);
    pl_free(item);
}
