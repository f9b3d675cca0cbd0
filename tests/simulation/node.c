/* SPDX-License-Identifier: Apache-2.0 */
/* A server of the simulation; see node.h. Opened and closed as server/main/node.c does. */
#include "node.h"

#include "sim.h"
#include "sim_bus.h"

#include "call/call.h"
#include "call/server.h"
#include "chat/chat.h"
#include "core/loops.h"
#include "fanout/hub.h"
#include "grpc/grpc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sim_node {
    unsigned number;
    struct store *store;
    struct loops *loops;
    struct bus *bus;
    struct hub *hub;
    parley_server *server;
    struct chat *chat;
    struct grpc_server *grpc;
};

static void must(enum parley_code code, const char *what)
{
    if (code != PARLEY_OK) {
        (void)fprintf(stderr, "simulated node: cannot open its %s\n", what);
        abort();
    }
}

static enum parley_code identify(void *context, parley_server_call *call, struct pl_error *err)
{
    static const char scheme[] = "Bearer ";
    (void)context;
    const char *token =
        parley_metadata_find(parley_server_call_metadata(call), "authorization", NULL);
    if (token == NULL || strncmp(token, scheme, sizeof(scheme) - 1) != 0) {
        return pl_fail(err, PARLEY_UNAUTHENTICATED, "who are you?");
    }
    return call_set_identity(call, token + sizeof(scheme) - 1) == 0
               ? PARLEY_OK
               : pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "out of memory");
}

static void open_services(struct sim_node *node)
{
    const struct interceptor interceptor = {.on_open = identify};
    /* Small, so that pages, tails and full queues are met all the time. */
    const struct hub_options options = {
        .store = node->store,
        .loops = node->loops,
        .encode = chat_encode,
        .page_events = (size_t)sim_mostly_short(2, 64),
        .tail_bytes = (size_t)sim_mostly_short(256, 16384),
        .bus = node->bus,
        .poll_ms = 300,
        .sweep_ms = 2000,
    };
    must(hub_new(&options, &node->hub, NULL), "hub");
    must(server_new(&node->server, NULL), "server");
    must(server_add_interceptor(node->server, &interceptor, NULL), "interceptor");
    must(chat_new(node->server, node->store, node->hub, &node->chat, NULL), "services");
}

static void listen(struct sim_node *node)
{
    char address[32];
    (void)snprintf(address, sizeof(address), "127.0.0.1:%u", node->number);
    const struct grpc_server_options options = {
        .address = address,
        .limits = {.write_high_water = (uint32_t)sim_mostly_short(512, 65536),
                   .ping_min_ms = 100,
                   .stream_window = (uint32_t)sim_mostly_short(4096, 65536)},
        .keepalive_ms = 2000,
        .keepalive_timeout_ms = 1000,
        .age_ms = sim_chance(300) ? sim_between(1000, 10000) : 0,
    };
    must(grpc_server_start(node->loops, node->server, &options, &node->grpc, NULL), "listener");
}

struct sim_node *sim_node_up(unsigned number, struct database *database)
{
    struct sim_node *node = calloc(1, sizeof(*node));
    must(node != NULL ? PARLEY_OK : PARLEY_RESOURCE_EXHAUSTED, "memory");
    sim_note("node %u: up", number);
    sim_set_group(number);
    node->number = number;
    node->store = sim_store_open(database);
    must(loops_new(1 + (unsigned)sim_roll(SIM_LOOPS_MAX), &node->loops, NULL), "loops");
    node->bus = sim_bus_new();
    open_services(node);
    must(loops_start(node->loops, NULL), "loops");
    listen(node);
    return node;
}

static void settle(struct sim_node *node)
{
    for (unsigned i = 0; i < loops_count(node->loops); i++) {
        sim_loop_settle(loops_get(node->loops, i));
    }
}

/* Nothing of this is seen by anybody: the store takes no more, and the connections are cut. */
static void take_down(struct sim_node *node)
{
    sim_store_kill(node->store);
    bus_stop(node->bus);
    sim_net_cut_group(node->number);
    settle(node);
    grpc_server_stop(node->grpc);
    store_close(node->store);
    loops_stop(node->loops);
    grpc_server_free(node->grpc);
    chat_free(node->chat);
    hub_free(node->hub);
    bus_free(node->bus);
    server_free(node->server);
    loops_free(node->loops);
    free(node);
}

void sim_node_kill(struct sim_node *node)
{
    sim_note("node %u: killed", node->number);
    take_down(node);
}

void sim_node_drain(struct sim_node *node)
{
    int64_t until_us = sim_now_us() + INT64_C(5000000);
    sim_note("node %u: drains", node->number);
    grpc_server_drain(node->grpc, sim_between(0, 2000));
    while (grpc_server_connection_count(node->grpc) > 0 && sim_now_us() < until_us && sim_step()) {
    }
    sim_note("node %u: down", node->number);
    take_down(node);
}

void sim_node_freeze(struct sim_node *node, int64_t for_us)
{
    sim_note("node %u: frozen for %lld ms", node->number, (long long)for_us / 1000);
    for (unsigned i = 0; i < loops_count(node->loops); i++) {
        sim_loop_freeze(loops_get(node->loops, i), for_us);
    }
}
