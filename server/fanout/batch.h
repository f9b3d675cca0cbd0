/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_FANOUT_BATCH_H
#define PARLEY_FANOUT_BATCH_H

/* A run of a conversation's events, encoded once, on its way to the loops that listen. Read-only
 * after it was made; refcounted. A change of members is always the last event of its batch, so that
 * who is removed by it can be given the batch and nothing after. @thread any */

#include "base/attr.h"
#include "base/buf.h"
#include "base/id.h"
#include "fanout/hub.h"
#include "loop/loop.h"

struct batch;
struct envelope;

/* One loop's copy of the address on the batch. */
struct parcel {
    struct pl_mail mail;
    void *lane;
    struct batch *batch;
};

struct batch {
    uint32_t refs; /* private: atomic */
    size_t count;  /* of events */
    int64_t first_seq;
    struct pl_buf *frames;
    uint32_t *offsets;         /* of each event in `frames` */
    enum store_kind last_kind; /* of the last event */
    char *users;               /* whom a change of members names: ids, each followed by a NUL */
    size_t users_len;
    size_t id_len;
    char id[PL_ID_MAX + 1];
    size_t parcel_count;
    struct parcel parcels[];
};

static inline int64_t batch_last_seq(const struct batch *batch)
{
    return batch->first_seq + (int64_t)batch->count - 1;
}

/* Bytes that it keeps. */
static inline size_t batch_bytes(const struct batch *batch)
{
    return sizeof(*batch) + batch->frames->capacity + batch->count * sizeof(uint32_t);
}

/* How many of `events` go into the next batch: up to and including the first change of members, and
 * not more than a message of the bus takes. */
size_t batch_span(const struct store_event *events, size_t count);

/* @return owned (batch_unref), with `parcel_count` parcels to fill; NULL: no memory */
PL_MUST_CHECK struct batch *batch_new(struct store_bytes conversation_id,
                                      const struct store_event *events, size_t count,
                                      size_t parcel_count, hub_encode_fn encode);
/* The same, from bytes that another node encoded. */
PL_MUST_CHECK struct batch *batch_open(const struct envelope *envelope, size_t parcel_count);
struct batch *batch_ref(struct batch *batch);
void batch_unref(struct batch *batch); /* NULL is fine */

bool batch_is_change(const struct batch *batch);
/* Whether its last event takes `user` out of the conversation. */
bool batch_removes(const struct batch *batch, const char *user);
/* Whether its last event brings users in. */
bool batch_adds(const struct batch *batch);

/* The next of those whom a change of members names; see store_next_id. */
const char *batch_next_user(const struct batch *batch, size_t *place);

#endif /* PARLEY_FANOUT_BATCH_H */
