/* SPDX-License-Identifier: Apache-2.0 */
/* Answers reads from one database. Each statement sees what was committed before it began; a log is
 * read up to the head that was read first, so that an answer fits together without a transaction.
 * What was trimmed meanwhile is noticed by what is missing, and so is what a replica does not have.
 * With what it reads first comes the epoch of the shard map: if it is not the one we know, or the
 * bucket is not served here, the answer would be an old one. The rows of a bucket that has moved
 * stay for longer than a read may take, so that one look is enough.
 * Results are copied into the arena of the request. A read changes nothing: after a lost connection
 * it is begun anew. @thread one reader thread */
#include "mysql/engine_impl.h"
#include "mysql/event.h"
#include "mysql/metrics.h"

#include "base/clock.h"
#include "base/mem.h"
#include "shard/answer.h"
#include "shard/route.h"
#include "shard/rules.h"

#include <stdlib.h>
#include <string.h>

#define PAGE_MIN       64   /* rows in one statement */
#define PAGE_ROW_BYTES 4096 /* so many of the bytes asked for make one row of the first page */
#define TRIES_MAX      3
#define REPLICA_SHARE  4 /* of the time for a read; the shard has as much after it, or all of it */

struct shard_reader {
    struct mysql_engine *engine;
    struct mdb_place *place;
    struct mdb_conn *conn; /* of the request; while a replica is asked, to that */
    int64_t deadline_ns;   /* of the request */
    int64_t share_ns;      /* a replica's */
    bool is_map_old;       /* what was read came with an epoch that we did not know */
    struct mdb_sql sql;
    struct shard_rows rows;
};

/* A conversation's row, as far as reads need it. */
struct found {
    int64_t number;
    int64_t first_seq;
};

static struct mdb_sql *begin_sql(struct shard_reader *reader)
{
    mdb_sql_reset(&reader->sql);
    return &reader->sql;
}

/* End of the statement. What broke before counts. */
static enum parley_code finish(struct shard_reader *reader, struct pl_error *err)
{
    struct pl_error error = PL_ERROR_INIT;
    if (mdb_conn_finish(reader->conn, &error) != MDB_OK && err->code == PARLEY_OK) {
        *err = error;
    }
    return err->code;
}

/* What was read of a bucket at this epoch holds only if it is served here. */
static bool check_place(struct shard_reader *reader, int64_t epoch, struct store_bytes id,
                        struct pl_error *err)
{
    struct mysql_engine *engine = reader->engine;
    bool is_old = false;
    if (PL_LIKELY(mdb_map_served(&engine->map, reader->place->index, shard_bucket(id.data, id.len),
                                 epoch, &is_old))) {
        return true;
    }
    reader->is_map_old = reader->is_map_old || is_old;
    mdb_map_refuse(err, engine->options.busy_retry_ms);
    return false;
}

static bool copy(const struct mdb_conn *conn, unsigned column, struct pl_arena *arena,
                 struct store_bytes *out)
{
    struct store_bytes bytes = mdb_conn_bytes(conn, column);
    out->len = bytes.len;
    out->data = pl_arena_strndup(arena, bytes.data, bytes.len);
    return out->data != NULL;
}

/* ---- conversations ---- */

#define ROLE_COLUMN  11 /* NULL: no such conversation, or the user is no member */
#define EPOCH_COLUMN 12

/* One SELECT that gives the conversation as `user` sees it (len 0: anybody): always one row. */
static void add_conversation(struct mdb_sql *sql, struct store_bytes id, struct store_bytes user)
{
    mdb_sql_add(
        sql, "SELECT c.bucket, c.serial, c.title, c.created_by, c.created_at_ms, c.head_seq,"
             " c.ordinal, c.member_count, c.first_seq, c.retention_age_ms, c.retention_messages, ");
    mdb_sql_add(sql, user.len == 0 ? "c.serial*0" : "m.role");
    mdb_sql_format(sql, "is",
                   ", p.epoch FROM shard_place p LEFT JOIN conversation c ON c.bucket=? AND c.id=?",
                   (int64_t)shard_bucket(id.data, id.len), id);
    if (user.len > 0) {
        mdb_sql_format(sql, "s",
                       " LEFT JOIN member m ON m.conversation=(c.bucket<<40)+c.serial AND m.user=?",
                       user);
    }
    mdb_sql_add(sql, " WHERE p.one=1");
}

