/* SPDX-License-Identifier: Apache-2.0 */
/* See node.h. */
#include "node.h"

#include "die.h"

#include "call/server.h"
#include "core/loops.h"
#include "grpc/grpc.h"

#include <signal.h>
#include <stdlib.h>

#define LOOPS 2

struct node {
    struct loops *loops;
    parley_server *server;
    struct grpc_server *grpc;
};

static void must(enum parley_code code, const struct pl_error *err)
{
    if (code != PARLEY_OK) {
        die("the server does not start: %s", err->text);
    }
}

static void block_signals(sigset_t *set)
{
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGTERM);
    (void)sigaddset(set, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, set, NULL);
}

struct node *node_start(const struct node_options *options)
{
    struct node *node = calloc(1, sizeof(*node));
    struct pl_error err = PL_ERROR_INIT;
    struct pl_tls *tls = NULL;
    sigset_t set;
    if (node == NULL) {
        die("out of memory");
    }
    block_signals(&set); /* before the threads, which inherit it */
    (void)sigaddset(&set, SIGPIPE);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (options->tls != NULL) {
        must(pl_tls_server_new(options->tls, &tls, &err), &err);
    }
    must(loops_new(LOOPS, &node->loops, &err), &err);
    must(server_new(&node->server, &err), &err);
    if (options->register_services(node->server, options->context) != 0) {
        die("a service cannot be registered");
    }
    must(loops_start(node->loops, &err), &err);
    const struct grpc_server_options grpc = {.address = options->address,
                                             .tls = tls,
                                             .limits = options->limits,
                                             .keeps_closed_streams = options->keeps_closed_streams};
    must(grpc_server_start(node->loops, node->server, &grpc, &node->grpc, &err), &err);
    pl_tls_unref(tls);
    return node;
}

const char *node_address(const struct node *node)
{
    return grpc_server_address(node->grpc);
}

void node_wait_for_signal(void)
{
    sigset_t set;
    int number = 0;
    block_signals(&set);
    (void)sigwait(&set, &number);
}

void node_stop(struct node *node)
{
    grpc_server_stop(node->grpc);
    loops_stop(node->loops);
    grpc_server_free(node->grpc);
    server_free(node->server);
    loops_free(node->loops);
    free(node);
}
