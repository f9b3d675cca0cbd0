/* SPDX-License-Identifier: Apache-2.0 */
/* The writer of a lane: batches, transactions, and how they fail.
 *
 * A warm batch of messages is two round trips, whatever it holds: begin, check the shard map, lock
 * the conversations; then insert the events, update the conversations, commit. Both ends of a
 * transaction are texts of several statements; the server stops at the first that fails.
 *
 * The epoch of the shard map is read under a shared lock, so that whoever changes the map waits for
 * this transaction. If it is another than the one we know, what has changed is read right there:
 * requests for buckets that this shard does not serve any more fail, the others go on.
 *
 * What can go wrong, and what is done:
 *  - a message is there already: roll back, and once more, carefully (messages.c);
 *  - a deadlock, a lock that does not come: roll back, and once more after a moment;
 *  - the connection is lost before COMMIT was sent: nothing is stored; once more;
 *  - it is lost after: each transaction leaves its number in the row of its writer, under a lock
 * that it holds from its beginning. Reading that row with a lock, on another connection, waits for
 * the end of the transaction and tells which it was;
 *  - anything else: the requests fail; if one of them may be at fault, each is tried alone. */
#include "mysql/writer_impl.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "mysql/metrics.h"
#include "shard/rules.h"

#include <time.h>

#define TRIES_MAX    20
#define PAUSE_MAX_MS 10 /* times the number of tries */
#define WRITER_MS    (INT64_C(30) * 24 * 3600 * 1000)
#define NS_PER_MS    INT64_C(1000000)
#define LOG_PAUSE_NS INT64_C(1000000000)
#define ID_MAX       (UINT64_C(1) << 62)

/* ---- statements ---- */

void mdb_writer_break(struct shard_writer *writer, enum parley_code code, const char *text)
{
    writer->trouble = MDB_FAILED;
    pl_fail(&writer->failure, code, "%s", text);
}

struct mdb_sql *mdb_writer_sql(struct shard_writer *writer)
{
    mdb_sql_reset(&writer->sql);
    return &writer->sql;
}

/* What broke before counts. */
bool mdb_writer_finish(struct shard_writer *writer)
{
    struct pl_error error = PL_ERROR_INIT;
    enum mdb_result result = mdb_conn_finish(writer->conn, &error);
    if (mdb_writer_is_well(writer) && result != MDB_OK) {
        writer->trouble = result;
        writer->failure = error;
    }
    return mdb_writer_is_well(writer);
}

bool mdb_writer_run(struct shard_writer *writer)
{
    mdb_conn_start(writer->conn, &writer->sql);
    return mdb_writer_finish(writer);
}

struct store_bytes mdb_writer_copy(struct shard_writer *writer, struct pl_arena *arena,
                                   struct store_bytes bytes)
{
    bytes.data = pl_arena_strndup(arena, bytes.data, bytes.len);
    if (bytes.data == NULL) {
        mdb_writer_break(writer, PARLEY_UNAVAILABLE, "no memory for a batch");
    }
    return bytes;
}

/* ---- one transaction ---- */

static void check_epoch(struct shard_writer *writer)
{
    int64_t epoch = mdb_conn_row(writer->conn) ? mdb_conn_i64(writer->conn, 0) : 0;
    writer->is_map_old = epoch != mdb_map_epoch(&writer->engine->map, writer->place->index);
}

static void learn_places(struct shard_writer *writer)
{
    if (mdb_writer_is_well(writer) && writer->is_map_old) {
        writer->trouble = mdb_map_refresh(&writer->engine->map, writer->place->index, writer->conn,
                                          &writer->failure);
    }
    mdb_heads_place(writer);
}

