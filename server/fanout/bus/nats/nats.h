/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_BUS_NATS_H
#define PARLEY_BUS_NATS_H

/* The bus on NATS (core, no JetStream): a subject per topic, so that the broker routes exactly what
 * a node asked for. Messages come on the client library's pool of threads, shared by all
 * subscriptions. */

#include "fanout/bus/options.h"

struct bus;

/* Check the options; connects in the background after bus_start. @param options  borrowed.
 * @return PARLEY_OK with *bus owned (bus_free). @thread start */
PL_MUST_CHECK enum parley_code bus_nats_new(const struct bus_options *options, struct bus **bus,
                                            struct pl_error *err);

#endif /* PARLEY_BUS_NATS_H */
