/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_FUZZ_APP_H
#define PARLEY_FUZZ_APP_H

/* An application on top of a session that does, in an order that a seed decides, all that the rules
 * of session.h allow; and that aborts when the session breaks one of its promises. */

#include "wire/session.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define APP_STREAMS_MAX 32

struct app {
    struct pl_wire *wire;
    struct pl_session *session;
    struct pl_gather *gather;
    struct pl_stream *streams[APP_STREAMS_MAX];
    bool is_server;
    bool is_lost;
    uint32_t seed;
};

/* Abort with a sentence unless the promise holds. */
void app_check(bool is_kept, const char *promise);

/* A client begins with a few calls open. */
void app_open(struct app *app, bool is_server, uint32_t seed);
/* Bytes from the peer, in pieces; output is thrown away. */
void app_feed(struct app *app, const uint8_t *data, size_t len);
/* Also checks that every stream was closed. */
void app_close(struct app *app);

#endif /* PARLEY_FUZZ_APP_H */
