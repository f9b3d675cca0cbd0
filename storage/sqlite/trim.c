/* SPDX-License-Identifier: Apache-2.0 */
/* Retention: the oldest events of a conversation go. Of a message its row stays, with kind 0 and
 * nothing of what was said: a repeat is known by it for ever. The unique index holds most of that
 * anyhow; a table for the keys of old messages would take as much room, and every send would have
 * to look into it. */
#include "sqlite/writer_impl.h"

#include "sqlite/db.h"

#include "shard/rules.h"

/* The first seq that is there, and what is kept. */
static void find_first(struct shard_writer *writer, const struct sqlite_head *head,
                       struct store_trim *trim, struct store_retention *kept)
{
    sqlite3_stmt *statement = writer->statements[WRITE_FIND_FIRST];
    sqlite_bind_i64(statement, 1, head->number);
    if (sqlite_writer_first_row(writer, WRITE_FIND_FIRST)) {
        trim->first_seq = sqlite3_column_int64(statement, 0);
        *kept = shard_retention(&trim->retention, sqlite_column_retention(statement, 1));
        (void)sqlite3_reset(statement);
    } else if (sqlite_writer_is_well(writer)) {
        sqlite_writer_break(writer, PARLEY_INTERNAL, "a conversation's row is gone");
    }
}

/* Count the events from first_seq on that are not kept. */
static void count_expired(struct shard_writer *writer, const struct sqlite_head *head,
                          const struct store_retention *kept, struct store_trim *trim)
{
    sqlite3_stmt *statement = writer->statements[WRITE_LIST_OLDEST];
    sqlite_bind_i64(statement, 1, head->number);
    sqlite_bind_i64(statement, 2, trim->first_seq);
    sqlite_bind_i64(statement, 3, (int64_t)trim->limit);
    int step = sqlite3_step(statement);
    for (; step == SQLITE_ROW; step = sqlite3_step(statement)) {
        if (!shard_is_expired(kept, trim->now_ms, head->ordinal, sqlite3_column_int64(statement, 1),
                              sqlite3_column_int64(statement, 2))) {
            break;
        }
        trim->trimmed++;
    }
    if (step != SQLITE_ROW && step != SQLITE_DONE) {
        sqlite_db_fail(writer->db, "cannot read what is to be trimmed", &writer->failure);
    }
    (void)sqlite3_reset(statement);
}

static void run_on_range(struct shard_writer *writer, enum sqlite_writer_statement index,
                         int64_t number, int64_t first, int64_t last)
{
    if (sqlite_writer_is_well(writer)) {
        sqlite3_stmt *statement = writer->statements[index];
        sqlite_bind_i64(statement, 1, number);
        sqlite_bind_i64(statement, 2, first);
        sqlite_bind_i64(statement, 3, last);
        (void)sqlite_writer_run(writer, index);
    }
}

static void remove_events(struct shard_writer *writer, int64_t number, struct store_trim *trim)
{
    int64_t first = trim->first_seq;
    int64_t next = first + (int64_t)trim->trimmed;
    run_on_range(writer, WRITE_TRIM_MESSAGES, number, first, next - 1);
    run_on_range(writer, WRITE_TRIM_EVENTS, number, first, next - 1);
    if (sqlite_writer_is_well(writer)) {
        sqlite_bind_i64(writer->statements[WRITE_FIRST], 1, number);
        sqlite_bind_i64(writer->statements[WRITE_FIRST], 2, next);
        (void)sqlite_writer_run(writer, WRITE_FIRST);
    }
    trim->first_seq = next;
}

void sqlite_writer_set_retention(struct shard_writer *writer, struct store_set_retention *set)
{
    const struct sqlite_head *head = sqlite_writer_find(writer, set->conversation_id);
    enum store_role role =
        head == NULL ? STORE_ROLE_NONE : sqlite_writer_role(writer, head, set->actor);
    if (!sqlite_writer_is_well(writer) || !shard_may_set_retention(head != NULL, role, set)) {
        return;
    }
    sqlite3_stmt *statement = writer->statements[WRITE_RETENTION];
    sqlite_bind_i64(statement, 1, head->number);
    sqlite_bind_i64(statement, 2, set->retention.age_ms);
    sqlite_bind_i64(statement, 3, set->retention.messages);
    (void)sqlite_writer_run(writer, WRITE_RETENTION);
}

void sqlite_writer_trim(struct shard_writer *writer, struct store_trim *trim)
{
    const struct sqlite_head *head = sqlite_writer_find(writer, trim->conversation_id);
    struct store_retention kept = {0};
    trim->trimmed = 0;
    if (head == NULL) {
        if (sqlite_writer_is_well(writer)) {
            shard_fail_trim(trim);
        }
        return;
    }
    find_first(writer, head, trim, &kept);
    if (sqlite_writer_is_well(writer)) {
        count_expired(writer, head, &kept, trim);
    }
    if (sqlite_writer_is_well(writer) && trim->trimmed > 0) {
        remove_events(writer, head->number, trim);
    }
    trim->has_more = trim->trimmed == trim->limit;
}
