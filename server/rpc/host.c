/* SPDX-License-Identifier: Apache-2.0 */
/* parley/server.h: what server/main does for parleyd, for a program of anybody's: loops, listeners,
 * health and reflection around a registry of services. @thread main, unless the header says any */
#include "parley/server.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "builtin/health.h"
#include "builtin/reflection.h"
#include "call/server.h"
#include "core/loops.h"
#include "grpc/grpc.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

#define LISTENERS_MAX 16

struct host {
    parley_server *server;
    parley_server_options options; /* its strings are in `tls_files` */
    struct {
        char *cert;
        char *key;
        char *client_ca;
    } tls_files;
    struct pl_tls *tls;
    struct loops *loops;
    struct health *health;
    struct reflection *reflection;
    bool is_open; /* the loops run, and nothing can be registered any more */
    size_t listener_count;
    struct grpc_server *listeners[LISTENERS_MAX];
};

/* The public errors are the SDK's (client-sdk/src/error.c), made from ours. */
static parley_error *told(enum parley_code code, const struct pl_error *err)
{
    return code == PARLEY_OK ? NULL : parley_error_new(code, err->text);
}

static struct host *host_of(const parley_server *server)
{
    return server_owner(server);
}

/* ---- TLS ---- */

static enum parley_code copy_files(struct host *host, struct pl_error *err)
{
    const parley_server_options *options = &host->options;
    const char *const from[] = {options->cert_file, options->key_file, options->client_ca_file};
    char **const to[] = {&host->tls_files.cert, &host->tls_files.key, &host->tls_files.client_ca};
    for (size_t i = 0; i < PL_COUNT(from); i++) {
        *to[i] = from[i] == NULL ? NULL : pl_strdup(from[i]);
        if (from[i] != NULL && *to[i] == NULL) {
            return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "out of memory");
        }
    }
    return PARLEY_OK;
}

static enum parley_code read_tls(const struct host *host, struct pl_tls **tls, struct pl_error *err)
{
    const struct pl_tls_server_options options = {
        .cert_file = host->tls_files.cert,
        .key_file = host->tls_files.key,
        .client_ca_file = host->tls_files.client_ca,
    };
    *tls = NULL;
    if (options.cert_file == NULL && options.key_file == NULL) {
        return options.client_ca_file == NULL
                   ? PARLEY_OK
                   : pl_fail_field(err, "client_ca_file", "there is no certificate of the server");
    }
    if (options.cert_file == NULL || options.key_file == NULL) {
        return pl_fail_field(err, "cert_file", "certificate and key go together");
    }
    return pl_tls_server_new(&options, tls, err);
}

/* ---- making and freeing ---- */

static void free_host(struct host *host)
{
    for (size_t i = 0; i < host->listener_count; i++) {
        grpc_server_stop(host->listeners[i]);
    }
    if (host->loops != NULL) {
        loops_stop(host->loops);
    }
    for (size_t i = 0; i < host->listener_count; i++) {
        grpc_server_free(host->listeners[i]);
    }
    health_free(host->health);
    server_free(host->server);
    reflection_free(host->reflection);
    loops_free(host->loops);
    pl_tls_unref(host->tls);
    pl_free(host->tls_files.cert);
    pl_free(host->tls_files.key);
    pl_free(host->tls_files.client_ca);
    pl_free(host);
}

static enum parley_code set_up(struct host *host, struct pl_error *err)
{
    enum parley_code code = copy_files(host, err);
    if (code == PARLEY_OK) {
        code = read_tls(host, &host->tls, err);
    }
    if (code == PARLEY_OK) {
        code = loops_new(host->options.threads, &host->loops, err);
    }
    if (code == PARLEY_OK) {
        code = server_new(&host->server, err);
    }
    return code;
}

parley_error *parley_server_new(const parley_server_options *options, parley_server **server)
{
    struct pl_error err = PL_ERROR_INIT;
    struct host *host = pl_calloc(1, sizeof(*host));
    *server = NULL;
    if (host == NULL) {
        return parley_error_new(PARLEY_RESOURCE_EXHAUSTED, "out of memory");
    }
    if (options != NULL) {
        memcpy(&host->options, options,
               options->size < sizeof(*options) ? options->size : sizeof(*options));
    }
    enum parley_code code = set_up(host, &err);
    if (code != PARLEY_OK) {
        free_host(host);
        return told(code, &err);
    }
    server_set_owner(host->server, host);
    *server = host->server;
    return NULL;
}

void parley_server_free(parley_server *server)
{
    if (server != NULL) {
        free_host(host_of(server));
    }
}

/* ---- listening ---- */

/* Once, before the first listener: from here on the loops read the services without a lock. */
static enum parley_code open_host(struct host *host, struct pl_error *err)
{
    enum parley_code code = PARLEY_OK;
    if (host->is_open) {
        return PARLEY_OK;
    }
    if (host->options.has_health && host->health == NULL) {
        code = health_new(host->server, host->loops, true, &host->health, err);
    }
    if (code == PARLEY_OK && host->options.has_reflection && host->reflection == NULL) {
        code = reflection_new(host->server, &host->reflection, err);
    }
    if (code == PARLEY_OK) {
        code = loops_start(host->loops, err);
    }
    host->is_open = code == PARLEY_OK;
    return code;
}

