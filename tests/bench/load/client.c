/* SPDX-License-Identifier: Apache-2.0 */
/* Health/Check calls as an application makes them: one channel, generated stubs, callbacks. All but
 * the first calls are started by the answer to the one before, on the channel's own thread. */
#include "commands.h"
#include "histogram.h"
#include "report.h"

#include "base/clock.h"
#include "base/mem.h"

#include "grpc/health/v1/health.client.parley.h"
#include "parley/channel.h"

#include <pthread.h>
#include <stdio.h>

#define NS_PER_S 1e9

struct client_run;

struct check {
    struct client_run *run;
    int64_t started_ns;
};

struct client_run {
    parley_channel *channel;
    struct check *checks;
    struct histogram *latency;
    int64_t from_ns; /* what ends from here on counts */
    int64_t until_ns;
    struct {
        pthread_mutex_t mu;
        pthread_cond_t changed;
        size_t open;
        bool is_failed;
    } shared;
};

static void begin(struct check *check);

static void over(struct client_run *run, bool is_failed)
{
    pthread_mutex_lock(&run->shared.mu);
    run->shared.open--;
    run->shared.is_failed |= is_failed;
    pthread_cond_signal(&run->shared.changed);
    pthread_mutex_unlock(&run->shared.mu);
}

static void on_done(void *user, const parley_error *error,
                    const Grpc__Health__V1__HealthCheckResponse *response,
                    const parley_metadata *trailers)
{
    (void)trailers;
    struct check *check = user;
    struct client_run *run = check->run;
    int64_t now_ns = pl_clock_monotonic_ns();
    if (error != NULL ||
        response->status != GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING) {
        (void)fprintf(stderr, "parley-bench: Check: %s\n",
                      error != NULL ? parley_error_message(error) : "not serving");
        over(run, true);
        return;
    }
    if (now_ns >= run->from_ns && now_ns < run->until_ns) {
        histogram_add(run->latency, now_ns - check->started_ns);
    }
    if (now_ns < run->until_ns) {
        begin(check);
    } else {
        over(run, false);
    }
}

static void begin(struct check *check)
{
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    check->started_ns = pl_clock_monotonic_ns();
    if (grpc_health_v1_Health_Check_async(check->run->channel, NULL, &request, on_done, check) ==
        NULL) {
        (void)fprintf(stderr, "parley-bench: no memory for a call\n");
        over(check->run, true);
    }
}

/* @return 0, or -1: said on stderr */
static int measure(struct client_run *run, const struct options *options)
{
    size_t count = (size_t)options->outstanding;
    run->from_ns = pl_clock_monotonic_ns() + (int64_t)(options->warmup * NS_PER_S);
    run->until_ns = run->from_ns + (int64_t)(options->seconds * NS_PER_S);
    run->checks = pl_xcalloc(count, sizeof(*run->checks));
    run->shared.open = count;
    for (size_t i = 0; i < count; i++) {
        run->checks[i].run = run;
        begin(&run->checks[i]);
    }
    pthread_mutex_lock(&run->shared.mu);
    while (run->shared.open > 0) {
        pthread_cond_wait(&run->shared.changed, &run->shared.mu);
    }
    pthread_mutex_unlock(&run->shared.mu);
    return run->shared.is_failed ? -1 : 0;
}

int run_client(const struct options *options)
{
    const parley_channel_options channel_options = {.size = sizeof(channel_options),
                                                    .use_tls = options->ca != NULL,
                                                    .ca_file = options->ca,
                                                    .token = options->token};
    struct client_run run = {
        .shared = {.mu = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER}};
    parley_error *error = parley_channel_new(options->server, &channel_options, &run.channel);
    if (error != NULL) {
        (void)fprintf(stderr, "parley-bench: %s\n", parley_error_message(error));
        parley_error_free(error);
        return -1;
    }
    run.latency = pl_xcalloc(1, sizeof(*run.latency));
    int rv = measure(&run, options);
    parley_channel_free(run.channel);
    if (rv == 0) {
        struct report *report = report_new("client");
        report_add(report, "calls_per_s", (double)run.latency->count / options->seconds, "1/s");
        report_add_latency(report, "call", run.latency);
        report_print_and_free(report, options->is_json);
    }
    pl_free(run.latency);
    pl_free(run.checks);
    return rv;
}
