/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_SHARD_ANSWER_H
#define PARLEY_SHARD_ANSWER_H

/* What engines share in answering reads: which function answers which request, scratch memory for
 * rows, how many rows fit, and how rows and failures get into the request. @thread one reader */

#include "shard/engine.h"

/* How an engine answers each read; all are given. */
struct shard_read_ops {
    void (*read_log)(struct shard_reader *reader, struct store_read *read);
    void (*get)(struct shard_reader *reader, struct store_get *get);
    void (*list_conversations)(struct shard_reader *reader, struct store_list_conversations *list);
    void (*list_members)(struct shard_reader *reader, struct store_list_members *list);
    void (*list_expired)(struct shard_reader *reader, struct store_list_expired *list);
    void (*look_up)(struct shard_reader *reader, struct shard_lookup_request *lookup);
};

void shard_answer(const struct shard_read_ops *ops, struct shard_reader *reader,
                  struct store_request *request);

/* The rows of one answer while they are read; kept for the next one. Zero-initialise. */
struct shard_rows {
    void *data;
    size_t bytes;
};

/* Room for `count` rows of `size` bytes; keeps what is in it. NULL: no memory. */
void *shard_rows_reserve(struct shard_rows *rows, size_t count, size_t size);
void shard_rows_deinit(struct shard_rows *rows);

/* Copy the rows into the arena of the request, as its result. Without memory the request fails and
 * has none. */
void shard_give_events(const struct shard_rows *rows, struct store_read *read);
void shard_give_conversations(const struct shard_rows *rows, struct store_list_conversations *list);
void shard_give_members(const struct shard_rows *rows, struct store_list_members *list);
/* store_list_expired: the ids, whose bytes are there already, and which was looked at last; len 0:
 * fewer than the limit were there, so that the bucket is at its end. */
void shard_give_expired(const struct shard_rows *rows, struct store_list_expired *list,
                        struct store_bytes last);
/* store_get: the id of the answer, in the arena of the request. */
void shard_give_id(struct store_get *get);

/* How many of the rows that are asked for one answer may hold. */
size_t shard_page_limit(size_t limit);

enum parley_code shard_fail_memory(struct pl_error *err);    /* for the answer */
enum parley_code shard_fail_not_found(struct pl_error *err); /* as the port says */

#endif /* PARLEY_SHARD_ANSWER_H */