static void begin(struct shard_writer *writer)
{
    struct mdb_sql *sql = mdb_writer_sql(writer);
    mdb_sql_format(sql, "iiiii",
                   "START TRANSACTION;"
                   "INSERT INTO writer (id, last_transaction, seen_at_ms) VALUES (?, ?, ?)"
                   " ON DUPLICATE KEY UPDATE last_transaction=?, seen_at_ms=?;"
                   "SELECT epoch FROM shard_place WHERE one=1 LOCK IN SHARE MODE",
                   writer->id, writer->transaction, writer->now_ms, writer->transaction,
                   writer->now_ms);
    mdb_heads_add_lock(writer, sql);
    mdb_conn_start(writer->conn, sql);
    bool has_begun = mdb_conn_next(writer->conn);
    bool is_marked = has_begun && mdb_conn_next(writer->conn);
    if (is_marked) {
        check_epoch(writer);
    }
    mdb_heads_take(writer);
    (void)mdb_writer_finish(writer);
    learn_places(writer);
}

/* What the dead left; and rows of writers that have not been heard of for so long that nobody will
 * ask for them. */
static void claim(struct shard_writer *writer)
{
    writer->is_all = mdb_links_claim(writer, NULL);
    if (mdb_writer_is_well(writer)) {
        mdb_sql_format(mdb_writer_sql(writer), "i", "DELETE FROM writer WHERE seen_at_ms<?",
                       writer->now_ms - WRITER_MS);
        (void)mdb_writer_run(writer);
    }
}

static void refuse(struct shard_writer *writer, struct store_request *request,
                   const struct mdb_head *head)
{
    mdb_map_refuse(&request->error, writer->engine->options.busy_retry_ms);
    writer->has_met_fence =
        writer->has_met_fence ||
        mdb_map_is_fenced(&writer->engine->map, writer->place->index, (unsigned)head->bucket);
}

static void do_write(struct shard_writer *writer, struct store_request *request,
                     struct mdb_head *head)
{
    if (PL_UNLIKELY(!head->is_here)) {
        refuse(writer, request, head);
        return;
    }
    switch (request->op) {
    case STORE_OP_APPEND:
        mdb_messages_append(writer, (struct store_append *)request, head);
        return;
    case STORE_OP_CREATE:
        mdb_members_create(writer, (struct store_create *)request, head);
        return;
    case STORE_OP_CHANGE_MEMBERS:
        mdb_members_change(writer, (struct store_change_members *)request, head);
        return;
    case STORE_OP_SET_RETENTION:
        mdb_set_retention(writer, (struct store_set_retention *)request, head);
        return;
    case STORE_OP_TRIM:
        mdb_trim(writer, (struct store_trim *)request, head);
        return;
    default:
        shard_fail_write(request);
        return;
    }
}

static void do_request(struct shard_writer *writer, size_t index)
{
    struct store_request *request = writer->requests[index];
    switch ((int)request->op) {
    case SHARD_OP_LINK:
        mdb_links_apply(writer, (struct shard_link_request *)request);
        return;
    case SHARD_OP_FORGET:
        mdb_links_forget(writer, (const struct shard_forget_request *)request);
        return;
    case SHARD_OP_RESYNC: /* see claim */
        return;
    default:
        do_write(writer, request, &writer->heads[writer->head_of[index]]);
        return;
    }
}

static void commit(struct shard_writer *writer)
{
    struct mdb_sql *sql = &writer->rows;
    (void)mdb_heads_add_update(writer, sql);
    mdb_sql_add(sql, ";COMMIT");
    writer->is_committing = true;
    /* The text begins with a semicolon if all rows have been sent. */
    struct mdb_sql text = *sql;
    if (!text.is_short && text.data[0] == ';') {
        text.data++;
        text.len--;
    }
    mdb_conn_start(writer->conn, &text);
    (void)mdb_writer_finish(writer);
}

static void reset_attempt(struct shard_writer *writer)
{
    writer->trouble = MDB_OK;
    pl_error_clear(&writer->failure);
    writer->is_committing = false;
    writer->has_changed_roles = false;
    writer->transaction++;
    writer->now_ms = pl_clock_wall_ms();
    writer->added_count = 0;
    mdb_sql_reset(&writer->rows);
    pl_map_free(writer->known, NULL);
    writer->known = NULL;
    pl_arena_reset(&writer->arena);
    for (size_t i = 0; i < writer->request_count; i++) {
        pl_error_clear(&writer->requests[i]->error);
    }
    if (writer->is_careful) {
        writer->known = pl_map_new();
        if (writer->known == NULL) {
            mdb_writer_break(writer, PARLEY_UNAVAILABLE, "no memory to look messages up");
        }
    }
}

