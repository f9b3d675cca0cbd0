/* SPDX-License-Identifier: Apache-2.0 */
/* One conversation, one sender, many subscribers: each must get each event once and in order, and
 * how long after it was due to be sent. The sender has the first worker's first connection to
 * itself if there is more than one. Counting subscribers (counters.h) must get as many, and their
 * deliveries count by what had come at the start and at the end of the measured time.
 * Several processes can share a conversation: one sends, the others listen, until their standard
 * input ends, and tell how many events their subscribers have, for somebody to compare. */
#include "commands.h"
#include "counters.h"
#include "fleet.h"
#include "process.h"
#include "report.h"
#include "schedule.h"
#include "sender.h"
#include "subscriber.h"

#include "base/clock.h"
#include "base/mem.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#define LATENCY_EVERY 16

struct fanout_run {
    const struct options *options;
    struct conversation conversation;
    struct tally tally;
    struct histogram ack_latency;
    atomic_llong last_seq;     /* all that is sent; 0: not known yet */
    struct counters *counters; /* NULL: none */
    uint64_t counted_before;   /* of the first worker, as the next five */
    uint64_t counted;
    struct process_usage before;
    struct process_usage after;
    bool has_begun;
    bool has_ended;
};

struct fanout_worker {
    struct event_memory *memory;
    struct subscriber *subscribers;
    size_t subscriber_count;
    size_t live_count;
    struct sender *sender; /* of the first worker */
    struct schedule schedule;
};

static size_t subscribers_below(const struct worker *worker, size_t index)
{
    const struct fleet *fleet = worker->fleet;
    return (size_t)fleet->options->subscribers * index / fleet->worker_count;
}

static void on_live(struct subscriber *subscriber)
{
    struct worker *worker = subscriber->call.link->worker;
    struct fanout_worker *mine = worker->user;
    mine->live_count++;
    if (mine->live_count == mine->subscriber_count) {
        fleet_ready(worker);
    }
}

static void on_event(struct subscriber *subscriber, int64_t seq, int64_t stamp)
{
    struct worker *worker = subscriber->call.link->worker;
    if (stamp <= 0) {
        return;
    }
    /* Flat out, reading the clock for each delivery would be a tenth of our work. */
    if (worker->fleet->options->rate > 0 || seq % LATENCY_EVERY == 0) {
        fleet_count(worker, stamp, pl_clock_monotonic_ns());
    } else if (worker->is_measured) {
        worker->counted++;
    }
}

/* On the first worker, at each tick and at the end. */
static void look_around(struct worker *worker)
{
    struct fanout_run *run = worker->fleet->user;
    uint64_t total = run->counters != NULL ? counters_total(run->counters) : 0;
    if (worker->index != 0) {
        return;
    }
    if (worker->is_measured && !run->has_begun) {
        run->has_begun = true;
        run->counted_before = total;
        process_usage(run->options->pids, &run->before);
    }
    if (worker->is_stopped && !run->has_ended) {
        run->has_ended = true;
        run->counted = total - run->counted_before;
        process_usage(run->options->pids, &run->after);
    }
}

/* Whether the counting subscribers have all of the log, and "caught up". */
static bool counters_are_done(struct worker *worker, int64_t last_seq)
{
    const struct fanout_run *run = worker->fleet->user;
    int has = run->counters == NULL || worker->index != 0
                  ? 1
                  : counters_have(run->counters, (uint64_t)last_seq + 1);
    if (has < 0) {
        fleet_fail(worker, "a counting subscriber got more than was sent, or lost its call");
    }
    return has > 0;
}

/* All subscribers of this worker have seen the last event. */
static void check_drained(struct worker *worker)
{
    struct fanout_run *run = worker->fleet->user;
    const struct fanout_worker *mine = worker->user;
    look_around(worker);
    if (mine->sender != NULL && sender_outstanding(mine->sender) == 0) {
        atomic_store(&run->last_seq, run->tally.max_seq);
    }
    int64_t last_seq = atomic_load(&run->last_seq);
    if (last_seq == 0) {
        return;
    }
    for (size_t i = 0; i < mine->subscriber_count; i++) {
        if (mine->subscribers[i].next_seq <= last_seq) {
            return;
        }
    }
    if (counters_are_done(worker, last_seq)) {
        fleet_done(worker);
    }
}

static void on_acked(struct sender *sender, int64_t intended_ns, int64_t now_ns)
{
    struct worker *worker = sender_link(sender)->worker;
    struct fanout_run *run = worker->fleet->user;
    if (fleet_is_measured(worker->fleet, now_ns)) {
        histogram_add(&run->ack_latency, now_ns - intended_ns);
    }
    if (!worker->is_stopped && worker->fleet->options->rate <= 0) {
        sender_push(sender, now_ns);
    }
}

static void start_sender(struct worker *worker)
{
    struct fanout_run *run = worker->fleet->user;
    struct fanout_worker *mine = worker->user;
    const struct sender_options options = {
        .link = &worker->links[0],
        .conversations = &run->conversation,
        .conversation_count = 1,
        .tallies = &run->tally,
        .step = 1,
        .body_len = (size_t)run->options->size,
        .outstanding_max = run->options->rate > 0 ? 65536 : (size_t)run->options->outstanding,
        .id_prefix = setup_id_prefix(run->options),
        .on_acked = on_acked,
    };
    mine->sender = sender_new(&options);
}

