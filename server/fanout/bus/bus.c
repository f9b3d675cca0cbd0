/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of the port. */
#include "fanout/bus/bus.h"

enum parley_code bus_start(struct bus *bus, const struct bus_events *events, void *context,
                           struct pl_error *err)
{
    return bus->ops->start(bus, events, context, err);
}

void bus_stop(struct bus *bus)
{
    if (bus != NULL) {
        bus->ops->stop(bus);
    }
}

void bus_free(struct bus *bus)
{
    if (bus != NULL) {
        bus->ops->stop(bus);
        bus->ops->free(bus);
    }
}

int bus_publish(struct bus *bus, const struct bus_topic *topic, struct pl_buf *message)
{
    return bus->ops->publish(bus, topic, message);
}

int bus_subscribe(struct bus *bus, const struct bus_topic *topic)
{
    return bus->ops->subscribe(bus, topic);
}

void bus_unsubscribe(struct bus *bus, const struct bus_topic *topic)
{
    bus->ops->unsubscribe(bus, topic);
}

bool bus_is_connected(const struct bus *bus)
{
    return bus->ops->is_connected(bus);
}
