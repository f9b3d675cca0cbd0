/* SPDX-License-Identifier: Apache-2.0 */
/* How a call is answered: the server half of parley/stub.h that writes. Thread: the call's loop.
 * A call is over from the moment it is answered; what comes later is refused with -1 or ignored, so
 * that no status is sent twice and no message after one (T9). */
#include "call/call_impl.h"

#include "base/log.h"
#include "base/text.h"
#include "wire/pb.h"

#include <string.h>

/* The failing client's key to our logs. Successful answers do not pay for it. */
static void add_request_id(parley_server_call *call)
{
    if (call->trailers == NULL) {
        call->trailers = parley_metadata_new();
    }
    if (call->trailers != NULL) {
        /* Without memory the status goes out alone: it matters more. */
        (void)!parley_metadata_add(call->trailers, "request-id", call_request_id(call));
    }
}

static void send_headers(parley_server_call *call)
{
    if (!call->has_sent_headers) {
        call->has_sent_headers = true;
        call->ops->send_headers(call->stream, call->headers);
    }
}

/* Handlers say what they like; details repeat the code, and go where it cannot be said. */
static struct pl_status sayable(const parley_server_call *call, const struct pl_status *status)
{
    if ((unsigned)status->code >= CALL_CODES) {
        return (struct pl_status){.code = PARLEY_UNKNOWN, .message = status->message};
    }
    if (status->code == PARLEY_OK && !call->has_sent && call->entry != NULL &&
        !call->entry->method->server_streaming) {
        /* T6: some clients take OK without a message for a success with nothing in it. */
        pl_log_error("CALL_NO_RESPONSE", call->entry->method->path,
                     "the handler ended with OK and gave no response");
        return (struct pl_status){.code = PARLEY_INTERNAL,
                                  .message = "the handler gave no response"};
    }
    return *status;
}

void call_end(parley_server_call *call, const struct pl_status *said)
{
    if (call->is_over) {
        return;
    }
    struct pl_status status = sayable(call, said);
    call->is_over = true;
    call->code = (uint8_t)status.code;
    pl_list_remove(&call->waiting_node);
    if (status.code != PARLEY_OK) {
        add_request_id(call);
    }
    if (call->headers != NULL) {
        send_headers(call); /* a trailers-only answer would lose them */
    }
    call->ops->finish(call->stream, &status, call->trailers);
}

void call_end_text(parley_server_call *call, enum parley_code code, const char *text)
{
    struct pl_status status = {.code = code, .message = text};
    call_end(call, &status);
}

void call_break_off(parley_server_call *call, enum parley_code code)
{
    if (!call->is_over) {
        call->is_over = true;
        call->code = (uint8_t)code;
        pl_list_remove(&call->waiting_node);
    }
    call->ops->cancel(call->stream);
}

/* T7: a client that gets two messages for a unary response hangs until its deadline. */
static bool may_send(const parley_server_call *call)
{
    if (call->is_over) {
        return false;
    }
    if (call->has_sent && !call->entry->method->server_streaming) {
        pl_log_error("CALL_SECOND_RESPONSE", call->entry->method->path,
                     "the handler sent a second message for a unary response; it was dropped");
        return false;
    }
    return true;
}

static int send_buf(parley_server_call *call, struct pl_buf *frames, size_t offset)
{
    call->has_sent = true;
    if (call->headers != NULL) {
        send_headers(call);
    }
    call->has_sent_headers = true;
    call->ops->write(call->stream, frames, offset);
    return call->ops->is_above_high_water(call->stream) ? 1 : 0;
}

int parley_server_call_send(parley_server_call *call, const ProtobufCMessage *message)
{
    if (!may_send(call)) {
        return -1;
    }
    struct pl_buf *frame = pl_pb_frame(message);
    if (frame == NULL) {
        call_end_text(call, PARLEY_RESOURCE_EXHAUSTED, "no memory for the response");
        return -1;
    }
    int rv = send_buf(call, frame, 0);
    pl_buf_unref(frame);
    return rv;
}

int call_send_frames(parley_server_call *call, struct pl_buf *frames, size_t offset)
{
    return may_send(call) ? send_buf(call, frames, offset) : -1;
}

int call_append_frame(struct pl_buf **frames, const ProtobufCMessage *message)
{
    return pl_pb_frame_append(frames, message);
}

int parley_server_call_send_frame(parley_server_call *call, parley_frame *frame)
{
    /* A frame is a struct pl_buf under its public name (wire/frame.c). */
    return call_send_frames(call, (struct pl_buf *)(void *)frame, 0);
}

void parley_server_call_finish(parley_server_call *call, enum parley_code code, const char *message)
{
    call_end_text(call, code, message);
}

void parley_server_call_reply(parley_server_call *call, const ProtobufCMessage *message)
{
    if (parley_server_call_send(call, message) >= 0) {
        call_end_text(call, PARLEY_OK, NULL);
    }
}

void parley_server_call_fail_field(parley_server_call *call, const char *field,
                                   const char *description)
{
    if (call->is_over) {
        return;
    }
    char text[512];
    (void)pl_text_format(text, sizeof(text), "%s: %s", field, description);
    struct pl_status status = {.code = PARLEY_INVALID_ARGUMENT, .message = text};
    /* Without memory for details the text alone names the field. */
    (void)!pl_status_bad_request(call->arena, text, field, description, &status);
    call_end(call, &status);
}

