/* SPDX-License-Identifier: Apache-2.0 */
/* See caller.h. */
#include "caller.h"

#include "session_pair.h"

#include <stdio.h>
#include <string.h>

static void on_headers(void *owner, struct pl_stream *stream)
{
    (void)owner;
    struct called *called = pl_stream_user(stream);
    called->headers++;
    called->metadata_count = parley_metadata_count(pl_stream_metadata(stream));
}

static void on_message(void *owner, struct pl_stream *stream, const uint8_t *data, size_t len)
{
    (void)owner;
    (void)data;
    struct called *called = pl_stream_user(stream);
    called->messages++;
    called->message_bytes += len;
}

static void on_close(void *owner, struct pl_stream *stream, const struct pl_status *status)
{
    (void)owner;
    struct called *called = pl_stream_user(stream);
    called->closes++;
    called->code = status->code;
    called->details_len = status->details_len;
    called->is_unprocessed = pl_stream_is_unprocessed(stream);
    called->trailers_count = parley_metadata_count(pl_stream_trailers(stream));
    called->stream = NULL;
    (void)snprintf(called->message, sizeof(called->message), "%s",
                   status->message != NULL ? status->message : "");
}

static void on_goaway(void *owner, uint32_t h2_error, const char *debug_text, size_t len)
{
    (void)debug_text;
    (void)len;
    (void)h2_error;
    ((struct caller *)owner)->goaways++;
}

static void on_ready(void *owner)
{
    ((struct caller *)owner)->readies++;
}

const struct pl_session_events CALLER_EVENTS = {
    .on_headers = on_headers,
    .on_message = on_message,
    .on_close = on_close,
    .on_goaway = on_goaway,
    .on_ready = on_ready,
};

enum parley_code caller_open(struct raw_peer *peer, const parley_metadata *metadata,
                             struct called *called)
{
    struct pl_open open = {
        .path = "/a.B/C", .timeout_ns = INT64_MAX, .metadata = metadata, .user = called};
    memset(called, 0, sizeof(*called));
    return pl_session_open(peer->session, &open, &called->stream, NULL);
}

void caller_call(struct raw_peer *peer, const struct raw_script *script, struct called *called)
{
    memset(&peer->seen, 0, sizeof(peer->seen));
    peer->script = *script;
    if (caller_open(peer, NULL, called) != PARLEY_OK) {
        return;
    }
    struct pl_buf *buf = pair_message(2, 'q');
    if (buf != NULL) {
        (void)pl_stream_write(called->stream, buf, 0);
        pl_buf_unref(buf);
    }
    pl_stream_half_close(called->stream);
    raw_pump(peer);
}
