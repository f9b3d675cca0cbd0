/* SPDX-License-Identifier: Apache-2.0 */
/* Moves buckets from one shard to another while nodes write and read; see store/mysql_shards.h. The
 * protocol is checked in every order of its steps by tests/model/move.pml.
 *
 * One bucket after the other; what the two shards say of it (map.h) is all that there is to know,
 * so that a mover that was killed is followed by one that goes on:
 *
 *     source                  target
 *     SERVING                                 not begun
 *     SERVING                 ARRIVING        copying, and catching up, pass after pass
 *     FENCED                  ARRIVING        nobody writes; the last pass, and one that finds
 * nothing LEFT                    ARRIVING        the target serves LEFT                    SERVING
 * and says so itself, so that nobody must ask the source PURGING, then GONE      SERVING when no
 * read can be under way that began before
 *
 * A change of a state raises the epoch of its database, which waits for the writing transactions
 * that have begun. A fence that was left alone lapses: a node that meets it lifts it, and the mover
 * finds that the source is not FENCED any more when it would have it LEFT. */
#include "store/mysql_shards.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/text.h"
#include "mysql/copy.h"
#include "mysql/engine_impl.h"
#include "mysql/schema.h"

#include <time.h>

#define NS_PER_MS      INT64_C(1000000)
#define PATIENCE_MS    60000U /* for one statement that reads or copies */
#define PAUSE_MAX_MS   1000
#define FENCE_MS       3000 /* and as long as writers may be kept waiting */
#define PASSES_MAX     30
#define FENCES_MAX     10
#define STATE_TRIES    50
#define REPORT_NS      INT64_C(1000000000)
#define READ_MARGIN_MS 1000

struct mover {
    struct mysql_engine *engine;
    struct store_mysql_options patient;
    struct store_mysql_move *move;
    struct mdb_copier copier;
    unsigned bucket;
    const char *doing;
    bool must_purge;
    int64_t next_report_ns;
};

/* ---- telling ---- */

static void report(struct mover *mover, const char *text)
{
    if (mover->move->report != NULL) {
        mover->move->report(mover->move->context, text);
    }
    mover->next_report_ns = pl_clock_monotonic_ns() + REPORT_NS;
}

static void report_bucket(struct mover *mover, const char *what)
{
    const struct store_mysql_move *move = mover->move;
    char text[160];
    (void)pl_text_format(text, sizeof(text), "bucket %u (%u of %u): %s; %lld rows copied so far",
                         mover->bucket, mover->bucket - move->first + 1,
                         move->last - move->first + 1, what, (long long)mover->copier.rows);
    report(mover, text);
}

static void on_progress(struct mdb_copier *copier)
{
    struct mover *mover = PL_CONTAINER_OF(copier, struct mover, copier);
    if (pl_clock_monotonic_ns() >= mover->next_report_ns) {
        report_bucket(mover, mover->doing);
    }
}

static void pause_ms(int64_t ms)
{
    const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * NS_PER_MS};
    (void)nanosleep(&time, NULL);
}

/* ---- states ---- */

/* A text with its COMMIT: whoever freezes or dies leaves no lock behind. It waits for those who
 * write, and others wait behind it: not for long, rather again. */
static enum parley_code change_state(struct mdb_conn *conn, const char *change, size_t len,
                                     struct pl_error *err)
{
    struct mdb_sql sql = {.data = NULL};
    enum mdb_result result = MDB_CONFLICT;
    mdb_sql_add(&sql, "START TRANSACTION;UPDATE shard_place SET epoch=epoch+1 WHERE one=1;");
    mdb_sql_raw(&sql, change, len);
    mdb_sql_add(&sql, ";COMMIT");
    for (unsigned tries = 0; tries < STATE_TRIES && result == MDB_CONFLICT; tries++) {
        pl_error_clear(err);
        result = mdb_conn_run(conn, &sql, err);
        if (result != MDB_OK) {
            (void)mdb_conn_exec(conn, "ROLLBACK", NULL);
            pause_ms((int64_t)pl_random_below(50));
        }
    }
    mdb_sql_deinit(&sql);
    return result == MDB_OK ? PARLEY_OK : err->code;
}

