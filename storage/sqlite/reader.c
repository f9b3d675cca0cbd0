/* SPDX-License-Identifier: Apache-2.0 */
/* Answers reads from one shard, each in one read transaction: a snapshot, taken after every write
 * that was answered before. Results are copied into the arena of the request.
 * @thread one reader thread */
#include "sqlite/db.h"
#include "sqlite/engine_impl.h"

#include "base/mem.h"
#include "shard/answer.h"
#include "shard/route.h"
#include "shard/rules.h"

#include <string.h>

enum statement {
    READ_BEGIN,
    READ_END,
    READ_CONVERSATION,
    READ_ROLE,
    READ_FORWARDS,
    READ_BACKWARDS,
    READ_MEMBERS,
    READ_LIST,
    READ_OLDEST,
    READ_OLDEST_OWN,
    READ_STATEMENTS
};

/* Of each conversation the oldest event that is there, if there is one. */
#define OLDEST(where)                                                                              \
    "SELECT c.id, c.ordinal, m.created_at_ms, m.ordinal, c.retention_age_ms, c.retention_messages" \
    " FROM conversation c LEFT JOIN message m ON m.conversation=c.number AND m.seq=c.first_seq"    \
    " WHERE c.number>(SELECT coalesce(max(number), ?1) FROM conversation WHERE id=?3)"             \
    " AND c.number<?2" where " ORDER BY c.number LIMIT ?4"

static const char *const texts[READ_STATEMENTS] = {
    [READ_BEGIN] = "BEGIN",
    [READ_END] = "COMMIT",
    [READ_CONVERSATION] = "SELECT number, title, created_by, created_at_ms, head_seq, ordinal,"
                          " member_count, first_seq, retention_age_ms, retention_messages"
                          " FROM conversation WHERE id=?1",
    [READ_ROLE] = "SELECT role FROM member WHERE conversation=?1 AND user=?2",
    [READ_FORWARDS] =
        "SELECT seq, created_at_ms, ordinal, kind, role, sender, client_message_id, content_type,"
        " body FROM message WHERE conversation=?1 AND seq>=?2 ORDER BY seq LIMIT ?3",
    [READ_BACKWARDS] =
        "SELECT seq, created_at_ms, ordinal, kind, role, sender, client_message_id, content_type,"
        " body FROM message WHERE conversation=?1 AND seq BETWEEN ?4 AND ?2 ORDER BY seq DESC"
        " LIMIT ?3",
    [READ_MEMBERS] = "SELECT user, role FROM member WHERE conversation=?1 AND user>?2"
                     " ORDER BY user LIMIT ?3",
    [READ_LIST] = "SELECT conversation FROM user_conversation WHERE bucket=?1 AND user=?2 AND"
                  " conversation>?3 ORDER BY conversation LIMIT ?4",
    [READ_OLDEST] = OLDEST(""),
    [READ_OLDEST_OWN] = OLDEST(" AND (c.retention_age_ms<>0 OR c.retention_messages<>0)"),
};

struct shard_reader {
    sqlite3 *db;
    sqlite3_stmt *statements[READ_STATEMENTS];
    struct shard_rows rows;
};

/* A conversation's row, as far as reads need it. */
struct found {
    int64_t number;
    int64_t first_seq;
};

static enum parley_code fail_step(struct shard_reader *reader, int step, struct pl_error *err)
{
    return step == SQLITE_DONE ? PARLEY_OK : sqlite_db_fail(reader->db, "cannot read", err);
}

static enum parley_code find_role(struct shard_reader *reader, int64_t number,
                                  struct store_bytes user, enum store_role *role,
                                  struct pl_error *err)
{
    sqlite3_stmt *statement = reader->statements[READ_ROLE];
    enum parley_code code = PARLEY_OK;
    *role = STORE_ROLE_NONE;
    sqlite_bind_i64(statement, 1, number);
    sqlite_bind_text(statement, 2, user);
    int step = sqlite3_step(statement);
    if (step == SQLITE_ROW) {
        *role = (enum store_role)sqlite3_column_int(statement, 0);
    } else {
        code = fail_step(reader, step, err);
    }
    (void)sqlite3_reset(statement);
    return code;
}

/* Fill `out` from the row under the statement; strings only with an arena. */
static enum parley_code take_conversation(sqlite3_stmt *statement, struct store_conversation *out,
                                          struct pl_arena *arena, struct pl_error *err)
{
    out->created_at_ms = sqlite3_column_int64(statement, 3);
    out->head_seq = sqlite3_column_int64(statement, 4);
    out->ordinal = sqlite3_column_int64(statement, 5);
    out->member_count = sqlite3_column_int64(statement, 6);
    out->retention = sqlite_column_retention(statement, 8);
    out->role = STORE_ROLE_NONE;
    if (arena == NULL) {
        return PARLEY_OK;
    }
    out->title = sqlite_column_copy(statement, 1, arena);
    out->created_by = sqlite_column_copy(statement, 2, arena);
    return out->title.data == NULL || out->created_by.data == NULL ? shard_fail_memory(err)
                                                                   : PARLEY_OK;
}

