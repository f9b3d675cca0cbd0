/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_CHAT_FAILURE_H
#define PARLEY_CHAT_FAILURE_H

/* What clients are told when the store refuses: a fixed text for each code. What the store says
 * itself is for the log. @thread loop */

#include "base/error.h"

#include "parley/stub.h"

/* End a call as a request to the store failed. */
void chat_fail(parley_server_call *call, const struct pl_error *err);
/* The text for an answer within a stream; logs what needs somebody's attention. Static storage. */
const char *chat_failure_text(const parley_server_call *call, const struct pl_error *err);
/* End with RESOURCE_EXHAUSTED: there is no memory for it now. */
void chat_fail_memory(parley_server_call *call);

#endif /* PARLEY_CHAT_FAILURE_H */
