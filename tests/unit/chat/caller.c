/* SPDX-License-Identifier: Apache-2.0 */
/* Calls over memory; see caller.h. */
#include "caller.h"

#include "desk.h"
#include "support/check.h"
#include "support/wait.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

#define PREFIX     5
#define QUEUE_MAX  8192
#define MESSAGE_KB 1024

/* ---- what the call asks of its transport ---- */

static void send_headers(void *stream, const parley_metadata *metadata)
{
    (void)metadata;
    ((struct caller *)stream)->has_headers = true;
}

static size_t frame_bytes(const uint8_t *at)
{
    return (size_t)at[1] << 24 | (size_t)at[2] << 16 | (size_t)at[3] << 8 | at[4];
}

static void write_frames(void *stream, struct pl_buf *frames, size_t offset)
{
    struct caller *caller = stream;
    assert_false(caller->is_finished);
    pl_buf_unref(caller->last_frames);
    caller->last_frames = pl_buf_ref(frames);
    while (offset < frames->len) {
        size_t len = frame_bytes(frames->data + offset);
        ProtobufCMessage *answer = protobuf_c_message_unpack(caller->method->response, NULL, len,
                                                             frames->data + offset + PREFIX);
        assert_non_null(answer);
        assert_true(caller->answer_count < CALLER_ANSWERS_MAX);
        caller->answers[caller->answer_count++] = answer;
        caller->unread++;
        offset += PREFIX + len;
    }
    assert_int_equal(offset, frames->len);
}

static size_t queued_bytes(const void *stream)
{
    return ((const struct caller *)stream)->unread * MESSAGE_KB;
}

static bool is_above_high_water(const void *stream)
{
    const struct caller *caller = stream;
    return caller->unread > caller->room;
}

static void finish(void *stream, const struct pl_status *status, const parley_metadata *trailers)
{
    struct caller *caller = stream;
    const char *field = NULL;
    (void)trailers;
    assert_false(caller->is_finished);
    caller->is_finished = true;
    caller->code = status->code;
    (void)pl_text_format(caller->message, sizeof(caller->message), "%s",
                         status->message != NULL ? status->message : "");
    pl_status_details_read(status->details, status->details_len, &caller->arena, &field,
                           &caller->retry_after_ms);
    (void)pl_text_format(caller->field, sizeof(caller->field), "%s", field != NULL ? field : "");
}

static void cancel(void *stream)
{
    struct caller *caller = stream;
    caller->is_finished = true;
    caller->code = PARLEY_CANCELLED;
}

static void pause_stream(void *stream, bool paused)
{
    struct caller *caller = stream;
    assert_true(paused != caller->is_paused);
    caller->is_paused = paused;
    caller->pauses += paused ? 1 : 0;
}

static const struct call_transport_ops ops = {
    .send_headers = send_headers,
    .write = write_frames,
    .queued_bytes = queued_bytes,
    .is_above_high_water = is_above_high_water,
    .finish = finish,
    .cancel = cancel,
    .pause = pause_stream,
};

/* ---- what the client does ---- */

struct caller *caller_open(struct desk *desk, const parley_method *method, const char *user)
{
    struct caller *caller = calloc(1, sizeof(*caller));
    assert_non_null(caller);
    caller->desk = desk;
    caller->method = method;
    caller->room = SIZE_MAX;
    caller->metadata = parley_metadata_new();
    caller->queue = calloc(QUEUE_MAX, sizeof(*caller->queue));
    assert_non_null(caller->queue);
    if (user != NULL) {
        assert_int_equal(parley_metadata_add(caller->metadata, DESK_USER_KEY, user), 0);
    }
    pl_arena_init(&caller->arena, NULL, 0, 0);
    pl_list_push(&desk->callers, &caller->node);
    const struct call_opening opening = {
        .ops = &ops,
        .stream = caller,
        .path = method->path,
        .path_len = strlen(method->path),
        .timeout_ns = INT64_MAX,
        .metadata = caller->metadata,
        .peer = "memory",
        .arena = &caller->arena,
        .slots = desk->slots,
    };
    caller->call = call_open(desk->lane, &opening);
    assert_non_null(caller->call);
    return caller;
}

