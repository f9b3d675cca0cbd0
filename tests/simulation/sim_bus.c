/* SPDX-License-Identifier: Apache-2.0 */
/* The bus of the simulation; see sim_bus.h. */
#include "sim_bus.h"

#include "sim.h"

#include "base/list.h"
#include "base/map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_MAX_US   INT64_C(1000000)
#define SUBSCRIBE_MAX_US INT64_C(20000)

struct sim_bus {
    struct bus base;
    struct pl_list node; /* broker.buses, once started */
    uint32_t number;
    struct pl_map *topics;   /* topic -> struct topic */
    struct pl_map *latest;   /* sender and topic -> when its last message comes: int64_t */
    struct pl_list messages; /* on their way to it */
    struct sim_event connect;
    const struct bus_events *events;
    void *context;
    bool is_connected;
};

struct topic {
    struct sim_event activate;
    struct sim_bus *bus;
    unsigned refs;
    bool is_active;
    size_t len;
    char name[BUS_TOPIC_MAX];
};

struct message {
    struct sim_event arrival;
    struct pl_list node;
    struct sim_bus *to;
    struct pl_buf *data;
};

static struct {
    struct pl_list buses;
    struct sim_bus_faults faults;
    uint32_t count;
    bool is_up;
} broker;

static void *need(void *memory)
{
    if (memory == NULL) {
        (void)fputs("simulated bus: out of memory\n", stderr);
        abort();
    }
    return memory;
}

static struct sim_bus *of(struct bus *bus)
{
    return PL_CONTAINER_OF(bus, struct sim_bus, base);
}

/* ---- messages ---- */

static void drop(struct message *message)
{
    sim_cancel(&message->arrival);
    pl_list_remove(&message->node);
    pl_buf_unref(message->data);
    free(message);
}

static void drop_all(struct sim_bus *bus)
{
    while (!pl_list_is_empty(&bus->messages)) {
        drop(PL_LIST_ENTRY(bus->messages.next, struct message, node));
    }
}

static void on_arrival(struct sim_event *event)
{
    struct message *message = PL_CONTAINER_OF(event, struct message, arrival);
    const struct sim_bus *to = message->to;
    to->events->on_message(to->context, message->data->data, message->data->len);
    drop(message);
}

static void carry(struct sim_bus *to, struct pl_buf *data, int64_t at_us)
{
    struct message *message = need(calloc(1, sizeof(*message)));
    message->arrival.run = on_arrival;
    message->to = to;
    message->data = pl_buf_ref(data);
    pl_list_push(&to->messages, &message->node);
    sim_after(&message->arrival, at_us - sim_now_us());
}

/* Those of one sender on one topic keep their order; all else overtakes each other. */
static int64_t when(struct sim_bus *to, uint32_t sender, const struct bus_topic *topic)
{
    char key[sizeof(sender) + BUS_TOPIC_MAX];
    memcpy(key, &sender, sizeof(sender));
    memcpy(key + sizeof(sender), topic->data, topic->len);
    size_t len = sizeof(sender) + topic->len;
    int64_t *latest = pl_map_find(to->latest, key, len);
    if (latest == NULL) {
        latest = need(calloc(1, sizeof(*latest)));
        need(pl_map_put(to->latest, key, len, latest, NULL) == 0 ? latest : NULL);
    }
    int64_t at_us = sim_now_us() + sim_mostly_short(20, broker.faults.delay_max_us);
    *latest = at_us > *latest ? at_us : *latest;
    return *latest;
}

static bool hears(const struct sim_bus *bus, const struct bus_topic *name)
{
    const struct topic *topic = pl_map_find(bus->topics, name->data, name->len);
    return bus->is_connected && topic != NULL && topic->is_active;
}

static int publish(struct bus *base, const struct bus_topic *topic, struct pl_buf *data)
{
    const struct sim_bus *from = of(base);
    if (!from->is_connected) {
        return -1;
    }
    PL_LIST_FOREACH (node, &broker.buses) {
        struct sim_bus *to = PL_LIST_ENTRY(node, struct sim_bus, node);
        if (!hears(to, topic) || sim_chance(broker.faults.lost)) {
            continue;
        }
        int64_t at_us = when(to, from->number, topic);
        carry(to, data, at_us);
        if (sim_chance(broker.faults.repeated)) {
            carry(to, data, at_us + sim_mostly_short(0, broker.faults.delay_max_us));
        }
    }
    return 0;
}

/* ---- topics ---- */

static void on_activate(struct sim_event *event)
{
    struct topic *topic = PL_CONTAINER_OF(event, struct topic, activate);
    const struct sim_bus *bus = topic->bus;
    topic->is_active = true;
    bus->events->on_gap(bus->context, &(struct bus_topic){topic->name, topic->len});
}

static void activate_later(struct topic *topic)
{
    topic->is_active = false;
    if (topic->bus->is_connected) {
        sim_after(&topic->activate, sim_mostly_short(20, SUBSCRIBE_MAX_US));
    }
}