static enum parley_code set_state(struct mdb_conn *conn, unsigned bucket,
                                  const struct mdb_bucket *is, int64_t fence_ms,
                                  struct pl_error *err)
{
    struct mdb_sql sql = {.data = NULL};
    mdb_sql_format(&sql, "iiiii",
                   "INSERT INTO bucket_place (bucket, owner, version, state, until_ms, epoch)"
                   " SELECT ?, ?, ?, ?, " MDB_NOW_MS "+?, epoch FROM shard_place WHERE one=1"
                   " ON DUPLICATE KEY UPDATE owner=VALUES(owner), version=VALUES(version),"
                   " state=VALUES(state), until_ms=VALUES(until_ms), epoch=VALUES(epoch)",
                   (int64_t)bucket, (int64_t)is->owner, is->version, (int64_t)is->state, fence_ms);
    enum parley_code code = change_state(conn, sql.data, sql.len, err);
    mdb_sql_deinit(&sql);
    return code;
}

/* The source gives the bucket away, unless its fence has lapsed: then nothing changes. */
static enum parley_code give_away(struct mover *mover, const struct mdb_bucket *source,
                                  struct pl_error *err)
{
    struct mdb_sql sql = {.data = NULL};
    mdb_sql_format(&sql, "iiiiii",
                   "UPDATE bucket_place b JOIN shard_place p ON p.one=1 SET b.owner=?, b.version=?,"
                   " b.state=?, b.epoch=p.epoch WHERE b.bucket=? AND b.state=? AND b.version=?",
                   (int64_t)mover->move->to, source->version + 1, (int64_t)MDB_BUCKET_LEFT,
                   (int64_t)mover->bucket, (int64_t)MDB_BUCKET_FENCED, source->version);
    enum parley_code code = change_state(mover->copier.from, sql.data, sql.len, err);
    mdb_sql_deinit(&sql);
    return code;
}

static enum parley_code read_state(struct mover *mover, struct mdb_conn *conn,
                                   struct mdb_bucket *out, struct pl_error *err)
{
    return mdb_bucket_read(conn, mover->bucket, mover->engine->shards, out, err);
}

/* ---- one bucket ---- */

/* The target has nothing of the bucket, or a part of what this move copies. */
static enum parley_code prepare_target(struct mover *mover, const struct mdb_bucket *source,
                                       struct pl_error *err)
{
    struct mdb_conn *to = mover->copier.to;
    struct mdb_bucket target;
    enum parley_code code = read_state(mover, to, &target, err);
    bool is_begun = target.state == MDB_BUCKET_ARRIVING && target.version == source->version + 1;
    if (code != PARLEY_OK || is_begun) {
        return code;
    }
    bool serves = target.state == MDB_BUCKET_SERVING || target.state == MDB_BUCKET_FENCED ||
                  (target.state == MDB_BUCKET_UNMOVED && target.owner == mover->move->to);
    if (serves) {
        return pl_fail(err, PARLEY_DATA_LOSS, "both shards say that they serve bucket %u",
                       mover->bucket);
    }
    code = mdb_copier_remove(&mover->copier, to, mover->bucket, err);
    const struct mdb_bucket arriving = {
        .owner = mover->move->from, .version = source->version + 1, .state = MDB_BUCKET_ARRIVING};
    return code == PARLEY_OK ? set_state(to, mover->bucket, &arriving, 0, err) : code;
}

