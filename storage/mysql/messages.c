/* SPDX-License-Identifier: Apache-2.0 */
/* Messages. The first try of a batch takes all of them for new: one INSERT of many rows, which
 * fails if the unique key has one already. The second try is careful: it looks all of them up
 * first, under the locks that keep others from adding any. */
#include "mysql/writer_impl.h"

#include "base/id.h"
#include "base/map.h"
#include "shard/metrics.h"
#include "shard/rules.h"

#include <string.h>

#define LOOKUPS_MAX 512 /* keys in one statement */

/* A message that is there, in the database or earlier in the batch. */
struct mdb_known {
    int64_t seq;
    int64_t created_at_ms;
};

struct message_key {
    int64_t number;
    char rest[2 * PL_ID_MAX + 1]; /* sender, NUL, client message id: no id has a NUL */
};

static size_t make_key(struct message_key *key, int64_t number, struct store_bytes sender,
                       struct store_bytes client_message_id)
{
    char *to = key->rest;
    key->number = number;
    memcpy(to, sender.data, sender.len); /* valid ids: they fit */
    to += sender.len;
    *to++ = '\0';
    memcpy(to, client_message_id.data, client_message_id.len);
    to += client_message_id.len;
    return (size_t)(to - (const char *)key);
}

static void note_known(struct shard_writer *writer, int64_t number, struct store_bytes sender,
                       struct store_bytes client_message_id, const struct mdb_known *known)
{
    struct message_key key;
    size_t len = make_key(&key, number, sender, client_message_id);
    struct mdb_known *copy = pl_arena_memdup(&writer->arena, known, sizeof(*known));
    if (copy == NULL || pl_map_put(writer->known, &key, len, copy, NULL) != 0) {
        mdb_writer_break(writer, PARLEY_UNAVAILABLE, "no memory to look messages up");
    }
}

static const struct mdb_known *find_known(const struct shard_writer *writer,
                                          const struct mdb_head *head,
                                          const struct store_append *append)
{
    struct message_key key;
    size_t len = make_key(&key, head->number, append->sender, append->client_message_id);
    return pl_map_find(writer->known, &key, len);
}

/* ---- looking up, many at once ---- */

/* The append at this place of the batch and its conversation; NULL: something else. */
static const struct store_append *append_at(const struct shard_writer *writer, size_t index,
                                            const struct mdb_head **head)
{
    if (writer->requests[index]->op != STORE_OP_APPEND) {
        return NULL;
    }
    *head = &writer->heads[writer->head_of[index]];
    return (*head)->serial == 0 ? NULL : (const struct store_append *)writer->requests[index];
}

/* Rows come in the order of numbers, which is nearly that of `heads`: begin where the last was. */
static const struct mdb_head *find_head(const struct shard_writer *writer, int64_t number,
                                        size_t *cursor)
{
    for (size_t i = 0; i < writer->head_count; i++) {
        size_t at = (*cursor + i) % writer->head_count;
        if (writer->heads[at].number == number) {
            *cursor = at;
            return &writer->heads[at];
        }
    }
    return NULL;
}

static void take_roles(struct shard_writer *writer)
{
    size_t cursor = 0;
    while (mdb_conn_row(writer->conn)) {
        const struct mdb_head *head = find_head(writer, mdb_conn_i64(writer->conn, 0), &cursor);
        if (head != NULL) {
            mdb_roles_put(writer->roles, head->number, head->members_seq,
                          mdb_conn_bytes(writer->conn, 1),
                          (enum store_role)mdb_conn_i64(writer->conn, 2));
        }
    }
    (void)mdb_writer_finish(writer);
}

