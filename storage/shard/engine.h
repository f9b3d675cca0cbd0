/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_SHARD_ENGINE_H
#define PARLEY_SHARD_ENGINE_H

/* What a database must provide to stand under the executor: writers that take batches and readers
 * that answer one request at a time. A writer or reader is used by one thread at a time; a shard
 * may have several of each.
 *
 * An engine routes nothing and starts no thread. It reports per request in request->error; OK means
 * that the transaction of the request has committed. */

#include "store/store.h"

struct shard_writer; /* the engine's own */
struct shard_reader; /* the engine's own */
struct shard_engine;
struct shard_routes;

/* Requests that only the executor makes; beside enum store_op. */
enum shard_op {
    SHARD_OP_FIRST = 100,
    SHARD_OP_LINK = SHARD_OP_FIRST, /* struct shard_link_request, to a writer */
    SHARD_OP_FORGET,                /* struct shard_forget_request, to a writer */
    SHARD_OP_RESYNC,                /* a bare store_request, to a writer: only batch->resync */
    SHARD_OP_LOOKUP,                /* struct shard_lookup_request, to a reader */
};

/* That a user is, or is no longer, a member: what the index on the user's shard has to learn. */
struct shard_link {
    struct store_bytes user;
    struct store_bytes conversation_id;
    bool is_member;
    int64_t version; /* seq of the change, if several nodes write: an older one never wins */
};

/* Apply links to the users' index of this shard; doing it twice is harmless. */
struct shard_link_request {
    struct store_request request;
    const struct shard_link *links;
    size_t count;
};

/* Drop outbox rows first..last: their links have been applied. */
struct shard_forget_request {
    struct store_request request;
    int64_t first;
    int64_t last;
};

/* Fill conversations[i], zeroed but for its id, which is the caller's; their order is the engine's.
 * `user` given: role NONE if it is not there or the user is no member. Not given: nothing but its
 * head_seq, which stays 0 if it is not there. */
struct shard_lookup_request {
    struct store_request request;
    struct store_bytes user;
    struct store_conversation **conversations;
    size_t count;
};

/* One call of write_batch. */
struct shard_batch {
    struct store_request **requests; /* in the order of submission */
    size_t count;
    bool resync; /* report all that is in the outbox, not only what this batch adds */

    /* Results, valid until the writer's next batch. */
    bool is_committed; /* false: nothing of the batch was kept */
    /* `resync` was asked for, and `links` is all that is in the outbox. False: they are its
     * beginning, if it is too long for one round, or nothing; and what asks for a membership has
     * failed. */
    bool is_resynced;
    const struct store_commit *commits;
    size_t commit_count;
    const struct shard_link *links; /* for users of other shards */
    size_t link_count;
    int64_t links_first; /* their outbox rows */
    int64_t links_last;
};

struct shard_engine_ops {
    PL_MUST_CHECK enum parley_code (*open_writer)(struct shard_engine *engine, unsigned shard,
                                                  struct shard_writer **writer,
                                                  struct pl_error *err);
    PL_MUST_CHECK enum parley_code (*open_reader)(struct shard_engine *engine, unsigned shard,
                                                  struct shard_reader **reader,
                                                  struct pl_error *err);
    void (*write_batch)(struct shard_writer *writer, struct shard_batch *batch);
    /* For STORE_OP_LIST_CONVERSATIONS: only the ids and has_more; the executor asks for the rest.
     */
    void (*read)(struct shard_reader *reader, struct store_request *request);
    void (*close_writer)(struct shard_writer *writer);
    void (*close_reader)(struct shard_reader *reader);
    void (*close)(struct shard_engine *engine); /* after all writers and readers */
};

struct shard_engine {
    const struct shard_engine_ops *ops;
    /* NULL: buckets stay where shard_of() puts them. A write that comes where its bucket is no
     * more fails as UNAVAILABLE; a read that fails so, while the route has changed, is asked again
     * where the bucket is now. */
    const struct shard_routes *routes;
};

#endif /* PARLEY_SHARD_ENGINE_H */