/* Look up out->id as `user` sees it (len 0: anybody). NOT_FOUND as the port says. */
static enum parley_code find_conversation(struct shard_reader *reader, struct store_bytes user,
                                          struct store_conversation *out, struct found *found,
                                          struct pl_arena *arena, struct pl_error *err)
{
    sqlite3_stmt *statement = reader->statements[READ_CONVERSATION];
    enum parley_code code = PARLEY_OK;
    sqlite_bind_text(statement, 1, out->id);
    int step = sqlite3_step(statement);
    if (step == SQLITE_ROW) {
        found->number = sqlite3_column_int64(statement, 0);
        found->first_seq = sqlite3_column_int64(statement, 7);
        code = take_conversation(statement, out, arena, err);
    } else {
        code = fail_step(reader, step, err);
        if (code == PARLEY_OK) {
            code = shard_fail_not_found(err);
        }
    }
    (void)sqlite3_reset(statement);
    if (code != PARLEY_OK || user.len == 0) {
        return code;
    }
    code = find_role(reader, found->number, user, &out->role, err);
    if (code == PARLEY_OK && out->role == STORE_ROLE_NONE) {
        code = shard_fail_not_found(err);
    }
    return code;
}

/* ---- the log ---- */

static char *put(char *to, struct store_bytes *bytes)
{
    memcpy(to, bytes->data, bytes->len);
    bytes->data = to;
    return to + bytes->len;
}

/* One event; its bytes lie together in one piece of the arena. */
static enum parley_code take_event(sqlite3_stmt *statement, struct store_event *out,
                                   struct pl_arena *arena, struct pl_error *err)
{
    *out = (struct store_event){
        .seq = sqlite3_column_int64(statement, 0),
        .created_at_ms = sqlite3_column_int64(statement, 1),
        .ordinal = sqlite3_column_int64(statement, 2),
        .kind = (enum store_kind)sqlite3_column_int(statement, 3),
        .role = (enum store_role)sqlite3_column_int(statement, 4),
        .sender = sqlite_column_bytes(statement, 5),
        .client_message_id = sqlite_column_bytes(statement, 6),
        .content_type = sqlite_column_bytes(statement, 7),
        .body = sqlite_column_bytes(statement, 8),
    };
    char *to = pl_arena_alloc(arena, out->sender.len + out->client_message_id.len +
                                         out->content_type.len + out->body.len + 1);
    if (to == NULL) {
        return shard_fail_memory(err);
    }
    to = put(to, &out->sender);
    to = put(to, &out->client_message_id);
    to = put(to, &out->content_type);
    (void)put(to, &out->body);
    return PARLEY_OK;
}

static enum parley_code take_events(struct shard_reader *reader, sqlite3_stmt *statement,
                                    struct store_read *read)
{
    struct pl_error *err = &read->request.error;
    size_t bytes = 0;
    int step = SQLITE_DONE;
    for (step = sqlite3_step(statement); step == SQLITE_ROW; step = sqlite3_step(statement)) {
        size_t body = (size_t)sqlite3_column_bytes(statement, 8);
        if (read->event_count > 0 && bytes + body > read->max_bytes) {
            return PARLEY_OK;
        }
        struct store_event *rows =
            shard_rows_reserve(&reader->rows, read->event_count + 1, sizeof(*rows));
        if (rows == NULL) {
            return shard_fail_memory(err);
        }
        if (take_event(statement, &rows[read->event_count], &read->request.arena, err) !=
            PARLEY_OK) {
            return err->code;
        }
        bytes += body;
        read->event_count++;
    }
    return fail_step(reader, step, err);
}

static void read_log(struct shard_reader *reader, struct store_read *read)
{
    struct store_conversation conversation = {.id = read->conversation_id};
    struct pl_error *err = &read->request.error;
    struct found found;
    read->events = NULL;
    read->event_count = 0;
    if (find_conversation(reader, read->user, &conversation, &found, NULL, err) != PARLEY_OK) {
        return;
    }
    read->head_seq = conversation.head_seq;
    read->first_seq = found.first_seq;
    int64_t from = read->from_seq;
    if (read->backwards) {
        from = from == 0 ? conversation.head_seq : from;
    } else {
        from = from < found.first_seq ? found.first_seq : from;
    }
    sqlite3_stmt *statement = reader->statements[read->backwards ? READ_BACKWARDS : READ_FORWARDS];
    sqlite_bind_i64(statement, 1, found.number);
    sqlite_bind_i64(statement, 2, from);
    sqlite_bind_i64(statement, 3, (int64_t)shard_page_limit(read->limit));
    if (read->backwards) {
        sqlite_bind_i64(statement, 4, found.first_seq);
    }
    enum parley_code code = take_events(reader, statement, read);
    (void)sqlite3_reset(statement);
    if (code != PARLEY_OK) {
        read->event_count = 0;
        return;
    }
    shard_give_events(&reader->rows, read);
}

