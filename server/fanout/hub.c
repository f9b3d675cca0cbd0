/* SPDX-License-Identifier: Apache-2.0 */
/* From a commit to the loops that listen.
 *
 * on_commit runs on a writer thread of the store, after the commit and before its answers. It asks
 * which loops want the conversation (interest.c), encodes the events once (batch.c) and posts the
 * batch to each of those loops (lane.c), in commit order. Without other nodes and without anybody
 * listening that is one look at a counter; other nodes get the same bytes by the bus (relay.c).
 *
 * Why nothing is lost between the log and the live events: a follow tells its interest before it
 * submits its first read. A commit that did not see the interest was on disk before, so the read
 * gives it; a commit that did comes by mail. */
#include "fanout/hub_impl.h"

#include "base/mem.h"
#include "core/loops.h"

#include <string.h>

/* ---- commits; on the store's writer threads ---- */

unsigned hub_count_loops(const struct hub *hub, const struct loop_set *set)
{
    unsigned count = 0;
    for (unsigned i = 0; i < hub->lane_count; i++) {
        count += loop_set_has(set, i) ? 1 : 0;
    }
    return count;
}

void hub_collect(struct hub *hub, struct store_bytes id, enum store_kind last_kind,
                 struct store_bytes users, struct loop_set *set)
{
    interest_collect(hub->interest, TOPIC_CONVERSATION, id.data, id.len, set);
    if (!store_kind_adds(last_kind)) {
        return;
    }
    size_t place = 0;
    for (const char *user = store_next_id(users, &place); user != NULL;
         user = store_next_id(users, &place)) {
        interest_collect(hub->interest, TOPIC_USER, user, strlen(user), set);
    }
}

static void post_gap(struct hub *hub, const struct loop_set *set)
{
    for (unsigned i = 0; i < hub->lane_count; i++) {
        if (loop_set_has(set, i)) {
            lane_post_gap(&hub->lanes[i]);
        }
    }
}

void hub_post(struct hub *hub, struct batch *batch, const struct loop_set *set)
{
    if (batch == NULL) {
        post_gap(hub, set);
        return;
    }
    struct parcel *parcel = batch->parcels;
    for (unsigned i = 0; i < hub->lane_count; i++) {
        if (loop_set_has(set, i)) {
            lane_post(&hub->lanes[i], batch_ref(batch), parcel++);
        }
    }
    batch_unref(batch);
}

static void publish(struct hub *hub, const struct store_commit *commit, size_t first, size_t count)
{
    const struct store_event *events = &commit->events[first];
    struct loop_set set = {{0}};
    hub_collect(hub, commit->conversation_id, events[count - 1].kind, events[count - 1].body, &set);
    unsigned loops = hub_count_loops(hub, &set);
    if (loops == 0 && hub->bus == NULL) {
        return;
    }
    struct batch *batch = batch_new(commit->conversation_id, events, count, loops, hub->encode);
    if (batch != NULL && hub->bus != NULL) {
        relay_publish(hub, batch);
    }
    hub_post(hub, batch, &set);
}

static void on_commit(void *context, const struct store_commit *commits, size_t commit_count)
{
    struct hub *hub = context;
    if (hub->bus == NULL && interest_is_empty(hub->interest)) {
        return;
    }
    for (size_t i = 0; i < commit_count; i++) {
        const struct store_commit *commit = &commits[i];
        for (size_t first = 0; first < commit->event_count;) {
            size_t span = batch_span(&commit->events[first], commit->event_count - first);
            publish(hub, commit, first, span);
            first += span;
        }
    }
}

void hub_begin_sweeps(struct hub *hub)
{
    for (unsigned i = 0; i < hub->lane_count; i++) {
        lane_post_state(&hub->lanes[i]);
    }
}

/* ---- life ---- */

static struct hub *make(const struct hub_options *options)
{
    struct hub *hub = pl_calloc(1, sizeof(*hub));
    if (hub == NULL) {
        return NULL;
    }
    hub->store = options->store;
    hub->loops = options->loops;
    hub->encode = options->encode;
    hub->page_events = options->page_events != 0 ? options->page_events : HUB_PAGE_EVENTS;
    hub->page_bytes = options->page_bytes != 0 ? options->page_bytes : HUB_PAGE_BYTES;
    hub->tail_bytes = options->tail_bytes != 0 ? options->tail_bytes : HUB_TAIL_BYTES;
    hub->bus = options->bus;
    hub->poll_ms = options->poll_ms != 0 ? options->poll_ms : HUB_POLL_MS;
    hub->sweep_ms = options->sweep_ms != 0 ? options->sweep_ms : HUB_SWEEP_MS;
    hub->follows_max = options->follows_max != 0 ? options->follows_max : HUB_FOLLOWS_MAX;
    hub->follows_per_user_max = options->follows_per_user_max != 0 ? options->follows_per_user_max
                                                                   : HUB_FOLLOWS_PER_USER_MAX;
    hub->interest = interest_new();
    hub->lanes = pl_calloc(loops_count(options->loops), sizeof(*hub->lanes));
    bool is_whole = hub->interest != NULL && hub->lanes != NULL;
    while (is_whole && hub->lane_count < loops_count(options->loops)) {
        is_whole = lane_init(&hub->lanes[hub->lane_count], hub, hub->lane_count) == 0;
        hub->lane_count++;
    }
    if (!is_whole) {
        hub_free(hub);
        return NULL;
    }
    return hub;
}

enum parley_code hub_new(const struct hub_options *options, struct hub **out, struct pl_error *err)
{
    if (loops_count(options->loops) > INTEREST_LOOPS_MAX) {
        return pl_fail(err, PARLEY_INVALID_ARGUMENT, "more than %d loops", INTEREST_LOOPS_MAX);
    }
    struct hub *hub = make(options);
    if (hub == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for the hub");
    }
    const struct store_listener listener = {.on_commit = on_commit, .context = hub};
    store_set_listener(options->store, &listener);
    enum parley_code code = hub->bus != NULL ? relay_start(hub, err) : PARLEY_OK;
    if (code != PARLEY_OK) {
        hub_free(hub);
        return code;
    }
    if (hub->bus == NULL && options->is_shared) {
        hub_begin_sweeps(hub);
    }
    *out = hub;
    return PARLEY_OK;
}

void hub_free(struct hub *hub)
{
    if (hub == NULL) {
        return;
    }
    for (unsigned i = 0; i < hub->lane_count; i++) {
        lane_deinit(&hub->lanes[i]);
    }
    pl_free(hub->lanes);
    interest_free(hub->interest);
    pl_free(hub);
}
