/* SPDX-License-Identifier: Apache-2.0 */
/* The drivers and their brokers; see driver.h. */
#include "driver.h"

#include "fanout/bus/local/local.h"
#ifdef PARLEY_WITH_NATS
#    include "fanout/bus/nats/nats.h"
#endif
#ifdef PARLEY_WITH_RABBITMQ
#    include "fanout/bus/rabbitmq/rabbitmq.h"
#endif
#include "support/broker.h"

#include <string.h>

static struct broker broker;
static struct local_broker *local;

struct broker *driver_broker(void)
{
    return &broker;
}

struct bus_options driver_options(void)
{
    return (struct bus_options){
        .servers = broker.url, .name = "conformance", .queue_bytes = (size_t)4 * 1024 * 1024};
}

/* ---- local ---- */

static void start_local(void)
{
    local = local_broker_new();
    assert_non_null(local);
}

static void stop_local(void)
{
    local_broker_free(local);
}

static struct bus *open_local(const struct bus_options *options)
{
    (void)options;
    return bus_local_new(local);
}

static void kill_local(void)
{
    local_broker_set_up(local, false);
}

static void restart_local(void)
{
    local_broker_set_up(local, true);
}

/* ---- real brokers ---- */

static void stop_broker(void)
{
    broker_deinit(&broker);
}

static void kill_broker(void)
{
    broker_kill(&broker);
}

static void restart_broker(void)
{
    broker_start(&broker);
}

typedef enum parley_code (*new_fn)(const struct bus_options *, struct bus **, struct pl_error *);

static struct bus *open_with(new_fn make, const struct bus_options *options)
{
    struct bus *bus = NULL;
    struct pl_error err = PL_ERROR_INIT;
    const struct bus_options defaults = driver_options();
    if (make(options != NULL ? options : &defaults, &bus, &err) != PARLEY_OK) {
        print_message("%s\n", err.text);
        return NULL;
    }
    return bus;
}

#ifdef PARLEY_WITH_NATS
static void start_nats(void)
{
    broker_init(&broker, BROKER_NATS, NULL);
    broker_start(&broker);
}

static struct bus *open_nats(const struct bus_options *options)
{
    return open_with(bus_nats_new, options);
}

#endif

#ifdef PARLEY_WITH_RABBITMQ
static void start_rabbitmq(void)
{
    broker_init(&broker, BROKER_RABBITMQ, NULL);
    broker_start(&broker);
}

static struct bus *open_rabbitmq(const struct bus_options *options)
{
    return open_with(bus_rabbitmq_new, options);
}

#endif

static const struct driver drivers[] = {
    {"local", false, true, start_local, stop_local, open_local, kill_local, restart_local},
#ifdef PARLEY_WITH_NATS
    {"nats", true, true, start_nats, stop_broker, open_nats, kill_broker, restart_broker},
#endif
#ifdef PARLEY_WITH_RABBITMQ
    {"rabbitmq", true, false, start_rabbitmq, stop_broker, open_rabbitmq, kill_broker,
     restart_broker},
#endif
};

const struct driver *driver;

const struct driver *driver_find(const char *name)
{
    for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
        if (strcmp(drivers[i].name, name) == 0) {
            return &drivers[i];
        }
    }
    return NULL;
}
