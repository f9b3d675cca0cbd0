/* SPDX-License-Identifier: Apache-2.0 */
/* A round walks all buckets, from a random one on so that nodes do not walk side by side:
 *
 *   resting ──every_ms──> listing a page of a bucket ──> trimming each that it names
 *      ^                      ^                            │ (batch by batch)
 *      └─────last bucket──────┴───────pause, if needed─────┘
 *
 * What cannot be asked or trimmed now is left to the next round. @thread loop */
#include "retention/trimmer.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"

#include <string.h>

#define FIRST_MS   10000 /* a node that has just started has other things to do */
#define FAILED_MS  1000
#define PAGE       256 /* conversations that one look is for */
#define BATCH      500 /* events in one transaction */
#define BATCH_COST 10  /* events that could be trimmed instead of a transaction that trims none */

static struct pl_metric metric_trimmed = {.name = "parley_retention_trimmed_total",
                                          .help = "Events trimmed by this node.",
                                          .kind = PL_METRIC_COUNTER};
static struct pl_metric metric_failures = {
    .name = "parley_retention_failures_total",
    .help = "Looks and trims that failed and are left to the next round.",
    .kind = PL_METRIC_COUNTER};
static struct pl_metric metric_rounds = {.name = "parley_retention_rounds_total",
                                         .help = "Rounds over all conversations.",
                                         .kind = PL_METRIC_COUNTER};

void trimmer_register_metrics(void)
{
    pl_metric_register(&metric_trimmed, 1);
    pl_metric_register(&metric_failures, 1);
    pl_metric_register(&metric_rounds, 1);
}

struct trimmer {
    struct trimmer_options options;
    struct pl_timer timer;
    struct pl_mail listed;
    struct pl_mail trimmed;
    struct store_list_expired list; /* its answer is held while it is worked off */
    struct store_trim trim;
    size_t next_id; /* of the answer */
    size_t after_len;
    char after[PL_ID_MAX];
    unsigned buckets_left; /* of the round */
    bool is_resting;
    bool is_stopped;
    struct {
        int64_t events;
        int64_t batches;
        int64_t failures;
    } round;
};

static void step(struct trimmer *trimmer);

static void step_after(struct trimmer *trimmer, int64_t delay_ms)
{
    if (trimmer->is_stopped) {
        return;
    }
    if (delay_ms > 0) {
        /* Only the first start takes memory. */
        (void)!pl_timer_start(trimmer->options.loop, &trimmer->timer, delay_ms);
    } else {
        step(trimmer);
    }
}

static void fail(struct trimmer *trimmer, const struct pl_error *err)
{
    pl_metric_add(&metric_failures, 1);
    if (trimmer->round.failures++ == 0) {
        pl_log_warn("RETENTION_FAILED", NULL, "bucket=%u error=%s", trimmer->list.bucket,
                    err->text);
    }
}

/* ---- a round ---- */

static void begin_round(struct trimmer *trimmer)
{
    memset(&trimmer->round, 0, sizeof(trimmer->round));
    trimmer->is_resting = false;
    trimmer->list.bucket = (unsigned)pl_random_below(STORE_BUCKETS);
    trimmer->list.now_ms = pl_clock_wall_ms();
    trimmer->trim.now_ms = trimmer->list.now_ms;
    trimmer->buckets_left = STORE_BUCKETS;
    trimmer->after_len = 0;
}

static void end_round(struct trimmer *trimmer)
{
    pl_metric_add(&metric_rounds, 1);
    if (trimmer->round.events > 0 || trimmer->round.failures > 0) {
        pl_log_info("RETENTION_TRIMMED", NULL, "events=%lld batches=%lld failures=%lld",
                    (long long)trimmer->round.events, (long long)trimmer->round.batches,
                    (long long)trimmer->round.failures);
    }
    trimmer->is_resting = true;
    step_after(trimmer, trimmer->options.every_ms);
}

/* ---- one page of a bucket ---- */

/* Where the walk goes on when the page is worked off. */
static void leave_page(struct trimmer *trimmer)
{
    const struct store_bytes *last = &trimmer->list.last;
    bool is_more = trimmer->list.request.error.code == PARLEY_OK && last->len > 0;
    trimmer->after_len = is_more ? last->len : 0;
    if (is_more) {
        memcpy(trimmer->after, last->data, last->len);
    } else {
        trimmer->list.bucket = (trimmer->list.bucket + 1) % STORE_BUCKETS;
        trimmer->buckets_left--;
    }
    store_request_release(&trimmer->list.request);
    trimmer->list.count = 0;
    trimmer->next_id = 0;
}

