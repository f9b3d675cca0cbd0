/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_WIRE_FLOOD_H
#define PARLEY_WIRE_FLOOD_H

/* How much useless work one peer may cause. Every glitch (a reset before we answered, an invalid
 * frame, PRIORITY, an empty DATA frame ...) takes tokens from a bucket that time refills; when it
 * is empty the connection ends with ENHANCE_YOUR_CALM. The sizes are those that nghttp2 chose
 * later: 10,000 at once, 330 a second. Time is read only when there is a glitch. @thread the
 * session's */

#include "base/attr.h"

#include <stdbool.h>
#include <stdint.h>

struct pl_flood {
    int64_t refilled_ms;
    uint32_t tokens;
    uint64_t window_updates; /* received */
    uint64_t data_frames;    /* sent */
    uint64_t streams;        /* opened */
    int64_t ping_ms;         /* when the last PING came; 0: something was sent since */
    uint32_t ping_strikes;   /* PINGs in a row that came too soon */
};

void pl_flood_init(struct pl_flood *flood);
/* false: the bucket is empty. */
PL_MUST_CHECK bool pl_flood_take(struct pl_flood *flood, uint32_t cost);
/* A WINDOW_UPDATE came. More than 1 + 2 x (streams + 10 x DATA frames sent) cannot be honest. */
PL_MUST_CHECK bool pl_flood_count_window_update(struct pl_flood *flood);

/* A PING came. false: the third in a row that came sooner than `min_ms` after another (less a
 * tenth: networks are no clocks) while we had nothing to send (K6). */
PL_MUST_CHECK bool pl_flood_count_ping(struct pl_flood *flood, uint32_t min_ms);
/* We sent HEADERS or DATA: other stacks measure the network with a PING for each burst of them. */
static inline void pl_flood_forgive_pings(struct pl_flood *flood)
{
    flood->ping_ms = 0;
    flood->ping_strikes = 0;
}

#endif /* PARLEY_WIRE_FLOOD_H */
