/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_WIRE_SESSION_H
#define PARLEY_WIRE_SESSION_H

/* gRPC over one HTTP/2 connection, both roles, without I/O: bytes in become events, calls become
 * bytes out. nghttp2 does HTTP/2; this module does what gRPC adds (grpc/doc/PROTOCOL-HTTP2.md):
 * message framing, metadata, status, flow control that holds a writer back. It knows no socket, no
 * clock and no thread: a session belongs to one thread.
 *
 * Rules: an event may start, write, finish or cancel streams, but must not call receive, gather or
 * free. A stream lives until its on_close event has returned; that event comes exactly once.
 * Start reading at pl_session_receive. */

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "wire/gather.h"
#include "wire/status.h"

#include "parley/metadata.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pl_wire;    /* what sessions of one thread share: callbacks, options, recycled streams */
struct pl_session; /* one connection */
struct pl_stream;  /* one call */

/* @return owned; NULL: no memory. One a thread. */
PL_MUST_CHECK struct pl_wire *pl_wire_new(void);
void pl_wire_free(struct pl_wire *wire); /* after its sessions */

struct pl_session_limits {
    uint32_t ping_min_ms;       /* between PINGs of a client while we send nothing; 0: 10 s */
    uint32_t streams_max;       /* concurrent streams we accept; server; 0: 1000 */
    uint32_t stream_window;     /* bytes in flight towards us per stream; 0: 64 KiB */
    uint32_t connection_window; /* per connection; 0: 1 MiB */
    uint32_t header_bytes_max;  /* header list, name + value + 32 each; 0: 16 KiB */
    uint32_t message_bytes_max; /* one received message; 0: 4 MiB. Those of all streams that have
                                   come in part may have 16 times as much together */
    uint32_t write_high_water;  /* queued bytes per stream at which a writer is told to stop; 0: 256
                                   KiB. 64 times as many on all streams together stop all writers,
                                   and a call that still writes at four times that is reset */
};

/* All events of a session. Members that a role does not have are ignored. */
struct pl_session_events {
    /* Server: a valid gRPC request has begun; its headers can be read. Invalid ones (wrong method,
     * content-type ...) were answered by the session and give no event at all. */
    void (*on_request)(void *owner, struct pl_stream *stream);
    /* Client: response headers (not for trailers-only responses). */
    void (*on_headers)(void *owner, struct pl_stream *stream);
    /* One whole message, without prefix; borrowed until return. Never while paused. */
    void (*on_message)(void *owner, struct pl_stream *stream, const uint8_t *data, size_t len);
    /* Server: the client sends no more messages. */
    void (*on_half_close)(void *owner, struct pl_stream *stream);
    /* The stream's queue fell below half of the high-water mark after it was above. */
    void (*on_writable)(void *owner, struct pl_stream *stream);
    /* Last event of a stream. Server: status->code is OK if our answer went out whole, else
     * CANCELLED (client reset or connection loss). Client: how the call ended (trailers, reset, or
     * pl_session_fail's error); trailers by pl_stream_trailers. */
    void (*on_close)(void *owner, struct pl_stream *stream, const struct pl_status *status);
    /* Client: the peer wants no new streams; those above its last id are closed with UNAVAILABLE
     * and pl_stream_is_unprocessed. */
    void (*on_goaway)(void *owner, uint32_t h2_error, const char *debug_text, size_t len);
    /* Client: the peer's first SETTINGS arrived: the connection works. */
    void (*on_ready)(void *owner);
    /* Client: later SETTINGS: pl_session_has_room may have changed. */
    void (*on_settings)(void *owner);
    /* There is output: gather at the end of the turn. Called once until the next gather. */
    void (*on_wants_write)(void *owner);
};

