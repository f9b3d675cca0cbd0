/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_FANOUT_INTEREST_H
#define PARLEY_FANOUT_INTEREST_H

/* Which loops listen to a topic (a conversation, or a user who joins conversations). Writers of the
 * store ask for each commit, loops tell when their first listener comes and the last one goes; the
 * lock is held for one look-up and is one of many, by topic. @thread any */

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INTEREST_LOOPS_MAX 256

struct interest; /* opaque */

enum topic_kind {
    TOPIC_CONVERSATION = 'c',
    TOPIC_USER = 'u'
};

struct loop_set {
    uint64_t words[INTEREST_LOOPS_MAX / 64];
};

static inline bool loop_set_has(const struct loop_set *set, unsigned loop)
{
    return (set->words[loop / 64] >> (loop % 64) & 1) != 0;
}

PL_MUST_CHECK struct interest *interest_new(void);
void interest_free(struct interest *interest); /* NULL is fine */

/* Returns 0, or -1: no memory. */
PL_MUST_CHECK int interest_add(struct interest *interest, enum topic_kind kind, const char *id,
                               size_t id_len, unsigned loop);
void interest_remove(struct interest *interest, enum topic_kind kind, const char *id, size_t id_len,
                     unsigned loop);
/* Put the loops that listen to it into `set`, which keeps those it has. */
void interest_collect(struct interest *interest, enum topic_kind kind, const char *id,
                      size_t id_len, struct loop_set *set);
/* Nobody listens to anything. */
bool interest_is_empty(const struct interest *interest);

#endif /* PARLEY_FANOUT_INTEREST_H */
