/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_BUS_WORKER_H
#define PARLEY_BUS_WORKER_H

/* What the drivers of real brokers share: a thread that owns the connection, an outbox before it,
 * and the table of what is subscribed. The thread connects, waits longer after each failure,
 * subscribes anew what was subscribed, and says what may be lost. A driver only moves bytes: see
 * struct worker_driver. */

#include "fanout/bus/bus.h"
#include "fanout/bus/outbox.h"

#include "base/list.h"

#include <pthread.h>

struct pl_map;
struct worker;

/* All functions @thread worker, and they may block for a few seconds at most. -1: the connection is
 * of no use any more. */
struct worker_driver {
    const char *name; /* for logs: "nats" */
    /* Connect to any of the addresses. */
    enum parley_code (*connect)(struct worker *worker, struct pl_error *err);
    void (*disconnect)(struct worker *worker); /* no message comes after; also if not connected */
    int (*publish)(struct worker *worker, const struct bus_topic *topic,
                   const struct pl_buf *message);
    /* @param handle  the driver's own for this subscription; starts as NULL */
    int (*subscribe)(struct worker *worker, const struct bus_topic *topic, void **handle);
    void (*unsubscribe)(struct worker *worker, const struct bus_topic *topic, void *handle);
    /* When it returns 0, the subscriptions made before are in effect at the broker. */
    int (*settle)(struct worker *worker);
    /* Wait until the outbox's descriptor can be read, the broker says something, or time is over.
     * Takes in what came. */
    int (*wait)(struct worker *worker, int timeout_ms);
    void (*free)(struct worker *worker);
};

struct worker {
    struct bus bus;
    const struct worker_driver *driver;
    struct outbox outbox;
    const struct bus_events *events;
    void *context;
    pthread_t thread;
    bool is_started;
    bool is_stopping;      /* atomic */
    bool is_connected;     /* atomic */
    bool has_lost;         /* atomic: something was dropped since it was last told */
    struct pl_map *topics; /* worker thread: topic -> struct worker_topic */
    struct pl_list fresh;  /* worker thread: topics subscribed and not yet settled */
    unsigned failures;     /* worker thread: to connect, in a row */
};

/* @return PARLEY_OK; on failure there is nothing to undo. */
PL_MUST_CHECK enum parley_code worker_init(struct worker *worker,
                                           const struct worker_driver *driver, size_t queue_bytes,
                                           struct pl_error *err);
/* For drivers: hand in what came. @thread any, from connect to the end of disconnect */
void worker_receive(struct worker *worker, const void *data, size_t len);
/* For drivers: some of what was to come was thrown away. @thread worker */
void worker_miss(struct worker *worker);
/* For drivers without a socket of their own to poll: wait for the outbox. */
void worker_poll(struct worker *worker, int timeout_ms);

/* Once per process; again is harmless. @thread start */
void bus_register_metrics(void);

#endif /* PARLEY_BUS_WORKER_H */
