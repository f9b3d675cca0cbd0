/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_ADMIN_ADMIN_H
#define PARLEY_ADMIN_ADMIN_H

/* What operators ask a running server, over plain HTTP/1.1: GET /metrics (Prometheus), /healthz
 * (the process lives), /readyz (it wants calls) and / (this list). Small on purpose: no bodies, no
 * TLS, no authentication; it belongs on an address that only operators reach. It lives on one loop,
 * best one of its own, so that it answers when the others are busy. */

#include "base/error.h"
#include "loop/loop.h"

#include <stddef.h>
#include <stdint.h>

struct admin; /* opaque */

enum admin_state {
    ADMIN_STARTING, /* /readyz says 503 */
    ADMIN_READY,
    ADMIN_DRAINING /* 503 */
};

/* Zeros are defaults. */
struct admin_options {
    const char *address;      /* "127.0.0.1:7451", "unix:/path"; borrowed */
    unsigned connections_max; /* more are closed at once; 0: 64 */
    int64_t timeout_ms;       /* for a request to come and its answer to go; 0: 10 s */
};

/* Listen, in state ADMIN_STARTING. @return PARLEY_OK with *admin owned (admin_close). @thread loop
 */
PL_MUST_CHECK enum parley_code admin_open(struct pl_loop *loop, const struct admin_options *options,
                                          struct admin **admin, struct pl_error *err);
/* With the port that it really has. Borrowed until close. @thread any */
const char *admin_address(const struct admin *admin);
void admin_set_state(struct admin *admin, enum admin_state state); /* @thread any */
/* Close connections and listener, free. NULL is fine. @thread loop */
void admin_close(struct admin *admin);

#endif /* PARLEY_ADMIN_ADMIN_H */
