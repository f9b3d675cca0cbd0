/* SPDX-License-Identifier: Apache-2.0 */
/* The gRPC server as main sees it: starts, drains and stops its lanes, one per loop. Main's thread
 * talks to lanes by loops_call and mail only. */
#include "grpc/grpc_impl.h"

#include "base/clock.h"
#include "base/cond.h"
#include "base/log.h"
#include "base/mem.h"
#include "transport/metrics.h"

#include <string.h>

struct pl_metric grpc_metrics[GRPC_METRIC_COUNT] = {
    [GRPC_METRIC_OPEN] = {.name = "parley_connections",
                          .help = "Open gRPC connections.",
                          .kind = PL_METRIC_GAUGE},
    [GRPC_METRIC_ACCEPTED] = {.name = "parley_connections_accepted_total",
                              .help = "gRPC connections that were accepted.",
                              .kind = PL_METRIC_COUNTER},
    [GRPC_METRIC_REFUSED] = {.name = "parley_connections_refused_total",
                             .help = "gRPC connections closed at once: over a limit.",
                             .kind = PL_METRIC_COUNTER},
};

#define CONNECTIONS_MAX 10000
#define HANDSHAKES_MAX  1000

void grpc_server_register_metrics(void)
{
    pl_metric_register(grpc_metrics, GRPC_METRIC_COUNT);
    pl_transport_register_metrics();
}

static void set_default(int64_t *value, int64_t fallback)
{
    *value = *value > 0 ? *value : fallback;
}

static enum parley_code make(struct loops *loops, parley_server *server,
                             const struct grpc_server_options *options, struct grpc_server **made,
                             struct pl_error *err)
{
    struct grpc_server *grpc = pl_calloc(1, sizeof(*grpc));
    struct grpc_lane *lanes = pl_calloc(loops_count(loops), sizeof(*lanes));
    char *address = pl_strdup(options->address);
    struct gate *gate = NULL;
    const struct gate_limits limits = {
        .connections_max =
            options->connections_max > 0 ? options->connections_max : CONNECTIONS_MAX,
        .per_address_max = options->connections_per_address_max,
        .handshakes_max = options->handshakes_max > 0 ? options->handshakes_max : HANDSHAKES_MAX,
        .accepts_per_s = options->accepts_per_s,
    };
    if (grpc == NULL || lanes == NULL || address == NULL ||
        gate_new(&limits, &gate, NULL) != PARLEY_OK) {
        pl_free(grpc);
        pl_free(lanes);
        pl_free(address);
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for the gRPC server");
    }
    grpc->loops = loops;
    grpc->server = server;
    grpc->options = *options;
    grpc->options.address = NULL;
    grpc->options.tls = options->tls != NULL ? pl_tls_ref(options->tls) : NULL;
    grpc->gate = gate;
    set_default(&grpc->options.keepalive_ms, 60000);
    set_default(&grpc->options.keepalive_timeout_ms, 20000);
    set_default(&grpc->options.settings_timeout_ms, 10000);
    set_default(&grpc->options.headers_timeout_ms, 10000);
    set_default(&grpc->options.message_timeout_ms, 60000);
    set_default(&grpc->options.stall_ms, 300000);
    set_default(&grpc->options.idle_ms, 15 * 60000);
    grpc->address = address;
    grpc->lanes = lanes;
    pthread_mutex_init(&grpc->shared.mu, NULL);
    pl_cond_init(&grpc->shared.emptied);
    *made = grpc;
    return PARLEY_OK;
}

/* The first lane may find the number of the port only now (port 0); the others share it. */
static enum parley_code take_address(struct grpc_server *grpc, struct pl_error *err)
{
    char *address = pl_strdup(pl_listener_address(grpc->lanes[0].listener));
    if (address == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for the address");
    }
    pl_free(grpc->address);
    grpc->address = address;
    return PARLEY_OK;
}

/* A Unix socket has one path and one listener: the other loops get no connections of it. */
static bool is_shared_by_lanes(const struct grpc_server *grpc)
{
    return strncmp(grpc->address, "unix:", 5) != 0;
}

