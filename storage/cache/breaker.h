/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_CACHE_BREAKER_H
#define PARLEY_CACHE_BREAKER_H

/* Whether a server may be asked, and what it is owed.
 *
 *                 fails                    the window is over: one asks
 *   CLOSED ──────────────────> OPEN ──────────────────────────────────> PROBING
 *      ^                         ^                                         │  │
 *      │                         └───────────────── fails ─────────────────┘  │
 *      └───────────────── all debts are paid, and it answers ─────────────────┘
 *
 * A debt is a conversation whose entries could not be deleted. They are deleted before the server
 * is asked for anything again. If there are too many to remember, it is left alone until all that
 * it held is too old to count.
 *
 * A delete is tried even while OPEN, if what failed before failed quickly: a server that refuses
 * costs nothing, and other nodes may read from it as soon as it is back. @thread any */

#include "store/store.h"

#include "base/map.h"

#include <pthread.h>

#define CACHE_DEBTS_MAX 1024

struct pl_metric;

enum cache_breaker_state {
    CACHE_BREAKER_CLOSED,
    CACHE_BREAKER_OPEN,
    CACHE_BREAKER_PROBING,
};

enum cache_permit {
    CACHE_GO,
    CACHE_PROBE, /* the caller alone: pay the debts, then go */
    CACHE_STOP,
};

struct cache_breaker {
    pthread_mutex_t mutex;
    enum cache_breaker_state state; /* atomic */
    int64_t closed_until_ns;        /* OPEN: when it may be asked again */
    int64_t window_ns;
    int64_t ttl_ns;
    struct pl_map *debts;    /* by conversation */
    bool is_slow;            /* OPEN: what failed took its time */
    bool is_lost;            /* OPEN: there were more debts than are remembered */
    struct pl_metric *gauge; /* 1 unless CLOSED; NULL: none */
};

/* -1: no memory; deinit is fine. */
PL_MUST_CHECK int cache_breaker_init(struct cache_breaker *breaker, int64_t window_ns,
                                     int64_t ttl_ns, struct pl_metric *gauge);
void cache_breaker_deinit(struct cache_breaker *breaker);

enum cache_permit cache_breaker_ask(struct cache_breaker *breaker, int64_t now_ns);
/* May something be deleted? */
enum cache_permit cache_breaker_ask_delete(struct cache_breaker *breaker, int64_t now_ns);
/* What was permitted has failed. Returns whether it was CLOSED.
 * @param is_probe  it was a probe. @param is_slow  it waited for an answer that did not come */
bool cache_breaker_fail(struct cache_breaker *breaker, int64_t now_ns, bool is_probe, bool is_slow);
/* There are debts. */
bool cache_breaker_owes(struct cache_breaker *breaker);
/* Remember what could not be deleted. False: it is CLOSED by now: try again. */
PL_MUST_CHECK bool cache_breaker_owe(struct cache_breaker *breaker, struct store_bytes conversation,
                                     int64_t now_ns);
/* The prober: a debt that it took could not be paid. */
void cache_breaker_owe_again(struct cache_breaker *breaker, struct store_bytes conversation,
                             int64_t now_ns);
bool cache_breaker_is_closed(const struct cache_breaker *breaker);
/* The prober: take a debt, to be paid now. False: there is none, and the breaker is CLOSED.
 * @param conversation  room for an id */
PL_MUST_CHECK bool cache_breaker_next_debt(struct cache_breaker *breaker, char *conversation,
                                           size_t *len);

#endif /* PARLEY_CACHE_BREAKER_H */
