/* SPDX-License-Identifier: Apache-2.0 */
/* The conversations of a batch. They are locked in the order of the key (bucket, id), which is the
 * same for every node: two batches never wait for each other in a ring.
 * The lock is what makes seq gapless: whoever holds it alone gives out the next number. */
#include "mysql/writer_impl.h"

#include "shard/route.h"

#include <stdlib.h>

#define ORDERED " ORDER BY bucket, id FOR UPDATE"

static int compare_heads(const void *left, const void *right)
{
    const struct mdb_head *a = left;
    const struct mdb_head *b = right;
    return a->bucket != b->bucket ? (a->bucket > b->bucket) - (a->bucket < b->bucket)
                                  : mdb_compare_ids(a->id, b->id);
}

static void remove_repeats(struct shard_writer *writer)
{
    size_t kept = 0;
    for (size_t i = 0; i < writer->head_count; i++) {
        if (kept == 0 || compare_heads(&writer->heads[kept - 1], &writer->heads[i]) != 0) {
            writer->heads[kept++] = writer->heads[i];
        }
    }
    writer->head_count = kept;
}

void mdb_heads_gather(struct shard_writer *writer)
{
    writer->head_count = 0;
    for (size_t i = 0; i < writer->request_count; i++) {
        struct store_bytes id = store_request_conversation(writer->requests[i]);
        if (id.len > 0) {
            writer->heads[writer->head_count++] =
                (struct mdb_head){.id = id, .bucket = shard_bucket(id.data, id.len)};
        }
    }
    qsort(writer->heads, writer->head_count, sizeof(struct mdb_head), compare_heads);
    remove_repeats(writer);
    for (size_t i = 0; i < writer->request_count; i++) {
        struct store_bytes id = store_request_conversation(writer->requests[i]);
        writer->head_of[i] = 0;
        if (id.len > 0) {
            struct mdb_head key = {.id = id, .bucket = shard_bucket(id.data, id.len)};
            const struct mdb_head *found = bsearch(&key, writer->heads, writer->head_count,
                                                   sizeof(struct mdb_head), compare_heads);
            writer->head_of[i] = (size_t)(found - writer->heads);
        }
    }
}

void mdb_heads_add_lock(const struct shard_writer *writer, struct mdb_sql *sql)
{
    for (size_t i = 0; i < writer->head_count; i++) {
        const struct mdb_head *head = &writer->heads[i];
        if (i % MDB_KEYS_MAX == 0) {
            mdb_sql_add(sql, i == 0 ? "" : ORDERED);
            mdb_sql_add(sql,
                        ";SELECT bucket, id, serial, head_seq, ordinal, last_at_ms, member_count,"
                        " members_seq FROM conversation FORCE INDEX (PRIMARY) WHERE ");
        }
        mdb_sql_format(sql, "is",
                       i % MDB_KEYS_MAX == 0 ? "(bucket=? AND id=?)" : " OR (bucket=? AND id=?)",
                       head->bucket, head->id);
    }
    if (writer->head_count > 0) {
        mdb_sql_add(sql, ORDERED);
    }
}

static void take_row(const struct mdb_conn *conn, struct mdb_head *head)
{
    head->serial = mdb_conn_i64(conn, 2);
    head->number = mdb_number(head->bucket, head->serial);
    head->head_seq = mdb_conn_i64(conn, 3);
    head->ordinal = mdb_conn_i64(conn, 4);
    head->last_at_ms = mdb_conn_i64(conn, 5);
    head->member_count = mdb_conn_i64(conn, 6);
    head->members_seq = mdb_conn_i64(conn, 7);
}

void mdb_heads_take(struct shard_writer *writer)
{
    struct mdb_conn *conn = writer->conn;
    for (size_t i = 0; i < writer->head_count; i++) {
        struct mdb_head *head = &writer->heads[i];
        *head = (struct mdb_head){.id = head->id, .bucket = head->bucket};
    }
    while (mdb_conn_next(conn)) {
        while (mdb_conn_row(conn)) {
            struct mdb_head key = {.bucket = mdb_conn_i64(conn, 0), .id = mdb_conn_bytes(conn, 1)};
            struct mdb_head *head = bsearch(&key, writer->heads, writer->head_count,
                                            sizeof(struct mdb_head), compare_heads);
            if (head != NULL) {
                take_row(conn, head);
            }
        }
    }
}

void mdb_heads_place(struct shard_writer *writer)
{
    for (size_t i = 0; i < writer->head_count; i++) {
        writer->heads[i].is_here = mdb_writer_owns(writer, writer->heads[i].id);
    }
}

/* One statement for all: each row is there, so that each INSERT becomes an update. What the update
 * leaves alone gets any value. */
bool mdb_heads_add_update(const struct shard_writer *writer, struct mdb_sql *sql)
{
    const char *separator =
        ";INSERT INTO conversation (bucket, id, serial, title, created_by, created_at_ms,"
        " first_seq, head_seq, ordinal, last_at_ms, member_count, members_seq) VALUES ";
    bool has_changed = false;
    for (size_t i = 0; i < writer->head_count; i++) {
        const struct mdb_head *head = &writer->heads[i];
        if (head->event_count > 0) {
            mdb_sql_add(sql, separator);
            mdb_sql_format(sql, "isiiiiii", "(?,?,?,'','',0,0,?,?,?,?,?)", head->bucket, head->id,
                           head->serial, head->head_seq, head->ordinal, head->last_at_ms,
                           head->member_count, head->members_seq);
            separator = ",";
            has_changed = true;
        }
    }
    if (has_changed) {
        mdb_sql_add(sql,
                    " ON DUPLICATE KEY UPDATE head_seq=VALUES(head_seq), ordinal=VALUES(ordinal),"
                    " last_at_ms=VALUES(last_at_ms), member_count=VALUES(member_count),"
                    " members_seq=VALUES(members_seq)");
    }
    return has_changed;
}
