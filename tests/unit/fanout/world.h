/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_FANOUT_WORLD_H
#define PARLEY_TEST_FANOUT_WORLD_H

/* A hub over the store in slow motion, two loops that the test turns by hand, and listeners that
 * write down what they are told and fail the test at once when an event is repeated, skipped or
 * out of order. */

#include "core/loops.h"
#include "fanout/bus/bus.h"
#include "fanout/hub.h"
#include "script_store.h"

#define WORLD_LOOPS 2

struct world {
    struct script_store *store;
    struct loops *loops;
    struct hub *hub;
    size_t follows_max; /* of a loop; 0: the hub's own, as the next */
    size_t follows_per_user_max;
};

/* What a listener knows of one conversation. */
struct heard {
    char id[16];
    int64_t seq; /* of the last event, or the cursor */
    int64_t caught_up_seq;
    int64_t first_seq; /* of the last truncation */
    size_t caught_up_count;
    bool is_removed;
    bool is_new; /* learned from the hub */
};

struct listener {
    struct hub_stream *stream;
    struct heard heard[SCRIPT_LOGS];
    size_t heard_count;
    size_t room; /* sends before it is full */
    size_t sends;
    int64_t first_seq; /* of the first event; 0: none came */
    bool is_full;
    bool is_gone;
    enum parley_code failed;
};

/* A node of its own. @param origin  whose logs it has; NULL: its own. @param bus  NULL: none */
void world_open(struct world *world, struct script_store *origin, struct bus *bus);
void world_close(struct world *world);
int world_setup(void **state);
int world_teardown(void **state);
/* Turn the loops until nothing moves. Serves no request. */
void world_turn(struct world *world);
/* Turn and serve until nothing moves. */
void world_settle(struct world *world);

#define LISTENER_ENDLESS ((size_t)-1)

void listener_open(struct world *world, struct listener *listener, unsigned loop, const char *user);
void listener_follow(struct listener *listener, const char *id, int64_t after_seq);
struct heard *listener_find(struct listener *listener, const char *id);
/* Make room for so many sends. */
void listener_drain(struct listener *listener, size_t room);
void listener_close(struct listener *listener);

#endif /* PARLEY_TEST_FANOUT_WORLD_H */