struct pl_session_options {
    bool is_server;
    bool may_rest; /* see pl_session_rest */
    /* Server: remember streams that are closed, 250 bytes each, so that frames that come on them
     * are answered as RFC 9113 asks (5.1) instead of ignored. For conformance tests of HTTP/2. */
    bool keeps_closed_streams;
    struct pl_session_limits limits;
    const struct pl_session_events *events; /* keeps */
    void *owner;                            /* passed to every event */
    /* Server: what is asked for by this path and is not gRPC is answered with 200 and this text,
     * for probes that speak plain HTTP/2. Static; NULL: nothing is. */
    const char *plain_path;
    const char *plain_text;
    const char *scheme;     /* client: "http" or "https"; static */
    const char *authority;  /* client: copied */
    const char *user_agent; /* client: copied; NULL: ours */
};

PL_MUST_CHECK enum parley_code pl_session_new(struct pl_wire *wire,
                                              const struct pl_session_options *options,
                                              struct pl_session **session, struct pl_error *err);
/* Closes what is open with on_close (CANCELLED on a server, UNAVAILABLE on a client), then frees.
 */
void pl_session_free(struct pl_session *session);

/* Bytes from the peer. On failure the connection is lost: gather once more (a GOAWAY may be in it),
 * then free. */
PL_MUST_CHECK enum parley_code pl_session_receive(struct pl_session *session, const uint8_t *data,
                                                  size_t len, struct pl_error *err);
/* Server: a token or the like was among the headers that the last receive has read: whoever has the
 * bytes should overwrite them. */
bool pl_session_got_secret(const struct pl_session *session);
/* A message of the last receive became many times larger when it was decompressed: whoever has more
 * input of this peer should let others have a turn first. */
bool pl_session_has_swollen(const struct pl_session *session);
/* Move output into the gather until it is full or there is none. *more: call again after a write.
 * Queued bytes count as taken by the connection from here on. */
PL_MUST_CHECK enum parley_code pl_session_gather(struct pl_session *session,
                                                 struct pl_gather *gather, bool *more,
                                                 struct pl_error *err);
/* Call it now and then. If nothing but messages went out and windows came in since the last call,
 * what nghttp2 needs for the connection is packed into a tenth of its memory; the next use unpacks
 * it, in a few microseconds. No effect without options.may_rest. */
void pl_session_rest(struct pl_session *session);
/* Neither input is expected nor output left: close the connection. */
bool pl_session_is_over(const struct pl_session *session);
/* The HTTP/2 error that we ended the connection for, or NULL: a clean end so far. */
const char *pl_session_error(const struct pl_session *session);
size_t pl_session_stream_count(const struct pl_session *session);
size_t pl_session_streams_max(const struct pl_session *session); /* of the limits */
/* Bytes queued on all streams, not gathered. */
size_t pl_session_queued_bytes(const struct pl_session *session);
/* So many that no stream should write, and no more should be asked for. */
bool pl_session_is_full(const struct pl_session *session);

/* Server, graceful end in two steps (K3): announce, then after a round trip or a while refuse new
 * streams. Client: pl_session_goaway before closing. */
void pl_session_announce_shutdown(struct pl_session *session);
void pl_session_goaway(struct pl_session *session, uint32_t h2_error, const char *debug_text);
/* Send a PING; on_ping_ack is not needed by anyone: activity shows in received bytes. */
int pl_session_ping(struct pl_session *session);
/* Monotonic counter of bytes received: keepalive compares it. */
uint64_t pl_session_received_bytes(const struct pl_session *session);
/* Monotonic counter of DATA frames sent: no progress of what is queued compares it. */
uint64_t pl_session_sent_data_frames(const struct pl_session *session);
/* The peer has spoken and has not acknowledged our SETTINGS. */
bool pl_session_awaits_ack(const struct pl_session *session);
/* Number of the header block that has begun to come and is not whole; 0: none. Who sees the same
 * number for long has a peer that keeps us waiting. */
uint64_t pl_session_open_block(const struct pl_session *session);
/* Monotonic counter of messages that have begun to come in pieces. */
uint64_t pl_session_begun_messages(const struct pl_session *session);
/* End the calls (DEADLINE_EXCEEDED) whose messages are of the first `begun` and have not come
 * whole, but for those that are paused: whoever calls this now and then has a limit on how long a
 * message may take. */
void pl_session_end_unfinished(struct pl_session *session, uint64_t begun);

/* ---- streams, server ---- */

