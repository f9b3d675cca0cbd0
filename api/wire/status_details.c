/* SPDX-License-Identifier: Apache-2.0 */
/* grpc-status-details-bin (S4): google.rpc.Status with one detail, written and read by hand. Four
 * tiny messages do not need generated code, and generated ones would clash with an application's
 * own.
 *
 *   Status      { int32 code = 1; string message = 2; repeated Any details = 3; }
 *   Any         { string type_url = 1; bytes value = 2; }
 *   BadRequest  { repeated FieldViolation field_violations = 1; }
 *   FieldViolation { string field = 1; string description = 2; }
 *   RetryInfo   { Duration retry_delay = 1; }   Duration { int64 seconds = 1; int32 nanos = 2; } */
#include "wire/status.h"

#include "base/text.h"

#include <stdbool.h>
#include <string.h>

#define TYPE_BAD_REQUEST  "type.googleapis.com/google.rpc.BadRequest"
#define TYPE_RETRY_INFO   "type.googleapis.com/google.rpc.RetryInfo"
#define WIRE_VARINT       0
#define WIRE_LENGTH       2
#define FIELD_NAME_MAX    256
#define RETRY_SECONDS_MAX (24 * 3600)

/* ---- writing: inner messages first, then around them ---- */

struct writer {
    uint8_t *data;
    size_t len;
    size_t size;
};

static void put_varint(struct writer *writer, uint64_t value)
{
    while (value >= 0x80 && writer->len < writer->size) {
        writer->data[writer->len++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    if (writer->len < writer->size) {
        writer->data[writer->len++] = (uint8_t)value;
    }
}

static void put_number(struct writer *writer, unsigned field, uint64_t value)
{
    if (value != 0) {
        put_varint(writer, field << 3 | WIRE_VARINT);
        put_varint(writer, value);
    }
}

static void put_bytes(struct writer *writer, unsigned field, const void *data, size_t len)
{
    put_varint(writer, field << 3 | WIRE_LENGTH);
    put_varint(writer, len);
    if (len > 0 && len <= writer->size - writer->len) {
        memcpy(writer->data + writer->len, data, len);
        writer->len += len;
    }
}

/* Bytes around a nested field: tag and length, generously. */
#define NESTING 16

static int writer_init(struct writer *writer, struct pl_arena *arena, size_t size)
{
    *writer = (struct writer){.data = pl_arena_alloc(arena, size), .size = size};
    return writer->data != NULL ? 0 : -1;
}

/* Wrap one detail: Status{code, message, [Any{type, detail}]}. */
static int finish_status(struct pl_arena *arena, const char *type_url, const struct writer *detail,
                         struct pl_status *status)
{
    struct writer any;
    struct writer whole;
    size_t message_len =
        pl_text_utf8_prefix(status->message, strlen(status->message), PL_STATUS_MESSAGE_MAX);
    size_t any_size = strlen(type_url) + detail->len + 2 * (size_t)NESTING;
    if (writer_init(&any, arena, any_size) != 0 ||
        writer_init(&whole, arena, any_size + message_len + 3 * (size_t)NESTING) != 0) {
        return -1;
    }
    put_bytes(&any, 1, type_url, strlen(type_url));
    put_bytes(&any, 2, detail->data, detail->len);
    put_number(&whole, 1, (uint64_t)status->code);
    put_bytes(&whole, 2, status->message, message_len);
    put_bytes(&whole, 3, any.data, any.len);
    status->details = whole.data;
    status->details_len = whole.len;
    return 0;
}

int pl_status_bad_request(struct pl_arena *arena, const char *message, const char *field,
                          const char *description, struct pl_status *status)
{
    struct pl_status made = {.code = PARLEY_INVALID_ARGUMENT,
                             .message = pl_arena_strdup(arena, message != NULL ? message : "")};
    struct writer violation;
    struct writer detail;
    size_t field_len = pl_text_utf8_prefix(field, strlen(field), FIELD_NAME_MAX);
    if (made.message == NULL) {
        return -1;
    }
    size_t text_len = pl_text_utf8_prefix(description, strlen(description), PL_STATUS_MESSAGE_MAX);
    if (writer_init(&violation, arena, field_len + text_len + 2 * (size_t)NESTING) != 0 ||
        writer_init(&detail, arena, field_len + text_len + 3 * (size_t)NESTING) != 0) {
        return -1;
    }
    put_bytes(&violation, 1, field, field_len);
    put_bytes(&violation, 2, description, text_len);
    put_bytes(&detail, 1, violation.data, violation.len);
    if (finish_status(arena, TYPE_BAD_REQUEST, &detail, &made) != 0) {
        return -1;
    }
    *status = made;
    return 0;
}

int pl_status_retry_info(struct pl_arena *arena, enum parley_code code, const char *message,
                         uint32_t retry_after_ms, struct pl_status *status)
{
    struct pl_status made = {.code = code,
                             .message = pl_arena_strdup(arena, message != NULL ? message : "")};
    uint8_t duration_bytes[2 * NESTING];
    uint8_t detail_bytes[3 * NESTING];
    struct writer duration = {.data = duration_bytes, .size = sizeof(duration_bytes)};
    struct writer detail = {.data = detail_bytes, .size = sizeof(detail_bytes)};
    put_number(&duration, 1, retry_after_ms / 1000);
    put_number(&duration, 2, (uint64_t)(retry_after_ms % 1000) * 1000000);
    put_bytes(&detail, 1, duration.data, duration.len);
    if (made.message == NULL || finish_status(arena, TYPE_RETRY_INFO, &detail, &made) != 0) {
        return -1;
    }
    *status = made;
    return 0;
}

/* ---- reading ---- */

struct reader {
    const uint8_t *at;
    const uint8_t *end;
};

struct field {
    uint32_t number;
    uint32_t wire;
    uint64_t value;     /* WIRE_VARINT */
    struct reader body; /* WIRE_LENGTH */
};

static bool get_varint(struct reader *reader, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && reader->at < reader->end; shift += 7) {
        uint8_t byte = *reader->at++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            return true;
        }
    }
    return false;
}

