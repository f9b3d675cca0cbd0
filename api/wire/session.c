/* SPDX-License-Identifier: Apache-2.0 */
/* A session's life, its input loop and its work list. Thread: the owner's loop. nghttp2 is not
 * re-entrant: nothing here may be called from inside of its callbacks but what session_impl.h
 * names. */
#include "wire/session_impl.h"

#include "base/mem.h"

#include <string.h>

#define DEFAULT_STREAMS           1000
#define DEFAULT_STREAM_WINDOW     (64 * 1024)
#define DEFAULT_CONNECTION_WINDOW (1024 * 1024)
#define DEFAULT_HEADER_BYTES      (16 * 1024)
#define DEFAULT_MESSAGE_BYTES     (4 * 1024 * 1024)
#define DEFAULT_HIGH_WATER        (256 * 1024)
#define DEFAULT_PING_MIN_MS       10000
#define DEFAULT_USER_AGENT        "grpc-c-parley/0.1"
/* Frames that nghttp2 has queued besides DATA: a peer that makes us answer and does not read. */
#define OUTBOUND_FRAMES_MAX 5000
#define PREFACE_BYTES       24 /* of a client, RFC 9113, 3.4 */
/* Queued bytes of all streams together, as multiples of one stream's high-water mark. A frame that
 * is shared by many streams counts for each of them. */
#define FULL_FACTOR     64
#define OVERFULL_FACTOR 4 /* times that: writers do not listen, or are too many */

static const char NOT_HTTP2[] = "HTTP/1.1 400 Bad Request\r\n"
                                "Content-Type: text/plain\r\n"
                                "Content-Length: 38\r\n"
                                "Connection: close\r\n"
                                "\r\n"
                                "This port speaks gRPC over HTTP/2 only";

static uint32_t or_default(uint32_t value, uint32_t fallback)
{
    return value != 0 ? value : fallback;
}

static void set_limits(struct pl_session *session, const struct pl_session_limits *limits)
{
    session->limits = (struct pl_session_limits){
        .streams_max = or_default(limits->streams_max, DEFAULT_STREAMS),
        .stream_window = or_default(limits->stream_window, DEFAULT_STREAM_WINDOW),
        .connection_window = or_default(limits->connection_window, DEFAULT_CONNECTION_WINDOW),
        .header_bytes_max = or_default(limits->header_bytes_max, DEFAULT_HEADER_BYTES),
        .message_bytes_max = or_default(limits->message_bytes_max, DEFAULT_MESSAGE_BYTES),
        .ping_min_ms = or_default(limits->ping_min_ms, DEFAULT_PING_MIN_MS),
        .write_high_water = or_default(limits->write_high_water, DEFAULT_HIGH_WATER),
    };
}

/* K1. */
static int submit_settings(struct pl_session *session)
{
    const struct pl_session_limits *limits = &session->limits;
    nghttp2_settings_entry entries[] = {
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits->stream_window},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits->header_bytes_max},
        {session->is_server ? NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS
                            : NGHTTP2_SETTINGS_ENABLE_PUSH,
         session->is_server ? limits->streams_max : 0},
    };
    int rv = nghttp2_submit_settings(pl_session_h2(session), NGHTTP2_FLAG_NONE, entries,
                                     PL_COUNT(entries));
    if (rv == 0) {
        rv = nghttp2_session_set_local_window_size(pl_session_h2(session), NGHTTP2_FLAG_NONE, 0,
                                                   (int32_t)limits->connection_window);
    }
    return rv;
}

static int copy_names(struct pl_session *session, const struct pl_session_options *options)
{
    if (options->is_server) {
        return 0;
    }
    session->scheme = options->scheme != NULL ? options->scheme : "http";
    session->authority = pl_strdup(options->authority != NULL ? options->authority : "localhost");
    session->user_agent =
        pl_strdup(options->user_agent != NULL ? options->user_agent : DEFAULT_USER_AGENT);
    return session->authority != NULL && session->user_agent != NULL ? 0 : -1;
}

