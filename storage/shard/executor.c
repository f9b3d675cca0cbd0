/* SPDX-License-Identifier: Apache-2.0 */
/* Threads and batches of a sharded store; see executor.h.
 *
 * Per shard one writer thread takes whatever has been queued while its last transaction ran: an
 * idle store commits at once, a busy one batches by itself, and there is no timer. Reads have their
 * own queue and threads. Nothing here knows a database. */
#include "shard/executor.h"

#include "shard/executor_impl.h"
#include "shard/metrics.h"
#include "shard/route.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>

static struct shard *find_bucket(struct shard_store *store, unsigned bucket)
{
    const struct shard_routes *routes = store->engine->routes;
    return &store->shards[routes == NULL ? shard_of_bucket(bucket, store->options.shards)
                                         : shard_routes_find(routes, bucket)];
}

struct shard *shard_find(struct shard_store *store, struct store_bytes id)
{
    return find_bucket(store, shard_bucket(id.data, id.len));
}

void shard_store_begin(struct shard_store *store)
{
    __atomic_add_fetch(&store->pending, 1, __ATOMIC_SEQ_CST);
}

/* Whoever brings the count to zero while the store is closing wakes it. Close sets its flag before
 * it looks at the count, so that one of the two always sees the other. */
void shard_store_end(struct shard_store *store)
{
    if (__atomic_sub_fetch(&store->pending, 1, __ATOMIC_SEQ_CST) == 0 &&
        __atomic_load_n(&store->is_closing, __ATOMIC_SEQ_CST)) {
        (void)pthread_mutex_lock(&store->idle_mutex);
        (void)pthread_cond_broadcast(&store->idle);
        (void)pthread_mutex_unlock(&store->idle_mutex);
    }
}

static bool is_our_fault(enum parley_code code)
{
    return code == PARLEY_UNAVAILABLE || code == PARLEY_INTERNAL || code == PARLEY_DATA_LOSS ||
           code == PARLEY_RESOURCE_EXHAUSTED;
}

void shard_store_finish(struct shard_store *store, struct store_request *request)
{
    if (PL_UNLIKELY(is_our_fault(request->error.code))) {
        pl_metric_add(&shard_metric_errors, 1);
    }
    request->done(request);
    shard_store_end(store);
}

void shard_reject(struct shard *shard, struct store_request *request)
{
    shard_queue_push_front(&shard->reads, request);
}

/* ---- submitting, on any thread ---- */

static struct store_bytes routing_key(const struct store_request *request)
{
    return request->op == STORE_OP_LIST_CONVERSATIONS
               ? ((const struct store_list_conversations *)request)->user
               : store_request_conversation(request);
}

static struct shard *find_shard(struct shard_store *store, const struct store_request *request)
{
    if (request->op == STORE_OP_LIST_EXPIRED) {
        return find_bucket(store, ((const struct store_list_expired *)request)->bucket);
    }
    return shard_find(store, routing_key(request));
}

static void submit(struct store *base, struct store_request *request)
{
    struct shard_store *store = (struct shard_store *)base;
    pl_error_clear(&request->error);
    pl_arena_init(&request->arena, NULL, 0, 0);
    request->queued_at_ns = pl_clock_monotonic_ns();
    shard_store_begin(store);
    if (PL_UNLIKELY(shard_check(request) != PARLEY_OK)) {
        shard_reject(&store->shards[0], request);
        return;
    }
    struct shard *shard = find_shard(store, request);
    if (PL_UNLIKELY(__atomic_load_n(&store->is_closing, __ATOMIC_SEQ_CST))) {
        pl_fail(&request->error, PARLEY_UNAVAILABLE, "the store is closing");
        request->error.retry_after_ms = store->options.busy_retry_ms;
        shard_reject(shard, request);
        return;
    }
    if (request->op == STORE_OP_LIST_CONVERSATIONS) {
        shard_list_submit(store, (struct store_list_conversations *)request);
        return;
    }
    if (request->op == STORE_OP_HEADS) {
        shard_heads_submit(store, (struct store_heads *)request);
        return;
    }
    struct shard_queue *queue = store_request_is_write(request) ? &shard->writes : &shard->reads;
    if (PL_LIKELY(shard_queue_push(queue, request, shard_request_bytes(request)))) {
        return;
    }
    pl_metric_add(&shard_metric_rejected, 1);
    pl_fail(&request->error, PARLEY_UNAVAILABLE, "the queue of shard %u is full", shard->index);
    request->error.retry_after_ms = store->options.busy_retry_ms;
    shard_reject(shard, request);
}

