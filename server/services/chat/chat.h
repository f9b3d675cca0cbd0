/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_CHAT_CHAT_H
#define PARLEY_CHAT_CHAT_H

/* ChatService and ConversationService: the contract of api/proto/parley/v1 on top of a store. They
 * keep nothing themselves: what a call needs lives in the call, all else in the store. */

#include "base/error.h"
#include "store/store.h"

#include "parley/stub.h"

struct chat; /* opaque */
struct hub;
struct pl_buf;

/* Register both services. @param store, hub  keeps until chat_free; the hub encodes its events with
 * chat_encode. @return PARLEY_OK with *chat owned (chat_free). @thread start */
PL_MUST_CHECK enum parley_code chat_new(parley_server *server, struct store *store, struct hub *hub,
                                        struct chat **chat, struct pl_error *err);
/* After the store is closed and the loops have stopped: until then requests may come back from it.
 * NULL is fine. @thread start */
void chat_free(struct chat *chat);

/* An event as a subscriber gets it: the hub's encoder (hub_encode_fn). @thread any */
int chat_encode(struct store_bytes conversation_id, const struct store_event *event,
                struct pl_buf **frames);

#endif /* PARLEY_CHAT_CHAT_H */
