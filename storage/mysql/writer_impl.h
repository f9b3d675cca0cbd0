/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_MYSQL_WRITER_IMPL_H
#define PARLEY_MYSQL_WRITER_IMPL_H

/* What the files of the writer share: writer.c (batches, transactions and how they fail), heads.c
 * (the conversations of a batch, locked), messages.c (messages, and those that are there already),
 * members.c (conversations, members), links.c (lists of users, outbox), trim.c (retention),
 * doubts.c (commits whose answer was lost).
 *
 * Functions that use the database report a request's own failure in request->error, and what stops
 * the transaction in writer->trouble and writer->failure; when that is set, nothing more is done in
 * it. @thread the writer of a lane */

#include "mysql/engine_impl.h"
#include "mysql/roles.h"

struct pl_map;

#define MDB_STATEMENT_BYTES (2U << 20) /* one is sent when it is so long: servers have a limit */
/* In one statement: with more ranges than fit their memory, optimizers begin to read whole tables.
 */
#define MDB_KEYS_MAX 1000

/* A conversation of the batch, as its row is in the transaction. */
struct mdb_head {
    struct store_bytes id; /* in a request */
    int64_t bucket;
    int64_t serial; /* 0: there is no such conversation */
    int64_t number;
    int64_t head_seq;
    int64_t ordinal;
    int64_t last_at_ms;
    int64_t member_count;
    int64_t members_seq;
    size_t event_count; /* added by the transaction */
    bool is_here;       /* this shard serves it; if not, nothing else here means anything */
};

enum mdb_fate {
    MDB_FATE_COMMITTED,
    MDB_FATE_ROLLED_BACK,
    MDB_FATE_UNKNOWN
};

struct mdb_doubt;

struct mdb_added {
    struct store_event event;
    size_t head_index;
};

struct shard_writer {
    struct mysql_engine *engine;
    struct mdb_place *place;
    unsigned lane;
    int64_t id;          /* random: names this writer in the tables writer and outbox */
    int64_t transaction; /* its number */
    struct mdb_roles *roles;
    struct mdb_sql sql;  /* of the statement at hand */
    struct mdb_sql rows; /* the INSERT of the transaction's events */

    /* The transaction. */
    struct mdb_conn *conn;
    int64_t deadline_ns;
    int64_t now_ms;
    bool is_careful; /* messages that are there already have been looked up: `known` */
    bool has_changed_roles;
    bool is_map_old;    /* the shard's epoch is another than the one we know */
    bool has_met_fence; /* in this batch */
    bool is_committing; /* a COMMIT has been sent: what is lost now may be stored */
    enum mdb_result trouble;
    struct pl_error failure;
    struct pl_map *known; /* careful: key of a message -> struct mdb_known */
    struct pl_arena arena;

    /* The batch, or the part of it that is tried alone. */
    struct store_request **requests;
    size_t request_count;
    size_t *head_of;        /* of each request of the batch: its place in `heads` */
    struct mdb_head *heads; /* by bucket and id */
    size_t head_count;
    struct mdb_added *added;
    size_t added_count;
    struct store_event *events; /* by conversation */
    size_t event_count;
    struct store_commit *commits;
    size_t commit_count;
    size_t capacity; /* of the arrays above */
    struct shard_link *links;
    size_t link_count;
    size_t link_capacity;
    struct pl_arena link_arena; /* of links that come from the outbox */
    int64_t outbox_next;

    /* A commit of which it is not known whether it was one; see doubts.c. NULL: there is none. */
    struct mdb_doubt *doubts;
    size_t doubt_count;
    size_t doubt_events; /* in all of them */
    int64_t doubt_transaction;
    size_t failed_requests; /* since the last log record of failures */
    int64_t next_log_ns;
    bool must_claim;  /* the batch takes over what other writers left in the outbox */
    bool is_all;      /* the transaction leaves nothing there to be taken over */
    bool has_claimed; /* it was committed */
};

/* Whether this shard may change what belongs to the user or conversation, as long as the
 * transaction lasts. */
static inline bool mdb_writer_owns(const struct shard_writer *writer, struct store_bytes id)
{
    return mdb_map_serves(&writer->engine->map, writer->place->index, shard_bucket(id.data, id.len),
                          true);
}

