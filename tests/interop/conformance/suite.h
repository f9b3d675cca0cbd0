/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_INTEROP_SUITE_H
#define PARLEY_INTEROP_SUITE_H

/* What the conformance client and server share: how the runner talks to them, and how metadata
 * looks in its messages. What cannot go on dies. @thread any */

#include "base/arena.h"

#include "parley/metadata.h"

#include "connectrpc/conformance/v1/service.pb-c.h"

#include <stdbool.h>

#define CONFORMANCE(name)      Connectrpc__Conformance__V1__##name
#define CONFORMANCE_FUNC(name) connectrpc__conformance__v1__##name
/* Everything of the suite is in this package. */
#define CONFORMANCE_PACKAGE "connectrpc.conformance.v1."

/* Messages with their length before them, four bytes, on stdin and stdout: whole, whoever else
 * reads or writes.
 * @return owned (protobuf_c_message_free_unpacked), or NULL: the runner has no more. */
ProtobufCMessage *suite_read(const ProtobufCMessageDescriptor *descriptor);
void suite_write(const ProtobufCMessage *message);

/* A PEM in a file of its own. @param path  of 64 bytes; set. */
void suite_save(const ProtobufCBinaryData *pem, char path[64]);

void *suite_alloc(struct pl_arena *arena, size_t size); /* zeroed */
/* In the arena: one Header for each key, with its values in order; those of "-bin" keys in base64.
 */
CONFORMANCE(Header) *
    *suite_headers(struct pl_arena *arena, const parley_metadata *metadata, size_t *count);
/* The other way round: each value to `add`, decoded if the key ends in "-bin". */
void suite_each_value(CONFORMANCE(Header) *const *headers, size_t count,
                      void (*add)(void *context, const char *key, const void *value, size_t len),
                      void *context);
/* `message` in an Any, in the arena. */
Google__Protobuf__Any *suite_any(struct pl_arena *arena, const ProtobufCMessage *message);

#endif /* PARLEY_INTEROP_SUITE_H */
