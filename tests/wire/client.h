/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_WIRE_CLIENT_H
#define PARLEY_TEST_WIRE_CLIENT_H

/* An HTTP/2 client over a real socket that is only nghttp2, and may do anything that gRPC forbids.
 * One call at a time; what came back is written down. Fails the test on any problem of its own. */

#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct client_answer {
    int http_status;
    int blocks;           /* header blocks */
    bool is_end_in_first; /* the first block ended the stream: trailers-only */
    bool is_end_in_data;  /* a DATA frame did, which a gRPC server must never do */
    char content_type[64];
    char grpc_status[16];
    char grpc_message[1100];
    char accept_encoding[64];
    uint8_t data[4096];
    size_t data_len;
    bool is_ended;  /* the server sent END_STREAM */
    bool is_closed; /* both sides ended, or it was reset */
    bool is_reset;
    uint32_t reset_error;
};

/* "name", "value" pairs, ended by NULL. Names go out as they are, also in upper case. */
typedef const char *const *client_headers;

struct client_request {
    client_headers headers;
    const uint8_t *body;
    size_t body_len;
    size_t frame_bytes;      /* bytes to a DATA frame; 0: as many as fit */
    size_t padding;          /* of each DATA frame */
    client_headers trailers; /* NULL: none */
    bool is_open_ended;      /* no END_STREAM */
};

struct client {
    int fd;
    struct ssl_st *ssl; /* NULL: cleartext */
    size_t piece;       /* bytes to a write; 0: all */
    nghttp2_session *h2;
    struct client_request request;
    size_t body_at;
    int32_t id;
    struct client_answer answer;
    bool is_connection_over; /* the server closed it */
    bool is_goaway_seen;
    uint32_t goaway_error;
    char goaway_text[64];
};

/* Connect to "127.0.0.1:PORT". Returns the socket. */
int client_socket(const char *address);
/* From one of this machine's addresses, 127.0.0.`host`. */
int client_socket_from(const char *address, unsigned host);

/* @param settings  sent first; NULL with count 0: the defaults */
void client_open(struct client *client, const char *address, const nghttp2_settings_entry *settings,
                 size_t count);
/* Over TLS, whatever the certificate. */
void client_open_tls(struct client *client, const char *address);
void client_close(struct client *client);
/* Send a request; the answer is in client->answer as it comes. */
void client_start(struct client *client, const struct client_request *request);
/* Send what is due and take what came; waits for up to timeout_ms for something to come. */
void client_turn(struct client *client, int timeout_ms);
/* A frame of no nghttp2 making, after what is due. */
void client_send_frame(struct client *client, uint8_t type, uint8_t flags, int32_t id,
                       const void *payload, size_t len);
/* The answer is there: ended, reset, or the connection is over. Fails the test if it never is. */
void client_finish(struct client *client);

#endif /* PARLEY_TEST_WIRE_CLIENT_H */
