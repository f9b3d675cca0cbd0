/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_SESSION_PAIR_H
#define PARLEY_TEST_SESSION_PAIR_H

/* Two sessions, client and server, joined by memory. Every event is written down; hooks may react
 * to it. Bytes are carried by pair_pump, whole or in pieces of any size. */

#include "wire/session.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAIR_LOGS_MAX     64
#define PAIR_MESSAGES_MAX 64

struct pair;

/* What happened to one stream on one side. */
struct pair_log {
    struct pair_side *side;
    struct pl_stream *stream; /* NULL after on_close */
    int headers;
    int messages;
    int half_closes;
    int writables;
    int closes;
    size_t message_lens[PAIR_MESSAGES_MAX]; /* of the first ones */
    uint8_t *bytes;                         /* all messages, one after the other */
    size_t bytes_len;
    enum parley_code code; /* at on_close */
    char status_message[2048];
    uint8_t details[8192];
    size_t details_len;
    bool is_unprocessed;
    int trailers; /* count of custom trailers at on_close */
    char trailer_key[64];
    char trailer_value[256];
};

struct pair_hooks {
    void (*on_request)(struct pair *pair, struct pair_log *log);
    void (*on_headers)(struct pair *pair, struct pair_log *log);
    void (*on_message)(struct pair *pair, struct pair_log *log, const uint8_t *data, size_t len);
    void (*on_half_close)(struct pair *pair, struct pair_log *log);
    void (*on_writable)(struct pair *pair, struct pair_log *log);
    void (*on_close)(struct pair *pair, struct pair_log *log);
};

struct pair_side {
    struct pair *pair;
    struct pl_session *session;
    struct pair_hooks hooks;
    struct pair_log *logs[PAIR_LOGS_MAX];
    int count;
    int readies;
    int goaways;
    int wants_writes;      /* since the last gather */
    bool is_failed;        /* receive failed */
    enum parley_code code; /* ... with this */
};

struct pair {
    struct pl_wire *wire;
    struct pl_gather *gather;
    struct pair_side client;
    struct pair_side server;
    size_t piece; /* bytes to a receive; 0: all there is */
    uint64_t to_server_bytes;
    uint64_t to_client_bytes;
    bool may_rest;
    int64_t value; /* for hooks */
};

/* @param limits  of both sides; NULL: defaults. */
struct pair *pair_new(const struct pl_session_limits *client,
                      const struct pl_session_limits *server);
/* The server's session may rest. */
struct pair *pair_new_resting(void);
void pair_free(struct pair *pair);
/* Carry bytes until both sides are quiet. */
void pair_pump(struct pair *pair);
/* One gather of one side, carried over. true: there was something. */
bool pair_carry(struct pair *pair, struct pair_side *from);
/* One gather of a side, thrown away; its bytes are in pair->gather until the next. */
size_t pair_gather(struct pair *pair, struct pair_side *from);

/* Open a call and log it. */
struct pair_log *pair_open(struct pair *pair, const char *path); /* NULL: refused */
struct pair_log *pair_open_with(struct pair *pair, const struct pl_open *open);
/* One framed message of `len` bytes of `fill`. */
struct pl_buf *pair_message(size_t len, uint8_t fill);
/* Write one such message. @return as pl_stream_write */
size_t pair_write(struct pair_log *log, size_t len, uint8_t fill);
void pair_finish(struct pair_log *log, enum parley_code code, const char *message);
struct pair_log *pair_last(struct pair_side *side); /* the newest stream of a side */

/* Ready hooks: write each message back; answer OK at the half-close. */
void pair_echo_message(struct pair *pair, struct pair_log *log, const uint8_t *data, size_t len);
void pair_finish_ok(struct pair *pair, struct pair_log *log);

#endif /* PARLEY_TEST_SESSION_PAIR_H */
