/* SPDX-License-Identifier: Apache-2.0 */
/* A store in slow motion; see script_store.h. */
#include "script_store.h"

#include "support/check.h"

#include <stdio.h>
#include <string.h>

static struct store_bytes text(const char *string)
{
    return (struct store_bytes){string, strlen(string)};
}

static bool is_text(struct store_bytes bytes, const char *string)
{
    return bytes.len == strlen(string) && memcmp(bytes.data, string, bytes.len) == 0;
}

/* ---- logs ---- */

struct script_log *script_store_add_log(struct script_store *store, const char *id)
{
    assert_true(store->log_count < SCRIPT_LOGS);
    struct script_log *log = &store->logs[store->log_count++];
    (void)snprintf(log->id, sizeof(log->id), "%s", id);
    log->first_seq = 1;
    return log;
}

static size_t find_member(const struct script_log *log, struct store_bytes user)
{
    size_t i = 0;
    while (i < log->member_count && !is_text(user, log->members[i])) {
        i++;
    }
    return i;
}

void script_log_join(struct script_log *log, const char *user)
{
    if (find_member(log, text(user)) == log->member_count) {
        assert_true(log->member_count < SCRIPT_MEMBERS);
        (void)snprintf(log->members[log->member_count++], SCRIPT_USER_MAX, "%s", user);
    }
}

static void leave(struct script_log *log, const char *user)
{
    size_t place = find_member(log, text(user));
    if (place < log->member_count) {
        memmove(log->members[place], log->members[--log->member_count], SCRIPT_USER_MAX);
    }
}

static void add(struct script_log *log, enum store_kind kind, const char *user)
{
    assert_true(log->head_seq < SCRIPT_EVENTS);
    log->kinds[log->head_seq] = kind;
    (void)snprintf(log->users[log->head_seq], SCRIPT_USER_MAX, "%s", user);
    log->head_seq++;
}

void script_log_send(struct script_log *log, size_t messages)
{
    for (size_t i = 0; i < messages; i++) {
        add(log, STORE_MESSAGE, "");
    }
}

void script_log_change(struct script_log *log, enum store_kind kind, const char *user)
{
    add(log, kind, user);
    if (kind == STORE_MEMBERS_ADDED || kind == STORE_MEMBERS_CREATED) {
        script_log_join(log, user);
    } else {
        leave(log, user);
    }
}

static void fill(const struct script_log *log, int64_t seq, struct store_event *event)
{
    const char *user = log->users[seq - 1];
    bool is_message = log->kinds[seq - 1] == STORE_MESSAGE;
    *event = (struct store_event){.seq = seq,
                                  .kind = log->kinds[seq - 1],
                                  .sender = text("sender"),
                                  .body = {user, is_message ? 0 : strlen(user) + 1}};
}

void script_store_tell(struct script_store *store, struct script_log *log)
{
    static struct store_event events[SCRIPT_EVENTS];
    size_t count = 0;
    for (int64_t seq = log->told_seq + 1; seq <= log->head_seq; seq++) {
        fill(log, seq, &events[count++]);
    }
    if (count > 0) {
        struct store_commit commit = {text(log->id), events, count};
        log->told_seq = log->head_seq;
        store->listener.on_commit(store->listener.context, &commit, 1);
    }
}

void script_store_lose(struct script_log *log)
{
    log->told_seq = log->head_seq;
}

/* ---- requests ---- */

static struct script_log *find_log(struct script_store *store, struct store_bytes id)
{
    for (size_t i = 0; i < store->origin->log_count; i++) {
        if (is_text(id, store->origin->logs[i].id)) {
            return &store->origin->logs[i];
        }
    }
    return NULL;
}

static bool is_named_after(const struct script_log *log, int64_t seq, struct store_bytes user)
{
    while (seq < log->head_seq && !is_text(user, log->users[seq])) {
        seq++;
    }
    return seq < log->head_seq;
}

/* Nobody's membership changed twice. @param head_seq  of the log that the reader is shown */
static bool may_read(const struct script_log *log, int64_t head_seq, struct store_bytes user)
{
    return user.len == 0 ||
           (find_member(log, user) < log->member_count && !is_named_after(log, head_seq, user));
}

