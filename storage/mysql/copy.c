/* SPDX-License-Identifier: Apache-2.0 */
/* Copies a bucket; see copy.h.
 *
 * What makes a pass cheap when little has changed: the row of a conversation changes with all that
 * is its own (head_seq with its log, members_seq with its members, first_seq with what was
 * trimmed), so that equal rows need no look at the rest. The target's row says how far its copy
 * got; it is written in the transaction that copies, so that a pass goes on where another was
 * interrupted. Users' lists have no such row: they are compared by checksums, page by page.
 *
 * A part is copied by removing what the target has of it, and compared by checksum before it
 * counts. If it differs, the source has changed meanwhile, and the next pass does it again. */
#include "mysql/copy.h"

#include "base/arena.h"
#include "base/id.h"
#include "base/mem.h"
#include "mysql/engine_impl.h"

#include <string.h>

#define PAGE_ROWS       500  /* conversations in memory */
#define PART_ROWS       2000 /* of a log or a list, copied and compared at once */
#define COMMIT_ROWS     4000
#define STATEMENT_BYTES (1U << 20)
#define REMOVE_ROWS     1000 /* in one transaction */
#define VERIFY_TRIES    3

struct table {
    const char *name;
    const char *columns;
    const char *checked; /* one text of all columns, which tells rows apart */
    unsigned count;      /* of columns */
};

static const struct table conversations = {
    .name = "conversation",
    .columns = "bucket, id, serial, title, created_by, created_at_ms, head_seq, first_seq, ordinal,"
               " last_at_ms, member_count, members_seq, retention_age_ms, retention_messages",
    .checked = "CONCAT_WS('|', bucket, id, serial, title, created_by, created_at_ms, head_seq,"
               " first_seq, ordinal, last_at_ms, member_count, members_seq, retention_age_ms,"
               " retention_messages)",
    .count = 14,
};
static const struct table messages = {
    .name = "message",
    .columns = "conversation, seq, created_at_ms, ordinal, kind, role, sender, client_message_id,"
               " content_type, body",
    .checked = "CONCAT_WS('|', conversation, seq, created_at_ms, ordinal, kind, role, sender,"
               " IFNULL(client_message_id, '-'), IFNULL(content_type, '-'), body)",
    .count = 10,
};
static const struct table members = {
    .name = "member",
    .columns = "conversation, user, role",
    .checked = "CONCAT_WS('|', conversation, user, role)",
    .count = 3,
};
static const struct table lists = {
    .name = "user_conversation",
    .columns = "bucket, user, conversation, is_member, version",
    .checked = "CONCAT_WS('|', bucket, user, conversation, is_member, version)",
    .count = 5,
};
static const struct table outbox = {
    .name = "outbox",
    .columns = "owner, id, conversation, conversation_id, user, is_member, version",
    .count = 7,
};

/* A conversation's row, as far as copying needs it. */
struct row {
    struct store_bytes id;
    int64_t number;
    int64_t head_seq;
    int64_t first_seq;
    int64_t members_seq;
    int64_t checksum;
};

void mdb_copier_deinit(struct mdb_copier *copier)
{
    mdb_sql_deinit(&copier->sql);
    mdb_sql_deinit(&copier->where);
    mdb_sql_deinit(&copier->insert);
}

/* ---- statements ---- */

static struct mdb_sql *begin_sql(struct mdb_copier *copier, const char *text)
{
    mdb_sql_reset(&copier->sql);
    mdb_sql_add(&copier->sql, text);
    return &copier->sql;
}

static struct mdb_sql *begin_where(struct mdb_copier *copier)
{
    mdb_sql_reset(&copier->where);
    return &copier->where;
}

static void add_where(struct mdb_copier *copier)
{
    mdb_sql_add(&copier->sql, " WHERE ");
    if (copier->where.is_short) {
        copier->sql.is_short = true;
    } else {
        mdb_sql_raw(&copier->sql, copier->where.data, copier->where.len);
    }
}

static enum parley_code run(struct mdb_conn *conn, const struct mdb_sql *sql, struct pl_error *err)
{
    return mdb_conn_run(conn, sql, err) == MDB_OK ? PARLEY_OK : err->code;
}

static enum parley_code exec(struct mdb_conn *conn, const char *text, struct pl_error *err)
{
    return mdb_conn_exec(conn, text, err) == MDB_OK ? PARLEY_OK : err->code;
}

