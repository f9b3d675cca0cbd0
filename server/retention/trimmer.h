/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_RETENTION_TRIMMER_H
#define PARLEY_RETENTION_TRIMMER_H

/* Trims conversations to what is kept, again and again, slowly: one request to the store at a time,
 * few events in each, and a pause after it. Any number of nodes may do so at once. */

#include "loop/loop.h"
#include "store/store.h"

struct trimmer; /* opaque */

struct trimmer_options {
    struct store *store;              /* keeps: until trimmer_stop */
    struct pl_loop *loop;             /* keeps: where it lives */
    struct store_retention retention; /* the default; without one only those are trimmed that have
                                       * limits of their own */
    int64_t every_ms;                 /* between two rounds over all conversations */
    int64_t per_second;               /* events trimmed, at most */
};

/* @return NULL: no memory. @thread any */
PL_MUST_CHECK struct trimmer *trimmer_new(const struct trimmer_options *options);
/* Begin the first round soon. Returns 0, or -1: no memory. @thread loop */
PL_MUST_CHECK int trimmer_start(struct trimmer *trimmer);
/* Ask the store for nothing more. @thread loop */
void trimmer_stop(struct trimmer *trimmer);
/* After the store was closed and its loop ended. NULL is fine. @thread any */
void trimmer_free(struct trimmer *trimmer);

/* Once per process; again is harmless. @thread start */
void trimmer_register_metrics(void);

#endif /* PARLEY_RETENTION_TRIMMER_H */
