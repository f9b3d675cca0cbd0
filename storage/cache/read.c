/* SPDX-License-Identifier: Apache-2.0 */
/* Answers `get` and `read` from entries: looks up what it lacks, waits for the loads of what is not
 * there, and goes on. Whatever cannot be answered exactly as the store would (a server that is
 * down, a body too large to be kept, a load that failed) goes to the store as it is.
 *
 * A warm `get` is one look-up; a warm page is one for the tail and the reader's membership, and one
 * for every 8 blocks that the tail does not cover. */
#include "cache/cache_impl.h"

#include "cache/metrics.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"

#include <string.h>

/* ---- the end of a job ---- */

static void free_job(struct cache_job *job)
{
    for (size_t i = 0; i < CACHE_WANTS_MAX; i++) {
        pl_buf_unref(job->wants[i].value);
    }
    pl_buf_unref(job->tail);
    pl_free(job->events);
    pl_free(job);
}

static void finish(struct cache_job *job)
{
    struct store_cache *cache = job->cache;
    struct store_request *outer = job->outer;
    free_job(job);
    outer->done(outer);
    cache_end(cache);
}

static void bypass(struct cache_job *job)
{
    struct store_cache *cache = job->cache;
    struct store_request *outer = job->outer;
    free_job(job);
    pl_metric_add(&cache_metric_bypassed, 1);
    pl_arena_deinit(&outer->arena);
    cache->inner->ops->submit(cache->inner, outer);
    cache_end(cache);
}

static void finish_not_found(struct cache_job *job)
{
    pl_fail(&job->outer->error, PARLEY_NOT_FOUND, "no such conversation, or the user is no member");
    finish(job);
}

static void finish_no_memory(struct cache_job *job)
{
    pl_fail(&job->outer->error, PARLEY_UNAVAILABLE, "no memory for the answer");
    finish(job);
}

/* ---- looking up ---- */

static void want(struct cache_job *job, enum cache_kind kind, int64_t block)
{
    struct cache_want *added = &job->wants[job->want_count++];
    *added = (struct cache_want){.job = job, .kind = kind, .block = block};
}

static void make_key(const struct cache_job *job, struct cache_key *key, enum cache_kind kind,
                     int64_t block)
{
    cache_key_make(key, job->cache->prefix, kind, job->conversation, job->user, block);
}

/* Put a marker where nothing that counts is. Returns its token, or 0: somebody was faster, or the
 * server does not answer. */
static uint64_t take_lease(const struct cache_job *job, const struct cache_item *item,
                           enum cache_kind kind, enum cache_form form, int64_t lasts_ms)
{
    struct cache_backend *backend = job->cache->backend;
    uint64_t token = cache_token();
    struct pl_buf *marker = cache_encode_bare(kind, form, pl_clock_wall_ms() + lasts_ms, token);
    enum cache_outcome outcome = CACHE_DOWN;
    if (marker != NULL) {
        pl_metric_add(&cache_metric_operations, 1);
        outcome = item->value == NULL
                      ? backend->ops->add(backend, job->lane->index, job->conversation, &item->key,
                                          marker)
                      : backend->ops->replace(backend, job->lane->index, job->conversation,
                                              &item->key, marker, item->version);
    }
    pl_buf_unref(marker);
    return outcome == CACHE_DONE ? token : 0;
}

static void take_hit(struct cache_want *found, struct cache_item *item)
{
    pl_metric_add(&cache_metric_hits[found->kind], 1);
    found->value = item->value;
    item->value = NULL;
}

static void resolve(struct cache_want *missing, struct cache_item *item, int64_t now_ms)
{
    struct cache_entry entry;
    uint64_t stamp = 0;
    bool is_there = cache_decode(item->value, missing->kind, now_ms, &entry);
    if (is_there && entry.form != CACHE_MARKER) {
        take_hit(missing, item);
        return;
    }
    pl_metric_add(&cache_metric_misses[missing->kind], 1);
    if (is_there) {
        cache_load(missing, &item->key, entry.stamp, false);
        return;
    }
    stamp = take_lease(missing->job, item, missing->kind, CACHE_MARKER, CACHE_MARKER_MS);
    cache_load(missing, &item->key, stamp, stamp != 0);
}

