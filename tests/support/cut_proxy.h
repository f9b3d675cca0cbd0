/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_SUPPORT_CUT_PROXY_H
#define PARLEY_TEST_SUPPORT_CUT_PROXY_H

/* Stands between a client and a server on loopback and breaks their connection at a moment that
 * depends on what the client says, not on the time. A thread of its own. @thread any */

#include <stdbool.h>

struct cut_proxy; /* opaque */

enum cut {
    CUT_NOTHING,
    CUT_BEFORE, /* the server never hears it */
    CUT_AFTER,  /* the server has done it; its answer does not arrive */
    CUT_STALL,  /* the same, but nobody is told: from then on all is silent, also what connects anew
                 */
};

/* NULL: it cannot be had. */
struct cut_proxy *cut_proxy_new(unsigned server_port);
void cut_proxy_free(struct cut_proxy *proxy); /* NULL is fine */
unsigned cut_proxy_port(const struct cut_proxy *proxy);

/* Do this, once, to the next connection on which the client says something that ends with `words`.
 * @param words  keeps; at most 31 bytes */
void cut_proxy_arm(struct cut_proxy *proxy, enum cut cut, const char *words);
/* Whether it has happened since it was armed. */
bool cut_proxy_has_cut(struct cut_proxy *proxy);
/* How often the server has said something. */
unsigned cut_proxy_answers(struct cut_proxy *proxy);
/* End a stall: what was silent is closed, what comes is served. */
void cut_proxy_heal(struct cut_proxy *proxy);

#endif /* PARLEY_TEST_SUPPORT_CUT_PROXY_H */
