/* SPDX-License-Identifier: Apache-2.0 */
/* A store's state in memory; see database.h. Small numbers: everything is searched one by one. */
#include "database.h"

#include "base/attr.h"
#include "base/id.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONVERSATIONS_MAX 8
#define MEMBERS_MAX       16
#define EVENTS_MAX        4096

struct member {
    char user[PL_ID_MAX + 1];
    enum store_role role;
};

struct conversation {
    char id[PL_ID_MAX + 1];
    char title[STORE_TITLE_MAX + 1];
    char creator[PL_ID_MAX + 1];
    int64_t created_at_ms;
    struct member members[MEMBERS_MAX]; /* in the order of their ids */
    size_t member_count;
    struct store_event *events[EVENTS_MAX]; /* with their texts behind them */
    int64_t head_seq;
    int64_t first_seq;
    struct store_retention retention;
};

struct database {
    struct conversation *conversations[CONVERSATIONS_MAX]; /* in the order of their ids */
    size_t count;
};

static void *need(void *memory)
{
    if (memory == NULL) {
        (void)fputs("simulated database: out of room\n", stderr);
        abort();
    }
    return memory;
}

static struct store_bytes text(const char *string)
{
    return (struct store_bytes){string, strlen(string)};
}

static int compare(struct store_bytes a, const char *b)
{
    size_t b_len = strlen(b);
    int order = memcmp(a.data, b, a.len < b_len ? a.len : b_len);
    return order != 0 ? order : (a.len > b_len) - (a.len < b_len);
}

