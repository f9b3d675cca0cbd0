/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_BUILTIN_HEALTH_H
#define PARLEY_BUILTIN_HEALTH_H

/* grpc.health.v1.Health: is the server, or one of its services, ready for calls? The service ""
 * is the server as a whole. Each loop has its own copy of the answers, so that Check reads no lock
 * and encodes nothing; changes travel to the loops by mail. */

#include "base/error.h"
#include "core/loops.h"

#include "parley/stub.h"

#include <stdbool.h>

struct health; /* opaque */

/* Register with `server`. Knows "" and every service registered so far, all NOT_SERVING unless
 * is_serving. @param loops  keeps. @return owned (health_free, after the loops have stopped).
 * @thread start */
PL_MUST_CHECK enum parley_code health_new(parley_server *server, struct loops *loops,
                                          bool is_serving, struct health **health,
                                          struct pl_error *err);
void health_free(struct health *health); /* NULL is fine */

/* Say how one service is; one that was not known becomes known. Watchers are told.
 * @thread any but not after the loops stopped */
PL_MUST_CHECK enum parley_code health_set_status(struct health *health, const char *service,
                                                 bool is_serving, struct pl_error *err);
/* The same for everything that is known; needs no memory, cannot fail. */
void health_set_all(struct health *health, bool is_serving);
/* The server is about to drain: everything NOT_SERVING, and it stays so. */
void health_drain(struct health *health);

#endif /* PARLEY_BUILTIN_HEALTH_H */
