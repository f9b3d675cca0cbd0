/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_CHAT_CALLER_H
#define PARLEY_TEST_CHAT_CALLER_H

/* A client's side of one call, over a transport made of memory: what the services write is decoded
 * and kept, flow control is as the test says. Callers are freed with their desk. */

#include "base/arena.h"
#include "base/list.h"
#include "call/transport.h"

#include "parley/stub.h"

#define CALLER_ANSWERS_MAX 4096

struct desk;

/* A message on its way to the service; of the C library's heap, which never fails in a test. */
struct packed {
    size_t len;
    uint8_t *data;
};

struct caller {
    struct pl_list node; /* desk->callers */
    struct desk *desk;
    const parley_method *method;
    parley_metadata *metadata;
    struct pl_arena arena;    /* of the call, as of the wire's stream */
    parley_server_call *call; /* NULL: closed */
    bool has_headers;
    bool is_paused; /* the service does not want messages */
    size_t pauses;
    bool is_finished;
    bool has_half_closed;
    bool wants_half_close;    /* after what is queued */
    struct packed *queue;     /* messages held back by a pause */
    size_t queued, delivered; /* in `queue` */
    size_t room;              /* answers that may lie unread before the high-water mark */
    size_t unread;
    size_t answer_count;
    struct pl_buf *last_frames; /* the last buffer that was written; a reference */
    ProtobufCMessage *answers[CALLER_ANSWERS_MAX];
    /* The status; valid once it is finished. */
    enum parley_code code;
    char message[256];
    char field[128]; /* of a google.rpc.BadRequest; or "" */
    uint32_t retry_after_ms;
};

/* @param user  who is authenticated; NULL: nobody */
struct caller *caller_open(struct desk *desk, const parley_method *method, const char *user);
void caller_write(struct caller *caller, const ProtobufCMessage *message);
void caller_half_close(struct caller *caller);
/* The three in one. */
struct caller *caller_ask(struct desk *desk, const parley_method *method, const char *user,
                          const ProtobufCMessage *message);
/* The client goes away: the call is closed when this returns. */
void caller_cancel(struct caller *caller);
/* The client reads all that it was sent; the service hears of it if it was over the mark. */
void caller_read_all(struct caller *caller);
/* Wait for a number of answers, or for the end. */
void caller_wait_answers(struct caller *caller, size_t count);
void caller_wait_end(struct caller *caller);

/* Ask and wait for the end, whatever it is. */
struct caller *caller_run(struct desk *desk, const parley_method *method, const char *user,
                          const ProtobufCMessage *message);
/* Ask, wait, and expect OK with one answer, which lives as long as the desk. */
const void *caller_get(struct desk *desk, const parley_method *method, const char *user,
                       const ProtobufCMessage *message);
/* Ask, wait, and expect this code. */
const struct caller *caller_fails(struct desk *desk, const parley_method *method, const char *user,
                                  const ProtobufCMessage *message, enum parley_code code);

/* For the desk: let the closing of what is finished and the messages that were held back happen. */
void caller_turn(struct caller *caller);
void caller_free(struct caller *caller);

#endif /* PARLEY_TEST_CHAT_CALLER_H */