static void attempt(struct shard_writer *writer)
{
    reset_attempt(writer);
    if (mdb_writer_is_well(writer)) {
        begin(writer);
    }
    if (mdb_writer_is_well(writer)) {
        mdb_messages_prepare(writer);
    }
    for (size_t i = 0; i < writer->request_count && mdb_writer_is_well(writer); i++) {
        do_request(writer, i);
    }
    if (writer->must_claim && mdb_writer_is_well(writer)) {
        claim(writer);
    }
    if (mdb_writer_is_well(writer)) {
        commit(writer);
    }
}

/* ---- what became of it ---- */

void mdb_writer_give_back(struct shard_writer *writer)
{
    if (writer->conn != NULL) {
        mdb_pool_put(writer->place->pool, writer->conn);
        writer->conn = NULL;
    }
}

bool mdb_writer_take_connection(struct shard_writer *writer, bool is_patient)
{
    if (writer->conn == NULL) {
        pl_error_clear(&writer->failure);
        writer->conn =
            mdb_pool_take(writer->place->pool, is_patient, writer->deadline_ns, &writer->failure);
    }
    return writer->conn != NULL;
}

static void pause_before_try(unsigned tries)
{
    int64_t pause = (int64_t)pl_random_below((uint64_t)(PAUSE_MAX_MS * NS_PER_MS) * tries);
    const struct timespec time = {.tv_nsec = (long)pause};
    (void)nanosleep(&time, NULL);
}

static void forget_roles(struct shard_writer *writer)
{
    if (writer->has_changed_roles) {
        mdb_roles_clear(writer->roles);
    }
}

/* Nothing of the transaction may be left on the connection. */
static void roll_back(struct shard_writer *writer)
{
    forget_roles(writer);
    if (writer->conn != NULL && mdb_conn_exec(writer->conn, "ROLLBACK", NULL) != MDB_OK) {
        mdb_writer_give_back(writer);
    }
}

/* After an attempt in trouble. @return whether to try again; else writer->failure says why not, or
 * the trouble is over */
static bool may_try_again(struct shard_writer *writer, unsigned tries)
{
    enum mdb_result trouble = writer->trouble;
    if (trouble == MDB_LOST) {
        forget_roles(writer);
        mdb_writer_give_back(writer);
        enum mdb_fate fate = writer->is_committing
                                 ? mdb_doubts_find_out(writer, writer->transaction)
                                 : MDB_FATE_ROLLED_BACK;
        if (fate == MDB_FATE_COMMITTED) {
            writer->trouble = MDB_OK;
        } else if (fate == MDB_FATE_UNKNOWN) {
            mdb_doubts_note(writer);
        }
        if (fate != MDB_FATE_ROLLED_BACK) {
            return false;
        }
    } else {
        roll_back(writer);
    }
    if (trouble == MDB_FAILED) {
        return false;
    }
    if (trouble == MDB_DUPLICATE && !writer->is_careful) {
        writer->is_careful = true;
        pl_metric_add(&mdb_metric_careful, 1);
    } else {
        pl_metric_add(&mdb_metric_retries, 1);
        pause_before_try(tries);
    }
    return tries < TRIES_MAX && pl_clock_monotonic_ns() < writer->deadline_ns;
}

/* A shard that is down fails batch after batch: once a second says enough. */
static void log_failure(struct shard_writer *writer)
{
    int64_t now_ns = pl_clock_monotonic_ns();
    writer->failed_requests += writer->request_count;
    if (now_ns >= writer->next_log_ns) {
        pl_log_error("STORE_COMMIT_FAILED", NULL, "shard=%u requests=%zu error=%s",
                     writer->place->index, writer->failed_requests, writer->failure.text);
        writer->failed_requests = 0;
        writer->next_log_ns = now_ns + LOG_PAUSE_NS;
    }
}

