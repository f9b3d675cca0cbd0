/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_MYSQL_POOL_H
#define PARLEY_MYSQL_POOL_H

/* The connections of one shard, or of its replica. A thread of the pool's own makes them, so that
 * nobody else ever waits for a server to take a connection.
 *
 * Breaker: when a connection is lost or runs over its deadline, or none can be made, the shard
 * counts as down: idle connections are closed and every take fails at once, until the pool's thread
 * has made a connection again. It tries at once, and then with growing, random pauses; no request
 * is needed for that, and none waits for it. With rest_ns it pauses after a deadline, too: a server
 * may take connections and answer nothing that is asked. */

#include "mysql/conn.h"

struct mdb_pool; /* opaque */

/* What it leads to: said in the log, and counted by itself. */
enum mdb_pool_kind {
    MDB_POOL_SHARD,
    MDB_POOL_REPLICA,
    MDB_POOL_KINDS
};

struct mdb_pool_options {
    struct mdb_login login;
    unsigned shard;
    enum mdb_pool_kind kind;
    unsigned connections_min;
    unsigned connections_max;
    int64_t idle_ns;
    int64_t lifetime_ns;
    int64_t wait_ns;
    int64_t rest_ns;   /* a server that let a deadline pass is left alone for about so long, and
                          twice as long each time until it answers. 0: not at all */
    unsigned retry_ms; /* hint when nothing better is known */
    /* Called for each new connection, before anybody uses it; an error closes it. @thread pool */
    enum parley_code (*check)(void *context, struct mdb_conn *conn, struct pl_error *err);
    void *context;
};

PL_MUST_CHECK enum parley_code mdb_pool_new(const struct mdb_pool_options *options,
                                            struct mdb_pool **pool, struct pl_error *err);
/* All connections must be back. NULL is fine. Blocks */
void mdb_pool_free(struct mdb_pool *pool);

/* An armed connection. Waits at most until the deadline, and at most wait_ns.
 * @param is_patient  wait also while the shard is down: whoever has just lost a connection does not
 *                    know yet whether it is more than that
 * @return NULL: the shard is down, or all connections stay in use: UNAVAILABLE with a hint.
 * @thread any; blocks */
struct mdb_conn *mdb_pool_take(struct mdb_pool *pool, bool is_patient, int64_t deadline_ns,
                               struct pl_error *err);
/* Give it back, whatever state it is in. If it ran over its deadline the server is told to stop
 * what it still does for it. */
void mdb_pool_put(struct mdb_pool *pool, struct mdb_conn *conn);

/* Put the retry hint of a shard in this state into an UNAVAILABLE error. */
void mdb_pool_hint(struct mdb_pool *pool, struct pl_error *err);

#endif /* PARLEY_MYSQL_POOL_H */
