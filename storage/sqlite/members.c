/* SPDX-License-Identifier: Apache-2.0 */
/* The rare writes of a shard: conversations, their members, and the lists of users. */
#include "sqlite/writer_impl.h"

#include "sqlite/db.h"
#include "sqlite/engine_impl.h"

#include "base/id.h"
#include "base/mem.h"
#include "shard/route.h"
#include "shard/rules.h"

#include <string.h>

/* ---- the list of a user ---- */

static bool write_link(struct shard_writer *writer, struct store_bytes user,
                       struct store_bytes conversation_id, bool is_member)
{
    enum sqlite_writer_statement index = is_member ? WRITE_LINK : WRITE_NO_LINK;
    sqlite3_stmt *statement = writer->statements[index];
    sqlite_bind_i64(statement, 1, shard_bucket(user.data, user.len));
    sqlite_bind_text(statement, 2, user);
    sqlite_bind_text(statement, 3, conversation_id);
    return sqlite_writer_run(writer, index);
}

static bool push_link(struct shard_writer *writer, const struct shard_link *link)
{
    if (writer->link_count == writer->link_capacity) {
        size_t capacity = writer->link_capacity == 0 ? 64 : writer->link_capacity * 2;
        struct shard_link *links = pl_realloc(writer->links, capacity * sizeof(*links));
        if (links == NULL) {
            sqlite_writer_break(writer, PARLEY_UNAVAILABLE, "no memory for links");
            return false;
        }
        writer->links = links;
        writer->link_capacity = capacity;
    }
    writer->links[writer->link_count++] = *link;
    return true;
}

/* Here, if the user lives on this shard; else through the outbox. */
static bool link_user(struct shard_writer *writer, const struct sqlite_head *head,
                      const struct shard_link *link)
{
    if (shard_of(link->user.data, link->user.len, writer->shards) == writer->shard) {
        return write_link(writer, link->user, link->conversation_id, link->is_member);
    }
    sqlite3_stmt *statement = writer->statements[WRITE_OUTBOX];
    sqlite_bind_i64(statement, 1, writer->outbox_next);
    sqlite_bind_i64(statement, 2, head->number);
    sqlite_bind_text(statement, 3, link->user);
    if (!sqlite_writer_run(writer, WRITE_OUTBOX)) {
        return false;
    }
    writer->outbox_next++;
    return push_link(writer, link);
}

void sqlite_writer_apply_links(struct shard_writer *writer,
                               const struct shard_link_request *request)
{
    for (size_t i = 0; i < request->count; i++) {
        const struct shard_link *link = &request->links[i];
        if (!write_link(writer, link->user, link->conversation_id, link->is_member)) {
            return;
        }
    }
}

void sqlite_writer_forget(struct shard_writer *writer, const struct shard_forget_request *request)
{
    sqlite3_stmt *statement = writer->statements[WRITE_FORGET_OUTBOX];
    sqlite_bind_i64(statement, 1, request->first);
    sqlite_bind_i64(statement, 2, request->last);
    (void)sqlite_writer_run(writer, WRITE_FORGET_OUTBOX);
}

bool sqlite_writer_load_outbox(struct shard_writer *writer)
{
    sqlite3_stmt *statement = writer->statements[WRITE_LIST_OUTBOX];
    bool is_well = true;
    int step = sqlite3_step(statement);
    writer->link_count = 0;
    for (; step == SQLITE_ROW && is_well; step = sqlite3_step(statement)) {
        struct shard_link link = {
            .user = sqlite_column_copy(statement, 0, &writer->link_arena),
            .conversation_id = sqlite_column_copy(statement, 1, &writer->link_arena),
            .is_member = sqlite3_column_int(statement, 2) != 0,
        };
        if (link.user.data == NULL || link.conversation_id.data == NULL) {
            sqlite_writer_break(writer, PARLEY_UNAVAILABLE, "no memory for links");
            is_well = false;
        } else {
            is_well = push_link(writer, &link);
        }
    }
    if (is_well && step != SQLITE_DONE) {
        sqlite_db_fail(writer->db, "cannot read the outbox", &writer->failure);
        is_well = false;
    }
    (void)sqlite3_reset(statement);
    return is_well;
}

/* ---- members ---- */

/* The users whom a request changed, as the body of its event: ids, each followed by a NUL. */
struct changed {
    char *data;
    size_t len;
    size_t count;
};

static bool reserve_changed(struct shard_writer *writer, struct store_request *request,
                            struct changed *changed, const struct store_bytes *users, size_t count)
{
    size_t sum = PL_ID_MAX + 1; /* the creator or the actor may come on top */
    for (size_t i = 0; i < count; i++) {
        sum += users[i].len + 1;
    }
    *changed = (struct changed){.data = pl_arena_alloc(&request->arena, sum)};
    if (changed->data == NULL) {
        sqlite_writer_break(writer, PARLEY_UNAVAILABLE, "no memory for a list of members");
    }
    return changed->data != NULL;
}

