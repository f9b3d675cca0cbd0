/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_SIM_H
#define PARLEY_TEST_SIM_H

/* Virtual time: one clock, one queue of what will happen, one source of chance. Everything runs on
 * one thread, one event after the other, so that a seed says all that happens.
 *
 * loop.c, loops.c and net.c stand on it: the loops, the server's loop threads and the sockets of
 * the simulation, linked instead of the real ones. */

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Something that will happen; embedded in what it happens to. Zero-initialise, set run. */
struct sim_event {
    void (*run)(struct sim_event *event);
    int64_t at_us;  /* private from here */
    uint64_t order; /* of those at the same time */
    size_t slot;    /* position in the heap + 1; 0: not under way */
};

/* From now on all time and chance in the process come from here. `is_traced`: print what happens.
 */
void sim_start(uint64_t seed, bool is_traced);
/* Drop what is left in the queue; the hooks stay. */
void sim_stop(void);

int64_t sim_now_us(void);
void sim_jump_wall_clock(int64_t by_ms);
/* (Re)schedule. */
void sim_after(struct sim_event *event, int64_t delay_us);
void sim_cancel(struct sim_event *event); /* not under way: no effect */
/* Let the next thing happen. False: nothing is under way. */
bool sim_step(void);

uint64_t sim_roll(uint64_t bound); /* [0, bound) */
/* [from, to], evenly; and the same with short ones much more often. */
int64_t sim_between(int64_t from, int64_t to);
int64_t sim_mostly_short(int64_t from, int64_t to);
bool sim_chance(unsigned per_mille);

/* A line of the trace. It is digested even when it is not printed. */
void sim_note(const char *format, ...) PL_PRINTF(1, 2);
/* A digest of all lines so far: two runs of a seed give the same. */
uint64_t sim_digest(void);

/* What is made from now on (loops, and so their sockets) belongs to this group: a node, a client.
 */
void sim_set_group(unsigned group);
unsigned sim_group(void);

/* ---- loop.c ---- */

struct pl_loop;

unsigned sim_loop_group(const struct pl_loop *loop);
/* There is something to do on it: a turn comes soon. */
void sim_loop_wake(struct pl_loop *loop);
/* No turn for so long: a process that was stopped, a machine that swaps. */
void sim_loop_freeze(struct pl_loop *loop, int64_t for_us);
/* Turn until it has nothing to do, without time passing: for the end of a node. */
void sim_loop_settle(struct pl_loop *loop);

/* ---- net.c ---- */

/* What the network does from now on, each in parts of a thousand. */
struct sim_net_faults {
    unsigned refuse;     /* a connection is refused */
    unsigned swallow;    /* ... or lost without a word */
    unsigned unresolved; /* a name is not found */
    int64_t latency_max_us;
};
void sim_net_set_faults(const struct sim_net_faults *faults);
/* Cut one connection, chosen by chance, at some byte of what is on its way. `in_silence`: neither
 * end hears of it. */
void sim_net_cut_one(bool in_silence);
/* Cut all connections of a group at once; nothing of what it wrote and is on its way arrives after
 * a random point. */
void sim_net_cut_group(unsigned group);
/* No socket is left open. */
bool sim_net_is_quiet(void);
void sim_net_reset(void);

#endif /* PARLEY_TEST_SIM_H */
