/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_FANOUT_SCRIPT_STORE_H
#define PARLEY_TEST_FANOUT_SCRIPT_STORE_H

/* The store's port in memory, in slow motion: each step that a real store takes by itself is a call
 * of the test, so that every interleaving of commits, notices and reads can be played. */

#include "store/store.h"

#define SCRIPT_LOGS     8
#define SCRIPT_EVENTS   4096
#define SCRIPT_MEMBERS  16
#define SCRIPT_PENDING  256
#define SCRIPT_USER_MAX 16

struct script_log {
    char id[16];
    int64_t first_seq;
    int64_t head_seq;
    enum store_kind kinds[SCRIPT_EVENTS];
    char users[SCRIPT_EVENTS][SCRIPT_USER_MAX]; /* of changes */
    char members[SCRIPT_MEMBERS][SCRIPT_USER_MAX];
    size_t member_count;
    int64_t told_seq; /* the listener heard of what is up to here */
    int64_t old_seq;  /* the head as a cache has it, for those who may be given that; 0: no cache */
    bool is_away;     /* its head is not known */
};

struct script_store {
    struct store base;
    struct script_store *origin; /* whose logs these are: its own, or another node's */
    struct store_listener listener;
    struct script_log logs[SCRIPT_LOGS];
    size_t log_count;
    struct store_request *queued[SCRIPT_PENDING]; /* submitted */
    size_t queued_count;
    struct store_request *ready[SCRIPT_PENDING]; /* read, and not yet given back */
    size_t ready_count;
    size_t reads;               /* pages submitted so far */
    size_t heads;               /* looks at heads submitted so far */
    size_t lists;               /* pages of lists of conversations submitted so far */
    size_t list_max;            /* conversations in such a page; 0: all */
    enum parley_code fail_code; /* of the next reads, while fail_count lasts */
    size_t fail_count;
};

void script_store_init(struct script_store *store);
/* The same logs as another node sees them: with a listener and requests of its own. */
void script_store_share(struct script_store *store, struct script_store *origin);
struct script_log *script_store_add_log(struct script_store *store, const char *id);
/* A member without an event. */
void script_log_join(struct script_log *log, const char *user);

/* Commit: reads see it from now on. */
void script_log_send(struct script_log *log, size_t messages);
/* Commit a change of one member, with its event. */
void script_log_change(struct script_log *log, enum store_kind kind, const char *user);
/* Tell the listener of everything committed and not told, as one commit. */
void script_store_tell(struct script_store *store, struct script_log *log);
/* Pretend to have told it: what a broken bus does. */
void script_store_lose(struct script_log *log);

/* Run the oldest request against the log as it is now; give it back later. False: there is none. */
bool script_store_read(struct script_store *store);
bool script_store_finish(struct script_store *store);
/* Both, until nothing is left. */
void script_store_serve_all(struct script_store *store);

#endif /* PARLEY_TEST_FANOUT_SCRIPT_STORE_H */
