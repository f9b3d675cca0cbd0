/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_CALL_FAKE_TRANSPORT_H
#define PARLEY_TEST_CALL_FAKE_TRANSPORT_H

/* A transport in memory: it opens calls, feeds them and writes down how they answer. And a service
 * of all four kinds of method, "/test.Echo/{Unary,Down,Up,Both}", that writes down what it hears.
 * Messages are those of grpc.health.v1. */

#include "base/arena.h"
#include "call/transport.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fake_server {
    parley_server *server;
    struct pl_loop *loop;
    struct call_lane *lane;
    /* What the service heard. */
    int opens;
    int messages;
    int half_closes;
    int writables;
    int dones;
    char text[64]; /* of the last request */
    /* What it does on a message; NULL: nothing. */
    void (*on_message)(struct fake_server *fake, parley_server_call *call);
    void (*on_done)(struct fake_server *fake, parley_server_call *call);
};

struct fake_call {
    struct pl_arena arena;
    parley_server_call *call; /* NULL: could not be opened */
    parley_metadata *metadata;
    struct call_slots *slots; /* set before; NULL: no limits */
    int headers;
    size_t header_fields; /* sent with them */
    int writes;
    size_t written_bytes;
    int finishes;
    int cancels;
    bool is_paused;
    size_t queued_bytes; /* told to the call */
    bool is_above_high_water;
    bool is_encoding_unknown;
    enum parley_code code;
    char message[1200];
    char field[64];
    uint32_t retry_after_ms;
    char request_id[32];
};

/* Fail the test on any problem. The lane is opened by the first call, so that interceptors and
 * services can be added before. */
void fake_server_init(struct fake_server *fake);
void fake_server_deinit(struct fake_server *fake);
/* Turn the loop until `*value` is at least `expected`. */
void fake_server_run(struct fake_server *fake, const int *value, int expected);

/* Set call->metadata before, if it matters; it is freed by fake_close. And call->slots. */
void fake_open(struct fake_server *fake, struct fake_call *call, const char *path,
               int64_t timeout_ns);
/* A request with `text` in its string field. */
void fake_message(struct fake_call *call, const char *text);
/* The transport's last event; then the call's memory goes. */
void fake_close(struct fake_call *call, enum parley_code code);
/* Open, one message, half-close. */
void fake_request(struct fake_server *fake, struct fake_call *call, const char *path);
/* What handlers answer with. */
const ProtobufCMessage *fake_response(void);

#endif /* PARLEY_TEST_CALL_FAKE_TRANSPORT_H */
