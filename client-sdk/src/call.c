/* SPDX-License-Identifier: Apache-2.0 */
/* One call of a channel, in bytes.
 *
 *   WAITING --connection--> OPEN --status--> DONE
 *      |  ^                   |                ^
 *      |  +--not processed----+                |
 *      +--deadline, cancel, no connection------+
 *
 * Threads: the fields of `own` belong to the channel's loop. Any thread may write, half-close,
 * pause or cancel: those travel as mail, each with a reference to the call, so that one that
 * arrives after the end finds a call that ignores it. Only a write needs memory for its mail: a
 * call can always be ended. */
#include "call_impl.h"
#include "channel_impl.h"
#include "error_impl.h"

#include "base/mem.h"
#include "wire/session.h"

#include <stdatomic.h>
#include <string.h>

#define WRITE_HIGH_WATER   (256 * 1024)
#define REPLAY_BYTES_MAX   (256 * 1024)
#define ATTEMPTS_MAX       3
#define DEFAULT_TIMEOUT_MS 30000
#define TIMEOUT_MAX_MS     (INT64_C(10) * 365 * 24 * 3600 * 1000) /* longer is as good as none */
#define H2_CANCEL          8

enum call_state {
    CALL_WAITING,
    CALL_OPEN,
    CALL_DONE
};

struct queued_frame {
    struct pl_list node;
    struct pl_buf *buf;
    bool is_compressed;
};

struct parley_call {
    atomic_uint refs; /* one for the call itself until done, one for each mail under way */
    parley_channel *channel;
    const parley_method *method;
    const struct sdk_call_events *events;
    void *user;
    bool waits_for_ready;
    bool may_compress;
    int64_t timeout_ms; /* INT64_MAX: none */
    parley_metadata *metadata;
    atomic_size_t posted_bytes; /* written and still in the mail */
    atomic_size_t stream_bytes; /* queued on the stream at the last look */
    atomic_bool wants_writable;
    atomic_bool is_over;
    atomic_bool wants_compressed; /* for messages written from now on */
    struct pl_mail start_mail;
    struct pl_mail half_close_mail;
    struct pl_mail control_mail; /* tells to look at wants_cancel and wants_pause */
    atomic_bool is_half_close_posted;
    atomic_bool is_control_posted;
    atomic_bool wants_cancel;
    atomic_bool wants_pause;

    struct {
        enum call_state state;
        struct pl_list node;   /* channel.waiting or channel.active */
        struct pl_list frames; /* written so far, while they may have to be sent again */
        size_t frame_bytes;
        bool is_replayable; /* frames has all that was written */
        bool is_half_closed;
        bool is_paused;
        unsigned attempts;
        int64_t deadline_ms;
        struct pl_timer deadline;
        struct pl_stream *stream;
        parley_error *failure; /* ours, instead of what the stream says */
    } own;
};

struct write_mail {
    struct pl_mail mail;
    parley_call *call;
    struct pl_buf *frame;
    bool is_compressed;
};

static void call_unref(parley_call *call)
{
    if (atomic_fetch_sub(&call->refs, 1) == 1) {
        parley_channel *channel = call->channel;
        parley_metadata_free(call->metadata);
        pl_free(call);
        atomic_fetch_sub(&channel->call_count, 1);
    }
}

static void drop_frames(parley_call *call)
{
    struct pl_list *node = pl_list_pop(&call->own.frames);
    while (node != NULL) {
        struct queued_frame *frame = PL_LIST_ENTRY(node, struct queued_frame, node);
        pl_buf_unref(frame->buf);
        pl_free(frame);
        node = pl_list_pop(&call->own.frames);
    }
    call->own.frame_bytes = 0;
}

/* The one way to DONE. @param error  takes; NULL: OK */
static void finish(parley_call *call, parley_error *error, const parley_metadata *trailers)
{
    if (call->own.state == CALL_DONE) {
        parley_error_free(error);
        return;
    }
    call->own.state = CALL_DONE;
    atomic_store(&call->is_over, true);
    pl_list_remove(&call->own.node);
    pl_timer_stop(call->channel->loop, &call->own.deadline);
    drop_frames(call);
    call->own.stream = NULL;
    if (call->events->on_done != NULL) {
        call->events->on_done(call->user, error, trailers);
    }
    parley_error_free(error);
    parley_error_free(call->own.failure);
    call->own.failure = NULL;
    call_unref(call);
}