/* ---- the transaction at the target ---- */

static enum parley_code open_transaction(struct mdb_copier *copier, struct pl_error *err)
{
    if (copier->is_open) {
        return PARLEY_OK;
    }
    enum parley_code code = exec(copier->to, "START TRANSACTION", err);
    copier->is_open = code == PARLEY_OK;
    copier->open_rows = 0;
    return code;
}

static enum parley_code commit(struct mdb_copier *copier, struct pl_error *err)
{
    if (!copier->is_open) {
        return PARLEY_OK;
    }
    copier->is_open = false;
    return exec(copier->to, "COMMIT", err);
}

static enum parley_code commit_if_long(struct mdb_copier *copier, struct pl_error *err)
{
    if (copier->on_progress != NULL) {
        copier->on_progress(copier);
    }
    return copier->open_rows >= COMMIT_ROWS ? commit(copier, err) : PARLEY_OK;
}

static void roll_back(struct mdb_copier *copier)
{
    if (copier->is_open) {
        (void)mdb_conn_exec(copier->to, "ROLLBACK", NULL);
        copier->is_open = false;
    }
}

/* ---- rows ---- */

static void begin_insert(struct mdb_copier *copier, const struct table *table)
{
    struct mdb_sql *sql = &copier->insert;
    mdb_sql_reset(sql);
    mdb_sql_add(sql, "INSERT IGNORE INTO ");
    mdb_sql_add(sql, table->name);
    mdb_sql_add(sql, " (");
    mdb_sql_add(sql, table->columns);
    mdb_sql_add(sql, ") VALUES ");
}

static void add_row(struct mdb_copier *copier, const struct table *table, bool is_first)
{
    struct mdb_sql *sql = &copier->insert;
    mdb_sql_add(sql, is_first ? "(" : ",(");
    for (unsigned i = 0; i < table->count; i++) {
        mdb_sql_add(sql, i == 0 ? "" : ",");
        if (mdb_conn_is_null(copier->from, i)) {
            mdb_sql_add(sql, "NULL");
        } else {
            mdb_sql_bytes(sql, mdb_conn_bytes(copier->from, i));
        }
    }
    mdb_sql_add(sql, ")");
}

/* What `where` gives, from the one to the other. */
static enum parley_code copy_rows(struct mdb_copier *copier, const struct table *table,
                                  struct pl_error *err)
{
    enum parley_code code = PARLEY_OK;
    size_t count = 0;
    begin_sql(copier, "SELECT ");
    mdb_sql_add(&copier->sql, table->columns);
    mdb_sql_add(&copier->sql, " FROM ");
    mdb_sql_add(&copier->sql, table->name);
    add_where(copier);
    begin_insert(copier, table);
    mdb_conn_start(copier->from, &copier->sql);
    while (code == PARLEY_OK && mdb_conn_row(copier->from)) {
        add_row(copier, table, count++ == 0);
        copier->rows++;
        copier->open_rows++;
        copier->copied++;
        if (copier->insert.len >= STATEMENT_BYTES) {
            code = run(copier->to, &copier->insert, err);
            begin_insert(copier, table);
            count = 0;
        }
    }
    struct pl_error local = PL_ERROR_INIT;
    if (mdb_conn_finish(copier->from, &local) != MDB_OK && code == PARLEY_OK) {
        *err = local;
        return local.code;
    }
    return code == PARLEY_OK && count > 0 ? run(copier->to, &copier->insert, err) : code;
}

struct sums {
    int64_t count;
    int64_t checksum;
};

static enum parley_code sum_rows(struct mdb_copier *copier, const struct table *table,
                                 struct mdb_conn *conn, struct sums *sums, struct pl_error *err)
{
    begin_sql(copier, "SELECT COUNT(*), COALESCE(SUM(CRC32(");
    mdb_sql_add(&copier->sql, table->checked);
    mdb_sql_add(&copier->sql, ")), 0) FROM ");
    mdb_sql_add(&copier->sql, table->name);
    add_where(copier);
    mdb_conn_start(conn, &copier->sql);
    if (mdb_conn_row(conn)) {
        *sums = (struct sums){mdb_conn_i64(conn, 0), mdb_conn_i64(conn, 1)};
    }
    return mdb_conn_finish(conn, err) == MDB_OK ? PARLEY_OK : err->code;
}

