/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_GRPC_GATE_H
#define PARLEY_GRPC_GATE_H

/* Who may come in: how many connections there are in all and from one address, how many are still
 * shaking hands, and how fast new ones come. One for all loops of a server; what it refuses costs
 * an accept and a close. @thread any */

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct gate; /* opaque */

/* 0: no such limit. */
struct gate_limits {
    unsigned connections_max;
    unsigned per_address_max; /* IPv4 address, or /64 of IPv6; unix sockets are not counted */
    unsigned handshakes_max;  /* connections that are not open yet */
    unsigned accepts_per_s;   /* over a second; as many may come at once */
};

/* What a connection holds of the gate until gate_leave. Zero-initialise. */
struct gate_pass {
    uint8_t address[16];
    uint8_t address_len; /* 0: not counted by address */
    bool is_in;
    bool is_shaking_hands;
};

PL_MUST_CHECK enum parley_code gate_new(const struct gate_limits *limits, struct gate **gate,
                                        struct pl_error *err);
void gate_free(struct gate *gate); /* after the last pass; NULL is fine */

/* @param peer  of the connection. @return NULL: it may come in; else why not, for
 * a log line; static */
const char *gate_enter(struct gate *gate, const struct sockaddr *peer, int64_t now_ms,
                       struct gate_pass *pass);
void gate_opened(struct gate *gate, struct gate_pass *pass); /* its handshake is over */
void gate_leave(struct gate *gate, struct gate_pass *pass);  /* repeated: no effect */
size_t gate_count(struct gate *gate);                        /* connections that are in */

#endif /* PARLEY_GRPC_GATE_H */
