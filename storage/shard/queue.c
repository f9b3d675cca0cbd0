/* SPDX-License-Identifier: Apache-2.0 */
/* The queue between whoever submits and a shard's threads; see queue.h. A busy taker is not
 * signalled: it looks again by itself when it is through. */
#include "shard/queue.h"

#include "shard/engine.h"

#include "base/metric.h"
#include "store/store.h"

void shard_queue_init(struct shard_queue *queue, size_t bytes_max, struct pl_metric *gauge)
{
    *queue = (struct shard_queue){.bytes_max = bytes_max, .gauge = gauge};
    queue->tail = &queue->head;
    /* Default attributes: these cannot fail on Linux. */
    (void)pthread_mutex_init(&queue->mutex, NULL);
    (void)pthread_cond_init(&queue->ready, NULL);
}

void shard_queue_deinit(struct shard_queue *queue)
{
    (void)pthread_cond_destroy(&queue->ready);
    (void)pthread_mutex_destroy(&queue->mutex);
}

static void account(struct shard_queue *queue, size_t bytes)
{
    queue->bytes += bytes;
    if (queue->gauge != NULL) {
        pl_metric_add(queue->gauge, (int64_t)bytes);
    }
}

/* Woken under the lock: what was pushed may be what lets the store be closed, and once the lock is
 * released the queue may be gone. */
static void unlock_and_wake(struct shard_queue *queue)
{
    if (queue->sleepers > 0) {
        (void)pthread_cond_signal(&queue->ready);
    }
    (void)pthread_mutex_unlock(&queue->mutex);
}

static void append(struct shard_queue *queue, struct store_request *request, size_t bytes)
{
    request->next = NULL;
    *queue->tail = request;
    queue->tail = &request->next;
    account(queue, bytes);
}

bool shard_queue_push(struct shard_queue *queue, struct store_request *request, size_t bytes)
{
    (void)pthread_mutex_lock(&queue->mutex);
    if (queue->bytes > 0 &&
        (queue->bytes >= queue->bytes_max || bytes > queue->bytes_max - queue->bytes)) {
        (void)pthread_mutex_unlock(&queue->mutex);
        return false;
    }
    append(queue, request, bytes);
    unlock_and_wake(queue);
    return true;
}

void shard_queue_push_always(struct shard_queue *queue, struct store_request *request, size_t bytes)
{
    (void)pthread_mutex_lock(&queue->mutex);
    append(queue, request, bytes);
    unlock_and_wake(queue);
}

void shard_queue_push_front(struct shard_queue *queue, struct store_request *request)
{
    (void)pthread_mutex_lock(&queue->mutex);
    request->next = queue->head;
    if (queue->head == NULL) {
        queue->tail = &request->next;
    }
    queue->head = request;
    unlock_and_wake(queue);
}

/* With the lock held: until there is something, or nothing will come. */
static void wait_for_work(struct shard_queue *queue)
{
    while (queue->head == NULL && !queue->is_closed) {
        queue->sleepers++;
        (void)pthread_cond_wait(&queue->ready, &queue->mutex);
        queue->sleepers--;
    }
}

struct store_request *shard_queue_take_all(struct shard_queue *queue)
{
    (void)pthread_mutex_lock(&queue->mutex);
    wait_for_work(queue);
    struct store_request *list = queue->head;
    queue->head = NULL;
    queue->tail = &queue->head;
    (void)pthread_mutex_unlock(&queue->mutex);
    return list;
}

struct store_request *shard_queue_take_one(struct shard_queue *queue)
{
    (void)pthread_mutex_lock(&queue->mutex);
    wait_for_work(queue);
    struct store_request *first = queue->head;
    if (first != NULL) {
        queue->head = first->next;
        if (queue->head == NULL) {
            queue->tail = &queue->head;
        }
        first->next = NULL;
    }
    (void)pthread_mutex_unlock(&queue->mutex);
    return first;
}

void shard_queue_release(struct shard_queue *queue, size_t bytes)
{
    (void)pthread_mutex_lock(&queue->mutex);
    queue->bytes -= bytes;
    (void)pthread_mutex_unlock(&queue->mutex);
    if (queue->gauge != NULL) {
        pl_metric_add(queue->gauge, -(int64_t)bytes);
    }
}

void shard_queue_close(struct shard_queue *queue)
{
    (void)pthread_mutex_lock(&queue->mutex);
    queue->is_closed = true;
    (void)pthread_cond_broadcast(&queue->ready);
    (void)pthread_mutex_unlock(&queue->mutex);
}

size_t shard_queue_cut(struct store_request **list, struct store_request **out, size_t rows_max,
                       size_t bytes_max, size_t *bytes)
{
    size_t count = 0;
    *bytes = 0;
    while (*list != NULL && count < rows_max) {
        size_t charge = shard_request_bytes(*list);
        if (count > 0 && *bytes + charge > bytes_max) {
            break;
        }
        *bytes += charge;
        out[count++] = *list;
        *list = (*list)->next;
    }
    return count;
}

static size_t append_bytes(const struct store_append *append)
{
    return sizeof(*append) + append->conversation_id.len + append->sender.len +
           append->client_message_id.len + append->content_type.len + append->body.len;
}

static size_t list_bytes(const struct store_bytes *list, size_t count)
{
    size_t sum = count * sizeof(*list);
    for (size_t i = 0; i < count; i++) {
        sum += list[i].len;
    }
    return sum;
}

size_t shard_request_bytes(const struct store_request *request)
{
    switch ((int)request->op) {
    case STORE_OP_APPEND:
        return append_bytes((const struct store_append *)request);
    case STORE_OP_CREATE: {
        const struct store_create *create = (const struct store_create *)request;
        return sizeof(*create) + create->title.len +
               list_bytes(create->members, create->member_count);
    }
    case STORE_OP_CHANGE_MEMBERS: {
        const struct store_change_members *change = (const struct store_change_members *)request;
        return sizeof(*change) + list_bytes(change->users, change->user_count);
    }
    case SHARD_OP_LINK: {
        const struct shard_link_request *link = (const struct shard_link_request *)request;
        return sizeof(*link) + link->count * sizeof(*link->links);
    }
    case SHARD_OP_LOOKUP: {
        const struct shard_lookup_request *lookup = (const struct shard_lookup_request *)request;
        return sizeof(*lookup) + lookup->count * sizeof(struct store_conversation);
    }
    default:
        return sizeof(struct store_read) + 3U * 64U;
    }
}
