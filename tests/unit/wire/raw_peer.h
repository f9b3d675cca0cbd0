/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_RAW_PEER_H
#define PARLEY_TEST_RAW_PEER_H

/* A peer that is only HTTP/2, and may do anything that gRPC forbids: a bare nghttp2 session of
 * either role against one of our sessions, joined by memory. Replies and requests are given as
 * headers and bytes; what came back is written down. */

#include "wire/session.h"

#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RAW_BYTES_MAX (256 * 1024)

/* "name", "value" pairs, ended by NULL. Names go out as they are, also in upper case. */
typedef const char *const *raw_headers;

/* What the raw side got on its (one) stream of interest. */
struct raw_seen {
    int http_status;
    int blocks;           /* header blocks */
    bool is_end_in_first; /* the first block ended the stream */
    bool is_end_in_data;  /* a DATA frame ended it, which gRPC servers must never do */
    char content_type[64];
    char grpc_status[16];
    char grpc_message[4096];
    char accept_encoding[64];
    char user_agent[64];
    char details[8192];
    size_t trailers_bytes; /* name + value + 32 of the last block */
    uint8_t data[RAW_BYTES_MAX];
    size_t data_len;
    int data_frames;
    bool is_closed;
    uint32_t close_error;
    bool is_reset; /* a RST_STREAM came */
    uint32_t reset_error;
    int custom;           /* headers that are not ours */
    int never_indexed;    /* headers marked so */
    char last_custom[64]; /* value */
};

/* A scripted answer of the raw server; or body of a raw request. */
struct raw_script {
    raw_headers headers;
    const uint8_t *body;
    size_t body_len;
    size_t frame_bytes;   /* bytes to a DATA frame; 0: as many as fit */
    size_t padding;       /* of each DATA frame */
    raw_headers trailers; /* NULL: none */
    bool is_open_ended;   /* no END_STREAM */
    bool is_reset;        /* answer with this reset instead, after headers if there are any */
    uint32_t reset_error;
};

struct raw_peer {
    nghttp2_session *h2;
    struct pl_session *session; /* ours */
    struct pl_wire *wire;
    struct pl_gather *gather;
    size_t piece; /* bytes to a receive of ours; 0: all */
    bool is_server;
    struct raw_script script;
    size_t body_at;
    int32_t id;
    struct raw_seen seen;
    bool is_failed;
    enum parley_code code;
    bool is_goaway_seen;
    int goaways;
    int32_t goaway_last_id; /* of the last one, as the other two */
    uint32_t goaway_error;
    char goaway_text[64];
    int settings_seen;
};

/* @param is_server  the role of the raw side. @param events, owner  of our session. */
struct raw_peer *raw_peer_new(bool is_server, const struct pl_session_events *events, void *owner,
                              const struct pl_session_limits *limits);
void raw_peer_free(struct raw_peer *peer);
void raw_pump(struct raw_peer *peer);
/* Client: a request for the next pump; its answer will be in peer->seen. */
void raw_submit(struct raw_peer *peer, const struct raw_script *script);
/* ... and pump. */
void raw_request(struct raw_peer *peer, const struct raw_script *script);
/* Bytes of no nghttp2 making, straight to our session. */
void raw_feed(struct raw_peer *peer, const void *data, size_t len);

#endif /* PARLEY_TEST_RAW_PEER_H */