/* A membership counts only under its epoch. */
static void resolve_member(struct cache_want *missing, struct cache_item *item,
                           struct cache_item *epoch_item, int64_t now_ms)
{
    struct cache_entry entry;
    struct cache_entry epoch;
    uint64_t stamp = 0;
    if (cache_decode(epoch_item->value, CACHE_EPOCH, now_ms, &epoch)) {
        stamp = epoch.stamp;
        if (cache_decode(item->value, CACHE_MEMBER, now_ms, &entry) && entry.stamp == stamp) {
            take_hit(missing, item);
            return;
        }
    } else {
        stamp = take_lease(missing->job, epoch_item, CACHE_EPOCH, CACHE_VALUE, CACHE_EPOCH_MS);
    }
    pl_metric_add(&cache_metric_misses[CACHE_MEMBER], 1);
    cache_load(missing, &item->key, stamp, stamp != 0);
}

/* Have a value for every want. True: they are there. False: the job goes on when they are. */
static bool look_up(struct cache_job *job)
{
    struct cache_backend *backend = job->cache->backend;
    struct cache_item *items = job->lane->items;
    struct cache_item *epoch = &items[job->want_count];
    size_t count = job->want_count;
    for (size_t i = 0; i < job->want_count; i++) {
        make_key(job, &items[i].key, job->wants[i].kind, job->wants[i].block);
        items[i].value = NULL;
        if (job->wants[i].kind == CACHE_MEMBER) {
            make_key(job, &epoch->key, CACHE_EPOCH, 0);
            epoch->value = NULL;
            count = job->want_count + 1;
        }
    }
    pl_metric_add(&cache_metric_operations, 1);
    if (backend->ops->get(backend, job->lane->index, job->conversation, items, count) !=
        CACHE_DONE) {
        job->must_bypass = true;
        return true;
    }
    int64_t now_ms = pl_clock_wall_ms();
    job->loads = 1; /* until all of them have begun */
    for (size_t i = 0; i < job->want_count; i++) {
        if (job->wants[i].kind == CACHE_MEMBER) {
            resolve_member(&job->wants[i], &items[i], epoch, now_ms);
        } else {
            resolve(&job->wants[i], &items[i], now_ms);
        }
    }
    for (size_t i = 0; i < count; i++) {
        pl_buf_unref(items[i].value);
    }
    job->loads--;
    return job->loads == 0;
}

/* The value of a want, which must be there. */
static bool decode_want(const struct cache_job *job, size_t index, struct cache_entry *entry)
{
    /* How old it is was looked at when it came; a job that waits does not make it older. */
    return cache_decode(job->wants[index].value, job->wants[index].kind, 0, entry);
}

/* ---- get ---- */

static bool keep(struct pl_arena *arena, struct store_bytes *bytes)
{
    bytes->data = pl_arena_strndup(arena, bytes->len == 0 ? "" : bytes->data, bytes->len);
    return bytes->data != NULL;
}

static void answer_get(struct cache_job *job, const struct cache_entry *entry, enum store_role role)
{
    struct store_get *get = (struct store_get *)job->outer;
    struct store_conversation *out = &get->conversation;
    *out = (struct store_conversation){.id = get->conversation_id, .role = role};
    if (!cache_decode_conversation(entry, out)) {
        bypass(job);
    } else if (!keep(&get->request.arena, &out->id) || !keep(&get->request.arena, &out->title) ||
               !keep(&get->request.arena, &out->created_by)) {
        finish_no_memory(job);
    } else {
        finish(job);
    }
}

/* ---- read ---- */

static size_t limit_of(const struct store_read *read)
{
    return read->limit < STORE_PAGE_MAX ? read->limit : STORE_PAGE_MAX;
}