/* ---- the writer ---- */

/* Whether a batch has to report what is in the outbox: if it asks for a membership, since it may be
 * the repeat of what is not answered yet; after a round, if there is more. */
static bool must_resync(struct shard *shard, size_t count)
{
    bool has_membership = false;
    bool has_forget = false;
    for (size_t i = 0; i < count; i++) {
        has_membership = has_membership || shard_is_membership(shard->batch[i]);
        has_forget = has_forget || (int)shard->batch[i]->op == SHARD_OP_FORGET;
    }
    if (!has_membership && !has_forget) {
        return false;
    }
    /* In this order: a fan that fails says so before it ends. */
    bool is_open = has_membership && __atomic_load_n(&shard->fans_open, __ATOMIC_ACQUIRE) > 0;
    return __atomic_exchange_n(&shard->must_resync, false, __ATOMIC_ACQ_REL) || is_open;
}

static void count_batch(const struct shard_batch *batch, int64_t began_ns, int64_t queued_ns)
{
    int64_t now = pl_clock_monotonic_ns();
    if (!batch->is_committed) {
        return;
    }
    pl_metric_add(&shard_metric_commits, 1);
    pl_metric_add(&shard_metric_rows, (int64_t)batch->count);
    pl_metric_set(&shard_metric_batch_last, (int64_t)batch->count);
    pl_metric_observe_us(&shard_metric_commit_seconds, (now - began_ns) / 1000);
    if (queued_ns != 0) {
        pl_metric_observe_us(&shard_metric_wait_seconds, (began_ns - queued_ns) / 1000);
    }
}

/* Requests are gone, one by one, as they are finished: nothing may be read from them after. */
static void run_batch(struct shard *shard, size_t count, size_t bytes)
{
    struct shard_store *store = shard->owner;
    struct shard_batch batch = {
        .requests = shard->batch, .count = count, .resync = must_resync(shard, count)};
    int64_t began_ns = pl_clock_monotonic_ns();
    int64_t queued_ns = shard->batch[0]->queued_at_ns;
    store->engine->ops->write_batch(shard->writer, &batch);
    count_batch(&batch, began_ns, queued_ns);
    if (batch.resync && !batch.is_resynced) {
        __atomic_store_n(&shard->must_resync, true, __ATOMIC_RELEASE);
    }
    if (batch.commit_count > 0 && store->listener.on_commit != NULL) {
        store->listener.on_commit(store->listener.context, batch.commits, batch.commit_count);
    }
    if (batch.link_count > 0) {
        bytes = shard_fan_out(shard, &batch, bytes);
    }
    /* First: whoever is answered may ask again at once. */
    shard_queue_release(&shard->writes, bytes);
    for (size_t i = 0; i < count; i++) {
        if (shard->batch[i] != NULL) {
            shard_store_finish(store, shard->batch[i]);
        }
    }
}

static void *writer_main(void *argument)
{
    struct shard *shard = argument;
    const struct shard_options *options = &shard->owner->options;
    for (;;) {
        struct store_request *list = shard_queue_take_all(&shard->writes);
        if (list == NULL) {
            return NULL;
        }
        while (list != NULL) {
            size_t bytes = 0;
            size_t count = shard_queue_cut(&list, shard->batch, options->batch_rows_max,
                                           options->batch_bytes_max, &bytes);
            run_batch(shard, count, bytes);
        }
    }
}

/* ---- the readers ---- */

struct reader_start {
    struct shard *shard;
    struct shard_reader *reader;
};

/* The bucket has moved, which this shard said or a writer has learned meanwhile: ask the other one.
 * Each move is learned once, so that this ends. */
static bool send_on(struct shard *shard, struct store_request *request, size_t bytes)
{
    if (request->error.code != PARLEY_UNAVAILABLE || (int)request->op == SHARD_OP_LOOKUP) {
        return false;
    }
    struct shard *now = find_shard(shard->owner, request);
    if (now == shard) {
        return false;
    }
    pl_error_clear(&request->error);
    shard_queue_push_always(&now->reads, request, bytes);
    return true;
}

