/* SPDX-License-Identifier: Apache-2.0 */
/* One log, read from the beginning to the end again and again; or only its newest events, from new
 * to old. */
#include "commands.h"
#include "field.h"
#include "fleet.h"
#include "report.h"
#include "setup.h"

#include "base/clock.h"
#include "base/mem.h"
#include "wire/pb.h"

#include "parley/v1/chat_service.pb-c.h"

#define HISTORY_PATH "/parley.v1.ChatService/History"
#define EVENTS_MAX   10000 /* the contract's limit for one call */

struct history_run {
    const struct options *options;
    struct conversation conversation;
};

struct reading {
    struct call call;
    int64_t next_seq; /* 0: whatever is the newest */
    int64_t left;     /* events that must still come */
    int64_t begun_ns;
};

struct history_worker {
    struct pl_buf *request;
    struct reading *readings;
    size_t active;
    int64_t step;    /* from one seq to the next */
    uint64_t events; /* within the measured time */
};

static int64_t events_of(const struct history_run *run)
{
    int64_t tail = (int64_t)run->options->tail;
    if (tail > 0) {
        return tail;
    }
    return run->conversation.head_seq < EVENTS_MAX ? run->conversation.head_seq : EVENTS_MAX;
}

static void begin(struct reading *reading, struct link *link);

static void on_message(struct call *call, const uint8_t *data, size_t len)
{
    struct reading *reading = PL_CONTAINER_OF(call, struct reading, call);
    struct worker *worker = call->link->worker;
    struct history_worker *mine = worker->user;
    struct field_walk walk = {data, data + len};
    struct field field, seq;
    int64_t before = reading->left;
    while (field_next(&walk, &field) && field.number == 1) {
        if (!field_find(field.data, field.len, 2, &seq) ||
            (reading->next_seq != 0 && (int64_t)seq.value != reading->next_seq)) {
            fleet_fail(worker, "a page without event %lld", (long long)reading->next_seq);
            return;
        }
        reading->next_seq = (int64_t)seq.value + mine->step;
        reading->left--;
    }
    if (fleet_is_measured(worker->fleet, pl_clock_monotonic_ns())) {
        mine->events += (uint64_t)(before - reading->left);
    }
}

static void on_close(struct call *call, const struct pl_status *status)
{
    struct reading *reading = PL_CONTAINER_OF(call, struct reading, call);
    struct link *link = call->link;
    struct worker *worker = link->worker;
    struct history_worker *mine = worker->user;
    if (worker->is_done) {
        return;
    }
    if (status->code != PARLEY_OK || reading->left != 0) {
        fleet_fail(worker, "History ended with %lld events missing: %s", (long long)reading->left,
                   pl_code_name(status->code));
        return;
    }
    fleet_count(worker, reading->begun_ns, pl_clock_monotonic_ns());
    mine->active--;
    if (!worker->is_stopped) {
        begin(reading, link);
    }
}

static void begin(struct reading *reading, struct link *link)
{
    struct history_worker *mine = link->worker->user;
    mine->active++;
    *reading = (struct reading){.call = {.on_message = on_message, .on_close = on_close},
                                .next_seq = mine->step > 0 ? 1 : 0,
                                .left = events_of(link->worker->fleet->user),
                                .begun_ns = pl_clock_monotonic_ns()};
    call_start(&reading->call, link, HISTORY_PATH, mine->request, true);
}

static int prepare(struct worker *worker)
{
    struct history_run *run = worker->fleet->user;
    struct history_worker *mine = pl_xcalloc(1, sizeof(*mine));
    Parley__V1__HistoryRequest request;
    parley__v1__history_request__init(&request);
    request.conversation_id = run->conversation.id;
    bool is_tail = run->options->tail > 0;
    request.limit = is_tail ? (int32_t)run->options->tail : EVENTS_MAX;
    request.direction = is_tail ? PARLEY__V1__DIRECTION__DIRECTION_BACKWARDS
                                : PARLEY__V1__DIRECTION__DIRECTION_FORWARDS;
    request.page_size = (int32_t)run->options->page;
    mine->step = is_tail ? -1 : 1;
    worker->user = mine;
    mine->request = pl_pb_frame(&request.base);
    mine->readings =
        pl_xcalloc(worker->link_count * (size_t)run->options->outstanding, sizeof(*mine->readings));
    fleet_ready(worker);
    return mine->request != NULL ? 0 : -1;
}

static void start(struct worker *worker)
{
    struct history_worker *mine = worker->user;
    size_t count = worker->link_count * (size_t)worker->fleet->options->outstanding;
    for (size_t i = 0; i < count && !worker->is_done; i++) {
        begin(&mine->readings[i], &worker->links[i % worker->link_count]);
    }
}

static void drain(struct worker *worker)
{
    const struct history_worker *mine = worker->user;
    if (mine->active == 0) {
        fleet_done(worker);
    }
}

static void release(struct worker *worker)
{
    struct history_worker *mine = worker->user;
    if (mine != NULL) {
        pl_buf_unref(mine->request);
        pl_free(mine->readings);
        pl_free(mine);
    }
}

static const struct load load = {
    .prepare = prepare, .start = start, .drain = drain, .release = release};

static void print(const struct fleet *fleet)
{
    const struct options *options = fleet->options;
    struct report *report = report_new("history");
    struct histogram *latency = pl_xcalloc(1, sizeof(*latency));
    double events = 0;
    for (size_t i = 0; i < fleet->worker_count; i++) {
        const struct history_worker *mine = fleet->workers[i].user;
        events += (double)mine->events;
    }
    fleet_latency(fleet, latency);
    report_add(report, "events_per_s", events / options->seconds, "1/s");
    report_add(report, "calls_per_s", (double)fleet_counted(fleet) / options->seconds, "1/s");
    report_add_latency(report, "call", latency);
    report_print_and_free(report, options->is_json);
    pl_free(latency);
}

int run_history(const struct options *options)
{
    struct history_run run = {.options = options};
    struct fleet fleet;
    if (setup_conversations(options, &run.conversation, 1, (size_t)options->messages) != 0) {
        return -1;
    }
    int rv = fleet_run(&fleet, options, &load, &run);
    if (rv == 0) {
        print(&fleet);
    }
    fleet_free(&fleet);
    return rv;
}
