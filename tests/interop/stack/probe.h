/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_INTEROP_PROBE_H
#define PARLEY_INTEROP_PROBE_H

/* One call of any kind by our client, with everything that can be seen of it: headers, messages,
 * status, details, trailers. Waits for what it is asked for. @thread main, one probe a call */

#include "parley/channel.h"
#include "parley/stub.h"

struct probe; /* opaque */

/* @param request  the one request of a method without client streaming, else NULL. */
struct probe *probe_start(parley_channel *channel, const parley_method *method,
                          const parley_call_options *options, const ProtobufCMessage *request);
void probe_compress(struct probe *probe, bool is_wanted);              /* the writes that follow */
int probe_write(struct probe *probe, const ProtobufCMessage *request); /* -1: the call is over */
void probe_writes_done(struct probe *probe);
void probe_cancel(struct probe *probe);

void probe_wait_headers(struct probe *probe); /* ... or the end */
/* The next message, owned (parley_message_free); NULL: no more. */
ProtobufCMessage *probe_read(struct probe *probe);
/* Did the one that was read last come compressed? */
bool probe_is_compressed(const struct probe *probe);
void probe_wait_done(struct probe *probe);

/* After the wait for it; NULL: none came. */
const parley_metadata *probe_headers(struct probe *probe);
/* After probe_wait_done. */
const parley_metadata *probe_trailers(struct probe *probe);
enum parley_code probe_code(struct probe *probe);
const char *probe_message(struct probe *probe);
const uint8_t *probe_details(struct probe *probe, size_t *len);
void probe_free(struct probe *probe); /* cancels what is not over */

#endif /* PARLEY_INTEROP_PROBE_H */
