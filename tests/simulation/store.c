/* SPDX-License-Identifier: Apache-2.0 */
/* The store's port on virtual time; see store.h. Writes of one conversation go through one of two
 * writers, each with one transaction at a time; reads run beside them and beside each other. */
#include "store.h"

#include "sim.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/list.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define WRITERS     2
#define BATCH_MAX   64
#define REQUEST_MAX 256

struct sim_store;

/* One transaction: taken from the queue -> committed -> told and answered; or, in doubt: answered
 * -> told. */
enum stage {
    STAGE_TAKEN,
    STAGE_COMMITTED,
    STAGE_IN_DOUBT
};

struct writer {
    struct sim_event event;
    struct sim_store *store;
    struct store_request *queue[REQUEST_MAX];
    size_t queued;
    struct store_request *batch[BATCH_MAX];
    struct store_event events[BATCH_MAX];
    size_t count; /* of the transaction under way; 0: none */
    enum stage stage;
    struct store_commit commits[BATCH_MAX]; /* while in doubt: the requests are gone */
    struct store_event committed[BATCH_MAX];
    char ids[BATCH_MAX][PL_ID_MAX];
    size_t commit_count;
};

/* A read, or a write that is refused. */
struct reading {
    struct sim_event event;
    struct pl_list node; /* store->readings */
    struct sim_store *store;
    struct store_request *request;
    bool has_run;
};

struct sim_store {
    struct store base;
    struct database *database;
    struct store_listener listener;
    struct writer writers[WRITERS];
    struct pl_list readings;
    bool is_dead;
};

static struct sim_store_faults faults;

void sim_store_set_faults(const struct sim_store_faults *replacement)
{
    faults = *replacement;
}

static int64_t takes_us(int64_t usual_us)
{
    return sim_chance(faults.slow) ? sim_between(usual_us, 1000000)
                                   : sim_mostly_short(50, usual_us);
}

static void fail(struct store_request *request, const char *why)
{
    pl_error_clear(&request->error);
    (void)pl_fail(&request->error, PARLEY_UNAVAILABLE, "%s", why);
    request->error.retry_after_ms = sim_chance(300) ? (uint32_t)sim_roll(200) : 0;
}

/* ---- writing ---- */

static void begin(struct writer *writer)
{
    if (writer->count > 0 || writer->queued == 0) {
        return;
    }
    writer->count = writer->queued < BATCH_MAX ? writer->queued : BATCH_MAX;
    memcpy(writer->batch, writer->queue, writer->count * sizeof(writer->batch[0]));
    writer->queued -= writer->count;
    memmove(writer->queue, writer->queue + writer->count,
            writer->queued * sizeof(writer->queue[0]));
    writer->stage = STAGE_TAKEN;
    sim_after(&writer->event, takes_us(4000));
}

static void commit(struct writer *writer)
{
    writer->stage = STAGE_COMMITTED;
    if (sim_chance(faults.refused) || writer->store->is_dead) {
        for (size_t i = 0; i < writer->count; i++) {
            writer->events[i].seq = 0;
            fail(writer->batch[i], "the simulation refuses");
        }
        return;
    }
    for (size_t i = 0; i < writer->count; i++) {
        database_run(writer->store->database, writer->batch[i], pl_clock_wall_ms(),
                     &writer->events[i]);
        if (writer->events[i].seq > 0) {
            struct store_bytes id = store_request_conversation(writer->batch[i]);
            sim_note("commit %.*s %lld", (int)id.len, id.data, (long long)writer->events[i].seq);
        }
    }
}

/* One commit for each conversation, its events in order. */
static void collect(struct writer *writer)
{
    bool is_taken[BATCH_MAX] = {false};
    size_t used = 0;
    writer->commit_count = 0;
    for (size_t i = 0; i < writer->count; i++) {
        struct store_bytes id = store_request_conversation(writer->batch[i]);
        if (is_taken[i] || writer->events[i].seq == 0) {
            continue;
        }
        struct store_commit *commit = &writer->commits[writer->commit_count];
        char *kept = writer->ids[writer->commit_count++];
        memcpy(kept, id.data, id.len);
        *commit = (struct store_commit){{kept, id.len}, &writer->committed[used], 0};
        for (size_t j = i; j < writer->count; j++) {
            struct store_bytes other = store_request_conversation(writer->batch[j]);
            if (writer->events[j].seq > 0 && other.len == id.len &&
                memcmp(other.data, id.data, id.len) == 0) {
                is_taken[j] = true;
                writer->committed[used++] = writer->events[j];
                commit->event_count++;
            }
        }
    }
}

static void tell(const struct writer *writer)
{
    const struct sim_store *store = writer->store;
    if (writer->commit_count > 0 && store->listener.on_commit != NULL && !store->is_dead) {
        store->listener.on_commit(store->listener.context, writer->commits, writer->commit_count);
    }
}

