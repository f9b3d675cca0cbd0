/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_SHARD_QUEUE_H
#define PARLEY_SHARD_QUEUE_H

/* What waits for a thread of a shard: a list of requests with a budget in bytes. The bytes of a
 * request stay on the account until they are released, so that what a thread has taken but not
 * finished counts too. @thread any, unless said otherwise */

#include "base/attr.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct store_request;
struct pl_metric;

struct shard_queue {
    pthread_mutex_t mutex;
    pthread_cond_t ready;
    struct store_request *head;
    struct store_request **tail;
    size_t bytes;
    size_t bytes_max;
    unsigned sleepers;
    bool is_closed;
    struct pl_metric *gauge; /* follows `bytes` of all queues together; may be NULL */
};

void shard_queue_init(struct shard_queue *queue, size_t bytes_max, struct pl_metric *gauge);
void shard_queue_deinit(struct shard_queue *queue);

/* False: the budget is spent. One request of any size is let into an empty queue. */
PL_MUST_CHECK bool shard_queue_push(struct shard_queue *queue, struct store_request *request,
                                    size_t bytes);
/* For what the store itself must get done. */
void shard_queue_push_always(struct shard_queue *queue, struct store_request *request,
                             size_t bytes);
/* For an answer that is ready: before all others, on nobody's account. */
void shard_queue_push_front(struct shard_queue *queue, struct store_request *request);

/* Wait; then take everything, in order of arrival. NULL: closed and empty. */
struct store_request *shard_queue_take_all(struct shard_queue *queue);
/* Wait; then take the first. NULL: closed and empty. */
struct store_request *shard_queue_take_one(struct shard_queue *queue);

void shard_queue_release(struct shard_queue *queue, size_t bytes);
/* Wake the takers; what is inside is still given out. */
void shard_queue_close(struct shard_queue *queue);

/* Cut off the head of a list that was taken: at most `rows_max` requests and, beyond the first,
 * `bytes_max` bytes by `bytes_of`. The requests go to out[0..n), *bytes gets their sum. Returns n.
 * @thread the taker */
size_t shard_queue_cut(struct store_request **list, struct store_request **out, size_t rows_max,
                       size_t bytes_max, size_t *bytes);

/* What a request is charged with: itself and all that it borrows. */
size_t shard_request_bytes(const struct store_request *request);

#endif /* PARLEY_SHARD_QUEUE_H */