static inline bool mdb_writer_is_well(const struct shard_writer *writer)
{
    return PL_LIKELY(writer->trouble == MDB_OK);
}

/* Nothing more can be done in this transaction. */
void mdb_writer_break(struct shard_writer *writer, enum parley_code code, const char *text);
/* Begin a statement in writer->sql. */
struct mdb_sql *mdb_writer_sql(struct shard_writer *writer);
/* Run writer->sql; or read its rows and finish. False: the transaction is broken. */
bool mdb_writer_run(struct shard_writer *writer);
bool mdb_writer_finish(struct shard_writer *writer);
/* A copy in the arena of the transaction. data NULL: broken for want of memory. */
struct store_bytes mdb_writer_copy(struct shard_writer *writer, struct pl_arena *arena,
                                   struct store_bytes bytes);

/* Have a connection, or say in writer->failure why there is none. */
bool mdb_writer_take_connection(struct shard_writer *writer, bool is_patient);
void mdb_writer_give_back(struct shard_writer *writer);

/* doubts.c */

/* What became of a transaction after a COMMIT whose answer never came; UNKNOWN: see
 * writer->failure. */
enum mdb_fate mdb_doubts_find_out(struct shard_writer *writer, int64_t transaction);
/* The fate of the transaction at hand is unknown: remember what it may have added. */
void mdb_doubts_note(struct shard_writer *writer);
/* Find out about what was noted, and report as commits what is stored. False: not now. */
bool mdb_doubts_settle(struct shard_writer *writer);
void mdb_doubts_forget(struct shard_writer *writer);

/* heads.c */

/* Find the conversations of the requests; no database. */
void mdb_heads_gather(struct shard_writer *writer);
/* Add to `sql`: SELECT ... FOR UPDATE of all of them, in the order of their ids. */
void mdb_heads_add_lock(const struct shard_writer *writer, struct mdb_sql *sql);
/* Take the rows; these are the next results, and the last. */
void mdb_heads_take(struct shard_writer *writer);
/* See which of them this shard serves, once the shard map is known. */
void mdb_heads_place(struct shard_writer *writer);
/* Add to `sql`: the update of all that changed. @return false: none did */
bool mdb_heads_add_update(const struct shard_writer *writer, struct mdb_sql *sql);

/* messages.c */

/* Look up the roles that are not remembered and, if careful, the messages that are there. */
void mdb_messages_prepare(struct shard_writer *writer);
void mdb_messages_append(struct shard_writer *writer, struct store_append *append,
                         struct mdb_head *head);
/* The role of a user, looked up if it is not remembered. */
enum store_role mdb_writer_role(struct shard_writer *writer, const struct mdb_head *head,
                                struct store_bytes user);
/* The time of the next event of a conversation. */
int64_t mdb_writer_time(const struct shard_writer *writer, const struct mdb_head *head);
/* Add an event to the INSERT of the transaction, and advance its conversation. */
void mdb_writer_add(struct shard_writer *writer, struct mdb_head *head,
                    const struct store_event *event);

/* members.c */
void mdb_members_create(struct shard_writer *writer, struct store_create *create,
                        struct mdb_head *head);
void mdb_members_change(struct shard_writer *writer, struct store_change_members *change,
                        struct mdb_head *head);

/* links.c */

/* Bring users' lists up to date: here if they live on this database, else through the outbox. */
void mdb_links_add(struct shard_writer *writer, const struct mdb_head *head,
                   const struct shard_link *links, size_t count);
void mdb_links_apply(struct shard_writer *writer, struct shard_link_request *request);
void mdb_links_forget(struct shard_writer *writer, const struct shard_forget_request *request);
/* Take over what other writers have in the outbox: of one conversation, or (NULL) of all, as much
 * as makes a round. @return whether nothing is left */
bool mdb_links_claim(struct shard_writer *writer, const struct mdb_head *head);
/* Load our own outbox into writer->links, as much as makes a round.
 * @param last  the row that it ends with. @return whether that is all */
bool mdb_links_load(struct shard_writer *writer, int64_t *last);

/* trim.c */
void mdb_set_retention(struct shard_writer *writer, struct store_set_retention *set,
                       const struct mdb_head *head);
void mdb_trim(struct shard_writer *writer, struct store_trim *trim, const struct mdb_head *head);

#endif /* PARLEY_MYSQL_WRITER_IMPL_H */
