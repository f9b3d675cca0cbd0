/* SPDX-License-Identifier: Apache-2.0 */
/* See session_pair.h. Fails by printing and aborting: it is test code. */
#include "session_pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *need(void *memory)
{
    if (memory == NULL) {
        (void)fprintf(stderr, "session_pair: no memory or too many streams\n");
        abort();
    }
    return memory;
}

static struct pair_log *add_log(struct pair_side *side, struct pl_stream *stream)
{
    struct pair_log *log = need(side->count < PAIR_LOGS_MAX ? calloc(1, sizeof(*log)) : NULL);
    log->side = side;
    log->stream = stream;
    side->logs[side->count++] = log;
    pl_stream_set_user(stream, log);
    return log;
}

static void on_request(void *owner, struct pl_stream *stream)
{
    struct pair_side *side = owner;
    struct pair_log *log = add_log(side, stream);
    if (side->hooks.on_request != NULL) {
        side->hooks.on_request(side->pair, log);
    }
}

static void on_headers(void *owner, struct pl_stream *stream)
{
    struct pair_side *side = owner;
    struct pair_log *log = pl_stream_user(stream);
    log->headers++;
    if (side->hooks.on_headers != NULL) {
        side->hooks.on_headers(side->pair, log);
    }
}

static void on_message(void *owner, struct pl_stream *stream, const uint8_t *data, size_t len)
{
    struct pair_side *side = owner;
    struct pair_log *log = pl_stream_user(stream);
    if (log->messages < PAIR_MESSAGES_MAX) {
        log->message_lens[log->messages] = len;
    }
    log->messages++;
    if (len > 0) {
        log->bytes = need(realloc(log->bytes, log->bytes_len + len));
        memcpy(log->bytes + log->bytes_len, data, len);
        log->bytes_len += len;
    }
    if (side->hooks.on_message != NULL) {
        side->hooks.on_message(side->pair, log, data, len);
    }
}

static void on_half_close(void *owner, struct pl_stream *stream)
{
    struct pair_side *side = owner;
    struct pair_log *log = pl_stream_user(stream);
    log->half_closes++;
    if (side->hooks.on_half_close != NULL) {
        side->hooks.on_half_close(side->pair, log);
    }
}

static void on_writable(void *owner, struct pl_stream *stream)
{
    struct pair_side *side = owner;
    struct pair_log *log = pl_stream_user(stream);
    log->writables++;
    if (side->hooks.on_writable != NULL) {
        side->hooks.on_writable(side->pair, log);
    }
}

static void note_trailers(struct pair_log *log, const parley_metadata *trailers)
{
    log->trailers = (int)parley_metadata_count(trailers);
    if (log->trailers > 0) {
        size_t len = 0;
        const char *value = parley_metadata_value(trailers, 0, &len);
        (void)snprintf(log->trailer_key, sizeof(log->trailer_key), "%s",
                       parley_metadata_key(trailers, 0));
        (void)snprintf(log->trailer_value, sizeof(log->trailer_value), "%.*s", (int)len, value);
    }
}

static void on_close(void *owner, struct pl_stream *stream, const struct pl_status *status)
{
    struct pair_side *side = owner;
    struct pair_log *log = pl_stream_user(stream);
    log->closes++;
    log->code = status->code;
    (void)snprintf(log->status_message, sizeof(log->status_message), "%s",
                   status->message != NULL ? status->message : "");
    if (status->details != NULL && status->details_len <= sizeof(log->details)) {
        memcpy(log->details, status->details, status->details_len);
        log->details_len = status->details_len;
    }
    log->is_unprocessed = pl_stream_is_unprocessed(stream);
    note_trailers(log, pl_stream_trailers(stream));
    log->stream = NULL;
    if (side->hooks.on_close != NULL) {
        side->hooks.on_close(side->pair, log);
    }
}

static void on_goaway(void *owner, uint32_t h2_error, const char *debug_text, size_t len)
{
    (void)debug_text;
    (void)len;
    (void)h2_error;
    struct pair_side *side = owner;
    side->goaways++;
}

static void on_ready(void *owner)
{
    struct pair_side *side = owner;
    side->readies++;
}

static void on_wants_write(void *owner)
{
    struct pair_side *side = owner;
    side->wants_writes++;
}

static const struct pl_session_events EVENTS = {
    .on_request = on_request,
    .on_headers = on_headers,
    .on_message = on_message,
    .on_half_close = on_half_close,
    .on_writable = on_writable,
    .on_close = on_close,
    .on_goaway = on_goaway,
    .on_ready = on_ready,
    .on_wants_write = on_wants_write,
};

static bool open_side(struct pair *pair, struct pair_side *side, bool is_server,
                      const struct pl_session_limits *limits)
{
    struct pl_session_options options = {
        .is_server = is_server,
        .may_rest = is_server && pair->may_rest,
        .events = &EVENTS,
        .owner = side,
        .scheme = "http",
    };
    if (limits != NULL) {
        options.limits = *limits;
    }
    side->pair = pair;
    return pl_session_new(pair->wire, &options, &side->session, NULL) == PARLEY_OK;
}

