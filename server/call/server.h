/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_CALL_SERVER_H
#define PARLEY_CALL_SERVER_H

/* What a server answers: services by path, interceptors around their calls, and one lane per loop
 * that its calls run in. Made at start by main; services are added by their generated
 * `..._register` functions (parley_server_register). After the first lane is open nothing may be
 * added: from then on all loops read it without a lock. */

#include "base/error.h"
#include "call/call.h"

#include "parley/stub.h"

#include <stddef.h>

/* @return owned (server_free). @thread start */
PL_MUST_CHECK enum parley_code server_new(parley_server **server, struct pl_error *err);
void server_free(parley_server *server); /* after its lanes; NULL is fine */

/* Run around every call, in order of registration. @param interceptor  copied; its context is kept.
 * @thread start */
PL_MUST_CHECK enum parley_code server_add_interceptor(parley_server *server,
                                                      const struct interceptor *interceptor,
                                                      struct pl_error *err);

/* Put calls, latencies and active calls of the services registered so far on the list of metrics.
 * Once per process, after the last parley_server_register; without it nothing is counted.
 * @thread start */
PL_MUST_CHECK enum parley_code server_register_metrics(parley_server *server, struct pl_error *err);

/* From here on nothing can be registered: the loops are about to read. @thread start */
void server_seal(parley_server *server);

/* What the server stands in, for those who got only the server. @param owner  keeps */
void server_set_owner(parley_server *server, void *owner);
void *server_owner(const parley_server *server); /* NULL: none */

size_t server_service_count(const parley_server *server);
const parley_service *server_service(const parley_server *server, size_t index);

/* ---- lanes: what calls of one loop share. Transports (server/grpc) open and close them. ---- */

struct call_lane; /* opaque */

/* @param index  of the loop among the server's loops. @return owned. @thread loop */
PL_MUST_CHECK enum parley_code call_lane_open(parley_server *server, struct pl_loop *loop,
                                              unsigned index, struct call_lane **lane,
                                              struct pl_error *err);
void call_lane_close(struct call_lane *lane); /* after its calls; NULL is fine. @thread loop */
size_t call_lane_count(const struct call_lane *lane); /* calls that are not done. @thread loop */
/* End calls that are left, those that have been there longest first, e.g. UNAVAILABLE "server is
 * draining": so many of them, or all. @thread loop */
void call_lane_end_some(struct call_lane *lane, size_t max, enum parley_code code,
                        const char *message);
void call_lane_end_all(struct call_lane *lane, enum parley_code code, const char *message);

#endif /* PARLEY_CALL_SERVER_H */
