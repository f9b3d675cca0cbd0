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
static void end_list_rows(struct mdb_sql *sql)
{
    mdb_sql_add(sql, " ON DUPLICATE KEY UPDATE"
                     " is_member=IF(VALUES(version)>=version, VALUES(is_member), is_member),"
                     " version=GREATEST(version, VALUES(version))");
}

/* All or nothing: the outbox keeps them if a list has moved on, and they come again. */
void mdb_links_apply(struct shard_writer *writer, struct shard_link_request *request)
{
    struct mdb_sql *sql = mdb_writer_sql(writer);
    begin_list_rows(sql);
    for (size_t i = 0; i < request->count; i++) {
        if (!mdb_writer_owns(writer, request->links[i].user)) {
            mdb_map_refuse(&request->request.error, writer->engine->options.busy_retry_ms);
            return;
        }
        add_list_row(sql, &request->links[i], i == 0);
    }
    end_list_rows(sql);
    if (request->count > 0) {
        (void)mdb_writer_run(writer);
    }
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

static void add_local(struct shard_writer *writer, const struct shard_link *links, size_t count)
{
    struct mdb_sql *sql = mdb_writer_sql(writer);
    bool is_first = true;
    begin_list_rows(sql);
    for (size_t i = 0; i < count; i++) {
        if (mdb_writer_owns(writer, links[i].user)) {
            add_list_row(sql, &links[i], is_first);
            is_first = false;
        }
    }
    end_list_rows(sql);
    if (!is_first) {
        (void)mdb_writer_run(writer);
    }
}

void mdb_links_add(struct shard_writer *writer, const struct mdb_head *head,
                   const struct shard_link *links, size_t count)
{
    add_local(writer, links, count);
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

void mdb_links_load(struct shard_writer *writer)
{
    struct shard_link link = {.version = 0};
    writer->link_count = 0;
    mdb_sql_format(mdb_writer_sql(writer), "i",
                   "SELECT conversation_id, user, is_member, version FROM outbox WHERE owner=?"
                   " ORDER BY id",
                   writer->id);
    mdb_conn_start(writer->conn, &writer->sql);
    while (mdb_conn_row(writer->conn) && take_link(writer, &link, 0) && push_link(writer, &link)) {
    }
    (void)mdb_writer_finish(writer);
}

/* ---- taking over ---- */

/* The rows as they are, locked; copied to our part by `sql` and to be removed by `removal`. */
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

void mdb_links_claim(struct shard_writer *writer, const struct mdb_head *head)
{
    struct mdb_sql copies = {.data = NULL};
    struct mdb_sql removal = {.data = NULL};
    struct mdb_sql *sql = mdb_writer_sql(writer);
    mdb_sql_format(sql, "i",
                   "SELECT owner, id, conversation, conversation_id, user, is_member, version"
                   " FROM outbox WHERE owner<>?",
                   writer->id);
    if (head != NULL) {
        mdb_sql_format(sql, "i", " AND conversation=?", head->number);
    }
    mdb_sql_add(sql, " ORDER BY owner, id FOR UPDATE");
    mdb_conn_start(writer->conn, sql);
    if (read_foreign(writer, &copies, &removal) > 0) {
        writer->trouble = mdb_conn_run(writer->conn, &removal, &writer->failure);
        if (mdb_writer_is_well(writer)) {
            writer->trouble = mdb_conn_run(writer->conn, &copies, &writer->failure);
        }
    }
    mdb_sql_deinit(&copies);
    mdb_sql_deinit(&removal);
}
