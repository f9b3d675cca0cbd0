/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_CACHE_WATCHED_H
#define PARLEY_TEST_CACHE_WATCHED_H

/* A store that passes everything on to another, counts it, and can hold answers back. Closing it
 * leaves the other open: several may stand over one engine, as the nodes of a cluster do. */

#include "store/store.h"

#include <pthread.h>

#define WATCHED_OPS (STORE_OP_TRIM + 1)

struct watched_request;

struct watched {
    struct store base; /* first */
    struct store *inner;
    unsigned counts[WATCHED_OPS]; /* atomic: by enum store_op */
    unsigned pending;             /* atomic: not answered yet */
    pthread_mutex_t mutex;
    bool holds_reads; /* answers of the engine are kept: as if it, or the way, were slow */
    struct watched_request *held;
    unsigned held_count;
};

/* @param inner  keeps: until deinit. */
void watched_init(struct watched *watched, struct store *inner);
void watched_deinit(struct watched *watched);

/* Requests of a kind so far. */
unsigned watched_count(struct watched *watched, enum store_op op);
unsigned watched_total(struct watched *watched);
void watched_reset(struct watched *watched);

/* From now on the answers to `get` and `read` are held, with what the engine said then. */
void watched_hold_reads(struct watched *watched);
unsigned watched_held(struct watched *watched);
/* Give them. */
void watched_release(struct watched *watched);

#endif /* PARLEY_TEST_CACHE_WATCHED_H */
