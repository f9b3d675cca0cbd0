/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_FANOUT_ENVELOPE_H
#define PARLEY_FANOUT_ENVELOPE_H

/* What nodes say to each other over the bus. Three kinds:
 *
 *   BATCH  events of one conversation that were committed together, in the very bytes that go to
 *          clients, so that no node encodes them again and a field that this build does not know
 *          passes unharmed
 *   JOINED an event of a conversation brings a user in: one user, no events. For those who hear of
 *          the user; who hear of the conversation get the batch
 *   LOST   this node published something that may not have come: look at the heads
 *
 * All numbers little-endian. A later build may make the head longer (it is skipped), add kinds
 * (ignored) and events of new kinds; what it changes otherwise has another version (refused: the
 * hub then looks at the heads, too).
 *
 *    0  u8  magic 0xB5      4  u16 length of this head   16  i64 seq of the first event
 *    1  u8  version 1       6  u16 length of the id      24  u32 events
 *    2  u8  kind            8  u64 node that says it     28  u32 length of the users
 *    3  u8  kind of the last event                       32  u32 length of the frames
 *   then: id, users (each with a NUL), u32 offset of each event in the frames, frames
 *
 * @thread any */

#include "base/buf.h"
#include "fanout/batch.h"

#define ENVELOPE_HEAD 36

enum envelope_kind {
    ENVELOPE_BATCH = 1,
    ENVELOPE_LOST = 2,
    ENVELOPE_JOINED = 3
};

/* All borrowed from the message. Of a LOST only kind and node. */
struct envelope {
    enum envelope_kind kind;
    uint64_t node;
    int64_t first_seq;
    size_t count;
    enum store_kind last_kind;
    struct store_bytes id;
    struct store_bytes users;
    const uint8_t *offsets; /* envelope_offset */
    const uint8_t *frames;
    size_t frames_len;
};

/* @return owned, or NULL: no memory */
PL_MUST_CHECK struct pl_buf *envelope_encode_batch(uint64_t node, const struct batch *batch);
PL_MUST_CHECK struct pl_buf *envelope_encode_joined(uint64_t node, struct store_bytes id,
                                                    int64_t seq, const char *user);
PL_MUST_CHECK struct pl_buf *envelope_encode_lost(uint64_t node);

/* @return false: not to be understood; whatever the bytes are, nothing beyond them is read */
PL_MUST_CHECK bool envelope_decode(const void *data, size_t len, struct envelope *envelope);
/* Where the event begins, in the frames. @param index  below count */
uint32_t envelope_offset(const struct envelope *envelope, size_t index);

#endif /* PARLEY_FANOUT_ENVELOPE_H */