/* Fill `out` from the row, if it has a conversation; strings only with an arena. */
static bool take_conversation(struct shard_reader *reader, struct store_conversation *out,
                              struct found *found, struct pl_arena *arena, struct pl_error *err)
{
    const struct mdb_conn *conn = reader->conn;
    if (!check_place(reader, mdb_conn_i64(conn, EPOCH_COLUMN), out->id, err) ||
        mdb_conn_is_null(conn, ROLE_COLUMN)) {
        return false;
    }
    found->number = mdb_number(mdb_conn_i64(conn, 0), mdb_conn_i64(conn, 1));
    out->created_at_ms = mdb_conn_i64(conn, 4);
    out->head_seq = mdb_conn_i64(conn, 5);
    out->ordinal = mdb_conn_i64(conn, 6);
    out->member_count = mdb_conn_i64(conn, 7);
    found->first_seq = mdb_conn_i64(conn, 8);
    out->retention = mdb_retention(conn, 9);
    out->role = (enum store_role)mdb_conn_i64(conn, ROLE_COLUMN);
    if (arena != NULL &&
        (!copy(conn, 2, arena, &out->title) || !copy(conn, 3, arena, &out->created_by))) {
        shard_fail_memory(err);
    }
    return true;
}

/* Look up out->id as `user` sees it. NOT_FOUND as the port says. */
static enum parley_code find_conversation(struct shard_reader *reader, struct store_bytes user,
                                          struct store_conversation *out, struct found *found,
                                          struct pl_arena *arena, struct pl_error *err)
{
    add_conversation(begin_sql(reader), out->id, user);
    mdb_conn_start(reader->conn, &reader->sql);
    bool is_there = mdb_conn_row(reader->conn) && take_conversation(reader, out, found, arena, err);
    if (finish(reader, err) == PARLEY_OK && !is_there) {
        return shard_fail_not_found(err);
    }
    return err->code;
}

/* ---- the log ---- */

/* A log that is being read, in pages. From its first seq to its head none is missing, and no event
 * ever changes: it is known beforehand which rows a page must have. */
struct walk {
    struct store_read *read;
    int64_t number;
    int64_t next_seq; /* of the next page */
    size_t bytes;     /* of bodies so far */
    bool is_replica;
    bool is_full;  /* the next body would be too much */
    bool is_short; /* a row is not there: the replica lacks it, or it was trimmed meanwhile */
};

/* Events between here and the end of the log. */
static int64_t events_left(const struct walk *walk)
{
    const struct store_read *read = walk->read;
    return read->backwards ? walk->next_seq - read->first_seq + 1
                           : read->head_seq - walk->next_seq + 1;
}

static bool is_complete(const struct walk *walk)
{
    return walk->is_full || walk->read->event_count >= shard_page_limit(walk->read->limit) ||
           events_left(walk) <= 0;
}

/* Where the log begins may have moved since it was told, but not on a replica that lacks rows. */
static bool may_follow(const struct walk *walk, int64_t seq)
{
    return seq == walk->next_seq || (walk->read->event_count == 0 && !walk->is_replica);
}

static void take_page(struct shard_reader *reader, struct walk *walk, size_t page)
{
    struct store_read *read = walk->read;
    struct pl_error *err = &read->request.error;
    size_t taken = 0;
    while (mdb_conn_row(reader->conn) && may_follow(walk, mdb_conn_i64(reader->conn, 0))) {
        size_t body = mdb_conn_bytes(reader->conn, MDB_EVENT_BODY).len;
        if (read->event_count > 0 && walk->bytes + body > read->max_bytes) {
            walk->is_full = true;
            break;
        }
        struct store_event *rows =
            shard_rows_reserve(&reader->rows, read->event_count + 1, sizeof(*rows));
        if (rows == NULL) {
            shard_fail_memory(err);
            break;
        }
        struct store_event *event = &rows[read->event_count];
        if (!mdb_event_take(reader->conn, event, &read->request.arena)) {
            shard_fail_memory(err);
            break;
        }
        walk->next_seq = event->seq + (read->backwards ? -1 : 1);
        walk->bytes += body;
        read->event_count++;
        taken++;
    }
    (void)finish(reader, err);
    walk->is_short = !walk->is_full && taken < page;
}