enum parley_code pl_session_new(struct pl_wire *wire, const struct pl_session_options *options,
                                struct pl_session **session, struct pl_error *err)
{
    struct pl_session *made = pl_calloc(1, sizeof(*made));
    *session = NULL;
    if (made == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for a session");
    }
    made->wire = wire;
    made->events = options->events;
    made->owner = options->owner;
    made->is_server = options->is_server;
    made->plain_path = options->plain_path;
    made->plain_text = options->plain_text;
    pl_list_init(&made->streams);
    pl_list_init(&made->work);
    pl_list_init(&made->partial);
    pl_inlet_init(&made->inlet, PREFACE_BYTES);
    pl_data_init(made);
    pl_flood_init(&made->flood);
    set_limits(made, &options->limits);
    pl_h2_memory_init(&made->memory, options->may_rest ? &wire->h2_pool : NULL);
    const nghttp2_option *server_options =
        options->keeps_closed_streams ? wire->keeping_options : wire->server_options;
    int rv = options->is_server
                 ? nghttp2_session_server_new3(&made->h2, wire->server_callbacks, made,
                                               server_options, &made->memory.mem)
                 : nghttp2_session_client_new3(&made->h2, wire->client_callbacks, made,
                                               wire->client_options, &made->memory.mem);
    pl_h2_memory_settle(&made->memory);
    if (rv != 0 || copy_names(made, options) != 0 || submit_settings(made) != 0) {
        pl_session_free(made);
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for a session");
    }
    *session = made;
    pl_session_touch(made); /* preface and SETTINGS */
    return PARLEY_OK;
}

void pl_session_free(struct pl_session *session)
{
    if (session == NULL) {
        return;
    }
    session->is_lost = true;
    session->is_inside = true;
    PL_LIST_FOREACH (node, &session->streams) {
        struct pl_stream *stream = PL_LIST_ENTRY(node, struct pl_stream, node);
        if (session->is_server) {
            pl_stream_set_status(stream, stream->is_answered ? PARLEY_OK : PARLEY_CANCELLED, NULL);
        } else {
            stream->is_unprocessed |= !stream->is_answered;
            pl_stream_set_status(stream, PARLEY_UNAVAILABLE, "the connection was lost");
        }
        pl_stream_close_user(stream);
    }
    nghttp2_session_del(pl_session_h2(session));
    session->h2 = NULL;
    while (!pl_list_is_empty(&session->streams)) {
        struct pl_stream *stream = PL_LIST_ENTRY(session->streams.next, struct pl_stream, node);
        stream->is_h2_open = false;
        pl_stream_recycle_if_over(stream);
    }
    pl_h2_memory_deinit(&session->memory);
    pl_free(session->authority);
    pl_free(session->user_agent);
    pl_free(session);
}

void pl_session_touch(struct pl_session *session)
{
    if (session->is_inside || session->is_write_told || session->events->on_wants_write == NULL) {
        return;
    }
    session->is_write_told = true;
    session->events->on_wants_write(session->owner);
}

void pl_session_condemn(struct pl_session *session, uint32_t h2_error)
{
    if (!session->is_condemned) {
        session->is_condemned = true;
        (void)nghttp2_session_terminate_session(pl_session_h2(session), h2_error);
    }
}

bool pl_session_glitch(struct pl_session *session, uint32_t cost)
{
    if (!session->is_condemned && pl_flood_take(&session->flood, cost)) {
        return true;
    }
    pl_session_condemn(session, NGHTTP2_ENHANCE_YOUR_CALM);
    return false;
}

static void run_stream_work(struct pl_stream *stream)
{
    struct pl_session *session = stream->session;
    unsigned work = stream->work;
    stream->work = 0;
    if ((work & PL_WORK_RESUME) != 0 && stream->is_user_open && !stream->is_paused) {
        pl_stream_deliver_held(stream);
    }
    if ((work & PL_WORK_RESET) != 0 && stream->is_h2_open) {
        (void)nghttp2_submit_rst_stream(pl_session_h2(session), NGHTTP2_FLAG_NONE, stream->id,
                                        NGHTTP2_NO_ERROR);
    }
    if ((work & PL_WORK_WRITABLE) != 0 && stream->is_user_open && !stream->is_output_over &&
        session->events->on_writable != NULL) {
        session->events->on_writable(session->owner, stream);
    }
    if ((work & PL_WORK_CLOSE) != 0) {
        pl_stream_close_user(stream);
        pl_stream_recycle_if_over(stream);
    }
}

bool pl_session_run_work(struct pl_session *session)
{
    bool is_any = false;
    for (;;) {
        struct pl_list *node = pl_list_pop(&session->work);
        if (node == NULL) {
            return is_any;
        }
        is_any = true;
        run_stream_work(PL_LIST_ENTRY(node, struct pl_stream, work_node));
    }
}

/* The bytes are not our preface. They are HTTP/1 if they begin like a request line, as far as it
 * came; the "P" of POST and PUT passed for the preface when it came alone. */
