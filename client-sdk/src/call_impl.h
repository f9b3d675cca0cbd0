/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_SDK_CALL_IMPL_H
#define PARLEY_SDK_CALL_IMPL_H

/* A call in bytes: what the typed, the synchronous and the unary forms are made of. */

#include "base/buf.h"

#include "parley/stub.h"

/* Callbacks on the channel's thread; on_done exactly once and last. `data` is one message without
 * its prefix, borrowed. Returning anything but PARLEY_OK from on_bytes ends the call with it. */
struct sdk_call_events {
    void (*on_headers)(void *user, const parley_metadata *metadata);
    enum parley_code (*on_bytes)(void *user, const uint8_t *data, size_t len);
    void (*on_writable)(void *user);
    void (*on_done)(void *user, const parley_error *error, const parley_metadata *trailers);
};

/* @param request  takes: the one framed request (the call half-closes after it), or NULL:
 * streaming.
 * @param events   keeps (static). @return valid until on_done returned; NULL: no memory. @thread
 * any */
parley_call *sdk_call_start(parley_channel *channel, const parley_method *method,
                            const parley_call_options *options, struct pl_buf *request,
                            const struct sdk_call_events *events, void *user);
/* takes `frame`. As parley_call_write. @thread any */
int sdk_call_write(parley_call *call, struct pl_buf *frame);
/* What sdk_call_events gets as `user`. */
void *sdk_call_user(const parley_call *call);

#endif /* PARLEY_SDK_CALL_IMPL_H */
