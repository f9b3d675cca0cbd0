/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_INTEROP_SERVICE_H
#define PARLEY_INTEROP_SERVICE_H

/* grpc.testing.TestService as grpc/doc/interop-test-descriptions.md wants it, on generated
 * skeletons. */

#include "parley/stub.h"

/* As the generated ..._register; context is not used. */
int test_service_register(parley_server *server, void *context);

#endif /* PARLEY_INTEROP_SERVICE_H */