/* Until a pass takes so little time that it may be done under the fence. */
static enum parley_code catch_up(struct mover *mover, struct pl_error *err)
{
    int64_t calm_ns = mover->move->pause_max_ms * NS_PER_MS / 2;
    for (unsigned pass = 0; pass < PASSES_MAX; pass++) {
        int64_t began_ns = pl_clock_monotonic_ns();
        enum parley_code code = mdb_copier_pass(&mover->copier, mover->bucket, err);
        if (code != PARLEY_OK) {
            return code;
        }
        if (!mover->copier.has_raced && pl_clock_monotonic_ns() - began_ns < calm_ns) {
            return PARLEY_OK;
        }
    }
    return pl_fail(
        err, PARLEY_UNAVAILABLE,
        "bucket %u is written faster than it can be copied; try when there is less to do,"
        " or allow a longer pause",
        mover->bucket);
}

/* Under the fence. *is_equal: the target has all, which the second pass has found. */
static enum parley_code finish_copy(struct mover *mover, bool *is_equal, struct pl_error *err)
{
    struct mdb_copier *copier = &mover->copier;
    enum parley_code code = mdb_copier_pass(copier, mover->bucket, err);
    if (code == PARLEY_OK) {
        code = mdb_copier_pass(copier, mover->bucket, err);
    }
    *is_equal = code == PARLEY_OK && copier->copied == 0 && !copier->has_raced;
    return code == PARLEY_OK ? mdb_copier_outbox(copier, mover->bucket, err) : code;
}

static void note_pause(struct mover *mover, int64_t pause_ns)
{
    char text[64];
    struct store_mysql_move *move = mover->move;
    if (pause_ns / 1000 > move->pause_longest_us) {
        move->pause_longest_us = pause_ns / 1000;
    }
    if (pl_clock_monotonic_ns() >= mover->next_report_ns || mover->bucket == move->last) {
        (void)pl_text_format(text, sizeof(text), "moved; its writers waited %lld ms",
                             (long long)(pause_ns / NS_PER_MS));
        report_bucket(mover, text);
    }
}

/* One fence. *is_moved: it has changed hands; if not, the source serves as before. */
static enum parley_code hand_over(struct mover *mover, const struct mdb_bucket *source,
                                  bool *is_moved, struct pl_error *err)
{
    const struct store_mysql_move *move = mover->move;
    struct mdb_conn *from = mover->copier.from;
    struct mdb_bucket row = {
        .owner = move->from, .version = source->version, .state = MDB_BUCKET_FENCED};
    bool is_equal = false;
    int64_t began_ns = pl_clock_monotonic_ns();
    enum parley_code code =
        set_state(from, mover->bucket, &row, move->pause_max_ms + FENCE_MS, err);
    if (code == PARLEY_OK) {
        code = finish_copy(mover, &is_equal, err);
    }
    int64_t limit_ns = began_ns + move->pause_max_ms * NS_PER_MS;
    if (code == PARLEY_OK && is_equal && pl_clock_monotonic_ns() < limit_ns) {
        code = give_away(mover, source, err);
    }
    struct pl_error local = PL_ERROR_INIT;
    enum parley_code known = read_state(mover, from, &row, &local);
    *is_moved = known == PARLEY_OK && row.state == MDB_BUCKET_LEFT;
    if (*is_moved) {
        note_pause(mover, pl_clock_monotonic_ns() - began_ns);
        return PARLEY_OK;
    }
    if (known == PARLEY_OK && row.state == MDB_BUCKET_FENCED) {
        row.state = MDB_BUCKET_SERVING;
        known = set_state(from, mover->bucket, &row, 0, &local);
    }
    if (code == PARLEY_OK && known != PARLEY_OK) {
        *err = local;
        return known;
    }
    return code;
}

static enum parley_code carry_over(struct mover *mover, struct mdb_bucket *source,
                                   struct pl_error *err)
{
    bool is_moved = false;
    enum parley_code code = PARLEY_OK;
    if (source->state == MDB_BUCKET_FENCED) { /* by a mover that died */
        source->state = MDB_BUCKET_SERVING;
        code = set_state(mover->copier.from, mover->bucket, source, 0, err);
    }
    if (code == PARLEY_OK) {
        code = prepare_target(mover, source, err);
    }
    for (unsigned fences = 0; fences < FENCES_MAX && code == PARLEY_OK && !is_moved; fences++) {
        code = catch_up(mover, err);
        if (code == PARLEY_OK) {
            code = hand_over(mover, source, &is_moved, err);
        }
    }
    if (code == PARLEY_OK && !is_moved) {
        code =
            pl_fail(err, PARLEY_UNAVAILABLE,
                    "bucket %u did not fit into a pause of %u ms; try when there is less to do, or"
                    " allow a longer one",
                    mover->bucket, mover->move->pause_max_ms);
    }
    mover->move->moved += is_moved;
    return code;
}

