/* SPDX-License-Identifier: Apache-2.0 */
/* The heads of many conversations. */
#include "shard/executor_impl.h"

struct job {
    struct store_heads *outer;        /* the caller's; all memory of the job is in its arena, */
    struct store_conversation *found; /* but for what the engine puts in that of a look-up */
    struct shard_lookups lookups;
};

/* A shard that did not answer blinds nobody to the others; only if none answered there is no
 * answer.
 */
static void note_failures(struct job *job)
{
    size_t failed = 0;
    struct pl_error error = PL_ERROR_INIT;
    for (unsigned i = 0; i < job->lookups.store->options.shards; i++) {
        const struct shard_lookup_request *lookup = &job->lookups.of[i].lookup;
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

static void finish(struct shard_lookups *lookups)
{
    struct job *job = PL_CONTAINER_OF(lookups, struct job, lookups);
    struct shard_store *store = lookups->store;
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
    shard_lookups_deinit(lookups);
    shard_store_finish(store, &outer->request);
}

static struct job *make_job(struct shard_store *store, struct store_heads *request)
{
    struct pl_arena *arena = &request->request.arena;
    const struct store_bytes nobody = {"", 0};
    struct job *job = pl_arena_calloc(arena, sizeof(*job));
    if (job == NULL) {
        return NULL;
    }
    job->outer = request;
    job->lookups.store = store;
    job->lookups.done = finish;
    job->found = pl_arena_calloc(arena, request->count * sizeof(*job->found));
    if (job->found == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < request->count; i++) {
        job->found[i].id = request->ids[i];
    }
    bool is_made = shard_lookups_init(&job->lookups, arena, nobody, job->found, request->count);
    return is_made ? job : NULL;
}

void shard_heads_submit(struct shard_store *store, struct store_heads *request)
{
    struct job *job = make_job(store, request);
    if (job == NULL) {
        pl_fail(&request->request.error, PARLEY_UNAVAILABLE, "no memory for the heads");
        shard_reject(&store->shards[0], &request->request);
        return;
    }
    shard_lookups_start(&job->lookups, NULL, NULL);
}
