/* SPDX-License-Identifier: Apache-2.0 */
/* Entries as bytes; see entry.h. Numbers are little-endian. A body is read with bounds, since what
 * comes from memcached is somebody else's memory. */
#include "cache/entry.h"

#include "base/text.h"

#include <inttypes.h>
#include <string.h>

/* 'p', schema, kind, form, 4 bytes of body length, 8 of expiry, 8 of stamp. */
#define HEADER      24
#define EVENT_FIXED (3 * 8 + 2 + 4 * 4)

static const char letters[CACHE_KINDS] = {
    [CACHE_CONVERSATION] = 'c', [CACHE_TAIL] = 't',  [CACHE_MEMBER] = 'm',
    [CACHE_EPOCH] = 'e',        [CACHE_BLOCK] = 'b',
};

/* The alphabet of ids has no slash, so two different things never share a key; and it has nothing
 * that memcached's protocol gives a meaning. */
void cache_key_make(struct cache_key *key, const char *prefix, enum cache_kind kind,
                    struct store_bytes conversation, struct store_bytes user, int64_t block)
{
    char last[24] = "";
    if (kind == CACHE_BLOCK) {
        (void)pl_text_format(last, sizeof(last), "%" PRId64, block);
    }
    (void)pl_text_format(key->text, sizeof(key->text), "%s/%d/%c/%.*s/%.*s%s", prefix, CACHE_SCHEMA,
                         letters[kind], (int)conversation.len, conversation.data,
                         kind == CACHE_MEMBER ? (int)user.len : 0,
                         kind == CACHE_MEMBER ? user.data : "", last);
    key->len = strlen(key->text);
}

void cache_removal_make(struct cache_removal *removal, const char *prefix,
                        struct store_bytes conversation, bool has_members)
{
    static const enum cache_kind kinds[] = {CACHE_CONVERSATION, CACHE_TAIL, CACHE_EPOCH};
    const struct store_bytes nobody = {"", 0};
    removal->group = conversation;
    removal->count = has_members ? 3 : 2;
    for (size_t i = 0; i < removal->count; i++) {
        cache_key_make(&removal->keys[i], prefix, kinds[i], conversation, nobody, 0);
    }
}

/* ---- writing ---- */

static uint8_t *put_number(uint8_t *to, uint64_t number, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        to[i] = (uint8_t)(number >> (8 * i));
    }
    return to + bytes;
}

static uint8_t *put_i64(uint8_t *to, int64_t number)
{
    return put_number(to, (uint64_t)number, 8);
}

static uint8_t *put_bytes(uint8_t *to, struct store_bytes bytes)
{
    if (bytes.len > 0) {
        memcpy(to, bytes.data, bytes.len);
    }
    return to + bytes.len;
}

static struct pl_buf *new_entry(enum cache_kind kind, enum cache_form form, int64_t expires_at_ms,
                                uint64_t stamp, size_t body_len)
{
    struct pl_buf *buf = pl_buf_new(HEADER + body_len);
    if (buf == NULL) {
        return NULL;
    }
    uint8_t *to = buf->data;
    *to++ = 'p';
    *to++ = CACHE_SCHEMA;
    *to++ = (uint8_t)kind;
    *to++ = (uint8_t)form;
    to = put_number(to, body_len, 4);
    to = put_i64(to, expires_at_ms);
    (void)put_number(to, stamp, 8);
    buf->len = HEADER + body_len;
    return buf;
}

struct pl_buf *cache_encode_bare(enum cache_kind kind, enum cache_form form, int64_t expires_at_ms,
                                 uint64_t stamp)
{
    return new_entry(kind, form, expires_at_ms, stamp, 0);
}

struct pl_buf *cache_encode_role(enum store_role role, int64_t expires_at_ms, uint64_t stamp)
{
    struct pl_buf *buf = new_entry(CACHE_MEMBER, CACHE_VALUE, expires_at_ms, stamp, 1);
    if (buf != NULL) {
        buf->data[HEADER] = (uint8_t)role;
    }
    return buf;
}

