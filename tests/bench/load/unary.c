/* SPDX-License-Identifier: Apache-2.0 */
/* Health/Check: what a call costs that asks for nothing. */
#include "commands.h"
#include "fleet.h"
#include "report.h"
#include "schedule.h"

#include "base/clock.h"
#include "base/mem.h"

#include <string.h>

#define CHECK_PATH           "/grpc.health.v1.Health/Check"
#define RATE_OUTSTANDING_MAX 4096

static const uint8_t EMPTY_FRAME[5] = {0};
static const uint8_t SERVING[2] = {0x08, 0x01};

struct check {
    struct call call;
    struct check *next_free;
    int64_t intended_ns;
    bool is_answered;
};

struct unary_worker {
    struct pl_buf *request;
    struct check *checks;
    struct check *free;
    struct schedule schedule;
    size_t outstanding;
    size_t next_link;
};

static void begin(struct worker *worker, struct link *link, int64_t intended_ns);

static void on_message(struct call *call, const uint8_t *data, size_t len)
{
    struct check *check = PL_CONTAINER_OF(call, struct check, call);
    if (check->is_answered || len != sizeof(SERVING) || memcmp(data, SERVING, len) != 0) {
        fleet_fail(call->link->worker, "a bad answer to Check");
    }
    check->is_answered = true;
}

static void on_close(struct call *call, const struct pl_status *status)
{
    struct check *check = PL_CONTAINER_OF(call, struct check, call);
    struct link *link = call->link;
    struct worker *worker = link->worker;
    struct unary_worker *mine = worker->user;
    if (worker->is_done) {
        return;
    }
    if (status->code != PARLEY_OK || !check->is_answered) {
        fleet_fail(worker, "Check failed: %s %s", pl_code_name(status->code),
                   status->message != NULL ? status->message : "");
        return;
    }
    int64_t now_ns = pl_clock_monotonic_ns();
    fleet_count(worker, check->intended_ns, now_ns);
    check->next_free = mine->free;
    mine->free = check;
    mine->outstanding--;
    if (!worker->is_stopped && worker->fleet->options->rate <= 0) {
        begin(worker, link, now_ns);
    }
}

static void begin(struct worker *worker, struct link *link, int64_t intended_ns)
{
    struct unary_worker *mine = worker->user;
    struct check *check = mine->free;
    mine->free = check->next_free;
    mine->outstanding++;
    *check = (struct check){.call = {.on_message = on_message, .on_close = on_close},
                            .intended_ns = intended_ns};
    call_start(&check->call, link, CHECK_PATH, mine->request, true);
}

static int prepare(struct worker *worker)
{
    const struct options *options = worker->fleet->options;
    struct unary_worker *mine = pl_xcalloc(1, sizeof(*mine));
    size_t count = options->rate > 0 ? RATE_OUTSTANDING_MAX
                                     : worker->link_count * (size_t)options->outstanding;
    worker->user = mine;
    mine->request = pl_buf_copy(EMPTY_FRAME, sizeof(EMPTY_FRAME));
    mine->checks = pl_xcalloc(count, sizeof(*mine->checks));
    for (size_t i = 0; i < count; i++) {
        mine->checks[i].next_free = mine->free;
        mine->free = &mine->checks[i];
    }
    fleet_ready(worker);
    return mine->request != NULL ? 0 : -1;
}

static void start(struct worker *worker)
{
    const struct fleet *fleet = worker->fleet;
    struct unary_worker *mine = worker->user;
    mine->schedule = schedule_start(fleet->options->rate * (double)worker->link_count /
                                        fleet->options->connections,
                                    fleet->start_ns);
    size_t first = fleet->options->rate > 0 ? 0 : (size_t)fleet->options->outstanding;
    for (size_t i = 0; i < worker->link_count * first && !worker->is_done; i++) {
        begin(worker, &worker->links[i % worker->link_count], pl_clock_monotonic_ns());
    }
}

static void tick(struct worker *worker, int64_t now_ns)
{
    struct unary_worker *mine = worker->user;
    int64_t intended_ns = 0;
    while (!worker->is_done && mine->free != NULL &&
           schedule_is_due(&mine->schedule, now_ns, &intended_ns)) {
        begin(worker, &worker->links[mine->next_link++ % worker->link_count], intended_ns);
        schedule_take(&mine->schedule);
    }
}

static void drain(struct worker *worker)
{
    const struct unary_worker *mine = worker->user;
    if (mine->outstanding == 0) {
        fleet_done(worker);
    }
}

static void release(struct worker *worker)
{
    struct unary_worker *mine = worker->user;
    if (mine != NULL) {
        pl_buf_unref(mine->request);
        pl_free(mine->checks);
        pl_free(mine);
    }
}

static const struct load load = {
    .prepare = prepare, .start = start, .tick = tick, .drain = drain, .release = release};

int run_unary(const struct options *options)
{
    struct fleet fleet;
    int rv = fleet_run(&fleet, options, &load, NULL);
    if (rv == 0) {
        struct report *report = report_new("unary");
        struct histogram *latency = pl_xcalloc(1, sizeof(*latency));
        fleet_latency(&fleet, latency);
        report_add(report, "calls_per_s", (double)fleet_counted(&fleet) / options->seconds, "1/s");
        report_add_latency(report, "call", latency);
        report_print_and_free(report, options->is_json);
        pl_free(latency);
    }
    fleet_free(&fleet);
    return rv;
}
