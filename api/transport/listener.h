/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TRANSPORT_LISTENER_H
#define PARLEY_TRANSPORT_LISTENER_H

/* A listening socket on a loop. Several loops open one each for the same address (SO_REUSEPORT) and
 * the kernel spreads connections. All functions are @thread loop. */

#include "base/error.h"
#include "loop/loop.h"

#include <stdbool.h>

struct pl_address;
struct pl_listener; /* opaque */

/* @param fd  an accepted socket, non-blocking; takes on success. @param peer  where it is from.
 * @return false: it is refused, and the listener closes it. */
typedef bool (*pl_accept_fn)(void *owner, int fd, const struct pl_address *peer);

/* @param address  "127.0.0.1:7450", "[::1]:7450", "0.0.0.0:0" or "unix:/path". Numeric only. */
PL_MUST_CHECK enum parley_code pl_listener_open(struct pl_loop *loop, const char *address,
                                                pl_accept_fn on_accept, void *owner,
                                                struct pl_listener **listener,
                                                struct pl_error *err);
/* The address it really has (port 0 resolved). Borrowed. */
const char *pl_listener_address(const struct pl_listener *listener);
void pl_listener_close(struct pl_listener *listener); /* no event after; NULL is fine */

/* Is a numeric address (as above) on this machine only: 127.0.0.0/8, ::1, unix? */
PL_MUST_CHECK enum parley_code pl_address_is_loopback(const char *address, bool *is_loopback,
                                                      struct pl_error *err);

#endif /* PARLEY_TRANSPORT_LISTENER_H */