static void look_up_roles(struct shard_writer *writer, size_t *index)
{
    enum store_role role = STORE_ROLE_NONE;
    const struct mdb_head *head = NULL;
    struct mdb_sql *sql = mdb_writer_sql(writer);
    const char *text = "SELECT conversation, user, role FROM member FORCE INDEX (PRIMARY)"
                       " WHERE (conversation=? AND user=?)";
    size_t count = 0;
    for (; *index < writer->request_count && count < LOOKUPS_MAX; (*index)++) {
        const struct store_append *append = append_at(writer, *index, &head);
        if (append != NULL && !mdb_roles_find(writer->roles, head->number, head->members_seq,
                                              append->sender, &role)) {
            /* Who has no row has no role; a row found below says better. */
            mdb_roles_put(writer->roles, head->number, head->members_seq, append->sender,
                          STORE_ROLE_NONE);
            mdb_sql_format(sql, "is", text, head->number, append->sender);
            text = " OR (conversation=? AND user=?)";
            count++;
        }
    }
    if (count > 0) {
        mdb_conn_start(writer->conn, sql);
        take_roles(writer);
    }
}

static void look_up_messages(struct shard_writer *writer, size_t *index)
{
    const struct mdb_head *head = NULL;
    struct mdb_sql *sql = mdb_writer_sql(writer);
    const char *text = "SELECT conversation, sender, client_message_id, seq, created_at_ms"
                       " FROM message FORCE INDEX (message_once)"
                       " WHERE (conversation=? AND sender=? AND client_message_id=?)";
    size_t count = 0;
    for (; *index < writer->request_count && count < LOOKUPS_MAX; (*index)++) {
        const struct store_append *append = append_at(writer, *index, &head);
        if (append != NULL) {
            mdb_sql_format(sql, "iss", text, head->number, append->sender,
                           append->client_message_id);
            text = " OR (conversation=? AND sender=? AND client_message_id=?)";
            count++;
        }
    }
    if (count == 0) {
        return;
    }
    mdb_conn_start(writer->conn, sql);
    while (mdb_conn_row(writer->conn)) {
        const struct mdb_known known = {.seq = mdb_conn_i64(writer->conn, 3),
                                        .created_at_ms = mdb_conn_i64(writer->conn, 4)};
        note_known(writer, mdb_conn_i64(writer->conn, 0), mdb_conn_bytes(writer->conn, 1),
                   mdb_conn_bytes(writer->conn, 2), &known);
    }
    (void)mdb_writer_finish(writer);
}

void mdb_messages_prepare(struct shard_writer *writer)
{
    for (size_t i = 0; i < writer->request_count && mdb_writer_is_well(writer);) {
        look_up_roles(writer, &i);
    }
    if (!mdb_writer_is_well(writer)) {
        mdb_roles_clear(
            writer->roles); /* some are wrong: nobody has a role until the rows say so */
    }
    for (size_t i = 0;
         writer->is_careful && i < writer->request_count && mdb_writer_is_well(writer);) {
        look_up_messages(writer, &i);
    }
}

/* ---- one by one ---- */

enum store_role mdb_writer_role(struct shard_writer *writer, const struct mdb_head *head,
                                struct store_bytes user)
{
    enum store_role role = STORE_ROLE_NONE;
    if (PL_LIKELY(mdb_roles_find(writer->roles, head->number, head->members_seq, user, &role))) {
        return role;
    }
    role = STORE_ROLE_NONE;
    mdb_sql_format(mdb_writer_sql(writer), "is",
                   "SELECT role FROM member WHERE conversation=? AND user=?", head->number, user);
    mdb_conn_start(writer->conn, &writer->sql);
    if (mdb_conn_row(writer->conn)) {
        role = (enum store_role)mdb_conn_i64(writer->conn, 0);
    }
    if (!mdb_writer_finish(writer)) {
        return STORE_ROLE_NONE;
    }
    mdb_roles_put(writer->roles, head->number, head->members_seq, user, role);
    return role;
}

int64_t mdb_writer_time(const struct shard_writer *writer, const struct mdb_head *head)
{
    return writer->now_ms > head->last_at_ms ? writer->now_ms : head->last_at_ms;
}

