/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_STORE_STORE_H
#define PARLEY_STORE_STORE_H

/* The port: what a store of conversations promises. Plain C structs; no protobuf, no event loop.
 *
 * Promises, tested for every engine by tests/conformance:
 *  - a write that completes with PARLEY_OK is on disk and survives kill -9;
 *  - the seq of a conversation is 1, 2, 3 ... in commit order, without holes;
 *  - the same (conversation, sender, client_message_id) is stored once, for ever: a repeat
 * completes with PARLEY_OK and the first seq and time, also when the message was trimmed;
 *  - writes of one conversation that are submitted one after the other commit in that order;
 *  - a read that is submitted after a write completed sees it;
 *  - a send costs the same whatever the number of members, and the length of the log.
 *
 * Every operation is a request: the caller fills it, submits it and must leave it alone until
 * `done`, which comes exactly once, on a thread of the store and never inside the call that
 * submits. Inputs are borrowed until `done`; results live in the request until the caller releases
 * it. */

#include "base/arena.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define STORE_BODY_MAX         65536
#define STORE_CONTENT_TYPE_MAX 127
#define STORE_TITLE_MAX        256
#define STORE_MEMBERS_MAX      1000  /* in one request */
#define STORE_PAGE_MAX         10000 /* rows in one answer, whatever its limit */
#define STORE_HEADS_MAX        1000  /* conversations in one request */
#define STORE_TRIM_MAX         1000  /* events in one request */
#define STORE_BUCKETS          4096  /* what conversations are spread over */
#define STORE_HEAD_UNKNOWN     (-1)  /* for now: see struct store_heads */
#define STORE_KEEP_ALL         (-1)  /* see struct store_retention */

struct store; /* opaque */

enum store_role {
    STORE_ROLE_NONE = 0,
    STORE_ROLE_MEMBER = 1,
    STORE_ROLE_OWNER = 2
};

enum store_kind {
    STORE_MESSAGE = 1,
    STORE_MEMBERS_CREATED = 2,
    STORE_MEMBERS_ADDED = 3,
    STORE_MEMBERS_REMOVED = 4,
    STORE_MEMBERS_LEFT = 5,
};

/* A borrowed run of bytes; not NUL-terminated. */
struct store_bytes {
    const char *data;
    size_t len;
};

/* Whether an event of this kind brings its users in. */
static inline bool store_kind_adds(enum store_kind kind)
{
    return kind == STORE_MEMBERS_CREATED || kind == STORE_MEMBERS_ADDED;
}

/* The next of ids that are each followed by a NUL; *place starts at 0. NULL: the end. */
static inline const char *store_next_id(struct store_bytes ids, size_t *place)
{
    if (*place >= ids.len) {
        return NULL;
    }
    const char *id = ids.data + *place;
    const char *end = memchr(id, '\0', ids.len - *place);
    *place = end != NULL ? (size_t)(end - ids.data) + 1 : ids.len;
    return end != NULL ? id : NULL;
}

static inline bool store_has_id(struct store_bytes ids, const char *id)
{
    size_t place = 0;
    const char *one = store_next_id(ids, &place);
    while (one != NULL && strcmp(one, id) != 0) {
        one = store_next_id(ids, &place);
    }
    return one != NULL;
}

/* One row of a conversation's log. */
struct store_event {
    int64_t seq;
    int64_t created_at_ms; /* wall clock of the commit; never decreases within a conversation */
    int64_t ordinal;       /* messages so far, this one included */
    enum store_kind kind;
    enum store_role role; /* members events: the role given; else NONE */
    struct store_bytes sender;
    struct store_bytes client_message_id; /* messages only */
    struct store_bytes content_type;      /* messages only */
    struct store_bytes body; /* messages: the body. Members events: the users (store_next_id) */
};

/* What of a log is kept. An event goes when either limit says so, and the events before it go with
 * it; seq and ordinal count on. 0: no such limit; of a conversation's own limits: as the default
 * says, and STORE_KEEP_ALL: no such limit. */
struct store_retention {
    int64_t age_ms; /* older ones go */
    int64_t
        messages; /* so many of the newest messages stay, and what came after the first of them */
};

struct store_conversation {
    struct store_bytes id;
    struct store_bytes title;
    struct store_bytes created_by;
    int64_t created_at_ms;
    int64_t head_seq;
    int64_t ordinal;
    int64_t member_count;
    enum store_role role;             /* of the user who asked */
    struct store_retention retention; /* its own */
};