/* Never from inside a function of the service: a transport delivers between events only. */
static void deliver(struct caller *caller)
{
    while (!caller->is_paused && !caller->is_finished && caller->delivered < caller->queued) {
        struct packed *message = &caller->queue[caller->delivered++];
        call_on_message(caller->call, message->data, message->len);
        /* Who keeps a pointer into it is caught. */
        free(message->data);
        message->data = NULL;
    }
    if (caller->wants_half_close && !caller->has_half_closed && !caller->is_finished &&
        !caller->is_paused && caller->delivered == caller->queued) {
        caller->has_half_closed = true;
        call_on_half_close(caller->call);
    }
}

void caller_write(struct caller *caller, const ProtobufCMessage *message)
{
    assert_true(caller->queued < QUEUE_MAX);
    struct packed *packed = &caller->queue[caller->queued++];
    packed->data = malloc(protobuf_c_message_get_packed_size(message) + 1);
    assert_non_null(packed->data);
    packed->len = protobuf_c_message_pack(message, packed->data);
    deliver(caller);
}

void caller_half_close(struct caller *caller)
{
    caller->wants_half_close = true;
    deliver(caller);
}

struct caller *caller_ask(struct desk *desk, const parley_method *method, const char *user,
                          const ProtobufCMessage *message)
{
    struct caller *caller = caller_open(desk, method, user);
    caller_write(caller, message);
    caller_half_close(caller);
    return caller;
}

static void close_call(struct caller *caller, enum parley_code code)
{
    parley_server_call *call = caller->call;
    caller->call = NULL;
    call_on_close(call, code);
    /* As the wire does: whoever touches the call from now on is caught. */
    pl_arena_reset(&caller->arena);
}

void caller_cancel(struct caller *caller)
{
    assert_non_null(caller->call);
    if (!caller->is_finished) {
        caller->is_finished = true;
        caller->code = PARLEY_CANCELLED;
    }
    close_call(caller, PARLEY_CANCELLED);
}

void caller_read_all(struct caller *caller)
{
    bool was_full = is_above_high_water(caller);
    caller->unread = 0;
    if (was_full && caller->call != NULL) {
        call_on_writable(caller->call);
    }
}

void caller_turn(struct caller *caller)
{
    if (caller->call == NULL) {
        return;
    }
    if (caller->is_finished) {
        close_call(caller, caller->code);
        return;
    }
    deliver(caller);
}

void caller_wait_answers(struct caller *caller, size_t count)
{
    WAIT_FOR((desk_turn(caller->desk), caller->answer_count >= count));
}

void caller_wait_end(struct caller *caller)
{
    WAIT_FOR((desk_turn(caller->desk), caller->call == NULL));
}

struct caller *caller_run(struct desk *desk, const parley_method *method, const char *user,
                          const ProtobufCMessage *message)
{
    struct caller *caller = caller_ask(desk, method, user, message);
    caller_wait_end(caller);
    return caller;
}

const struct caller *caller_fails(struct desk *desk, const parley_method *method, const char *user,
                                  const ProtobufCMessage *message, enum parley_code code)
{
    const struct caller *caller = caller_run(desk, method, user, message);
    if (caller->code != code) {
        fail_msg("%s: %s %s instead of %s", method->name, pl_code_name(caller->code),
                 caller->message, pl_code_name(code));
    }
    assert_int_equal(caller->answer_count, 0);
    return caller;
}

const void *caller_get(struct desk *desk, const parley_method *method, const char *user,
                       const ProtobufCMessage *message)
{
    const struct caller *caller = caller_run(desk, method, user, message);
    if (caller->code != PARLEY_OK) {
        fail_msg("%s: %s %s %s", method->name, pl_code_name(caller->code), caller->field,
                 caller->message);
    }
    assert_int_equal(caller->answer_count, 1);
    return caller->answers[0];
}

void caller_free(struct caller *caller)
{
    if (caller->call != NULL) {
        caller_cancel(caller);
    }
    for (size_t i = 0; i < caller->answer_count; i++) {
        protobuf_c_message_free_unpacked(caller->answers[i], NULL);
    }
    for (size_t i = 0; i < caller->queued; i++) {
        free(caller->queue[i].data);
    }
    pl_buf_unref(caller->last_frames);
    pl_list_remove(&caller->node);
    pl_arena_deinit(&caller->arena);
    parley_metadata_free(caller->metadata);
    free(caller->queue);
    free(caller);
}