/* The target says itself that it serves. */
static enum parley_code settle(struct mover *mover, int64_t version, struct pl_error *err)
{
    struct mdb_bucket target;
    enum parley_code code = read_state(mover, mover->copier.to, &target, err);
    if (code == PARLEY_OK && target.state == MDB_BUCKET_ARRIVING && target.version == version) {
        const struct mdb_bucket serving = {
            .owner = mover->move->to, .version = version, .state = MDB_BUCKET_SERVING};
        code = set_state(mover->copier.to, mover->bucket, &serving, 0, err);
    }
    return code;
}

static enum parley_code move_bucket(struct mover *mover, struct pl_error *err)
{
    struct mdb_bucket source;
    enum parley_code code = read_state(mover, mover->copier.from, &source, err);
    if (code != PARLEY_OK) {
        return code;
    }
    bool is_here = source.owner == mover->move->from && source.state != MDB_BUCKET_ARRIVING;
    if (is_here) {
        code = carry_over(mover, &source, err);
        source.version++;
    } else if (source.owner != mover->move->to || source.state == MDB_BUCKET_ARRIVING) {
        return pl_fail(err, PARLEY_FAILED_PRECONDITION,
                       "bucket %u is not on shard %u; see parleyd shard plan", mover->bucket,
                       mover->move->from);
    }
    mover->must_purge = mover->must_purge || is_here || source.state != MDB_BUCKET_GONE;
    return code == PARLEY_OK ? settle(mover, source.version, err) : code;
}

/* ---- removing it from the source ---- */

static enum parley_code purge_bucket(struct mover *mover, struct pl_error *err)
{
    struct mdb_copier *copier = &mover->copier;
    struct mdb_bucket source;
    enum parley_code code = read_state(mover, copier->from, &source, err);
    if (code == PARLEY_OK && source.state == MDB_BUCKET_LEFT) {
        code = mdb_copier_verify(copier, mover->bucket, err);
        source.state = MDB_BUCKET_PURGING;
        if (code == PARLEY_OK) {
            code = set_state(copier->from, mover->bucket, &source, 0, err);
        }
    }
    if (code == PARLEY_OK && source.state == MDB_BUCKET_PURGING) {
        code = mdb_copier_remove(copier, copier->from, mover->bucket, err);
        source.state = MDB_BUCKET_GONE;
        if (code == PARLEY_OK) {
            code = set_state(copier->from, mover->bucket, &source, 0, err);
        }
    }
    return code;
}

/* A read that found the bucket before it left ends with its deadline. */
static enum parley_code purge(struct mover *mover, struct pl_error *err)
{
    enum parley_code code = PARLEY_OK;
    if (!mover->must_purge) {
        return PARLEY_OK;
    }
    report(mover, "waiting for the last reads; then the source's rows are compared and removed");
    pause_ms((int64_t)mover->engine->options.deadline_ms + READ_MARGIN_MS);
    mover->doing = "comparing, and removing from the source";
    for (mover->bucket = mover->move->first;
         mover->bucket <= mover->move->last && code == PARLEY_OK; mover->bucket++) {
        code = purge_bucket(mover, err);
    }
    return code;
}

/* ---- all of them ---- */

