/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_HAND_CLIENT_H
#define PARLEY_TEST_HAND_CLIENT_H

/* A client of one of our servers whose every frame is written by hand, and that is given what the
 * server sent frame by frame. No nghttp2 on its side helps it to keep the rules, or keeps it from
 * breaking them. */

#include "wire/session.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HAND_SAID_BYTES_MAX 65536

/* One that the server sent. */
struct hand_frame {
    uint8_t type;
    uint8_t flags;
    uint32_t id;
    const uint8_t *payload; /* borrowed until the callback returns */
    size_t len;
};

typedef void (*hand_frame_fn)(void *owner, const struct hand_frame *frame);

struct hand_client {
    struct pl_wire *wire;
    struct pl_session *session; /* the server's */
    struct pl_gather gather;
    uint8_t said[HAND_SAID_BYTES_MAX]; /* what is put and not sent */
    size_t said_len;
};

/* The preface, and SETTINGS with their acknowledgement, are put.
 * @param options  of the server's session */
void hand_init(struct hand_client *client, const struct pl_session_options *options);
void hand_deinit(struct hand_client *client);

/* ---- what the client says: it is put first, then sent ---- */

void hand_put(struct hand_client *client, const void *bytes, size_t len);
void hand_put_frame(struct hand_client *client, uint8_t type, uint8_t flags, uint32_t id,
                    const void *payload, size_t len);
void hand_put_window(struct hand_client *client, uint32_t id, uint32_t by);
void hand_put_initial_window(struct hand_client *client, uint32_t bytes);
void hand_put_reset(struct hand_client *client, uint32_t id, uint32_t error);
/* A call that stays open.
 * @param in_headers  bytes of its header block, at most, in HEADERS; what is left of it follows in
 *                    a CONTINUATION */
void hand_put_request(struct hand_client *client, uint32_t id, size_t in_headers);
/* Send what was put, `len` bytes of it at most, from the first on. @return what receive says */
enum parley_code hand_send(struct hand_client *client, size_t len);

/* ---- what the server says ---- */

/* One gather, which must be of whole frames. @return whether there is more */
bool hand_hear(struct hand_client *client, hand_frame_fn on_frame, void *owner);

#endif /* PARLEY_TEST_HAND_CLIENT_H */
