/* SPDX-License-Identifier: Apache-2.0 */
/* A bus in slow motion; see script_bus.h. */
#include "script_bus.h"

#include "support/check.h"

#include <string.h>

static struct script_topic *find(struct script_end *end, const struct bus_topic *name)
{
    for (size_t i = 0; i < SCRIPT_TOPICS; i++) {
        struct script_topic *topic = &end->topics[i];
        if (topic->refs > 0 && strlen(topic->name) == name->len &&
            memcmp(topic->name, name->data, name->len) == 0) {
            return topic;
        }
    }
    return NULL;
}

/* ---- the port ---- */

static struct script_end *end_of(struct bus *bus)
{
    return (struct script_end *)bus;
}

static enum parley_code start(struct bus *bus, const struct bus_events *events, void *context,
                              struct pl_error *err)
{
    struct script_end *end = end_of(bus);
    (void)err;
    end->events = events;
    end->context = context;
    return PARLEY_OK;
}

static void nothing(struct bus *bus)
{
    (void)bus;
}

static int publish(struct bus *bus, const struct bus_topic *topic, struct pl_buf *message)
{
    struct script_wire *wire = end_of(bus)->wire;
    if (!end_of(bus)->is_up) {
        return -1;
    }
    for (size_t i = 0; i < wire->end_count; i++) {
        struct script_end *to = &wire->ends[i];
        const struct script_topic *found = find(to, topic);
        if (to->is_up && found != NULL && found->is_settled) {
            assert_true(wire->message_count < SCRIPT_MESSAGES);
            wire->messages[wire->message_count++] =
                (struct script_message){to, pl_buf_ref(message)};
        }
    }
    return 0;
}

static int subscribe(struct bus *bus, const struct bus_topic *name)
{
    struct script_end *end = end_of(bus);
    struct script_topic *topic = find(end, name);
    for (size_t i = 0; topic == NULL; i++) {
        assert_true(i < SCRIPT_TOPICS);
        if (end->topics[i].refs == 0) {
            topic = &end->topics[i];
            *topic = (struct script_topic){.refs = 0};
            memcpy(topic->name, name->data, name->len);
        }
    }
    topic->refs++;
    return 0;
}

static void unsubscribe(struct bus *bus, const struct bus_topic *name)
{
    struct script_topic *topic = find(end_of(bus), name);
    assert_non_null(topic);
    topic->refs--;
}

static bool is_connected(const struct bus *bus)
{
    return ((const struct script_end *)(const void *)bus)->is_up;
}

static const struct bus_ops ops = {
    .start = start,
    .stop = nothing,
    .free = nothing,
    .publish = publish,
    .subscribe = subscribe,
    .unsubscribe = unsubscribe,
    .is_connected = is_connected,
};

/* ---- what the test does ---- */

void script_wire_init(struct script_wire *wire)
{
    memset(wire, 0, sizeof(*wire));
}

void script_wire_deinit(struct script_wire *wire)
{
    while (wire->message_count > 0) {
        script_wire_lose(wire, 0);
    }
}

struct script_end *script_wire_join(struct script_wire *wire)
{
    assert_true(wire->end_count < SCRIPT_ENDS);
    struct script_end *end = &wire->ends[wire->end_count++];
    end->bus.ops = &ops;
    end->wire = wire;
    end->is_up = true;
    return end;
}

bool script_wire_settle(struct script_wire *wire)
{
    for (size_t i = 0; i < wire->end_count; i++) {
        struct script_end *end = &wire->ends[i];
        for (size_t k = 0; end->is_up && k < SCRIPT_TOPICS; k++) {
            struct script_topic *topic = &end->topics[k];
            if (topic->refs > 0 && !topic->is_settled) {
                const struct bus_topic name = {topic->name, strlen(topic->name)};
                topic->is_settled = true;
                end->events->on_gap(end->context, &name);
                return true;
            }
        }
    }
    return false;
}

void script_wire_deliver(struct script_wire *wire, size_t index, bool again)
{
    struct script_message *message = &wire->messages[index];
    struct script_end *to = message->to;
    to->events->on_message(to->context, message->bytes->data, message->bytes->len);
    if (!again) {
        script_wire_lose(wire, index);
    }
}

void script_wire_lose(struct script_wire *wire, size_t index)
{
    pl_buf_unref(wire->messages[index].bytes);
    wire->message_count--;
    memmove(&wire->messages[index], &wire->messages[index + 1],
            (wire->message_count - index) * sizeof(wire->messages[0]));
}

void script_wire_serve_all(struct script_wire *wire)
{
    while (script_wire_settle(wire)) {
    }
    while (wire->message_count > 0) {
        script_wire_deliver(wire, 0, false);
    }
}

void script_end_set_up(struct script_end *end, bool is_up)
{
    struct script_wire *wire = end->wire;
    if (end->is_up == is_up) {
        return;
    }
    end->is_up = is_up;
    for (size_t i = wire->message_count; !is_up && i > 0; i--) {
        if (wire->messages[i - 1].to == end) {
            script_wire_lose(wire, i - 1);
        }
    }
    for (size_t i = 0; i < SCRIPT_TOPICS; i++) {
        end->topics[i].is_settled = is_up;
    }
    end->events->on_state(end->context, is_up);
    if (is_up) {
        end->events->on_gap(end->context, NULL);
        end->events->on_lost(end->context);
    }
}
