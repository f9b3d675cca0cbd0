/* SPDX-License-Identifier: Apache-2.0 */
/* The writer of one shard: transactions and messages.
 *
 * A message costs one statement: an INSERT that does nothing if its (conversation, sender, client
 * message id) is there; what else it needs comes from the cache. A conversation's row is updated
 * once per transaction, at its end. A transaction that fails because of the disk fails for all
 * that are in it; one that fails for any other reason is tried again request by request, so that
 * the one at fault fails alone. */
#include "sqlite/writer_impl.h"

#include "sqlite/db.h"
#include "sqlite/engine_impl.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "shard/metrics.h"
#include "shard/rules.h"

#include <string.h>

#define CACHED_HEADS 32768
#define CACHED_ROLES 65536

static const char *const texts[WRITE_STATEMENTS] = {
    [WRITE_BEGIN] = "BEGIN IMMEDIATE",
    [WRITE_COMMIT] = "COMMIT",
    [WRITE_MESSAGE] =
        "INSERT INTO message (conversation, seq, created_at_ms, ordinal, kind, role, sender,"
        " client_message_id, content_type, body) VALUES (?1, ?2, ?3, ?4, 1, 0, ?5, ?6, ?7, ?8)"
        " ON CONFLICT (conversation, sender, client_message_id) DO NOTHING",
    [WRITE_FIND_MESSAGE] = "SELECT seq, created_at_ms FROM message WHERE conversation=?1 AND"
                           " sender=?2 AND client_message_id=?3",
    [WRITE_EVENT] =
        "INSERT INTO message (conversation, seq, created_at_ms, ordinal, kind, role, sender, body)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [WRITE_FIND_CONVERSATION] = "SELECT number, head_seq, ordinal, last_at_ms, member_count"
                                " FROM conversation WHERE id=?1",
    [WRITE_DESCRIBE_CONVERSATION] = "SELECT title, created_by, created_at_ms, retention_age_ms,"
                                    " retention_messages FROM conversation WHERE number=?1",
    [WRITE_LAST_NUMBER] = "SELECT max(number) FROM conversation WHERE number BETWEEN ?1 AND ?2",
    [WRITE_CONVERSATION] =
        "INSERT INTO conversation (number, id, title, created_by, created_at_ms, head_seq,"
        " first_seq, ordinal, last_at_ms, member_count, retention_age_ms, retention_messages)"
        " VALUES (?1, ?2, ?3, ?4, ?5, 0, 1, 0, ?5, 0, ?6, ?7)",
    [WRITE_HEAD] = "UPDATE conversation SET head_seq=?2, ordinal=?3, last_at_ms=?4, member_count=?5"
                   " WHERE number=?1",
    [WRITE_FIND_ROLE] = "SELECT role FROM member WHERE conversation=?1 AND user=?2",
    [WRITE_MEMBER] = "INSERT INTO member (conversation, user, role) VALUES (?1, ?2, ?3)"
                     " ON CONFLICT (conversation, user) DO NOTHING",
    [WRITE_NO_MEMBER] = "DELETE FROM member WHERE conversation=?1 AND user=?2",
    [WRITE_LINK] = "INSERT INTO user_conversation (bucket, user, conversation) VALUES (?1, ?2, ?3)"
                   " ON CONFLICT (bucket, user, conversation) DO NOTHING",
    [WRITE_NO_LINK] = "DELETE FROM user_conversation WHERE bucket=?1 AND user=?2 AND"
                      " conversation=?3",
    [WRITE_OUTBOX] = "INSERT INTO outbox (id, conversation, user) VALUES (?1, ?2, ?3)",
    [WRITE_LIST_OUTBOX] =
        "SELECT o.user, c.id, EXISTS (SELECT 1 FROM member m WHERE m.conversation=o.conversation"
        " AND m.user=o.user) FROM outbox o JOIN conversation c ON c.number=o.conversation"
        " ORDER BY o.id",
    [WRITE_LAST_OUTBOX] = "SELECT max(id) FROM outbox",
    [WRITE_FORGET_OUTBOX] = "DELETE FROM outbox WHERE id BETWEEN ?1 AND ?2",
    [WRITE_FIND_FIRST] = "SELECT first_seq, retention_age_ms, retention_messages FROM conversation"
                         " WHERE number=?1",
    [WRITE_LIST_OLDEST] =
        "SELECT seq, created_at_ms, ordinal FROM message WHERE conversation=?1 AND"
        " seq>=?2 ORDER BY seq LIMIT ?3",
    [WRITE_TRIM_MESSAGES] = "UPDATE message SET kind=0, content_type=NULL, body=x'' WHERE"
                            " conversation=?1 AND seq BETWEEN ?2 AND ?3 AND kind=1",
    [WRITE_TRIM_EVENTS] = "DELETE FROM message WHERE conversation=?1 AND seq BETWEEN ?2 AND ?3 AND"
                          " kind>1",
    [WRITE_FIRST] = "UPDATE conversation SET first_seq=?2 WHERE number=?1",
    [WRITE_RETENTION] = "UPDATE conversation SET retention_age_ms=?2, retention_messages=?3"
                        " WHERE number=?1",
};