/* Rows beyond what the answer may hold are sent in vain: ask for about as many as fit. */
static size_t next_page(const struct walk *walk)
{
    const struct store_read *read = walk->read;
    size_t wanted = shard_page_limit(read->limit) - read->event_count;
    size_t there = (size_t)events_left(walk);
    size_t left = wanted < there ? wanted : there;
    size_t row = read->event_count == 0 ? PAGE_ROW_BYTES : walk->bytes / read->event_count + 1;
    size_t page = (read->max_bytes - walk->bytes) / row;
    page = page < PAGE_MIN ? PAGE_MIN : page;
    return page < left ? page : left;
}

static void walk_log(struct shard_reader *reader, struct walk *walk)
{
    const struct store_read *read = walk->read;
    while (!is_complete(walk) && !walk->is_short && read->request.error.code == PARLEY_OK) {
        size_t page = next_page(walk);
        struct mdb_sql *sql = begin_sql(reader);
        mdb_sql_format(sql, "iii",
                       "SELECT " MDB_EVENT_COLUMNS " FROM message WHERE conversation=? AND seq"
                       " BETWEEN ? AND ? AND kind>0",
                       walk->number, read->backwards ? read->first_seq : walk->next_seq,
                       read->backwards ? walk->next_seq : read->head_seq);
        mdb_sql_add(sql, read->backwards ? " ORDER BY seq DESC" : " ORDER BY seq");
        mdb_sql_format(sql, "i", " LIMIT ?", (int64_t)page);
        mdb_conn_start(reader->conn, sql);
        take_page(reader, walk, page);
    }
}

/* The shard has said who may read, where the log begins and ends, and that it serves the bucket:
 * the events between are the same wherever they are found, and a replica that has them all has the
 * answer, however far behind it is. What it lacks is left to the shard. What is to be read as soon
 * as it is committed would not be there yet. */
static void walk_replica(struct shard_reader *reader, struct walk *walk)
{
    struct mdb_pool *pool = reader->place->replica_pool;
    struct pl_error *err = &walk->read->request.error;
    struct pl_error ignored = PL_ERROR_INIT;
    if (pool == NULL || walk->read->uncached || is_complete(walk)) {
        return;
    }
    int64_t until_ns = pl_clock_monotonic_ns() + reader->share_ns;
    if (until_ns + reader->share_ns > reader->deadline_ns) {
        return;
    }
    struct mdb_conn *shard = reader->conn;
    struct mdb_conn *replica = mdb_pool_take(pool, false, until_ns, &ignored);
    if (replica != NULL) {
        reader->conn = replica;
        walk->is_replica = true;
        walk_log(reader, walk);
        walk->is_replica = false;
        reader->conn = shard;
        mdb_pool_put(pool, replica);
    }
    bool is_missed = replica == NULL || err->code != PARLEY_OK;
    pl_metric_add(is_missed        ? &mdb_metric_replica_missed
                  : walk->is_short ? &mdb_metric_replica_behind
                                   : &mdb_metric_replica_served,
                  1);
    walk->is_short = false;
    pl_error_clear(err);
}

