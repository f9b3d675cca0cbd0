/* SPDX-License-Identifier: Apache-2.0 */
/* Somebody else's file that uses generated code. */
#include "kinds.client.parley.h"
#include "kinds.server.parley.h"
#include "no_package.client.parley.h"

int user_start(parley_server *server, const kinds_v1_Kinds_handlers *handlers);

int user_start(parley_server *server, const kinds_v1_Kinds_handlers *handlers)
{
    return kinds_v1_Kinds_register(server, handlers, NULL);
}