static void answer(struct writer *writer, bool is_in_doubt)
{
    for (size_t i = 0; i < writer->count; i++) {
        struct store_request *request = writer->batch[i];
        if (is_in_doubt) {
            fail(request, "the outcome is not known");
        }
        request->done(request);
    }
}

/* @return whether there is more of it to come. */
static bool advance(struct writer *writer)
{
    switch (writer->stage) {
    case STAGE_TAKEN:
        commit(writer);
        return true;
    case STAGE_COMMITTED:
        collect(writer);
        if (writer->commit_count > 0 && sim_chance(faults.in_doubt)) {
            answer(writer, true);
            writer->stage = STAGE_IN_DOUBT;
            return true;
        }
        tell(writer);
        answer(writer, false);
        break;
    case STAGE_IN_DOUBT:
        tell(writer);
        break;
    }
    writer->count = 0;
    return false;
}

static void on_writer(struct sim_event *event)
{
    struct writer *writer = PL_CONTAINER_OF(event, struct writer, event);
    if (advance(writer)) {
        sim_after(event, takes_us(1000));
    } else {
        begin(writer);
    }
}

/* ---- reading ---- */

static void run_reading(struct reading *reading)
{
    struct store_event nothing;
    reading->has_run = true;
    if (sim_chance(faults.refused) || reading->store->is_dead) {
        fail(reading->request, "the simulation refuses");
    } else {
        database_run(reading->store->database, reading->request, 0, &nothing);
    }
}

static void end_reading(struct reading *reading)
{
    struct store_request *request = reading->request;
    pl_list_remove(&reading->node);
    sim_cancel(&reading->event);
    free(reading);
    request->done(request);
}

static void on_reading(struct sim_event *event)
{
    struct reading *reading = PL_CONTAINER_OF(event, struct reading, event);
    if (reading->has_run) {
        end_reading(reading);
    } else {
        run_reading(reading);
        sim_after(event, takes_us(1000));
    }
}

static struct reading *add_reading(struct sim_store *store, struct store_request *request)
{
    struct reading *reading = calloc(1, sizeof(*reading));
    if (reading == NULL) {
        abort();
    }
    reading->event.run = on_reading;
    reading->store = store;
    reading->request = request;
    pl_list_push(&store->readings, &reading->node);
    sim_after(&reading->event, takes_us(1000));
    return reading;
}

/* Over its budget: refused, but not inside the call that submits. */
static void submit_refused(struct sim_store *store, struct store_request *request)
{
    struct reading *reading = add_reading(store, request);
    reading->has_run = true;
    fail(request, "too much waits");
}

static void submit_write(struct sim_store *store, struct store_request *request)
{
    struct store_bytes id = store_request_conversation(request);
    struct writer *writer = &store->writers[(uint8_t)id.data[id.len - 1] % WRITERS];
    if (writer->queued == REQUEST_MAX) {
        submit_refused(store, request);
        return;
    }
    writer->queue[writer->queued++] = request;
    begin(writer);
}

/* ---- the port ---- */

static void submit(struct store *base, struct store_request *request)
{
    struct sim_store *store = PL_CONTAINER_OF(base, struct sim_store, base);
    pl_error_clear(&request->error);
    pl_arena_init(&request->arena, NULL, 0, 0);
    if (store_request_is_write(request)) {
        submit_write(store, request);
    } else {
        (void)add_reading(store, request);
    }
}

static void set_listener(struct store *base, const struct store_listener *listener)
{
    PL_CONTAINER_OF(base, struct sim_store, base)->listener = *listener;
}

static void close_store(struct store *base)
{
    struct sim_store *store = PL_CONTAINER_OF(base, struct sim_store, base);
    for (size_t i = 0; i < WRITERS; i++) {
        struct writer *writer = &store->writers[i];
        while (writer->count > 0) {
            if (!advance(writer)) {
                begin(writer);
            }
        }
        sim_cancel(&writer->event);
    }
    while (!pl_list_is_empty(&store->readings)) {
        struct reading *reading = PL_LIST_ENTRY(store->readings.next, struct reading, node);
        if (!reading->has_run) {
            run_reading(reading);
        }
        end_reading(reading);
    }
    free(store);
}

static const struct store_ops ops = {submit, set_listener, close_store};

struct store *sim_store_open(struct database *database)
{
    struct sim_store *store = calloc(1, sizeof(*store));
    if (store == NULL) {
        abort();
    }
    store->base.ops = &ops;
    store->database = database;
    pl_list_init(&store->readings);
    for (size_t i = 0; i < WRITERS; i++) {
        store->writers[i].store = store;
        store->writers[i].event.run = on_writer;
    }
    return &store->base;
}

void sim_store_kill(struct store *store)
{
    PL_CONTAINER_OF(store, struct sim_store, base)->is_dead = true;
}
