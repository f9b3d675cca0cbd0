/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_SERVER_H
#define PARLEY_SERVER_H

/* A gRPC server for services of one's own (library parley-rpc). parley_generate() with SERVER makes
 * a table of handlers and a `..._register` function for each service of a .proto; this header gives
 * them a place to run.
 *
 *     parley_server_new -> <service>_register ... -> parley_server_listen ... -> parley_server_run
 *     -> parley_server_free
 *
 * Threads: a connection lives on one of the server's threads, and the handlers of its calls run
 * there, one at a time. They must not block: an answer may come later (parley/stub.h). */

#include "parley/error.h"
#include "parley/export.h"
#include "parley/stub.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Zero-initialise, set size = sizeof(parley_server_options), then what you need. All strings are
 * copied. */
typedef struct parley_server_options {
    size_t size;
    unsigned threads;           /* 0: one per core */
    const char *cert_file;      /* PEM: TLS 1.2 or later, ALPN h2; NULL: cleartext HTTP/2 */
    const char *key_file;       /* PEM */
    const char *client_ca_file; /* PEM: clients must have a certificate of this authority */
    bool has_health;            /* answer grpc.health.v1.Health for all that is registered */
    bool has_reflection;        /* answer grpc.reflection, for tools that have no .proto */
    bool compress;              /* gzip answers for clients that take them so */
    size_t max_message_bytes;   /* largest message received; 0: 4 MiB */
    unsigned max_connections;   /* of an address; 0: 10,000 */
    unsigned max_calls;         /* at once on a connection; 0: 1,000 */
    int64_t keepalive_ms;       /* ping after so long without a byte; 0: 60 s */
    int64_t max_idle_ms;        /* close politely after so long without calls; 0: 15 min */
    int64_t max_age_ms;         /* close politely after so long, +-10 %; 0: never */
    int64_t max_age_grace_ms;   /* ... and cut what is still open so much later; 0: never */
} parley_server_options;

/* @param options  NULL: defaults. @return NULL with *server owned (parley_server_free). */
PARLEY_API PARLEY_MUST_CHECK parley_error *parley_server_new(const parley_server_options *options,
                                                             parley_server **server);
/* Answer at an address: "127.0.0.1:7450", "[::1]:0", "unix:/path". Several times for several. All
 * services must have been registered before the first.
 * @param bound  the address with the port that it really has, borrowed until free; may be NULL */
PARLEY_API PARLEY_MUST_CHECK parley_error *
parley_server_listen(parley_server *server, const char *address, const char **bound);

/* With has_health: how a service is, NULL or "" being the server as a whole. All are well from the
 * first listen to the drain. @thread any */
PARLEY_API PARLEY_MUST_CHECK parley_error *
parley_server_set_serving(parley_server *server, const char *service, bool is_serving);
/* Read certificate and key again, for connections from now on. */
PARLEY_API PARLEY_MUST_CHECK parley_error *parley_server_reload_tls(parley_server *server);

/* Block until SIGINT or SIGTERM, then drain and wait. Threads that the application started before
 * parley_server_new must have both blocked. */
PARLEY_API PARLEY_MUST_CHECK parley_error *parley_server_run(parley_server *server,
                                                             int64_t grace_ms);
/* Send clients elsewhere without losing a call: what is not over after grace_ms ends with
 * UNAVAILABLE. Does not wait. @thread any */
PARLEY_API void parley_server_drain(parley_server *server, int64_t grace_ms);
/* After a drain: until no connection is left. @return false: timeout_ms passed. */
PARLEY_API bool parley_server_wait(parley_server *server, int64_t timeout_ms);
/* Close everything now: what is left of calls ends CANCELLED, and its `done` event comes before
 * this returns. Not from a handler. NULL is fine. */
PARLEY_API void parley_server_free(parley_server *server);

#ifdef __cplusplus
}
#endif

#endif /* PARLEY_SERVER_H */