const char *pl_stream_path(const struct pl_stream *stream, size_t *len); /* NUL-terminated too */
/* Nanoseconds of grpc-timeout; INT64_MAX: none (R7; a bad one was refused by the session). */
int64_t pl_stream_timeout_ns(const struct pl_stream *stream);
/* Custom metadata as received, -bin values decoded. Server: request. Client: response headers. */
const parley_metadata *pl_stream_metadata(const struct pl_stream *stream);

/* Response headers now (at most once, before the first message); metadata may be NULL. Without it
 * they go out with the first message (T8). */
void pl_stream_send_headers(struct pl_stream *stream, const parley_metadata *metadata);
/* End the call with a status: trailers after what is queued, or a trailers-only response if no
 * header went out (T1-T6). Later writes are ignored. After it, if the client has not half-closed, a
 * RST_STREAM(NO_ERROR) follows the trailers (T5). */
void pl_stream_finish(struct pl_stream *stream, const struct pl_status *status,
                      const parley_metadata *trailers);

/* ---- streams, client ---- */

struct pl_open {
    const char *path;                /* copied */
    int64_t timeout_ns;              /* INT64_MAX: none; sent as grpc-timeout, not enforced here */
    const parley_metadata *metadata; /* copied; may be NULL */
    unsigned previous_attempts;      /* grpc-previous-rpc-attempts; 0: the first, says nothing */
    bool compress;                   /* pl_stream_compress may be used, and is switched on */
    void *user;
};
PL_MUST_CHECK enum parley_code pl_session_open(struct pl_session *session,
                                               const struct pl_open *open,
                                               struct pl_stream **stream, struct pl_error *err);
/* Would one more call go out at once? nghttp2 keeps what is over the peer's
 * MAX_CONCURRENT_STREAMS, with a grpc-timeout that grows old (CL10). */
bool pl_session_has_room(struct pl_session *session);
void pl_stream_half_close(struct pl_stream *stream);
const parley_metadata *pl_stream_trailers(const struct pl_stream *stream); /* may be NULL */
/* The server certainly did nothing with it (REFUSED_STREAM, GOAWAY id): safe to send again. */
bool pl_stream_is_unprocessed(const struct pl_stream *stream);
/* Its request headers were given to the connection. */
bool pl_stream_is_sent(const struct pl_stream *stream);

/* ---- streams, both ---- */

/* Queue whole framed messages (5-byte prefixes included), from `offset` to the end of `frames`;
 * refs.
 * @return bytes queued on this stream now, for the high-water mark; 0 if the stream is over. */
size_t pl_stream_write(struct pl_stream *stream, struct pl_buf *frames, size_t offset);
/* Send the messages that are written from here on gzipped, if the peer takes them so; small ones
 * stay as they are. Server: only if it was on when the headers went out (C4). Client: only for
 * calls that were opened with `compress`. */
void pl_stream_compress(struct pl_stream *stream, bool is_wanted);
/* Inside on_message: did the message come compressed? */
bool pl_stream_is_message_compressed(const struct pl_stream *stream);
/* Does the peer's grpc-encoding name something that we speak? Messages that say that they are not
 * compressed arrive anyway; whoever cannot make sense of one knows the likely reason. */
bool pl_stream_is_encoding_known(const struct pl_stream *stream);
size_t pl_stream_queued_bytes(const struct pl_stream *stream);
bool pl_stream_is_above_high_water(const struct pl_stream *stream);
/* While paused no message is delivered and the peer's window is not given back. */
void pl_stream_pause(struct pl_stream *stream, bool paused);
/* Reset. Client: CANCEL. What is queued is dropped; on_close follows. */
void pl_stream_cancel(struct pl_stream *stream, uint32_t h2_error);

/* Streams with a life of the user's; `visit` may write to them and end them. */
void pl_session_visit_streams(struct pl_session *session, void (*visit)(struct pl_stream *stream));

void pl_stream_set_user(struct pl_stream *stream, void *user);
void *pl_stream_user(const struct pl_stream *stream);
/* Memory of this call, gone after on_close. */
struct pl_arena *pl_stream_arena(struct pl_stream *stream);

#endif /* PARLEY_WIRE_SESSION_H */
