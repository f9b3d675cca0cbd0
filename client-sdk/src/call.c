/* SPDX-License-Identifier: Apache-2.0 */
/* One call of a channel, in bytes.
 *
 *   WAITING --connection--> OPEN --status--> DONE
 *      |  ^                   |                ^
 *      |  +--tried again------+                |
 *      +--deadline, cancel, no connection------+
 *
 * How it waits is in place.c, what is heard of it in call_stream.c.
 * Threads: the fields of `own` belong to the channel's loop. Any thread may write, half-close,
 * pause or cancel: those travel as mail, each with a reference to the call, so that one that
 * arrives after the end finds a call that ignores it. Only a write needs memory for its mail: a
 * call can always be ended. */
#include "call_impl.h"
#include "channel_impl.h"
#include "error_impl.h"
#include "sized.h"

#include "base/mem.h"
#include "wire/session.h"

#include <stdatomic.h>
#include <string.h>

#define WRITE_HIGH_WATER (256 * 1024)
#define REPLAY_BYTES_MAX (256 * 1024)
#define TIMEOUT_MAX_MS   (INT64_C(10) * 365 * 24 * 3600 * 1000) /* longer is as good as none */
#define H2_CANCEL        8

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

void sdk_call_move(parley_call *call, enum call_state state, struct pl_list *list)
{
    parley_channel *channel = call->channel;
    if (call->own.state == CALL_WAITING && state != CALL_WAITING) {
        atomic_fetch_sub(&channel->waiting_count, 1);
    } else if (call->own.state != CALL_WAITING && state == CALL_WAITING) {
        atomic_fetch_add(&channel->waiting_count, 1);
    }
    call->own.state = state;
    pl_list_remove(&call->own.node);
    if (list != NULL) {
        pl_list_push(list, &call->own.node);
    }
}

void sdk_call_finish(parley_call *call, parley_error *error, const parley_metadata *trailers)
{
    if (call->own.state == CALL_DONE) {
        parley_error_free(error);
        return;
    }
    sdk_call_move(call, CALL_DONE, NULL);
    atomic_store(&call->is_over, true);
    pl_timer_stop(call->channel->loop, &call->own.deadline);
    pl_timer_stop(call->channel->loop, &call->own.retry);
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

void sdk_call_abort(parley_call *call, parley_error *error)
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
    sdk_call_finish(call, error, NULL);
}

parley_error *sdk_call_deadline_error(const parley_call *call)
{
    return sdk_error(PARLEY_DEADLINE_EXCEEDED, "no answer to %s within %lld ms", call->method->path,
                     (long long)call->timeout_ms);
}

static void on_deadline(struct pl_loop *loop, struct pl_timer *timer)
{
    parley_call *call = PL_CONTAINER_OF(timer, parley_call, own.deadline);
    (void)loop;
    sdk_call_abort(call, sdk_call_deadline_error(call));
}

void sdk_call_note_room(parley_call *call)
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

void sdk_call_stop_replaying(parley_call *call)
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
            sdk_call_stop_replaying(call);
        }
        if (!call->own.is_replayable) {
            pl_buf_unref(frame);
            sdk_call_note_room(call);
            return;
        }
    }
    if (keep_frame(call, frame, is_compressed) != 0) {
        sdk_call_abort(call, sdk_error(PARLEY_RESOURCE_EXHAUSTED, "out of memory"));
        return;
    }
    sdk_call_note_room(call);
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

static void begin(parley_call *call)
{
    parley_channel *channel = call->channel;
    if (channel->is_closing) {
        sdk_call_finish(call, sdk_error(PARLEY_CANCELLED, "the channel is closed"), NULL);
        return;
    }
    sdk_call_move(call, CALL_WAITING, &channel->waiting);
    call->own.deadline_ms = INT64_MAX;
    if (call->timeout_ms != INT64_MAX) {
        call->own.deadline_ms = pl_loop_now_ms(channel->loop) + call->timeout_ms;
        if (pl_timer_start(channel->loop, &call->own.deadline, call->timeout_ms) != 0) {
            sdk_call_finish(call, sdk_error(PARLEY_RESOURCE_EXHAUSTED, "out of memory"), NULL);
            return;
        }
    }
    sdk_call_place(call);
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
        sdk_call_abort(call, sdk_error(PARLEY_CANCELLED, "cancelled by the caller"));
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
                              int64_t timeout_ms)
{
    if (timeout_ms > 0) {
        return timeout_ms > TIMEOUT_MAX_MS ? INT64_MAX : timeout_ms;
    }
    return method->client_streaming || method->server_streaming
               ? INT64_MAX
               : channel_default_timeout_ms(channel);
}

parley_call *sdk_call_start(parley_channel *channel, const parley_method *method,
                            const parley_call_options *options, struct pl_buf *request,
                            const struct sdk_call_events *events, void *user)
{
    parley_call_options chosen = {.size = sizeof(chosen)};
    bool is_valid = options == NULL || sized_copy(&chosen, sizeof(chosen), options);
    parley_call *call = is_valid ? pl_calloc(1, sizeof(*call)) : NULL;
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
    call->waits_for_ready = chosen.wait_for_ready;
    call->may_compress = chosen.compress;
    atomic_init(&call->wants_compressed, call->may_compress);
    call->timeout_ms = choose_timeout(channel, method, chosen.timeout_ms);
    if (chosen.retry != NULL) {
        retry_policy_init(&call->retry, chosen.retry);
    } else {
        call->retry = channel->retry;
    }
    call->own.is_replayable = true;
    call->own.deadline.fire = on_deadline;
    pl_list_init(&call->own.frames);
    bool failed = false;
    if (parley_metadata_count(chosen.metadata) > 0) {
        call->metadata = sdk_call_join_metadata(chosen.metadata, NULL);
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
