/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of many conversations: one look-up for each shard that has some of them, all at
 * once; whoever finishes last tells. */
#include "shard/executor_impl.h"

static void settle(struct shard_lookups *lookups)
{
    if (__atomic_sub_fetch(&lookups->open, 1, __ATOMIC_ACQ_REL) == 0) {
        lookups->done(lookups);
    }
}

static void lookup_done(struct store_request *request)
{
    settle(PL_CONTAINER_OF(request, struct shard_lookup, lookup.request)->all);
}

/* Sort the conversations by shard. */
static bool plan(struct shard_lookups *lookups, struct pl_arena *arena,
                 struct store_conversation *conversations, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct shard *shard = shard_find(lookups->store, conversations[i].id);
        struct shard_lookup_request *lookup = &lookups->of[shard->index].lookup;
        if (lookup->count == 0) {
            lookup->conversations =
                pl_arena_alloc(arena, count * sizeof(struct store_conversation *));
            if (lookup->conversations == NULL) {
                return false;
            }
        }
        lookup->conversations[lookup->count++] = &conversations[i];
    }
    return true;
}

bool shard_lookups_init(struct shard_lookups *lookups, struct pl_arena *arena,
                        struct store_bytes user, struct store_conversation *conversations,
                        size_t count)
{
    unsigned shards = lookups->store->options.shards;
    lookups->of = pl_arena_calloc(arena, shards * sizeof(*lookups->of));
    if (lookups->of == NULL) {
        return false;
    }
    for (unsigned i = 0; i < shards; i++) {
        struct shard_lookup_request *lookup = &lookups->of[i].lookup;
        lookups->of[i].all = lookups;
        lookup->request.op = (enum store_op)SHARD_OP_LOOKUP;
        lookup->request.done = lookup_done;
        lookup->user = user;
        pl_arena_init(&lookup->request.arena, NULL, 0, 0);
    }
    return plan(lookups, arena, conversations, count);
}

void shard_lookups_deinit(struct shard_lookups *lookups)
{
    for (unsigned i = 0; lookups->of != NULL && i < lookups->store->options.shards; i++) {
        pl_arena_deinit(&lookups->of[i].lookup.request.arena);
    }
    lookups->of = NULL;
}

static void push(struct shard *shard, struct store_request *request, bool is_let_in)
{
    size_t bytes = shard_request_bytes(request);
    shard_store_begin(shard->owner);
    if (is_let_in) {
        shard_queue_push_always(&shard->reads, request, bytes);
    } else if (!shard_queue_push(&shard->reads, request, bytes)) {
        pl_fail(&request->error, PARLEY_UNAVAILABLE, "the queue of shard %u is full", shard->index);
        shard_reject(shard, request);
    }
}

static bool is_to_be_pushed(const struct shard_lookups *lookups, unsigned index,
                            const struct shard *here)
{
    return lookups->of[index].lookup.count > 0 && &lookups->store->shards[index] != here;
}

/* With the last one that is pushed all of it may be gone, unless this thread's own is still open.
 */
void shard_lookups_start(struct shard_lookups *lookups, const struct shard *here,
                         struct shard_reader *reader)
{
    struct shard_store *store = lookups->store;
    unsigned left = 0;
    for (unsigned i = 0; i < store->options.shards; i++) {
        left += is_to_be_pushed(lookups, i, here);
    }
    lookups->open = left + (here != NULL);
    for (unsigned i = 0; left > 0; i++) {
        if (is_to_be_pushed(lookups, i, here)) {
            left--;
            push(&store->shards[i], &lookups->of[i].lookup.request, here != NULL);
        }
    }
    if (here != NULL) {
        if (lookups->of[here->index].lookup.count > 0) {
            store->engine->ops->read(reader, &lookups->of[here->index].lookup.request);
        }
        settle(lookups);
    }
}
