/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_CHAT_CHAT_H
#define PARLEY_CHAT_CHAT_H

/* ChatService and ConversationService: the contract of api/proto/parley/v1 on top of a store. They
 * keep nothing themselves: what a call needs lives in the call, all else in the store. */

#include "base/error.h"

#include "parley/stub.h"

struct chat; /* opaque */
struct store;

/* Register both services. @param store  keeps until chat_free.
 * @return PARLEY_OK with *chat owned (chat_free). @thread start */
PL_MUST_CHECK enum parley_code chat_new(parley_server *server, struct store *store,
                                        struct chat **chat, struct pl_error *err);
/* After the store is closed and the loops have stopped: until then requests may come back from it.
 * NULL is fine. @thread start */
void chat_free(struct chat *chat);

#endif /* PARLEY_CHAT_CHAT_H */
