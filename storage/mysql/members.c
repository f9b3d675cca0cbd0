/* SPDX-License-Identifier: Apache-2.0 */
/* The rare writes: conversations and their members. A change of 1,000 members is three statements,
 * not a thousand. */
#include "mysql/writer_impl.h"

#include "base/id.h"
#include "base/map.h"
#include "shard/rules.h"

#include <string.h>

/* The users whom a request changes. */
struct changed {
    const struct store_bytes *users; /* as asked */
    size_t user_count;
    enum store_role role;     /* NONE: they are removed */
    struct store_bytes owner; /* of a new conversation, before the others; len 0: none */
    struct shard_link *links; /* those who really change */
    size_t count;
    char *body; /* of the event: their ids, each followed by a NUL */
    size_t body_len;
};

static bool reserve_changed(struct shard_writer *writer, struct store_request *request,
                            struct changed *changed)
{
    size_t sum = PL_ID_MAX + 1;
    for (size_t i = 0; i < changed->user_count; i++) {
        sum += changed->users[i].len + 1;
    }
    changed->body = pl_arena_alloc(&request->arena, sum);
    changed->links =
        pl_arena_alloc(&writer->arena, (changed->user_count + 1) * sizeof(*changed->links));
    if (changed->body == NULL || changed->links == NULL) {
        mdb_writer_break(writer, PARLEY_UNAVAILABLE, "no memory for a list of members");
        return false;
    }
    return true;
}

static void note_changed(struct changed *changed, const struct shard_link *link)
{
    char *to = changed->body + changed->body_len;
    memcpy(to, link->user.data, link->user.len);
    to[link->user.len] = '\0';
    changed->body_len += link->user.len + 1;
    changed->links[changed->count++] = *link;
}

/* ---- who changes ---- */

static void add_users(struct mdb_sql *sql, const struct changed *changed)
{
    for (size_t i = 0; i < changed->user_count; i++) {
        mdb_sql_add(sql, i == 0 ? "" : ",");
        mdb_sql_bytes(sql, changed->users[i]);
    }
}

/* Which of the users are members now. */
static void load_present(struct shard_writer *writer, const struct mdb_head *head,
                         const struct changed *changed, struct pl_map *present)
{
    struct mdb_sql *sql = mdb_writer_sql(writer);
    if (changed->user_count == 0) {
        return;
    }
    mdb_sql_format(sql, "i", "SELECT user FROM member WHERE conversation=? AND user IN (",
                   head->number);
    add_users(sql, changed);
    mdb_sql_add(sql, ")");
    mdb_conn_start(writer->conn, sql);
    while (mdb_conn_row(writer->conn)) {
        struct store_bytes user = mdb_conn_bytes(writer->conn, 0);
        if (pl_map_put(present, user.data, user.len, present, NULL) != 0) {
            mdb_writer_break(writer, PARLEY_UNAVAILABLE, "no memory for a list of members");
        }
    }
    (void)mdb_writer_finish(writer);
}

/* A user who is named twice changes once. */
static void choose(struct shard_writer *writer, const struct shard_link *link,
                   struct pl_map *present, struct changed *changed)
{
    bool is_present = pl_map_find(present, link->user.data, link->user.len) != NULL;
    if (is_present == link->is_member) {
        return;
    }
    if (!link->is_member) {
        (void)pl_map_take(present, link->user.data, link->user.len);
    } else if (pl_map_put(present, link->user.data, link->user.len, present, NULL) != 0) {
        mdb_writer_break(writer, PARLEY_UNAVAILABLE, "no memory for a list of members");
        return;
    }
    note_changed(changed, link);
}

static void choose_all(struct shard_writer *writer, const struct mdb_head *head,
                       struct changed *changed, struct pl_map *present)
{
    struct shard_link link = {.conversation_id = head->id,
                              .is_member = changed->role != STORE_ROLE_NONE,
                              .version = head->head_seq + 1};
    if (changed->owner.len > 0) {
        link.user = changed->owner;
        choose(writer, &link, present, changed);
    } else {
        load_present(writer, head, changed, present);
    }
    for (size_t i = 0; i < changed->user_count && mdb_writer_is_well(writer); i++) {
        link.user = changed->users[i];
        choose(writer, &link, present, changed);
    }
}

