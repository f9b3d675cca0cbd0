/* SPDX-License-Identifier: Apache-2.0 */
#include "fleet.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "transport/tls.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define OPENING_MAX       64 /* connections being opened at once: a listener's backlog is finite */
#define READY_TIMEOUT_S   180
#define DRAIN_TIMEOUT_NS  INT64_C(30000000000)
#define NS_PER_S          1e9
#define CONNECTION_WINDOW (16U << 20)
#define STREAM_WINDOW     (1U << 20)

struct start_mail {
    struct pl_mail mail;
    struct worker *worker;
};

/* ---- calls ---- */

void call_start(struct call *call, struct link *link, const char *path, struct pl_buf *frames,
                bool half_close)
{
    struct pl_error err = PL_ERROR_INIT;
    const struct pl_open open = {
        .path = path,
        .timeout_ns = INT64_MAX,
        .metadata = link->worker->metadata,
        .user = call,
    };
    call->link = link;
    if (link->conn == NULL ||
        pl_session_open(pl_conn_session(link->conn), &open, &call->stream, &err) != PARLEY_OK) {
        fleet_fail(link->worker, "cannot start a call: %s", err.text);
        return;
    }
    if (frames != NULL) {
        (void)pl_stream_write(call->stream, frames, 0);
    }
    if (half_close) {
        pl_stream_half_close(call->stream);
    }
}

static void on_message(void *owner, struct pl_stream *stream, const uint8_t *data, size_t len)
{
    (void)owner;
    struct call *call = pl_stream_user(stream);
    call->on_message(call, data, len);
}

static void on_stream_close(void *owner, struct pl_stream *stream, const struct pl_status *status)
{
    (void)owner;
    struct call *call = pl_stream_user(stream);
    call->stream = NULL;
    call->on_close(call, status);
}

/* ---- connections ---- */

static void connect_more(struct worker *worker);

static void on_session_ready(void *owner)
{
    struct link *link = owner;
    struct worker *worker = link->worker;
    link->is_ready = true;
    worker->links_ready++;
    connect_more(worker);
    if (worker->links_ready == worker->link_count && worker->fleet->load->prepare(worker) != 0) {
        fleet_fail(worker, "cannot prepare");
    }
}

static void on_conn_close(void *owner, struct pl_conn *conn, const struct pl_error *cause)
{
    (void)conn;
    struct link *link = owner;
    struct worker *worker = link->worker;
    link->conn = NULL;
    worker->links_closed++;
    if (!worker->is_done) {
        fleet_fail(worker, "connection %zu is lost: %s", link->index,
                   cause->code != PARLEY_OK ? cause->text : "the server closed it");
    }
    if (worker->is_done && worker->links_closed == worker->links_started) {
        pl_loop_stop(worker->loop);
    }
}

static const struct pl_session_events session_events = {
    .on_ready = on_session_ready,
    .on_message = on_message,
    .on_close = on_stream_close,
};
static const struct pl_conn_events conn_events = {.on_close = on_conn_close};

static void connect_more(struct worker *worker)
{
    struct pl_error err = PL_ERROR_INIT;
    const struct places *places = &worker->fleet->places;
    while (!worker->is_done && worker->links_started < worker->link_count &&
           worker->links_started - worker->links_ready < OPENING_MAX) {
        struct link *link = &worker->links[worker->links_started];
        const struct place *place = &places->all[link->index % places->count];
        const struct pl_conn_options options = {
            .session = {.events = &session_events,
                        .owner = link,
                        .authority = place->text,
                        .limits = {.stream_window = STREAM_WINDOW,
                                   .connection_window = CONNECTION_WINDOW}},
            .events = &conn_events,
            .owner = link,
            .tls = worker->fleet->tls,
        };
        if (pl_conn_connect(worker->io, (const struct sockaddr *)&place->address.storage,
                            place->address.len, &options, &link->conn, &err) != PARLEY_OK) {
            fleet_fail(worker, "%s", err.text);
            return;
        }
        worker->links_started++;
    }
}

/* ---- the course of a run ---- */

static void finish(struct worker *worker)
{
    worker->is_done = true;
    pl_timer_stop(worker->loop, &worker->timer);
    pace_stop(&worker->pace);
    if (worker->links_closed == worker->links_started) {
        pl_loop_stop(worker->loop);
    }
    for (size_t i = 0; i < worker->links_started; i++) {
        if (worker->links[i].conn != NULL) {
            pl_conn_close(worker->links[i].conn, NULL);
        }
    }
}

void fleet_done(struct worker *worker)
{
    if (!worker->is_done) {
        finish(worker);
    }
}

void fleet_fail(struct worker *worker, const char *format, ...)
{
    struct fleet *fleet = worker->fleet;
    va_list args;
    va_start(args, format);
    pthread_mutex_lock(&fleet->shared.mu);
    if (!fleet->shared.is_failed) {
        fleet->shared.is_failed = true;
        (void)vsnprintf(fleet->shared.failure, sizeof(fleet->shared.failure), format, args);
    }
    pthread_cond_broadcast(&fleet->shared.changed);
    pthread_mutex_unlock(&fleet->shared.mu);
    va_end(args);
    fleet_done(worker);
}