void mdb_writer_add(struct shard_writer *writer, struct mdb_head *head,
                    const struct store_event *event)
{
    struct mdb_sql *rows = &writer->rows;
    mdb_sql_add(rows, rows->len == 0
                          ? "INSERT INTO message (conversation, seq, created_at_ms, ordinal, kind,"
                            " role, sender, client_message_id, content_type, body) VALUES "
                          : ",");
    if (event->kind == STORE_MESSAGE) {
        mdb_sql_format(rows, "iiiissss", "(?,?,?,?,1,0,?,?,?,?)", head->number, event->seq,
                       event->created_at_ms, event->ordinal, event->sender,
                       event->client_message_id, event->content_type, event->body);
    } else {
        mdb_sql_format(rows, "iiiiiiss", "(?,?,?,?,?,?,?,NULL,NULL,?)", head->number, event->seq,
                       event->created_at_ms, event->ordinal, (int64_t)event->kind,
                       (int64_t)event->role, event->sender, event->body);
    }
    head->event_count++;
    head->head_seq = event->seq;
    head->ordinal = event->ordinal;
    head->last_at_ms = event->created_at_ms;
    struct mdb_added *added = &writer->added[writer->added_count++];
    added->event = *event;
    added->head_index = (size_t)(head - writer->heads);
    if (rows->len >= MDB_STATEMENT_BYTES) {
        writer->trouble = mdb_conn_run(writer->conn, rows, &writer->failure);
        mdb_sql_reset(rows);
    }
}

static bool answer_known(struct store_append *append, const struct mdb_known *known)
{
    append->seq = known->seq;
    append->created_at_ms = known->created_at_ms;
    append->is_duplicate = true;
    pl_metric_add(&shard_metric_duplicates, 1);
    return true;
}

/* Whether the message is there already; asked alone. */
static bool find_message(struct shard_writer *writer, const struct mdb_head *head,
                         struct store_append *append)
{
    struct mdb_known known = {0};
    bool is_there = false;
    mdb_sql_format(mdb_writer_sql(writer), "iss",
                   "SELECT seq, created_at_ms FROM message WHERE conversation=? AND sender=? AND"
                   " client_message_id=?",
                   head->number, append->sender, append->client_message_id);
    mdb_conn_start(writer->conn, &writer->sql);
    if (mdb_conn_row(writer->conn)) {
        known.seq = mdb_conn_i64(writer->conn, 0);
        known.created_at_ms = mdb_conn_i64(writer->conn, 1);
        is_there = true;
    }
    return mdb_writer_finish(writer) && is_there && answer_known(append, &known);
}

/* A sender who is no member any more may still ask what became of a message. */
static void refuse(struct shard_writer *writer, const struct mdb_head *head,
                   struct store_append *append)
{
    if (head->serial != 0 && find_message(writer, head, append)) {
        return;
    }
    shard_fail_append(append);
}

void mdb_messages_append(struct shard_writer *writer, struct store_append *append,
                         struct mdb_head *head)
{
    const struct mdb_known *known =
        writer->is_careful && head->serial != 0 ? find_known(writer, head, append) : NULL;
    if (known != NULL) {
        (void)answer_known(append, known);
        return;
    }
    if (head->serial == 0 || mdb_writer_role(writer, head, append->sender) == STORE_ROLE_NONE) {
        refuse(writer, head, append);
        return;
    }
    const struct store_event event = {
        .seq = head->head_seq + 1,
        .created_at_ms = mdb_writer_time(writer, head),
        .ordinal = head->ordinal + 1,
        .kind = STORE_MESSAGE,
        .sender = append->sender,
        .client_message_id = append->client_message_id,
        .content_type = append->content_type,
        .body = append->body,
    };
    append->seq = event.seq;
    append->created_at_ms = event.created_at_ms;
    append->is_duplicate = false;
    mdb_writer_add(writer, head, &event);
    if (writer->is_careful) {
        const struct mdb_known stored = {event.seq, event.created_at_ms};
        note_known(writer, head->number, append->sender, append->client_message_id, &stored);
    }
}