/* ---- statements ---- */

void sqlite_writer_break(struct shard_writer *writer, enum parley_code code, const char *text)
{
    pl_fail(&writer->failure, code, "%s", text);
}

bool sqlite_writer_run(struct shard_writer *writer, enum sqlite_writer_statement index)
{
    sqlite3_stmt *statement = writer->statements[index];
    bool is_done = sqlite3_step(statement) == SQLITE_DONE;
    if (PL_UNLIKELY(!is_done)) {
        sqlite_db_fail(writer->db, "cannot write", &writer->failure);
    }
    (void)sqlite3_reset(statement);
    return is_done;
}

bool sqlite_writer_first_row(struct shard_writer *writer, enum sqlite_writer_statement index)
{
    sqlite3_stmt *statement = writer->statements[index];
    int step = sqlite3_step(statement);
    if (step == SQLITE_ROW) {
        return true;
    }
    if (step != SQLITE_DONE) {
        sqlite_db_fail(writer->db, "cannot look up", &writer->failure);
    }
    (void)sqlite3_reset(statement);
    return false;
}

/* ---- what is known of a conversation ---- */

struct sqlite_head *sqlite_writer_find(struct shard_writer *writer, struct store_bytes id)
{
    struct sqlite_head *head = sqlite_cache_find(&writer->cache, id);
    if (PL_LIKELY(head != NULL)) {
        return head;
    }
    sqlite3_stmt *statement = writer->statements[WRITE_FIND_CONVERSATION];
    sqlite_bind_text(statement, 1, id);
    if (!sqlite_writer_first_row(writer, WRITE_FIND_CONVERSATION)) {
        return NULL;
    }
    struct sqlite_head found = {
        .number = sqlite3_column_int64(statement, 0),
        .head_seq = sqlite3_column_int64(statement, 1),
        .ordinal = sqlite3_column_int64(statement, 2),
        .last_at_ms = sqlite3_column_int64(statement, 3),
        .member_count = sqlite3_column_int64(statement, 4),
        .id_len = id.len,
    };
    (void)sqlite3_reset(statement);
    memcpy(found.id, id.data, id.len); /* a valid id: it fits */
    head = sqlite_cache_add(&writer->cache, &found);
    if (head == NULL) {
        sqlite_writer_break(writer, PARLEY_UNAVAILABLE, "no memory for a conversation");
    }
    return head;
}

enum store_role sqlite_writer_role(struct shard_writer *writer, const struct sqlite_head *head,
                                   struct store_bytes user)
{
    enum store_role role = STORE_ROLE_NONE;
    if (PL_LIKELY(sqlite_cache_find_role(&writer->cache, head->number, user, &role))) {
        return role;
    }
    sqlite3_stmt *statement = writer->statements[WRITE_FIND_ROLE];
    sqlite_bind_i64(statement, 1, head->number);
    sqlite_bind_text(statement, 2, user);
    if (sqlite_writer_first_row(writer, WRITE_FIND_ROLE)) {
        role = (enum store_role)sqlite3_column_int(statement, 0);
        (void)sqlite3_reset(statement);
        sqlite_cache_set_role(&writer->cache, head->number, user, role);
    }
    return role;
}

int64_t sqlite_writer_time(const struct shard_writer *writer, const struct sqlite_head *head)
{
    return writer->now_ms > head->last_at_ms ? writer->now_ms : head->last_at_ms;
}

