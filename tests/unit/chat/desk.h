/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_CHAT_DESK_H
#define PARLEY_TEST_CHAT_DESK_H

/* The chat services on SQLite in memory, on one loop that the test drives, without any socket; and
 * what most tests ask of them. */

#include "caller.h"
#include "gate.h"

#include "chat/chat.h"

#include "parley/v1/chat_service.parley.h"
#include "parley/v1/conversation_service.parley.h"

#define DESK_USER_KEY "x-test-user" /* who a call is by */

#define CHAT_METHOD(name) (&parley_v1_ChatService_methods[parley_v1_ChatService_M_##name])
#define CONVERSATION_METHOD(name)                                                                  \
    (&parley_v1_ConversationService_methods[parley_v1_ConversationService_M_##name])

struct desk {
    struct loops *loops;
    struct gate gate;
    struct hub *hub;
    parley_server *server;
    struct chat *chat;
    struct call_lane *lane;
    struct call_slots *slots; /* all calls are of one connection */
    struct pl_list callers;
};

void desk_open(struct desk *desk);
/* Cancel what is open and free all; what the store still had comes back before. */
void desk_close(struct desk *desk);
/* For cmocka: *state is the desk. */
int desk_setup(void **state);
int desk_teardown(void **state);

/* One turn of the loop, and what follows from it for the callers. */
void desk_turn(struct desk *desk);

/* @param member  one more, or NULL */
void desk_create(struct desk *desk, const char *conversation, const char *owner,
                 const char *member);
/* Send one text and expect OK; returns the seq. */
int64_t desk_send(struct desk *desk, const char *conversation, const char *sender,
                  const char *client_message_id, const char *text);
/* Send texts "1", "2", ... with the ids "m1", "m2", ... */
void desk_send_many(struct desk *desk, const char *conversation, const char *sender, size_t count);
void desk_remove(struct desk *desk, const char *conversation, const char *owner, const char *user);

#endif /* PARLEY_TEST_CHAT_DESK_H */
