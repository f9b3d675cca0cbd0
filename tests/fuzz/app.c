/* SPDX-License-Identifier: Apache-2.0 */
/* See app.h. */
#include "app.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CALLS_AT_START 3
#define BIG_BYTES      20000

void app_check(bool is_kept, const char *promise)
{
    if (!is_kept) {
        (void)fprintf(stderr, "broken promise: %s\n", promise);
        abort();
    }
}

static uint32_t draw(struct app *app, uint32_t below)
{
    app->seed ^= app->seed << 13;
    app->seed ^= app->seed >> 17;
    app->seed ^= app->seed << 5;
    return app->seed % below;
}

static void write_message(struct pl_stream *stream, size_t len)
{
    struct pl_buf *buf = pl_buf_new(5 + len);
    app_check(buf != NULL, "memory");
    memset(buf->data, 0, 5 + len);
    buf->data[3] = (uint8_t)(len >> 8);
    buf->data[4] = (uint8_t)len;
    buf->len = 5 + len;
    (void)pl_stream_write(stream, buf, 0);
    pl_buf_unref(buf);
}

static void finish_badly(struct pl_stream *stream)
{
    struct pl_status status;
    parley_metadata *trailers = parley_metadata_new();
    app_check(trailers != NULL && parley_metadata_add(trailers, "x-a", "1") == 0 &&
                  parley_metadata_add_bin(trailers, "x-bin", "\xff", 1) == 0 &&
                  pl_status_bad_request(pl_stream_arena(stream), "100 % \xff", "body", "\xff",
                                        &status) == 0,
              "memory");
    pl_stream_finish(stream, &status, trailers);
    parley_metadata_free(trailers);
}

static void act(struct app *app, struct pl_stream *stream)
{
    switch (draw(app, 12)) {
    case 0:
        write_message(stream, draw(app, 64));
        break;
    case 1:
        write_message(stream, BIG_BYTES);
        break;
    case 2:
        pl_stream_pause(stream, true);
        break;
    case 3:
        pl_stream_pause(stream, false);
        break;
    case 4:
        pl_stream_finish(stream, &(struct pl_status){.code = PARLEY_OK}, NULL);
        break;
    case 5:
        finish_badly(stream);
        break;
    case 6:
        pl_stream_cancel(stream, 8);
        break;
    case 7:
        pl_stream_send_headers(stream, pl_stream_metadata(stream));
        break;
    case 8:
        pl_stream_half_close(stream);
        break;
    default:
        break;
    }
}

static bool add_stream(struct app *app, struct pl_stream *stream)
{
    for (size_t i = 0; i < APP_STREAMS_MAX; i++) {
        if (app->streams[i] == NULL) {
            app->streams[i] = stream;
            return true;
        }
    }
    return false;
}

static void on_request(void *owner, struct pl_stream *stream)
{
    struct app *app = owner;
    size_t len = 0;
    const char *path = pl_stream_path(stream, &len);
    app_check(path != NULL && path[len] == '\0', "a request has a path");
    app_check(pl_stream_timeout_ns(stream) > 0, "a timeout of 0 is refused");
    pl_stream_set_user(stream, app);
    if (!add_stream(app, stream)) {
        pl_stream_set_user(stream, NULL);
        pl_stream_finish(stream, &(struct pl_status){.code = PARLEY_UNAVAILABLE}, NULL);
        return;
    }
    act(app, stream);
}

static void on_headers(void *owner, struct pl_stream *stream)
{
    act(owner, stream);
}

static void on_message(void *owner, struct pl_stream *stream, const uint8_t *data, size_t len)
{
    static volatile uint8_t sink;
    for (size_t i = 0; i < len; i++) {
        sink = (uint8_t)(sink + data[i]);
    }
    act(owner, stream);
}

static void on_half_close(void *owner, struct pl_stream *stream)
{
    act(owner, stream);
}

static void on_writable(void *owner, struct pl_stream *stream)
{
    act(owner, stream);
}