static void note_changed(struct changed *changed, struct store_bytes user)
{
    memcpy(changed->data + changed->len, user.data, user.len);
    changed->data[changed->len + user.len] = '\0';
    changed->len += user.len + 1;
    changed->count++;
}

/* Give a user a role, or with ROLE_NONE none; nothing if the user has one, or has none, already.
 * False: the transaction is broken. */
static bool change_one(struct shard_writer *writer, struct sqlite_head *head,
                       const struct shard_link *link, enum store_role role, struct changed *changed)
{
    enum sqlite_writer_statement index = link->is_member ? WRITE_MEMBER : WRITE_NO_MEMBER;
    sqlite3_stmt *statement = writer->statements[index];
    sqlite_bind_i64(statement, 1, head->number);
    sqlite_bind_text(statement, 2, link->user);
    if (link->is_member) {
        sqlite_bind_i64(statement, 3, role);
    }
    if (!sqlite_writer_run(writer, index)) {
        return false;
    }
    if (sqlite3_changes(writer->db) == 0) {
        return true;
    }
    sqlite_cache_set_role(&writer->cache, head->number, link->user, role);
    head->member_count += link->is_member ? 1 : -1;
    note_changed(changed, link->user);
    return link_user(writer, head, link);
}

static bool change_all(struct shard_writer *writer, struct sqlite_head *head,
                       const struct store_change_members *change, enum store_role role,
                       struct changed *changed)
{
    for (size_t i = 0; i < change->user_count; i++) {
        struct shard_link link = {.user = change->users[i],
                                  .conversation_id = change->conversation_id,
                                  .is_member = role != STORE_ROLE_NONE};
        if (!change_one(writer, head, &link, role, changed)) {
            return false;
        }
    }
    return true;
}

/* Write the event that says who came or went. */
static void add_members_event(struct shard_writer *writer, struct sqlite_head *head,
                              struct store_bytes id, struct store_event *event)
{
    sqlite3_stmt *statement = writer->statements[WRITE_EVENT];
    event->seq = head->head_seq + 1;
    event->created_at_ms = sqlite_writer_time(writer, head);
    event->ordinal = head->ordinal;
    sqlite_bind_i64(statement, 1, head->number);
    sqlite_bind_i64(statement, 2, event->seq);
    sqlite_bind_i64(statement, 3, event->created_at_ms);
    sqlite_bind_i64(statement, 4, event->ordinal);
    sqlite_bind_i64(statement, 5, event->kind);
    sqlite_bind_i64(statement, 6, event->role);
    sqlite_bind_text(statement, 7, event->sender);
    sqlite_bind_blob(statement, 8, event->body);
    if (sqlite_writer_run(writer, WRITE_EVENT)) {
        sqlite_writer_add(writer, head, id, event);
    }
}

/* Whether the actor may do it; if not, the request has its answer. */
static bool may_change(struct shard_writer *writer, const struct sqlite_head *head,
                       struct store_change_members *change)
{
    enum store_role role =
        head == NULL ? STORE_ROLE_NONE : sqlite_writer_role(writer, head, change->actor);
    if (!sqlite_writer_is_well(writer)) {
        return false;
    }
    return shard_may_change(head != NULL, role, change);
}

void sqlite_writer_change(struct shard_writer *writer, struct store_change_members *change)
{
    struct changed changed;
    struct sqlite_head *head = sqlite_writer_find(writer, change->conversation_id);
    if (!may_change(writer, head, change)) {
        return;
    }
    enum store_role role = change->kind == STORE_MEMBERS_ADDED ? change->role : STORE_ROLE_NONE;
    bool is_leave = change->kind == STORE_MEMBERS_LEFT;
    bool is_well =
        reserve_changed(writer, &change->request, &changed, change->users, change->user_count);
    if (is_well && is_leave) {
        struct shard_link link = {.user = change->actor,
                                  .conversation_id = change->conversation_id};
        is_well = change_one(writer, head, &link, STORE_ROLE_NONE, &changed);
    } else if (is_well) {
        is_well = change_all(writer, head, change, role, &changed);
    }
    if (is_well && changed.count > 0) {
        struct store_event event = {.kind = change->kind,
                                    .role = role,
                                    .sender = change->actor,
                                    .body = {changed.data, changed.len}};
        add_members_event(writer, head, change->conversation_id, &event);
    }
    change->head_seq = head->head_seq;
}

/* ---- conversations ---- */

/* The next free number of the bucket of an id; 0: the transaction is broken. */
static int64_t next_number(struct shard_writer *writer, struct store_bytes id)
{
    sqlite3_stmt *statement = writer->statements[WRITE_LAST_NUMBER];
    unsigned bucket = shard_bucket(id.data, id.len);
    int64_t first = sqlite_number_before(bucket);
    int64_t last = sqlite_number_before(bucket + 1) - 1;
    int64_t number = first;
    sqlite_bind_i64(statement, 1, first);
    sqlite_bind_i64(statement, 2, last);
    if (!sqlite_writer_first_row(writer, WRITE_LAST_NUMBER)) {
        return 0;
    }
    if (sqlite3_column_type(statement, 0) != SQLITE_NULL) {
        number = sqlite3_column_int64(statement, 0);
    }
    (void)sqlite3_reset(statement);
    return number + 1;
}

