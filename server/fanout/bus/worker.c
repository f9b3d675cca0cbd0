/* SPDX-License-Identifier: Apache-2.0 */
/* The thread of a bus; see worker.h.
 *
 *   DOWN ──connect, subscribe all, settle──> UP ──the driver says -1──> DOWN
 *     └──failed: wait, longer each time──┘
 *
 * Coming UP says on_state(true), then on_gap for all (others' messages of the outage) and on_lost
 * (ours). While DOWN, what is to be published is dropped at once: whoever would hear it late reads
 * the store anyway. */
#include "fanout/bus/worker.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/metric.h"

#include <poll.h>
#include <string.h>

#define WAIT_MS        1000 /* longest rest of an idle thread */
#define BACKOFF_MS     50
#define BACKOFF_MS_MAX 2000

struct worker_topic {
    struct pl_list node; /* worker->fresh: subscribed since the last settle */
    unsigned refs;
    void *handle;
    struct bus_topic name;
    char bytes[];
};

static struct pl_metric published = {.name = "parley_bus_published_total",
                                     .help = "Messages given to the broker.",
                                     .kind = PL_METRIC_COUNTER};
static struct pl_metric received = {.name = "parley_bus_received_total",
                                    .help = "Messages that came from the broker.",
                                    .kind = PL_METRIC_COUNTER};
static struct pl_metric dropped = {
    .name = "parley_bus_dropped_total",
    .help = "Messages not given to the broker: no connection, or no room before it.",
    .kind = PL_METRIC_COUNTER};
static struct pl_metric gaps = {
    .name = "parley_bus_gaps_total",
    .help = "Times that messages of other nodes may have been lost and the store was asked.",
    .kind = PL_METRIC_COUNTER};
static struct pl_metric connected = {.name = "parley_bus_connected",
                                     .help = "1: connected to the broker; 0: not, so that "
                                             "messages of other nodes are found by polling.",
                                     .kind = PL_METRIC_GAUGE};

void bus_register_metrics(void)
{
    static bool is_done;
    if (!is_done) {
        is_done = true;
        pl_metric_register(&published, 1);
        pl_metric_register(&received, 1);
        pl_metric_register(&dropped, 1);
        pl_metric_register(&gaps, 1);
        pl_metric_register(&connected, 1);
    }
}

static bool get(const bool *flag)
{
    return __atomic_load_n(flag, __ATOMIC_SEQ_CST);
}

static void set(bool *flag, bool value)
{
    __atomic_store_n(flag, value, __ATOMIC_SEQ_CST);
}

/* ---- what the driver says ---- */

void worker_receive(struct worker *worker, const void *data, size_t len)
{
    pl_metric_add(&received, 1);
    worker->events->on_message(worker->context, data, len);
}

void worker_miss(struct worker *worker)
{
    pl_metric_add(&gaps, 1);
    worker->events->on_gap(worker->context, NULL);
}

void worker_poll(struct worker *worker, int timeout_ms)
{
    struct pollfd fd = {.fd = outbox_fd(&worker->outbox), .events = POLLIN};
    (void)poll(&fd, 1, timeout_ms);
}

/* ---- topics ---- */

/* Without memory the topic is not heard; polling finds its messages. */
static struct worker_topic *find_or_add(struct worker *worker, const struct outbox_item *item)
{
    struct worker_topic *topic = pl_map_find(worker->topics, item->topic, item->topic_len);
    if (topic != NULL) {
        return topic;
    }
    topic = pl_calloc(1, sizeof(*topic) + item->topic_len);
    if (topic != NULL &&
        pl_map_put(worker->topics, item->topic, item->topic_len, topic, NULL) != 0) {
        pl_free(topic);
        return NULL;
    }
    if (topic != NULL) {
        memcpy(topic->bytes, item->topic, item->topic_len);
        topic->name = (struct bus_topic){topic->bytes, item->topic_len};
    }
    return topic;
}

static int subscribe(struct worker *worker, const struct outbox_item *item)
{
    struct worker_topic *topic = find_or_add(worker, item);
    if (topic == NULL || topic->refs++ > 0) {
        return 0;
    }
    if (!worker->is_connected) {
        return 0;
    }
    pl_list_push(&worker->fresh, &topic->node);
    return worker->driver->subscribe(worker, &topic->name, &topic->handle);
}

