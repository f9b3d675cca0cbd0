/* SPDX-License-Identifier: Apache-2.0 */
/* The bus within one process. One lock for the broker, held while events are given: that is what
 * keeps the order of a sender, and why an event must not call the bus. */
#include "fanout/bus/local/local.h"

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"

#include <pthread.h>

struct local_broker {
    pthread_mutex_t mutex;
    struct pl_list buses; /* those that are started */
    bool is_up;
};

struct bus_local {
    struct bus bus;
    struct local_broker *broker;
    struct pl_list node;   /* broker->buses; all below under the broker's lock */
    struct pl_map *topics; /* topic -> struct count */
    const struct bus_events *events;
    void *context;
};

struct count {
    unsigned refs;
};

/* ---- the broker ---- */

struct local_broker *local_broker_new(void)
{
    struct local_broker *broker = pl_calloc(1, sizeof(*broker));
    if (broker != NULL) {
        (void)pthread_mutex_init(&broker->mutex, NULL);
        pl_list_init(&broker->buses);
        broker->is_up = true;
    }
    return broker;
}

void local_broker_free(struct local_broker *broker)
{
    if (broker != NULL) {
        (void)pthread_mutex_destroy(&broker->mutex);
        pl_free(broker);
    }
}

static void tell_state(struct bus_local *local, bool is_up)
{
    local->events->on_state(local->context, is_up);
    if (is_up) {
        local->events->on_gap(local->context, NULL);
        local->events->on_lost(local->context);
    }
}

void local_broker_set_up(struct local_broker *broker, bool is_up)
{
    (void)pthread_mutex_lock(&broker->mutex);
    if (broker->is_up != is_up) {
        broker->is_up = is_up;
        PL_LIST_FOREACH (node, &broker->buses) {
            tell_state(PL_LIST_ENTRY(node, struct bus_local, node), is_up);
        }
    }
    (void)pthread_mutex_unlock(&broker->mutex);
}

/* ---- a node's end ---- */

static struct bus_local *local_of(struct bus *bus)
{
    return PL_CONTAINER_OF(bus, struct bus_local, bus);
}

static enum parley_code start(struct bus *bus, const struct bus_events *events, void *context,
                              struct pl_error *err)
{
    struct bus_local *local = local_of(bus);
    (void)err;
    (void)pthread_mutex_lock(&local->broker->mutex);
    local->events = events;
    local->context = context;
    pl_list_push(&local->broker->buses, &local->node);
    if (local->broker->is_up) {
        events->on_state(context, true);
    }
    (void)pthread_mutex_unlock(&local->broker->mutex);
    return PARLEY_OK;
}

static void stop(struct bus *bus)
{
    struct bus_local *local = local_of(bus);
    (void)pthread_mutex_lock(&local->broker->mutex);
    pl_list_remove(&local->node);
    (void)pthread_mutex_unlock(&local->broker->mutex);
}

static void free_bus(struct bus *bus)
{
    struct bus_local *local = local_of(bus);
    pl_map_free(local->topics, pl_free);
    pl_free(local);
}

static bool is_started_locked(const struct bus_local *local)
{
    return pl_list_is_linked(&local->node);
}

static int publish(struct bus *bus, const struct bus_topic *topic, struct pl_buf *message)
{
    struct bus_local *local = local_of(bus);
    struct local_broker *broker = local->broker;
    (void)pthread_mutex_lock(&broker->mutex);
    bool is_up = broker->is_up && is_started_locked(local);
    for (struct pl_list *node = broker->buses.next; is_up && node != &broker->buses;
         node = node->next) {
        struct bus_local *other = PL_LIST_ENTRY(node, struct bus_local, node);
        if (pl_map_find(other->topics, topic->data, topic->len) != NULL) {
            other->events->on_message(other->context, message->data, message->len);
        }
    }
    (void)pthread_mutex_unlock(&broker->mutex);
    return is_up ? 0 : -1;
}

static int subscribe_locked(struct bus_local *local, const struct bus_topic *topic)
{
    struct count *count = pl_map_find(local->topics, topic->data, topic->len);
    if (count != NULL) {
        count->refs++;
        return 0;
    }
    count = pl_calloc(1, sizeof(*count));
    if (count == NULL || pl_map_put(local->topics, topic->data, topic->len, count, NULL) != 0) {
        pl_free(count);
        return -1;
    }
    count->refs = 1;
    if (local->broker->is_up && is_started_locked(local)) {
        local->events->on_gap(local->context, topic);
    }
    return 0;
}

static int subscribe(struct bus *bus, const struct bus_topic *topic)
{
    struct bus_local *local = local_of(bus);
    (void)pthread_mutex_lock(&local->broker->mutex);
    int result = subscribe_locked(local, topic);
    (void)pthread_mutex_unlock(&local->broker->mutex);
    return result;
}

static void unsubscribe(struct bus *bus, const struct bus_topic *topic)
{
    struct bus_local *local = local_of(bus);
    (void)pthread_mutex_lock(&local->broker->mutex);
    struct count *count = pl_map_find(local->topics, topic->data, topic->len);
    if (count != NULL && --count->refs == 0) {
        pl_free(pl_map_take(local->topics, topic->data, topic->len));
    }
    (void)pthread_mutex_unlock(&local->broker->mutex);
}

static bool is_connected(const struct bus *bus)
{
    struct local_broker *broker =
        ((const struct bus_local *)(const void *)bus)->broker; /* `bus` is its first member */
    (void)pthread_mutex_lock(&broker->mutex);
    bool is_up = broker->is_up;
    (void)pthread_mutex_unlock(&broker->mutex);
    return is_up;
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

struct bus *bus_local_new(struct local_broker *broker)
{
    struct bus_local *local = pl_calloc(1, sizeof(*local));
    if (local == NULL) {
        return NULL;
    }
    local->topics = pl_map_new();
    if (local->topics == NULL) {
        pl_free(local);
        return NULL;
    }
    local->bus.ops = &ops;
    local->broker = broker;
    return &local->bus;
}
