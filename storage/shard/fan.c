/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps the index of each user's conversations, which lives on the user's shard, in step with the
 * members of conversations on other shards.
 *
 * The conversation's shard writes what has to change into its outbox, in the transaction that
 * changes it. Here the links go, per shard, to the users' writers; the request that caused them
 * completes after, so that an answer means that lists show it. Then the outbox rows are dropped,
 * for which nobody waits. Links of one shard reach another in commit order: a queue is FIFO and has
 * one taker. If one cannot be applied, the requests fail as retryable, the rows stay, and the next
 * membership request of the shard (or the next start) applies all of them again. A membership
 * request that comes while links are under way does the same: it may be the repeat of one that is
 * not answered yet, and its own answer, too, means that lists show it. */
#include "shard/executor_impl.h"

#include "base/log.h"
#include "base/mem.h"

struct fan;

struct target {
    struct shard_link_request link;
    struct shard_link *copies; /* what link.links points to */
    size_t room;
    struct fan *fan;
};

struct fan {
    struct shard *shard;
    struct pl_arena arena;
    struct store_request *waiting;
    struct store_request **waiting_tail;
    size_t bytes;    /* what the waiting hold of the queue's budget */
    unsigned open;   /* atomic: targets not applied yet, and one while they are sent out */
    bool has_failed; /* atomic */
    struct shard_forget_request forget;
    struct target targets[]; /* one for each shard */
};

static void free_fan(struct store_request *request)
{
    struct fan *fan = PL_CONTAINER_OF(request, struct fan, forget.request);
    pl_arena_deinit(&fan->arena);
    pl_free(fan);
}

static void fail_waiting(struct store_request *request, struct shard *shard)
{
    pl_fail(&request->error, PARLEY_UNAVAILABLE,
            "committed on shard %u, but the members' lists could not be brought up to date",
            shard->index);
    request->error.retry_after_ms = shard->owner->options.busy_retry_ms;
}

static void complete(struct fan *fan)
{
    struct shard *shard = fan->shard;
    bool has_failed = __atomic_load_n(&fan->has_failed, __ATOMIC_ACQUIRE);
    if (has_failed) {
        __atomic_store_n(&shard->must_resync, true, __ATOMIC_RELEASE); /* before it ends */
        pl_log_warn("STORE_LINKS_FAILED", NULL, "shard=%u rows=%lld..%lld", shard->index,
                    (long long)fan->forget.first, (long long)fan->forget.last);
    }
    __atomic_sub_fetch(&shard->fans_open, 1, __ATOMIC_ACQ_REL);
    shard_queue_release(&shard->writes, fan->bytes);
    for (struct store_request *request = fan->waiting; request != NULL;) {
        struct store_request *next = request->next;
        if (has_failed) {
            fail_waiting(request, shard);
        }
        shard_store_finish(shard->owner, request);
        request = next;
    }
    if (has_failed) {
        free_fan(&fan->forget.request);
        shard_store_end(shard->owner);
        return;
    }
    fan->forget.request.op = (enum store_op)SHARD_OP_FORGET;
    fan->forget.request.done = free_fan;
    shard_queue_push_always(&shard->writes, &fan->forget.request,
                            shard_request_bytes(&fan->forget.request));
}

static void settle(struct fan *fan)
{
    if (__atomic_sub_fetch(&fan->open, 1, __ATOMIC_ACQ_REL) == 0) {
        complete(fan);
    }
}

static void target_done(struct store_request *request)
{
    struct target *target = PL_CONTAINER_OF(request, struct target, link.request);
    if (request->error.code != PARLEY_OK) {
        __atomic_store_n(&target->fan->has_failed, true, __ATOMIC_RELEASE);
    }
    settle(target->fan);
}

/* The batch's own memory is gone when the writer goes on: copy. */
static bool copy_bytes(struct pl_arena *arena, struct store_bytes *bytes)
{
    bytes->data = pl_arena_memdup(arena, bytes->data, bytes->len);
    return bytes->data != NULL;
}