static void unsubscribe(struct worker *worker, const struct outbox_item *item)
{
    struct worker_topic *topic = pl_map_find(worker->topics, item->topic, item->topic_len);
    if (topic == NULL || --topic->refs > 0) {
        return;
    }
    if (topic->handle != NULL) {
        worker->driver->unsubscribe(worker, &topic->name, topic->handle);
    }
    pl_list_remove(&topic->node);
    pl_free(pl_map_take(worker->topics, item->topic, item->topic_len));
}

static int subscribe_all(struct worker *worker)
{
    size_t cursor = 0;
    for (struct worker_topic *topic = pl_map_next(worker->topics, &cursor, NULL, NULL);
         topic != NULL; topic = pl_map_next(worker->topics, &cursor, NULL, NULL)) {
        if (worker->driver->subscribe(worker, &topic->name, &topic->handle) != 0) {
            return -1;
        }
    }
    return worker->driver->settle(worker);
}

/* ---- up and down ---- */

static void go_down(struct worker *worker)
{
    size_t cursor = 0;
    if (worker->is_connected) {
        set(&worker->is_connected, false);
        pl_metric_set(&connected, 0);
        pl_log_warn("BUS_DISCONNECTED", worker->driver->name,
                    "no connection to the broker: messages of other nodes are found by polling");
        worker->events->on_state(worker->context, false);
    }
    for (struct worker_topic *topic = pl_map_next(worker->topics, &cursor, NULL, NULL);
         topic != NULL; topic = pl_map_next(worker->topics, &cursor, NULL, NULL)) {
        pl_list_remove(&topic->node);
        if (topic->handle != NULL) {
            worker->driver->unsubscribe(worker, &topic->name, topic->handle);
            topic->handle = NULL;
        }
    }
    worker->driver->disconnect(worker);
}

static void go_up(struct worker *worker)
{
    worker->failures = 0;
    set(&worker->is_connected, true);
    pl_metric_set(&connected, 1);
    pl_log_info("BUS_CONNECTED", worker->driver->name, "connected to the broker");
    worker->events->on_state(worker->context, true);
    worker_miss(worker);
    set(&worker->has_lost, true);
}

static int backoff_ms(unsigned failures)
{
    unsigned shift = failures < 6 ? failures : 6;
    int longest = BACKOFF_MS << shift;
    longest = longest < BACKOFF_MS_MAX ? longest : BACKOFF_MS_MAX;
    return longest / 2 + (int)pl_random_below((uint64_t)longest / 2);
}

/* Every failure would be a line a second: the first tells, and one a minute or so. */
static void try_connect(struct worker *worker)
{
    struct pl_error err = PL_ERROR_INIT;
    if (worker->driver->connect(worker, &err) == PARLEY_OK) {
        if (subscribe_all(worker) == 0) {
            go_up(worker);
            return;
        }
        pl_fail(&err, PARLEY_UNAVAILABLE, "the broker went away while topics were subscribed");
    }
    if (worker->failures++ % 32 == 0) {
        pl_log_warn("BUS_UNREACHABLE", worker->driver->name, "%s; trying again", err.text);
    }
    go_down(worker);
}

/* ---- the thread ---- */

static int handle(struct worker *worker, const struct outbox_item *item)
{
    const struct bus_topic name = {item->topic, item->topic_len};
    switch (item->kind) {
    case OUTBOX_SUBSCRIBE:
        return subscribe(worker, item);
    case OUTBOX_UNSUBSCRIBE:
        unsubscribe(worker, item);
        return 0;
    case OUTBOX_PUBLISH:
        break;
    }
    if (!worker->is_connected || worker->driver->publish(worker, &name, item->message) != 0) {
        pl_metric_add(&dropped, 1);
        set(&worker->has_lost, true);
        return -1;
    }
    pl_metric_add(&published, 1);
    return 0;
}

/* A broken connection ends in DOWN. */
static void handle_all(struct worker *worker)
{
    struct outbox_item *next = NULL;
    for (struct outbox_item *item = outbox_take(&worker->outbox); item != NULL; item = next) {
        next = item->next;
        if (handle(worker, item) != 0 && worker->is_connected) {
            go_down(worker);
        }
        outbox_item_free(item);
    }
}

static void settle_fresh(struct worker *worker)
{
    if (pl_list_is_empty(&worker->fresh)) {
        return;
    }
    if (worker->driver->settle(worker) != 0) {
        go_down(worker);
        return;
    }
    for (struct pl_list *node = pl_list_pop(&worker->fresh); node != NULL;
         node = pl_list_pop(&worker->fresh)) {
        worker->events->on_gap(worker->context,
                               &PL_LIST_ENTRY(node, struct worker_topic, node)->name);
    }
}

