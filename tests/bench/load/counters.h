/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_BENCH_COUNTERS_H
#define PARLEY_BENCH_COUNTERS_H

/* Subscribers that cost next to nothing: a connection each, on which they ask for a conversation
 * and from then on count the messages that come, by the lengths in their prefixes, without looking
 * into them. They read as the bare program of P4 reads, on one thread of their own, so that the
 * server is measured and not its clients. Anything but the log of one running call is a failure. */

#include "options.h"
#include "setup.h"

#include <stddef.h>
#include <stdint.h>

struct counters; /* opaque */

/* Connect `count` subscribers to the conversation, from its beginning, and wait until all of them
 * have what is in it. @return owned (counters_free), or NULL: said on stderr */
struct counters *counters_new(const struct options *options,
                              const struct conversation *conversation, size_t count);
/* Messages so far, "caught up" included; over all. @thread any */
uint64_t counters_total(const struct counters *counters);
/* Whether each has this number of messages. @return 1, 0: not yet, or -1: one has more, or broke */
int counters_have(const struct counters *counters, uint64_t messages);
void counters_free(struct counters *counters); /* NULL is fine */

#endif /* PARLEY_BENCH_COUNTERS_H */
