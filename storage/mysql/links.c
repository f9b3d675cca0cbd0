/* SPDX-License-Identifier: Apache-2.0 */
/* The lists of users, and the outbox through which those on other shards are brought up to date.
 *
 * Several nodes may bring changes of one membership to a list, in any order: each carries the seq
 * of the change, and the latest wins. Each writer has its own part of the outbox, counted by
 * itself; what a dead one left is taken over by the next writer that starts, or by whoever repeats
 * the request that the dead one did not answer. */
#include "mysql/writer_impl.h"

#include "base/mem.h"
#include "shard/route.h"

/* What is in the outbox goes in rounds: so many rows are brought to their lists well within a
 * transaction's deadline. */
#define ROUND_ROWS 16384

static bool push_link(struct shard_writer *writer, const struct shard_link *link)
{
    if (writer->link_count == writer->link_capacity) {
        size_t capacity = writer->link_capacity == 0 ? 64 : writer->link_capacity * 2;
        struct shard_link *links = pl_realloc(writer->links, capacity * sizeof(*links));
        if (links == NULL) {
            mdb_writer_break(writer, PARLEY_UNAVAILABLE, "no memory for links");
            return false;
        }
        writer->links = links;
        writer->link_capacity = capacity;
    }
    writer->links[writer->link_count++] = *link;
    return true;
}

/* ---- lists on this database ---- */

static void begin_list_rows(struct mdb_sql *sql)
{
    mdb_sql_add(sql, "INSERT INTO user_conversation (bucket, user, conversation, is_member,"
                     " version) VALUES ");
}

static void add_list_row(struct mdb_sql *sql, const struct shard_link *link, bool is_first)
{
    mdb_sql_format(sql, "issii", is_first ? "(?,?,?,?,?)" : ",(?,?,?,?,?)",
                   (int64_t)shard_bucket(link->user.data, link->user.len), link->user,
                   link->conversation_id, (int64_t)link->is_member, link->version);
}

/* In this order: the comparison needs the version that was there. */
static void run_list_rows(struct shard_writer *writer)
{
    mdb_sql_add(&writer->sql,
                " ON DUPLICATE KEY UPDATE"
                " is_member=IF(VALUES(version)>=version, VALUES(is_member), is_member),"
                " version=GREATEST(version, VALUES(version))");
    (void)mdb_writer_run(writer);
}

/* Of the users who live here. */
static void write_lists(struct shard_writer *writer, const struct shard_link *links, size_t count)
{
    bool is_first = true;
    for (size_t i = 0; i < count && mdb_writer_is_well(writer); i++) {
        if (!mdb_writer_owns(writer, links[i].user)) {
            continue;
        }
        if (is_first) {
            begin_list_rows(mdb_writer_sql(writer));
        }
        add_list_row(&writer->sql, &links[i], is_first);
        is_first = writer->sql.len >= MDB_STATEMENT_BYTES;
        if (is_first) {
            run_list_rows(writer);
        }
    }
    if (!is_first && mdb_writer_is_well(writer)) {
        run_list_rows(writer);
    }
}

/* All or nothing: the outbox keeps them if a list has moved on, and they come again. */
void mdb_links_apply(struct shard_writer *writer, struct shard_link_request *request)
{
    for (size_t i = 0; i < request->count; i++) {
        if (!mdb_writer_owns(writer, request->links[i].user)) {
            mdb_map_refuse(&request->request.error, writer->engine->options.busy_retry_ms);
            return;
        }
    }
    write_lists(writer, request->links, request->count);
}

/* ---- the outbox ---- */

static void begin_outbox_rows(struct mdb_sql *sql)
{
    mdb_sql_add(sql, "INSERT INTO outbox (owner, id, conversation, conversation_id, user,"
                     " is_member, version) VALUES ");
}

static void add_outbox_row(struct shard_writer *writer, struct mdb_sql *sql, int64_t number,
                           const struct shard_link *link, bool is_first)
{
    mdb_sql_format(sql, "iiissii", is_first ? "(?,?,?,?,?,?,?)" : ",(?,?,?,?,?,?,?)", writer->id,
                   writer->outbox_next++, number, link->conversation_id, link->user,
                   (int64_t)link->is_member, link->version);
}

static void add_remote(struct shard_writer *writer, const struct mdb_head *head,
                       const struct shard_link *links, size_t count)
{
    struct mdb_sql *sql = mdb_writer_sql(writer);
    bool is_first = true;
    begin_outbox_rows(sql);
    for (size_t i = 0; i < count; i++) {
        if (!mdb_writer_owns(writer, links[i].user)) {
            add_outbox_row(writer, sql, head->number, &links[i], is_first);
            is_first = false;
            if (!push_link(writer, &links[i])) {
                return;
            }
        }
    }
    if (!is_first) {
        (void)mdb_writer_run(writer);
    }
}