static void fail_requests(struct shard_writer *writer)
{
    struct pl_error *failure = &writer->failure;
    /* What others hold, or a server that is away, is nobody's fault. */
    if (writer->trouble != MDB_FAILED) {
        failure->code = PARLEY_UNAVAILABLE;
        failure->is_retryable = true;
    }
    if (failure->code == PARLEY_UNAVAILABLE && failure->retry_after_ms == 0) {
        mdb_pool_hint(writer->place->pool, failure);
    }
    log_failure(writer);
    for (size_t i = 0; i < writer->request_count; i++) {
        writer->requests[i]->error = *failure;
    }
}

/* Sort what the transaction added by conversation, for the listener. */
static void gather(struct shard_writer *writer)
{
    size_t offset = writer->event_count;
    size_t *commit_of = writer->head_of; /* not needed any more: one for each request */
    for (size_t i = 0; i < writer->head_count; i++) {
        const struct mdb_head *head = &writer->heads[i];
        commit_of[i] = writer->commit_count;
        if (head->event_count > 0) {
            writer->commits[writer->commit_count++] = (struct store_commit){
                .conversation_id = head->id, .events = &writer->events[offset]};
            offset += head->event_count;
        }
    }
    for (size_t i = 0; i < writer->added_count; i++) {
        const struct mdb_added *added = &writer->added[i];
        struct store_commit *commit = &writer->commits[commit_of[added->head_index]];
        size_t place = (size_t)(commit->events - writer->events) + commit->event_count++;
        writer->events[place] = added->event;
    }
    writer->event_count = offset;
}

/* True: committed. False: rolled back, and the requests have failed. */
static bool run_transaction(struct shard_writer *writer, struct store_request **requests,
                            size_t count)
{
    size_t links = writer->link_count;
    unsigned tries = 0;
    writer->requests = requests;
    writer->request_count = count;
    writer->is_careful = false;
    mdb_heads_gather(writer);
    do {
        writer->link_count = links;
        writer->trouble = MDB_LOST;
        if (!mdb_writer_take_connection(writer, tries > 0)) {
            break;
        }
        attempt(writer);
    } while (!mdb_writer_is_well(writer) && may_try_again(writer, ++tries));
    if (!mdb_writer_is_well(writer)) {
        writer->link_count = links;
        fail_requests(writer);
        return false;
    }
    writer->has_claimed = writer->has_claimed || (writer->must_claim && writer->is_all);
    gather(writer);
    return true;
}

/* ---- batches ---- */

static bool reserve(struct shard_writer *writer, size_t count)
{
    if (count <= writer->capacity) {
        return true;
    }
    pl_free(writer->head_of);
    pl_free(writer->heads);
    pl_free(writer->added);
    pl_free(writer->events);
    pl_free(writer->commits);
    writer->head_of = pl_calloc(count, sizeof(*writer->head_of));
    writer->heads = pl_calloc(count, sizeof(*writer->heads));
    writer->added = pl_calloc(count, sizeof(*writer->added));
    writer->events = pl_calloc(count, sizeof(*writer->events));
    writer->commits = pl_calloc(count, sizeof(*writer->commits));
    bool is_there = writer->head_of != NULL && writer->heads != NULL && writer->added != NULL &&
                    writer->events != NULL && writer->commits != NULL;
    writer->capacity = is_there ? count : 0;
    return is_there;
}

/* A request that is not at fault must not fail with one that is. */
static bool run_one_by_one(struct shard_writer *writer, struct shard_batch *batch)
{
    bool is_committed = false;
    for (size_t i = 0; i < batch->count; i++) {
        if (writer->doubts != NULL) {
            batch->requests[i]->error = writer->failure; /* that must be settled first */
        } else {
            is_committed = run_transaction(writer, &batch->requests[i], 1) || is_committed;
        }
    }
    return is_committed;
}

