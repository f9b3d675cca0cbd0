/* SPDX-License-Identifier: Apache-2.0 */
/* The connections of one shard; see pool.h.
 *
 *            a connection is lost, over its deadline, or cannot be made
 *      UP  ------------------------------------------------------------>  DOWN
 *          <------------------------------------------------------------
 *            the pool's thread has made one
 */
#include "mysql/pool.h"

#include "base/clock.h"
#include "base/cond.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "mysql/metrics.h"

#include <pthread.h>

#define NS_PER_S       INT64_C(1000000000)
#define NS_PER_MS      INT64_C(1000000)
#define BACKOFF_NS     (100 * NS_PER_MS) /* the first pause after a failure; then doubled */
#define BACKOFF_MAX_NS (2 * NS_PER_S)
#define REST_MAX_NS    (64 * NS_PER_S)
#define ROUND_NS       NS_PER_S        /* how often idle connections are looked at */
#define CHECK_NS       (10 * NS_PER_S) /* an idle connection is asked after so long */
#define CHECK_LIMIT_NS (2 * NS_PER_S)  /* to answer that */
#define KILLS_MAX      64

/* How each kind is told of. */
static const struct {
    const char *down; /* ids of the log */
    const char *up;
    struct pl_metric *count_down;
} kinds[MDB_POOL_KINDS] = {
    [MDB_POOL_SHARD] = {"STORE_SHARD_DOWN", "STORE_SHARD_UP", &mdb_metric_down},
    [MDB_POOL_REPLICA] = {"STORE_REPLICA_DOWN", "STORE_REPLICA_UP", &mdb_metric_replicas_down},
};

struct mdb_pool {
    struct mdb_pool_options options;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t returned; /* a taker may go on */
    pthread_cond_t wanted;   /* the thread has something to do */
    struct pl_list idle;     /* struct mdb_conn_age; the one used last at the tail */
    unsigned open;           /* idle, in use, or being made */
    unsigned waiting;
    bool is_down;
    bool is_closing;
    unsigned failures; /* to connect, in a row */
    unsigned expired;  /* deadlines that passed, in a row */
    int64_t next_try_ns;
    uint64_t kills[KILLS_MAX]; /* of connections that were given up */
    size_t kill_count;
};

/* ---- with the lock held ---- */

/* Close them without the lock: take the list. */
static void take_idle_locked(struct mdb_pool *pool, struct pl_list *out)
{
    pl_list_init(out);
    while (!pl_list_is_empty(&pool->idle)) {
        pl_list_push(out, pl_list_pop(&pool->idle));
        pool->open--;
    }
}

static void set_down_locked(struct mdb_pool *pool, const char *why)
{
    if (!pool->is_down) {
        pool->is_down = true;
        pool->next_try_ns = 0;
        pl_metric_add(kinds[pool->options.kind].count_down, 1);
        pl_log_warn(kinds[pool->options.kind].down, NULL, "shard=%u reason=%s", pool->options.shard,
                    why);
    }
    (void)pthread_cond_broadcast(&pool->returned);
    (void)pthread_cond_signal(&pool->wanted);
}

static void set_up_locked(struct mdb_pool *pool)
{
    pool->failures = 0;
    if (pool->is_down) {
        pool->is_down = false;
        pl_metric_add(kinds[pool->options.kind].count_down, -1);
        pl_log_info(kinds[pool->options.kind].up, NULL, "shard=%u", pool->options.shard);
    }
}

static bool needs_connection_locked(const struct mdb_pool *pool, int64_t now_ns)
{
    if (pool->is_down) {
        return now_ns >= pool->next_try_ns;
    }
    return pool->open < pool->options.connections_min ||
           (pool->waiting > 0 && pl_list_is_empty(&pool->idle) &&
            pool->open < pool->options.connections_max);
}

/* ---- the thread ---- */

static void close_all(struct pl_list *list)
{
    while (!pl_list_is_empty(list)) {
        mdb_conn_close(mdb_conn_of_age(pl_list_pop(list)));
    }
}

/* Half of the pause is random, so that nodes that lost a shard together do not come back together.
 */
static int64_t pause_ns(int64_t first_ns, int64_t max_ns, unsigned failures)
{
    int64_t pause = first_ns;
    for (unsigned i = 1; i < failures && pause < max_ns; i++) {
        pause *= 2;
    }
    return pause / 2 + (int64_t)pl_random_below((uint64_t)pause / 2 + 1);
}