/* ---- what is written ---- */

static enum store_role role_of(const struct changed *changed, size_t index)
{
    return changed->owner.len > 0 && index == 0 ? STORE_ROLE_OWNER : changed->role;
}

static void insert_members(struct shard_writer *writer, const struct mdb_head *head,
                           const struct changed *changed)
{
    struct mdb_sql *sql = mdb_writer_sql(writer);
    mdb_sql_add(sql, "INSERT INTO member (conversation, user, role) VALUES ");
    for (size_t i = 0; i < changed->count; i++) {
        mdb_sql_format(sql, "isi", i == 0 ? "(?,?,?)" : ",(?,?,?)", head->number,
                       changed->links[i].user, (int64_t)role_of(changed, i));
    }
    (void)mdb_writer_run(writer);
}

static void delete_members(struct shard_writer *writer, const struct mdb_head *head,
                           const struct changed *changed)
{
    struct mdb_sql *sql = mdb_writer_sql(writer);
    mdb_sql_format(sql, "i", "DELETE FROM member WHERE conversation=? AND user IN (", head->number);
    add_users(sql, changed);
    mdb_sql_add(sql, ")");
    (void)mdb_writer_run(writer);
}

static void remember_roles(struct shard_writer *writer, const struct mdb_head *head,
                           const struct changed *changed)
{
    for (size_t i = 0; i < changed->count; i++) {
        mdb_roles_put(writer->roles, head->number, head->members_seq, changed->links[i].user,
                      role_of(changed, i));
    }
}

/* Rows, lists of users, and the event that says who came or went. */
static void write_change(struct shard_writer *writer, struct mdb_head *head,
                         const struct changed *changed, struct store_event *event)
{
    event->seq = head->head_seq + 1;
    event->created_at_ms = mdb_writer_time(writer, head);
    event->ordinal = head->ordinal;
    event->role = changed->role;
    event->body = (struct store_bytes){changed->body, changed->body_len};
    if (changed->role == STORE_ROLE_NONE) {
        delete_members(writer, head, changed);
    } else {
        insert_members(writer, head, changed);
    }
    if (mdb_writer_is_well(writer)) {
        mdb_links_add(writer, head, changed->links, changed->count);
    }
    if (!mdb_writer_is_well(writer)) {
        return;
    }
    head->member_count +=
        changed->role == STORE_ROLE_NONE ? -(int64_t)changed->count : (int64_t)changed->count;
    head->members_seq = event->seq;
    writer->has_changed_roles = true;
    remember_roles(writer, head, changed);
    mdb_writer_add(writer, head, event);
}

/* @return false: nothing was to be changed, or the transaction is broken */
static bool change_members(struct shard_writer *writer, struct mdb_head *head,
                           struct store_request *request, struct changed *changed,
                           struct store_event *event)
{
    struct pl_map *present = pl_map_new();
    if (present == NULL) {
        mdb_writer_break(writer, PARLEY_UNAVAILABLE, "no memory for a list of members");
    } else if (reserve_changed(writer, request, changed)) {
        choose_all(writer, head, changed, present);
    }
    pl_map_free(present, NULL);
    if (!mdb_writer_is_well(writer) || changed->count == 0) {
        return false;
    }
    write_change(writer, head, changed, event);
    return mdb_writer_is_well(writer);
}

/* ---- requests ---- */

/* Whether the actor may do it; if not, the request has its answer. */
static bool may_change(struct shard_writer *writer, const struct mdb_head *head,
                       struct store_change_members *change)
{
    enum store_role role =
        head->serial == 0 ? STORE_ROLE_NONE : mdb_writer_role(writer, head, change->actor);
    if (!mdb_writer_is_well(writer)) {
        return false;
    }
    return shard_may_change(head->serial != 0, role, change);
}