static void answer(struct shard *shard, struct shard_reader *reader, struct store_request *request)
{
    struct shard_store *store = shard->owner;
    if (request->error.code != PARLEY_OK) {
        shard_store_finish(store, request); /* turned away: it is on no account */
        return;
    }
    size_t bytes = shard_request_bytes(request);
    store->engine->ops->read(reader, request);
    shard_queue_release(&shard->reads, bytes);
    if (PL_UNLIKELY(send_on(shard, request, bytes))) {
        return;
    }
    pl_metric_add(&shard_metric_reads, 1);
    if (request->op == STORE_OP_LIST_CONVERSATIONS) {
        shard_list_continue(shard, reader, request);
    } else {
        shard_store_finish(store, request);
    }
}

static void *reader_main(void *argument)
{
    struct reader_start start = *(struct reader_start *)argument;
    pl_free(argument);
    for (;;) {
        struct store_request *request = shard_queue_take_one(&start.shard->reads);
        if (request == NULL) {
            return NULL;
        }
        answer(start.shard, start.reader, request);
    }
}

/* ---- opening and closing ---- */

static void stop_shard(struct shard *shard)
{
    shard_queue_close(&shard->writes);
    shard_queue_close(&shard->reads);
    for (unsigned i = 0; i < shard->threads_started; i++) {
        (void)pthread_join(i == 0 ? shard->writer_thread : shard->reader_threads[i - 1], NULL);
    }
}

static void free_shard(struct shard_store *store, struct shard *shard)
{
    const struct shard_engine_ops *ops = store->engine->ops;
    if (shard->writer != NULL) {
        ops->close_writer(shard->writer);
    }
    for (unsigned i = 0; shard->readers != NULL && i < store->options.readers; i++) {
        if (shard->readers[i] != NULL) {
            ops->close_reader(shard->readers[i]);
        }
    }
    shard_queue_deinit(&shard->writes);
    shard_queue_deinit(&shard->reads);
    pl_free(shard->readers);
    pl_free(shard->reader_threads);
    pl_free(shard->batch);
}

static void close_store(struct store *base)
{
    struct shard_store *store = (struct shard_store *)base;
    __atomic_store_n(&store->is_closing, true, __ATOMIC_SEQ_CST);
    (void)pthread_mutex_lock(&store->idle_mutex);
    while (__atomic_load_n(&store->pending, __ATOMIC_SEQ_CST) > 0) {
        (void)pthread_cond_wait(&store->idle, &store->idle_mutex);
    }
    (void)pthread_mutex_unlock(&store->idle_mutex);
    for (unsigned i = 0; i < store->options.shards; i++) {
        stop_shard(&store->shards[i]);
    }
    for (unsigned i = 0; i < store->options.shards; i++) {
        free_shard(store, &store->shards[i]);
    }
    store->engine->ops->close(store->engine);
    (void)pthread_cond_destroy(&store->idle);
    (void)pthread_mutex_destroy(&store->idle_mutex);
    pl_free(store->shards);
    pl_free(store);
}

static void set_listener(struct store *base, const struct store_listener *listener)
{
    ((struct shard_store *)base)->listener = *listener;
}

static const struct store_ops executor_ops = {submit, set_listener, close_store};

static int start_reader(struct shard *shard, unsigned i)
{
    struct reader_start *start = pl_malloc(sizeof(*start));
    if (start == NULL) {
        return -1;
    }
    *start = (struct reader_start){shard, shard->readers[i]};
    if (pthread_create(&shard->reader_threads[i], NULL, reader_main, start) != 0) {
        pl_free(start);
        return -1;
    }
    return 0;
}

static enum parley_code start_threads(struct shard *shard, struct pl_error *err)
{
    if (pthread_create(&shard->writer_thread, NULL, writer_main, shard) != 0) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no thread to write shard %u", shard->index);
    }
    shard->threads_started = 1;
    for (unsigned i = 0; i < shard->owner->options.readers; i++) {
        if (start_reader(shard, i) != 0) {
            return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no thread to read shard %u",
                           shard->index);
        }
        shard->threads_started++;
    }
    return PARLEY_OK;
}