struct store_member {
    struct store_bytes user_id;
    enum store_role role;
};

enum store_op {
    STORE_OP_APPEND,
    STORE_OP_CREATE,
    STORE_OP_CHANGE_MEMBERS,
    STORE_OP_SET_RETENTION,
    STORE_OP_READ,
    STORE_OP_GET,
    STORE_OP_LIST_CONVERSATIONS,
    STORE_OP_LIST_MEMBERS,
    STORE_OP_HEADS,
    STORE_OP_LIST_EXPIRED,
    STORE_OP_TRIM,
};

/* The head of every request. Zero it, set op (the store_submit_... functions do), done, and inputs.
 */
struct store_request {
    enum store_op op;
    void (*done)(struct store_request *request); /* @thread pool; must not block; exactly once */
    struct pl_error error;                       /* result: error.code is PARLEY_OK on success */
    struct pl_arena arena;                       /* private: holds the results */
    struct store_request *next; /* private to the store until done, then the caller's */
    int64_t queued_at_ns;       /* private */
};

/* Add a message. Fails with NOT_FOUND: no such conversation, or the sender is no member. */
struct store_append {
    struct store_request request;
    struct store_bytes conversation_id;
    struct store_bytes sender;
    struct store_bytes client_message_id;
    struct store_bytes content_type;
    struct store_bytes body;
    int64_t seq;           /* result */
    int64_t created_at_ms; /* result */
    bool is_duplicate;     /* result: it was there before */
};

/* Create a conversation; its first event is MEMBERS_CREATED with seq 1. The same id by the same
 * creator completes with what is there and created = false; by another: ALREADY_EXISTS. */
struct store_create {
    struct store_request request;
    struct store_bytes conversation_id;
    struct store_bytes title;
    struct store_bytes creator; /* becomes owner */
    const struct store_bytes *members;
    size_t member_count;
    struct store_retention retention;       /* its own */
    struct store_conversation conversation; /* result */
    bool created;                           /* result */
};

/* Add or remove members. Adding one who is there, or removing one who is not, changes nothing for
 * that user; if nothing changes at all there is no event. Fails with NOT_FOUND: no such
 * conversation or the actor is no member (except LEFT, which is then no error if the conversation
 * exists); PERMISSION_DENIED: the actor is no owner (ADDED, REMOVED). */
struct store_change_members {
    struct store_request request;
    enum store_kind
        kind; /* STORE_MEMBERS_ADDED, _REMOVED or _LEFT (of the actor; no users given) */
    struct store_bytes conversation_id;
    struct store_bytes actor;
    const struct store_bytes *users;
    size_t user_count;
    enum store_role role; /* ADDED */
    int64_t head_seq;     /* result: after the change */
};

/* Set a conversation's own limits, in place of those it had. There is no event. Fails with
 * NOT_FOUND: no such conversation or the actor is no member; PERMISSION_DENIED: the actor is no
 * owner. */
struct store_set_retention {
    struct store_request request;
    struct store_bytes conversation_id;
    struct store_bytes actor;
    struct store_retention retention;
};

/* Read a part of a log. Forwards: from_seq, from_seq+1, ... Backwards: from_seq, from_seq-1, ...
 * (from_seq 0 backwards: from the head). Ends at `limit` events or when the bodies exceed
 * `max_bytes` (at least one event is given). NOT_FOUND: no such conversation, or `user` is given
 * and is no member. */
struct store_read {
    struct store_request request;
    struct store_bytes conversation_id;
    struct store_bytes user; /* len 0: no check */
    int64_t from_seq;
    size_t limit;
    size_t max_bytes;
    bool backwards;
    bool uncached; /* see all that is committed, also what its writer was not answered yet */
    const struct store_event *events; /* result */
    size_t event_count;               /* result */
    int64_t head_seq;                 /* result: last seq when it was read */
    int64_t first_seq;                /* result: first seq that still exists (retention), from 1 */
};

/* What is known of a conversation. NOT_FOUND as in store_read. */
struct store_get {
    struct store_request request;
    struct store_bytes conversation_id;
    struct store_bytes user;                /* len 0: no check */
    struct store_conversation conversation; /* result */
};

/* A user's conversations in the order of their ids, those after `after` (exclusive). */
struct store_list_conversations {
    struct store_request request;
    struct store_bytes user;
    struct store_bytes after; /* len 0: from the first */
    size_t limit;
    const struct store_conversation *conversations; /* result */
    size_t count;                                   /* result */
    bool has_more;                                  /* result */
};