void parley_server_call_fail_retry(parley_server_call *call, enum parley_code code,
                                   const char *message, uint32_t retry_after_ms)
{
    if (call->is_over) {
        return;
    }
    struct pl_status status = {.code = code, .message = message};
    (void)!pl_status_retry_info(call->arena, code, message, retry_after_ms, &status);
    call_end(call, &status);
}

void parley_server_call_fail_details(parley_server_call *call, enum parley_code code,
                                     const char *message, const void *details, size_t len)
{
    struct pl_status status = {
        .code = code, .message = message, .details = details, .details_len = len};
    call_end(call, &status);
}

/* What a client is told of a failure whose own text stays inside. */
static const char *public_text(enum parley_code code)
{
    static const char *const texts[CALL_CODES] = {
        [PARLEY_OK] = "",
        [PARLEY_CANCELLED] = "the call was cancelled",
        [PARLEY_UNKNOWN] = "unknown error; the server's log has it under the request id",
        [PARLEY_INVALID_ARGUMENT] = "the request is not valid",
        [PARLEY_DEADLINE_EXCEEDED] = "deadline exceeded",
        [PARLEY_NOT_FOUND] = "not found",
        [PARLEY_ALREADY_EXISTS] = "it exists already",
        [PARLEY_PERMISSION_DENIED] = "not permitted",
        [PARLEY_RESOURCE_EXHAUSTED] = "a limit is reached; try again later",
        [PARLEY_FAILED_PRECONDITION] = "the state of the object does not permit this",
        [PARLEY_ABORTED] = "a concurrent change got in the way; try again",
        [PARLEY_OUT_OF_RANGE] = "out of range",
        [PARLEY_UNIMPLEMENTED] = "not implemented",
        [PARLEY_INTERNAL] = "internal error; the server's log has it under the request id",
        [PARLEY_UNAVAILABLE] = "temporarily unavailable; try again",
        [PARLEY_DATA_LOSS] = "stored data is damaged; the server's log has it under the request id",
        [PARLEY_UNAUTHENTICATED] = "a valid token is needed",
    };
    return texts[code];
}

void call_fail(parley_server_call *call, const struct pl_error *err, bool is_text_public)
{
    if (call->is_over) {
        return;
    }
    unsigned number = (unsigned)err->code;
    enum parley_code code = number < CALL_CODES ? err->code : PARLEY_UNKNOWN;
    if (code == PARLEY_OK || code == PARLEY_INTERNAL || code == PARLEY_UNKNOWN ||
        code == PARLEY_DATA_LOSS) {
        pl_log_error("CALL_FAILED", call_request_id(call), "%s %s: %s (%s:%d)",
                     call->entry->method->path, pl_code_name(code), err->text,
                     err->file != NULL ? err->file : "", err->line);
        code = code == PARLEY_OK ? PARLEY_UNKNOWN : code;
    }
    const char *text = is_text_public && err->text[0] != '\0' ? err->text : public_text(code);
    if (code == PARLEY_INVALID_ARGUMENT && err->field[0] != '\0') {
        parley_server_call_fail_field(call, err->field, text);
    } else if (err->retry_after_ms > 0) {
        parley_server_call_fail_retry(call, code, text, err->retry_after_ms);
    } else {
        call_end_text(call, code, text);
    }
}

void parley_server_call_send_headers(parley_server_call *call)
{
    if (!call->is_over) {
        send_headers(call);
    }
}

/* What more may be added to, or NULL: too late, or no memory. */
static parley_metadata *open_metadata(bool is_too_late, parley_metadata **metadata)
{
    if (is_too_late) {
        return NULL;
    }
    if (*metadata == NULL) {
        *metadata = parley_metadata_new();
    }
    return *metadata;
}

static parley_metadata *open_headers(parley_server_call *call)
{
    return open_metadata(call->is_over || call->has_sent_headers, &call->headers);
}

int parley_server_call_add_header(parley_server_call *call, const char *key, const char *value)
{
    parley_metadata *headers = open_headers(call);
    return headers != NULL ? parley_metadata_add(headers, key, value) : -1;
}

int parley_server_call_add_header_bin(parley_server_call *call, const char *key, const void *value,
                                      size_t len)
{
    parley_metadata *headers = open_headers(call);
    return headers != NULL ? parley_metadata_add_bin(headers, key, value, len) : -1;
}

int parley_server_call_add_trailer(parley_server_call *call, const char *key, const char *value)
{
    parley_metadata *trailers = open_metadata(call->is_over, &call->trailers);
    return trailers != NULL ? parley_metadata_add(trailers, key, value) : -1;
}

int parley_server_call_add_trailer_bin(parley_server_call *call, const char *key, const void *value,
                                       size_t len)
{
    parley_metadata *trailers = open_metadata(call->is_over, &call->trailers);
    return trailers != NULL ? parley_metadata_add_bin(trailers, key, value, len) : -1;
}

void parley_server_call_compress(parley_server_call *call, bool is_wanted)
{
    if (!call->is_over && call->ops->compress != NULL) {
        call->ops->compress(call->stream, is_wanted);
    }
}

void parley_server_call_pause(parley_server_call *call, bool paused)
{
    if (!call->is_over) {
        call->ops->pause(call->stream, paused);
    }
}
