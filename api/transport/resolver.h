/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TRANSPORT_RESOLVER_H
#define PARLEY_TRANSPORT_RESOLVER_H

/* Names to addresses, off the loop. */

#include "base/error.h"
#include "loop/loop.h"

#include <sys/socket.h>

#define PL_ADDRESSES_MAX 32 /* more are left out */

struct pl_address {
    struct sockaddr_storage storage;
    socklen_t len;
};

/* code OK: at least one address, in the system's order; borrowed until return. Exactly once, never
 * inside pl_resolve. */
typedef void (*pl_resolved_fn)(void *owner, enum parley_code code,
                               const struct pl_address *addresses, size_t count,
                               const struct pl_error *err);

/* @param target  "host:port", "dns:host:port", "dns:///host:port", "ipv4:1.2.3.4:5", "unix:/path".
 *                All but the last may be lists, "a:1,b:2": the addresses come in that order, and
 *                names of which nothing is known are left out as long as one is known. A missing
 *                port is default_port. @thread loop */
PL_MUST_CHECK enum parley_code pl_resolve(struct pl_loop *loop, const char *target,
                                          const char *default_port, pl_resolved_fn on_resolved,
                                          void *owner, struct pl_error *err);

#endif /* PARLEY_TRANSPORT_RESOLVER_H */