/* End from our side: whatever the stream still says, `error` (takes) is the outcome. */
static void abort_call(parley_call *call, parley_error *error)
{
    if (call->own.state == CALL_OPEN && call->own.stream != NULL) {
        if (call->own.failure == NULL) {
            call->own.failure = error;
        } else {
            parley_error_free(error);
        }
        pl_stream_cancel(call->own.stream, H2_CANCEL);
        return;
    }
    finish(call, error, NULL);
}

static parley_error *deadline_error(const parley_call *call)
{
    return sdk_error(PARLEY_DEADLINE_EXCEEDED, "no answer to %s within %lld ms", call->method->path,
                     (long long)call->timeout_ms);
}

static void on_deadline(struct pl_loop *loop, struct pl_timer *timer)
{
    parley_call *call = PL_CONTAINER_OF(timer, parley_call, own.deadline);
    (void)loop;
    abort_call(call, deadline_error(call));
}

static void note_room(parley_call *call)
{
    size_t queued =
        call->own.stream == NULL ? call->own.frame_bytes : pl_stream_queued_bytes(call->own.stream);
    atomic_store(&call->stream_bytes, queued);
    /* Asked again with every write that comes out of the mail and, if the stream was over its mark,
     * when half of that is gone. */
    bool has_room = call->own.stream == NULL ? queued < WRITE_HIGH_WATER
                                             : !pl_stream_is_above_high_water(call->own.stream);
    if (has_room && atomic_load(&call->posted_bytes) <= WRITE_HIGH_WATER / 2 &&
        atomic_exchange(&call->wants_writable, false) && call->events->on_writable != NULL) {
        call->events->on_writable(call->user);
    }
}

static parley_metadata *copy_metadata(const parley_metadata *from, const parley_metadata *more)
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
        joined = copy_metadata(channel->token_metadata, call->metadata);
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
        .compress = call->may_compress,
        .user = call,
    };
    enum parley_code code = pl_session_open(session, &open, &call->own.stream, err);
    parley_metadata_free(joined);
    return code;
}

static void start_on(parley_call *call, struct link *link)
{
    struct pl_error err = PL_ERROR_INIT;
    if (open_stream(call, pl_conn_session(link->conn), &err) != PARLEY_OK) {
        finish(call, sdk_error_from(&err), NULL);
        return;
    }
    pl_list_remove(&call->own.node);
    pl_list_push(&call->channel->active, &call->own.node);
    call->own.state = CALL_OPEN;
    call->own.attempts++;
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
    note_room(call);
}

/* Remember a frame while the call may have to be sent again, or is not sent yet. takes `frame`. */
static int keep_frame(parley_call *call, struct pl_buf *frame, bool is_compressed)
{
    struct queued_frame *entry = pl_calloc(1, sizeof(*entry));
    if (entry == NULL) {
        pl_buf_unref(frame);
        return -1;
    }
    entry->buf = frame;
    entry->is_compressed = is_compressed;
    pl_list_push(&call->own.frames, &entry->node);
    call->own.frame_bytes += frame->len;
    return 0;
}

static void stop_replaying(parley_call *call)
{
    call->own.is_replayable = false;
    if (call->own.state == CALL_OPEN) {
        drop_frames(call);
    }
}

/* takes `frame` */
static void write_frame(parley_call *call, struct pl_buf *frame, bool is_compressed)
{
    atomic_fetch_sub(&call->posted_bytes, frame->len);
    if (call->own.state == CALL_DONE || call->own.is_half_closed) {
        pl_buf_unref(frame);
        return;
    }
    if (call->own.state == CALL_OPEN) {
        pl_stream_compress(call->own.stream, is_compressed);
        pl_stream_write(call->own.stream, frame, 0);
        if (call->own.frame_bytes + frame->len > REPLAY_BYTES_MAX) {
            stop_replaying(call);
        }
        if (!call->own.is_replayable) {
            pl_buf_unref(frame);
            note_room(call);
            return;
        }
    }
    if (keep_frame(call, frame, is_compressed) != 0) {
        abort_call(call, sdk_error(PARLEY_RESOURCE_EXHAUSTED, "out of memory"));
        return;
    }
    note_room(call);
}