static enum parley_code compare(struct mdb_copier *copier, const struct table *table,
                                bool *is_equal, struct pl_error *err)
{
    struct sums here = {0};
    struct sums there = {0};
    enum parley_code code = sum_rows(copier, table, copier->from, &here, err);
    if (code == PARLEY_OK) {
        code = sum_rows(copier, table, copier->to, &there, err);
    }
    *is_equal = here.count == there.count && here.checksum == there.checksum;
    return code;
}

/* Make the target's part the same as the source's; what `where` gives. */
static enum parley_code replace(struct mdb_copier *copier, const struct table *table,
                                struct pl_error *err)
{
    bool is_equal = false;
    enum parley_code code = open_transaction(copier, err);
    if (code == PARLEY_OK) {
        begin_sql(copier, "DELETE FROM ");
        mdb_sql_add(&copier->sql, table->name);
        add_where(copier);
        code = run(copier->to, &copier->sql, err);
    }
    copier->copied++; /* also what was only removed is a difference */
    if (code == PARLEY_OK) {
        code = copy_rows(copier, table, err);
    }
    if (code == PARLEY_OK) {
        code = compare(copier, table, &is_equal, err);
    }
    copier->has_raced = copier->has_raced || !is_equal;
    return code == PARLEY_OK ? commit_if_long(copier, err) : code;
}

/* ---- what users are in: members, and users' lists ---- */

struct span {
    const struct table *table;
    const char *prefix; /* column that the span shares */
    int64_t value;
    struct store_bytes after; /* users */
    struct store_bytes upto;  /* len 0: all that follow */
};

static void add_span(struct mdb_copier *copier, const struct span *span)
{
    struct mdb_sql *sql = begin_where(copier);
    mdb_sql_add(sql, span->prefix);
    mdb_sql_format(sql, "is", "=? AND user>?", span->value, span->after);
    if (span->upto.len > 0) {
        mdb_sql_format(sql, "s", " AND user<=?", span->upto);
    }
}

/* The user with whom a page ends. */
static enum parley_code find_end(struct mdb_copier *copier, struct span *span,
                                 struct pl_arena *arena, struct pl_error *err)
{
    struct store_bytes found = {"", 0};
    span->upto = found;
    add_span(copier, span);
    begin_sql(copier, "SELECT user FROM ");
    mdb_sql_add(&copier->sql, span->table->name);
    add_where(copier);
    mdb_sql_format(&copier->sql, "i", " ORDER BY user LIMIT 1 OFFSET ?", (int64_t)PART_ROWS);
    mdb_conn_start(copier->from, &copier->sql);
    if (mdb_conn_row(copier->from)) {
        found = mdb_conn_bytes(copier->from, 0);
        found.data = pl_arena_memdup(arena, found.data, found.len);
    }
    if (mdb_conn_finish(copier->from, err) != MDB_OK) {
        return err->code;
    }
    if (found.data == NULL) {
        return pl_fail(err, PARLEY_UNAVAILABLE, "no memory for a page of users");
    }
    span->upto = found;
    return PARLEY_OK;
}

static enum parley_code sync_span(struct mdb_copier *copier, struct span *span,
                                  struct pl_error *err)
{
    struct pl_arena arena;
    enum parley_code code = PARLEY_OK;
    pl_arena_init(&arena, NULL, 0, 0);
    do {
        bool is_equal = true;
        code = find_end(copier, span, &arena, err);
        if (code == PARLEY_OK) {
            add_span(copier, span);
            code = compare(copier, span->table, &is_equal, err);
        }
        if (code == PARLEY_OK && !is_equal) {
            code = replace(copier, span->table, err);
        }
        span->after = span->upto;
    } while (code == PARLEY_OK && span->upto.len > 0);
    pl_arena_deinit(&arena);
    return code;
}

/* ---- conversations ---- */