static bool is_same(struct store_bytes a, struct store_bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static void copy_text(char *out, size_t size, struct store_bytes from)
{
    need(from.len < size ? out : NULL);
    if (from.len > 0) {
        memcpy(out, from.data, from.len);
    }
    out[from.len] = '\0';
}

/* ---- conversations and members ---- */

static struct conversation *find(const struct database *database, struct store_bytes id)
{
    for (size_t i = 0; i < database->count; i++) {
        if (compare(id, database->conversations[i]->id) == 0) {
            return database->conversations[i];
        }
    }
    return NULL;
}

static struct member *find_member(struct conversation *conversation, struct store_bytes user)
{
    for (size_t i = 0; i < conversation->member_count; i++) {
        if (compare(user, conversation->members[i].user) == 0) {
            return &conversation->members[i];
        }
    }
    return NULL;
}

static enum store_role role_of(struct conversation *conversation, struct store_bytes user)
{
    const struct member *member = find_member(conversation, user);
    return member == NULL ? STORE_ROLE_NONE : member->role;
}

static bool add_member(struct conversation *conversation, struct store_bytes user,
                       enum store_role role)
{
    if (find_member(conversation, user) != NULL) {
        return false;
    }
    need(conversation->member_count < MEMBERS_MAX ? conversation : NULL);
    size_t place = 0;
    while (place < conversation->member_count &&
           compare(user, conversation->members[place].user) > 0) {
        place++;
    }
    memmove(&conversation->members[place + 1], &conversation->members[place],
            (conversation->member_count++ - place) * sizeof(struct member));
    copy_text(conversation->members[place].user, PL_ID_MAX + 1, user);
    conversation->members[place].role = role;
    return true;
}

static bool remove_member(struct conversation *conversation, struct store_bytes user)
{
    struct member *member = find_member(conversation, user);
    if (member == NULL) {
        return false;
    }
    size_t place = (size_t)(member - conversation->members);
    memmove(member, member + 1, (--conversation->member_count - place) * sizeof(*member));
    return true;
}

/* ---- the log ---- */

static struct store_bytes keep(char **at, struct store_bytes from)
{
    struct store_bytes kept = {*at, from.len};
    if (from.len > 0) {
        memcpy(*at, from.data, from.len);
    }
    *at += from.len;
    return kept;
}

static const struct store_event *last_event(const struct conversation *conversation)
{
    return conversation->head_seq == 0 ? NULL : conversation->events[conversation->head_seq - 1];
}

static void add_event(struct conversation *conversation, const struct store_event *from,
                      int64_t now_ms, struct store_event *added)
{
    const struct store_event *last = last_event(conversation);
    size_t len =
        from->sender.len + from->client_message_id.len + from->content_type.len + from->body.len;
    struct store_event *event = need(malloc(sizeof(*event) + len + 1));
    char *at = (char *)(event + 1);
    need(conversation->head_seq < EVENTS_MAX ? conversation : NULL);
    *event = *from;
    event->sender = keep(&at, from->sender);
    event->client_message_id = keep(&at, from->client_message_id);
    event->content_type = keep(&at, from->content_type);
    event->body = keep(&at, from->body);
    event->seq = conversation->head_seq + 1;
    event->created_at_ms =
        last != NULL && last->created_at_ms > now_ms ? last->created_at_ms : now_ms;
    event->ordinal = (last != NULL ? last->ordinal : 0) + (event->kind == STORE_MESSAGE ? 1 : 0);
    conversation->events[conversation->head_seq++] = event;
    *added = *event;
}

static const struct store_event *find_sent(const struct conversation *conversation,
                                           const struct store_append *append)
{
    for (int64_t i = 0; i < conversation->head_seq; i++) {
        const struct store_event *event = conversation->events[i];
        if (event->kind == STORE_MESSAGE && is_same(event->sender, append->sender) &&
            is_same(event->client_message_id, append->client_message_id)) {
            return event;
        }
    }
    return NULL;
}

/* ---- requests ---- */

/* The conversation, if `user` may see it (len 0: anyone); else NULL and NOT_FOUND. */
static struct conversation *open_for(const struct database *database, struct store_bytes id,
                                     struct store_bytes user, struct pl_error *err)
{
    struct conversation *conversation = find(database, id);
    if (conversation == NULL || (user.len > 0 && find_member(conversation, user) == NULL)) {
        (void)pl_fail(err, PARLEY_NOT_FOUND, "no such conversation, or not a member");
        return NULL;
    }
    return conversation;
}

static void describe(struct conversation *conversation, struct store_bytes user,
                     struct store_conversation *out)
{
    const struct store_event *last = last_event(conversation);
    *out = (struct store_conversation){
        .id = text(conversation->id),
        .title = text(conversation->title),
        .created_by = text(conversation->creator),
        .created_at_ms = conversation->created_at_ms,
        .head_seq = conversation->head_seq,
        .ordinal = last != NULL ? last->ordinal : 0,
        .member_count = (int64_t)conversation->member_count,
        .role = role_of(conversation, user),
        .retention = conversation->retention,
    };
}

static void append(struct database *database, struct store_append *append, int64_t now_ms,
                   struct store_event *added)
{
    struct conversation *conversation =
        open_for(database, append->conversation_id, append->sender, &append->request.error);
    if (conversation == NULL) {
        return;
    }
    const struct store_event *sent = find_sent(conversation, append);
    append->is_duplicate = sent != NULL;
    if (sent == NULL) {
        const struct store_event event = {.kind = STORE_MESSAGE,
                                          .sender = append->sender,
                                          .client_message_id = append->client_message_id,
                                          .content_type = append->content_type,
                                          .body = append->body};
        add_event(conversation, &event, now_ms, added);
        sent = added;
    }
    append->seq = sent->seq;
    append->created_at_ms = sent->created_at_ms;
}

/* The users of a list, each followed by a NUL. */
static struct store_bytes join(struct pl_arena *arena, const struct store_bytes *users,
                               const bool *is_taken, size_t count)
{
    struct store_bytes joined = {NULL, 0};
    for (size_t i = 0; i < count; i++) {
        joined.len += is_taken[i] ? users[i].len + 1 : 0;
    }
    char *at = need(pl_arena_alloc(arena, joined.len + 1));
    joined.data = at;
    for (size_t i = 0; i < count; i++) {
        if (is_taken[i]) {
            memcpy(at, users[i].data, users[i].len);
            at[users[i].len] = '\0';
            at += users[i].len + 1;
        }
    }
    return joined;
}

static struct conversation *add_conversation(struct database *database,
                                             const struct store_create *create, int64_t now_ms)
{
    struct conversation *conversation = need(calloc(1, sizeof(*conversation)));
    need(database->count < CONVERSATIONS_MAX ? database : NULL);
    size_t place = 0;
    while (place < database->count &&
           compare(create->conversation_id, database->conversations[place]->id) > 0) {
        place++;
    }
    memmove(&database->conversations[place + 1], &database->conversations[place],
            (database->count++ - place) * sizeof(struct conversation *));
    database->conversations[place] = conversation;
    copy_text(conversation->id, sizeof(conversation->id), create->conversation_id);
    copy_text(conversation->title, sizeof(conversation->title), create->title);
    copy_text(conversation->creator, sizeof(conversation->creator), create->creator);
    conversation->created_at_ms = now_ms;
    conversation->first_seq = 1;
    conversation->retention = create->retention;
    return conversation;
}

static void create(struct database *database, struct store_create *create, int64_t now_ms,
                   struct store_event *added)
{
    struct conversation *conversation = find(database, create->conversation_id);
    if (conversation != NULL && compare(create->creator, conversation->creator) != 0) {
        (void)pl_fail(&create->request.error, PARLEY_ALREADY_EXISTS, "of somebody else");
        return;
    }
    create->created = conversation == NULL;
    if (conversation == NULL) {
        struct store_bytes users[MEMBERS_MAX] = {create->creator};
        bool is_taken[MEMBERS_MAX] = {true};
        need(create->member_count < MEMBERS_MAX ? database : NULL);
        conversation = add_conversation(database, create, now_ms);
        (void)add_member(conversation, create->creator, STORE_ROLE_OWNER);
        for (size_t i = 0; i < create->member_count; i++) {
            users[i + 1] = create->members[i];
            is_taken[i + 1] = add_member(conversation, create->members[i], STORE_ROLE_MEMBER);
        }
        const struct store_event event = {
            .kind = STORE_MEMBERS_CREATED,
            .role = STORE_ROLE_MEMBER,
            .sender = create->creator,
            .body = join(&create->request.arena, users, is_taken, create->member_count + 1)};
        add_event(conversation, &event, now_ms, added);
    }
    describe(conversation, create->creator, &create->conversation);
}

static bool change_one(struct conversation *conversation, const struct store_change_members *change,
                       struct store_bytes user)
{
    return change->kind == STORE_MEMBERS_ADDED ? add_member(conversation, user, change->role)
                                               : remove_member(conversation, user);
}

static void change_members(struct database *database, struct store_change_members *change,
                           int64_t now_ms, struct store_event *added)
{
    bool is_leaving = change->kind == STORE_MEMBERS_LEFT;
    struct store_bytes nobody = {"", 0};
    struct conversation *conversation =
        open_for(database, change->conversation_id, is_leaving ? nobody : change->actor,
                 &change->request.error);
    if (conversation == NULL) {
        return;
    }
    if (!is_leaving && role_of(conversation, change->actor) != STORE_ROLE_OWNER) {
        (void)pl_fail(&change->request.error, PARLEY_PERMISSION_DENIED, "not an owner");
        return;
    }
    const struct store_bytes *users = is_leaving ? &change->actor : change->users;
    size_t count = is_leaving ? 1 : change->user_count;
    bool is_taken[MEMBERS_MAX] = {false};
    bool is_any = false;
    need(count <= MEMBERS_MAX ? database : NULL);
    for (size_t i = 0; i < count; i++) {
        is_taken[i] = change_one(conversation, change, users[i]);
        is_any = is_any || is_taken[i];
    }
    if (is_any) {
        const struct store_event event = {
            .kind = change->kind,
            .role = change->kind == STORE_MEMBERS_ADDED ? change->role : STORE_ROLE_NONE,
            .sender = change->actor,
            .body = join(&change->request.arena, users, is_taken, count)};
        add_event(conversation, &event, now_ms, added);
    }
    change->head_seq = conversation->head_seq;
}

static void set_retention(const struct database *database, struct store_set_retention *set)
{
    struct conversation *conversation =
        open_for(database, set->conversation_id, set->actor, &set->request.error);
    if (conversation == NULL) {
        return;
    }
    if (role_of(conversation, set->actor) != STORE_ROLE_OWNER) {
        (void)pl_fail(&set->request.error, PARLEY_PERMISSION_DENIED, "not an owner");
        return;
    }
    conversation->retention = set->retention;
}

static void read_log(const struct database *database, struct store_read *read)
{
    const struct conversation *conversation =
        open_for(database, read->conversation_id, read->user, &read->request.error);
    if (conversation == NULL) {
        return;
    }
    int64_t step = read->backwards ? -1 : 1;
    int64_t seq =
        read->backwards && (read->from_seq == 0 || read->from_seq > conversation->head_seq)
            ? conversation->head_seq
            : read->from_seq;
    seq = !read->backwards && seq < conversation->first_seq ? conversation->first_seq : seq;
    size_t limit = read->limit < STORE_PAGE_MAX ? read->limit : STORE_PAGE_MAX;
    size_t bytes = 0;
    read->event_count = 0; /* a request may come again */
    struct store_event *events =
        need(pl_arena_alloc(&read->request.arena, (limit + 1) * sizeof(*events)));
    while (read->event_count < limit && seq >= conversation->first_seq &&
           seq <= conversation->head_seq) {
        const struct store_event *event = conversation->events[seq - 1];
        bytes += event->body.len;
        if (read->event_count > 0 && read->max_bytes > 0 && bytes > read->max_bytes) {
            break;
        }
        events[read->event_count++] = *event;
        seq += step;
    }
    read->events = events;
    read->head_seq = conversation->head_seq;
    read->first_seq = conversation->first_seq;
}

static void list_conversations(const struct database *database,
                               struct store_list_conversations *list)
{
    struct store_conversation *found =
        need(pl_arena_calloc(&list->request.arena, CONVERSATIONS_MAX * sizeof(*found)));
    list->conversations = found;
    list->count = 0;
    list->has_more = false;
    for (size_t i = 0; i < database->count && !list->has_more; i++) {
        struct conversation *conversation = database->conversations[i];
        if ((list->after.len == 0 || compare(list->after, conversation->id) < 0) &&
            find_member(conversation, list->user) != NULL) {
            list->has_more = list->count == list->limit;
            if (!list->has_more) {
                describe(conversation, list->user, &found[list->count++]);
            }
        }
    }
}

static void list_members(const struct database *database, struct store_list_members *list)
{
    struct conversation *conversation =
        open_for(database, list->conversation_id, list->user, &list->request.error);
    struct store_member *found =
        need(pl_arena_calloc(&list->request.arena, MEMBERS_MAX * sizeof(*found)));
    list->members = found;
    list->count = 0;
    list->has_more = false;
    for (size_t i = 0; conversation != NULL && i < conversation->member_count; i++) {
        const struct member *member = &conversation->members[i];
        if (list->after.len == 0 || compare(list->after, member->user) < 0) {
            list->has_more = list->count == list->limit;
            if (list->has_more) {
                return;
            }
            char *user = need(pl_arena_strdup(&list->request.arena, member->user));
            found[list->count++] = (struct store_member){text(user), member->role};
        }
    }
}

static void get(const struct database *database, struct store_get *get)
{
    struct conversation *conversation =
        open_for(database, get->conversation_id, get->user, &get->request.error);
    if (conversation != NULL) {
        describe(conversation, get->user, &get->conversation);
    }
}

static void heads(const struct database *database, struct store_heads *heads)
{
    int64_t *seqs = need(pl_arena_calloc(&heads->request.arena, heads->count * sizeof(*seqs)));
    for (size_t i = 0; i < heads->count; i++) {
        const struct conversation *conversation = find(database, heads->ids[i]);
        seqs[i] = conversation == NULL ? 0 : conversation->head_seq;
    }
    heads->head_seqs = seqs;
}

void database_run(struct database *database, struct store_request *request, int64_t now_ms,
                  struct store_event *event)
{
    *event = (struct store_event){.seq = 0};
    switch (request->op) {
    case STORE_OP_APPEND:
        append(database, PL_CONTAINER_OF(request, struct store_append, request), now_ms, event);
        break;
    case STORE_OP_CREATE:
        create(database, PL_CONTAINER_OF(request, struct store_create, request), now_ms, event);
        break;
    case STORE_OP_CHANGE_MEMBERS:
        change_members(database, PL_CONTAINER_OF(request, struct store_change_members, request),
                       now_ms, event);
        break;
    case STORE_OP_SET_RETENTION:
        set_retention(database, PL_CONTAINER_OF(request, struct store_set_retention, request));
        break;
    case STORE_OP_READ:
        read_log(database, PL_CONTAINER_OF(request, struct store_read, request));
        break;
    case STORE_OP_GET:
        get(database, PL_CONTAINER_OF(request, struct store_get, request));
        break;
    case STORE_OP_LIST_CONVERSATIONS:
        list_conversations(database,
                           PL_CONTAINER_OF(request, struct store_list_conversations, request));
        break;
    case STORE_OP_LIST_MEMBERS:
        list_members(database, PL_CONTAINER_OF(request, struct store_list_members, request));
        break;
    case STORE_OP_LIST_EXPIRED: /* it is trimmed by hand: database_trim */
    case STORE_OP_TRIM:
        break;
    case STORE_OP_HEADS:
        heads(database, PL_CONTAINER_OF(request, struct store_heads, request));
        break;
    }
}

void database_trim(struct database *database, size_t index)
{
    struct conversation *conversation = database->conversations[index];
    int64_t kept = conversation->head_seq - conversation->first_seq + 1;
    conversation->first_seq += kept / 2;
}

/* ---- life, and the truth for the checker ---- */

struct database *database_new(void)
{
    return need(calloc(1, sizeof(struct database)));
}

void database_free(struct database *database)
{
    for (size_t i = 0; i < database->count; i++) {
        struct conversation *conversation = database->conversations[i];
        for (int64_t e = 0; e < conversation->head_seq; e++) {
            free(conversation->events[e]);
        }
        free(conversation);
    }
    free(database);
}

size_t database_conversations(const struct database *database)
{
    return database->count;
}

const char *database_id(const struct database *database, size_t conversation)
{
    return database->conversations[conversation]->id;
}

int64_t database_head(const struct database *database, size_t conversation)
{
    return database->conversations[conversation]->head_seq;
}

int64_t database_first(const struct database *database, size_t conversation)
{
    return database->conversations[conversation]->first_seq;
}

const struct store_event *database_event(const struct database *database, size_t conversation,
                                         int64_t seq)
{
    return database->conversations[conversation]->events[seq - 1];
}

bool database_is_member(const struct database *database, const char *conversation_id,
                        const char *user)
{
    struct conversation *conversation = find(database, text(conversation_id));
    return conversation != NULL && find_member(conversation, text(user)) != NULL;
}