static enum parley_code start_lanes(struct grpc_server *grpc, struct pl_error *err)
{
    unsigned count = is_shared_by_lanes(grpc) ? loops_count(grpc->loops) : 1;
    enum parley_code code = PARLEY_OK;
    for (unsigned i = 0; i < count && code == PARLEY_OK; i++) {
        struct grpc_lane *lane = &grpc->lanes[i];
        lane->grpc = grpc;
        lane->index = i;
        grpc->lane_count++;
        grpc->shared.lanes_open++;
        loops_call(grpc->loops, i, grpc_lane_start, lane);
        code = lane->start_code;
        if (code != PARLEY_OK && err != NULL) {
            *err = lane->start_error;
        }
        if (i == 0 && code == PARLEY_OK) {
            code = take_address(grpc, err);
        }
    }
    return code;
}

enum parley_code grpc_server_start(struct loops *loops, parley_server *server,
                                   const struct grpc_server_options *options,
                                   struct grpc_server **grpc, struct pl_error *err)
{
    struct grpc_server *made = NULL;
    enum parley_code code = make(loops, server, options, &made, err);
    if (code != PARLEY_OK) {
        return code;
    }
    server_seal(server);
    code = start_lanes(made, err);
    if (code != PARLEY_OK) {
        grpc_server_stop(made);
        grpc_server_free(made);
        return code;
    }
    pl_log_info("GRPC_LISTENING", made->address, "%u loops%s", made->lane_count,
                made->options.tls != NULL ? ", TLS" : "");
    *grpc = made;
    return PARLEY_OK;
}

const char *grpc_server_address(const struct grpc_server *grpc)
{
    return grpc->address;
}

size_t grpc_server_connection_count(const struct grpc_server *grpc)
{
    return gate_count(grpc->gate);
}

void grpc_server_set_tls(struct grpc_server *grpc, struct pl_tls *tls)
{
    struct pl_tls *old = grpc->options.tls;
    grpc->options.tls = pl_tls_ref(tls);
    for (unsigned i = 0; i < grpc->lane_count; i++) {
        loops_call(grpc->loops, i, grpc_lane_take_tls, &grpc->lanes[i]);
    }
    pl_tls_unref(old);
}

void grpc_server_drain(struct grpc_server *grpc, int64_t grace_ms)
{
    if (atomic_exchange(&grpc->is_draining, true)) {
        return;
    }
    grpc->grace_ms = grace_ms > 0 ? grace_ms : 0;
    for (unsigned i = 0; i < grpc->lane_count; i++) {
        pl_loop_post(grpc->lanes[i].loop, &grpc->lanes[i].drain_mail);
    }
}

bool grpc_server_wait(struct grpc_server *grpc, int64_t timeout_ms)
{
    int64_t until_ns = pl_clock_deadline_ns(timeout_ms);
    bool is_time_left = true;
    pthread_mutex_lock(&grpc->shared.mu);
    while (grpc->shared.lanes_open > 0 && is_time_left) {
        is_time_left = pl_cond_wait_until(&grpc->shared.emptied, &grpc->shared.mu, until_ns);
    }
    bool is_empty = grpc->shared.lanes_open == 0;
    pthread_mutex_unlock(&grpc->shared.mu);
    return is_empty;
}

void grpc_server_stop(struct grpc_server *grpc)
{
    /* The drain's mail, should there be one, is delivered before what loops_call sends. */
    for (unsigned i = 0; i < grpc->lane_count; i++) {
        loops_call(grpc->loops, i, grpc_lane_close_links, &grpc->lanes[i]);
    }
    while (!grpc_server_wait(grpc, 1000)) {
        pl_log_warn("GRPC_STOP_WAITS", grpc->address, "%zu connections are still open",
                    grpc_server_connection_count(grpc));
    }
    for (unsigned i = 0; i < grpc->lane_count; i++) {
        loops_call(grpc->loops, i, grpc_lane_deinit, &grpc->lanes[i]);
    }
    grpc->lane_count = 0;
}

void grpc_server_free(struct grpc_server *grpc)
{
    if (grpc == NULL) {
        return;
    }
    pl_tls_unref(grpc->options.tls);
    pthread_cond_destroy(&grpc->shared.emptied);
    pthread_mutex_destroy(&grpc->shared.mu);
    gate_free(grpc->gate);
    pl_free(grpc->lanes);
    pl_free(grpc->address);
    pl_free(grpc);
}
