/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_WIRE_SESSION_IMPL_H
#define PARLEY_WIRE_SESSION_IMPL_H

/* The inside of sessions and streams, for this folder and its tests only.
 *
 * A stream has two lives: nghttp2's (is_h2_open) and the user's (is_user_open: from on_request or
 * pl_session_open to on_close). It is recycled when both are over. The user's may end first (a call
 * cancelled before its request was sent) or last (messages held back by a pause after the trailers
 * came); a request that was refused has no user's life at all.
 *
 *   server:  begin headers -> [refused: answer, no event] -> on_request -> ... -> on_close
 *   client:  open -> sent -> ... -> trailers or reset -> on_close
 *
 * nghttp2 calls us from within receive and gather. What must not happen there (delivering messages
 * held back, closing what nghttp2 does not know) is noted in the session's work list and done at
 * the end of a receive and in a gather. */

#include "base/list.h"

#include "wire/flood.h"
#include "wire/framing.h"
#include "wire/h2_memory.h"
#include "wire/inlet.h"
#include "wire/metadata_impl.h"
#include "wire/queue.h"
#include "wire/session.h"

#include <nghttp2/nghttp2.h>

#define PL_STREAM_INLINE_BYTES  1024 /* headers of a usual request, and a small message */
#define PL_STREAMS_RECYCLED_MAX 1024 /* about 1.5 MiB a thread */
#define PL_HEADERS_MAX          100  /* fields of one block */
#define PL_ENDED_STREAMS        8    /* remembered of those that the client has ended */

struct pl_wire {
    nghttp2_session_callbacks *server_callbacks;
    nghttp2_session_callbacks *client_callbacks;
    nghttp2_option *server_options;
    nghttp2_option *keeping_options; /* the same for sessions that keep closed streams */
    nghttp2_option *client_options;
    struct pl_h2_pool h2_pool;
    struct pl_gzip *gzip;
    struct pl_list recycled;
    size_t recycled_count;
};

struct pl_session {
    struct pl_wire *wire;
    nghttp2_session *h2; /* through pl_session_h2: it may be packed away */
    struct pl_h2_memory memory;
    const struct pl_session_events *events;
    void *owner;
    struct pl_session_limits limits;
    struct pl_list streams;
    struct pl_list work;
    struct pl_list ready;     /* server: streams that have data and an open window */
    struct pl_inlet inlet;    /* server */
    int32_t send_window;      /* server: what all streams together may send */
    int32_t peer_window;      /* server: what a new stream may, by the client's SETTINGS */
    struct pl_stream *recent; /* the one that the last frame was for: saves nghttp2's lookup */
    size_t stream_count;
    size_t queued_bytes;
    struct pl_list partial;  /* streams amid a message, the one that began it first at the head */
    uint64_t begun_messages; /* that have been in `partial` */
    size_t partial_bytes;    /* of messages that have come in part */
    uint64_t received_bytes;
    uint64_t blocks;          /* header blocks that have begun */
    uint64_t open_block;      /* the one that has not ended; 0: none */
    uint32_t sent_error;      /* of the GOAWAY that we sent */
    struct pl_gather *gather; /* during pl_session_gather */
    const char *farewell;     /* not HTTP/2: what to send instead; or NULL */
    const char *plain_path;
    const char *plain_text;
    const char *scheme;
    char *authority;
    char *user_agent;
    struct pl_flood flood;
    int32_t ended[PL_ENDED_STREAMS]; /* server: ids of streams that are closed, and on which the
                                        client had said that it sends no more; a ring */
    uint8_t ended_next;
    bool is_server;
    bool is_ready;        /* the peer's SETTINGS came */
    bool is_acknowledged; /* ... and its word that ours did */
    bool is_lost;         /* no more input, output or streams */
    bool is_inside;       /* in receive or gather: on_wants_write can wait */
    bool is_write_told;   /* on_wants_write was called since the last gather */
    bool is_gather_full;  /* there was more, but no room */
    bool is_condemned;    /* the last GOAWAY is queued; input is refused */
    bool got_secret;      /* during this receive */
    bool has_swollen;     /* during this receive */
    bool is_goaway_received;
    bool is_goaway_sent; /* not only announced: nghttp2 ignores new streams, without a callback */
    bool is_full;        /* writers on all streams are told to stop */
    bool was_used;       /* nghttp2, since the last pl_session_rest */
    bool is_h2_touched;  /* nghttp2 may have output */
    bool is_h2_over;     /* nghttp2 wants neither to read nor to write */
};