static void on_listed(struct pl_loop *loop, struct pl_mail *mail)
{
    struct trimmer *trimmer = PL_CONTAINER_OF(mail, struct trimmer, listed);
    const struct pl_error *err = &trimmer->list.request.error;
    int64_t pause_ms = 0;
    (void)loop;
    trimmer->next_id = 0;
    if (err->code != PARLEY_OK) {
        fail(trimmer, err);
        trimmer->list.count = 0;
        pause_ms = FAILED_MS;
    }
    if (trimmer->list.count == 0) {
        leave_page(trimmer);
    }
    step_after(trimmer, pause_ms);
}

static void list(struct trimmer *trimmer)
{
    trimmer->list.after = (struct store_bytes){trimmer->after, trimmer->after_len};
    store_list_expired(trimmer->options.store, &trimmer->list);
}

/* ---- one batch of a conversation ---- */

static int64_t pause_after(const struct trimmer *trimmer, size_t events)
{
    return ((int64_t)events + BATCH_COST) * 1000 / trimmer->options.per_second;
}

static void on_trimmed(struct pl_loop *loop, struct pl_mail *mail)
{
    struct trimmer *trimmer = PL_CONTAINER_OF(mail, struct trimmer, trimmed);
    struct store_trim *trim = &trimmer->trim;
    int64_t pause_ms = FAILED_MS;
    bool has_more = false;
    (void)loop;
    if (trim->request.error.code == PARLEY_OK) {
        pl_metric_add(&metric_trimmed, (int64_t)trim->trimmed);
        trimmer->round.events += (int64_t)trim->trimmed;
        trimmer->round.batches++;
        has_more = trim->has_more;
        pause_ms = pause_after(trimmer, trim->trimmed);
    } else {
        fail(trimmer, &trim->request.error);
    }
    store_request_release(&trim->request);
    trimmer->next_id += has_more ? 0 : 1;
    if (trimmer->next_id == trimmer->list.count) {
        leave_page(trimmer);
    }
    step_after(trimmer, pause_ms);
}

static void step(struct trimmer *trimmer)
{
    if (trimmer->next_id < trimmer->list.count) {
        trimmer->trim.conversation_id = trimmer->list.ids[trimmer->next_id];
        store_trim(trimmer->options.store, &trimmer->trim);
    } else if (trimmer->buckets_left > 0) {
        list(trimmer);
    } else {
        end_round(trimmer);
    }
}

static void on_timer(struct pl_loop *loop, struct pl_timer *timer)
{
    struct trimmer *trimmer = PL_CONTAINER_OF(timer, struct trimmer, timer);
    (void)loop;
    if (trimmer->is_resting) {
        begin_round(trimmer);
    }
    step(trimmer);
}

/* ---- life ---- */

/* @thread the store's */
static void list_done(struct store_request *request)
{
    struct trimmer *trimmer = PL_CONTAINER_OF(request, struct trimmer, list.request);
    pl_loop_post(trimmer->options.loop, &trimmer->listed);
}

/* @thread the store's */
static void trim_done(struct store_request *request)
{
    struct trimmer *trimmer = PL_CONTAINER_OF(request, struct trimmer, trim.request);
    pl_loop_post(trimmer->options.loop, &trimmer->trimmed);
}

struct trimmer *trimmer_new(const struct trimmer_options *options)
{
    struct trimmer *trimmer = pl_calloc(1, sizeof(*trimmer));
    if (trimmer == NULL) {
        return NULL;
    }
    trimmer->options = *options;
    trimmer->is_resting = true;
    trimmer->timer.fire = on_timer;
    trimmer->listed.deliver = on_listed;
    trimmer->trimmed.deliver = on_trimmed;
    trimmer->list.request.done = list_done;
    trimmer->list.retention = options->retention;
    trimmer->list.limit = PAGE;
    trimmer->trim.request.done = trim_done;
    trimmer->trim.retention = options->retention;
    trimmer->trim.limit = options->per_second < BATCH ? (size_t)options->per_second : BATCH;
    return trimmer;
}

int trimmer_start(struct trimmer *trimmer)
{
    int64_t every_ms = trimmer->options.every_ms;
    return pl_timer_start(trimmer->options.loop, &trimmer->timer,
                          every_ms < FIRST_MS ? every_ms : FIRST_MS);
}

void trimmer_stop(struct trimmer *trimmer)
{
    trimmer->is_stopped = true;
    pl_timer_stop(trimmer->options.loop, &trimmer->timer);
}

void trimmer_free(struct trimmer *trimmer)
{
    if (trimmer != NULL) {
        store_request_release(&trimmer->list.request);
        store_request_release(&trimmer->trim.request);
        pl_free(trimmer);
    }
}
