/* SPDX-License-Identifier: Apache-2.0 */
/* Wires the server. Opened from the bottom up, closed from the top down: whoever can still be
 * called is freed after those who call it. */
#include "main/node.h"

#include "base/log.h"
#include "base/mem.h"
#include "builtin/health.h"
#include "builtin/reflection.h"
#include "call/server.h"
#include "chat/chat.h"
#include "core/loops.h"
#include "fanout/bus/bus.h"
#include "fanout/hub.h"
#include "grpc/grpc.h"
#include "guard/auth.h"
#include "main/bus.h"
#include "main/cache.h"
#include "main/key.h"
#include "main/store.h"
#include "retention/trimmer.h"
#include "transport/tls.h"

#define DAY_MS (INT64_C(24) * 3600 * 1000)

struct node {
    const struct config *config;
    struct store *store;
    struct loops *loops;
    parley_server *server;
    struct auth *auth;
    struct bus *bus; /* NULL: none */
    struct hub *hub;
    struct trimmer *trimmer; /* NULL: others trim */
    struct chat *chat;
    struct health *health;
    struct reflection *reflection;
    struct pl_tls *tls;
    struct grpc_server *grpc;
};

static enum parley_code open_store(struct node *node, struct pl_error *err)
{
    enum parley_code code = main_store_open(node->config, &node->store, err);
    return code == PARLEY_OK ? cache_add(node->config, &node->store, err)
                             : pl_error_wrap(err, "store: ");
}

static enum parley_code open_hub(struct node *node, struct pl_error *err)
{
    enum parley_code code = main_bus_new(node->config, &node->bus, err);
    if (code != PARLEY_OK) {
        return code;
    }
    const struct hub_options options = {
        .store = node->store,
        .loops = node->loops,
        .encode = chat_encode,
        .bus = node->bus,
        .is_shared = main_store_is_shared(node->config),
        .poll_ms = node->config->bus_poll_ms,
        .sweep_ms = node->config->bus_sweep_ms,
        .follows_max = (size_t)node->config->limits_follows,
        .follows_per_user_max = (size_t)node->config->limits_follows_per_user,
    };
    hub_register_metrics();
    return hub_new(&options, &node->hub, err);
}

static enum parley_code add_auth(struct node *node, struct pl_error *err)
{
    struct auth_key key;
    enum parley_code code = key_get(node->config, &key, err);
    if (code != PARLEY_OK) {
        return code;
    }
    code = auth_new(&key, loops_count(node->loops), (size_t)node->config->auth_cache, &node->auth,
                    err);
    auth_key_wipe(&key);
    if (code != PARLEY_OK) {
        return code;
    }
    struct interceptor interceptor = auth_interceptor(node->auth);
    return server_add_interceptor(node->server, &interceptor, err);
}

/* In this order: health and reflection tell of the services that were there before them. */
static enum parley_code add_services(struct node *node, struct pl_error *err)
{
    enum parley_code code = chat_new(node->server, node->store, node->hub, &node->chat, err);
    if (code == PARLEY_OK) {
        code = health_new(node->server, node->loops, true, &node->health, err);
    }
    if (code == PARLEY_OK) {
        code = reflection_new(node->server, &node->reflection, err);
    }
    if (code == PARLEY_OK) {
        code = server_register_metrics(node->server, err);
    }
    return code;
}

static enum parley_code make_tls(const struct config *config, struct pl_tls **tls,
                                 struct pl_error *err)
{
    if (config->tls_cert[0] == '\0') {
        *tls = NULL;
        return PARLEY_OK;
    }
    const struct pl_tls_server_options options = {
        .cert_file = config->tls_cert,
        .key_file = config->tls_key,
        .client_ca_file = config->tls_client_ca[0] != '\0' ? config->tls_client_ca : NULL,
    };
    return pl_tls_server_new(&options, tls, err);
}

static enum parley_code listen_grpc(struct node *node, struct pl_error *err)
{
    const struct config *config = node->config;
    enum parley_code code = make_tls(config, &node->tls, err);
    if (code != PARLEY_OK) {
        return code;
    }
    const struct grpc_server_options options = {
        .address = config->listen,
        .tls = node->tls,
        .connections_max = (unsigned)config->limits_connections,
        .connections_per_address_max = (unsigned)config->limits_connections_per_address,
        .handshakes_max = (unsigned)config->limits_handshakes,
        .accepts_per_s = (unsigned)config->limits_accepts_per_second,
        .limits = {.streams_max = (uint32_t)config->limits_streams,
                   .ping_min_ms = (uint32_t)config->connection_ping_min_ms,
                   .message_bytes_max = (uint32_t)config->limits_message_bytes,
                   .write_high_water = (uint32_t)config->limits_stream_queue_bytes},
        .compress = config->connection_compress,
        .keepalive_ms = config->connection_keepalive_ms,
        .keepalive_timeout_ms = config->connection_keepalive_timeout_ms,
        .idle_ms = config->connection_idle_ms,
        .age_ms = config->connection_age_ms,
        .drain_spread_ms = config->drain_spread_ms,
        .age_grace_ms = config->connection_age_grace_ms,
    };
    grpc_server_register_metrics();
    return grpc_server_start(node->loops, node->server, &options, &node->grpc, err);
}

