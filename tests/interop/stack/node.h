/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_INTEROP_NODE_H
#define PARLEY_INTEROP_NODE_H

/* A server of our stack around somebody's services, for programs that other gRPC implementations
 * talk to. @thread main */

#include "transport/tls.h"
#include "wire/session.h"

#include "parley/stub.h"

struct node_options {
    const char *address;                     /* "127.0.0.1:0" */
    const struct pl_tls_server_options *tls; /* NULL: cleartext */
    struct pl_session_limits limits;
    bool keeps_closed_streams;
    /* 0, or -1 as the generated ..._register */
    int (*register_services)(parley_server *server, void *context);
    void *context;
};

struct node; /* opaque */

struct node *node_start(const struct node_options *options);
const char *node_address(const struct node *node); /* with the port that it really has */
void node_wait_for_signal(void);                   /* SIGTERM or SIGINT */
void node_stop(struct node *node);

#endif /* PARLEY_INTEROP_NODE_H */
