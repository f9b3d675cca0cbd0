/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_BENCH_COMMANDS_H
#define PARLEY_BENCH_COMMANDS_H

/* What parley-bench can do. Each prints its figures and returns 0, or says what went wrong and
 * returns -1. */

#include "options.h"

int run_send(const struct options *options);
int run_fanout(const struct options *options);
int run_idle(const struct options *options);
int run_history(const struct options *options);
int run_unary(const struct options *options);
int run_client(const struct options *options);

#endif /* PARLEY_BENCH_COMMANDS_H */