static int subscribe(struct bus *base, const struct bus_topic *name)
{
    struct sim_bus *bus = of(base);
    struct topic *topic = pl_map_find(bus->topics, name->data, name->len);
    if (topic == NULL) {
        topic = need(calloc(1, sizeof(*topic)));
        topic->activate.run = on_activate;
        topic->bus = bus;
        topic->len = name->len;
        memcpy(topic->name, name->data, name->len);
        need(pl_map_put(bus->topics, name->data, name->len, topic, NULL) == 0 ? topic : NULL);
        activate_later(topic);
    }
    topic->refs++;
    return 0;
}

static void free_topic(void *value)
{
    struct topic *topic = value;
    sim_cancel(&topic->activate);
    free(topic);
}

static void unsubscribe(struct bus *base, const struct bus_topic *name)
{
    struct sim_bus *bus = of(base);
    struct topic *topic = pl_map_find(bus->topics, name->data, name->len);
    if (topic != NULL && --topic->refs == 0) {
        free_topic(pl_map_take(bus->topics, name->data, name->len));
    }
}

/* ---- connections ---- */

static void on_connect(struct sim_event *event)
{
    struct sim_bus *bus = PL_CONTAINER_OF(event, struct sim_bus, connect);
    size_t cursor = 0;
    sim_note("bus %u: connected", bus->number);
    bus->is_connected = true;
    for (struct topic *topic = pl_map_next(bus->topics, &cursor, NULL, NULL); topic != NULL;
         topic = pl_map_next(bus->topics, &cursor, NULL, NULL)) {
        topic->is_active = true;
    }
    bus->events->on_state(bus->context, true);
    bus->events->on_gap(bus->context, NULL);
    bus->events->on_lost(bus->context);
}

static void connect_later(struct sim_bus *bus)
{
    if (broker.is_up) {
        sim_after(&bus->connect, sim_mostly_short(100, CONNECT_MAX_US));
    }
}

static void disconnect(struct sim_bus *bus)
{
    size_t cursor = 0;
    sim_cancel(&bus->connect);
    if (!bus->is_connected) {
        return;
    }
    sim_note("bus %u: disconnected", bus->number);
    bus->is_connected = false;
    drop_all(bus);
    for (struct topic *topic = pl_map_next(bus->topics, &cursor, NULL, NULL); topic != NULL;
         topic = pl_map_next(bus->topics, &cursor, NULL, NULL)) {
        topic->is_active = false;
        sim_cancel(&topic->activate);
    }
    bus->events->on_state(bus->context, false);
}

void sim_bus_set_up(bool is_up)
{
    if (broker.is_up == is_up) {
        return;
    }
    sim_note("the broker is %s", is_up ? "up" : "down");
    broker.is_up = is_up;
    PL_LIST_FOREACH (node, &broker.buses) {
        struct sim_bus *bus = PL_LIST_ENTRY(node, struct sim_bus, node);
        disconnect(bus);
        connect_later(bus);
    }
}

void sim_bus_cut_one(void)
{
    struct sim_bus *picked = NULL;
    uint64_t seen = 0;
    PL_LIST_FOREACH (node, &broker.buses) {
        if (sim_roll(++seen) == 0) {
            picked = PL_LIST_ENTRY(node, struct sim_bus, node);
        }
    }
    if (picked != NULL) {
        disconnect(picked);
        connect_later(picked);
    }
}

/* ---- life ---- */

static enum parley_code start(struct bus *base, const struct bus_events *events, void *context,
                              struct pl_error *err)
{
    struct sim_bus *bus = of(base);
    (void)err;
    bus->events = events;
    bus->context = context;
    pl_list_push(&broker.buses, &bus->node);
    connect_later(bus);
    return PARLEY_OK;
}

static void stop(struct bus *base)
{
    struct sim_bus *bus = of(base);
    size_t cursor = 0;
    pl_list_remove(&bus->node);
    sim_cancel(&bus->connect);
    bus->is_connected = false;
    drop_all(bus);
    for (struct topic *topic = pl_map_next(bus->topics, &cursor, NULL, NULL); topic != NULL;
         topic = pl_map_next(bus->topics, &cursor, NULL, NULL)) {
        sim_cancel(&topic->activate);
    }
}

static void free_bus(struct bus *base)
{
    struct sim_bus *bus = of(base);
    pl_map_free(bus->topics, free_topic);
    pl_map_free(bus->latest, free);
    free(bus);
}

static bool is_connected(const struct bus *base)
{
    return ((const struct sim_bus *)(const void *)base)->is_connected; /* its first member */
}

static const struct bus_ops ops = {
    .start = start,
    .stop = stop,
    .free = free_bus,
    .publish = publish,
    .subscribe = subscribe,
    .unsubscribe = unsubscribe,
    .is_connected = is_connected,
};

struct bus *sim_bus_new(void)
{
    struct sim_bus *bus = need(calloc(1, sizeof(*bus)));
    bus->base.ops = &ops;
    bus->number = broker.count++;
    bus->connect.run = on_connect;
    bus->topics = need(pl_map_new());
    bus->latest = need(pl_map_new());
    pl_list_init(&bus->messages);
    return &bus->base;
}

void sim_bus_reset(void)
{
    pl_list_init(&broker.buses);
    broker.faults = (struct sim_bus_faults){.delay_max_us = 2000};
    broker.count = 0;
    broker.is_up = true;
}

void sim_bus_set_faults(const struct sim_bus_faults *faults)
{
    broker.faults = *faults;
}