void sqlite_writer_add(struct shard_writer *writer, struct sqlite_head *head, struct store_bytes id,
                       const struct store_event *event)
{
    if (head->touched_in != writer->transaction) {
        head->touched_in = writer->transaction;
        head->touched_index = writer->touched_count++;
        writer->touched[head->touched_index] = (struct sqlite_touched){.head = head, .id = id};
    }
    writer->touched[head->touched_index].event_count++;
    head->head_seq = event->seq;
    head->ordinal = event->ordinal;
    head->last_at_ms = event->created_at_ms;
    struct sqlite_added *added = &writer->added[writer->added_count++];
    added->event = *event;
    added->touched_index = head->touched_index;
}

/* ---- messages ---- */

/* Whether the message is there already: its first seq and time go to the request. */
static bool find_message(struct shard_writer *writer, const struct sqlite_head *head,
                         struct store_append *append)
{
    sqlite3_stmt *statement = writer->statements[WRITE_FIND_MESSAGE];
    sqlite_bind_i64(statement, 1, head->number);
    sqlite_bind_text(statement, 2, append->sender);
    sqlite_bind_text(statement, 3, append->client_message_id);
    if (!sqlite_writer_first_row(writer, WRITE_FIND_MESSAGE)) {
        return false;
    }
    append->seq = sqlite3_column_int64(statement, 0);
    append->created_at_ms = sqlite3_column_int64(statement, 1);
    append->is_duplicate = true;
    (void)sqlite3_reset(statement);
    pl_metric_add(&shard_metric_duplicates, 1);
    return true;
}

static bool insert_message(struct shard_writer *writer, const struct sqlite_head *head,
                           const struct store_append *append, const struct store_event *event)
{
    sqlite3_stmt *statement = writer->statements[WRITE_MESSAGE];
    sqlite_bind_i64(statement, 1, head->number);
    sqlite_bind_i64(statement, 2, event->seq);
    sqlite_bind_i64(statement, 3, event->created_at_ms);
    sqlite_bind_i64(statement, 4, event->ordinal);
    sqlite_bind_text(statement, 5, append->sender);
    sqlite_bind_text(statement, 6, append->client_message_id);
    sqlite_bind_text(statement, 7, append->content_type);
    sqlite_bind_blob(statement, 8, append->body);
    return sqlite_writer_run(writer, WRITE_MESSAGE);
}

/* A sender who is no member any more may still ask what became of a message. */
static void refuse_append(struct shard_writer *writer, const struct sqlite_head *head,
                          struct store_append *append)
{
    if (head != NULL && find_message(writer, head, append)) {
        return;
    }
    if (sqlite_writer_is_well(writer)) {
        shard_fail_append(append);
    }
}

static void append_message(struct shard_writer *writer, struct store_append *append)
{
    struct sqlite_head *head = sqlite_writer_find(writer, append->conversation_id);
    if (head == NULL || sqlite_writer_role(writer, head, append->sender) == STORE_ROLE_NONE) {
        refuse_append(writer, head, append);
        return;
    }
    struct store_event event = {
        .seq = head->head_seq + 1,
        .created_at_ms = sqlite_writer_time(writer, head),
        .ordinal = head->ordinal + 1,
        .kind = STORE_MESSAGE,
        .sender = append->sender,
        .client_message_id = append->client_message_id,
        .content_type = append->content_type,
        .body = append->body,
    };
    if (!insert_message(writer, head, append, &event)) {
        return;
    }
    if (sqlite3_changes(writer->db) == 0) {
        if (!find_message(writer, head, append) && sqlite_writer_is_well(writer)) {
            sqlite_writer_break(writer, PARLEY_INTERNAL, "a message is there and cannot be found");
        }
        return;
    }
    append->seq = event.seq;
    append->created_at_ms = event.created_at_ms;
    append->is_duplicate = false;
    sqlite_writer_add(writer, head, append->conversation_id, &event);
}

/* ---- transactions ---- */

static void do_request(struct shard_writer *writer, struct store_request *request)
{
    switch ((int)request->op) {
    case STORE_OP_APPEND:
        append_message(writer, (struct store_append *)request);
        return;
    case STORE_OP_CREATE:
        sqlite_writer_create(writer, (struct store_create *)request);
        return;
    case STORE_OP_CHANGE_MEMBERS:
        sqlite_writer_change(writer, (struct store_change_members *)request);
        return;
    case STORE_OP_SET_RETENTION:
        sqlite_writer_set_retention(writer, (struct store_set_retention *)request);
        return;
    case STORE_OP_TRIM:
        sqlite_writer_trim(writer, (struct store_trim *)request);
        return;
    case SHARD_OP_LINK:
        sqlite_writer_apply_links(writer, (const struct shard_link_request *)request);
        return;
    case SHARD_OP_FORGET:
        sqlite_writer_forget(writer, (const struct shard_forget_request *)request);
        return;
    case SHARD_OP_RESYNC:
        return;
    default:
        shard_fail_write(request);
        return;
    }
}

