/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_BENCH_SUBSCRIBER_H
#define PARLEY_BENCH_SUBSCRIBER_H

/* One Subscribe call on one conversation; checks that it gets the log, each event once and in
 * order. @thread loop of the link's worker */

#include "fleet.h"
#include "setup.h"

struct subscriber;

/* The newest events of one conversation as encoded, shared by the subscribers of one worker: all
 * get the same bytes, so that only the first to see an event takes it apart. */
struct event_memory; /* opaque */
struct event_memory *event_memory_new(void);
void event_memory_free(struct event_memory *memory);

struct subscriber {
    struct call call;
    struct event_memory *memory; /* keeps */
    int64_t next_seq;
    bool is_live;
    void (*on_live)(struct subscriber *subscriber);
    /* `stamp`: what the sender put first into the body; 0 for other events. May be NULL. */
    void (*on_event)(struct subscriber *subscriber, int64_t seq, int64_t stamp);
};

/* From the beginning of the log. `subscriber` is zeroed but for the callbacks and `memory`. */
void subscriber_start(struct subscriber *subscriber, struct link *link,
                      const struct conversation *conversation);

#endif /* PARLEY_BENCH_SUBSCRIBER_H */
