/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_BUS_RABBITMQ_LINK_H
#define PARLEY_BUS_RABBITMQ_LINK_H

/* One connection to a broker, logged in, with one channel open. @thread worker */

#include "fanout/bus/options.h"

#include <amqp.h>

#define LINK_CHANNEL 1

struct link_options {
    struct bus_servers servers;
    struct bus_credentials credentials; /* of kind NONE: those of the URL */
    char *tls_ca;                       /* NULL: none */
    char *tls_cert;
    char *tls_key;
};

/* Try all servers, from a random one on. @return PARLEY_OK with *link owned (link_close) */
PL_MUST_CHECK enum parley_code link_open(const struct link_options *options,
                                         amqp_connection_state_t *link, struct pl_error *err);
void link_close(amqp_connection_state_t link); /* NULL is fine */
/* The outcome of a call of the library. */
PL_MUST_CHECK enum parley_code link_check(amqp_rpc_reply_t reply, struct pl_error *err);

#endif /* PARLEY_BUS_RABBITMQ_LINK_H */