/* The log begins where it could be read, if that is after what was said before. */
static void note_trimmed(struct store_read *read, int64_t from_seq)
{
    if (read->event_count > 0 && !read->backwards && read->events[0].seq > from_seq) {
        read->first_seq = read->events[0].seq;
    } else if (read->event_count == 0 && from_seq >= read->first_seq &&
               from_seq <= read->head_seq) {
        read->first_seq = (read->backwards ? from_seq : read->head_seq) + 1;
    }
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
    struct walk walk = {.read = read, .number = found.number, .next_seq = read->from_seq};
    if (read->backwards && (read->from_seq == 0 || read->from_seq > read->head_seq)) {
        walk.next_seq = read->head_seq;
    } else if (!read->backwards && read->from_seq < read->first_seq) {
        walk.next_seq = read->first_seq;
    }
    int64_t from_seq = walk.next_seq;
    walk_replica(reader, &walk);
    walk_log(reader, &walk);
    if (err->code == PARLEY_OK) {
        shard_give_events(&reader->rows, read);
    } else {
        read->event_count = 0;
    }
    if (err->code == PARLEY_OK) {
        note_trimmed(read, from_seq);
    }
}

/* ---- what is known of conversations ---- */

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

static int compare_conversations(const void *left, const void *right)
{
    const struct store_conversation *const *a = left;
    const struct store_conversation *const *b = right;
    return mdb_compare_ids((*a)->id, (*b)->id);
}

