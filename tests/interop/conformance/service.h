/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_INTEROP_CONFORMANCE_SERVICE_H
#define PARLEY_INTEROP_CONFORMANCE_SERVICE_H

/* connectrpc.conformance.v1.ConformanceService on generated skeletons. */

#include "parley/stub.h"

/* As the generated ..._register; context is not used. */
int conformance_service_register(parley_server *server, void *context);

#endif /* PARLEY_INTEROP_CONFORMANCE_SERVICE_H */