void mdb_links_add(struct shard_writer *writer, const struct mdb_head *head,
                   const struct shard_link *links, size_t count)
{
    write_lists(writer, links, count);
    if (mdb_writer_is_well(writer)) {
        add_remote(writer, head, links, count);
    }
}

void mdb_links_forget(struct shard_writer *writer, const struct shard_forget_request *request)
{
    mdb_sql_format(mdb_writer_sql(writer), "iii",
                   "DELETE FROM outbox WHERE owner=? AND id BETWEEN ? AND ?", writer->id,
                   request->first, request->last);
    (void)mdb_writer_run(writer);
}

static bool take_link(struct shard_writer *writer, struct shard_link *link, unsigned column)
{
    struct mdb_conn *conn = writer->conn;
    struct pl_arena *arena = &writer->link_arena;
    link->conversation_id = mdb_writer_copy(writer, arena, mdb_conn_bytes(conn, column));
    link->user = mdb_writer_copy(writer, arena, mdb_conn_bytes(conn, column + 1));
    link->is_member = mdb_conn_i64(conn, column + 2) != 0;
    link->version = mdb_conn_i64(conn, column + 3);
    return mdb_writer_is_well(writer);
}

bool mdb_links_load(struct shard_writer *writer, int64_t *last)
{
    struct shard_link link = {.version = 0};
    writer->link_count = 0;
    mdb_sql_format(mdb_writer_sql(writer), "ii",
                   "SELECT id, conversation_id, user, is_member, version FROM outbox WHERE owner=?"
                   " ORDER BY id LIMIT ?",
                   writer->id, (int64_t)ROUND_ROWS + 1);
    mdb_conn_start(writer->conn, &writer->sql);
    bool has_row = mdb_conn_row(writer->conn);
    while (has_row && writer->link_count < ROUND_ROWS && take_link(writer, &link, 1) &&
           push_link(writer, &link)) {
        *last = mdb_conn_i64(writer->conn, 0);
        has_row = mdb_conn_row(writer->conn);
    }
    return mdb_writer_finish(writer) && !has_row;
}

/* ---- taking over ---- */

/* The rows as they are, locked; copied to our part by `copies` and removed by `removal`. */
static size_t read_foreign(struct shard_writer *writer, struct mdb_sql *copies,
                           struct mdb_sql *removal)
{
    struct mdb_conn *conn = writer->conn;
    struct shard_link link = {.version = 0};
    size_t count = 0;
    begin_outbox_rows(copies);
    mdb_sql_add(removal, "DELETE FROM outbox WHERE ");
    while (mdb_conn_row(conn)) {
        mdb_sql_format(removal, "ii", count == 0 ? "(owner=? AND id=?)" : " OR (owner=? AND id=?)",
                       mdb_conn_i64(conn, 0), mdb_conn_i64(conn, 1));
        if (!take_link(writer, &link, 3)) {
            break;
        }
        add_outbox_row(writer, copies, mdb_conn_i64(conn, 2), &link, count == 0);
        count++;
        if (!push_link(writer, &link)) {
            break;
        }
    }
    return mdb_writer_finish(writer) ? count : 0;
}

/* The first MDB_KEYS_MAX rows. @return how many there were */
static size_t claim_some(struct shard_writer *writer, const struct mdb_head *head)
{
    struct mdb_sql copies = {.data = NULL};
    struct mdb_sql removal = {.data = NULL};
    struct mdb_sql *sql = mdb_writer_sql(writer);
    mdb_sql_add(sql, "SELECT owner, id, conversation, conversation_id, user, is_member, version"
                     " FROM outbox");
    if (head != NULL) {
        mdb_sql_format(sql, "i", " FORCE INDEX (outbox_conversation) WHERE conversation=? AND",
                       head->number);
    } else {
        mdb_sql_add(sql, " WHERE");
    }
    mdb_sql_format(sql, "ii", " owner<>? ORDER BY owner, id LIMIT ? FOR UPDATE", writer->id,
                   (int64_t)MDB_KEYS_MAX);
    mdb_conn_start(writer->conn, sql);
    size_t count = read_foreign(writer, &copies, &removal);
    if (count > 0) {
        writer->trouble = mdb_conn_run(writer->conn, &removal, &writer->failure);
        if (mdb_writer_is_well(writer)) {
            writer->trouble = mdb_conn_run(writer->conn, &copies, &writer->failure);
        }
    }
    mdb_sql_deinit(&copies);
    mdb_sql_deinit(&removal);
    return count;
}

bool mdb_links_claim(struct shard_writer *writer, const struct mdb_head *head)
{
    size_t sum = 0;
    size_t count = 0;
    do {
        count = claim_some(writer, head);
        sum += count;
    } while (count == MDB_KEYS_MAX && mdb_writer_is_well(writer) &&
             (head != NULL || sum < ROUND_ROWS));
    return count < MDB_KEYS_MAX;
}
