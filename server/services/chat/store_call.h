/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_CHAT_STORE_CALL_H
#define PARLEY_CHAT_STORE_CALL_H

/* One request to the store on behalf of a call.
 *
 * The call may be gone before the store is done, and with it the request message that the inputs
 * came from. So a store_call outlives its call and has copies of its inputs, which lie behind it in
 * the same block of memory. It is done on a thread of the store and comes back to the loop by mail.
 * @thread loop */

#include "base/arena.h"
#include "base/list.h"
#include "loop/loop.h"
#include "store/store.h"

#include "parley/stub.h"

struct store_call;

/* Runs on the loop, later than the submit; owns `pending` from then on (store_call_free, or submit
 * it again after store_request_release). */
typedef void (*store_call_fn)(struct store_call *pending);

struct store_call {
    struct pl_mail mail;     /* private */
    struct pl_loop *loop;    /* private */
    struct pl_arena inputs;  /* private */
    bool is_short_of_memory; /* private */
    struct call_slots *slot; /* private */
    store_call_fn on_done;
    store_call_fn reply;      /* unary.c's */
    parley_server_call *call; /* NULL: gone; kept true by whoever made it */
    struct pl_list node;      /* the owner's */
    bool is_done;             /* it is back: between a submit and on_done it is the store's */
    union {
        struct store_request request;
        struct store_append append;
        struct store_create create;
        struct store_change_members change;
        struct store_set_retention retention;
        struct store_read read;
        struct store_get get;
        struct store_list_conversations conversations;
        struct store_list_members members;
    } store; /* zeroed; fill the inputs of one, read its results */
};

/* @param input_bytes  how much will be kept: an estimate. @return owned, or NULL: no memory */
struct store_call *store_call_new(parley_server_call *call, size_t input_bytes,
                                  store_call_fn on_done);
/* Copy an input, with a NUL after it. Without memory it is the submit that fails. */
struct store_bytes store_call_keep(struct store_call *pending, const void *data, size_t len);
struct store_bytes store_call_keep_text(struct store_call *pending, const char *text);
/* Copy a list of ids. */
const struct store_bytes *store_call_keep_ids(struct store_call *pending, char *const *ids,
                                              size_t count);
/* What the ids of a list take, for store_call_new. */
size_t store_call_ids_bytes(char *const *ids, size_t count);

void store_call_submit(struct store_call *pending, struct store *store, enum store_op op);
/* The call is gone before the store is done: its slot is taken until then. Of the requests of one
 * call one only, since a call has one slot. */
void store_call_orphan(struct store_call *pending);
void store_call_free(struct store_call *pending); /* not between submit and on_done; NULL is fine */

#endif /* PARLEY_CHAT_STORE_CALL_H */