static enum parley_code connect(struct mover *mover, unsigned shard, struct mdb_conn **conn,
                                struct pl_error *err)
{
    const struct mdb_login login = {.options = &mover->patient,
                                    .address = mover->engine->places[shard].address,
                                    .watch = mover->engine->watch};
    enum parley_code code = mdb_conn_open(&login, conn, err);
    if (code == PARLEY_OK) {
        code = mdb_schema_check_exact(*conn, shard, mover->engine->shards, err);
    }
    /* Others wait behind a change of the map: it must not wait long itself. */
    if (code == PARLEY_OK &&
        mdb_conn_exec(*conn, "SET SESSION innodb_lock_wait_timeout=1, wait_timeout=3600", err) !=
            MDB_OK) {
        code = err->code;
    }
    return code == PARLEY_OK ? code : pl_error_wrap(err, "shard %u: ", shard);
}

/* One mover for each source. It holds as long as the connection, through which the source is
 * changed. */
static enum parley_code lock_source(struct mover *mover, struct pl_error *err)
{
    struct mdb_sql sql = {.data = NULL};
    mdb_sql_add(&sql, "SELECT GET_LOCK(CONCAT('parley move ', LEFT(DATABASE(), 40)), 0)");
    mdb_conn_start(mover->copier.from, &sql);
    bool is_locked = mdb_conn_row(mover->copier.from) && mdb_conn_i64(mover->copier.from, 0) == 1;
    enum mdb_result result = mdb_conn_finish(mover->copier.from, err);
    mdb_sql_deinit(&sql);
    if (result != MDB_OK) {
        return err->code;
    }
    return is_locked ? PARLEY_OK
                     : pl_fail(err, PARLEY_FAILED_PRECONDITION,
                               "another move from shard %u is under way", mover->move->from);
}

static enum parley_code check_move(const struct mysql_engine *engine,
                                   const struct store_mysql_move *move, struct pl_error *err)
{
    if (move->from >= engine->shards || move->to >= engine->shards || move->from == move->to) {
        return pl_fail(err, PARLEY_INVALID_ARGUMENT,
                       "from %u to %u: these are no two of the %u shards", move->from, move->to,
                       engine->shards);
    }
    if (move->first > move->last || move->last >= SHARD_BUCKETS) {
        return pl_fail(err, PARLEY_INVALID_ARGUMENT, "%u-%u are no buckets: 0-%u, the first first",
                       move->first, move->last, SHARD_BUCKETS - 1);
    }
    return PARLEY_OK;
}

static enum parley_code move_all(struct mover *mover, struct pl_error *err)
{
    struct store_mysql_move *move = mover->move;
    enum parley_code code = connect(mover, move->from, &mover->copier.from, err);
    if (code == PARLEY_OK) {
        code = connect(mover, move->to, &mover->copier.to, err);
    }
    if (code == PARLEY_OK) {
        code = lock_source(mover, err);
    }
    mover->doing = "copying";
    for (mover->bucket = move->first; mover->bucket <= move->last && code == PARLEY_OK;
         mover->bucket++) {
        code = move_bucket(mover, err);
    }
    return code == PARLEY_OK ? purge(mover, err) : code;
}

enum parley_code store_mysql_move(const struct store_mysql_options *options,
                                  struct store_mysql_move *move, struct pl_error *err)
{
    struct pl_error local = PL_ERROR_INIT;
    struct mover mover = {.move = move, .copier = {.on_progress = on_progress}};
    err = err == NULL ? &local : err;
    enum parley_code code = mdb_engine_new(options, &mover.engine, err);
    if (code != PARLEY_OK) {
        return code;
    }
    move->pause_max_ms = move->pause_max_ms == 0 ? PAUSE_MAX_MS : move->pause_max_ms;
    mover.patient = mover.engine->options;
    mover.patient.deadline_ms = PATIENCE_MS;
    code = check_move(mover.engine, move, err);
    if (code == PARLEY_OK) {
        code = move_all(&mover, err);
    }
    move->rows = mover.copier.rows;
    mdb_conn_close(mover.copier.from);
    mdb_conn_close(mover.copier.to);
    mdb_copier_deinit(&mover.copier);
    mdb_engine_free(mover.engine);
    return code;
}