/* Which events the answer has, if their bodies fit. False: none. */
static bool set_range(struct cache_job *job, const struct cache_tail *tail)
{
    struct store_read *read = (struct store_read *)job->outer;
    int64_t reach = (int64_t)limit_of(read) - 1;
    read->head_seq = tail->head_seq;
    read->first_seq = tail->first_seq;
    if (read->backwards) {
        bool is_from_head = read->from_seq == 0 || read->from_seq > tail->head_seq;
        job->next_seq = is_from_head ? tail->head_seq : read->from_seq;
        job->last_seq = job->next_seq - reach;
        job->last_seq = job->last_seq < tail->first_seq ? tail->first_seq : job->last_seq;
        return job->next_seq >= job->last_seq;
    }
    job->next_seq = read->from_seq < tail->first_seq ? tail->first_seq : read->from_seq;
    if (job->next_seq > tail->head_seq) {
        return false;
    }
    job->last_seq = tail->head_seq - job->next_seq < reach ? tail->head_seq : job->next_seq + reach;
    return true;
}

static bool is_in_range(const struct cache_job *job, bool backwards, int64_t seq)
{
    return backwards ? seq >= job->last_seq : seq <= job->last_seq;
}

static void put(char **to, struct store_bytes *bytes)
{
    if (bytes->len > 0) {
        memcpy(*to, bytes->data, bytes->len);
    }
    bytes->data = *to;
    *to += bytes->len;
}

/* Add one event to the answer. False: no memory. */
static bool add_event(struct cache_job *job, const struct store_event *event)
{
    struct store_read *read = (struct store_read *)job->outer;
    if (read->event_count == job->event_room) {
        size_t room = job->event_room == 0 ? CACHE_BLOCK_EVENTS : 2 * job->event_room;
        struct store_event *events = pl_realloc(job->events, room * sizeof(*events));
        if (events == NULL) {
            return false;
        }
        job->events = events;
        job->event_room = room;
    }
    struct store_event *out = &job->events[read->event_count];
    *out = *event;
    char *to = pl_arena_alloc(&read->request.arena, out->sender.len + out->client_message_id.len +
                                                        out->content_type.len + out->body.len + 1);
    if (to == NULL) {
        return false;
    }
    put(&to, &out->sender);
    put(&to, &out->client_message_id);
    put(&to, &out->content_type);
    put(&to, &out->body);
    read->event_count++;
    job->body_bytes += event->body.len;
    return true;
}

enum progress {
    MORE, /* the next event is in another part */
    FULL, /* the answer is complete */
    SHORT_OF_MEMORY,
};

/* Take what is wanted of a run of events, which has the next. */
static enum progress take_part(struct cache_job *job, const struct store_event *events,
                               size_t count)
{
    struct store_read *read = (struct store_read *)job->outer;
    int64_t step = read->backwards ? -1 : 1;
    int64_t first = events[0].seq;
    int64_t last = events[count - 1].seq;
    for (; job->next_seq >= first && job->next_seq <= last; job->next_seq += step) {
        if (!is_in_range(job, read->backwards, job->next_seq)) {
            return FULL;
        }
        const struct store_event *event = &events[job->next_seq - first];
        if (read->event_count > 0 && job->body_bytes + event->body.len > read->max_bytes) {
            return FULL;
        }
        if (!add_event(job, event)) {
            return SHORT_OF_MEMORY;
        }
    }
    return is_in_range(job, read->backwards, job->next_seq) ? MORE : FULL;
}

static void finish_read(struct cache_job *job)
{
    struct store_read *read = (struct store_read *)job->outer;
    size_t size = read->event_count * sizeof(*job->events);
    struct store_event *events = pl_arena_alloc(&read->request.arena, size + 1);
    if (events == NULL) {
        read->event_count = 0;
        finish_no_memory(job);
        return;
    }
    if (size > 0) {
        memcpy(events, job->events, size);
    }
    read->events = events;
    finish(job);
}

static int64_t block_of(int64_t seq)
{
    return (seq - 1) / CACHE_BLOCK_EVENTS;
}

