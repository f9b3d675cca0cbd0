/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_BUILTIN_REFLECTION_H
#define PARLEY_BUILTIN_REFLECTION_H

/* Server reflection, grpc.reflection.v1 and v1alpha, so that tools such as `buf curl` need no
 * .proto files. Answers from the descriptors that generated code carries. */

#include "base/error.h"

#include "parley/stub.h"

struct reflection; /* opaque */

/* Register both versions with `server`; tells of the services registered before it and of itself.
 * @return owned (reflection_free, after the server). @thread start */
PL_MUST_CHECK enum parley_code reflection_new(parley_server *server, struct reflection **reflection,
                                              struct pl_error *err);
void reflection_free(struct reflection *reflection); /* NULL is fine */

#endif /* PARLEY_BUILTIN_REFLECTION_H */
