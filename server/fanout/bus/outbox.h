/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_BUS_OUTBOX_H
#define PARLEY_BUS_OUTBOX_H

/* What waits for a bus's own thread: messages to publish, within a budget in bytes, and topics to
 * subscribe or not. Putting never blocks and wakes the thread through a descriptor that it can poll
 * together with its socket. Over the budget the newest message is dropped. @thread any, unless said
 * otherwise */

#include "fanout/bus/bus.h"

#include <pthread.h>

enum outbox_kind {
    OUTBOX_PUBLISH,
    OUTBOX_SUBSCRIBE,
    OUTBOX_UNSUBSCRIBE
};

struct outbox_item {
    struct outbox_item *next;
    enum outbox_kind kind;
    struct pl_buf *message; /* PUBLISH: a reference */
    size_t topic_len;
    char topic[];
};

struct outbox {
    pthread_mutex_t mutex;
    struct outbox_item *head; /* under the mutex, as all below */
    struct outbox_item **tail;
    size_t bytes;
    size_t bytes_max;
    bool is_awake; /* there is something to read */
    int wake_read;
    int wake_write;
};

PL_MUST_CHECK enum parley_code outbox_init(struct outbox *outbox, size_t bytes_max,
                                           struct pl_error *err);
/* Lets go of what is inside. After a failed init, or zeroed: no effect. */
void outbox_deinit(struct outbox *outbox);
/* @param message  refs; NULL unless PUBLISH. Returns 0, or -1: no room, or no memory. */
PL_MUST_CHECK int outbox_put(struct outbox *outbox, enum outbox_kind kind,
                             const struct bus_topic *topic, struct pl_buf *message);
void outbox_wake(struct outbox *outbox);
/* Polls readable when something was put or outbox_wake was called. */
int outbox_fd(const struct outbox *outbox);
/* Everything, oldest first; the caller frees each (outbox_item_free). @thread the bus's own */
struct outbox_item *outbox_take(struct outbox *outbox);
void outbox_item_free(struct outbox_item *item);

#endif /* PARLEY_BUS_OUTBOX_H */
