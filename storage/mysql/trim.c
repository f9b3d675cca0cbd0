/* SPDX-License-Identifier: Apache-2.0 */
/* Retention: the oldest events of a conversation go. Of a message its row stays, with kind 0 and
 * nothing of what was said: a repeat is known by it for ever. The unique key holds most of that
 * anyhow; a table for the keys of old messages would take as much room, and every send would have
 * to look into it. The conversation is locked, as for every write: several nodes may trim at once.
 */
#include "mysql/writer_impl.h"

#include "shard/rules.h"

/* The first seq that is there, what is kept, and the events from it on. */
static void add_oldest(const struct mdb_head *head, const struct store_trim *trim,
                       struct mdb_sql *sql)
{
    mdb_sql_format(sql, "isiisi",
                   "SELECT first_seq, retention_age_ms, retention_messages FROM conversation WHERE"
                   " bucket=? AND id=?;"
                   "SELECT seq, created_at_ms, ordinal FROM message WHERE conversation=? AND seq>="
                   "(SELECT first_seq FROM conversation WHERE bucket=? AND id=?)"
                   " ORDER BY seq LIMIT ?",
                   head->bucket, head->id, head->number, head->bucket, head->id,
                   (int64_t)trim->limit);
}

/* Find first_seq, and count the events from there on that are not kept. */
static void count_expired(struct shard_writer *writer, const struct mdb_head *head,
                          struct store_trim *trim)
{
    struct mdb_conn *conn = writer->conn;
    struct store_retention kept = {0};
    add_oldest(head, trim, mdb_writer_sql(writer));
    mdb_conn_start(conn, &writer->sql);
    if (mdb_conn_row(conn)) {
        trim->first_seq = mdb_conn_i64(conn, 0);
        kept = shard_retention(&trim->retention, mdb_retention(conn, 1));
    }
    if (mdb_conn_next(conn)) {
        while (mdb_conn_row(conn) &&
               shard_is_expired(&kept, trim->now_ms, head->ordinal, mdb_conn_i64(conn, 1),
                                mdb_conn_i64(conn, 2))) {
            trim->trimmed++;
        }
    }
    (void)mdb_writer_finish(writer);
}

static void remove_events(struct shard_writer *writer, const struct mdb_head *head,
                          struct store_trim *trim)
{
    int64_t first = trim->first_seq;
    int64_t next = first + (int64_t)trim->trimmed;
    mdb_sql_format(mdb_writer_sql(writer), "iiiiiiiis",
                   "UPDATE message SET kind=0, content_type=NULL, body='' WHERE conversation=? AND"
                   " seq BETWEEN ? AND ? AND kind=1;"
                   "DELETE FROM message WHERE conversation=? AND seq BETWEEN ? AND ? AND kind>1;"
                   "UPDATE conversation SET first_seq=? WHERE bucket=? AND id=?",
                   head->number, first, next - 1, head->number, first, next - 1, next, head->bucket,
                   head->id);
    (void)mdb_writer_run(writer);
    trim->first_seq = next;
}

void mdb_set_retention(struct shard_writer *writer, struct store_set_retention *set,
                       const struct mdb_head *head)
{
    enum store_role role =
        head->serial == 0 ? STORE_ROLE_NONE : mdb_writer_role(writer, head, set->actor);
    if (mdb_writer_is_well(writer) && shard_may_set_retention(head->serial != 0, role, set)) {
        mdb_sql_format(mdb_writer_sql(writer), "iiis",
                       "UPDATE conversation SET retention_age_ms=?, retention_messages=? WHERE"
                       " bucket=? AND id=?",
                       set->retention.age_ms, set->retention.messages, head->bucket, head->id);
        (void)mdb_writer_run(writer);
    }
}

void mdb_trim(struct shard_writer *writer, struct store_trim *trim, const struct mdb_head *head)
{
    trim->trimmed = 0;
    if (head->serial == 0) {
        shard_fail_trim(trim);
        return;
    }
    count_expired(writer, head, trim);
    if (mdb_writer_is_well(writer) && trim->trimmed > 0) {
        remove_events(writer, head, trim);
    }
    trim->has_more = trim->trimmed == trim->limit;
}
