/* SPDX-License-Identifier: Apache-2.0 */
/* Batches; see batch.h. */
#include "fanout/batch.h"

#include "fanout/envelope.h"

#include "base/mem.h"

#include <string.h>

/* What the wire adds to a body, about: ids, times, framing. */
#define EVENT_OVERHEAD 192
/* Of a batch of several events: one body more keeps it below BUS_MESSAGE_MAX. */
#define SPAN_BYTES_MAX ((size_t)512 * 1024)

static bool is_change(enum store_kind kind)
{
    return kind != STORE_MESSAGE;
}

size_t batch_span(const struct store_event *events, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        bytes += events[i].body.len + EVENT_OVERHEAD;
        if (is_change(events[i].kind) || bytes > SPAN_BYTES_MAX) {
            return i + 1;
        }
    }
    return count;
}

static size_t guess_bytes(const struct store_event *events, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        bytes += events[i].body.len + EVENT_OVERHEAD;
    }
    return bytes;
}

static int encode_all(struct batch *batch, struct store_bytes conversation_id,
                      const struct store_event *events, hub_encode_fn encode)
{
    batch->frames = pl_buf_new(guess_bytes(events, batch->count));
    batch->offsets = pl_malloc(batch->count * sizeof(*batch->offsets));
    if (batch->frames == NULL || batch->offsets == NULL) {
        return -1;
    }
    for (size_t i = 0; i < batch->count; i++) {
        batch->offsets[i] = (uint32_t)batch->frames->len;
        if (encode(conversation_id, &events[i], &batch->frames) != 0) {
            return -1;
        }
    }
    return 0;
}

static int keep_users(struct batch *batch, enum store_kind last_kind, struct store_bytes users)
{
    batch->last_kind = last_kind;
    if (!is_change(last_kind) || users.len == 0) {
        return 0;
    }
    batch->users = pl_malloc(users.len);
    if (batch->users == NULL) {
        return -1;
    }
    memcpy(batch->users, users.data, users.len);
    batch->users_len = users.len;
    return 0;
}

static struct batch *make(struct store_bytes id, int64_t first_seq, size_t count,
                          size_t parcel_count)
{
    if (id.len > PL_ID_MAX || count == 0) {
        return NULL;
    }
    struct batch *batch = pl_calloc(1, sizeof(*batch) + parcel_count * sizeof(struct parcel));
    if (batch == NULL) {
        return NULL;
    }
    batch->refs = 1;
    batch->count = count;
    batch->first_seq = first_seq;
    batch->parcel_count = parcel_count;
    batch->id_len = id.len;
    memcpy(batch->id, id.data, id.len);
    return batch;
}

struct batch *batch_new(struct store_bytes conversation_id, const struct store_event *events,
                        size_t count, size_t parcel_count, hub_encode_fn encode)
{
    struct batch *batch =
        count > 0 ? make(conversation_id, events[0].seq, count, parcel_count) : NULL;
    if (batch == NULL) {
        return NULL;
    }
    if (encode_all(batch, conversation_id, events, encode) != 0 ||
        keep_users(batch, events[count - 1].kind, events[count - 1].body) != 0) {
        batch_unref(batch);
        return NULL;
    }
    return batch;
}

struct batch *batch_open(const struct envelope *envelope, size_t parcel_count)
{
    struct batch *batch = make(envelope->id, envelope->first_seq, envelope->count, parcel_count);
    if (batch == NULL) {
        return NULL;
    }
    batch->frames = pl_buf_copy(envelope->frames, envelope->frames_len);
    batch->offsets = pl_malloc(batch->count * sizeof(*batch->offsets));
    if (batch->frames == NULL || batch->offsets == NULL ||
        keep_users(batch, envelope->last_kind, envelope->users) != 0) {
        batch_unref(batch);
        return NULL;
    }
    for (size_t i = 0; i < batch->count; i++) {
        batch->offsets[i] = envelope_offset(envelope, i);
    }
    return batch;
}

struct batch *batch_ref(struct batch *batch)
{
    __atomic_add_fetch(&batch->refs, 1, __ATOMIC_RELAXED);
    return batch;
}

void batch_unref(struct batch *batch)
{
    if (batch == NULL || __atomic_sub_fetch(&batch->refs, 1, __ATOMIC_ACQ_REL) > 0) {
        return;
    }
    pl_buf_unref(batch->frames);
    pl_free(batch->offsets);
    pl_free(batch->users);
    pl_free(batch);
}

bool batch_is_change(const struct batch *batch)
{
    return is_change(batch->last_kind);
}

bool batch_adds(const struct batch *batch)
{
    return store_kind_adds(batch->last_kind);
}

static struct store_bytes users_of(const struct batch *batch)
{
    return (struct store_bytes){batch->users, batch->users_len};
}

const char *batch_next_user(const struct batch *batch, size_t *place)
{
    return store_next_id(users_of(batch), place);
}

bool batch_removes(const struct batch *batch, const char *user)
{
    bool is_removal =
        batch->last_kind == STORE_MEMBERS_REMOVED || batch->last_kind == STORE_MEMBERS_LEFT;
    return is_removal && store_has_id(users_of(batch), user);
}
