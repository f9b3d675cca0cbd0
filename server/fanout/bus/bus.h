/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_BUS_BUS_H
#define PARLEY_BUS_BUS_H

/* The port: how nodes tell each other of what was committed. Topics are byte strings, messages are
 * opaque. The bus is only speed: a message may be lost, late, and overtaken by that of another
 * sender. What the bus knows to be lost it says (on_gap, on_lost), and whoever needs all reads the
 * store.
 *
 * Promises, tested for every driver by tests/conformance/bus:
 *  - after on_gap for a topic, what is published on it comes, or on_gap comes again;
 *  - messages of one sender on one topic come in the order in which they were published;
 *  - nothing blocks: what cannot be kept for the broker is dropped and counted;
 *  - a broken connection is mended by itself, at any of the addresses.
 *
 * A node may hear its own messages. */

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

#define BUS_TOPIC_MAX   80
#define BUS_MESSAGE_MAX ((size_t)768 * 1024) /* NATS takes 1 MiB unless told otherwise */

struct bus; /* opaque */

struct bus_topic {
    const char *data;
    size_t len; /* 1 to BUS_TOPIC_MAX */
};

/* On threads of the bus, or inside the calls below; they must not block and not call the bus. */
struct bus_events {
    /* Borrowed until return. */
    void (*on_message)(void *context, const void *data, size_t len);
    /* What others published on this topic before may be lost, what they publish from now on comes.
     * NULL: on every topic. Comes also for each topic once it is subscribed. */
    void (*on_gap)(void *context, const struct bus_topic *topic);
    /* Something that this node published may not have come to others. */
    void (*on_lost)(void *context);
    void (*on_state)(void *context, bool is_connected);
};

/* Begin to connect. @param events, context  keeps until bus_stop. Once. @thread start */
PL_MUST_CHECK enum parley_code bus_start(struct bus *bus, const struct bus_events *events,
                                         void *context, struct pl_error *err);
/* No event comes after; the functions below do nothing. Blocks. NULL is fine. @thread start */
void bus_stop(struct bus *bus);
/* Stop, and free. NULL is fine. @thread start */
void bus_free(struct bus *bus);

/* Send to all who subscribe, this node perhaps included. @param message  refs.
 * Returns 0: on its way, or -1: dropped (no connection, or no room). @thread any */
int bus_publish(struct bus *bus, const struct bus_topic *topic, struct pl_buf *message);
/* Subscriptions are counted. Returns 0, or -1: no memory, and it does not count. @thread any */
PL_MUST_CHECK int bus_subscribe(struct bus *bus, const struct bus_topic *topic);
void bus_unsubscribe(struct bus *bus, const struct bus_topic *topic);
bool bus_is_connected(const struct bus *bus);

/* What a driver provides; used through the functions above. */
struct bus_ops {
    enum parley_code (*start)(struct bus *bus, const struct bus_events *events, void *context,
                              struct pl_error *err);
    void (*stop)(struct bus *bus); /* also twice, and without a start */
    void (*free)(struct bus *bus);
    int (*publish)(struct bus *bus, const struct bus_topic *topic, struct pl_buf *message);
    int (*subscribe)(struct bus *bus, const struct bus_topic *topic);
    void (*unsubscribe)(struct bus *bus, const struct bus_topic *topic);
    bool (*is_connected)(const struct bus *bus);
};

struct bus {
    const struct bus_ops *ops;
};

#endif /* PARLEY_BUS_BUS_H */