static bool is_full(int64_t block, int64_t head_seq)
{
    return (block + 1) * CACHE_BLOCK_EVENTS <= head_seq;
}

/* Want the block of the next event, and those after it that the answer may need too. */
static void want_blocks(struct cache_job *job, const struct cache_tail *tail)
{
    const struct store_read *read = (const struct store_read *)job->outer;
    int64_t step = read->backwards ? -1 : 1;
    int64_t covered = tail->event_count > 0 ? tail->events[0].seq : tail->head_seq + 1;
    int64_t last = job->last_seq < covered ? job->last_seq : covered - 1;
    int64_t end = block_of(read->backwards ? job->last_seq : last) + step;
    for (size_t i = 0; i < CACHE_WANTS_MAX; i++) {
        pl_buf_unref(job->wants[i].value);
        job->wants[i].value = NULL;
    }
    job->want_count = 0;
    for (int64_t block = block_of(job->next_seq);
         block != end && job->want_count < CACHE_WANTS_MAX && is_full(block, tail->head_seq);
         block += step) {
        want(job, CACHE_BLOCK, block);
    }
}

static const struct cache_want *find_block(const struct cache_job *job, int64_t block)
{
    for (size_t i = 0; i < job->want_count; i++) {
        if (job->wants[i].kind == CACHE_BLOCK && job->wants[i].block == block &&
            job->wants[i].value != NULL) {
            return &job->wants[i];
        }
    }
    return NULL;
}

enum step {
    STEP_WAIT,     /* loads are under way */
    STEP_BYPASS,   /* an entry does not have what it should */
    STEP_FINISHED, /* the answer is complete */
    STEP_NO_MEMORY,
};

/* The events of the part that has the next one; looked up if need be. */
static enum step find_part(struct cache_job *job, const struct cache_tail *tail,
                           struct store_event *events, size_t *count)
{
    int64_t block = block_of(job->next_seq);
    struct cache_entry entry;
    if (!is_full(block, tail->head_seq)) {
        return STEP_BYPASS;
    }
    const struct cache_want *found = find_block(job, block);
    if (found == NULL) {
        want_blocks(job, tail);
        if (!look_up(job)) {
            return STEP_WAIT;
        }
        found = job->must_bypass ? NULL : find_block(job, block);
    }
    bool is_there = found != NULL && cache_decode(found->value, CACHE_BLOCK, 0, &entry) &&
                    cache_decode_block(&entry, events, count) && events[0].seq <= job->next_seq &&
                    events[*count - 1].seq >= job->next_seq;
    return is_there ? STEP_FINISHED : STEP_BYPASS;
}

static enum step read_on(struct cache_job *job, const struct cache_tail *tail)
{
    struct store_event block[CACHE_BLOCK_EVENTS];
    for (;;) {
        const struct store_event *events = tail->events;
        size_t count = tail->event_count;
        if (count == 0 || job->next_seq < events[0].seq) {
            enum step step = find_part(job, tail, block, &count);
            if (step != STEP_FINISHED) {
                return step;
            }
            events = block;
        }
        enum progress progress = take_part(job, events, count);
        if (progress != MORE) {
            return progress == FULL ? STEP_FINISHED : STEP_NO_MEMORY;
        }
    }
}

/* Begin with, or go on from, what the tail tells. */
static void answer_read(struct cache_job *job)
{
    struct store_event events[CACHE_BLOCK_EVENTS];
    struct cache_tail tail = {.events = events};
    struct cache_entry entry;
    enum step step = STEP_BYPASS;
    bool is_begun = job->has_range;
    if (cache_decode(job->tail, CACHE_TAIL, 0, &entry) &&
        cache_decode_tail(&entry, &tail, events)) {
        bool has_events = is_begun || set_range(job, &tail);
        job->has_range = true;
        step = has_events ? read_on(job, &tail) : STEP_FINISHED;
    }
    switch (step) {
    case STEP_WAIT:
        return;
    case STEP_BYPASS:
        bypass(job);
        return;
    case STEP_FINISHED:
        finish_read(job);
        return;
    case STEP_NO_MEMORY:
        finish_no_memory(job);
        return;
    }
}

