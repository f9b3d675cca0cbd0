/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_SIM_ACTOR_H
#define PARLEY_TEST_SIM_ACTOR_H

/* A user with an application on the SDK's chat client, who writes to the checker all that they do
 * and are told: sends, subscribes, cancels, changes members, restarts the application. */

#include "checker.h"

#include <stdbool.h>
#include <stddef.h>

struct actor; /* opaque */

struct actor_options {
    const char *user;
    unsigned group;                   /* of their loops and sockets */
    unsigned nodes;                   /* how many there are to connect to */
    const char *const *conversations; /* keeps */
    size_t conversation_count;
    const char *const *users; /* keeps: whom they may add and remove */
    size_t user_count;
    bool leaves_members;          /* ... but do not */
    unsigned *subscription_count; /* keeps: their numbers are one row for all actors of a run */
    struct checker *checker;      /* keeps */
};

/* Acts by themselves from now on. */
struct actor *actor_open(const struct actor_options *options);
/* Do nothing more than wait; every actor follows all then, with one more subscription. */
void actor_rest(struct actor *actor);
void actor_close(struct actor *actor);

#endif /* PARLEY_TEST_SIM_ACTOR_H */