static struct sqlite_head *insert_conversation(struct shard_writer *writer,
                                               const struct store_create *create)
{
    struct store_bytes id = create->conversation_id;
    sqlite3_stmt *statement = writer->statements[WRITE_CONVERSATION];
    struct sqlite_head made = {
        .number = next_number(writer, id), .last_at_ms = writer->now_ms, .id_len = id.len};
    if (!sqlite_writer_is_well(writer)) {
        return NULL;
    }
    memcpy(made.id, id.data, id.len); /* a valid id: it fits */
    sqlite_bind_i64(statement, 1, made.number);
    sqlite_bind_text(statement, 2, id);
    sqlite_bind_text(statement, 3, create->title);
    sqlite_bind_text(statement, 4, create->creator);
    sqlite_bind_i64(statement, 5, writer->now_ms);
    sqlite_bind_i64(statement, 6, create->retention.age_ms);
    sqlite_bind_i64(statement, 7, create->retention.messages);
    if (!sqlite_writer_run(writer, WRITE_CONVERSATION)) {
        return NULL;
    }
    struct sqlite_head *head = sqlite_cache_add(&writer->cache, &made);
    if (head == NULL) {
        sqlite_writer_break(writer, PARLEY_UNAVAILABLE, "no memory for a conversation");
    }
    return head;
}

static bool insert_members(struct shard_writer *writer, struct sqlite_head *head,
                           const struct store_create *create, struct changed *changed)
{
    struct shard_link link = {
        .user = create->creator, .conversation_id = create->conversation_id, .is_member = true};
    bool is_well = change_one(writer, head, &link, STORE_ROLE_OWNER, changed);
    for (size_t i = 0; i < create->member_count && is_well; i++) {
        link.user = create->members[i];
        is_well = change_one(writer, head, &link, STORE_ROLE_MEMBER, changed);
    }
    return is_well;
}

/* What the caller gets; title and creator live in the arena of the request. */
static void describe(struct shard_writer *writer, const struct sqlite_head *head,
                     struct store_create *create)
{
    sqlite3_stmt *statement = writer->statements[WRITE_DESCRIBE_CONVERSATION];
    struct store_conversation *out = &create->conversation;
    struct pl_arena *arena = &create->request.arena;
    sqlite_bind_i64(statement, 1, head->number);
    if (!sqlite_writer_first_row(writer, WRITE_DESCRIBE_CONVERSATION)) {
        if (sqlite_writer_is_well(writer)) {
            sqlite_writer_break(writer, PARLEY_INTERNAL, "a conversation's row is gone");
        }
        return;
    }
    out->id.len = create->conversation_id.len;
    out->id.data = pl_arena_strndup(arena, create->conversation_id.data, out->id.len);
    out->title = sqlite_column_copy(statement, 0, arena);
    out->created_by = sqlite_column_copy(statement, 1, arena);
    out->created_at_ms = sqlite3_column_int64(statement, 2);
    out->retention = sqlite_column_retention(statement, 3);
    (void)sqlite3_reset(statement);
    if (out->id.data == NULL || out->title.data == NULL || out->created_by.data == NULL) {
        sqlite_writer_break(writer, PARLEY_UNAVAILABLE, "no memory for a conversation");
        return;
    }
    out->head_seq = head->head_seq;
    out->ordinal = head->ordinal;
    out->member_count = head->member_count;
    out->role = sqlite_writer_role(writer, head, create->creator);
}

static void describe_existing(struct shard_writer *writer, const struct sqlite_head *head,
                              struct store_create *create)
{
    describe(writer, head, create);
    if (sqlite_writer_is_well(writer)) {
        (void)shard_is_creator(create);
    }
}

void sqlite_writer_create(struct shard_writer *writer, struct store_create *create)
{
    struct changed changed;
    create->created = false;
    struct sqlite_head *head = sqlite_writer_find(writer, create->conversation_id);
    if (head != NULL) {
        describe_existing(writer, head, create);
        return;
    }
    if (sqlite_writer_is_well(writer)) {
        head = insert_conversation(writer, create);
    }
    if (head == NULL || !reserve_changed(writer, &create->request, &changed, create->members,
                                         create->member_count)) {
        return;
    }
    if (!insert_members(writer, head, create, &changed)) {
        return;
    }
    struct store_event event = {.kind = STORE_MEMBERS_CREATED,
                                .role = STORE_ROLE_MEMBER,
                                .sender = create->creator,
                                .body = {changed.data, changed.len}};
    add_members_event(writer, head, create->conversation_id, &event);
    create->created = true;
    describe(writer, head, create);
}
