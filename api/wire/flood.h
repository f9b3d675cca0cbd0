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
};

void pl_flood_init(struct pl_flood *flood);
/* false: the bucket is empty. */
PL_MUST_CHECK bool pl_flood_take(struct pl_flood *flood, uint32_t cost);
/* A WINDOW_UPDATE came. More than 1 + 2 x (streams + 10 x DATA frames sent) cannot be honest. */
PL_MUST_CHECK bool pl_flood_count_window_update(struct pl_flood *flood);

#endif /* PARLEY_WIRE_FLOOD_H */