static void tell_loss(struct worker *worker)
{
    if (worker->is_connected && __atomic_exchange_n(&worker->has_lost, false, __ATOMIC_SEQ_CST)) {
        worker->events->on_lost(worker->context);
    }
}

static void rest_until(struct worker *worker, int64_t due_ms)
{
    for (int64_t left = due_ms - pl_clock_monotonic_ms(); left > 0 && !get(&worker->is_stopping);
         left = due_ms - pl_clock_monotonic_ms()) {
        worker_poll(worker, (int)left);
        handle_all(worker);
    }
}

static void *run(void *argument)
{
    struct worker *worker = argument;
    while (!get(&worker->is_stopping)) {
        if (!worker->is_connected) {
            try_connect(worker);
        }
        if (!worker->is_connected) {
            rest_until(worker, pl_clock_monotonic_ms() + backoff_ms(worker->failures));
            continue;
        }
        handle_all(worker);
        settle_fresh(worker);
        tell_loss(worker);
        if (worker->is_connected && worker->driver->wait(worker, WAIT_MS) != 0) {
            go_down(worker);
        }
    }
    go_down(worker);
    return NULL;
}

/* ---- the port ---- */

static struct worker *worker_of(struct bus *bus)
{
    return PL_CONTAINER_OF(bus, struct worker, bus);
}

static enum parley_code bus_worker_start(struct bus *bus, const struct bus_events *events,
                                         void *context, struct pl_error *err)
{
    struct worker *worker = worker_of(bus);
    worker->events = events;
    worker->context = context;
    int failed = pthread_create(&worker->thread, NULL, run, worker);
    if (failed != 0) {
        return pl_fail_errno(err, PARLEY_RESOURCE_EXHAUSTED, failed, "no thread for the bus");
    }
    worker->is_started = true;
    return PARLEY_OK;
}

static void bus_worker_stop(struct bus *bus)
{
    struct worker *worker = worker_of(bus);
    if (worker->is_started && !get(&worker->is_stopping)) {
        set(&worker->is_stopping, true);
        outbox_wake(&worker->outbox);
        (void)pthread_join(worker->thread, NULL);
    }
}

static void bus_worker_free(struct bus *bus)
{
    struct worker *worker = worker_of(bus);
    outbox_deinit(&worker->outbox);
    pl_map_free(worker->topics, pl_free);
    worker->driver->free(worker);
}

static int bus_worker_publish(struct bus *bus, const struct bus_topic *topic,
                              struct pl_buf *message)
{
    struct worker *worker = worker_of(bus);
    if (get(&worker->is_connected) && message->len <= BUS_MESSAGE_MAX &&
        outbox_put(&worker->outbox, OUTBOX_PUBLISH, topic, message) == 0) {
        return 0;
    }
    pl_metric_add(&dropped, 1);
    set(&worker->has_lost, true);
    return -1;
}

static int bus_worker_subscribe(struct bus *bus, const struct bus_topic *topic)
{
    struct worker *worker = worker_of(bus);
    return get(&worker->is_stopping) ? 0
                                     : outbox_put(&worker->outbox, OUTBOX_SUBSCRIBE, topic, NULL);
}

/* Without memory it stays subscribed: messages come in vain. */
static void bus_worker_unsubscribe(struct bus *bus, const struct bus_topic *topic)
{
    struct worker *worker = worker_of(bus);
    if (!get(&worker->is_stopping)) {
        (void)!outbox_put(&worker->outbox, OUTBOX_UNSUBSCRIBE, topic, NULL);
    }
}

static bool bus_worker_is_connected(const struct bus *bus)
{
    return get(&((const struct worker *)(const void *)bus)->is_connected); /* its first member */
}

static const struct bus_ops ops = {
    .start = bus_worker_start,
    .stop = bus_worker_stop,
    .free = bus_worker_free,
    .publish = bus_worker_publish,
    .subscribe = bus_worker_subscribe,
    .unsubscribe = bus_worker_unsubscribe,
    .is_connected = bus_worker_is_connected,
};

enum parley_code worker_init(struct worker *worker, const struct worker_driver *driver,
                             size_t queue_bytes, struct pl_error *err)
{
    *worker = (struct worker){.bus.ops = &ops, .driver = driver};
    pl_list_init(&worker->fresh);
    worker->topics = pl_map_new();
    if (worker->topics == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for the bus");
    }
    enum parley_code code = outbox_init(&worker->outbox, queue_bytes, err);
    if (code != PARLEY_OK) {
        pl_map_free(worker->topics, NULL);
    }
    return code;
}