static enum parley_code add_listener(struct host *host, const char *address, struct pl_error *err)
{
    const parley_server_options *options = &host->options;
    size_t message_max = options->max_message_bytes;
    const struct grpc_server_options grpc = {
        .address = address,
        .tls = host->tls,
        .connections_max = options->max_connections,
        .limits = {.streams_max = options->max_calls,
                   .message_bytes_max =
                       message_max > UINT32_MAX ? UINT32_MAX : (uint32_t)message_max},
        .compress = options->compress,
        .keepalive_ms = options->keepalive_ms,
        .idle_ms = options->max_idle_ms,
        .age_ms = options->max_age_ms,
        .age_grace_ms = options->max_age_grace_ms,
    };
    if (host->listener_count == LISTENERS_MAX) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "more than %d addresses", LISTENERS_MAX);
    }
    enum parley_code code = grpc_server_start(host->loops, host->server, &grpc,
                                              &host->listeners[host->listener_count], err);
    host->listener_count += code == PARLEY_OK;
    return code;
}

parley_error *parley_server_listen(parley_server *server, const char *address, const char **bound)
{
    struct pl_error err = PL_ERROR_INIT;
    struct host *host = host_of(server);
    enum parley_code code = open_host(host, &err);
    if (code == PARLEY_OK) {
        code = add_listener(host, address, &err);
    }
    if (code == PARLEY_OK && bound != NULL) {
        *bound = grpc_server_address(host->listeners[host->listener_count - 1]);
    }
    return told(code, &err);
}

/* ---- while it runs ---- */

parley_error *parley_server_set_serving(parley_server *server, const char *service, bool is_serving)
{
    struct pl_error err = PL_ERROR_INIT;
    const struct host *host = host_of(server);
    if (host->health == NULL) {
        return parley_error_new(PARLEY_FAILED_PRECONDITION,
                                "a server without has_health, or one that does not listen yet");
    }
    return told(health_set_status(host->health, service == NULL ? "" : service, is_serving, &err),
                &err);
}

parley_error *parley_server_reload_tls(parley_server *server)
{
    struct pl_error err = PL_ERROR_INIT;
    struct host *host = host_of(server);
    struct pl_tls *tls = NULL;
    enum parley_code code = read_tls(host, &tls, &err);
    if (code == PARLEY_OK && tls == NULL) {
        code = pl_fail(&err, PARLEY_FAILED_PRECONDITION, "a server without TLS");
    }
    if (code != PARLEY_OK) {
        return told(code, &err);
    }
    pl_tls_unref(host->tls);
    host->tls = tls;
    for (size_t i = 0; i < host->listener_count; i++) {
        grpc_server_set_tls(host->listeners[i], tls);
    }
    return NULL;
}

void parley_server_drain(parley_server *server, int64_t grace_ms)
{
    const struct host *host = host_of(server);
    if (host->health != NULL) {
        health_drain(host->health);
    }
    for (size_t i = 0; i < host->listener_count; i++) {
        grpc_server_drain(host->listeners[i], grace_ms);
    }
}

bool parley_server_wait(parley_server *server, int64_t timeout_ms)
{
    const struct host *host = host_of(server);
    int64_t start_ms = pl_clock_monotonic_ms();
    bool is_over = true;
    for (size_t i = 0; i < host->listener_count; i++) {
        int64_t passed_ms = pl_clock_monotonic_ms() - start_ms;
        int64_t left_ms = passed_ms < timeout_ms ? timeout_ms - passed_ms : 0;
        is_over = grpc_server_wait(host->listeners[i], left_ms) && is_over;
    }
    return is_over;
}

/* All listeners drain at the same time. */
static int64_t drain_max_ms(const struct host *host, int64_t grace_ms)
{
    int64_t max_ms = 0;
    for (size_t i = 0; i < host->listener_count; i++) {
        int64_t listener_ms = grpc_server_drain_max_ms(host->listeners[i], grace_ms);
        max_ms = listener_ms > max_ms ? listener_ms : max_ms;
    }
    return max_ms;
}

parley_error *parley_server_run(parley_server *server, int64_t grace_ms)
{
    sigset_t wanted;
    sigset_t before;
    int number = 0;
    (void)sigemptyset(&wanted);
    (void)sigaddset(&wanted, SIGINT);
    (void)sigaddset(&wanted, SIGTERM);
    if (pthread_sigmask(SIG_BLOCK, &wanted, &before) != 0 || sigwait(&wanted, &number) != 0) {
        return parley_error_new(PARLEY_INTERNAL, "cannot wait for a signal");
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    parley_server_drain(server, grace_ms);
    return parley_server_wait(server, drain_max_ms(host_of(server), grace_ms))
               ? NULL
               : parley_error_new(PARLEY_DEADLINE_EXCEEDED, "connections are left after the drain");
}
