/* SPDX-License-Identifier: Apache-2.0 */
/* Commits whose answer was lost. Each transaction leaves its number in the row of its writer, under
 * a lock that it holds from its beginning: reading that row with a lock, on another connection,
 * waits for the end of the transaction and tells which it was.
 *
 * If that cannot be read in time either, the requests are answered UNAVAILABLE, and their clients
 * ask again. What the transaction may have added stays noted here: before the writer's next
 * transaction it is looked up, and if it is stored the listener is told of it then. */
#include "mysql/event.h"
#include "mysql/writer_impl.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "mysql/metrics.h"

#include <string.h>

/* A run of events that may be stored. */
struct mdb_doubt {
    int64_t number;
    int64_t first_seq;
    int64_t last_seq;
    size_t id_len;
    char id[PL_ID_MAX];
};

enum mdb_fate mdb_doubts_find_out(struct shard_writer *writer, int64_t transaction)
{
    enum mdb_result result = MDB_LOST;
    int64_t last = 0;
    pl_metric_add(&mdb_metric_doubts, 1);
    while (result != MDB_OK && pl_clock_monotonic_ns() < writer->deadline_ns) {
        if (!mdb_writer_take_connection(writer, true)) {
            continue; /* it has waited */
        }
        mdb_sql_format(mdb_writer_sql(writer), "i",
                       "SELECT last_transaction FROM writer WHERE id=? FOR UPDATE", writer->id);
        mdb_conn_start(writer->conn, &writer->sql);
        last = mdb_conn_row(writer->conn) ? mdb_conn_i64(writer->conn, 0) : 0;
        result = mdb_conn_finish(writer->conn, &writer->failure);
        if (result == MDB_LOST) {
            mdb_writer_give_back(writer);
        }
    }
    if (result != MDB_OK) {
        pl_fail(&writer->failure, PARLEY_UNAVAILABLE,
                "the answer to a commit was lost, and its outcome cannot be read in time");
        return MDB_FATE_UNKNOWN;
    }
    return last == transaction ? MDB_FATE_COMMITTED : MDB_FATE_ROLLED_BACK;
}

void mdb_doubts_note(struct shard_writer *writer)
{
    pl_free(writer->doubts);
    writer->doubt_count = 0;
    writer->doubt_events = 0;
    writer->doubt_transaction = writer->transaction;
    writer->doubts = pl_calloc(writer->head_count + 1, sizeof(*writer->doubts));
    if (writer->doubts == NULL) {
        pl_log_error("STORE_DOUBT_LOST", NULL, "shard=%u: no memory to note a commit in doubt",
                     writer->place->index);
        return;
    }
    for (size_t i = 0; i < writer->head_count; i++) {
        const struct mdb_head *head = &writer->heads[i];
        if (head->event_count > 0) {
            struct mdb_doubt *doubt = &writer->doubts[writer->doubt_count++];
            *doubt = (struct mdb_doubt){
                .number = head->number,
                .first_seq = head->head_seq - (int64_t)head->event_count + 1,
                .last_seq = head->head_seq,
                .id_len = head->id.len,
            };
            memcpy(doubt->id, head->id.data, head->id.len); /* a valid id: it fits */
            writer->doubt_events += head->event_count;
        }
    }
}

/* Report a run of events as what a transaction added. */
static void load(struct shard_writer *writer, const struct mdb_doubt *doubt)
{
    struct store_commit *commit = &writer->commits[writer->commit_count];
    struct pl_arena *arena = &writer->link_arena; /* lives as long as the batch's results */
    *commit = (struct store_commit){
        .conversation_id =
            mdb_writer_copy(writer, arena, (struct store_bytes){doubt->id, doubt->id_len}),
        .events = &writer->events[writer->event_count],
    };
    mdb_sql_format(mdb_writer_sql(writer), "iii",
                   "SELECT " MDB_EVENT_COLUMNS " FROM message WHERE conversation=? AND seq BETWEEN"
                   " ? AND ? AND kind>0 ORDER BY seq",
                   doubt->number, doubt->first_seq, doubt->last_seq);
    mdb_conn_start(writer->conn, &writer->sql);
    while (mdb_writer_is_well(writer) && mdb_conn_row(writer->conn)) {
        if (mdb_event_take(writer->conn, &writer->events[writer->event_count], arena)) {
            writer->event_count++;
            commit->event_count++;
        } else {
            mdb_writer_break(writer, PARLEY_UNAVAILABLE, "no memory for a commit in doubt");
        }
    }
    if (mdb_writer_finish(writer) && commit->event_count > 0) {
        writer->commit_count++;
    }
}

bool mdb_doubts_settle(struct shard_writer *writer)
{
    if (PL_LIKELY(writer->doubts == NULL)) {
        return true;
    }
    writer->trouble = MDB_LOST;
    if (!mdb_writer_take_connection(writer, false)) {
        return false;
    }
    enum mdb_fate fate = mdb_doubts_find_out(writer, writer->doubt_transaction);
    if (fate == MDB_FATE_UNKNOWN) {
        return false;
    }
    writer->trouble = MDB_OK;
    for (size_t i = 0;
         fate == MDB_FATE_COMMITTED && i < writer->doubt_count && mdb_writer_is_well(writer); i++) {
        load(writer, &writer->doubts[i]);
    }
    if (!mdb_writer_is_well(writer)) {
        writer->commit_count = 0;
        writer->event_count = 0;
        return false;
    }
    mdb_doubts_forget(writer);
    return true;
}

void mdb_doubts_forget(struct shard_writer *writer)
{
    pl_free(writer->doubts);
    writer->doubts = NULL;
    writer->doubt_count = 0;
    writer->doubt_events = 0;
}
