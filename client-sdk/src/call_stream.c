/* SPDX-License-Identifier: Apache-2.0 */
/* A call on its stream: how it gets there, what is heard there, and whether what ended it may be
 * tried again.
 *
 * Again, without anybody hearing of it: what never left this machine, always; what the server says
 * that it did not begin (REFUSED_STREAM, GOAWAY), once. By the retry policy: what failed before
 * anything was heard of an answer. @thread loop */
#include "call_impl.h"
#include "channel_impl.h"
#include "error_impl.h"

#include "base/mem.h"
#include "wire/session.h"

#include <string.h>

#define H2_ENHANCE_YOUR_CALM 11

parley_metadata *sdk_call_join_metadata(const parley_metadata *from, const parley_metadata *more)
{
    parley_metadata *to = parley_metadata_new();
    const parley_metadata *sources[] = {from, more};
    for (size_t s = 0; to != NULL && s < PL_COUNT(sources); s++) {
        for (size_t i = 0; i < parley_metadata_count(sources[s]); i++) {
            size_t len = 0;
            const char *key = parley_metadata_key(sources[s], i);
            const char *value = parley_metadata_value(sources[s], i, &len);
            size_t key_len = strlen(key);
            bool is_bin = key_len > 4 && strcmp(key + key_len - 4, "-bin") == 0;
            int failed = is_bin ? parley_metadata_add_bin(to, key, value, len)
                                : parley_metadata_add(to, key, value);
            if (failed != 0) {
                parley_metadata_free(to);
                return NULL;
            }
        }
    }
    return to;
}

static enum parley_code open_stream(parley_call *call, struct pl_session *session,
                                    struct pl_error *err)
{
    parley_channel *channel = call->channel;
    parley_metadata *joined = NULL;
    const parley_metadata *metadata = channel->token_metadata;
    if (parley_metadata_find(call->metadata, "authorization", NULL) != NULL) {
        metadata = call->metadata; /* the call speaks for itself */
    } else if (call->metadata != NULL) {
        joined = sdk_call_join_metadata(channel->token_metadata, call->metadata);
        if (joined == NULL) {
            return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "out of memory");
        }
        metadata = joined;
    }
    int64_t left_ms = call->own.deadline_ms - pl_loop_now_ms(channel->loop);
    struct pl_open open = {
        .path = call->method->path,
        .timeout_ns =
            call->timeout_ms == INT64_MAX ? INT64_MAX : (left_ms < 1 ? 1 : left_ms) * 1000000,
        .metadata = metadata,
        .previous_attempts = call->own.failures,
        .compress = call->may_compress,
        .user = call,
    };
    enum parley_code code = pl_session_open(session, &open, &call->own.stream, err);
    parley_metadata_free(joined);
    return code;
}

void sdk_call_open(parley_call *call, struct link *link)
{
    struct pl_error err = PL_ERROR_INIT;
    if (open_stream(call, pl_conn_session(link->conn), &err) != PARLEY_OK) {
        sdk_call_finish(call, sdk_error_from(&err), NULL);
        return;
    }
    sdk_call_move(call, CALL_OPEN, &call->channel->active);
    if (call->own.is_paused) {
        pl_stream_pause(call->own.stream, true);
    }
    PL_LIST_FOREACH (node, &call->own.frames) {
        const struct queued_frame *frame = PL_LIST_ENTRY(node, struct queued_frame, node);
        pl_stream_compress(call->own.stream, frame->is_compressed);
        pl_stream_write(call->own.stream, frame->buf, 0);
    }
    if (call->own.is_half_closed) {
        pl_stream_half_close(call->own.stream);
    }
    sdk_call_note_room(call);
}

/* ---- once more ---- */

static void on_retry(struct pl_loop *loop, struct pl_timer *timer)
{
    parley_call *call = PL_CONTAINER_OF(timer, parley_call, own.retry);
    (void)loop;
    sdk_call_move(call, CALL_WAITING, &call->channel->waiting);
    sdk_call_place(call);
}

bool sdk_call_retry_later(parley_call *call, enum parley_code code, const parley_metadata *trailers)
{
    parley_channel *channel = call->channel;
    if (call->own.failure != NULL || !call->own.is_replayable || channel->is_closing) {
        return false;
    }
    const char *pushback = parley_metadata_find(trailers, "grpc-retry-pushback-ms", NULL);
    int64_t wait =
        retry_after(&call->retry, &channel->throttle, code, call->own.failures + 1, pushback);
    call->own.retry.fire = on_retry;
    if (wait < 0 || pl_timer_start(channel->loop, &call->own.retry, wait) != 0) {
        return false;
    }
    call->own.failures++;
    call->own.stream = NULL;
    sdk_call_move(call, CALL_WAITING, &channel->resting);
    return true;
}