static bool is_failed(struct fleet *fleet)
{
    pthread_mutex_lock(&fleet->shared.mu);
    bool failed = fleet->shared.is_failed;
    pthread_mutex_unlock(&fleet->shared.mu);
    return failed;
}

void fleet_ready(struct worker *worker)
{
    struct fleet *fleet = worker->fleet;
    if (worker->is_ready) {
        return;
    }
    worker->is_ready = true;
    pthread_mutex_lock(&fleet->shared.mu);
    fleet->shared.ready++;
    pthread_cond_broadcast(&fleet->shared.changed);
    pthread_mutex_unlock(&fleet->shared.mu);
}

static void on_timer(struct pl_loop *loop, struct pl_timer *timer)
{
    struct worker *worker = PL_CONTAINER_OF(timer, struct worker, timer);
    struct fleet *fleet = worker->fleet;
    int64_t now_ns = pl_clock_monotonic_ns();
    if (pl_timer_start(loop, timer, 1) != 0 || is_failed(fleet)) {
        fleet_fail(worker, "another thread failed");
        return;
    }
    if (!worker->is_started) {
        return;
    }
    worker->is_measured = fleet_is_measured(fleet, now_ns);
    if (now_ns < fleet->until_ns) {
        if (fleet->load->tick != NULL) {
            fleet->load->tick(worker, now_ns);
        }
        return;
    }
    worker->is_stopped = true;
    pace_stop(&worker->pace);
    fleet->load->drain(worker);
    if (!worker->is_done && now_ns > fleet->until_ns + DRAIN_TIMEOUT_NS) {
        fleet_fail(worker, "answers are still missing %lld s after the end",
                   (long long)(DRAIN_TIMEOUT_NS / (int64_t)NS_PER_S));
    }
}

static void on_pace(struct pace *pace, int64_t now_ns)
{
    struct worker *worker = PL_CONTAINER_OF(pace, struct worker, pace);
    if (now_ns < worker->fleet->until_ns) {
        worker->fleet->load->tick(worker, now_ns);
    }
}

static void on_start(struct pl_loop *loop, struct pl_mail *mail)
{
    struct worker *worker = PL_CONTAINER_OF(mail, struct start_mail, mail)->worker;
    const struct fleet *fleet = worker->fleet;
    worker->is_started = true;
    if (!worker->is_done && fleet->load->start != NULL) {
        fleet->load->start(worker);
    }
    worker->pace.tick = on_pace;
    if (!worker->is_done && fleet->options->rate > 0 && fleet->load->tick != NULL &&
        pace_start(&worker->pace, loop) != 0) {
        fleet_fail(worker, "no timer for the schedule");
    }
}

static void *run_worker(void *argument)
{
    struct worker *worker = argument;
    worker->timer.fire = on_timer;
    if (pl_timer_start(worker->loop, &worker->timer, 1) != 0) {
        fleet_fail(worker, "no memory for a timer");
    }
    connect_more(worker);
    pl_loop_run(worker->loop);
    return NULL;
}

/* Wait until all workers are ready. */
static int await_ready(struct fleet *fleet)
{
    struct timespec deadline;
    (void)clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += READY_TIMEOUT_S;
    int rv = 0;
    pthread_mutex_lock(&fleet->shared.mu);
    while (rv == 0 && !fleet->shared.is_failed && fleet->shared.ready < fleet->worker_count) {
        rv = pthread_cond_timedwait(&fleet->shared.changed, &fleet->shared.mu, &deadline);
    }
    if (rv != 0 && !fleet->shared.is_failed) {
        fleet->shared.is_failed = true;
        (void)snprintf(fleet->shared.failure, sizeof(fleet->shared.failure), "not ready after %d s",
                       READY_TIMEOUT_S);
    }
    pthread_mutex_unlock(&fleet->shared.mu);
    return is_failed(fleet) ? -1 : 0;
}

static void start_schedule(struct fleet *fleet)
{
    fleet->start_ns = pl_clock_monotonic_ns();
    fleet->from_ns = fleet->start_ns + (int64_t)(fleet->options->warmup * NS_PER_S);
    fleet->until_ns = fleet->from_ns + (int64_t)(fleet->options->seconds * NS_PER_S);
    for (size_t i = 0; i < fleet->worker_count; i++) {
        struct worker *worker = &fleet->workers[i];
        worker->start_mail->mail.deliver = on_start;
        worker->start_mail->worker = worker;
        pl_loop_post(worker->loop, &worker->start_mail->mail);
    }
}