static struct target *find_target(struct fan *fan, const struct shard_link *link)
{
    return &fan->targets[shard_find(fan->shard->owner, link->user)->index];
}

/* Sort the links by the shard of their users: count, make room, copy. */
static bool fill_targets(struct fan *fan, const struct shard_batch *batch)
{
    for (size_t i = 0; i < batch->link_count; i++) {
        find_target(fan, &batch->links[i])->room++;
    }
    for (unsigned i = 0; i < fan->shard->owner->options.shards; i++) {
        struct target *target = &fan->targets[i];
        target->copies = pl_arena_alloc(&fan->arena, target->room * sizeof(*target->copies));
        target->link.links = target->copies;
        if (target->copies == NULL) {
            return false;
        }
    }
    for (size_t i = 0; i < batch->link_count; i++) {
        struct target *target = find_target(fan, &batch->links[i]);
        struct shard_link *copy = &target->copies[target->link.count++];
        *copy = batch->links[i];
        if (!copy_bytes(&fan->arena, &copy->user) ||
            !copy_bytes(&fan->arena, &copy->conversation_id)) {
            return false;
        }
    }
    return true;
}

static struct fan *make_fan(struct shard *shard, const struct shard_batch *batch)
{
    unsigned shards = shard->owner->options.shards;
    struct fan *fan = pl_calloc(1, sizeof(*fan) + shards * sizeof(struct target));
    if (fan == NULL) {
        return NULL;
    }
    fan->shard = shard;
    fan->waiting_tail = &fan->waiting;
    fan->forget.first = batch->links_first;
    fan->forget.last = batch->links_last;
    fan->open = 1;
    pl_arena_init(&fan->arena, NULL, 0, 0);
    for (unsigned i = 0; i < shards; i++) {
        fan->targets[i].fan = fan;
        fan->targets[i].link.request.op = (enum store_op)SHARD_OP_LINK;
        fan->targets[i].link.request.done = target_done;
    }
    if (!fill_targets(fan, batch)) {
        free_fan(&fan->forget.request);
        return NULL;
    }
    return fan;
}

static void fail_without_memory(struct shard *shard, struct shard_batch *batch)
{
    __atomic_store_n(&shard->must_resync, true, __ATOMIC_RELEASE);
    for (size_t i = 0; i < batch->count; i++) {
        if (shard_is_membership(batch->requests[i]) &&
            batch->requests[i]->error.code == PARLEY_OK) {
            fail_waiting(batch->requests[i], shard);
        }
    }
}

size_t shard_fan_out(struct shard *shard, struct shard_batch *batch, size_t bytes)
{
    struct fan *fan = make_fan(shard, batch);
    if (fan == NULL) {
        fail_without_memory(shard, batch);
        return bytes;
    }
    for (size_t i = 0; i < batch->count; i++) {
        struct store_request *request = batch->requests[i];
        if (!shard_is_membership(request) || request->error.code != PARLEY_OK) {
            continue;
        }
        fan->bytes += shard_request_bytes(request);
        request->next = NULL;
        *fan->waiting_tail = request;
        fan->waiting_tail = &request->next;
        batch->requests[i] = NULL;
    }
    bytes -= fan->bytes;
    __atomic_add_fetch(&shard->fans_open, 1, __ATOMIC_ACQ_REL);
    shard_store_begin(shard->owner); /* the fan itself; ends with `forget` */
    for (unsigned i = 0; i < shard->owner->options.shards; i++) {
        struct shard_link_request *link = &fan->targets[i].link;
        if (link->count > 0) {
            __atomic_add_fetch(&fan->open, 1, __ATOMIC_ACQ_REL);
            shard_store_begin(shard->owner);
            shard_queue_push_always(&shard->owner->shards[i].writes, &link->request,
                                    shard_request_bytes(&link->request));
        }
    }
    settle(fan);
    return bytes;
}
