/* SPDX-License-Identifier: Apache-2.0 */
/* The clock, the queue and the dice; see sim.h. */
#include "sim.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/id.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS_MAX 8192
/* 2026-01-01, so that dates look like dates. */
#define WALL_START_MS INT64_C(1767225600000)

static struct {
    int64_t now_us;
    int64_t wall_offset_ms;
    uint64_t random;
    uint64_t orders;
    uint64_t digest;
    unsigned group;
    bool is_traced;
    size_t count;
    struct sim_event *heap[EVENTS_MAX];
} sim;

/* ---- chance: splitmix64 ---- */

static uint64_t draw(void)
{
    sim.random += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = sim.random;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static void fill(void *out, size_t len)
{
    uint8_t *bytes = out;
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (uint8_t)(draw() >> 24);
    }
}

uint64_t sim_roll(uint64_t bound)
{
    return draw() % bound;
}

int64_t sim_between(int64_t from, int64_t to)
{
    return from + (int64_t)sim_roll((uint64_t)(to - from) + 1);
}

int64_t sim_mostly_short(int64_t from, int64_t to)
{
    int64_t range = to - from;
    for (uint64_t halvings = sim_roll(8); halvings > 0; halvings--) {
        range /= 2;
    }
    return sim_between(from, from + range);
}

bool sim_chance(unsigned per_mille)
{
    return sim_roll(1000) < per_mille;
}

/* ---- time ---- */

static int64_t monotonic_ns(void)
{
    return sim.now_us * 1000;
}

static int64_t wall_ms(void)
{
    return WALL_START_MS + sim.wall_offset_ms + sim.now_us / 1000;
}

int64_t sim_now_us(void)
{
    return sim.now_us;
}

void sim_jump_wall_clock(int64_t by_ms)
{
    sim.wall_offset_ms += by_ms;
}

/* ---- the queue: a binary heap ---- */

static bool is_before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void put(size_t at, struct sim_event *event)
{
    sim.heap[at] = event;
    event->slot = at + 1;
}

static void sift_up(size_t at, struct sim_event *event)
{
    while (at > 0 && is_before(event, sim.heap[(at - 1) / 2])) {
        put(at, sim.heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    put(at, event);
}

static void sift_down(size_t at, struct sim_event *event)
{
    for (size_t child = 2 * at + 1; child < sim.count; child = 2 * at + 1) {
        if (child + 1 < sim.count && is_before(sim.heap[child + 1], sim.heap[child])) {
            child++;
        }
        if (!is_before(sim.heap[child], event)) {
            break;
        }
        put(at, sim.heap[child]);
        at = child;
    }
    put(at, event);
}

void sim_cancel(struct sim_event *event)
{
    if (event->slot == 0) {
        return;
    }
    size_t hole = event->slot - 1;
    struct sim_event *last = sim.heap[--sim.count];
    event->slot = 0;
    if (last == event) {
        return;
    }
    if (hole > 0 && is_before(last, sim.heap[(hole - 1) / 2])) {
        sift_up(hole, last);
    } else {
        sift_down(hole, last);
    }
}

void sim_after(struct sim_event *event, int64_t delay_us)
{
    sim_cancel(event);
    if (sim.count == EVENTS_MAX) {
        (void)fputs("simulation: too many events\n", stderr);
        abort();
    }
    event->at_us = sim.now_us + (delay_us > 0 ? delay_us : 0);
    event->order = sim.orders++;
    sift_up(sim.count++, event);
}

bool sim_step(void)
{
    if (sim.count == 0) {
        return false;
    }
    struct sim_event *event = sim.heap[0];
    sim_cancel(event);
    sim.now_us = event->at_us;
    event->run(event);
    return true;
}

/* ---- the trace: FNV-1a over its lines ---- */

void sim_note(const char *format, ...)
{
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    uint64_t digest = sim.digest ^ (uint64_t)sim.now_us;
    for (const char *c = line; *c != '\0'; c++) {
        digest = (digest ^ (uint8_t)*c) * UINT64_C(0x100000001b3);
    }
    sim.digest = digest;
    if (sim.is_traced) {
        (void)printf("%10.3f ms  %s\n", (double)sim.now_us / 1000, line);
        (void)fflush(stdout);
    }
}

uint64_t sim_digest(void)
{
    return sim.digest;
}

/* ---- life ---- */

void sim_set_group(unsigned group)
{
    sim.group = group;
}

unsigned sim_group(void)
{
    return sim.group;
}

void sim_start(uint64_t seed, bool is_traced)
{
    static const struct pl_clock_hooks clocks = {monotonic_ns, wall_ms};
    pl_clock_set_hooks(&clocks);
    pl_random_set_hook(fill);
    /* The key of the process' hash tables is drawn once: from a seed of its own, so that a seed
     * does the same whichever was the first. */
    memset(&sim, 0, sizeof(sim));
    (void)pl_hash_keyed("", 0);
    sim.random = seed;
    sim.is_traced = is_traced;
    sim.now_us = INT64_C(1000000);
    sim_net_reset();
}

void sim_stop(void)
{
    while (sim.count > 0) {
        sim_cancel(sim.heap[0]);
    }
}
