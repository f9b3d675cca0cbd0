/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_SUPPORT_FAKE_CHAT_H
#define PARLEY_TEST_SUPPORT_FAKE_CHAT_H

/* A chat server in this process, on the real server runtime and with its log in memory, which
 * breaks on command: what tests of the SDK talk to. Everybody is a member of every conversation.
 * All functions are for the test's thread and fail the test when something cannot be done. */

#include "parley/code.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pl_tls;
struct fake_chat; /* opaque */

struct fake_chat_options {
    const char *address;  /* NULL: "127.0.0.1:0" */
    struct pl_tls *tls;   /* refs; NULL: cleartext */
    unsigned streams_max; /* calls at once on a connection; 0: as the server has it */
};

enum fake_chat_rpc {
    FAKE_SEND,
    FAKE_SEND_STREAM, /* the call */
    FAKE_MESSAGE,     /* one message of a SendStream call */
    FAKE_SUBSCRIBE,
    FAKE_HISTORY,
    FAKE_CREATE,
    FAKE_RPC_COUNT
};

/* @param options  NULL: defaults. @return owned (fake_chat_stop). */
struct fake_chat *fake_chat_start(const struct fake_chat_options *options);
void fake_chat_stop(struct fake_chat *chat); /* NULL is fine */
/* What a channel connects to. Borrowed. */
const char *fake_chat_target(const struct fake_chat *chat);

/* ---- what happened ---- */

unsigned fake_chat_calls(struct fake_chat *chat, enum fake_chat_rpc rpc); /* since the start */
unsigned fake_chat_peers(struct fake_chat *chat); /* changes of the connection that calls came by */
size_t fake_chat_subscribers(struct fake_chat *chat);
size_t fake_chat_count(struct fake_chat *chat, const char *conversation_id);
/* Copies the body of one message, cut to fit. Returns false: there is none. */
bool fake_chat_body(struct fake_chat *chat, const char *conversation_id, int64_t seq, char *body,
                    size_t size);
/* The authorization of the last call. Borrowed until the next call. */
const char *fake_chat_last_token(struct fake_chat *chat);

/* ---- what happens next ---- */

/* Somebody else says something. */
void fake_chat_say(struct fake_chat *chat, const char *conversation_id, const char *body);
/* The same with `len` bytes of 'x'. */
void fake_chat_say_much(struct fake_chat *chat, const char *conversation_id, size_t len);

/* Fail the next `count` of them. @param retry_after_ms  0: no hint */
void fake_chat_fail(struct fake_chat *chat, enum fake_chat_rpc rpc, unsigned count,
                    enum parley_code code, uint32_t retry_after_ms);
/* Store the next `count` messages of SendStream calls, and end the call instead of answering. */
void fake_chat_lose_answers(struct fake_chat *chat, unsigned count);
/* Take calls and messages without answering; false answers nothing of what was held. */
void fake_chat_hold(struct fake_chat *chat, bool is_holding);
/* End every open Subscribe call. */
void fake_chat_end_subscriptions(struct fake_chat *chat, enum parley_code code);
/* Start so many events before the cursor: a server that repeats itself. */
void fake_chat_repeat(struct fake_chat *chat, int64_t events);
/* Leave out one event of the next replay. */
void fake_chat_skip(struct fake_chat *chat, int64_t seq);
/* Leave the next History call that comes to that event there, without an end. */
void fake_chat_stall(struct fake_chat *chat, int64_t seq);
/* Ask subscribers to subscribe again. */
void fake_chat_ask_to_reconnect(struct fake_chat *chat);
/* Tell subscribers that they are no longer members. */
void fake_chat_remove(struct fake_chat *chat, const char *conversation_id);
/* Close listener and connections now, as a crash does, and start again at the same address with the
 * log that was. */
void fake_chat_crash(struct fake_chat *chat);
void fake_chat_recover(struct fake_chat *chat);

#endif /* PARLEY_TEST_SUPPORT_FAKE_CHAT_H */
