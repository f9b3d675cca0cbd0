/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_SQLITE_WRITER_IMPL_H
#define PARLEY_SQLITE_WRITER_IMPL_H

/* What writer.c (transactions, messages), members.c (conversations, members, links) and trim.c
 * (retention) share.
 *
 * Functions that use the database report a request's own failure in request->error, and a failure
 * of the transaction in writer->failure; when that is set, nothing more is done in it.
 * @thread the shard's writer */

#include "shard/engine.h"
#include "sqlite/cache.h"

#include <sqlite3.h>

enum sqlite_writer_statement {
    WRITE_BEGIN,
    WRITE_COMMIT,
    WRITE_MESSAGE,
    WRITE_FIND_MESSAGE,
    WRITE_EVENT,
    WRITE_FIND_CONVERSATION,
    WRITE_DESCRIBE_CONVERSATION,
    WRITE_LAST_NUMBER,
    WRITE_CONVERSATION,
    WRITE_HEAD,
    WRITE_FIND_ROLE,
    WRITE_MEMBER,
    WRITE_NO_MEMBER,
    WRITE_LINK,
    WRITE_NO_LINK,
    WRITE_OUTBOX,
    WRITE_LIST_OUTBOX,
    WRITE_LAST_OUTBOX,
    WRITE_FORGET_OUTBOX,
    WRITE_FIND_FIRST,
    WRITE_LIST_OLDEST,
    WRITE_TRIM_MESSAGES,
    WRITE_TRIM_EVENTS,
    WRITE_FIRST,
    WRITE_RETENTION,
    WRITE_STATEMENTS
};

/* A conversation that the transaction changed. */
struct sqlite_touched {
    struct sqlite_head *head;
    struct store_bytes id; /* in a request */
    size_t event_count;
};

struct sqlite_added {
    struct store_event event;
    size_t touched_index;
};

struct shard_writer {
    sqlite3 *db;
    sqlite3_stmt *statements[WRITE_STATEMENTS];
    unsigned shard;
    unsigned shards;
    struct sqlite_cache cache;

    uint64_t transaction; /* its number */
    int64_t now_ms;
    struct pl_error failure;        /* of the transaction; code OK: it is well */
    struct sqlite_touched *touched; /* of the transaction: at most one for each request */
    size_t touched_count;
    struct sqlite_added *added;
    size_t added_count;

    struct store_event *events; /* of the batch, by conversation */
    size_t event_count;
    struct store_commit *commits;
    size_t commit_count;
    size_t capacity; /* of the four arrays above */
    struct shard_link *links;
    size_t link_count;
    size_t link_capacity;
    struct pl_arena link_arena; /* of links that come from the outbox */
    int64_t outbox_next;
};

static inline bool sqlite_writer_is_well(const struct shard_writer *writer)
{
    return PL_LIKELY(writer->failure.code == PARLEY_OK);
}

/* Record that the transaction cannot go on. */
void sqlite_writer_break(struct shard_writer *writer, enum parley_code code, const char *text);

/* Run a statement to its end and reset it. False: the transaction is broken. */
bool sqlite_writer_run(struct shard_writer *writer, enum sqlite_writer_statement index);
/* Run a statement to its first row. True: there is one; the caller resets the statement. */
bool sqlite_writer_first_row(struct shard_writer *writer, enum sqlite_writer_statement index);

/* A conversation by its id; NULL: there is none, or the transaction is broken. */
struct sqlite_head *sqlite_writer_find(struct shard_writer *writer, struct store_bytes id);
enum store_role sqlite_writer_role(struct shard_writer *writer, const struct sqlite_head *head,
                                   struct store_bytes user);
/* The time of the next event of a conversation. */
int64_t sqlite_writer_time(const struct shard_writer *writer, const struct sqlite_head *head);
/* Advance a conversation by an event that has been written, and remember it for the listener. */
void sqlite_writer_add(struct shard_writer *writer, struct sqlite_head *head, struct store_bytes id,
                       const struct store_event *event);

/* members.c */
void sqlite_writer_create(struct shard_writer *writer, struct store_create *create);
void sqlite_writer_change(struct shard_writer *writer, struct store_change_members *change);
void sqlite_writer_apply_links(struct shard_writer *writer,
                               const struct shard_link_request *request);
void sqlite_writer_forget(struct shard_writer *writer, const struct shard_forget_request *request);
/* Load the outbox into writer->links. False: the transaction is broken. */
bool sqlite_writer_load_outbox(struct shard_writer *writer);

/* trim.c */
void sqlite_writer_set_retention(struct shard_writer *writer, struct store_set_retention *set);
void sqlite_writer_trim(struct shard_writer *writer, struct store_trim *trim);

#endif /* PARLEY_SQLITE_WRITER_IMPL_H */