static void note_failure(struct mdb_pool *pool, const struct pl_error *error)
{
    (void)pthread_mutex_lock(&pool->mutex);
    pool->open--;
    pool->failures++;
    set_down_locked(pool, error->text);
    pool->next_try_ns =
        pl_clock_monotonic_ns() + pause_ns(BACKOFF_NS, BACKOFF_MAX_NS, pool->failures);
    (void)pthread_mutex_unlock(&pool->mutex);
    pl_metric_add(&mdb_metric_connect_errors, 1);
}

static void make_connection(struct mdb_pool *pool)
{
    struct pl_error error = PL_ERROR_INIT;
    struct mdb_conn *conn = NULL;
    enum parley_code code = mdb_conn_open(&pool->options.login, &conn, &error);
    if (code == PARLEY_OK && pool->options.check != NULL) {
        mdb_conn_arm(conn, pl_clock_monotonic_ns() + CHECK_LIMIT_NS);
        code = pool->options.check(pool->options.context, conn, &error);
        if (mdb_conn_disarm(conn) && code == PARLEY_OK) {
            code = pl_fail(&error, PARLEY_UNAVAILABLE, "the check of a connection took too long");
        }
    }
    if (code != PARLEY_OK) {
        mdb_conn_close(conn);
        note_failure(pool, &error);
        return;
    }
    struct mdb_conn_age *age = mdb_conn_age(conn);
    age->made_at_ns = age->used_at_ns = pl_clock_monotonic_ns();
    pl_metric_add(&mdb_metric_connects, 1);
    (void)pthread_mutex_lock(&pool->mutex);
    pl_list_push(&pool->idle, &age->node);
    set_up_locked(pool);
    (void)pthread_cond_signal(&pool->returned);
    (void)pthread_mutex_unlock(&pool->mutex);
}

/* Whatever the server still does for connections that were given up holds locks: end it. */
static void kill_queries(struct mdb_pool *pool, const uint64_t *ids, size_t count)
{
    struct pl_error error = PL_ERROR_INIT;
    struct mdb_conn *conn = NULL;
    if (mdb_conn_open(&pool->options.login, &conn, &error) != PARLEY_OK) {
        return; /* who cannot be reached is not told; what a dead server did is over */
    }
    struct mdb_sql sql = {.data = NULL};
    for (size_t i = 0; i < count; i++) {
        mdb_sql_reset(&sql);
        mdb_sql_format(&sql, "i", "KILL ?", (int64_t)ids[i]);
        mdb_conn_arm(conn, pl_clock_monotonic_ns() + CHECK_LIMIT_NS);
        (void)mdb_conn_run(conn, &sql, NULL); /* unknown id: it has ended by itself */
        (void)mdb_conn_disarm(conn);
        pl_metric_add(&mdb_metric_kills, 1);
    }
    mdb_sql_deinit(&sql);
    mdb_conn_close(conn);
}

/* Is it worth to be kept? An idle connection may have been cut off by anything on the way. */
static bool is_alive(struct mdb_conn *conn)
{
    mdb_conn_arm(conn, pl_clock_monotonic_ns() + CHECK_LIMIT_NS);
    enum mdb_result result = mdb_conn_exec(conn, "DO 1", NULL);
    return !mdb_conn_disarm(conn) && result == MDB_OK;
}

/* What is to be done with the idle connection that was not used for longest. */
enum care {
    CARE_NOTHING,
    CARE_CLOSE,
    CARE_CHECK
};

static enum care care_of(const struct mdb_pool *pool, const struct mdb_conn_age *age,
                         int64_t now_ns)
{
    if (now_ns - age->made_at_ns >= pool->options.lifetime_ns) {
        return CARE_CLOSE;
    }
    if (now_ns - age->used_at_ns >= pool->options.idle_ns &&
        pool->open > pool->options.connections_min) {
        return CARE_CLOSE;
    }
    return now_ns - age->used_at_ns >= CHECK_NS ? CARE_CHECK : CARE_NOTHING;
}