/* The target's row tells how far its copy is; all else is as the source has it. */
static enum parley_code put_row(struct mdb_copier *copier, const struct row *row,
                                struct pl_error *err)
{
    enum parley_code code = open_transaction(copier, err);
    mdb_sql_format(begin_where(copier), "is", "bucket=? AND id=?", (int64_t)copier->bucket,
                   row->id);
    if (code == PARLEY_OK) {
        begin_sql(copier, "DELETE FROM conversation");
        add_where(copier);
        code = run(copier->to, &copier->sql, err);
    }
    if (code == PARLEY_OK) {
        code = copy_rows(copier, &conversations, err);
    }
    if (code == PARLEY_OK) {
        mdb_sql_format(begin_sql(copier, ""), "iii",
                       "UPDATE conversation SET head_seq=?, first_seq=?, members_seq=?",
                       row->head_seq, row->first_seq, row->members_seq);
        add_where(copier);
        code = run(copier->to, &copier->sql, err);
    }
    return code;
}

static enum parley_code replace_events(struct mdb_copier *copier, int64_t number, int64_t first,
                                       int64_t last, struct pl_error *err)
{
    mdb_sql_format(begin_where(copier), "iii", "conversation=? AND seq BETWEEN ? AND ?", number,
                   first, last);
    return replace(copier, &messages, err);
}

/* @param there  the target's row; head_seq 0: it has none. Follows what is copied */
static enum parley_code sync_log(struct mdb_copier *copier, const struct row *row,
                                 struct row *there, struct pl_error *err)
{
    enum parley_code code = PARLEY_OK;
    /* Trimming has changed what was copied. */
    for (int64_t seq = there->first_seq;
         there->head_seq > 0 && code == PARLEY_OK && seq < row->first_seq && seq <= there->head_seq;
         seq += PART_ROWS) {
        int64_t last = seq + PART_ROWS - 1;
        last = last < row->first_seq ? last : row->first_seq - 1;
        code = replace_events(copier, row->number, seq,
                              last < there->head_seq ? last : there->head_seq, err);
    }
    there->first_seq = row->first_seq;
    while (code == PARLEY_OK && there->head_seq < row->head_seq && !copier->has_raced) {
        int64_t last = there->head_seq + PART_ROWS;
        last = last < row->head_seq ? last : row->head_seq;
        code = replace_events(copier, row->number, there->head_seq + 1, last, err);
        there->head_seq = last;
        if (code == PARLEY_OK && last < row->head_seq) {
            code = put_row(copier, there, err);
        }
    }
    return code;
}

static enum parley_code sync_conversation(struct mdb_copier *copier, const struct row *row,
                                          const struct row *old, struct pl_error *err)
{
    struct row there = {.id = row->id, .number = row->number, .first_seq = 1};
    if (old != NULL) {
        there = *old;
        if (there.number != row->number) {
            return pl_fail(err, PARLEY_DATA_LOSS,
                           "the target has another conversation %.*s of bucket %u",
                           (int)row->id.len, row->id.data, copier->bucket);
        }
    }
    enum parley_code code = sync_log(copier, row, &there, err);
    if (code == PARLEY_OK && there.members_seq != row->members_seq) {
        struct span span = {&members, "conversation", row->number, {"", 0}, {"", 0}};
        code = sync_span(copier, &span, err);
        there.members_seq = row->members_seq;
    }
    return code == PARLEY_OK && !copier->has_raced ? put_row(copier, &there, err) : code;
}

/* ---- pages of conversations ---- */

struct page {
    struct pl_arena arena;
    struct row rows[PAGE_ROWS];
    size_t count;
};

/* Those after `after`, and up to `upto` if it is given. */
static enum parley_code load_page(struct mdb_copier *copier, struct mdb_conn *conn,
                                  struct store_bytes after, struct store_bytes upto,
                                  struct page *page, struct pl_error *err)
{
    page->count = 0;
    mdb_sql_format(begin_where(copier), "is", "bucket=? AND id>?", (int64_t)copier->bucket, after);
    if (upto.len > 0) {
        mdb_sql_format(&copier->where, "s", " AND id<=?", upto);
    }
    begin_sql(copier, "SELECT id, serial, head_seq, first_seq, members_seq, CRC32(");
    mdb_sql_add(&copier->sql, conversations.checked);
    mdb_sql_add(&copier->sql, ") FROM conversation");
    add_where(copier);
    mdb_sql_format(&copier->sql, "i", " ORDER BY id LIMIT ?", (int64_t)PAGE_ROWS);
    mdb_conn_start(conn, &copier->sql);
    while (page->count < PAGE_ROWS && mdb_conn_row(conn)) {
        struct row *row = &page->rows[page->count];
        *row = (struct row){
            .id = mdb_conn_bytes(conn, 0),
            .number = mdb_number((int64_t)copier->bucket, mdb_conn_i64(conn, 1)),
            .head_seq = mdb_conn_i64(conn, 2),
            .first_seq = mdb_conn_i64(conn, 3),
            .members_seq = mdb_conn_i64(conn, 4),
            .checksum = mdb_conn_i64(conn, 5),
        };
        row->id.data = pl_arena_memdup(&page->arena, row->id.data, row->id.len);
        if (row->id.data == NULL) {
            (void)mdb_conn_finish(conn, NULL);
            return pl_fail(err, PARLEY_UNAVAILABLE, "no memory for a page of conversations");
        }
        page->count++;
    }
    return mdb_conn_finish(conn, err) == MDB_OK ? PARLEY_OK : err->code;
}