static int new_metadata(struct worker *worker, const struct options *options)
{
    char value[4096];
    if (options->token == NULL) {
        return 0;
    }
    worker->metadata = parley_metadata_new();
    return pl_text_format(value, sizeof(value), "Bearer %s", options->token) &&
                   parley_metadata_add(worker->metadata, "authorization", value) == 0
               ? 0
               : -1;
}

static int init_worker(struct fleet *fleet, size_t index)
{
    struct worker *worker = &fleet->workers[index];
    struct pl_error err = PL_ERROR_INIT;
    size_t connections = (size_t)fleet->options->connections;
    size_t first = connections * index / fleet->worker_count;
    worker->fleet = fleet;
    worker->index = index;
    worker->link_count = connections * (index + 1) / fleet->worker_count - first;
    worker->links = pl_xcalloc(worker->link_count, sizeof(*worker->links));
    worker->start_mail = pl_xcalloc(1, sizeof(*worker->start_mail));
    for (size_t i = 0; i < worker->link_count; i++) {
        worker->links[i] = (struct link){.worker = worker, .index = first + i};
    }
    if (new_metadata(worker, fleet->options) != 0 ||
        pl_loop_new(&worker->loop, &err) != PARLEY_OK ||
        pl_io_new(worker->loop, &worker->io, &err) != PARLEY_OK) {
        (void)fprintf(stderr, "parley-bench: cannot set up a thread: %s\n", err.text);
        return -1;
    }
    return 0;
}

static int new_tls(struct fleet *fleet)
{
    struct pl_error err = PL_ERROR_INIT;
    char host[PL_HOST_MAX];
    char port[PL_PORT_MAX];
    const struct pl_tls_client_options tls = {.ca_file = fleet->options->ca, .server_name = host};
    if (tls.ca_file == NULL) {
        return 0;
    }
    if (pl_address_split(fleet->places.all[0].text, host, port, &err) != PARLEY_OK ||
        pl_tls_client_new(&tls, &fleet->tls, &err) != PARLEY_OK) {
        (void)fprintf(stderr, "parley-bench: %s\n", err.text);
        return -1;
    }
    return 0;
}

static int start_threads(struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->worker_count; i++) {
        if (init_worker(fleet, i) != 0) {
            return -1;
        }
    }
    for (size_t i = 0; i < fleet->worker_count; i++) {
        struct worker *worker = &fleet->workers[i];
        if (pthread_create(&worker->thread, NULL, run_worker, worker) != 0) {
            (void)fprintf(stderr, "parley-bench: cannot start a thread\n");
            abort();
        }
    }
    return 0;
}

int fleet_run(struct fleet *fleet, const struct options *options, const struct load *load,
              void *user)
{
    *fleet = (struct fleet){.options = options, .load = load, .user = user};
    fleet->worker_count = (size_t)options->threads;
    fleet->workers = pl_xcalloc(fleet->worker_count, sizeof(*fleet->workers));
    pthread_mutex_init(&fleet->shared.mu, NULL);
    pthread_cond_init(&fleet->shared.changed, NULL);
    if (places_parse(&fleet->places, options->server) != 0 || new_tls(fleet) != 0 ||
        start_threads(fleet) != 0) {
        return -1;
    }
    if (await_ready(fleet) == 0) {
        start_schedule(fleet);
    }
    for (size_t i = 0; i < fleet->worker_count; i++) {
        (void)pthread_join(fleet->workers[i].thread, NULL);
    }
    if (fleet->shared.is_failed) {
        (void)fprintf(stderr, "parley-bench: %s\n", fleet->shared.failure);
        return -1;
    }
    return 0;
}

void fleet_free(struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->worker_count; i++) {
        struct worker *worker = &fleet->workers[i];
        if (fleet->load->release != NULL) {
            fleet->load->release(worker);
        }
        pl_io_free(worker->io);
        pl_loop_free(worker->loop);
        parley_metadata_free(worker->metadata);
        pl_free(worker->start_mail);
        pl_free(worker->links);
    }
    pl_tls_unref(fleet->tls);
    pl_free(fleet->workers);
}

bool fleet_is_measured(const struct fleet *fleet, int64_t now_ns)
{
    return now_ns >= fleet->from_ns && now_ns < fleet->until_ns;
}

void fleet_count(struct worker *worker, int64_t intended_ns, int64_t now_ns)
{
    if (fleet_is_measured(worker->fleet, now_ns)) {
        worker->counted++;
        histogram_add(&worker->latency, now_ns - intended_ns);
    }
}

uint64_t fleet_counted(const struct fleet *fleet)
{
    uint64_t counted = 0;
    for (size_t i = 0; i < fleet->worker_count; i++) {
        counted += fleet->workers[i].counted;
    }
    return counted;
}

void fleet_latency(const struct fleet *fleet, struct histogram *latency)
{
    *latency = (struct histogram){0};
    for (size_t i = 0; i < fleet->worker_count; i++) {
        histogram_merge(latency, &fleet->workers[i].latency);
    }
}
