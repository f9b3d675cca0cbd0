/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_STORE_ASK_H
#define PARLEY_TEST_STORE_ASK_H

/* Requests that somebody waits for. An ask is a request of any kind that knows how often it was
 * done, and whether that happened where the port says. */

#include "store/store.h"

#include <pthread.h>

struct ask {
    union {
        struct store_request request;
        struct store_append append;
        struct store_create create;
        struct store_change_members change;
        struct store_set_retention set;
        struct store_read read;
        struct store_get get;
        struct store_list_conversations list;
        struct store_list_members members;
        struct store_heads heads;
        struct store_list_expired expired;
        struct store_trim trim;
    };
    void (*then)(struct ask *ask); /* called when done, on the store's thread; may be NULL */
    void *context;                 /* for `then` */
    pthread_t submitter;
    unsigned done_count; /* private: ask_done_count */
    bool was_inside;     /* private: done came on the thread that submitted */
};

struct store_bytes bytes_of(const char *text);
bool bytes_equal(struct store_bytes bytes, const char *text);

/* Each zeroes the ask, fills it and submits it. @thread any */
void ask_append(struct ask *ask, struct store *store, const char *conversation, const char *sender,
                const char *client_message_id, struct store_bytes body);
void ask_create(struct ask *ask, struct store *store, const char *conversation, const char *creator,
                const struct store_bytes *members, size_t count);
void ask_change(struct ask *ask, struct store *store, enum store_kind kind,
                const char *conversation, const char *actor, const struct store_bytes *users,
                size_t count);

/* Zero an ask, and have it count. To be filled and submitted by hand. */
void ask_init(struct ask *ask);
/* Wait until it is done. False: the deadline is over. @thread any but the store's */
bool ask_wait(struct ask *ask);
unsigned ask_done_count(struct ask *ask);
/* ask_wait, and fail the test unless it was done once and on a thread of the store. Returns the
 * code. */
enum parley_code ask_code(struct ask *ask);
void ask_release(struct ask *ask);

#endif /* PARLEY_TEST_STORE_ASK_H */