static void half_close(parley_call *call)
{
    if (call->own.state != CALL_DONE && !call->own.is_half_closed) {
        call->own.is_half_closed = true;
        if (call->own.state == CALL_OPEN) {
            pl_stream_half_close(call->own.stream);
        }
    }
}

static void pause_call(parley_call *call, bool paused)
{
    call->own.is_paused = paused;
    if (call->own.state == CALL_OPEN) {
        pl_stream_pause(call->own.stream, paused);
    }
}

/* A waiting call: on the connection, if there is one; else it waits, or ends if it does not want
 * to. */
static void place(parley_call *call)
{
    parley_channel *channel = call->channel;
    if (channel->current != NULL && channel->current->is_ready) {
        start_on(call, channel->current);
    } else if (parley_channel_get_state(channel) == PARLEY_CHANNEL_TRANSIENT_FAILURE &&
               !call->waits_for_ready) {
        finish(call, sdk_error_copy(channel->last_error), NULL);
    } else {
        channel_want_connection(channel);
    }
}

static void begin(parley_call *call)
{
    parley_channel *channel = call->channel;
    if (channel->is_closing) {
        finish(call, sdk_error(PARLEY_CANCELLED, "the channel is closed"), NULL);
        return;
    }
    pl_list_push(&channel->waiting, &call->own.node);
    call->own.deadline_ms = INT64_MAX;
    if (call->timeout_ms != INT64_MAX) {
        call->own.deadline_ms = pl_loop_now_ms(channel->loop) + call->timeout_ms;
        if (pl_timer_start(channel->loop, &call->own.deadline, call->timeout_ms) != 0) {
            finish(call, sdk_error(PARLEY_RESOURCE_EXHAUSTED, "out of memory"), NULL);
            return;
        }
    }
    place(call);
}

static void deliver_start(struct pl_loop *loop, struct pl_mail *mail)
{
    parley_call *call = PL_CONTAINER_OF(mail, parley_call, start_mail);
    (void)loop;
    begin(call);
    call_unref(call);
}

static void deliver_write(struct pl_loop *loop, struct pl_mail *mail)
{
    struct write_mail *write = PL_CONTAINER_OF(mail, struct write_mail, mail);
    parley_call *call = write->call;
    (void)loop;
    write_frame(call, write->frame, write->is_compressed);
    pl_free(write);
    call_unref(call);
}

static void deliver_half_close(struct pl_loop *loop, struct pl_mail *mail)
{
    parley_call *call = PL_CONTAINER_OF(mail, parley_call, half_close_mail);
    (void)loop;
    half_close(call);
    call_unref(call);
}

static void deliver_control(struct pl_loop *loop, struct pl_mail *mail)
{
    parley_call *call = PL_CONTAINER_OF(mail, parley_call, control_mail);
    (void)loop;
    /* Before the looks: what is wanted after them is mailed again. */
    atomic_store(&call->is_control_posted, false);
    if (atomic_load(&call->wants_cancel)) {
        abort_call(call, sdk_error(PARLEY_CANCELLED, "cancelled by the caller"));
    } else if (call->own.state != CALL_DONE) {
        pause_call(call, atomic_load(&call->wants_pause));
    }
    call_unref(call);
}

static void post(parley_call *call, struct pl_mail *mail)
{
    atomic_fetch_add(&call->refs, 1);
    pl_loop_post(call->channel->loop, mail);
}

static void post_control(parley_call *call)
{
    if (!atomic_exchange(&call->is_control_posted, true)) {
        post(call, &call->control_mail);
    }
}

static int64_t choose_timeout(const parley_channel *channel, const parley_method *method,
                              const parley_call_options *options)
{
    if (options != NULL && options->timeout_ms > 0) {
        return options->timeout_ms > TIMEOUT_MAX_MS ? INT64_MAX : options->timeout_ms;
    }
    if (method->client_streaming || method->server_streaming) {
        return INT64_MAX;
    }
    return channel->options.default_timeout_ms > 0 ? channel->options.default_timeout_ms
                                                   : DEFAULT_TIMEOUT_MS;
}