static bool is_http1(const struct pl_session *session, const uint8_t *data, size_t len)
{
    size_t method_len = 0;
    while (method_len < len && data[method_len] >= 'A' && data[method_len] <= 'Z') {
        method_len++;
    }
    if (session->received_bytes > len || (method_len > 0 && method_len == len)) {
        return true;
    }
    bool has_space = method_len > 0 && data[method_len] == ' ';
    return has_space && (method_len + 1 == len || data[method_len + 1] == '/' ||
                         data[method_len + 1] == '*' || data[method_len + 1] == 'h');
}

static enum parley_code fail_input(struct pl_session *session, ssize_t rv, const uint8_t *data,
                                   size_t len, struct pl_error *err)
{
    session->is_lost = true;
    if (rv == NGHTTP2_ERR_BAD_CLIENT_MAGIC) {
        session->farewell = is_http1(session, data, len) ? NOT_HTTP2 : NULL;
        return pl_fail(err, PARLEY_INTERNAL, "the peer does not speak HTTP/2");
    }
    if (rv == NGHTTP2_ERR_NOMEM) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "HTTP/2 input: no memory");
    }
    pl_session_condemn(session, NGHTTP2_ENHANCE_YOUR_CALM);
    return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "HTTP/2 input: %s",
                   rv < 0 ? nghttp2_strerror((int)rv) : "too many answers are queued");
}

bool pl_session_look_at_h2(struct pl_session *session)
{
    bool wants_write = nghttp2_session_want_write(session->h2) != 0;
    session->is_h2_over = !wants_write && nghttp2_session_want_read(session->h2) == 0;
    session->is_h2_touched = wants_write;
    return wants_write;
}

static ssize_t take_piece(struct pl_session *session, const struct pl_inlet_piece *piece)
{
    if (piece->is_window_update && pl_data_take_window_update(session, piece->data)) {
        return 0;
    }
    return nghttp2_session_mem_recv(pl_session_h2(session), piece->data, piece->len);
}

/* As nghttp2_session_mem_recv. */
static ssize_t take_input(struct pl_session *session, const uint8_t *data, size_t len)
{
    struct pl_inlet_piece piece = {.data = data, .len = len};
    if (!session->is_server) {
        return take_piece(session, &piece);
    }
    ssize_t rv = 0;
    while (rv >= 0 && !session->is_condemned &&
           pl_inlet_next(&session->inlet, &data, &len, &piece)) {
        rv = take_piece(session, &piece);
    }
    if (pl_inlet_is_between(&session->inlet)) {
        session->open_block = 0; /* nghttp2 is silent about the end of one that it ignores */
    }
    return session->is_condemned && rv >= 0 ? NGHTTP2_ERR_CALLBACK_FAILURE : rv;
}

static bool is_outbound_over_limit(const struct pl_session *session)
{
    return session->is_server && session->is_h2_touched &&
           nghttp2_session_get_outbound_queue_size(session->h2) >
               OUTBOUND_FRAMES_MAX + 2 * session->stream_count;
}

enum parley_code pl_session_receive(struct pl_session *session, const uint8_t *data, size_t len,
                                    struct pl_error *err)
{
    if (session->is_lost) {
        return pl_fail(err, PARLEY_UNAVAILABLE, "the session is over");
    }
    session->received_bytes += len;
    session->is_inside = true;
    session->got_secret = false;
    session->has_swollen = false;
    ssize_t rv = take_input(session, data, len);
    (void)pl_session_run_work(session);
    session->is_inside = false;
    enum parley_code code = PARLEY_OK;
    if (rv < 0 || is_outbound_over_limit(session)) {
        code = fail_input(session, rv, data, len, err);
    }
    bool wants_write = session->is_h2_touched && pl_session_look_at_h2(session);
    if (session->farewell != NULL || wants_write || pl_data_can_go(session)) {
        pl_session_touch(session);
    }
    return code;
}

bool pl_session_got_secret(const struct pl_session *session)
{
    return session->got_secret;
}

bool pl_session_has_swollen(const struct pl_session *session)
{
    return session->has_swollen;
}

bool pl_session_is_over(const struct pl_session *session)
{
    return session->is_lost || (session->is_h2_over && pl_list_is_empty(&session->work));
}

const char *pl_session_error(const struct pl_session *session)
{
    return session->sent_error != NGHTTP2_NO_ERROR ? nghttp2_http2_strerror(session->sent_error)
                                                   : NULL;
}

void pl_session_rest(struct pl_session *session)
{
    bool was_used = session->was_used;
    session->was_used = false;
    /* Waiting output is a reason to be awake soon. */
    if (!was_used && !session->is_lost && !session->is_write_told &&
        pl_list_is_empty(&session->work) && !pl_h2_memory_is_packed(&session->memory) &&
        nghttp2_session_want_write(session->h2) == 0) {
        session->is_h2_touched = false;
        pl_h2_memory_pack(&session->memory);
    }
}

