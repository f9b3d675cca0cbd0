/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_CHAT_UNARY_H
#define PARLEY_CHAT_UNARY_H

/* Methods that ask the store once and answer once. @thread loop */

#include "chat/store_call.h"

/* The authenticated caller, or NULL: the call has been ended. Borrowed until `done`. */
const char *chat_caller(parley_server_call *call);

/* Begin a request whose success is answered by `reply` (which neither frees nor keeps `pending`);
 * a failure ends the call as chat_fail does. Fill the inputs and submit.
 * @return NULL: no memory; the call has been ended. */
struct store_call *unary_new(parley_server_call *call, size_t input_bytes, store_call_fn reply);
/* For the `done` event of every call that may have begun one. */
void unary_done(parley_server_call *call);

#endif /* PARLEY_CHAT_UNARY_H */
