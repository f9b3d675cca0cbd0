/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_GRPC_GRPC_H
#define PARLEY_GRPC_GRPC_H

/* gRPC over HTTP/2: a listener on each loop, its connections, and calls made of their streams.
 *
 *   main:  grpc_server_start -> ... -> grpc_server_drain -> grpc_server_wait -> grpc_server_stop
 *
 * A connection stays on the loop that accepted it. The drain (reference K3) tells clients to go
 * elsewhere before anything is taken from them: announce, a second later refuse new streams and
 * close the listener, after the grace end what is left with UNAVAILABLE, then close. Both the
 * announcing and the ending of calls are spread over a window, so that the clients of one node do
 * not all come to the others in the same moment. */

#include "base/error.h"
#include "call/server.h"
#include "core/loops.h"
#include "transport/tls.h"
#include "wire/session.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct grpc_server; /* opaque */

/* Zero is the default everywhere. */
struct grpc_server_options {
    const char *address;                  /* "127.0.0.1:7450", "[::1]:0", "unix:/path"; copied */
    struct pl_tls *tls;                   /* refs; NULL: cleartext */
    unsigned connections_max;             /* on all loops together; 0: 10,000 */
    unsigned connections_per_address_max; /* IPv4 address or IPv6 /64; 0: no such limit */
    unsigned handshakes_max;              /* of TLS, at once; 0: 1,000 */
    unsigned accepts_per_s;               /* new connections; 0: no such limit */
    struct pl_session_limits limits;      /* of each connection; zeros: the session's defaults */
    bool keeps_closed_streams;            /* see pl_session_options */
    bool compress; /* gzip answers for clients that take them so; a handler may say otherwise */
    int64_t keepalive_ms;         /* ping after so long without a byte; 0: 60 s */
    int64_t keepalive_timeout_ms; /* ... and close after so much longer; 0: 20 s */
    int64_t settings_timeout_ms;  /* for our SETTINGS to be acknowledged; 0: 10 s */
    int64_t headers_timeout_ms;   /* for the headers of a call to come whole; 0: 10 s */
    int64_t message_timeout_ms;   /* for a message that has begun to come whole: so long, or up to
                                     twice that; 0: 60 s */
    int64_t stall_ms;             /* for queued bytes of any call to move at all; 0: 5 min */
    int64_t idle_ms;              /* close politely after so long without calls; 0: 15 min */
    int64_t age_ms;               /* close politely after so long, +-10 %; 0: never */
    int64_t age_grace_ms;         /* ... and cut what is still open so much later; 0: never */
    int64_t drain_spread_ms;      /* the window of the drain; 0: none */
};

/* Listen on every loop (which run already) and answer. @param server  keeps until grpc_server_free;
 * nothing may be registered any more. @return owned (stop, then free). @thread main */
PL_MUST_CHECK enum parley_code grpc_server_start(struct loops *loops, parley_server *server,
                                                 const struct grpc_server_options *options,
                                                 struct grpc_server **grpc, struct pl_error *err);
/* With the port that it really has. Borrowed until free. @thread any */
const char *grpc_server_address(const struct grpc_server *grpc);
size_t grpc_server_connection_count(const struct grpc_server *grpc); /* @thread any */

/* Use another certificate for connections from now on. @param tls  refs. @thread main */
void grpc_server_set_tls(struct grpc_server *grpc, struct pl_tls *tls);

/* Begin the drain; does not wait. Repeated: no effect. @thread any */
void grpc_server_drain(struct grpc_server *grpc, int64_t grace_ms);
/* After so long a drain with that grace is over; INT64_MAX: later than can be said. @thread any */
int64_t grpc_server_drain_max_ms(const struct grpc_server *grpc, int64_t grace_ms);
/* Wait until no connection is left. @return false: timeout_ms passed. Not from a loop.
 * @thread main */
bool grpc_server_wait(struct grpc_server *grpc, int64_t timeout_ms);
/* Close listeners and connections now: what is left of calls ends CANCELLED. The loops must run.
 * @thread main */
void grpc_server_stop(struct grpc_server *grpc);
void grpc_server_free(struct grpc_server *grpc); /* after stop; NULL is fine */

/* Put the counters of connections on the list of metrics, once per process. @thread start */
void grpc_server_register_metrics(void);

#endif /* PARLEY_GRPC_GRPC_H */