size_t pl_session_stream_count(const struct pl_session *session)
{
    return session->stream_count;
}

size_t pl_session_streams_max(const struct pl_session *session)
{
    return session->limits.streams_max;
}

size_t pl_session_queued_bytes(const struct pl_session *session)
{
    return session->queued_bytes;
}

static size_t full_mark(const struct pl_session *session)
{
    return (size_t)session->limits.write_high_water * FULL_FACTOR;
}

bool pl_session_is_full(const struct pl_session *session)
{
    return session->is_full;
}

void pl_session_count_queued(struct pl_session *session, size_t bytes)
{
    session->queued_bytes += bytes;
    session->is_full |= session->queued_bytes >= full_mark(session);
}

void pl_session_count_unqueued(struct pl_session *session, size_t bytes)
{
    session->queued_bytes -= bytes;
    if (!session->is_full || session->queued_bytes >= full_mark(session) / 2) {
        return;
    }
    session->is_full = false;
    PL_LIST_FOREACH (node, &session->streams) {
        pl_stream_check_writable(PL_LIST_ENTRY(node, struct pl_stream, node));
    }
}

bool pl_session_is_overfull(const struct pl_session *session)
{
    return session->is_server && session->queued_bytes >= OVERFULL_FACTOR * full_mark(session);
}

void pl_session_visit_streams(struct pl_session *session, void (*visit)(struct pl_stream *stream))
{
    PL_LIST_FOREACH_SAFE (node, following, &session->streams) {
        struct pl_stream *stream = PL_LIST_ENTRY(node, struct pl_stream, node);
        if (stream->is_user_open) {
            visit(stream);
        }
    }
}

void pl_session_announce_shutdown(struct pl_session *session)
{
    if (session->is_server) {
        (void)nghttp2_submit_shutdown_notice(pl_session_h2(session));
        pl_session_touch(session);
    }
}

void pl_session_goaway(struct pl_session *session, uint32_t h2_error, const char *debug_text)
{
    size_t len = debug_text != NULL ? strlen(debug_text) : 0;
    (void)nghttp2_submit_goaway(pl_session_h2(session), NGHTTP2_FLAG_NONE,
                                nghttp2_session_get_last_proc_stream_id(pl_session_h2(session)),
                                h2_error, (const uint8_t *)debug_text, len);
    pl_session_touch(session);
}

int pl_session_ping(struct pl_session *session)
{
    if (session->is_lost ||
        nghttp2_submit_ping(pl_session_h2(session), NGHTTP2_FLAG_NONE, NULL) != 0) {
        return -1;
    }
    pl_session_touch(session);
    return 0;
}

uint64_t pl_session_received_bytes(const struct pl_session *session)
{
    return session->received_bytes;
}

uint64_t pl_session_sent_data_frames(const struct pl_session *session)
{
    return session->flood.data_frames;
}

bool pl_session_awaits_ack(const struct pl_session *session)
{
    return session->is_ready && !session->is_acknowledged;
}

uint64_t pl_session_open_block(const struct pl_session *session)
{
    return session->open_block;
}

uint64_t pl_session_begun_messages(const struct pl_session *session)
{
    return session->begun_messages;
}

bool pl_session_has_room(struct pl_session *session)
{
    return !session->is_lost && !session->is_goaway_received &&
           nghttp2_session_check_request_allowed(pl_session_h2(session)) != 0 &&
           session->stream_count <
               nghttp2_session_get_remote_settings(pl_session_h2(session),
                                                   NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

enum parley_code pl_session_open(struct pl_session *session, const struct pl_open *open,
                                 struct pl_stream **stream, struct pl_error *err)
{
    *stream = NULL;
    if (session->is_server || session->is_lost || session->is_goaway_received ||
        nghttp2_session_check_request_allowed(pl_session_h2(session)) == 0) {
        return pl_fail(err, PARLEY_UNAVAILABLE, "the connection takes no new calls");
    }
    struct pl_stream *made = pl_stream_new(session, 0);
    if (made == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for a call");
    }
    if (pl_headers_send_request(made, open) != 0) {
        pl_stream_recycle_if_over(made);
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED,
                       "no memory for a call, or too much metadata for one");
    }
    made->is_h2_open = true;
    made->is_user_open = true;
    made->user = open->user;
    *stream = made;
    pl_session_touch(session);
    return PARLEY_OK;
}
