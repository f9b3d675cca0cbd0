/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_SIM_DATABASE_H
#define PARLEY_TEST_SIM_DATABASE_H

/* What is stored: the state that survives every crash, and what a request does to it. Knows no
 * time: each function is one transaction. store.c puts the store's port on top. */

#include "store/store.h"

struct database; /* opaque */

struct database *database_new(void);
void database_free(struct database *database);

/* Run a request against the state as it is now; fills results and error. For one that adds to a
 * log, *event is what was added; seq 0: nothing was. It is borrowed until database_free. */
void database_run(struct database *database, struct store_request *request, int64_t now_ms,
                  struct store_event *event);
/* Forget the oldest events of a conversation, up to half of them: retention. */
void database_trim(struct database *database, size_t conversation);

/* For the checker: everything, from the first event on, the forgotten ones too. */
size_t database_conversations(const struct database *database);
const char *database_id(const struct database *database, size_t conversation);
int64_t database_head(const struct database *database, size_t conversation);
int64_t database_first(const struct database *database, size_t conversation);
const struct store_event *database_event(const struct database *database, size_t conversation,
                                         int64_t seq);
bool database_is_member(const struct database *database, const char *conversation_id,
                        const char *user);

#endif /* PARLEY_TEST_SIM_DATABASE_H */