/* Some may have been asked for twice. */
static void give_head(const struct shard_lookup_request *lookup, struct store_bytes id,
                      int64_t head_seq)
{
    size_t low = 0;
    size_t high = lookup->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (mdb_compare_ids(lookup->conversations[middle]->id, id) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (; low < lookup->count && mdb_compare_ids(lookup->conversations[low]->id, id) == 0; low++) {
        lookup->conversations[low]->head_seq = head_seq;
    }
}

/* There are STORE_HEADS_MAX at most, which is no more than one statement may name. */
static void look_up_heads(struct shard_reader *reader, struct shard_lookup_request *lookup)
{
    struct mdb_sql *sql = begin_sql(reader);
    int64_t epoch = 0;
    qsort(lookup->conversations, lookup->count, sizeof(*lookup->conversations),
          compare_conversations);
    mdb_sql_add(sql, "SELECT id, head_seq FROM conversation FORCE INDEX (PRIMARY) WHERE ");
    for (size_t i = 0; i < lookup->count; i++) {
        struct store_bytes id = lookup->conversations[i]->id;
        mdb_sql_format(sql, "is", i == 0 ? "(bucket=? AND id=?)" : " OR (bucket=? AND id=?)",
                       (int64_t)shard_bucket(id.data, id.len), id);
        lookup->conversations[i]->head_seq = 0;
    }
    mdb_sql_add(sql, " UNION ALL SELECT '', epoch FROM shard_place WHERE one=1");
    mdb_conn_start(reader->conn, sql);
    while (mdb_conn_row(reader->conn)) {
        struct store_bytes id = mdb_conn_bytes(reader->conn, 0);
        if (id.len > 0) {
            give_head(lookup, id, mdb_conn_i64(reader->conn, 1));
        } else {
            epoch = mdb_conn_i64(reader->conn, 1);
        }
    }
    (void)finish(reader, &lookup->request.error);
    for (size_t i = 0; i < lookup->count && lookup->request.error.code == PARLEY_OK; i++) {
        (void)check_place(reader, epoch, lookup->conversations[i]->id, &lookup->request.error);
    }
}

/* All of them in one text: a result for each, in order. */
static void look_up_members(struct shard_reader *reader, struct shard_lookup_request *lookup)
{
    struct pl_error *err = &lookup->request.error;
    struct mdb_sql *sql = begin_sql(reader);
    struct found found;
    for (size_t i = 0; i < lookup->count; i++) {
        mdb_sql_add(sql, i == 0 ? "" : ";");
        add_conversation(sql, lookup->conversations[i]->id, lookup->user);
    }
    mdb_conn_start(reader->conn, sql);
    for (size_t i = 0; i < lookup->count && err->code == PARLEY_OK; i++) {
        struct store_conversation *out = lookup->conversations[i];
        out->role = STORE_ROLE_NONE;
        if (mdb_conn_row(reader->conn)) {
            (void)take_conversation(reader, out, &found, &lookup->request.arena, err);
        }
        if (!mdb_conn_next(reader->conn)) {
            break;
        }
    }
    (void)finish(reader, err);
}

static void look_up(struct shard_reader *reader, struct shard_lookup_request *lookup)
{
    if (lookup->user.len == 0) {
        look_up_heads(reader, lookup);
    } else {
        look_up_members(reader, lookup);
    }
}

/* ---- lists ---- */

static void list_conversations(struct shard_reader *reader, struct store_list_conversations *list)
{
    struct pl_error *err = &list->request.error;
    struct pl_arena *arena = &list->request.arena;
    size_t limit = shard_page_limit(list->limit);
    list->count = 0;
    list->has_more = false;
    mdb_sql_format(begin_sql(reader), "issi",
                   "(SELECT conversation, 0 FROM user_conversation WHERE bucket=? AND user=? AND"
                   " conversation>? AND is_member=1 ORDER BY conversation LIMIT ?)"
                   " UNION ALL (SELECT '', epoch FROM shard_place WHERE one=1)"
                   " ORDER BY conversation",
                   (int64_t)shard_bucket(list->user.data, list->user.len), list->user, list->after,
                   (int64_t)limit + 1);
    mdb_conn_start(reader->conn, &reader->sql);
    bool is_here = mdb_conn_row(reader->conn) && /* '' comes first */
                   check_place(reader, mdb_conn_i64(reader->conn, 1), list->user, err);
    while (is_here && !list->has_more && mdb_conn_row(reader->conn)) {
        if (list->count == limit) {
            list->has_more = true;
            break;
        }
        struct store_conversation *rows =
            shard_rows_reserve(&reader->rows, list->count + 1, sizeof(*rows));
        if (rows == NULL || !copy(reader->conn, 0, arena, &rows[list->count].id)) {
            shard_fail_memory(err);
            break;
        }
        rows[list->count] = (struct store_conversation){.id = rows[list->count].id};
        list->count++;
    }
    if (finish(reader, err) == PARLEY_OK) {
        shard_give_conversations(&reader->rows, list);
    }
}

static void take_members(struct shard_reader *reader, struct store_list_members *list)
{
    struct pl_error *err = &list->request.error;
    size_t limit = shard_page_limit(list->limit);
    while (mdb_conn_row(reader->conn)) {
        if (list->count == limit) {
            list->has_more = true;
            return;
        }
        struct store_member *rows =
            shard_rows_reserve(&reader->rows, list->count + 1, sizeof(*rows));
        if (rows == NULL ||
            !copy(reader->conn, 0, &list->request.arena, &rows[list->count].user_id)) {
            shard_fail_memory(err);
            return;
        }
        rows[list->count].role = (enum store_role)mdb_conn_i64(reader->conn, 1);
        list->count++;
    }
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
    mdb_sql_format(begin_sql(reader), "isi",
                   "SELECT user, role FROM member WHERE conversation=? AND user>? ORDER BY user"
                   " LIMIT ?",
                   found.number, list->after, (int64_t)shard_page_limit(list->limit) + 1);
    mdb_conn_start(reader->conn, &reader->sql);
    take_members(reader, list);
    if (finish(reader, err) == PARLEY_OK) {
        shard_give_members(&reader->rows, list);
    }
}

/* ---- retention ---- */

static void take_expired(struct shard_reader *reader, struct store_list_expired *list,
                         struct store_bytes *last)
{
    const struct mdb_conn *conn = reader->conn;
    size_t seen = 0;
    for (; mdb_conn_row(reader->conn); seen++) {
        struct store_bytes *rows =
            shard_rows_reserve(&reader->rows, list->count + 1, sizeof(*rows));
        if (rows == NULL || !copy(conn, 0, &list->request.arena, last)) {
            shard_fail_memory(&list->request.error);
            return;
        }
        const struct store_retention kept =
            shard_retention(&list->retention, mdb_retention(conn, 4));
        if (!mdb_conn_is_null(conn, 2) &&
            shard_is_expired(&kept, list->now_ms, mdb_conn_i64(conn, 1), mdb_conn_i64(conn, 2),
                             mdb_conn_i64(conn, 3))) {
            rows[list->count++] = *last;
        }
    }
    if (seen < shard_page_limit(list->limit)) {
        last->len = 0;
    }
}

/* Of each conversation the oldest event that is there, if there is one. What was left here when a
 * bucket moved does no harm: it is trimmed where the bucket is, if it is to be trimmed there.
 * The conditions are written as ranges of the index. */
static void list_expired(struct shard_reader *reader, struct store_list_expired *list)
{
    struct store_bytes last = {"", 0};
    struct mdb_sql *sql = begin_sql(reader);
    bool is_own = shard_keeps_all(&list->retention);
    list->count = 0;
    mdb_sql_add(sql, "SELECT c.id, c.ordinal, m.created_at_ms, m.ordinal, c.retention_age_ms,"
                     " c.retention_messages FROM (SELECT bucket, id, serial, first_seq, ordinal,"
                     " retention_age_ms, retention_messages FROM conversation FORCE INDEX ");
    mdb_sql_add(sql, is_own ? "(conversation_retention) WHERE (retention_age_ms<>0 OR"
                              " (retention_age_ms=0 AND retention_messages<>0)) AND"
                            : "(PRIMARY) WHERE");
    mdb_sql_format(sql, "isi",
                   " bucket=? AND id>? ORDER BY id LIMIT ?) c LEFT JOIN message m ON"
                   " m.conversation=(c.bucket<<40)+c.serial AND m.seq=c.first_seq ORDER BY c.id",
                   (int64_t)list->bucket, list->after, (int64_t)shard_page_limit(list->limit));
    mdb_conn_start(reader->conn, sql);
    take_expired(reader, list, &last);
    if (finish(reader, &list->request.error) == PARLEY_OK) {
        shard_give_expired(&reader->rows, list, last);
    }
}

/* ---- a request ---- */

static const struct shard_read_ops read_ops = {
    .read_log = read_log,
    .get = get,
    .list_conversations = list_conversations,
    .list_members = list_members,
    .list_expired = list_expired,
    .look_up = look_up,
};

void mdb_read(struct shard_reader *reader, struct store_request *request)
{
    struct pl_error *err = &request->error;
    int64_t deadline_ns = mdb_deadline(reader->engine);
    bool is_over = false;
    reader->deadline_ns = deadline_ns;
    reader->share_ns = (deadline_ns - pl_clock_monotonic_ns()) / REPLICA_SHARE;
    for (unsigned tries = 0; tries < TRIES_MAX && !is_over; tries++) {
        if (tries > 0 && pl_clock_monotonic_ns() >= deadline_ns) {
            break;
        }
        pl_error_clear(err);
        reader->conn = mdb_pool_take(reader->place->pool, tries > 0, deadline_ns, err);
        if (reader->conn == NULL) {
            return;
        }
        reader->is_map_old = false;
        shard_answer(&read_ops, reader, request);
        if (PL_UNLIKELY(reader->is_map_old)) {
            (void)mdb_map_refresh(&reader->engine->map, reader->place->index, reader->conn, err);
        }
        is_over = err->code == PARLEY_OK || !(reader->is_map_old || mdb_conn_is_lost(reader->conn));
        mdb_pool_put(reader->place->pool, reader->conn);
    }
    if (err->code == PARLEY_UNAVAILABLE && err->retry_after_ms == 0) {
        mdb_pool_hint(reader->place->pool, err);
    }
}

enum parley_code mdb_open_reader(struct shard_engine *base, unsigned lane,
                                 struct shard_reader **reader, struct pl_error *err)
{
    struct mysql_engine *engine = (struct mysql_engine *)base;
    struct shard_reader *made = pl_calloc(1, sizeof(*made));
    if (made == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for a reader");
    }
    made->engine = engine;
    made->place = mdb_place_of_lane(engine, lane);
    *reader = made;
    return PARLEY_OK;
}

void mdb_close_reader(struct shard_reader *reader)
{
    mdb_sql_deinit(&reader->sql);
    shard_rows_deinit(&reader->rows);
    pl_free(reader);
}