static const struct row *find_row(const struct page *page, struct store_bytes id)
{
    for (size_t i = 0; i < page->count; i++) {
        if (page->rows[i].id.len == id.len && memcmp(page->rows[i].id.data, id.data, id.len) == 0) {
            return &page->rows[i];
        }
    }
    return NULL;
}

/* What is done with each conversation of the source. `there`: NULL if the target has none. */
typedef enum parley_code (*row_fn)(struct mdb_copier *copier, const struct row *row,
                                   const struct row *there, struct pl_error *err);

static enum parley_code walk_page(struct mdb_copier *copier, struct page *here, struct page *there,
                                  row_fn visit, struct pl_error *err)
{
    enum parley_code code = PARLEY_OK;
    for (size_t i = 0; i < here->count && code == PARLEY_OK && !copier->has_raced; i++) {
        code = visit(copier, &here->rows[i], find_row(there, here->rows[i].id), err);
    }
    return code;
}

/* `after` and its bytes are the caller's. @return whether there may be more */
static bool next_page(struct mdb_copier *copier, struct page *here, struct page *there,
                      struct store_bytes after, enum parley_code *code, struct pl_error *err)
{
    pl_arena_reset(&here->arena);
    pl_arena_reset(&there->arena);
    *code = load_page(copier, copier->from, after, (struct store_bytes){"", 0}, here, err);
    if (*code == PARLEY_OK && here->count > 0) {
        *code = load_page(copier, copier->to, after, here->rows[here->count - 1].id, there, err);
    }
    return *code == PARLEY_OK && here->count > 0;
}

static enum parley_code walk(struct mdb_copier *copier, row_fn visit, struct pl_error *err)
{
    char id[PL_ID_MAX];
    struct store_bytes after = {id, 0};
    struct page *pages = pl_calloc(2, sizeof(*pages));
    enum parley_code code = PARLEY_OK;
    if (pages == NULL) {
        return pl_fail(err, PARLEY_UNAVAILABLE, "no memory for a page of conversations");
    }
    pl_arena_init(&pages[0].arena, NULL, 0, 0);
    pl_arena_init(&pages[1].arena, NULL, 0, 0);
    while (!copier->has_raced && next_page(copier, &pages[0], &pages[1], after, &code, err)) {
        code = walk_page(copier, &pages[0], &pages[1], visit, err);
        if (code != PARLEY_OK) {
            break;
        }
        struct store_bytes last = pages[0].rows[pages[0].count - 1].id;
        memcpy(id, last.data, last.len); /* a valid id: it fits */
        after.len = last.len;
    }
    pl_arena_deinit(&pages[0].arena);
    pl_arena_deinit(&pages[1].arena);
    pl_free(pages);
    return code;
}

/* ---- what a mover asks for ---- */

static enum parley_code sync_if_differs(struct mdb_copier *copier, const struct row *row,
                                        const struct row *there, struct pl_error *err)
{
    if (there != NULL && there->checksum == row->checksum) {
        return PARLEY_OK;
    }
    return sync_conversation(copier, row, there, err);
}

/* Nothing is there that the source does not have. While it is written to there is a difference. */
static enum parley_code compare_rows(struct mdb_copier *copier, struct pl_error *err)
{
    bool is_equal = true;
    mdb_sql_format(begin_where(copier), "i", "bucket=?", (int64_t)copier->bucket);
    enum parley_code code = compare(copier, &conversations, &is_equal, err);
    copier->copied += !is_equal;
    return code;
}