/* Why a request cannot go on to the handler. The first reason found stays, except that the ones of
 * HTTP (405, 415) win over those of gRPC. */
enum pl_refusal {
    PL_REFUSAL_NONE,
    PL_REFUSAL_TIMEOUT, /* bad grpc-timeout */
    PL_REFUSAL_EXPIRED, /* grpc-timeout of 0 */
    PL_REFUSAL_BASE64,  /* bad "-bin" value */
    PL_REFUSAL_HEADERS, /* header list over the limit */
    PL_REFUSAL_MEMORY,
};

enum pl_work {
    PL_WORK_RESUME = 1,   /* deliver what a pause held back */
    PL_WORK_CLOSE = 2,    /* end the user's life */
    PL_WORK_RESET = 4,    /* client: trailers came before our half-close (CL13) */
    PL_WORK_WRITABLE = 8, /* on_writable is due */
};

struct pl_stream {
    struct pl_list node; /* session->streams, or wire->recycled */
    struct pl_list work_node;
    struct pl_list partial_node;
    struct pl_list ready_node; /* session->ready */
    struct pl_session *session;
    void *user;
    int32_t id;
    uint32_t headers_bytes; /* name + value + 32 of the current block */
    int64_t timeout_ns;
    const char *path;
    size_t path_len;
    struct pl_queue queue;
    int32_t send_window; /* server */
    struct pl_framer framer;
    struct pl_buf *held; /* input that came while paused, from held_offset */
    size_t held_offset;
    uint64_t begun_message; /* session->begun_messages when it came into session->partial */
    size_t partial_bytes;   /* in session->partial_bytes */
    const nghttp2_nv
        *trailers; /* server: to send at the end of the queue; static or in the arena */
    size_t trailers_count;
    struct pl_status status; /* how it ended; valid if has_status */
    parley_metadata metadata;
    parley_metadata received_trailers;
    int http_status;        /* client */
    uint16_t headers_count; /* fields of the current block */
    uint8_t refusal;        /* enum pl_refusal */
    uint8_t work;           /* enum pl_work, ored */

    bool is_h2_open;
    bool is_user_open;
    bool is_paused;
    bool is_deferred; /* client: nghttp2 waits for nghttp2_session_resume_data */
    bool is_above_high_water;
    bool is_input_over;     /* no message will be delivered any more; drop what comes */
    bool is_delivering;     /* a message in the framer is borrowed by an event */
    bool is_end_seen;       /* the peer sends no more */
    bool is_end_due;        /* ... but what came before it is held back */
    bool is_output_over;    /* finish, half-close or cancel was called */
    bool is_headers_out;    /* server: response headers are submitted */
    bool is_answered;       /* server: trailers went out. Client: request headers went out */
    bool is_unprocessed;    /* client */
    bool is_gzip_taken;     /* the peer takes it. Client: it is assumed to */
    bool is_gzip_announced; /* in the headers that we sent */
    bool wants_gzip;        /* for the messages written from now on */
    bool has_status;
    bool has_secret;      /* server: a token or the like came, and is in the arena */
    bool is_post;         /* server */
    bool is_content_grpc; /* content-type is gRPC */
    bool is_plain;        /* server: answered with session->plain_text at the end of the request */
    bool has_content_type;
    bool has_headers;     /* client: final response headers came */
    bool has_grpc_status; /* client: in the trailers */
    bool has_received_trailers;

    struct pl_arena arena;
    uint64_t inline_block[PL_STREAM_INLINE_BYTES / 8]; /* last: not cleared when recycled */
};

/* stream.c */
struct pl_stream *pl_stream_new(struct pl_session *session, int32_t id);
struct pl_stream *pl_stream_of(struct pl_session *session, int32_t id); /* NULL: not ours */
void pl_stream_forget_h2(struct pl_stream *stream);                     /* nghttp2's life is over */
void pl_stream_close_user(struct pl_stream *stream); /* on_close, if it did not come yet */
void pl_stream_recycle_if_over(struct pl_stream *stream);
void pl_stream_set_status(struct pl_stream *stream, enum parley_code code, const char *message);
void pl_stream_drop_input(struct pl_stream *stream); /* and take no more */
/* What the framer collects has changed. */
void pl_stream_count_partial(struct pl_stream *stream);
void pl_stream_drop_output(struct pl_stream *stream);
void pl_stream_add_work(struct pl_stream *stream, unsigned work);
/* Drop what is queued and reset, or, if nghttp2 is done with the stream, just end it. */
void pl_stream_reset(struct pl_stream *stream, uint32_t h2_error);
/* End the call on our own account: server, with this status as answer; client, with a reset. */
void pl_stream_abort(struct pl_stream *stream, const struct pl_status *status);