static void run_trimmer_start(struct pl_loop *loop, void *context)
{
    struct node *node = context;
    (void)loop;
    if (trimmer_start(node->trimmer) != 0) {
        trimmer_free(node->trimmer);
        node->trimmer = NULL;
    }
}

static void run_trimmer_stop(struct pl_loop *loop, void *context)
{
    (void)loop;
    trimmer_stop(((struct node *)context)->trimmer);
}

static enum parley_code start_trimmer(struct node *node, struct pl_error *err)
{
    const struct config *config = node->config;
    const struct trimmer_options options = {
        .store = node->store,
        .loop = loops_get(node->loops, 0),
        .retention = {.age_ms = config->retention_days * DAY_MS,
                      .messages = config->retention_messages},
        .every_ms = config->retention_every_ms,
        .per_second = config->retention_rate,
    };
    trimmer_register_metrics();
    if (config->retention_every_ms == 0) {
        return PARLEY_OK;
    }
    node->trimmer = trimmer_new(&options);
    if (node->trimmer != NULL) {
        loops_call(node->loops, 0, run_trimmer_start, node);
    }
    return node->trimmer != NULL
               ? PARLEY_OK
               : pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for the trimmer");
}

enum parley_code node_open(const struct config *config, struct node **out, struct pl_error *err)
{
    struct node *node = pl_xcalloc(1, sizeof(*node));
    node->config = config;
    enum parley_code code = open_store(node, err);
    if (code == PARLEY_OK) {
        code = loops_new((unsigned)config->loops, &node->loops, err);
    }
    if (code == PARLEY_OK) {
        code = open_hub(node, err);
    }
    if (code == PARLEY_OK) {
        code = server_new(&node->server, err);
    }
    if (code == PARLEY_OK) {
        code = add_auth(node, err);
    }
    if (code == PARLEY_OK) {
        code = add_services(node, err);
    }
    if (code == PARLEY_OK) {
        code = loops_start(node->loops, err);
    }
    if (code == PARLEY_OK) {
        code = start_trimmer(node, err);
    }
    if (code == PARLEY_OK) {
        code = listen_grpc(node, err);
    }
    if (code != PARLEY_OK) {
        node_close(node);
        return code;
    }
    *out = node;
    return PARLEY_OK;
}

const char *node_address(const struct node *node)
{
    return grpc_server_address(node->grpc);
}

enum parley_code node_reload_tls(struct node *node, const struct config *config,
                                 struct pl_error *err)
{
    struct pl_tls *tls = NULL;
    if ((config->tls_cert[0] != '\0') != (node->tls != NULL)) {
        return pl_fail(err, PARLEY_FAILED_PRECONDITION,
                       "TLS cannot be turned on or off without a restart");
    }
    enum parley_code code = make_tls(config, &tls, err);
    if (code != PARLEY_OK || tls == NULL) {
        return code;
    }
    grpc_server_set_tls(node->grpc, tls);
    pl_tls_unref(node->tls);
    node->tls = tls;
    return PARLEY_OK;
}

void node_drain(struct node *node, int64_t grace_ms)
{
    health_drain(node->health);
    grpc_server_drain(node->grpc, grace_ms);
    (void)grpc_server_wait(node->grpc, grpc_server_drain_max_ms(node->grpc, grace_ms));
}

void node_close(struct node *node)
{
    if (node == NULL) {
        return;
    }
    if (node->grpc != NULL) {
        grpc_server_stop(node->grpc);
    }
    if (node->trimmer != NULL) {
        loops_call(node->loops, 0, run_trimmer_stop, node);
    }
    bus_stop(node->bus);
    /* What the store completes comes back to the loops by mail, so they outlive it. */
    store_close(node->store);
    if (node->loops != NULL) {
        loops_stop(node->loops);
    }
    grpc_server_free(node->grpc);
    reflection_free(node->reflection);
    health_free(node->health);
    chat_free(node->chat);
    trimmer_free(node->trimmer);
    hub_free(node->hub);
    bus_free(node->bus);
    server_free(node->server);
    auth_free(node->auth);
    pl_tls_unref(node->tls);
    loops_free(node->loops);
    pl_free(node);
}