/* ---- conversations ---- */

static void get(struct shard_reader *reader, struct store_get *get)
{
    struct found found;
    struct pl_error *err = &get->request.error;
    struct pl_arena *arena = &get->request.arena;
    struct store_conversation *out = &get->conversation;
    *out = (struct store_conversation){.id = get->conversation_id};
    if (find_conversation(reader, get->user, out, &found, arena, err) == PARLEY_OK) {
        shard_give_id(get);
    }
}

static void look_up(struct shard_reader *reader, struct shard_lookup_request *lookup)
{
    struct found found;
    struct pl_error *err = &lookup->request.error;
    for (size_t i = 0; i < lookup->count; i++) {
        struct store_conversation *out = lookup->conversations[i];
        enum parley_code code =
            find_conversation(reader, lookup->user, out, &found, &lookup->request.arena, err);
        if (code == PARLEY_NOT_FOUND) {
            out->role = STORE_ROLE_NONE;
            pl_error_clear(err);
        } else if (code != PARLEY_OK) {
            return;
        }
    }
}

static void list_conversations(struct shard_reader *reader, struct store_list_conversations *list)
{
    sqlite3_stmt *statement = reader->statements[READ_LIST];
    struct pl_error *err = &list->request.error;
    struct store_conversation *rows = NULL;
    size_t limit = shard_page_limit(list->limit);
    int step = SQLITE_DONE;
    list->count = 0;
    list->has_more = false;
    sqlite_bind_i64(statement, 1, shard_bucket(list->user.data, list->user.len));
    sqlite_bind_text(statement, 2, list->user);
    sqlite_bind_text(statement, 3, list->after);
    sqlite_bind_i64(statement, 4, (int64_t)limit + 1);
    while ((step = sqlite3_step(statement)) == SQLITE_ROW) {
        if (list->count == limit) {
            list->has_more = true;
            step = SQLITE_DONE;
            break;
        }
        rows = shard_rows_reserve(&reader->rows, list->count + 1, sizeof(*rows));
        if (rows == NULL) {
            shard_fail_memory(err);
            break;
        }
        rows[list->count] = (struct store_conversation){
            .id = sqlite_column_copy(statement, 0, &list->request.arena)};
        if (rows[list->count].id.data == NULL) {
            shard_fail_memory(err);
            break;
        }
        list->count++;
    }
    if (err->code == PARLEY_OK) {
        (void)fail_step(reader, step, err);
    }
    (void)sqlite3_reset(statement);
    if (err->code == PARLEY_OK) {
        shard_give_conversations(&reader->rows, list);
    }
}

static void take_members(struct shard_reader *reader, sqlite3_stmt *statement,
                         struct store_list_members *list)
{
    struct pl_error *err = &list->request.error;
    struct store_member *rows = NULL;
    size_t limit = shard_page_limit(list->limit);
    int step = SQLITE_DONE;
    while ((step = sqlite3_step(statement)) == SQLITE_ROW) {
        if (list->count == limit) {
            list->has_more = true;
            return;
        }
        rows = shard_rows_reserve(&reader->rows, list->count + 1, sizeof(*rows));
        if (rows == NULL) {
            shard_fail_memory(err);
            return;
        }
        rows[list->count].user_id = sqlite_column_copy(statement, 0, &list->request.arena);
        rows[list->count].role = (enum store_role)sqlite3_column_int(statement, 1);
        if (rows[list->count].user_id.data == NULL) {
            shard_fail_memory(err);
            return;
        }
        list->count++;
    }
    (void)fail_step(reader, step, err);
}

static void list_members(struct shard_reader *reader, struct store_list_members *list)
{
    struct store_conversation conversation = {.id = list->conversation_id};
    struct pl_error *err = &list->request.error;
    struct found found;
    list->count = 0;
    list->has_more = false;
    if (find_conversation(reader, list->user, &conversation, &found, NULL, err) != PARLEY_OK) {
        return;
    }
    sqlite3_stmt *statement = reader->statements[READ_MEMBERS];
    sqlite_bind_i64(statement, 1, found.number);
    sqlite_bind_text(statement, 2, list->after);
    sqlite_bind_i64(statement, 3, (int64_t)shard_page_limit(list->limit) + 1);
    take_members(reader, statement, list);
    (void)sqlite3_reset(statement);
    if (err->code == PARLEY_OK) {
        shard_give_members(&reader->rows, list);
    }
}

