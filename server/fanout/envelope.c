/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of the bus; see envelope.h. Decoding trusts nothing: a broker may be shared. */
#include "fanout/envelope.h"

#include <string.h>

#define MAGIC   0xB5
#define VERSION 1

static void put(uint8_t *to, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        to[i] = (uint8_t)(value >> (8 * i));
    }
}

static uint64_t get(const uint8_t *from, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++) {
        value |= (uint64_t)from[i] << (8 * i);
    }
    return value;
}

/* ---- encoding ---- */

static void put_head(uint8_t *head, enum envelope_kind kind, uint64_t node)
{
    memset(head, 0, ENVELOPE_HEAD);
    head[0] = MAGIC;
    head[1] = VERSION;
    head[2] = (uint8_t)kind;
    put(head + 4, ENVELOPE_HEAD, 2);
    put(head + 8, node, 8);
}

struct pl_buf *envelope_encode_batch(uint64_t node, const struct batch *batch)
{
    size_t len =
        ENVELOPE_HEAD + batch->id_len + batch->users_len + 4 * batch->count + batch->frames->len;
    struct pl_buf *message = pl_buf_new(len);
    if (message == NULL) {
        return NULL;
    }
    uint8_t *at = message->data;
    put_head(at, ENVELOPE_BATCH, node);
    at[3] = (uint8_t)batch->last_kind;
    put(at + 6, batch->id_len, 2);
    put(at + 16, (uint64_t)batch->first_seq, 8);
    put(at + 24, batch->count, 4);
    put(at + 28, batch->users_len, 4);
    put(at + 32, batch->frames->len, 4);
    at += ENVELOPE_HEAD;
    memcpy(at, batch->id, batch->id_len);
    at += batch->id_len;
    if (batch->users_len > 0) {
        memcpy(at, batch->users, batch->users_len);
        at += batch->users_len;
    }
    for (size_t i = 0; i < batch->count; i++, at += 4) {
        put(at, batch->offsets[i], 4);
    }
    memcpy(at, batch->frames->data, batch->frames->len);
    message->len = len;
    return message;
}

struct pl_buf *envelope_encode_joined(uint64_t node, struct store_bytes id, int64_t seq,
                                      const char *user)
{
    size_t user_len = strlen(user) + 1;
    size_t len = ENVELOPE_HEAD + id.len + user_len;
    struct pl_buf *message = pl_buf_new(len);
    if (message == NULL) {
        return NULL;
    }
    uint8_t *at = message->data;
    put_head(at, ENVELOPE_JOINED, node);
    put(at + 6, id.len, 2);
    put(at + 16, (uint64_t)seq, 8);
    put(at + 28, user_len, 4);
    memcpy(at + ENVELOPE_HEAD, id.data, id.len);
    memcpy(at + ENVELOPE_HEAD + id.len, user, user_len);
    message->len = len;
    return message;
}

struct pl_buf *envelope_encode_lost(uint64_t node)
{
    struct pl_buf *message = pl_buf_new(ENVELOPE_HEAD);
    if (message != NULL) {
        put_head(message->data, ENVELOPE_LOST, node);
        message->len = ENVELOPE_HEAD;
    }
    return message;
}

/* ---- decoding ---- */

uint32_t envelope_offset(const struct envelope *envelope, size_t index)
{
    return (uint32_t)get(envelope->offsets + 4 * index, 4);
}

/* Every event has at least a byte, and they lie one behind the other. */
static bool are_offsets_fine(const struct envelope *envelope)
{
    uint32_t previous = 0;
    for (size_t i = 0; i < envelope->count; i++) {
        uint32_t offset = envelope_offset(envelope, i);
        if (i == 0 ? offset != 0 : offset <= previous) {
            return false;
        }
        previous = offset;
    }
    return previous < envelope->frames_len;
}

static bool are_users_fine(struct store_bytes users)
{
    size_t place = 0;
    for (size_t left = users.len; left > 0; left = users.len - place) {
        const char *user = store_next_id(users, &place);
        if (user == NULL || user[0] == '\0' || strlen(user) > PL_ID_MAX) {
            return false;
        }
    }
    return true;
}

static bool is_id_fine(struct store_bytes id)
{
    return id.len >= 1 && id.len <= PL_ID_MAX && memchr(id.data, '\0', id.len) == NULL;
}

/* 64 bits hold the sum of what 16 and 32 bits can say. */
static bool take_parts(struct envelope *envelope, const uint8_t *head, size_t len)
{
    uint64_t head_len = get(head + 4, 2);
    uint64_t id_len = get(head + 6, 2);
    uint64_t users_len = get(head + 28, 4);
    uint64_t frames_len = get(head + 32, 4);
    uint64_t offsets_len = 4 * (uint64_t)envelope->count;
    if (head_len + id_len + users_len + offsets_len + frames_len > len) {
        return false;
    }
    const uint8_t *at = head + head_len;
    envelope->id = (struct store_bytes){(const char *)at, (size_t)id_len};
    at += id_len;
    envelope->users = (struct store_bytes){(const char *)at, (size_t)users_len};
    at += users_len;
    envelope->offsets = at;
    envelope->frames = at + offsets_len;
    envelope->frames_len = (size_t)frames_len;
    return true;
}

static bool decode_parts(struct envelope *envelope, const uint8_t *head, size_t len)
{
    uint64_t first_seq = get(head + 16, 8);
    envelope->count = (size_t)get(head + 24, 4);
    envelope->last_kind = (enum store_kind)head[3];
    if (first_seq < 1 || first_seq > INT64_MAX - UINT32_MAX) {
        return false;
    }
    envelope->first_seq = (int64_t)first_seq;
    return take_parts(envelope, head, len) && is_id_fine(envelope->id) &&
           are_users_fine(envelope->users);
}

static bool is_one(struct store_bytes users)
{
    return users.len > 0 && users.len == strlen(users.data) + 1;
}

bool envelope_decode(const void *data, size_t len, struct envelope *envelope)
{
    const uint8_t *head = data;
    *envelope = (struct envelope){0};
    if (len < ENVELOPE_HEAD || head[0] != MAGIC || head[1] != VERSION ||
        get(head + 4, 2) < ENVELOPE_HEAD) {
        return false;
    }
    envelope->kind = (enum envelope_kind)head[2];
    envelope->node = get(head + 8, 8);
    switch (envelope->kind) {
    case ENVELOPE_BATCH:
        return decode_parts(envelope, head, len) && envelope->count > 0 &&
               are_offsets_fine(envelope);
    case ENVELOPE_JOINED:
        return decode_parts(envelope, head, len) && is_one(envelope->users);
    default:
        return true;
    }
}
