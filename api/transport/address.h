/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TRANSPORT_ADDRESS_H
#define PARLEY_TRANSPORT_ADDRESS_H

/* Addresses as text and back. Internal to this folder. @thread any */

#include "base/error.h"
#include "transport/resolver.h"

#include <stddef.h>

#define PL_HOST_MAX 254 /* a DNS name, with its NUL */
#define PL_PORT_MAX 6
#define PL_PEER_MAX 72 /* "[" + 45 + "%" + 16 + "]:65535" and NUL */

/* "host:port", "[v6]:port", "host", "[v6]", "v6" apart. A missing port is ""; brackets go. */
PL_MUST_CHECK enum parley_code pl_address_split(const char *text, char host[PL_HOST_MAX],
                                                char port[PL_PORT_MAX], struct pl_error *err);
/* "127.0.0.1:5", "[::1]:5", "unix:/path": numeric only. */
PL_MUST_CHECK enum parley_code pl_address_parse(const char *text, struct pl_address *address,
                                                struct pl_error *err);
/* A path of a unix socket. */
PL_MUST_CHECK enum parley_code pl_address_from_path(const char *path, struct pl_address *address,
                                                    struct pl_error *err);
/* "127.0.0.1:5123", "[::1]:5123", "unix". @param out  PL_PEER_MAX bytes */
void pl_address_format(const struct pl_address *address, char *out);

#endif /* PARLEY_TRANSPORT_ADDRESS_H */
