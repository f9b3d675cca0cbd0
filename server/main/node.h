/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_MAIN_NODE_H
#define PARLEY_MAIN_NODE_H

/* One server in one process: store, services, loops and gRPC listeners, wired. Knows no signals, no
 * logs and no files but the store's. @thread main */

#include "core/config.h"

#include <stdint.h>

struct node; /* opaque */

/* Open the store, start the loops, listen; from then on calls are answered. @param config  keeps
 * until node_close. @return PARLEY_OK with *node owned (node_close). Blocks */
PL_MUST_CHECK enum parley_code node_open(const struct config *config, struct node **node,
                                         struct pl_error *err);
/* With the port that it really has. Borrowed until close. */
const char *node_address(const struct node *node);
/* Use the certificate files of `config` for connections from now on. */
PL_MUST_CHECK enum parley_code node_reload_tls(struct node *node, const struct config *config,
                                               struct pl_error *err);
/* Health says NOT_SERVING, clients are told to go elsewhere, calls may go on for grace_ms. Returns
 * when no connection is left, or a few seconds after the grace. */
void node_drain(struct node *node, int64_t grace_ms);
/* End what is left, finish what the store has queued, free. NULL is fine. Blocks */
void node_close(struct node *node);

#endif /* PARLEY_MAIN_NODE_H */
