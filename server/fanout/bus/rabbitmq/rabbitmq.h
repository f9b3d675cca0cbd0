/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_BUS_RABBITMQ_H
#define PARLEY_BUS_RABBITMQ_H

/* The bus on RabbitMQ, or anything else that speaks AMQP 0-9-1, such as Amazon MQ. Topics are
 * partitioned by hash: a node has one queue, bounded and its own, bound to the partitions that it
 * needs, so that the broker keeps a few hundred bindings and not one per conversation. A node hears
 * the rest of a partition too. */

#include "fanout/bus/options.h"

struct bus;

/* Check the options; connects in the background after bus_start. @param options  borrowed.
 * @return PARLEY_OK with *bus owned (bus_free). @thread start */
PL_MUST_CHECK enum parley_code bus_rabbitmq_new(const struct bus_options *options, struct bus **bus,
                                                struct pl_error *err);

#endif /* PARLEY_BUS_RABBITMQ_H */
