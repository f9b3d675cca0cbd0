/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_CACHE_ENTRY_H
#define PARLEY_CACHE_ENTRY_H

/* What is kept under a key, as bytes: the same on every node and in every version of parley that
 * writes CACHE_SCHEMA into its keys. Bytes that do not decode are no entry. @thread any */

#include "cache/backend.h"

#include "base/buf.h"

/* Part of every key. Raise it when bytes change their meaning; but nodes with two schemas do not
 * delete each other's entries. Where a version can see that the bytes are another's, by how many
 * there are, it reads the store instead, and the number stays. */
#define CACHE_SCHEMA 1

#define CACHE_BLOCK_EVENTS 64
/* Bodies in one entry; memcached takes no entry over 1 MiB. */
#define CACHE_ENTRY_BODIES_MAX (512U << 10)

enum cache_kind {
    CACHE_CONVERSATION, /* what `get` tells, but for the role */
    CACHE_TAIL,         /* head and first seq, and the last events */
    CACHE_MEMBER,       /* the role of a user, STORE_ROLE_NONE too */
    CACHE_EPOCH,        /* a token that lives until the members change */
    CACHE_BLOCK,        /* the events n * 64 + 1 ... n * 64 + 64, all of which exist */
    CACHE_KINDS
};

enum cache_form {
    CACHE_VALUE = 1,
    CACHE_NONE,   /* there is no such conversation */
    CACHE_LARGE,  /* it is there, and too large to be kept */
    CACHE_MARKER, /* somebody with the token `stamp` is loading it */
};

struct cache_entry {
    enum cache_kind kind;
    enum cache_form form;
    int64_t expires_at_ms; /* wall clock */
    uint64_t stamp;        /* MARKER, EPOCH: the token; MEMBER: that of the epoch it belongs to */
    const uint8_t *body;   /* into the buffer */
    size_t body_len;
};

struct cache_tail {
    int64_t head_seq;
    int64_t first_seq; /* of the log */
    size_t event_count;
    const struct store_event *events; /* ascending, up to head_seq */
};

/* @param conversation, user  valid ids. @param prefix  checked when the cache was opened. */
void cache_key_make(struct cache_key *key, const char *prefix, enum cache_kind kind,
                    struct store_bytes conversation, struct store_bytes user, int64_t block);

/* What a write deletes. @param has_members  it changed members */
void cache_removal_make(struct cache_removal *removal, const char *prefix,
                        struct store_bytes conversation, bool has_members);

/* All encoders: @return owned (pl_buf_unref), or NULL: no memory. */
struct pl_buf *cache_encode_bare(enum cache_kind kind, enum cache_form form, int64_t expires_at_ms,
                                 uint64_t stamp);
struct pl_buf *cache_encode_role(enum store_role role, int64_t expires_at_ms, uint64_t stamp);
struct pl_buf *cache_encode_conversation(const struct store_conversation *conversation,
                                         int64_t expires_at_ms);
struct pl_buf *cache_encode_tail(const struct cache_tail *tail, int64_t expires_at_ms);
struct pl_buf *cache_encode_block(const struct store_event *events, size_t count,
                                  int64_t expires_at_ms);

/* False: no entry of this kind, or it is too old. */
bool cache_decode(const struct pl_buf *buf, enum cache_kind kind, int64_t now_ms,
                  struct cache_entry *entry);
/* When an entry stops to count; 0: no entry. For backends. */
int64_t cache_expiry(const struct pl_buf *buf);

/* False: not what the encoder wrote. Bytes point into the entry's buffer. */
bool cache_decode_role(const struct cache_entry *entry, enum store_role *role);
bool cache_decode_conversation(const struct cache_entry *entry,
                               struct store_conversation *conversation);
/* @param events  room for CACHE_BLOCK_EVENTS; tail->events points to it. */
bool cache_decode_tail(const struct cache_entry *entry, struct cache_tail *tail,
                       struct store_event *events);
bool cache_decode_block(const struct cache_entry *entry, struct store_event *events, size_t *count);

#endif /* PARLEY_CACHE_ENTRY_H */
