/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_STORE_WORLD_H
#define PARLEY_TEST_STORE_WORLD_H

/* One test's store, empty and open, and the short ways to use it. Whatever goes wrong in these
 * functions fails the test: @thread the test's own. */

#include "ask.h"
#include "engine.h"
#include "support/check.h"

struct world {
    const struct engine *engine;
    void *place;
    struct store *store;
};

/* The engine of this run. */
extern const struct engine *world_engine;

int world_setup(void **state);
int world_teardown(void **state);

#define STORE_TEST(function) cmocka_unit_test_setup_teardown(function, world_setup, world_teardown)

/* The groups of the suite, a file each. Each returns how many tests failed. */
int append_tests(void);
int conversations_tests(void);
int dedup_tests(void);
int history_tests(void);
int lifecycle_tests(void);
int limits_tests(void);
int listener_tests(void);
int lists_tests(void);
int members_tests(void);
int retention_tests(void);
int work_tests(void);

/* Close the store, and open it with other options; NULL: the defaults. */
void world_reopen(struct world *world, const struct engine_options *options);

/* Make a conversation; `members` are separated by blanks. */
void world_create(struct world *world, const char *conversation, const char *creator,
                  const char *members);
/* Add, remove (`users` are separated by blanks) or leave (`users` is ""). */
enum parley_code world_change(struct world *world, enum store_kind kind, const char *conversation,
                              const char *actor, const char *users);
/* Send a text. Returns its seq. */
int64_t world_send(struct world *world, const char *conversation, const char *sender,
                   const char *client_message_id, const char *text);
/* Try to. */
enum parley_code world_try_send(struct world *world, const char *conversation, const char *sender,
                                const char *client_message_id);
/* Send `count` texts "0", "1", ... with the ids "<prefix><number>". */
void world_fill(struct world *world, const char *conversation, const char *sender,
                const char *prefix, size_t count);

/* Submit a read that checks no user and wait; the caller releases it. */
void world_read(struct world *world, struct ask *ask, const char *conversation, int64_t from_seq,
                size_t limit);
/* The whole log is there: 1, 2, 3 ... to its head, times and ordinals in step. Returns the head. */
int64_t world_check_log(struct world *world, const char *conversation);
/* What is known of a conversation. */
void world_get(struct world *world, struct ask *ask, const char *conversation, const char *user);
/* The ids of the conversations of a user, separated by blanks, a page of `limit` at a time. */
void world_list(struct world *world, const char *user, size_t limit, char *out, size_t size);

/* Split "a b c" into at most `max` ids. Returns how many. */
size_t world_split(const char *text, struct store_bytes *out, size_t max);

#endif /* PARLEY_TEST_STORE_WORLD_H */