/* @return whether all that others left and all that is in our own outbox has been loaded */
static bool load_outbox(struct shard_writer *writer, int64_t *last)
{
    writer->trouble = MDB_OK;
    writer->link_count = 0;
    pl_error_clear(&writer->failure);
    if (!mdb_writer_take_connection(writer, true)) {
        writer->trouble = MDB_LOST;
        return false;
    }
    bool is_all = mdb_links_load(writer, last) && writer->has_claimed;
    if (!mdb_writer_is_well(writer)) {
        writer->link_count = 0;
    } else if (!is_all) {
        pl_fail(&writer->failure, PARLEY_UNAVAILABLE, "many lists are being brought up to date");
        mdb_pool_hint(writer->place->pool, &writer->failure);
    }
    return is_all;
}

static void report_links(struct shard_writer *writer, struct shard_batch *batch,
                         int64_t outbox_first)
{
    batch->links_first = outbox_first;
    batch->links_last = writer->outbox_next - 1;
    if (batch->resync && batch->is_committed) {
        batch->links_first = 0;
        batch->is_resynced = load_outbox(writer, &batch->links_last);
        if (!batch->is_resynced) {
            shard_fail_resync(batch, &writer->failure);
        }
    }
    batch->links = writer->links;
    batch->link_count = writer->link_count;
}

void mdb_write_batch(struct shard_writer *writer, struct shard_batch *batch)
{
    int64_t outbox_first = writer->outbox_next;
    pl_arena_reset(&writer->link_arena);
    writer->deadline_ns = mdb_deadline(writer->engine);
    writer->event_count = 0;
    writer->commit_count = 0;
    writer->link_count = 0;
    writer->must_claim = batch->resync && !writer->has_claimed;
    writer->has_met_fence = false;
    writer->requests = batch->requests;
    writer->request_count = batch->count;
    if (!reserve(writer, batch->count + writer->doubt_events)) {
        mdb_writer_break(writer, PARLEY_UNAVAILABLE, "no memory for a batch");
        fail_requests(writer);
        return;
    }
    if (!mdb_doubts_settle(writer)) {
        fail_requests(writer);
        mdb_writer_give_back(writer);
        return;
    }
    batch->is_committed = run_transaction(writer, batch->requests, batch->count);
    if (!batch->is_committed && batch->count > 1 && writer->failure.code == PARLEY_INTERNAL) {
        batch->is_committed = run_one_by_one(writer, batch);
    }
    batch->commits = writer->commits;
    batch->commit_count = writer->commit_count;
    report_links(writer, batch, outbox_first);
    if (PL_UNLIKELY(writer->has_met_fence) && writer->conn != NULL) {
        mdb_map_lift_fences(writer->conn);
    }
    mdb_writer_give_back(writer);
}

/* ---- opening and closing ---- */

enum parley_code mdb_open_writer(struct shard_engine *base, unsigned lane,
                                 struct shard_writer **writer, struct pl_error *err)
{
    struct mysql_engine *engine = (struct mysql_engine *)base;
    struct shard_writer *made = pl_calloc(1, sizeof(*made));
    if (made == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for a writer");
    }
    made->engine = engine;
    made->lane = lane;
    made->place = mdb_place_of_lane(engine, lane);
    made->id = (int64_t)pl_random_below(ID_MAX) + 1;
    made->outbox_next = 1;
    pl_arena_init(&made->arena, NULL, 0, 0);
    pl_arena_init(&made->link_arena, NULL, 0, 0);
    made->roles = mdb_roles_new();
    if (made->roles == NULL) {
        mdb_close_writer(made);
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for a writer");
    }
    *writer = made;
    return PARLEY_OK;
}

void mdb_close_writer(struct shard_writer *writer)
{
    mdb_roles_free(writer->roles);
    mdb_sql_deinit(&writer->sql);
    mdb_sql_deinit(&writer->rows);
    pl_map_free(writer->known, NULL);
    pl_arena_deinit(&writer->arena);
    pl_arena_deinit(&writer->link_arena);
    pl_free(writer->head_of);
    pl_free(writer->heads);
    pl_free(writer->added);
    pl_free(writer->events);
    pl_free(writer->commits);
    pl_free(writer->links);
    mdb_doubts_forget(writer);
    pl_free(writer);
}
