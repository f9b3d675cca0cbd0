/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_BUS_LOCAL_H
#define PARLEY_BUS_LOCAL_H

/* The bus within one process: several hubs share a broker, in tests and simulations. It has no
 * thread and no clock: events come inside the calls that cause them, on the caller's thread. */

#include "fanout/bus/bus.h"

struct local_broker; /* opaque */

/* @return owned (local_broker_free), or NULL: no memory */
PL_MUST_CHECK struct local_broker *local_broker_new(void);
void local_broker_free(struct local_broker *broker); /* after its buses; NULL is fine */
/* A broker that is down takes nothing and gives nothing; it forgets no subscription. It starts up.
 * @thread any, but from an event */
void local_broker_set_up(struct local_broker *broker, bool is_up);

/* @param broker  keeps. @return owned (bus_free), or NULL: no memory */
PL_MUST_CHECK struct bus *bus_local_new(struct local_broker *broker);

#endif /* PARLEY_BUS_LOCAL_H */
