/* SPDX-License-Identifier: Apache-2.0 */
/* The threads of the cache. Operations on memcached block, so they are made here and never on a
 * loop, nor on a thread of the store. What the store has answered goes first: somebody waits for
 * it, and it makes room. */
#include "cache/cache_impl.h"

#include "base/clock.h"
#include "base/cond.h"
#include "base/hash.h"

static void init_queue(struct cache_queue *queue)
{
    *queue = (struct cache_queue){.tail = &queue->head};
}

static void append(struct cache_queue *queue, struct cache_task *task)
{
    task->next = NULL;
    *queue->tail = task;
    queue->tail = &task->next;
    queue->count++;
}

static struct cache_task *take_one(struct cache_queue *queue)
{
    struct cache_task *task = queue->head;
    if (task != NULL) {
        queue->head = task->next;
        queue->count--;
        if (queue->head == NULL) {
            queue->tail = &queue->head;
        }
    }
    return task;
}

static struct cache_task *take_all(struct cache_queue *queue)
{
    struct cache_task *list = queue->head;
    init_queue(queue);
    return list;
}

/* Woken under the lock: what was handed over may be what lets the lane be freed, and once the lock
 * is released the lane may be gone. */
static void unlock_and_wake(struct cache_lane *lane)
{
    if (lane->shared.is_asleep) {
        (void)pthread_cond_signal(&lane->shared.ready);
    }
    (void)pthread_mutex_unlock(&lane->shared.mutex);
}

void cache_lane_push_write(struct cache_lane *lane, struct cache_task *task)
{
    (void)pthread_mutex_lock(&lane->shared.mutex);
    append(&lane->shared.writes, task);
    unlock_and_wake(lane);
}

void cache_lane_push_answer(struct cache_lane *lane, struct cache_task *task)
{
    (void)pthread_mutex_lock(&lane->shared.mutex);
    append(&lane->shared.answers, task);
    unlock_and_wake(lane);
}

bool cache_lane_push_read(struct cache_lane *lane, struct cache_task *task)
{
    (void)pthread_mutex_lock(&lane->shared.mutex);
    bool has_room = lane->shared.reads.count < CACHE_READS_MAX;
    if (has_room) {
        append(&lane->shared.reads, task);
    }
    unlock_and_wake(lane);
    return has_room;
}

void cache_lane_refuse(struct cache_lane *lane, struct store_request *request)
{
    (void)pthread_mutex_lock(&lane->shared.mutex);
    request->next = lane->shared.refused;
    lane->shared.refused = request;
    unlock_and_wake(lane);
}

struct cache_lane *cache_lane_of(struct store_cache *cache, struct store_bytes conversation)
{
    return &cache->lanes[pl_hash_stable(conversation.data, conversation.len) % cache->lane_count];
}

/* ---- the thread ---- */

struct work {
    struct cache_task *writes;
    struct cache_task *task;
    struct store_request *refused;
};

/* What could not be deleted is tried again soon, whether or not anybody asks: other nodes may read
 * it. */
static void rest_locked(struct cache_lane *lane)
{
    lane->shared.is_asleep = true;
    (void)pl_cond_wait_until(&lane->shared.ready, &lane->shared.mutex,
                             lane->owes ? pl_clock_deadline_ns(CACHE_TEND_MS) : INT64_MAX);
    lane->shared.is_asleep = false;
}

/* False: there is none, and there will be none. */
static bool wait_for_work(struct cache_lane *lane, struct work *work)
{
    bool has_rested = false;
    (void)pthread_mutex_lock(&lane->shared.mutex);
    for (;;) {
        work->refused = lane->shared.refused;
        lane->shared.refused = NULL;
        work->writes = take_all(&lane->shared.writes);
        work->task = take_one(&lane->shared.answers);
        if (work->task == NULL) {
            work->task = take_one(&lane->shared.reads);
        }
        bool has_work = work->writes != NULL || work->task != NULL || work->refused != NULL;
        bool must_tend = has_rested && lane->owes;
        if (has_work || must_tend || lane->shared.is_closed) {
            bool goes_on = has_work || !lane->shared.is_closed;
            (void)pthread_mutex_unlock(&lane->shared.mutex);
            return goes_on;
        }
        rest_locked(lane);
        has_rested = true;
    }
}

static void finish_refused(struct cache_lane *lane, struct store_request *request)
{
    while (request != NULL) {
        struct store_request *next = request->next;
        request->done(request);
        cache_end(lane->cache);
        request = next;
    }
}

static void tend(struct cache_lane *lane)
{
    struct cache_backend *backend = lane->cache->backend;
    lane->owes = backend->ops->tend != NULL && backend->ops->tend(backend, lane->index);
}

static void *lane_main(void *argument)
{
    struct cache_lane *lane = argument;
    struct work work;
    while (wait_for_work(lane, &work)) {
        finish_refused(lane, work.refused);
        if (work.writes != NULL) {
            cache_write_settle(work.writes);
        }
        if (work.task != NULL) {
            work.task->run(work.task);
        }
        if (lane->owes) {
            tend(lane);
        }
    }
    return NULL;
}

enum parley_code cache_lane_start(struct store_cache *cache, unsigned index, struct pl_error *err)
{
    struct cache_lane *lane = &cache->lanes[index];
    lane->cache = cache;
    lane->index = index;
    init_queue(&lane->shared.writes);
    init_queue(&lane->shared.answers);
    init_queue(&lane->shared.reads);
    (void)pthread_mutex_init(&lane->shared.mutex, NULL); /* cannot fail on Linux */
    pl_cond_init(&lane->shared.ready);
    (void)pthread_mutex_init(&lane->fence.mutex, NULL);
    lane->loads = pl_map_new();
    lane->settled = pl_map_new();
    lane->fence.flights = pl_map_new();
    if (lane->loads == NULL || lane->settled == NULL || lane->fence.flights == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for a thread of the cache");
    }
    if (pthread_create(&lane->thread, NULL, lane_main, lane) != 0) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no thread for the cache");
    }
    lane->is_started = true;
    return PARLEY_OK;
}

void cache_lane_stop(struct cache_lane *lane)
{
    if (lane->cache == NULL) {
        return; /* it was never begun */
    }
    if (lane->is_started) {
        (void)pthread_mutex_lock(&lane->shared.mutex);
        lane->shared.is_closed = true;
        unlock_and_wake(lane);
        (void)pthread_join(lane->thread, NULL);
    }
    pl_map_free(lane->loads, NULL);
    pl_map_free(lane->settled, NULL);
    pl_map_free(lane->fence.flights, NULL);
    (void)pthread_mutex_destroy(&lane->fence.mutex);
    (void)pthread_cond_destroy(&lane->shared.ready);
    (void)pthread_mutex_destroy(&lane->shared.mutex);
}
