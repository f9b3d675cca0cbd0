/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_CORE_LOOPS_H
#define PARLEY_CORE_LOOPS_H

/* The server's loop threads. */

#include "base/error.h"
#include "loop/loop.h"

struct loops; /* opaque */

/* @param count  0: one per core. The threads start in loops_start. @thread start */
PL_MUST_CHECK enum parley_code loops_new(unsigned count, struct loops **loops,
                                         struct pl_error *err);
/* What the threads are called by ps and perf instead of "loop". @param name  static, at most 11
 * bytes. @thread start */
void loops_set_name(struct loops *loops, const char *name);
unsigned loops_count(const struct loops *loops);
struct pl_loop *loops_get(const struct loops *loops, unsigned index);
PL_MUST_CHECK enum parley_code loops_start(struct loops *loops, struct pl_error *err);
/* Run `run` on loop `index` and wait until it returned. Not from a loop thread. @thread start, main
 */
void loops_call(struct loops *loops, unsigned index,
                void (*run)(struct pl_loop *loop, void *context), void *context);
void loops_stop(struct loops *loops); /* stop and join */
void loops_free(struct loops *loops);

#endif /* PARLEY_CORE_LOOPS_H */