/* Members in the order of their ids, those after `after`. NOT_FOUND as in store_read. */
struct store_list_members {
    struct store_request request;
    struct store_bytes conversation_id;
    struct store_bytes user; /* who asks; len 0: no check */
    struct store_bytes after;
    size_t limit;
    const struct store_member *members; /* result */
    size_t count;                       /* result */
    bool has_more;                      /* result */
};

/* The last seq of many conversations, never from a cache: it shows all that is committed. They live
 * in many places: while one of these cannot be asked, its heads are STORE_HEAD_UNKNOWN and the
 * others are told. Only if no head is known the request fails. */
struct store_heads {
    struct store_request request;
    const struct store_bytes *ids;
    size_t count;             /* 1 to STORE_HEADS_MAX */
    const int64_t *head_seqs; /* result: of each; 0: no such conversation; or STORE_HEAD_UNKNOWN */
};

/* Which conversations of a bucket have something to trim. A bucket is walked in pages, in an order
 * of the store's own: `limit` conversations are looked at, those after `after`; without a default
 * only those with limits of their own. */
struct store_list_expired {
    struct store_request request;
    struct store_retention retention; /* the default */
    int64_t now_ms;                   /* wall clock */
    unsigned bucket;
    struct store_bytes after; /* len 0: from the first */
    size_t limit;
    const struct store_bytes *ids; /* result */
    size_t count;                  /* result */
    struct store_bytes last;       /* result: where to go on; len 0: the bucket is at its end */
};

/* Trim the oldest events of a conversation that are not kept, `limit` of them at most: they are no
 * longer read, and what was said in them is gone. NOT_FOUND: no such conversation. */
struct store_trim {
    struct store_request request;
    struct store_bytes conversation_id;
    struct store_retention retention; /* the default */
    int64_t now_ms;                   /* wall clock */
    size_t limit;                     /* 1 to STORE_TRIM_MAX */
    size_t trimmed;                   /* result: how many went */
    int64_t first_seq; /* result: first seq that still exists; after the head if none does */
    bool has_more;     /* result: there may be more to trim */
};

/* What one transaction added to one conversation, in seq order. All borrowed until return. */
struct store_commit {
    struct store_bytes conversation_id;
    const struct store_event *events;
    size_t event_count;
};

/* Told after each commit and before the `done` of the requests in it, on the shard's writer thread,
 * in commit order for each conversation. Must not block. */
struct store_listener {
    void (*on_commit)(void *context, const struct store_commit *commits, size_t commit_count);
    void *context;
};

/* How to submit. When the store's queue is over its budget, or it is closing, a request is done
 * with UNAVAILABLE and a retry hint. @thread any */
void store_append(struct store *store, struct store_append *request);
void store_create(struct store *store, struct store_create *request);
void store_change_members(struct store *store, struct store_change_members *request);
void store_set_retention(struct store *store, struct store_set_retention *request);
void store_read(struct store *store, struct store_read *request);
void store_get(struct store *store, struct store_get *request);
void store_list_conversations(struct store *store, struct store_list_conversations *request);
void store_list_members(struct store *store, struct store_list_members *request);
void store_heads(struct store *store, struct store_heads *request);
void store_list_expired(struct store *store, struct store_list_expired *request);
void store_trim(struct store *store, struct store_trim *request);

/* The conversation that a request is about. len 0: none, or many. */
struct store_bytes store_request_conversation(const struct store_request *request);
/* It may change what is stored. */
bool store_request_is_write(const struct store_request *request);

/* Free the results of a request that is done. The request struct itself is the caller's. */
void store_request_release(struct store_request *request);

/* @thread start: before the first request. */
void store_set_listener(struct store *store, const struct store_listener *listener);

/* Finish what is queued, stop the threads, close the files and free the store. No request may be
 * submitted after. Blocks. NULL is fine. */
void store_close(struct store *store);

/* What an engine (or a decorator such as a cache) provides; used through the functions above. */
struct store_ops {
    void (*submit)(struct store *store, struct store_request *request);
    void (*set_listener)(struct store *store, const struct store_listener *listener);
    void (*close)(struct store *store);
};

struct store {
    const struct store_ops *ops;
};

#endif /* PARLEY_STORE_STORE_H */
