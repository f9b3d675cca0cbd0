/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever the bus brings is refused, or comes back the same when it is sent on. */
#include "app.h"

#include "fanout/envelope.h"

#include <string.h>

#define NODE 7

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const struct batch *batch)
{
    struct envelope again;
    struct pl_buf *message = envelope_encode_batch(NODE, batch);
    app_check(message != NULL, "there is memory");
    app_check(envelope_decode(message->data, message->len, &again), "what we send is understood");
    app_check(again.node == NODE && again.first_seq == batch->first_seq &&
                  again.count == batch->count && again.last_kind == batch->last_kind,
              "the head is the same");
    app_check(again.frames_len == batch->frames->len &&
                  memcmp(again.frames, batch->frames->data, again.frames_len) == 0,
              "the frames are the same");
    for (size_t i = 0; i < again.count; i++) {
        app_check(envelope_offset(&again, i) == batch->offsets[i], "the events begin there");
        app_check(batch->offsets[i] < batch->frames->len, "an event lies in the frames");
    }
    pl_buf_unref(message);
}

static void check_joined(const struct envelope *envelope)
{
    struct envelope again;
    struct pl_buf *message =
        envelope_encode_joined(NODE, envelope->id, envelope->first_seq, envelope->users.data);
    app_check(message != NULL, "there is memory");
    app_check(envelope_decode(message->data, message->len, &again), "what we send is understood");
    app_check(again.kind == ENVELOPE_JOINED && again.first_seq == envelope->first_seq &&
                  again.id.len == envelope->id.len && again.users.len == envelope->users.len,
              "it is the same");
    pl_buf_unref(message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct envelope envelope;
    if (!envelope_decode(data, size, &envelope)) {
        return 0;
    }
    if (envelope.kind == ENVELOPE_JOINED) {
        check_joined(&envelope);
    }
    if (envelope.kind != ENVELOPE_BATCH) {
        return 0;
    }
    struct batch *batch = batch_open(&envelope, 1);
    app_check(batch != NULL, "what was decoded is a batch");
    size_t place = 0;
    for (const char *user = batch_next_user(batch, &place); user != NULL;
         user = batch_next_user(batch, &place)) {
        app_check(strlen(user) >= 1 && strlen(user) <= PL_ID_MAX, "a user has an id");
    }
    check_round_trip(batch);
    batch_unref(batch);
    return 0;
}
