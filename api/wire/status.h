/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_WIRE_STATUS_H
#define PARLEY_WIRE_STATUS_H

/* How a call ends: grpc-status, grpc-message and grpc-status-details-bin (reference S1-S8). */

#include "base/arena.h"
#include "base/attr.h"

#include "parley/code.h"

#include <stddef.h>
#include <stdint.h>

struct pl_status {
    enum parley_code code;
    const char *message;    /* UTF-8; NULL: empty */
    const uint8_t *details; /* serialised google.rpc.Status; NULL: none */
    size_t details_len;
};

#define PL_STATUS_MESSAGE_MAX                                                                      \
    1024                           /* longer ones are cut: clients cap received trailers at 8 KiB  \
                                    */
#define PL_STATUS_DETAILS_MAX 4096 /* larger ones are dropped */

/* google.rpc.Status with one google.rpc.BadRequest.FieldViolation, in the arena. @param message
 * says it all (NULL: ""). @param description  what is wrong with the field, which need not say its
 * name. Returns 0, or -1: no memory, and *status is untouched. */
PL_MUST_CHECK int pl_status_bad_request(struct pl_arena *arena, const char *message,
                                        const char *field, const char *description,
                                        struct pl_status *status);
/* google.rpc.Status with a google.rpc.RetryInfo. */
PL_MUST_CHECK int pl_status_retry_info(struct pl_arena *arena, enum parley_code code,
                                       const char *message, uint32_t retry_after_ms,
                                       struct pl_status *status);
/* Read them back: the first field of a BadRequest (NULL: none), the delay of a RetryInfo (0: none).
 * Bad bytes give nothing. @param field  in the arena. */
void pl_status_details_read(const uint8_t *details, size_t len, struct pl_arena *arena,
                            const char **field, uint32_t *retry_after_ms);

/* HTTP status without grpc-status (S7), and HTTP/2 error code of a reset (S8), as a gRPC code. */
enum parley_code pl_status_from_http(int http_status);
enum parley_code pl_status_from_h2(uint32_t h2_error);

#endif /* PARLEY_WIRE_STATUS_H */
