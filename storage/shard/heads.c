/* SPDX-License-Identifier: Apache-2.0 */
/* The heads of many conversations: one lookup for each shard that has some of them, all at once;
 * whoever finishes last answers. */
#include "shard/executor_impl.h"

#include "base/mem.h"

struct job;

struct lookup {
    struct shard_lookup_request lookup;
    struct job *job;
};

struct job {
    struct shard_store *store;
    struct store_heads *outer;        /* the caller's; all memory of the job is in its arena, */
    struct store_conversation *found; /* but for what the engine puts in that of a lookup */
    unsigned open;                    /* atomic: lookups not done, and one while they start */
    struct lookup lookups[];
};

static void free_lookups(struct job *job)
{
    for (unsigned i = 0; i < job->store->options.shards; i++) {
        pl_arena_deinit(&job->lookups[i].lookup.request.arena);
    }
}

/* A shard that did not answer blinds nobody to the others; only if none answered there is no
 * answer.
 */
static void note_failures(struct job *job)
{
    size_t failed = 0;
    struct pl_error error = PL_ERROR_INIT;
    for (unsigned i = 0; i < job->store->options.shards; i++) {
        const struct shard_lookup_request *lookup = &job->lookups[i].lookup;
        if (lookup->request.error.code == PARLEY_OK) {
            continue;
        }
        error = lookup->request.error;
        failed += lookup->count;
        for (size_t j = 0; j < lookup->count; j++) {
            lookup->conversations[j]->head_seq = STORE_HEAD_UNKNOWN;
        }
    }
    if (failed == job->outer->count) {
        job->outer->request.error = error;
    }
}

static void finish(struct job *job)
{
    struct shard_store *store = job->store;
    struct store_heads *outer = job->outer;
    int64_t *heads = pl_arena_alloc(&outer->request.arena, outer->count * sizeof(*heads));
    note_failures(job);
    for (size_t i = 0; heads != NULL && i < outer->count; i++) {
        heads[i] = job->found[i].head_seq;
    }
    outer->head_seqs = heads;
    if (heads == NULL) {
        pl_fail(&outer->request.error, PARLEY_UNAVAILABLE, "no memory for the heads");
    }
    free_lookups(job);
    shard_store_finish(store, &outer->request);
}

static void settle(struct job *job)
{
    if (__atomic_sub_fetch(&job->open, 1, __ATOMIC_ACQ_REL) == 0) {
        finish(job);
    }
}

static void lookup_done(struct store_request *request)
{
    settle(PL_CONTAINER_OF(request, struct lookup, lookup.request)->job);
}

/* Sort the ids by shard. */
static bool plan(struct job *job, struct pl_arena *arena)
{
    struct store_heads *outer = job->outer;
    job->found = pl_arena_calloc(arena, (outer->count + 1) * sizeof(*job->found));
    if (job->found == NULL) {
        return false;
    }
    for (size_t i = 0; i < outer->count; i++) {
        job->found[i].id = outer->ids[i];
        struct shard *shard = shard_find(job->store, outer->ids[i]);
        struct shard_lookup_request *lookup = &job->lookups[shard->index].lookup;
        if (lookup->count == 0) {
            job->open++;
            lookup->conversations =
                pl_arena_alloc(arena, outer->count * sizeof(struct store_conversation *));
        }
        if (lookup->conversations == NULL) {
            return false;
        }
        lookup->conversations[lookup->count++] = &job->found[i];
    }
    return true;
}

static struct job *make_job(struct shard_store *store, struct store_heads *request)
{
    struct pl_arena *arena = &request->request.arena;
    unsigned shards = store->options.shards;
    struct job *job = pl_arena_calloc(arena, sizeof(*job) + shards * sizeof(struct lookup));
    if (job == NULL) {
        return NULL;
    }
    job->store = store;
    job->outer = request;
    for (unsigned i = 0; i < shards; i++) {
        struct shard_lookup_request *lookup = &job->lookups[i].lookup;
        job->lookups[i].job = job;
        lookup->request.op = (enum store_op)SHARD_OP_LOOKUP;
        lookup->request.done = lookup_done;
        pl_arena_init(&lookup->request.arena, NULL, 0, 0);
    }
    return plan(job, arena) ? job : NULL;
}

/* A queue that is full turns its lookup away. */
static void start(struct shard_store *store, unsigned index, struct store_request *request)
{
    struct shard *shard = &store->shards[index];
    shard_store_begin(store);
    if (!shard_queue_push(&shard->reads, request, shard_request_bytes(request))) {
        pl_fail(&request->error, PARLEY_UNAVAILABLE, "the queue of shard %u is full", index);
        shard_reject(shard, request);
    }
}

void shard_heads_submit(struct shard_store *store, struct store_heads *request)
{
    struct job *job = make_job(store, request);
    if (job == NULL) {
        pl_fail(&request->request.error, PARLEY_UNAVAILABLE, "no memory for the heads");
        shard_reject(&store->shards[0], &request->request);
        return;
    }
    /* The job may be gone as soon as the last lookup has started. */
    unsigned left = job->open;
    for (unsigned i = 0; left > 0; i++) {
        if (job->lookups[i].lookup.count > 0) {
            left--;
            start(store, i, &job->lookups[i].lookup.request);
        }
    }
}
