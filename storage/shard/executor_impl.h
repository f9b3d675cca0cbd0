/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_SHARD_EXECUTOR_IMPL_H
#define PARLEY_SHARD_EXECUTOR_IMPL_H

/* What the files of the executor share: executor.c (threads, batches), fan.c (links to other
 * shards), lookup.c (many conversations at once, which live in many shards), listing.c (those of a
 * user), heads.c (their heads). */

#include "shard/executor.h"
#include "shard/queue.h"

#include <pthread.h>

struct shard_store;

struct shard {
    struct shard_store *owner;
    unsigned index;
    struct shard_queue writes;
    struct shard_queue reads;
    struct shard_writer *writer;
    struct shard_reader **readers;
    pthread_t writer_thread;
    pthread_t *reader_threads;
    unsigned threads_started;     /* the writer first, then readers */
    struct store_request **batch; /* writer thread: batch_rows_max */
    bool must_resync;             /* atomic: links were committed that could not be applied */
    unsigned fans_open;           /* atomic: transactions whose links are not applied yet */
};

struct shard_store {
    struct store store; /* first */
    struct shard_engine *engine;
    struct shard_options options;
    struct store_listener listener;
    struct shard *shards;
    size_t pending;  /* atomic: submitted, not done */
    bool is_closing; /* atomic */
    pthread_mutex_t idle_mutex;
    pthread_cond_t idle;
};

/* The shard that an id belongs to. */
struct shard *shard_find(struct shard_store *store, struct store_bytes id);

/* Account for work of the store's own that close must wait for. */
void shard_store_begin(struct shard_store *store);
void shard_store_end(struct shard_store *store);
/* Hand a request back to its owner; after it the request may be gone. */
void shard_store_finish(struct shard_store *store, struct store_request *request);

/* Hand a request back from a thread of the store, with the error that it carries. */
void shard_reject(struct shard *shard, struct store_request *request);

/* Carry a batch's links to the users' shards; the membership requests that committed in it
 * complete when that is done. They leave the batch: their places become NULL. `bytes`: what these
 * requests hold of the queue's budget; returns what is still the caller's to release.
 * @thread the shard's writer */
size_t shard_fan_out(struct shard *shard, struct shard_batch *batch, size_t bytes);

/* @thread any */
void shard_list_submit(struct shard_store *store, struct store_list_conversations *request);
/* Second half, after the engine gave the ids. @thread a reader of the shard */
void shard_list_continue(struct shard *shard, struct shard_reader *reader,
                         struct store_request *inner);

struct shard_lookups;

/* What one shard is asked for. */
struct shard_lookup {
    struct shard_lookup_request lookup;
    struct shard_lookups *all;
};

/* What is known of many conversations, from all shards at once. */
struct shard_lookups {
    struct shard_store *store;
    void (*done)(struct shard_lookups *lookups); /* on the thread of whoever finishes last */
    unsigned open;           /* atomic: look-ups not done, and one while `here` starts them */
    struct shard_lookup *of; /* each shard; NULL: nothing to deinit */
};

/* `store` and `done` are set. False: no memory; deinit is fine.
 * @param arena, conversations  keep: until deinit; all but what the engines give is in the arena */
PL_MUST_CHECK bool shard_lookups_init(struct shard_lookups *lookups, struct pl_arena *arena,
                                      struct store_bytes user,
                                      struct store_conversation *conversations, size_t count);
void shard_lookups_deinit(struct shard_lookups *lookups);
/* `done` may come before this returns; on the calling thread only if it is `here`'s reader.
 * @param here, reader  the shard whose reader calls, for a request that was let in: it is asked at
 * once, and no queue is too full for the others. NULL: a queue that is full refuses its look-up. */
void shard_lookups_start(struct shard_lookups *lookups, const struct shard *here,
                         struct shard_reader *reader);

/* Ask the shards for the heads of many conversations. @thread any */
void shard_heads_submit(struct shard_store *store, struct store_heads *request);

/* Whether a request keeps the limits of the port; the field at fault is in request->error. */
enum parley_code shard_check(struct store_request *request);

/* True: the request asks for, or depends on, a change of membership. */
static inline bool shard_is_membership(const struct store_request *request)
{
    return request->op == STORE_OP_CREATE || request->op == STORE_OP_CHANGE_MEMBERS ||
           (int)request->op == SHARD_OP_RESYNC;
}

#endif /* PARLEY_SHARD_EXECUTOR_IMPL_H */
