/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_BUS_NATS_SUBJECT_H
#define PARLEY_BUS_NATS_SUBJECT_H

/* The subject of a topic: "<name>.<topic>" with every byte that means something to NATS, or is not
 * printable, written as %XX. Different topics have different subjects. @thread any */

#include "fanout/bus/bus.h"
#include "fanout/bus/options.h"

#define SUBJECT_SIZE (BUS_NAME_MAX + 1 + 3 * BUS_TOPIC_MAX + 1)

/* @param name  of at most BUS_NAME_MAX bytes. NUL-terminates. */
void subject_encode(char out[SUBJECT_SIZE], const char *name, const struct bus_topic *topic);

#endif /* PARLEY_BUS_NATS_SUBJECT_H */