struct pl_buf *cache_encode_conversation(const struct store_conversation *conversation,
                                         int64_t expires_at_ms)
{
    size_t len = 6 * 8 + 2 * 4 + conversation->title.len + conversation->created_by.len;
    struct pl_buf *buf = new_entry(CACHE_CONVERSATION, CACHE_VALUE, expires_at_ms, 0, len);
    if (buf != NULL) {
        uint8_t *to = put_i64(buf->data + HEADER, conversation->created_at_ms);
        to = put_i64(to, conversation->head_seq);
        to = put_i64(to, conversation->ordinal);
        to = put_i64(to, conversation->member_count);
        to = put_number(to, conversation->title.len, 4);
        to = put_number(to, conversation->created_by.len, 4);
        to = put_bytes(to, conversation->title);
        to = put_bytes(to, conversation->created_by);
        to = put_i64(to, conversation->retention.age_ms);
        (void)put_i64(to, conversation->retention.messages);
    }
    return buf;
}

static size_t event_len(const struct store_event *event)
{
    return EVENT_FIXED + event->sender.len + event->client_message_id.len +
           event->content_type.len + event->body.len;
}

static size_t events_len(const struct store_event *events, size_t count)
{
    size_t len = 4;
    for (size_t i = 0; i < count; i++) {
        len += event_len(&events[i]);
    }
    return len;
}

static void put_events(uint8_t *to, const struct store_event *events, size_t count)
{
    to = put_number(to, count, 4);
    for (size_t i = 0; i < count; i++) {
        const struct store_event *event = &events[i];
        to = put_i64(to, event->seq);
        to = put_i64(to, event->created_at_ms);
        to = put_i64(to, event->ordinal);
        *to++ = (uint8_t)event->kind;
        *to++ = (uint8_t)event->role;
        to = put_number(to, event->sender.len, 4);
        to = put_number(to, event->client_message_id.len, 4);
        to = put_number(to, event->content_type.len, 4);
        to = put_number(to, event->body.len, 4);
        to = put_bytes(to, event->sender);
        to = put_bytes(to, event->client_message_id);
        to = put_bytes(to, event->content_type);
        to = put_bytes(to, event->body);
    }
}

struct pl_buf *cache_encode_tail(const struct cache_tail *tail, int64_t expires_at_ms)
{
    size_t len = 2 * 8 + events_len(tail->events, tail->event_count);
    struct pl_buf *buf = new_entry(CACHE_TAIL, CACHE_VALUE, expires_at_ms, 0, len);
    if (buf != NULL) {
        uint8_t *to = put_i64(buf->data + HEADER, tail->head_seq);
        to = put_i64(to, tail->first_seq);
        put_events(to, tail->events, tail->event_count);
    }
    return buf;
}

struct pl_buf *cache_encode_block(const struct store_event *events, size_t count,
                                  int64_t expires_at_ms)
{
    struct pl_buf *buf =
        new_entry(CACHE_BLOCK, CACHE_VALUE, expires_at_ms, 0, events_len(events, count));
    if (buf != NULL) {
        put_events(buf->data + HEADER, events, count);
    }
    return buf;
}

/* ---- reading ---- */

struct input {
    const uint8_t *at;
    size_t left;
    bool is_short; /* more was asked for than is there */
};

static const uint8_t *take(struct input *input, size_t len)
{
    static const uint8_t nothing[8] = {0};
    if (len > input->left) {
        input->is_short = true;
        input->left = 0;
        return nothing;
    }
    const uint8_t *at = input->at;
    input->at += len;
    input->left -= len;
    return at;
}

static uint64_t take_number(struct input *input, size_t bytes)
{
    const uint8_t *at = take(input, bytes);
    uint64_t number = 0;
    for (size_t i = 0; i < bytes; i++) {
        number |= (uint64_t)at[i] << (8 * i);
    }
    return number;
}

static int64_t take_i64(struct input *input)
{
    return (int64_t)take_number(input, 8);
}

static void take_bytes(struct input *input, struct store_bytes *bytes)
{
    bytes->data = (const char *)take(input, bytes->len);
    if (input->is_short) {
        bytes->len = 0;
    }
}