void mdb_members_change(struct shard_writer *writer, struct store_change_members *change,
                        struct mdb_head *head)
{
    bool is_leave = change->kind == STORE_MEMBERS_LEFT;
    struct store_event event = {.kind = change->kind, .sender = change->actor};
    struct changed changed = {
        .users = is_leave ? &change->actor : change->users,
        .user_count = is_leave ? 1 : change->user_count,
        .role = change->kind == STORE_MEMBERS_ADDED ? change->role : STORE_ROLE_NONE,
    };
    if (!may_change(writer, head, change)) {
        return;
    }
    if (!change_members(writer, head, &change->request, &changed, &event) &&
        mdb_writer_is_well(writer)) {
        (void)mdb_links_claim(writer, head); /* a repeat, perhaps of what a dead node has begun */
    }
    change->head_seq = head->head_seq;
}

static void insert_conversation(struct shard_writer *writer, const struct store_create *create,
                                struct mdb_head *head)
{
    mdb_sql_format(mdb_writer_sql(writer), "isssiiii",
                   "INSERT INTO conversation (bucket, id, title, created_by, created_at_ms,"
                   " head_seq, first_seq, ordinal, last_at_ms, member_count, members_seq,"
                   " retention_age_ms, retention_messages)"
                   " VALUES (?, ?, ?, ?, ?, 0, 1, 0, ?, 0, 0, ?, ?)",
                   head->bucket, head->id, create->title, create->creator, writer->now_ms,
                   writer->now_ms, create->retention.age_ms, create->retention.messages);
    if (mdb_writer_run(writer)) {
        head->serial = mdb_conn_insert_id(writer->conn);
        head->number = mdb_number(head->bucket, head->serial);
        head->last_at_ms = writer->now_ms;
    }
}

/* What the caller gets; it lives in the arena of the request. */
static void describe(struct shard_writer *writer, const struct mdb_head *head,
                     struct store_create *create)
{
    struct store_conversation *out = &create->conversation;
    struct pl_arena *arena = &create->request.arena;
    *out = (struct store_conversation){.id = mdb_writer_copy(writer, arena, head->id)};
    mdb_sql_format(mdb_writer_sql(writer), "is",
                   "SELECT title, created_by, created_at_ms, retention_age_ms, retention_messages"
                   " FROM conversation WHERE bucket=? AND id=?",
                   head->bucket, head->id);
    mdb_conn_start(writer->conn, &writer->sql);
    if (mdb_conn_row(writer->conn)) {
        out->title = mdb_writer_copy(writer, arena, mdb_conn_bytes(writer->conn, 0));
        out->created_by = mdb_writer_copy(writer, arena, mdb_conn_bytes(writer->conn, 1));
        out->created_at_ms = mdb_conn_i64(writer->conn, 2);
        out->retention = mdb_retention(writer->conn, 3);
    }
    if (!mdb_writer_finish(writer)) {
        return;
    }
    out->head_seq = head->head_seq;
    out->ordinal = head->ordinal;
    out->member_count = head->member_count;
    out->role = mdb_writer_role(writer, head, create->creator);
}

static void describe_existing(struct shard_writer *writer, const struct mdb_head *head,
                              struct store_create *create)
{
    describe(writer, head, create);
    if (mdb_writer_is_well(writer) && shard_is_creator(create)) {
        (void)mdb_links_claim(writer, head);
    }
}

void mdb_members_create(struct shard_writer *writer, struct store_create *create,
                        struct mdb_head *head)
{
    struct store_event event = {.kind = STORE_MEMBERS_CREATED, .sender = create->creator};
    struct changed changed = {.users = create->members,
                              .user_count = create->member_count,
                              .role = STORE_ROLE_MEMBER,
                              .owner = create->creator};
    create->created = false;
    if (head->serial != 0) {
        describe_existing(writer, head, create);
        return;
    }
    insert_conversation(writer, create, head);
    if (mdb_writer_is_well(writer) &&
        change_members(writer, head, &create->request, &changed, &event)) {
        create->created = true;
        describe(writer, head, create);
    }
}