/* Whether the conversation under the statement has an event that is not kept. */
static bool is_expired(sqlite3_stmt *statement, const struct store_list_expired *list)
{
    const struct store_retention kept =
        shard_retention(&list->retention, sqlite_column_retention(statement, 4));
    return sqlite3_column_type(statement, 2) != SQLITE_NULL &&
           shard_is_expired(&kept, list->now_ms, sqlite3_column_int64(statement, 1),
                            sqlite3_column_int64(statement, 2), sqlite3_column_int64(statement, 3));
}

static void take_expired(struct shard_reader *reader, sqlite3_stmt *statement,
                         struct store_list_expired *list, struct store_bytes *last)
{
    struct pl_error *err = &list->request.error;
    size_t seen = 0;
    int step = SQLITE_DONE;
    while ((step = sqlite3_step(statement)) == SQLITE_ROW) {
        struct store_bytes *rows =
            shard_rows_reserve(&reader->rows, list->count + 1, sizeof(*rows));
        *last = sqlite_column_copy(statement, 0, &list->request.arena);
        if (rows == NULL || last->data == NULL) {
            shard_fail_memory(err);
            return;
        }
        if (is_expired(statement, list)) {
            rows[list->count++] = *last;
        }
        seen++;
    }
    if (seen < shard_page_limit(list->limit)) {
        last->len = 0;
    }
    (void)fail_step(reader, step, err);
}

static void list_expired(struct shard_reader *reader, struct store_list_expired *list)
{
    sqlite3_stmt *statement =
        reader->statements[shard_keeps_all(&list->retention) ? READ_OLDEST_OWN : READ_OLDEST];
    struct store_bytes last = {"", 0};
    list->count = 0;
    sqlite_bind_i64(statement, 1, sqlite_number_before(list->bucket));
    sqlite_bind_i64(statement, 2, sqlite_number_before(list->bucket + 1));
    sqlite_bind_text(statement, 3, list->after);
    sqlite_bind_i64(statement, 4, (int64_t)shard_page_limit(list->limit));
    take_expired(reader, statement, list, &last);
    (void)sqlite3_reset(statement);
    if (list->request.error.code == PARLEY_OK) {
        shard_give_expired(&reader->rows, list, last);
    }
}

static const struct shard_read_ops read_ops = {
    .read_log = read_log,
    .get = get,
    .list_conversations = list_conversations,
    .list_members = list_members,
    .list_expired = list_expired,
    .look_up = look_up,
};

/* BEGIN and COMMIT of a read wait for nothing and change nothing. */
static bool run(struct shard_reader *reader, enum statement index)
{
    bool is_done = sqlite3_step(reader->statements[index]) == SQLITE_DONE;
    (void)sqlite3_reset(reader->statements[index]);
    return is_done;
}

void sqlite_read(struct shard_reader *reader, struct store_request *request)
{
    if (!run(reader, READ_BEGIN)) {
        sqlite_db_fail(reader->db, "cannot read", &request->error);
        return;
    }
    shard_answer(&read_ops, reader, request);
    if (!run(reader, READ_END) && sqlite3_get_autocommit(reader->db) == 0) {
        (void)sqlite3_exec(reader->db, "ROLLBACK", NULL, NULL, NULL);
    }
}

enum parley_code sqlite_open_reader(struct shard_engine *base, unsigned shard,
                                    struct shard_reader **reader, struct pl_error *err)
{
    struct sqlite_engine *engine = (struct sqlite_engine *)base;
    struct sqlite_db_options options = {.is_writer = false, .is_durable = engine->is_durable};
    char path[PATH_MAX];
    struct shard_reader *made = pl_calloc(1, sizeof(*made));
    if (made == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for a reader");
    }
    sqlite_folder_shard_path(&engine->folder, shard, path);
    enum parley_code code = sqlite_db_open(path, &options, &made->db, err);
    if (code == PARLEY_OK) {
        code = sqlite_db_prepare(made->db, texts, READ_STATEMENTS, made->statements, err);
    }
    if (code != PARLEY_OK) {
        sqlite_close_reader(made);
        return code;
    }
    *reader = made;
    return PARLEY_OK;
}

void sqlite_close_reader(struct shard_reader *reader)
{
    sqlite_db_finalize(reader->statements, READ_STATEMENTS);
    (void)sqlite3_close_v2(reader->db);
    shard_rows_deinit(&reader->rows);
    pl_free(reader);
}