/* Look after one idle connection. @return false: there is nothing more to do */
static bool look_after_one(struct mdb_pool *pool)
{
    struct mdb_conn *conn = NULL;
    enum care care = CARE_NOTHING;
    (void)pthread_mutex_lock(&pool->mutex);
    PL_LIST_FOREACH (node, &pool->idle) {
        conn = mdb_conn_of_age(node);
        care = care_of(pool, mdb_conn_age(conn), pl_clock_monotonic_ns());
        if (care != CARE_NOTHING) {
            pl_list_remove(node);
            break;
        }
    }
    (void)pthread_mutex_unlock(&pool->mutex);
    if (care == CARE_NOTHING) {
        return false;
    }
    bool is_kept = care == CARE_CHECK && is_alive(conn);
    if (!is_kept) {
        mdb_conn_close(conn);
    }
    (void)pthread_mutex_lock(&pool->mutex);
    if (is_kept) {
        mdb_conn_age(conn)->used_at_ns = pl_clock_monotonic_ns();
        pl_list_push_front(&pool->idle, &mdb_conn_age(conn)->node);
        (void)pthread_cond_signal(&pool->returned);
    } else {
        pool->open--;
        if (care == CARE_CHECK) {
            set_down_locked(pool, "an idle connection does not answer");
        }
    }
    (void)pthread_mutex_unlock(&pool->mutex);
    return true;
}

static void wait_for_work_locked(struct mdb_pool *pool)
{
    int64_t until_ns = pl_clock_monotonic_ns() + ROUND_NS;
    if (pool->is_down && pool->next_try_ns < until_ns) {
        until_ns = pool->next_try_ns;
    }
    (void)pl_cond_wait_until(&pool->wanted, &pool->mutex, until_ns);
}

static void *pool_main(void *argument)
{
    struct mdb_pool *pool = argument;
    (void)pthread_mutex_lock(&pool->mutex);
    while (!pool->is_closing) {
        uint64_t kills[KILLS_MAX];
        struct pl_list dead;
        size_t kill_count = pool->kill_count;
        bool must_connect = needs_connection_locked(pool, pl_clock_monotonic_ns());
        pl_list_init(&dead);
        if (pool->is_down) {
            take_idle_locked(pool, &dead);
        }
        for (size_t i = 0; i < kill_count; i++) {
            kills[i] = pool->kills[i];
        }
        pool->kill_count = 0;
        pool->open += must_connect;
        (void)pthread_mutex_unlock(&pool->mutex);
        close_all(&dead);
        if (must_connect) {
            make_connection(pool);
        }
        if (kill_count > 0) {
            kill_queries(pool, kills, kill_count);
        }
        while (look_after_one(pool)) {
        }
        (void)pthread_mutex_lock(&pool->mutex);
        if (!pool->is_closing && pool->kill_count == 0 &&
            !needs_connection_locked(pool, pl_clock_monotonic_ns())) {
            wait_for_work_locked(pool);
        }
    }
    (void)pthread_mutex_unlock(&pool->mutex);
    return NULL;
}

/* ---- for everybody ---- */

static uint32_t hint_locked(const struct mdb_pool *pool)
{
    int64_t left_ms = pool->is_down ? (pool->next_try_ns - pl_clock_monotonic_ns()) / NS_PER_MS : 0;
    return left_ms > pool->options.retry_ms ? (uint32_t)left_ms : pool->options.retry_ms;
}

void mdb_pool_hint(struct mdb_pool *pool, struct pl_error *err)
{
    (void)pthread_mutex_lock(&pool->mutex);
    err->retry_after_ms = hint_locked(pool);
    (void)pthread_mutex_unlock(&pool->mutex);
}

static struct mdb_conn *fail_take_locked(struct mdb_pool *pool, struct pl_error *err)
{
    pl_fail(err, PARLEY_UNAVAILABLE,
            pool->is_down ? "shard %u is down" : "all connections to shard %u are in use",
            pool->options.shard);
    err->retry_after_ms = hint_locked(pool);
    return NULL;
}

/* The one that was used last: it is warm, and the others may grow idle enough to be closed. Those
 * that are still idle when the shard has just gone down are no good. */
static struct mdb_conn *wait_idle_locked(struct mdb_pool *pool, bool is_patient, int64_t until_ns)
{
    bool is_time_left = true;
    pool->waiting++;
    while (is_time_left && (pool->is_down ? is_patient : pl_list_is_empty(&pool->idle))) {
        (void)pthread_cond_signal(&pool->wanted);
        is_time_left = pl_cond_wait_until(&pool->returned, &pool->mutex, until_ns);
    }
    pool->waiting--;
    if (pool->is_down || pl_list_is_empty(&pool->idle)) {
        return NULL;
    }
    struct pl_list *last = pool->idle.prev;
    pl_list_remove(last);
    return mdb_conn_of_age(last);
}