/* ---- both ---- */

/* The first look-up has brought the entry of the conversation, and the role of who asks. */
static void answer(struct cache_job *job)
{
    struct cache_entry entry;
    enum store_role role = STORE_ROLE_NONE;
    if (job->user.len > 0) {
        if (!decode_want(job, 1, &entry) || !cache_decode_role(&entry, &role)) {
            bypass(job);
            return;
        }
        if (role == STORE_ROLE_NONE) {
            finish_not_found(job);
            return;
        }
    }
    if (!decode_want(job, 0, &entry)) {
        bypass(job);
    } else if (entry.form == CACHE_NONE) {
        finish_not_found(job);
    } else if (job->outer->op == STORE_OP_GET) {
        answer_get(job, &entry, role);
    } else {
        job->tail = job->wants[0].value;
        job->wants[0].value = NULL;
        answer_read(job);
    }
}

static void go_on(struct cache_job *job)
{
    if (job->must_bypass) {
        bypass(job);
    } else if (job->tail != NULL) {
        answer_read(job);
    } else {
        answer(job);
    }
}

void cache_job_give(struct cache_want *missing, struct pl_buf *value)
{
    struct cache_job *job = missing->job;
    missing->value = value;
    job->must_bypass = job->must_bypass || value == NULL;
    job->loads--;
    if (job->loads == 0) {
        go_on(job);
    }
}

static void start(struct cache_task *task)
{
    struct cache_job *job = (struct cache_job *)task;
    if (cache_is_fenced(job->lane, job->conversation)) {
        bypass(job);
        return;
    }
    want(job, job->outer->op == STORE_OP_GET ? CACHE_CONVERSATION : CACHE_TAIL, 0);
    if (job->user.len > 0) {
        want(job, CACHE_MEMBER, 0);
    }
    if (look_up(job)) {
        go_on(job);
    }
}

static struct cache_job *new_job(struct store_cache *cache, struct store_request *request)
{
    struct cache_job *job = pl_calloc(1, sizeof(*job));
    if (job == NULL) {
        return NULL;
    }
    job->task.run = start;
    job->cache = cache;
    job->outer = request;
    if (request->op == STORE_OP_GET) {
        const struct store_get *get = (const struct store_get *)request;
        job->conversation = get->conversation_id;
        job->user = get->user;
    } else {
        struct store_read *read = (struct store_read *)request;
        job->conversation = read->conversation_id;
        job->user = read->user;
        read->events = NULL;
        read->event_count = 0;
    }
    job->lane = cache_lane_of(cache, job->conversation);
    return job;
}

/* What the store would refuse goes to the store, which says why. */
static bool is_for_cache(const struct store_request *request)
{
    const struct store_get *get = (const struct store_get *)request;
    const struct store_read *read = (const struct store_read *)request;
    bool is_get = request->op == STORE_OP_GET;
    struct store_bytes conversation = is_get ? get->conversation_id : read->conversation_id;
    struct store_bytes user = is_get ? get->user : read->user;
    return pl_id_is_valid(conversation.data, conversation.len) &&
           (user.len == 0 || pl_id_is_valid(user.data, user.len)) &&
           (is_get || (read->from_seq >= 0 && read->limit > 0));
}

void cache_read_submit(struct store_cache *cache, struct store_request *request)
{
    struct cache_job *job = is_for_cache(request) ? new_job(cache, request) : NULL;
    if (job != NULL) {
        pl_error_clear(&request->error);
        pl_arena_init(&request->arena, NULL, 0, 0);
        cache_begin(cache);
        if (cache_lane_push_read(job->lane, &job->task)) {
            return;
        }
        cache_end(cache);
        free_job(job);
    }
    pl_metric_add(&cache_metric_bypassed, 1);
    cache->inner->ops->submit(cache->inner, request);
}