parley_call *sdk_call_start(parley_channel *channel, const parley_method *method,
                            const parley_call_options *options, struct pl_buf *request,
                            const struct sdk_call_events *events, void *user)
{
    parley_call *call = pl_calloc(1, sizeof(*call));
    if (call == NULL) {
        pl_buf_unref(request);
        return NULL;
    }
    atomic_init(&call->refs, 1);
    atomic_fetch_add(&channel->call_count, 1);
    call->start_mail.deliver = deliver_start;
    call->half_close_mail.deliver = deliver_half_close;
    call->control_mail.deliver = deliver_control;
    call->channel = channel;
    call->method = method;
    call->events = events;
    call->user = user;
    call->waits_for_ready = options != NULL && options->wait_for_ready;
    call->may_compress = options != NULL && options->compress;
    atomic_init(&call->wants_compressed, call->may_compress);
    call->timeout_ms = choose_timeout(channel, method, options);
    call->own.is_replayable = true;
    call->own.deadline.fire = on_deadline;
    pl_list_init(&call->own.frames);
    bool failed = false;
    if (options != NULL && parley_metadata_count(options->metadata) > 0) {
        call->metadata = copy_metadata(options->metadata, NULL);
        failed = call->metadata == NULL;
    }
    if (request != NULL) {
        call->own.is_half_closed = true;
        failed = keep_frame(call, request, call->may_compress) != 0 || failed;
    }
    if (failed) {
        drop_frames(call);
        call_unref(call);
        return NULL;
    }
    post(call, &call->start_mail);
    return call;
}

int sdk_call_write(parley_call *call, struct pl_buf *frame)
{
    struct write_mail *write = atomic_load(&call->is_over) ? NULL : pl_calloc(1, sizeof(*write));
    if (write == NULL) {
        pl_buf_unref(frame);
        return -1;
    }
    write->mail.deliver = deliver_write;
    write->call = call;
    write->frame = frame;
    write->is_compressed = atomic_load(&call->wants_compressed);
    size_t queued = atomic_fetch_add(&call->posted_bytes, frame->len) + frame->len +
                    atomic_load(&call->stream_bytes);
    bool is_full = queued >= WRITE_HIGH_WATER;
    if (is_full) {
        atomic_store(&call->wants_writable, true);
    }
    post(call, &write->mail);
    return is_full ? 1 : 0;
}

void *sdk_call_user(const parley_call *call)
{
    return call->user;
}

void parley_call_writes_done(parley_call *call)
{
    if (!atomic_exchange(&call->is_half_close_posted, true)) {
        post(call, &call->half_close_mail);
    }
}

void parley_call_cancel(parley_call *call)
{
    atomic_store(&call->wants_cancel, true);
    post_control(call);
}

void parley_call_pause(parley_call *call, bool paused)
{
    atomic_store(&call->wants_pause, paused);
    post_control(call);
}

void parley_call_compress(parley_call *call, bool is_wanted)
{
    atomic_store(&call->wants_compressed, is_wanted);
}

bool parley_call_is_compressed(const parley_call *call)
{
    return call->own.stream != NULL && pl_stream_is_message_compressed(call->own.stream);
}

/* ---- what the session says ---- */

static void on_headers(void *owner, struct pl_stream *stream)
{
    parley_call *call = pl_stream_user(stream);
    (void)owner;
    if (call == NULL) {
        return;
    }
    stop_replaying(call);
    if (call->events->on_headers != NULL) {
        call->events->on_headers(call->user, pl_stream_metadata(stream));
    }
}

static void on_message(void *owner, struct pl_stream *stream, const uint8_t *data, size_t len)
{
    parley_call *call = pl_stream_user(stream);
    (void)owner;
    if (call == NULL || call->own.failure != NULL) {
        return;
    }
    enum parley_code code = call->events->on_bytes(call->user, data, len);
    if (code != PARLEY_OK) {
        abort_call(call, sdk_error(code, "a message of %s cannot be decoded", call->method->path));
    }
}

static void on_writable(void *owner, struct pl_stream *stream)
{
    (void)owner;
    if (pl_stream_user(stream) != NULL) {
        note_room(pl_stream_user(stream));
    }
}

