/* SPDX-License-Identifier: Apache-2.0 */
/* Durable sends: each connection has a sender; flat out each keeps so many unanswered, at a rate
 * they take turns. At the end every message must have been answered, and the numbers of each
 * conversation must have no holes. */
#include "commands.h"
#include "fleet.h"
#include "report.h"
#include "schedule.h"
#include "sender.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>

#define RATE_OUTSTANDING_MAX 4096

struct send_run {
    const struct options *options;
    struct conversation *conversations;
    size_t conversation_count;
    uint64_t id_prefix;
};

struct send_worker {
    struct sender **senders;
    struct tally *tallies;
    struct schedule schedule;
    size_t next;
};

static void check_drained(struct worker *worker)
{
    const struct send_worker *mine = worker->user;
    size_t outstanding = 0;
    for (size_t i = 0; i < worker->link_count; i++) {
        outstanding += sender_outstanding(mine->senders[i]);
    }
    if (outstanding == 0) {
        fleet_done(worker);
    }
}

static void on_acked(struct sender *sender, int64_t intended_ns, int64_t now_ns)
{
    struct worker *worker = sender_link(sender)->worker;
    fleet_count(worker, intended_ns, now_ns);
    if (!worker->is_stopped && worker->fleet->options->rate <= 0) {
        sender_push(sender, now_ns);
    }
}

static int prepare(struct worker *worker)
{
    const struct send_run *run = worker->fleet->user;
    struct send_worker *mine = pl_xcalloc(1, sizeof(*mine));
    worker->user = mine;
    mine->tallies = pl_xcalloc(run->conversation_count, sizeof(*mine->tallies));
    mine->senders = pl_xcalloc(worker->link_count, sizeof(struct sender *));
    for (size_t i = 0; i < worker->link_count; i++) {
        struct link *link = &worker->links[i];
        const struct sender_options options = {
            .link = link,
            .conversations = run->conversations,
            .conversation_count = run->conversation_count,
            .tallies = mine->tallies,
            .first = link->index % run->conversation_count,
            .step = (size_t)run->options->connections,
            .body_len = (size_t)run->options->size,
            .outstanding_max =
                run->options->rate > 0 ? RATE_OUTSTANDING_MAX : (size_t)run->options->outstanding,
            .is_unary = run->options->is_unary,
            .are_ids_scattered = run->options->are_ids_scattered,
            .id_prefix = run->id_prefix + link->index,
            .on_acked = on_acked,
        };
        mine->senders[i] = sender_new(&options);
    }
    fleet_ready(worker);
    return 0;
}

static void start(struct worker *worker)
{
    struct send_worker *mine = worker->user;
    const struct fleet *fleet = worker->fleet;
    mine->schedule = schedule_start(fleet->options->rate * (double)worker->link_count /
                                        fleet->options->connections,
                                    fleet->start_ns);
    if (fleet->options->rate > 0) {
        return;
    }
    for (size_t i = 0; i < worker->link_count; i++) {
        while (!worker->is_done && sender_has_room(mine->senders[i])) {
            sender_push(mine->senders[i], pl_clock_monotonic_ns());
        }
    }
}

static void tick(struct worker *worker, int64_t now_ns)
{
    struct send_worker *mine = worker->user;
    int64_t intended_ns = 0;
    while (!worker->is_done && schedule_is_due(&mine->schedule, now_ns, &intended_ns)) {
        struct sender *sender = mine->senders[mine->next % worker->link_count];
        if (!sender_has_room(sender)) {
            return; /* it stays due */
        }
        sender_push(sender, intended_ns);
        schedule_take(&mine->schedule);
        mine->next++;
    }
}

static void release(struct worker *worker)
{
    struct send_worker *mine = worker->user;
    for (size_t i = 0; mine != NULL && i < worker->link_count; i++) {
        sender_free(mine->senders[i]);
    }
    if (mine != NULL) {
        pl_free(mine->senders);
        pl_free(mine->tallies);
        pl_free(mine);
    }
}

static const struct load load = {
    .prepare = prepare, .start = start, .tick = tick, .drain = check_drained, .release = release};

/* @return messages that were answered in all; -1: holes */
static int64_t check_logs(const struct fleet *fleet, const struct send_run *run)
{
    uint64_t acks = 0;
    for (size_t i = 0; i < run->conversation_count; i++) {
        struct tally all = {0};
        for (size_t w = 0; w < fleet->worker_count; w++) {
            const struct send_worker *mine = fleet->workers[w].user;
            tally_merge(&all, &mine->tallies[i]);
        }
        if (!tally_is_gapless(&all, run->conversations[i].head_seq)) {
            (void)fprintf(stderr, "parley-bench: the numbers of %s have holes or repeat\n",
                          run->conversations[i].id);
            return -1;
        }
        acks += all.acks;
    }
    return (int64_t)acks;
}

static void print(const struct fleet *fleet, int64_t acks)
{
    struct report *report = report_new("send");
    struct histogram *latency = pl_xcalloc(1, sizeof(*latency));
    fleet_latency(fleet, latency);
    report_add(report, "sends_per_s", (double)fleet_counted(fleet) / fleet->options->seconds,
               "1/s");
    report_add(report, "acked_and_checked", (double)acks, "messages");
    report_add_latency(report, "ack", latency);
    report_print_and_free(report, fleet->options->is_json);
    pl_free(latency);
}

int run_send(const struct options *options)
{
    struct send_run run = {.options = options,
                           .conversation_count = (size_t)options->conversations,
                           .id_prefix = setup_id_prefix(options)};
    struct fleet fleet;
    run.conversations = pl_xcalloc(run.conversation_count, sizeof(*run.conversations));
    int rv = setup_conversations(options, run.conversations, run.conversation_count, 0);
    if (rv == 0) {
        rv = fleet_run(&fleet, options, &load, &run);
        int64_t acks = rv == 0 ? check_logs(&fleet, &run) : -1;
        if (acks >= 0) {
            print(&fleet, acks);
        }
        rv = acks >= 0 ? 0 : -1;
        fleet_free(&fleet);
    }
    pl_free(run.conversations);
    return rv;
}