static void update_heads(struct shard_writer *writer)
{
    sqlite3_stmt *statement = writer->statements[WRITE_HEAD];
    for (size_t i = 0; i < writer->touched_count && sqlite_writer_is_well(writer); i++) {
        const struct sqlite_head *head = writer->touched[i].head;
        sqlite_bind_i64(statement, 1, head->number);
        sqlite_bind_i64(statement, 2, head->head_seq);
        sqlite_bind_i64(statement, 3, head->ordinal);
        sqlite_bind_i64(statement, 4, head->last_at_ms);
        sqlite_bind_i64(statement, 5, head->member_count);
        (void)sqlite_writer_run(writer, WRITE_HEAD);
    }
}

/* Sort what the transaction added by conversation, for the listener. */
static void gather(struct shard_writer *writer)
{
    size_t first_commit = writer->commit_count;
    size_t offset = writer->event_count;
    for (size_t i = 0; i < writer->touched_count; i++) {
        struct store_commit *commit = &writer->commits[writer->commit_count++];
        commit->conversation_id = writer->touched[i].id;
        commit->events = &writer->events[offset];
        commit->event_count = 0;
        offset += writer->touched[i].event_count;
    }
    for (size_t i = 0; i < writer->added_count; i++) {
        const struct sqlite_added *added = &writer->added[i];
        struct store_commit *commit = &writer->commits[first_commit + added->touched_index];
        size_t place = (size_t)(commit->events - writer->events) + commit->event_count++;
        writer->events[place] = added->event;
    }
    writer->event_count = offset;
}

/* After this nothing of the transaction is left, neither on disk nor in memory. */
static void roll_back(struct shard_writer *writer, struct store_request **requests, size_t count)
{
    pl_log_error("STORE_COMMIT_FAILED", NULL, "shard=%u requests=%zu error=%s", writer->shard,
                 count, writer->failure.text);
    if (sqlite3_get_autocommit(writer->db) == 0) {
        (void)sqlite3_exec(writer->db, "ROLLBACK", NULL, NULL, NULL);
    }
    sqlite_cache_clear(&writer->cache);
    for (size_t i = 0; i < count; i++) {
        requests[i]->error = writer->failure;
    }
}

/* True: committed. False: rolled back, and the requests have failed. */
static bool run_transaction(struct shard_writer *writer, struct store_request **requests,
                            size_t count)
{
    size_t links = writer->link_count;
    writer->transaction++;
    writer->now_ms = pl_clock_wall_ms();
    writer->touched_count = 0;
    writer->added_count = 0;
    pl_error_clear(&writer->failure);
    if (sqlite_writer_run(writer, WRITE_BEGIN)) {
        for (size_t i = 0; i < count && sqlite_writer_is_well(writer); i++) {
            do_request(writer, requests[i]);
        }
    }
    if (sqlite_writer_is_well(writer)) {
        update_heads(writer);
    }
    if (sqlite_writer_is_well(writer)) {
        (void)sqlite_writer_run(writer, WRITE_COMMIT);
    }
    if (!sqlite_writer_is_well(writer)) {
        roll_back(writer, requests, count);
        writer->link_count = links;
        return false;
    }
    gather(writer);
    return true;
}

/* ---- batches ---- */

static bool reserve(struct shard_writer *writer, size_t count)
{
    if (count <= writer->capacity) {
        return true;
    }
    pl_free(writer->touched);
    pl_free(writer->added);
    pl_free(writer->events);
    pl_free(writer->commits);
    writer->touched = pl_calloc(count, sizeof(*writer->touched));
    writer->added = pl_calloc(count, sizeof(*writer->added));
    writer->events = pl_calloc(count, sizeof(*writer->events));
    writer->commits = pl_calloc(count, sizeof(*writer->commits));
    bool is_there = writer->touched != NULL && writer->added != NULL && writer->events != NULL &&
                    writer->commits != NULL;
    writer->capacity = is_there ? count : 0;
    return is_there;
}