static struct pair *new_pair(const struct pl_session_limits *client,
                             const struct pl_session_limits *server, bool may_rest)
{
    struct pair *pair = need(calloc(1, sizeof(*pair)));
    pair->may_rest = may_rest;
    pair->gather = need(malloc(sizeof(*pair->gather)));
    pl_gather_init(pair->gather);
    pair->wire = pl_wire_new();
    if (pair->wire == NULL || !open_side(pair, &pair->client, false, client) ||
        !open_side(pair, &pair->server, true, server)) {
        pair_free(pair);
        return NULL;
    }
    return pair;
}

struct pair *pair_new(const struct pl_session_limits *client,
                      const struct pl_session_limits *server)
{
    return new_pair(client, server, false);
}

struct pair *pair_new_resting(void)
{
    return new_pair(NULL, NULL, true);
}

static void free_side(struct pair_side *side)
{
    pl_session_free(side->session);
    for (int i = 0; i < side->count; i++) {
        free(side->logs[i]->bytes);
        free(side->logs[i]);
    }
}

void pair_free(struct pair *pair)
{
    free_side(&pair->client);
    free_side(&pair->server);
    pl_wire_free(pair->wire);
    pl_gather_clear(pair->gather);
    free(pair->gather);
    free(pair);
}

size_t pair_gather(struct pair *pair, struct pair_side *from)
{
    bool more = false;
    pl_gather_clear(pair->gather);
    from->wants_writes = 0;
    if (pl_session_gather(from->session, pair->gather, &more, NULL) != PARLEY_OK) {
        from->is_failed = true;
    }
    return pair->gather->total_bytes;
}

static void feed(struct pair *pair, struct pair_side *to, const uint8_t *data, size_t len)
{
    size_t piece = pair->piece != 0 ? pair->piece : len;
    while (len > 0 && !to->is_failed) {
        size_t take = len < piece ? len : piece;
        /* A copy of exact size, so that reading past it is seen. */
        uint8_t *copy = need(malloc(take));
        memcpy(copy, data, take);
        enum parley_code code = pl_session_receive(to->session, copy, take, NULL);
        free(copy);
        if (code != PARLEY_OK) {
            to->is_failed = true;
            to->code = code;
        }
        data += take;
        len -= take;
    }
}

bool pair_carry(struct pair *pair, struct pair_side *from)
{
    struct pair_side *to = from == &pair->client ? &pair->server : &pair->client;
    size_t len = pair_gather(pair, from);
    if (len == 0) {
        return false;
    }
    *(from == &pair->client ? &pair->to_server_bytes : &pair->to_client_bytes) += len;
    /* Not from the heap under test, which may be a failing one. */
    uint8_t *bytes = need(malloc(len));
    size_t at = 0;
    for (size_t i = 0; i < pair->gather->slice_count; i++) {
        const struct iovec *slice = &pair->gather->slices[i];
        memcpy(bytes + at, slice->iov_base, slice->iov_len);
        at += slice->iov_len;
    }
    pl_gather_clear(pair->gather);
    feed(pair, to, bytes, len);
    free(bytes);
    return true;
}

void pair_pump(struct pair *pair)
{
    for (;;) {
        bool is_any = pair_carry(pair, &pair->client);
        is_any |= pair_carry(pair, &pair->server);
        if (!is_any) {
            return;
        }
    }
}

struct pair_log *pair_open(struct pair *pair, const char *path)
{
    return pair_open_with(pair, &(struct pl_open){.path = path, .timeout_ns = INT64_MAX});
}

struct pair_log *pair_open_with(struct pair *pair, const struct pl_open *open)
{
    struct pl_stream *stream = NULL;
    if (pl_session_open(pair->client.session, open, &stream, NULL) != PARLEY_OK) {
        return NULL;
    }
    return add_log(&pair->client, stream);
}

struct pl_buf *pair_message(size_t len, uint8_t fill)
{
    struct pl_buf *buf = pl_buf_new(5 + len);
    if (buf == NULL) {
        return NULL;
    }
    uint8_t prefix[5] = {0, (uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8),
                         (uint8_t)len};
    memcpy(buf->data, prefix, 5);
    memset(buf->data + 5, fill, len);
    buf->len = 5 + len;
    return buf;
}

size_t pair_write(struct pair_log *log, size_t len, uint8_t fill)
{
    struct pl_buf *buf = pair_message(len, fill);
    if (buf == NULL) {
        return 0;
    }
    size_t queued = pl_stream_write(log->stream, buf, 0);
    pl_buf_unref(buf);
    return queued;
}

void pair_finish(struct pair_log *log, enum parley_code code, const char *message)
{
    pl_stream_finish(log->stream, &(struct pl_status){.code = code, .message = message}, NULL);
}

struct pair_log *pair_last(struct pair_side *side)
{
    return side->count > 0 ? side->logs[side->count - 1] : NULL;
}

void pair_echo_message(struct pair *pair, struct pair_log *log, const uint8_t *data, size_t len)
{
    (void)pair;
    struct pl_buf *buf = pair_message(len, 0);
    if (buf == NULL) {
        return;
    }
    if (len > 0) {
        memcpy(buf->data + 5, data, len);
    }
    (void)pl_stream_write(log->stream, buf, 0);
    pl_buf_unref(buf);
}

void pair_finish_ok(struct pair *pair, struct pair_log *log)
{
    (void)pair;
    pair_finish(log, PARLEY_OK, NULL);
}
