/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that hold open calls and say nothing: what they cost the server. */
#include "commands.h"
#include "fleet.h"
#include "process.h"
#include "report.h"
#include "subscriber.h"

#include "base/mem.h"

#include <stdatomic.h>

#define WATCH_PATH "/grpc.health.v1.Health/Watch"

static const uint8_t EMPTY_FRAME[5] = {0};

struct idle_run {
    const struct options *options;
    struct conversation conversation;
    struct process_usage before;
    struct process_usage held; /* when all calls are open */
    struct process_usage after;
    atomic_size_t started;
    atomic_size_t ended;
};

struct idle_worker {
    struct event_memory *memory;
    struct subscriber *subscribers;
    struct call *watches;
    size_t call_count;
    size_t live_count;
};

static void count_live(struct worker *worker)
{
    struct idle_worker *mine = worker->user;
    mine->live_count++;
    if (mine->live_count == mine->call_count) {
        fleet_ready(worker);
    }
}

static void on_live(struct subscriber *subscriber)
{
    count_live(subscriber->call.link->worker);
}

static void on_watch_message(struct call *call, const uint8_t *data, size_t len)
{
    (void)data;
    (void)len;
    count_live(call->link->worker);
}

static void on_watch_close(struct call *call, const struct pl_status *status)
{
    if (!call->link->worker->is_done) {
        fleet_fail(call->link->worker, "Watch ended: %s", pl_code_name(status->code));
    }
}

static void start_watch(struct call *call, struct link *link)
{
    struct pl_buf *request = pl_buf_copy(EMPTY_FRAME, sizeof(EMPTY_FRAME));
    *call = (struct call){.on_message = on_watch_message, .on_close = on_watch_close};
    call_start(call, link, WATCH_PATH, request, true);
    pl_buf_unref(request);
}

static int prepare(struct worker *worker)
{
    const struct idle_run *run = worker->fleet->user;
    struct idle_worker *mine = pl_xcalloc(1, sizeof(*mine));
    worker->user = mine;
    mine->memory = event_memory_new();
    mine->call_count = worker->link_count * (size_t)run->options->streams;
    mine->subscribers = pl_xcalloc(mine->call_count, sizeof(*mine->subscribers));
    mine->watches = pl_xcalloc(mine->call_count, sizeof(*mine->watches));
    for (size_t i = 0; i < mine->call_count && !worker->is_done; i++) {
        struct link *link = &worker->links[i % worker->link_count];
        if (run->options->is_watch) {
            start_watch(&mine->watches[i], link);
            continue;
        }
        mine->subscribers[i].memory = mine->memory;
        mine->subscribers[i].on_live = on_live;
        subscriber_start(&mine->subscribers[i], link, &run->conversation);
    }
    return 0;
}

/* Once: when the first of the workers starts, all are ready; when the first ends, all still hold.
 */
static void start(struct worker *worker)
{
    struct idle_run *run = worker->fleet->user;
    if (atomic_fetch_add(&run->started, 1) == 0) {
        process_usage(run->options->pids, &run->held);
    }
}

static void drain(struct worker *worker)
{
    struct idle_run *run = worker->fleet->user;
    if (atomic_fetch_add(&run->ended, 1) == 0) {
        process_usage(run->options->pids, &run->after);
    }
    fleet_done(worker);
}

static void release(struct worker *worker)
{
    struct idle_worker *mine = worker->user;
    if (mine != NULL) {
        event_memory_free(mine->memory);
        pl_free(mine->subscribers);
        pl_free(mine->watches);
        pl_free(mine);
    }
}

static const struct load load = {
    .prepare = prepare, .start = start, .drain = drain, .release = release};

static void print(const struct idle_run *run)
{
    const struct options *options = run->options;
    struct report *report = report_new("idle");
    report_add(report, "held", options->connections, "connections");
    if (options->pids != NULL) {
        double seconds = options->warmup + options->seconds;
        double grown_kib = run->after.rss_kib - run->before.rss_kib;
        report_add(report, "rss_before", run->before.rss_kib, "KiB");
        report_add(report, "rss_after", run->after.rss_kib, "KiB");
        report_add(report, "bytes_per_connection", grown_kib * 1024 / options->connections,
                   "bytes");
        report_add(report, "cpu_us_per_s_each",
                   (run->after.cpu_us - run->held.cpu_us) / seconds / options->connections, "us/s");
    }
    report_print_and_free(report, options->is_json);
}

int run_idle(const struct options *options)
{
    struct idle_run run = {.options = options};
    struct fleet fleet;
    if (!options->is_watch && setup_conversations(options, &run.conversation, 1, 0) != 0) {
        return -1;
    }
    process_usage(options->pids, &run.before);
    int rv = fleet_run(&fleet, options, &load, &run);
    if (rv == 0) {
        print(&run);
    }
    fleet_free(&fleet);
    return rv;
}