enum parley_code mdb_copier_pass(struct mdb_copier *copier, unsigned bucket, struct pl_error *err)
{
    struct span span = {&lists, "bucket", (int64_t)bucket, {"", 0}, {"", 0}};
    copier->bucket = bucket;
    copier->copied = 0;
    copier->has_raced = false;
    enum parley_code code = walk(copier, sync_if_differs, err);
    if (code == PARLEY_OK && !copier->has_raced) {
        code = sync_span(copier, &span, err);
    }
    if (code == PARLEY_OK && !copier->has_raced) {
        code = compare_rows(copier, err);
    }
    if (code == PARLEY_OK && !copier->has_raced) {
        code = commit(copier, err);
    }
    roll_back(copier);
    return code;
}

enum parley_code mdb_copier_outbox(struct mdb_copier *copier, unsigned bucket, struct pl_error *err)
{
    mdb_sql_format(begin_where(copier), "ii", "conversation>=? AND conversation<?",
                   mdb_number(bucket, 0), mdb_number((int64_t)bucket + 1, 0));
    return copy_rows(copier, &outbox, err);
}

static enum parley_code verify_row(struct mdb_copier *copier, const struct row *row,
                                   const struct row *there, struct pl_error *err)
{
    bool is_equal = there != NULL && there->number == row->number;
    enum parley_code code = PARLEY_OK;
    if (is_equal) {
        /* By now the target may have trimmed some, and trims. */
        mdb_sql_format(
            begin_where(copier), "iii", "conversation=? AND seq BETWEEN ? AND ?", row->number,
            row->first_seq > there->first_seq ? row->first_seq : there->first_seq, row->head_seq);
        code = compare(copier, &messages, &is_equal, err);
    }
    copier->has_raced = !is_equal;
    return code;
}

enum parley_code mdb_copier_verify(struct mdb_copier *copier, unsigned bucket, struct pl_error *err)
{
    enum parley_code code = PARLEY_OK;
    copier->bucket = bucket;
    for (unsigned tries = 0; tries < VERIFY_TRIES; tries++) {
        copier->has_raced = false;
        code = walk(copier, verify_row, err);
        if (code != PARLEY_OK || !copier->has_raced) {
            return code;
        }
    }
    return pl_fail(err, PARLEY_DATA_LOSS,
                   "bucket %u differs on the two shards; the source keeps its rows", bucket);
}

/* Batch after batch, until nothing is left. */
static enum parley_code remove_rows(struct mdb_copier *copier, struct mdb_conn *conn,
                                    const char *text, int64_t first, int64_t end,
                                    struct pl_error *err)
{
    enum parley_code code = PARLEY_OK;
    int64_t removed = 0;
    do {
        mdb_sql_format(begin_sql(copier, ""), "iii", text, first, end, (int64_t)REMOVE_ROWS);
        code = run(conn, &copier->sql, err);
        removed = code == PARLEY_OK ? mdb_conn_affected(conn) : 0;
        if (copier->on_progress != NULL) {
            copier->on_progress(copier);
        }
    } while (removed == REMOVE_ROWS);
    return code;
}

enum parley_code mdb_copier_remove(struct mdb_copier *copier, struct mdb_conn *conn,
                                   unsigned bucket, struct pl_error *err)
{
    static const char *const by_number[] = {
        "DELETE FROM message WHERE conversation>=? AND conversation<? ORDER BY conversation, seq"
        " LIMIT ?",
        "DELETE FROM member WHERE conversation>=? AND conversation<? ORDER BY conversation, user"
        " LIMIT ?",
    };
    static const char *const by_bucket[] = {
        "DELETE FROM user_conversation WHERE bucket>=? AND bucket<?"
        " ORDER BY bucket, user, conversation LIMIT ?",
        "DELETE FROM conversation WHERE bucket>=? AND bucket<? ORDER BY bucket, id LIMIT ?",
    };
    enum parley_code code = PARLEY_OK;
    for (size_t i = 0; i < PL_COUNT(by_number) && code == PARLEY_OK; i++) {
        code = remove_rows(copier, conn, by_number[i], mdb_number(bucket, 0),
                           mdb_number((int64_t)bucket + 1, 0), err);
    }
    for (size_t i = 0; i < PL_COUNT(by_bucket) && code == PARLEY_OK; i++) {
        code = remove_rows(copier, conn, by_bucket[i], bucket, (int64_t)bucket + 1, err);
    }
    return code;
}