struct mdb_conn *mdb_pool_take(struct mdb_pool *pool, bool is_patient, int64_t deadline_ns,
                               struct pl_error *err)
{
    int64_t until_ns = pl_clock_monotonic_ns() + pool->options.wait_ns;
    (void)pthread_mutex_lock(&pool->mutex);
    struct mdb_conn *conn =
        wait_idle_locked(pool, is_patient, until_ns < deadline_ns ? until_ns : deadline_ns);
    if (conn == NULL) {
        (void)fail_take_locked(pool, err);
    }
    (void)pthread_mutex_unlock(&pool->mutex);
    if (conn != NULL) {
        mdb_conn_arm(conn, deadline_ns);
    }
    return conn;
}

/* A connection that can be made says nothing of what it will answer. */
static void rest_locked(struct mdb_pool *pool, int64_t now_ns)
{
    pool->expired++;
    int64_t until_ns = now_ns + pause_ns(pool->options.rest_ns, REST_MAX_NS, pool->expired);
    pool->next_try_ns = until_ns > pool->next_try_ns ? until_ns : pool->next_try_ns;
}

void mdb_pool_put(struct mdb_pool *pool, struct mdb_conn *conn)
{
    int64_t now_ns = pl_clock_monotonic_ns();
    bool is_expired = mdb_conn_disarm(conn);
    bool is_lost = mdb_conn_is_lost(conn);
    struct mdb_conn_age *age = mdb_conn_age(conn);
    (void)pthread_mutex_lock(&pool->mutex);
    bool is_kept =
        !is_lost && !pool->is_down && now_ns - age->made_at_ns < pool->options.lifetime_ns;
    if (is_kept) {
        age->used_at_ns = now_ns;
        pl_list_push(&pool->idle, &age->node);
        (void)pthread_cond_signal(&pool->returned);
    } else {
        pool->open--;
        (void)pthread_cond_signal(&pool->wanted);
    }
    if (is_lost && pool->kill_count < KILLS_MAX) {
        pool->kills[pool->kill_count++] = mdb_conn_thread_id(conn);
    }
    if (is_lost) {
        set_down_locked(pool, is_expired ? "a deadline has passed" : "a connection was lost");
    } else {
        pool->expired = 0;
    }
    if (is_expired && pool->options.rest_ns > 0) {
        rest_locked(pool, now_ns);
    }
    (void)pthread_mutex_unlock(&pool->mutex);
    if (!is_kept) {
        mdb_conn_close(conn);
    }
}

enum parley_code mdb_pool_new(const struct mdb_pool_options *options, struct mdb_pool **out,
                              struct pl_error *err)
{
    struct mdb_pool *pool = pl_calloc(1, sizeof(*pool));
    if (pool == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for a pool");
    }
    pool->options = *options;
    pl_list_init(&pool->idle);
    (void)pthread_mutex_init(&pool->mutex, NULL); /* cannot fail on Linux */
    pl_cond_init(&pool->returned);
    pl_cond_init(&pool->wanted);
    if (pthread_create(&pool->thread, NULL, pool_main, pool) != 0) {
        (void)pthread_cond_destroy(&pool->wanted);
        (void)pthread_cond_destroy(&pool->returned);
        (void)pthread_mutex_destroy(&pool->mutex);
        pl_free(pool);
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no thread for a pool");
    }
    *out = pool;
    return PARLEY_OK;
}

void mdb_pool_free(struct mdb_pool *pool)
{
    struct pl_list idle;
    if (pool == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&pool->mutex);
    pool->is_closing = true;
    (void)pthread_cond_signal(&pool->wanted);
    (void)pthread_mutex_unlock(&pool->mutex);
    (void)pthread_join(pool->thread, NULL);
    if (pool->is_down) {
        pl_metric_add(kinds[pool->options.kind].count_down, -1);
    }
    take_idle_locked(pool, &idle);
    close_all(&idle);
    (void)pthread_cond_destroy(&pool->wanted);
    (void)pthread_cond_destroy(&pool->returned);
    (void)pthread_mutex_destroy(&pool->mutex);
    pl_free(pool);
}
