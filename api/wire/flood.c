/* SPDX-License-Identifier: Apache-2.0 */
/* Token bucket against peers that make us work for nothing (K7). Thread: the session's. */
#include "wire/flood.h"

#include "base/clock.h"

#define BURST            10000
#define PER_SECOND       330
#define PING_STRIKES_MAX 2

void pl_flood_init(struct pl_flood *flood)
{
    *flood = (struct pl_flood){.tokens = BURST};
}

static void refill(struct pl_flood *flood)
{
    int64_t now_ms = pl_clock_monotonic_ms();
    if (flood->refilled_ms == 0) {
        flood->refilled_ms = now_ms;
        return;
    }
    int64_t fresh = (now_ms - flood->refilled_ms) * PER_SECOND / 1000;
    if (fresh <= 0) {
        return;
    }
    flood->refilled_ms = now_ms;
    flood->tokens =
        fresh >= BURST - (int64_t)flood->tokens ? BURST : flood->tokens + (uint32_t)fresh;
}

bool pl_flood_take(struct pl_flood *flood, uint32_t cost)
{
    refill(flood);
    if (flood->tokens < cost) {
        flood->tokens = 0;
        return false;
    }
    flood->tokens -= cost;
    return true;
}

bool pl_flood_count_window_update(struct pl_flood *flood)
{
    flood->window_updates++;
    if (flood->window_updates <= 1 + 2 * (flood->streams + 10 * flood->data_frames)) {
        return true;
    }
    return pl_flood_take(flood, 1);
}

bool pl_flood_count_ping(struct pl_flood *flood, uint32_t min_ms)
{
    int64_t now_ms = pl_clock_monotonic_ms();
    bool is_early = flood->ping_ms != 0 && now_ms - flood->ping_ms < min_ms - min_ms / 10;
    flood->ping_ms = now_ms;
    flood->ping_strikes = is_early ? flood->ping_strikes + 1 : 0;
    return flood->ping_strikes <= PING_STRIKES_MAX;
}
