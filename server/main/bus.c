/* SPDX-License-Identifier: Apache-2.0 */
/* The bus that the settings ask for; see bus.h. */
#include "main/bus.h"

#include "fanout/bus/options.h"
#include "fanout/bus/worker.h"

#ifdef PARLEY_WITH_NATS
#    include "fanout/bus/nats/nats.h"
#endif
#ifdef PARLEY_WITH_RABBITMQ
#    include "fanout/bus/rabbitmq/rabbitmq.h"
#endif

/* The choices of bus.kind, in their order in the table. */
enum {
    KIND_NONE,
    KIND_NATS,
    KIND_RABBITMQ,
};

static enum parley_code make(int64_t kind, const struct bus_options *options, struct bus **bus,
                             struct pl_error *err)
{
#ifdef PARLEY_WITH_NATS
    if (kind == KIND_NATS) {
        return bus_nats_new(options, bus, err);
    }
#endif
#ifdef PARLEY_WITH_RABBITMQ
    if (kind == KIND_RABBITMQ) {
        return bus_rabbitmq_new(options, bus, err);
    }
#endif
    (void)options;
    (void)bus;
    return pl_fail(err, PARLEY_UNIMPLEMENTED, "this parleyd was built without %s",
                   kind == KIND_NATS ? "NATS" : "RabbitMQ");
}

enum parley_code main_bus_new(const struct config *config, struct bus **bus, struct pl_error *err)
{
    if (config->bus_kind == KIND_NONE) {
        *bus = NULL;
        return PARLEY_OK;
    }
    const struct bus_options options = {
        .servers = config->bus_servers,
        .credentials = config->bus_credentials,
        .tls_ca = config->bus_tls_ca,
        .tls_cert = config->bus_tls_cert,
        .tls_key = config->bus_tls_key,
        .name = config->bus_name,
        .queue_bytes = (size_t)config->bus_queue_bytes,
    };
    bus_register_metrics();
    enum parley_code code = make(config->bus_kind, &options, bus, err);
    return code == PARLEY_OK ? code : pl_error_wrap(err, "bus: ");
}