/* nghttp2's session, awake. */
static inline nghttp2_session *pl_session_h2(struct pl_session *session)
{
    session->was_used = true;
    session->is_h2_touched = true;
    if (PL_UNLIKELY(pl_h2_memory_is_packed(&session->memory))) {
        pl_h2_memory_unpack(&session->memory);
    }
    return session->h2;
}

/* session.c */
void pl_session_count_queued(struct pl_session *session, size_t bytes);
void pl_session_count_unqueued(struct pl_session *session, size_t bytes);
/* Full, and written to all the same: who writes now is reset. */
bool pl_session_is_overfull(const struct pl_session *session);
/* A stream's writer may go on, if it was told to stop and there is room again. */
void pl_stream_check_writable(struct pl_stream *stream);
void pl_session_touch(struct pl_session *session); /* there is output */
/* GOAWAY, and not another word is listened to. Repeated: no effect. */
void pl_session_condemn(struct pl_session *session, uint32_t h2_error);
bool pl_session_glitch(struct pl_session *session,
                       uint32_t cost);                /* false: the flood limit is hit */
bool pl_session_run_work(struct pl_session *session); /* was there any? */
/* After nghttp2 was used: what it wants. @return whether it has output */
bool pl_session_look_at_h2(struct pl_session *session);

/* session_in.c */
void pl_session_in_callbacks(nghttp2_session_callbacks *callbacks);
void pl_stream_deliver_held(struct pl_stream *stream);
bool pl_session_count_window_update(struct pl_session *session); /* false: the flood limit is hit */

/* session_out.c */
void pl_session_out_callbacks(nghttp2_session_callbacks *callbacks);
/* A DATA frame of so many bytes was taken from the stream's queue. */
void pl_session_count_data(struct pl_stream *stream, size_t len);
ssize_t pl_stream_read(nghttp2_session *h2, int32_t id, uint8_t *buf, size_t length,
                       uint32_t *data_flags, nghttp2_data_source *source, void *user_data);

/* session_data.c: DATA that a server sends */
void pl_data_init(struct pl_session *session);
void pl_data_ready(struct pl_stream *stream); /* it has more to send, or may send more */
void pl_data_end(struct pl_stream *stream);   /* its queue is out, and its trailers are prepared */
bool pl_data_can_go(const struct pl_session *session);
/* Into session->gather, as much as fits it. 0, or -1, which cannot be: the session is lost. */
int pl_data_gather(struct pl_session *session);
/* These two may condemn the session. */
void pl_data_note_settings(struct pl_session *session); /* the client's came */
/* @return false: the frame is for nghttp2 to judge */
bool pl_data_take_window_update(struct pl_session *session, const uint8_t *frame);

/* request.c: the server's side of a header block */
int pl_request_header(struct pl_stream *stream, const char *name, size_t name_len,
                      const char *value, size_t value_len);
/* The block is complete: refuse it or begin the call. */
void pl_request_begin(struct pl_stream *stream);
void pl_request_answer_plain(struct pl_stream *stream);

/* response.c: the client's side */
int pl_response_header(struct pl_stream *stream, bool is_last_block, const char *name,
                       size_t name_len, const char *value, size_t value_len);
void pl_response_headers_end(struct pl_stream *stream, bool is_last_block);
void pl_response_end(struct pl_stream *stream); /* the peer's END_STREAM, everything delivered */
void pl_response_closed(struct pl_stream *stream, uint32_t h2_error);

/* headers.c: header blocks that we send. 0, or -1: no memory, or more metadata than fits a block.
 */
int pl_headers_send_response(struct pl_stream *stream, const parley_metadata *metadata);
int pl_headers_send_trailers_only(struct pl_stream *stream, const struct pl_status *status,
                                  const parley_metadata *trailers);
int pl_headers_prepare_trailers(struct pl_stream *stream, const struct pl_status *status,
                                const parley_metadata *trailers);
int pl_headers_send_http_error(struct pl_stream *stream, int http_status);
int pl_headers_send_plain(struct pl_stream *stream);
int pl_headers_send_request(struct pl_stream *stream, const struct pl_open *open);

/* Is it "application/grpc", alone or followed by '+' or ';' (R2, CL12)? */
bool pl_headers_is_content_grpc(const char *value, size_t len);

#endif /* PARLEY_WIRE_SESSION_IMPL_H */
