/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_CALLER_H
#define PARLEY_TEST_CALLER_H

/* A client that writes down what became of its calls; for a raw server to answer. */

#include "raw_peer.h"

struct called {
    struct pl_stream *stream; /* NULL after on_close */
    int headers;
    int messages;
    size_t message_bytes;
    int closes;
    enum parley_code code;
    char message[256];
    size_t details_len;
    bool is_unprocessed;
    size_t metadata_count; /* at on_headers */
    size_t trailers_count; /* at on_close */
};

struct caller {
    int goaways;
    int readies;
};

extern const struct pl_session_events CALLER_EVENTS; /* owner: a struct caller */

/* Open a call that is logged in *called. NULL metadata is fine. */
enum parley_code caller_open(struct raw_peer *peer, const parley_metadata *metadata,
                             struct called *called);
/* A whole unary call, answered by a script. */
void caller_call(struct raw_peer *peer, const struct raw_script *script, struct called *called);

#endif /* PARLEY_TEST_CALLER_H */