static enum parley_code open_shard(struct shard *shard, struct pl_error *err)
{
    struct shard_engine *engine = shard->owner->engine;
    const struct shard_options *options = &shard->owner->options;
    shard->readers = pl_calloc(options->readers, sizeof(struct shard_reader *));
    shard->reader_threads = pl_calloc(options->readers, sizeof(*shard->reader_threads));
    shard->batch = pl_calloc(options->batch_rows_max, sizeof(struct store_request *));
    if (shard->readers == NULL || shard->reader_threads == NULL || shard->batch == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for shard %u", shard->index);
    }
    enum parley_code code = engine->ops->open_writer(engine, shard->index, &shard->writer, err);
    for (unsigned i = 0; i < options->readers && code == PARLEY_OK; i++) {
        code = engine->ops->open_reader(engine, shard->index, &shard->readers[i], err);
    }
    return code == PARLEY_OK ? start_threads(shard, err) : code;
}

/* A request that somebody waits for, here. */
struct waiter {
    struct store_request request;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool is_done;
};

static void wake_waiter(struct store_request *request)
{
    struct waiter *waiter = PL_CONTAINER_OF(request, struct waiter, request);
    (void)pthread_mutex_lock(&waiter->mutex);
    waiter->is_done = true;
    (void)pthread_cond_signal(&waiter->changed);
    (void)pthread_mutex_unlock(&waiter->mutex);
}

/* Apply the links that a crash left between two shards. */
static enum parley_code resync(struct shard *shard, struct pl_error *err)
{
    struct waiter waiter = {.mutex = PTHREAD_MUTEX_INITIALIZER,
                            .changed = PTHREAD_COND_INITIALIZER};
    waiter.request.op = (enum store_op)SHARD_OP_RESYNC;
    waiter.request.done = wake_waiter;
    shard->must_resync = true;
    shard_store_begin(shard->owner);
    shard_queue_push_always(&shard->writes, &waiter.request, shard_request_bytes(&waiter.request));
    (void)pthread_mutex_lock(&waiter.mutex);
    while (!waiter.is_done) {
        (void)pthread_cond_wait(&waiter.changed, &waiter.mutex);
    }
    (void)pthread_mutex_unlock(&waiter.mutex);
    *err = waiter.request.error;
    return err->code;
}

static enum parley_code open_shards(struct shard_store *store, struct pl_error *err)
{
    enum parley_code code = PARLEY_OK;
    for (unsigned i = 0; i < store->options.shards && code == PARLEY_OK; i++) {
        code = open_shard(&store->shards[i], err);
    }
    for (unsigned i = 0; i < store->options.shards && code == PARLEY_OK; i++) {
        code = resync(&store->shards[i], err);
        if (code == PARLEY_UNAVAILABLE && store->options.allows_absent) {
            pl_error_clear(err);
            code = PARLEY_OK;
        }
    }
    return code;
}

static struct shard_store *make_store(struct shard_engine *engine,
                                      const struct shard_options *options)
{
    struct shard_store *store = pl_calloc(1, sizeof(*store));
    if (store == NULL) {
        return NULL;
    }
    store->shards = pl_calloc(options->shards, sizeof(*store->shards));
    if (store->shards == NULL) {
        pl_free(store);
        return NULL;
    }
    store->store.ops = &executor_ops;
    store->engine = engine;
    store->options = *options;
    /* Default attributes: these cannot fail on Linux. */
    (void)pthread_mutex_init(&store->idle_mutex, NULL);
    (void)pthread_cond_init(&store->idle, NULL);
    for (unsigned i = 0; i < options->shards; i++) {
        struct shard *shard = &store->shards[i];
        shard->owner = store;
        shard->index = i;
        shard_queue_init(&shard->writes, options->queue_bytes_max, &shard_metric_queue_bytes);
        shard_queue_init(&shard->reads, options->queue_bytes_max, &shard_metric_queue_bytes);
    }
    return store;
}

enum parley_code shard_store_open(struct shard_engine *engine, const struct shard_options *options,
                                  struct store **store, struct pl_error *err)
{
    struct pl_error local = PL_ERROR_INIT;
    shard_metrics_register();
    struct shard_store *made = make_store(engine, options);
    if (made == NULL) {
        engine->ops->close(engine);
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for a store");
    }
    enum parley_code code = open_shards(made, &local);
    if (code != PARLEY_OK) {
        close_store(&made->store);
        if (err != NULL) {
            *err = local;
        }
        return code;
    }
    *store = &made->store;
    pl_log_info("STORE_OPEN", NULL, "shards=%u readers=%u", options->shards, options->readers);
    return PARLEY_OK;
}
