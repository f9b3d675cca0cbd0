/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_CORE_SIGNALS_H
#define PARLEY_CORE_SIGNALS_H

/* Signals as events of a loop, so that nothing runs inside a signal handler. */

#include "base/error.h"
#include "loop/loop.h"

struct signals; /* opaque */

/* @param number  SIGTERM, SIGINT or SIGHUP. @thread loop */
typedef void (*signals_fn)(void *context, int number);

/* Keep these three for signals_open, and ignore SIGPIPE. Before any thread is made: they inherit
 * it. @thread start */
void signals_block(void);

/* @return PARLEY_OK with *signals owned (signals_close); signals that came since signals_block are
 * told first. @thread loop */
PL_MUST_CHECK enum parley_code signals_open(struct pl_loop *loop, signals_fn on_signal,
                                            void *context, struct signals **signals,
                                            struct pl_error *err);
void signals_close(struct signals *signals); /* NULL is fine. @thread loop */

#endif /* PARLEY_CORE_SIGNALS_H */