static void on_close(void *owner, struct pl_stream *stream, const struct pl_status *status)
{
    struct app *app = owner;
    app_check(status->code <= PARLEY_UNAUTHENTICATED, "a status is canonical");
    app_check(status->details_len == 0 || status->details != NULL, "details have bytes");
    (void)parley_metadata_count(pl_stream_trailers(stream));
    if (pl_stream_user(stream) == NULL) {
        return;
    }
    pl_stream_set_user(stream, NULL);
    for (size_t i = 0; i < APP_STREAMS_MAX; i++) {
        if (app->streams[i] == stream) {
            app->streams[i] = NULL;
            return;
        }
    }
    app_check(false, "on_close comes once");
}

static const struct pl_session_events EVENTS = {
    .on_request = on_request,
    .on_headers = on_headers,
    .on_message = on_message,
    .on_half_close = on_half_close,
    .on_writable = on_writable,
    .on_close = on_close,
};

static void open_call(struct app *app)
{
    struct pl_open open = {.path = "/a.B/C", .timeout_ns = 1000000, .user = app};
    struct pl_stream *stream = NULL;
    if (pl_session_open(app->session, &open, &stream, NULL) == PARLEY_OK) {
        if (!add_stream(app, stream)) {
            pl_stream_set_user(stream, NULL);
            pl_stream_cancel(stream, 8);
            return;
        }
        act(app, stream);
    }
}

static void gather(struct app *app)
{
    bool more = true;
    while (more && !app->is_lost) {
        pl_gather_clear(app->gather);
        app->is_lost = pl_session_gather(app->session, app->gather, &more, NULL) != PARLEY_OK;
    }
    pl_gather_clear(app->gather);
}

static void turn(struct app *app)
{
    for (size_t i = 0; i < APP_STREAMS_MAX; i++) {
        if (app->streams[i] != NULL && draw(app, 4) == 0) {
            act(app, app->streams[i]);
        }
    }
    if (!app->is_server && draw(app, 8) == 0) {
        open_call(app);
    }
    if (draw(app, 3) != 0) {
        gather(app);
    }
    app_check(pl_session_stream_count(app->session) > 0 ||
                  pl_session_queued_bytes(app->session) == 0,
              "nothing is queued without a stream");
}

void app_open(struct app *app, bool is_server, uint32_t seed)
{
    *app = (struct app){.is_server = is_server, .seed = seed * 2654435761U | 1};
    struct pl_session_options options = {
        .is_server = is_server,
        .limits = {.stream_window = 1000, .message_bytes_max = 5000, .write_high_water = 10000},
        .events = &EVENTS,
        .owner = app};
    app->gather = malloc(sizeof(*app->gather));
    app->wire = pl_wire_new();
    app_check(app->gather != NULL && app->wire != NULL &&
                  pl_session_new(app->wire, &options, &app->session, NULL) == PARLEY_OK,
              "memory");
    pl_gather_init(app->gather);
    for (int i = 0; !is_server && i < CALLS_AT_START; i++) {
        open_call(app);
    }
    gather(app);
}

void app_feed(struct app *app, const uint8_t *data, size_t len)
{
    while (len > 0 && !app->is_lost && !pl_session_is_over(app->session)) {
        size_t piece = draw(app, 2) == 0 ? len : 1 + draw(app, 100);
        piece = piece < len ? piece : len;
        uint8_t *copy = malloc(piece);
        app_check(copy != NULL, "memory");
        memcpy(copy, data, piece);
        app->is_lost = pl_session_receive(app->session, copy, piece, NULL) != PARLEY_OK;
        free(copy);
        data += piece;
        len -= piece;
        turn(app);
    }
}

void app_close(struct app *app)
{
    pl_session_free(app->session);
    pl_wire_free(app->wire);
    for (size_t i = 0; i < APP_STREAMS_MAX; i++) {
        app_check(app->streams[i] == NULL, "every stream is closed");
    }
    free(app->gather);
}
