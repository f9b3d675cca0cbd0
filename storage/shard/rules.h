/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_SHARD_RULES_H
#define PARLEY_SHARD_RULES_H

/* What the port says of writes, once for all engines: who may do what, what is kept, and what fails
 * when. */

#include "shard/engine.h"

/* Whether somebody of this role may make the change; if not, the request has its failure.
 * @param is_there  whether there is such a conversation */
bool shard_may_change(bool is_there, enum store_role role, struct store_change_members *change);
/* The same of a change of its own limits. */
bool shard_may_set_retention(bool is_there, enum store_role role, struct store_set_retention *set);

/* Whether the conversation that is there was created by the same user; if not, the request has its
 * failure. */
bool shard_is_creator(struct store_create *create);

/* What is kept of a conversation: its own limits before the default's. */
struct store_retention shard_retention(const struct store_retention *standard,
                                       struct store_retention own);
/* Whether nothing is trimmed by it. */
bool shard_keeps_all(const struct store_retention *retention);
/* Whether an event is past what is kept.
 * @param head_ordinal  of the conversation; the others are the event's */
bool shard_is_expired(const struct store_retention *retention, int64_t now_ms, int64_t head_ordinal,
                      int64_t created_at_ms, int64_t ordinal);

void shard_fail_append(struct store_append *append);  /* the sender may not */
void shard_fail_trim(struct store_trim *trim);        /* no such conversation */
void shard_fail_write(struct store_request *request); /* it is none */

/* The rows of the outbox that a batch was to report could not be read. They stay; whoever needs
 * them applied has to ask again. */
void shard_fail_resync(struct shard_batch *batch, const struct pl_error *failure);

#endif /* PARLEY_SHARD_RULES_H */