/* The server did nothing with it: may it start again, as if nothing had been? */
static bool start_again(parley_call *call, const struct pl_stream *stream)
{
    bool is_sent = pl_stream_is_sent(stream);
    if (!pl_stream_is_unprocessed(stream) || call->own.failure != NULL ||
        !call->own.is_replayable || call->channel->is_closing ||
        (is_sent && call->own.was_refused)) {
        return false;
    }
    call->own.was_refused |= is_sent;
    call->own.stream = NULL;
    sdk_call_move(call, CALL_WAITING, &call->channel->waiting);
    return true;
}

/* ---- what the session says ---- */

static void on_headers(void *owner, struct pl_stream *stream)
{
    parley_call *call = pl_stream_user(stream);
    (void)owner;
    if (call == NULL) {
        return;
    }
    sdk_call_stop_replaying(call);
    if (call->events->on_headers != NULL) {
        call->events->on_headers(call->user, pl_stream_metadata(stream));
    }
}

/* statuscodes.md: response cardinality violation. */
static parley_error *one_response_error(const parley_call *call)
{
    return sdk_error(PARLEY_UNIMPLEMENTED, "the server did not answer %s with one message",
                     call->method->path);
}

static void on_message(void *owner, struct pl_stream *stream, const uint8_t *data, size_t len)
{
    parley_call *call = pl_stream_user(stream);
    (void)owner;
    if (call == NULL || call->own.failure != NULL) {
        return;
    }
    if (call->own.has_message && !call->method->server_streaming) {
        sdk_call_abort(call, one_response_error(call));
        return;
    }
    call->own.has_message = true;
    enum parley_code code = call->events->on_bytes(call->user, data, len);
    if (code != PARLEY_OK) {
        sdk_call_abort(call,
                       sdk_error(code, "a message of %s cannot be decoded", call->method->path));
    }
}

static void on_writable(void *owner, struct pl_stream *stream)
{
    (void)owner;
    if (pl_stream_user(stream) != NULL) {
        sdk_call_note_room(pl_stream_user(stream));
    }
}

static void end(parley_call *call, struct pl_stream *stream, const struct pl_status *status)
{
    parley_error *error = call->own.failure;
    call->own.failure = NULL;
    if (error == NULL && status->code == PARLEY_CANCELLED &&
        pl_loop_now_ms(call->channel->loop) >= call->own.deadline_ms) {
        error = sdk_call_deadline_error(call); /* the server was faster than our timer */
    }
    if (error == NULL) {
        error = sdk_error_from_status(status, pl_stream_trailers(stream));
    }
    if (error == NULL && !call->own.has_message && !call->method->server_streaming) {
        error = one_response_error(call);
    }
    if (error == NULL) {
        retry_succeeded(&call->channel->throttle);
    }
    sdk_call_finish(call, error, pl_stream_trailers(stream));
}

static void on_close(void *owner, struct pl_stream *stream, const struct pl_status *status)
{
    parley_call *call = pl_stream_user(stream);
    const struct link *link = owner;
    /* There is room for one more, and where this call is tried again is seen to at the end of the
     * turn as well: the connection that tells this may be on its way out. */
    channel_place_waiting(link->channel);
    if (call == NULL || start_again(call, stream) ||
        (status->code != PARLEY_OK &&
         sdk_call_retry_later(call, status->code, pl_stream_trailers(stream)))) {
        return;
    }
    end(call, stream, status);
}

static bool is_about_pings(uint32_t h2_error, const char *debug_text, size_t len)
{
    static const char text[] = "too_many_pings";
    return h2_error == H2_ENHANCE_YOUR_CALM && len == sizeof(text) - 1 &&
           memcmp(debug_text, text, len) == 0;
}

static void on_goaway(void *owner, uint32_t h2_error, const char *debug_text, size_t len)
{
    struct link *link = owner;
    parley_channel *channel = link->channel;
    if (is_about_pings(h2_error, debug_text, len)) {
        channel->keepalive_ms *= 2;
    }
    if (channel->is_closing || link->is_retired) {
        return;
    }
    if (link->is_ready) {
        channel->balancer->retire(link);
    } else {
        /* Before its SETTINGS it was no connection: its end is a failed attempt. */
        pl_conn_close_when_over(link->conn);
    }
}

static void on_ready(void *owner)
{
    struct link *link = owner;
    link->is_ready = true;
    if (!link->is_retired && !link->channel->is_closing) {
        link->channel->balancer->ready(link);
    }
}

static void on_settings(void *owner)
{
    const struct link *link = owner;
    channel_place_waiting(link->channel); /* it may take more calls now */
}

const struct pl_session_events sdk_call_session_events = {
    .on_headers = on_headers,
    .on_message = on_message,
    .on_writable = on_writable,
    .on_close = on_close,
    .on_goaway = on_goaway,
    .on_ready = on_ready,
    .on_settings = on_settings,
};