/* false: the end, or bytes that are no message (which end it too). */
static bool next_field(struct reader *reader, struct field *field)
{
    uint64_t tag;
    if (!get_varint(reader, &tag) || tag > UINT32_MAX) {
        return false;
    }
    *field = (struct field){.number = (uint32_t)(tag >> 3), .wire = (uint32_t)(tag & 7)};
    if (field->wire == WIRE_VARINT) {
        return get_varint(reader, &field->value);
    }
    uint64_t len = field->wire == 1 ? 8 : 4;
    if (field->wire == WIRE_LENGTH && !get_varint(reader, &len)) {
        return false;
    }
    if ((field->wire != WIRE_LENGTH && field->wire != 1 && field->wire != 5) ||
        len > (uint64_t)(reader->end - reader->at)) {
        return false;
    }
    field->body = (struct reader){.at = reader->at, .end = reader->at + len};
    reader->at += len;
    return true;
}

/* The first length-delimited field of a number. */
static bool find_field(struct reader reader, uint32_t number, struct reader *body)
{
    struct field field;
    while (next_field(&reader, &field)) {
        if (field.number == number && field.wire == WIRE_LENGTH) {
            *body = field.body;
            return true;
        }
    }
    return false;
}

static bool is_text(const struct reader *body, const char *text)
{
    size_t len = (size_t)(body->end - body->at);
    return len == strlen(text) && memcmp(body->at, text, len) == 0;
}

static const char *read_bad_request(struct reader body, struct pl_arena *arena)
{
    struct reader violation;
    struct reader name;
    if (!find_field(body, 1, &violation) || !find_field(violation, 1, &name)) {
        return NULL;
    }
    size_t len = (size_t)(name.end - name.at);
    if (len > FIELD_NAME_MAX || !pl_text_is_utf8(name.at, len)) {
        return NULL;
    }
    return pl_arena_strndup(arena, (const char *)name.at, len);
}

static uint32_t read_retry_info(struct reader body)
{
    struct reader duration;
    struct field field;
    uint64_t ms = 0;
    if (!find_field(body, 1, &duration)) {
        return 0;
    }
    while (next_field(&duration, &field)) {
        if (field.wire == WIRE_VARINT && field.number == 1 && field.value <= RETRY_SECONDS_MAX) {
            ms += field.value * 1000;
        } else if (field.wire == WIRE_VARINT && field.number == 2 && field.value < 1000000000) {
            ms += field.value / 1000000;
        }
    }
    return ms <= UINT32_MAX ? (uint32_t)ms : 0;
}

void pl_status_details_read(const uint8_t *details, size_t len, struct pl_arena *arena,
                            const char **field, uint32_t *retry_after_ms)
{
    *field = NULL;
    *retry_after_ms = 0;
    if (details == NULL) {
        return;
    }
    struct reader reader = {.at = details, .end = details + len};
    struct field part;
    while (next_field(&reader, &part)) {
        struct reader type;
        struct reader value;
        if (part.number != 3 || part.wire != WIRE_LENGTH || !find_field(part.body, 1, &type) ||
            !find_field(part.body, 2, &value)) {
            continue;
        }
        if (is_text(&type, TYPE_BAD_REQUEST) && *field == NULL) {
            *field = read_bad_request(value, arena);
        } else if (is_text(&type, TYPE_RETRY_INFO) && *retry_after_ms == 0) {
            *retry_after_ms = read_retry_info(value);
        }
    }
}