/* A request that is not at fault must not fail with one that is. */
static bool run_one_by_one(struct shard_writer *writer, struct shard_batch *batch)
{
    bool is_committed = false;
    for (size_t i = 0; i < batch->count; i++) {
        pl_error_clear(&batch->requests[i]->error);
        is_committed = run_transaction(writer, &batch->requests[i], 1) || is_committed;
    }
    return is_committed;
}

static void report_links(struct shard_writer *writer, struct shard_batch *batch,
                         int64_t outbox_first)
{
    if (batch->resync && batch->is_committed) {
        pl_error_clear(&writer->failure);
        batch->is_resynced = sqlite_writer_load_outbox(writer);
        if (!batch->is_resynced) {
            shard_fail_resync(batch, &writer->failure);
            writer->link_count = 0;
        }
    }
    batch->links = writer->links;
    batch->link_count = writer->link_count;
    batch->links_first = batch->is_resynced ? 0 : outbox_first;
    batch->links_last = writer->outbox_next - 1;
}

void sqlite_write_batch(struct shard_writer *writer, struct shard_batch *batch)
{
    int64_t outbox_first = writer->outbox_next;
    sqlite_cache_trim(&writer->cache);
    pl_arena_reset(&writer->link_arena);
    writer->event_count = 0;
    writer->commit_count = 0;
    writer->link_count = 0;
    if (!reserve(writer, batch->count)) {
        sqlite_writer_break(writer, PARLEY_UNAVAILABLE, "no memory for a batch");
        roll_back(writer, batch->requests, batch->count);
        return;
    }
    batch->is_committed = run_transaction(writer, batch->requests, batch->count);
    if (!batch->is_committed && batch->count > 1 && writer->failure.code == PARLEY_INTERNAL) {
        batch->is_committed = run_one_by_one(writer, batch);
    }
    batch->commits = writer->commits;
    batch->commit_count = writer->commit_count;
    report_links(writer, batch, outbox_first);
}

/* ---- opening and closing ---- */

static enum parley_code load_outbox_next(struct shard_writer *writer, struct pl_error *err)
{
    pl_error_clear(&writer->failure);
    writer->outbox_next = 1;
    if (sqlite_writer_first_row(writer, WRITE_LAST_OUTBOX)) {
        writer->outbox_next = sqlite3_column_int64(writer->statements[WRITE_LAST_OUTBOX], 0) + 1;
        (void)sqlite3_reset(writer->statements[WRITE_LAST_OUTBOX]);
    }
    if (!sqlite_writer_is_well(writer)) {
        *err = writer->failure;
    }
    return writer->failure.code;
}

static enum parley_code open_database(struct shard_writer *writer,
                                      const struct sqlite_engine *engine, struct pl_error *err)
{
    char path[PATH_MAX];
    struct sqlite_db_options options = {.is_writer = true, .is_durable = engine->is_durable};
    sqlite_folder_shard_path(&engine->folder, writer->shard, path);
    enum parley_code code = sqlite_db_open(path, &options, &writer->db, err);
    if (code == PARLEY_OK) {
        code = sqlite_db_prepare(writer->db, texts, WRITE_STATEMENTS, writer->statements, err);
    }
    return code == PARLEY_OK ? load_outbox_next(writer, err) : code;
}

enum parley_code sqlite_open_writer(struct shard_engine *base, unsigned shard,
                                    struct shard_writer **writer, struct pl_error *err)
{
    struct sqlite_engine *engine = (struct sqlite_engine *)base;
    struct shard_writer *made = pl_calloc(1, sizeof(*made));
    if (made == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for a writer");
    }
    made->shard = shard;
    made->shards = engine->shards;
    pl_arena_init(&made->link_arena, NULL, 0, 0);
    enum parley_code code = PARLEY_OK;
    if (sqlite_cache_init(&made->cache, CACHED_HEADS, CACHED_ROLES) != 0) {
        code = pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for a writer");
    } else {
        code = open_database(made, engine, err);
    }
    if (code != PARLEY_OK) {
        sqlite_close_writer(made);
        return code;
    }
    *writer = made;
    return PARLEY_OK;
}

void sqlite_close_writer(struct shard_writer *writer)
{
    sqlite_db_finalize(writer->statements, WRITE_STATEMENTS);
    (void)sqlite3_close_v2(writer->db);
    sqlite_cache_deinit(&writer->cache);
    pl_arena_deinit(&writer->link_arena);
    pl_free(writer->touched);
    pl_free(writer->added);
    pl_free(writer->events);
    pl_free(writer->commits);
    pl_free(writer->links);
    pl_free(writer);
}
