/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_STORE_MYSQL_SHARDS_H
#define PARLEY_STORE_MYSQL_SHARDS_H

/* How the buckets are spread over the shards of a MySQL store, and moving some of them while nodes
 * use the store. For the tools of an operator. @thread start; all of it blocks */

#include "store/mysql.h"

/* What lives on one shard. */
struct store_mysql_load {
    unsigned buckets;
    int64_t conversations;
    int64_t messages; /* and other events of logs */
    int64_t members;
    int64_t list_rows; /* of users' lists of conversations */
};

struct store_mysql_plan {
    unsigned shards;
    struct store_mysql_load *loads; /* of each shard */
    bool is_even;                   /* nothing to move; if not, this would even it out: */
    unsigned from;
    unsigned to;
    unsigned first; /* buckets */
    unsigned last;
};

/* Count what there is, and propose one move from the fullest shard to the emptiest.
 * @return PARLEY_OK with *plan to be freed (store_mysql_plan_deinit) */
PL_MUST_CHECK enum parley_code store_mysql_plan(const struct store_mysql_options *options,
                                                struct store_mysql_plan *plan,
                                                struct pl_error *err);
void store_mysql_plan_deinit(struct store_mysql_plan *plan);

struct store_mysql_move {
    unsigned from; /* shards */
    unsigned to;
    unsigned first; /* buckets, the last one included */
    unsigned last;
    unsigned pause_max_ms; /* how long writers of a bucket may be kept waiting; 0: 1 second */
    void (*report)(void *context, const char *line); /* progress; may be NULL */
    void *context;

    unsigned moved;           /* result: buckets that this call brought over */
    int64_t rows;             /* result: rows that were copied for it */
    int64_t pause_longest_us; /* result: of writers */
};

/* Copy buckets to another shard, catch up with what is written meanwhile, and let them change
 * hands, one after the other; then compare all of it once more and remove it from the source. What
 * was begun by a mover that died is finished. Safe to run again.
 * @return FAILED_PRECONDITION: a bucket is on a third shard, or another mover is at work;
 * UNAVAILABLE: a shard cannot be reached, or writers are too busy for the pause that is allowed;
 * DATA_LOSS: the copy differs: the source keeps its rows */
PL_MUST_CHECK enum parley_code store_mysql_move(const struct store_mysql_options *options,
                                                struct store_mysql_move *move,
                                                struct pl_error *err);

#endif /* PARLEY_STORE_MYSQL_SHARDS_H */