static void read_log(struct script_store *store, struct store_read *read)
{
    struct script_log *log = find_log(store, read->conversation_id);
    int64_t head_seq = log == NULL                            ? 0
                       : log->old_seq != 0 && !read->uncached ? log->old_seq
                                                              : log->head_seq;
    if (log == NULL || !may_read(log, head_seq, read->user)) {
        pl_fail(&read->request.error, PARLEY_NOT_FOUND, "no such conversation");
        return;
    }
    bool is_back = read->backwards;
    int64_t step = is_back ? -1 : 1;
    int64_t from = read->from_seq > log->first_seq ? read->from_seq : log->first_seq;
    from = is_back && (read->from_seq == 0 || from > head_seq) ? head_seq : from;
    int64_t left = is_back ? from - log->first_seq + 1 : head_seq - from + 1;
    size_t count = left <= 0 ? 0 : (size_t)left;
    count = count < read->limit ? count : read->limit;
    struct store_event *events =
        pl_arena_alloc(&read->request.arena, (count + 1) * sizeof(*events));
    assert_non_null(events);
    for (size_t i = 0; i < count; i++) {
        fill(log, from + step * (int64_t)i, &events[i]);
    }
    read->events = events;
    read->event_count = count;
    read->head_seq = head_seq;
    read->first_seq = log->first_seq;
}

static void list_logs(struct script_store *store, struct store_list_conversations *list)
{
    struct store_conversation *found =
        pl_arena_calloc(&list->request.arena, SCRIPT_LOGS * sizeof(*found));
    assert_non_null(found);
    list->conversations = found;
    size_t most = store->list_max != 0 ? store->list_max : list->limit;
    for (size_t i = 0; i < store->origin->log_count && !list->has_more; i++) {
        struct script_log *log = &store->origin->logs[i];
        bool is_after =
            list->after.len == 0 || strncmp(log->id, list->after.data, list->after.len + 1) > 0;
        if (!is_after || find_member(log, list->user) == log->member_count) {
            continue;
        }
        list->has_more = list->count == most;
        if (!list->has_more) {
            found[list->count].id = text(log->id);
            found[list->count++].head_seq = log->head_seq;
        }
    }
}

static void read_heads(struct script_store *store, struct store_heads *heads)
{
    int64_t *found = pl_arena_calloc(&heads->request.arena, heads->count * sizeof(*found));
    assert_non_null(found);
    heads->head_seqs = found;
    for (size_t i = 0; i < heads->count; i++) {
        const struct script_log *log = find_log(store, heads->ids[i]);
        found[i] = log == NULL ? 0 : log->is_away ? STORE_HEAD_UNKNOWN : log->head_seq;
    }
}

static bool fails(struct script_store *store, struct store_request *request)
{
    if (store->fail_count == 0) {
        return false;
    }
    store->fail_count--;
    pl_fail(&request->error, store->fail_code, "the store was told to fail");
    return true;
}

bool script_store_read(struct script_store *store)
{
    if (store->queued_count == 0) {
        return false;
    }
    struct store_request *request = store->queued[0];
    memmove(store->queued, store->queued + 1, --store->queued_count * sizeof(request));
    if (!fails(store, request)) {
        if (request->op == STORE_OP_READ) {
            read_log(store, (struct store_read *)request);
        } else if (request->op == STORE_OP_HEADS) {
            read_heads(store, (struct store_heads *)request);
        } else {
            list_logs(store, (struct store_list_conversations *)request);
        }
    }
    store->ready[store->ready_count++] = request;
    return true;
}

bool script_store_finish(struct script_store *store)
{
    if (store->ready_count == 0) {
        return false;
    }
    struct store_request *request = store->ready[0];
    memmove(store->ready, store->ready + 1, --store->ready_count * sizeof(request));
    request->done(request);
    return true;
}

void script_store_serve_all(struct script_store *store)
{
    while (script_store_read(store)) {
    }
    while (script_store_finish(store)) {
    }
}

static void submit(struct store *base, struct store_request *request)
{
    struct script_store *store = (struct script_store *)base;
    pl_error_clear(&request->error);
    pl_arena_init(&request->arena, NULL, 0, 0);
    assert_true(store->queued_count + store->ready_count < SCRIPT_PENDING);
    store->queued[store->queued_count++] = request;
    store->reads += request->op == STORE_OP_READ ? 1 : 0;
    store->heads += request->op == STORE_OP_HEADS ? 1 : 0;
    store->lists += request->op == STORE_OP_LIST_CONVERSATIONS ? 1 : 0;
}

static void set_listener(struct store *base, const struct store_listener *listener)
{
    ((struct script_store *)base)->listener = *listener;
}

static const struct store_ops ops = {.submit = submit, .set_listener = set_listener};

void script_store_init(struct script_store *store)
{
    memset(store, 0, sizeof(*store));
    store->base.ops = &ops;
    store->origin = store;
}

void script_store_share(struct script_store *store, struct script_store *origin)
{
    script_store_init(store);
    store->origin = origin;
}
