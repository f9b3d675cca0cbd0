/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_FANOUT_SCRIPT_BUS_H
#define PARLEY_TEST_FANOUT_SCRIPT_BUS_H

/* A bus in slow motion: whatever a broker does by itself is a call of the test, in any order, so
 * that messages can be late, overtaken, repeated and lost, and subscriptions slow. */

#include "fanout/bus/bus.h"

#define SCRIPT_ENDS     4
#define SCRIPT_TOPICS   32
#define SCRIPT_MESSAGES 4096

struct script_wire;

struct script_topic {
    char name[BUS_TOPIC_MAX + 1];
    unsigned refs;
    bool is_settled; /* the broker knows of it */
};

/* A node's end. */
struct script_end {
    struct bus bus;
    struct script_wire *wire;
    const struct bus_events *events;
    void *context;
    bool is_up;
    struct script_topic topics[SCRIPT_TOPICS];
};

struct script_message {
    struct script_end *to;
    struct pl_buf *bytes;
};

struct script_wire {
    struct script_end ends[SCRIPT_ENDS];
    size_t end_count;
    struct script_message messages[SCRIPT_MESSAGES]; /* on their way, oldest first */
    size_t message_count;
};

void script_wire_init(struct script_wire *wire);
void script_wire_deinit(struct script_wire *wire);
struct script_end *script_wire_join(struct script_wire *wire);

/* Put into effect what is subscribed, one topic of one end. False: nothing is left to do. */
bool script_wire_settle(struct script_wire *wire);
/* Message `index` comes; it stays on its way if `again`. */
void script_wire_deliver(struct script_wire *wire, size_t index, bool again);
void script_wire_lose(struct script_wire *wire, size_t index);
/* Everything, in order. */
void script_wire_serve_all(struct script_wire *wire);
/* Cut an end off or join it again, with all that a driver says then. What is on its way to it is
 * lost. */
void script_end_set_up(struct script_end *end, bool is_up);

#endif /* PARLEY_TEST_FANOUT_SCRIPT_BUS_H */