bool cache_decode(const struct pl_buf *buf, enum cache_kind kind, int64_t now_ms,
                  struct cache_entry *entry)
{
    if (buf == NULL || buf->len < HEADER || buf->data[0] != 'p' || buf->data[1] != CACHE_SCHEMA ||
        buf->data[2] != (uint8_t)kind) {
        return false;
    }
    struct input input = {buf->data + 4, buf->len - 4, false};
    entry->kind = kind;
    entry->form = (enum cache_form)buf->data[3];
    entry->body_len = (size_t)take_number(&input, 4);
    entry->expires_at_ms = take_i64(&input);
    entry->stamp = take_number(&input, 8);
    entry->body = input.at;
    return entry->body_len == input.left && entry->expires_at_ms > now_ms;
}

int64_t cache_expiry(const struct pl_buf *buf)
{
    struct input input = {buf->data, buf->len, false};
    (void)take(&input, 8);
    return take_i64(&input);
}

bool cache_decode_role(const struct cache_entry *entry, enum store_role *role)
{
    if (entry->form != CACHE_VALUE || entry->body_len != 1) {
        return false;
    }
    *role = (enum store_role)entry->body[0];
    return true;
}

bool cache_decode_conversation(const struct cache_entry *entry,
                               struct store_conversation *conversation)
{
    struct input input = {entry->body, entry->body_len, false};
    conversation->created_at_ms = take_i64(&input);
    conversation->head_seq = take_i64(&input);
    conversation->ordinal = take_i64(&input);
    conversation->member_count = take_i64(&input);
    conversation->title.len = (size_t)take_number(&input, 4);
    conversation->created_by.len = (size_t)take_number(&input, 4);
    take_bytes(&input, &conversation->title);
    take_bytes(&input, &conversation->created_by);
    conversation->retention.age_ms = take_i64(&input);
    conversation->retention.messages = take_i64(&input);
    return entry->form == CACHE_VALUE && !input.is_short && input.left == 0;
}

static void take_event(struct input *input, struct store_event *event)
{
    event->seq = take_i64(input);
    event->created_at_ms = take_i64(input);
    event->ordinal = take_i64(input);
    event->kind = (enum store_kind)take_number(input, 1);
    event->role = (enum store_role)take_number(input, 1);
    event->sender.len = (size_t)take_number(input, 4);
    event->client_message_id.len = (size_t)take_number(input, 4);
    event->content_type.len = (size_t)take_number(input, 4);
    event->body.len = (size_t)take_number(input, 4);
    take_bytes(input, &event->sender);
    take_bytes(input, &event->client_message_id);
    take_bytes(input, &event->content_type);
    take_bytes(input, &event->body);
}

/* To the end of the input, seq by seq. */
static bool take_events(struct input *input, struct store_event *events, size_t *count)
{
    size_t wanted = (size_t)take_number(input, 4);
    if (wanted > CACHE_BLOCK_EVENTS) {
        return false;
    }
    for (*count = 0; *count < wanted && !input->is_short; (*count)++) {
        take_event(input, &events[*count]);
        if (*count > 0 && events[*count].seq != events[*count - 1].seq + 1) {
            return false;
        }
    }
    return !input->is_short && input->left == 0;
}

bool cache_decode_tail(const struct cache_entry *entry, struct cache_tail *tail,
                       struct store_event *events)
{
    struct input input = {entry->body, entry->body_len, false};
    tail->head_seq = take_i64(&input);
    tail->first_seq = take_i64(&input);
    tail->events = events;
    return entry->form == CACHE_VALUE && take_events(&input, events, &tail->event_count) &&
           (tail->event_count == 0 || events[tail->event_count - 1].seq == tail->head_seq);
}

bool cache_decode_block(const struct cache_entry *entry, struct store_event *events, size_t *count)
{
    struct input input = {entry->body, entry->body_len, false};
    return entry->form == CACHE_VALUE && take_events(&input, events, count) && *count > 0 &&
           events[*count - 1].seq % CACHE_BLOCK_EVENTS == 0;
}
