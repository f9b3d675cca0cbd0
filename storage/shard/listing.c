/* SPDX-License-Identifier: Apache-2.0 */
/* A user's conversations: their ids come from the user's shard, what is known of them from the
 * shards they live on. One job per request. */
#include "shard/executor_impl.h"

#include "shard/metrics.h"

#include "base/mem.h"

struct job {
    struct store_list_conversations *outer; /* the caller's */
    struct store_list_conversations inner;  /* ids from the user's shard */
    struct store_conversation *page;        /* in the arena of `inner`, as the rest */
    struct shard_lookups lookups;           /* of the page */
};

static void free_job(struct job *job)
{
    shard_lookups_deinit(&job->lookups);
    pl_arena_deinit(&job->inner.request.arena);
    pl_free(job);
}

static void end_job(struct job *job, const struct pl_error *error)
{
    struct shard_store *store = job->lookups.store;
    struct store_list_conversations *outer = job->outer;
    outer->request.error = *error;
    free_job(job);
    shard_store_finish(store, &outer->request);
}

static void fail_memory(struct job *job)
{
    struct pl_error error = PL_ERROR_INIT;
    pl_fail(&error, PARLEY_UNAVAILABLE, "no memory for a list of conversations");
    end_job(job, &error);
}

static bool start_page(struct job *job)
{
    struct shard *shard = shard_find(job->lookups.store, job->inner.user);
    return shard_queue_push(&shard->reads, &job->inner.request,
                            shard_request_bytes(&job->inner.request));
}

static bool keep(struct pl_arena *arena, struct store_bytes *bytes)
{
    bytes->data = pl_arena_strndup(arena, bytes->len == 0 ? "" : bytes->data, bytes->len);
    return bytes->data != NULL;
}

/* Copy into the caller's arena what its user may see. */
static bool give_page(struct job *job)
{
    struct pl_arena *arena = &job->outer->request.arena;
    size_t count = job->inner.count;
    struct store_conversation *out = pl_arena_alloc(arena, (count + 1) * sizeof(*out));
    if (out == NULL) {
        return false;
    }
    size_t given = 0;
    for (size_t i = 0; i < count; i++) {
        if (job->page[i].role == STORE_ROLE_NONE) {
            continue;
        }
        out[given] = job->page[i];
        if (!keep(arena, &out[given].id) || !keep(arena, &out[given].title) ||
            !keep(arena, &out[given].created_by)) {
            return false;
        }
        given++;
    }
    job->outer->conversations = out;
    job->outer->count = given;
    job->outer->has_more = job->inner.has_more;
    return true;
}

/* Every id of this page was of a conversation that the user has just left: an empty page would give
 * the caller no place to go on from. */
static void next_page(struct job *job)
{
    struct store_bytes last = job->page[job->inner.count - 1].id;
    struct pl_arena *arena = &job->outer->request.arena;
    if (!keep(arena, &last)) {
        fail_memory(job);
        return;
    }
    shard_lookups_deinit(&job->lookups);
    pl_arena_reset(&job->inner.request.arena);
    job->inner.after = last;
    if (!start_page(job)) {
        fail_memory(job);
    }
}

static void finish_page(struct shard_lookups *lookups)
{
    struct job *job = PL_CONTAINER_OF(lookups, struct job, lookups);
    for (unsigned i = 0; i < job->lookups.store->options.shards; i++) {
        const struct pl_error *error = &lookups->of[i].lookup.request.error;
        if (error->code != PARLEY_OK) {
            struct pl_error copy = *error;
            end_job(job, &copy);
            return;
        }
    }
    if (!give_page(job)) {
        fail_memory(job);
    } else if (job->outer->count == 0 && job->inner.has_more) {
        next_page(job);
    } else {
        struct pl_error none = PL_ERROR_INIT;
        end_job(job, &none);
    }
}

static bool plan(struct job *job)
{
    size_t count = job->inner.count;
    struct pl_arena *arena = &job->inner.request.arena;
    job->page = pl_arena_calloc(arena, (count + 1) * sizeof(*job->page));
    if (job->page == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        job->page[i].id = job->inner.conversations[i].id;
    }
    return shard_lookups_init(&job->lookups, arena, job->inner.user, job->page, count);
}

void shard_list_continue(struct shard *shard, struct shard_reader *reader,
                         struct store_request *inner)
{
    struct job *job = PL_CONTAINER_OF(inner, struct job, inner.request);
    if (inner->error.code != PARLEY_OK) {
        struct pl_error copy = inner->error;
        end_job(job, &copy);
    } else if (!plan(job)) {
        fail_memory(job);
    } else {
        shard_lookups_start(&job->lookups, shard, reader);
    }
}

static void unused_done(struct store_request *request)
{
    (void)request; /* `inner` goes to shard_list_continue */
}

void shard_list_submit(struct shard_store *store, struct store_list_conversations *request)
{
    struct shard *shard = shard_find(store, request->user);
    struct job *job = pl_calloc(1, sizeof(*job));
    if (job != NULL) {
        job->outer = request;
        job->lookups.store = store;
        job->lookups.done = finish_page;
        job->inner.request.op = STORE_OP_LIST_CONVERSATIONS;
        job->inner.request.done = unused_done;
        job->inner.user = request->user;
        job->inner.after = request->after;
        job->inner.limit = request->limit;
        pl_arena_init(&job->inner.request.arena, NULL, 0, 0);
        if (start_page(job)) {
            return;
        }
        free_job(job);
    }
    pl_metric_add(&shard_metric_rejected, 1);
    pl_fail(&request->request.error, PARLEY_UNAVAILABLE, "the queue of shard %u is full",
            shard->index);
    request->request.error.retry_after_ms = store->options.busy_retry_ms;
    shard_reject(shard, &request->request);
}