static bool may_start_again(const parley_call *call, const struct pl_stream *stream)
{
    return pl_stream_is_unprocessed(stream) && call->own.failure == NULL &&
           call->own.is_replayable && call->own.attempts < ATTEMPTS_MAX &&
           !call->channel->is_closing;
}

static void on_close(void *owner, struct pl_stream *stream, const struct pl_status *status)
{
    parley_call *call = pl_stream_user(stream);
    (void)owner;
    if (call == NULL) {
        return;
    }
    if (may_start_again(call, stream)) {
        call->own.state = CALL_WAITING;
        call->own.stream = NULL;
        pl_list_remove(&call->own.node);
        pl_list_push(&call->channel->waiting, &call->own.node);
        /* Not now: the connection that tells this may be on its way out. */
        pl_loop_at_turn_end(call->channel->loop, &call->channel->replace);
        return;
    }
    parley_error *error = call->own.failure;
    call->own.failure = NULL;
    if (error == NULL && status->code == PARLEY_CANCELLED &&
        pl_loop_now_ms(call->channel->loop) >= call->own.deadline_ms) {
        error = deadline_error(call); /* the server was faster than our timer */
    }
    if (error == NULL) {
        error = sdk_error_from_status(status, pl_stream_trailers(stream));
    }
    finish(call, error, pl_stream_trailers(stream));
}

static void on_goaway(void *owner, uint32_t h2_error)
{
    struct link *link = owner;
    (void)h2_error;
    /* Before its SETTINGS it was no connection: its end is a failed attempt. */
    if (link->channel->current == link && link->is_ready) {
        link->channel->current = NULL;
        channel_set_state(link->channel, PARLEY_CHANNEL_IDLE);
    }
    pl_conn_close_when_over(link->conn);
}

static void on_ready(void *owner)
{
    struct link *link = owner;
    link->is_ready = true;
    link->channel->backoff_ms = 0;
    channel_set_state(link->channel, PARLEY_CHANNEL_READY);
    channel_start_waiting(link->channel);
}

const struct pl_session_events call_session_events = {
    .on_headers = on_headers,
    .on_message = on_message,
    .on_writable = on_writable,
    .on_close = on_close,
    .on_goaway = on_goaway,
    .on_ready = on_ready,
};

void channel_start_waiting(parley_channel *channel)
{
    struct pl_list batch;
    pl_list_init(&batch);
    pl_list_splice(&batch, &channel->waiting);
    while (!pl_list_is_empty(&batch)) {
        parley_call *call = PL_LIST_ENTRY(batch.next, parley_call, own.node);
        start_on(call, channel->current);
    }
}

void channel_replace_waiting(struct pl_loop *loop, struct pl_turn_hook *hook)
{
    parley_channel *channel = PL_CONTAINER_OF(hook, parley_channel, replace);
    struct pl_list batch;
    (void)loop;
    pl_list_init(&batch);
    pl_list_splice(&batch, &channel->waiting);
    while (!pl_list_is_empty(&batch)) {
        parley_call *call = PL_LIST_ENTRY(batch.next, parley_call, own.node);
        pl_list_remove(&call->own.node);
        pl_list_push(&channel->waiting, &call->own.node);
        place(call);
    }
}

void channel_fail_waiting(parley_channel *channel, const parley_error *error, bool all)
{
    struct pl_list batch;
    pl_list_init(&batch);
    pl_list_splice(&batch, &channel->waiting);
    while (!pl_list_is_empty(&batch)) {
        parley_call *call = PL_LIST_ENTRY(batch.next, parley_call, own.node);
        if (call->waits_for_ready && !all) {
            pl_list_remove(&call->own.node);
            pl_list_push(&channel->waiting, &call->own.node);
        } else {
            finish(call, sdk_error_copy(error), NULL);
        }
    }
}

void channel_cancel_calls(parley_channel *channel)
{
    parley_error *error = sdk_error(PARLEY_CANCELLED, "the channel is closed");
    channel_fail_waiting(channel, error, true);
    while (!pl_list_is_empty(&channel->active)) {
        parley_call *call = PL_LIST_ENTRY(channel->active.next, parley_call, own.node);
        pl_stream_set_user(call->own.stream, NULL); /* what it still says is for nobody */
        finish(call, sdk_error_copy(error), NULL);
    }
    parley_error_free(error);
}