static int prepare(struct worker *worker)
{
    struct fanout_run *run = worker->fleet->user;
    struct fanout_worker *mine = pl_xcalloc(1, sizeof(*mine));
    size_t first = subscribers_below(worker, worker->index);
    worker->user = mine;
    mine->memory = event_memory_new();
    mine->subscriber_count = subscribers_below(worker, worker->index + 1) - first;
    mine->subscribers = pl_xcalloc(mine->subscriber_count, sizeof(*mine->subscribers));
    size_t reserved = 0;
    if (worker->index == 0 && !run->options->is_listening) {
        start_sender(worker);
        reserved = worker->link_count > 1 ? 1 : 0;
    }
    for (size_t i = 0; i < mine->subscriber_count && !worker->is_done; i++) {
        struct subscriber *subscriber = &mine->subscribers[i];
        subscriber->memory = mine->memory;
        subscriber->on_live = on_live;
        subscriber->on_event = on_event;
        subscriber_start(subscriber, &worker->links[reserved + i % (worker->link_count - reserved)],
                         &run->conversation);
    }
    if (mine->subscriber_count == 0) {
        fleet_ready(worker);
    }
    return 0;
}

static void start(struct worker *worker)
{
    struct fanout_worker *mine = worker->user;
    if (worker->fleet->options->is_listening && worker->index == 0) {
        (void)fputs("ready\n", stderr);
    }
    mine->schedule = schedule_start(worker->fleet->options->rate, worker->fleet->start_ns);
    while (mine->sender != NULL && worker->fleet->options->rate <= 0 && !worker->is_done &&
           sender_has_room(mine->sender)) {
        sender_push(mine->sender, pl_clock_monotonic_ns());
    }
}

static bool has_input_ended(void)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    return poll(&input, 1, 0) != 0;
}

static bool have_the_same(const struct fanout_worker *mine)
{
    for (size_t i = 1; i < mine->subscriber_count; i++) {
        if (mine->subscribers[i].next_seq != mine->subscribers[0].next_seq) {
            return false;
        }
    }
    return true;
}

static void tick(struct worker *worker, int64_t now_ns)
{
    struct fanout_worker *mine = worker->user;
    int64_t intended_ns = 0;
    look_around(worker);
    if (worker->fleet->options->is_listening && has_input_ended() && have_the_same(mine)) {
        fleet_done(worker);
    }
    while (mine->sender != NULL && !worker->is_done && sender_has_room(mine->sender) &&
           schedule_is_due(&mine->schedule, now_ns, &intended_ns)) {
        sender_push(mine->sender, intended_ns);
        schedule_take(&mine->schedule);
    }
}

static void release(struct worker *worker)
{
    struct fanout_worker *mine = worker->user;
    if (mine != NULL) {
        sender_free(mine->sender);
        event_memory_free(mine->memory);
        pl_free(mine->subscribers);
        pl_free(mine);
    }
}

static const struct load load = {
    .prepare = prepare, .start = start, .tick = tick, .drain = check_drained, .release = release};

/* The fewest and the most events that one of the checking subscribers has. */
static void report_events(struct report *report, const struct fleet *fleet)
{
    int64_t least = INT64_MAX;
    int64_t most = 0;
    for (size_t w = 0; w < fleet->worker_count; w++) {
        const struct fanout_worker *mine = fleet->workers[w].user;
        for (size_t i = 0; i < mine->subscriber_count; i++) {
            int64_t events = mine->subscribers[i].next_seq - 1;
            least = events < least ? events : least;
            most = events > most ? events : most;
        }
    }
    report_add(report, "events_least", (double)least, "events");
    report_add(report, "events_most", (double)most, "events");
}

static void report(const struct fanout_run *run, const struct fleet *fleet)
{
    const struct options *options = run->options;
    struct report *report = report_new("fanout");
    struct histogram *latency = pl_xcalloc(1, sizeof(*latency));
    double deliveries = (double)fleet_counted(fleet) + (double)run->counted;
    fleet_latency(fleet, latency);
    report_add(report, "deliveries_per_s", deliveries / options->seconds, "1/s");
    report_add(report, "sends_per_s",
               deliveries / options->seconds / (options->subscribers + options->counting), "1/s");
    if (options->pids != NULL && deliveries > 0) {
        report_add(report, "server_ns_per_delivery",
                   (run->after.cpu_us - run->before.cpu_us) * 1000 / deliveries, "ns");
    }
    report_add(report, "acked_and_checked", (double)run->tally.acks, "messages");
    report_events(report, fleet);
    report_add_latency(report, "delivery", latency);
    report_add_latency(report, "ack", &run->ack_latency);
    report_print_and_free(report, options->is_json);
    pl_free(latency);
}

static int start_counters(struct fanout_run *run)
{
    const struct options *options = run->options;
    if (options->counting < 1) {
        return 0;
    }
    run->counters = counters_new(options, &run->conversation, (size_t)options->counting);
    return run->counters != NULL ? 0 : -1;
}

int run_fanout(const struct options *options)
{
    struct fanout_run run = {.options = options};
    struct fleet fleet;
    if (setup_conversations(options, &run.conversation, 1, 0) != 0 || start_counters(&run) != 0) {
        return -1;
    }
    int rv = fleet_run(&fleet, options, &load, &run);
    if (rv == 0 && !tally_is_gapless(&run.tally, run.conversation.head_seq)) {
        (void)fprintf(stderr, "parley-bench: the numbers have holes or repeat\n");
        rv = -1;
    }
    if (rv == 0) {
        report(&run, &fleet);
    }
    counters_free(run.counters);
    fleet_free(&fleet);
    return rv;
}
