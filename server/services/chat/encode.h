/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_CHAT_ENCODE_H
#define PARLEY_CHAT_ENCODE_H

/* What the store knows, as messages of the contract. They live in the arena; bodies are borrowed
 * from the store's results. NULL: no memory. @thread any */

#include "base/arena.h"
#include "store/store.h"

#include "parley/v1/conversation_service.pb-c.h"
#include "parley/v1/event.pb-c.h"

/* With a NUL after it, as protobuf-c wants it. */
char *encode_text(struct pl_arena *arena, struct store_bytes text);
Parley__V1__Conversation *encode_conversation(struct pl_arena *arena,
                                              const struct store_conversation *conversation);
Parley__V1__Member *encode_member(struct pl_arena *arena, const struct store_member *member);
/* @param conversation_id  keeps as long as the message is used. */
Parley__V1__Event *encode_event(struct pl_arena *arena, char *conversation_id,
                                const struct store_event *event);

#endif /* PARLEY_CHAT_ENCODE_H */
