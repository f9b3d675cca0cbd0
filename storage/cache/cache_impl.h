/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_CACHE_CACHE_IMPL_H
#define PARLEY_CACHE_CACHE_IMPL_H

/* What the files of the cache share: cache.c (opening, submitting, closing), lane.c (threads),
 * read.c (answers made of entries), load.c (misses), write.c (deletes).
 *
 * A conversation belongs to one lane: one thread, so that nothing of it needs a lock. */

#include "cache/backend.h"
#include "cache/entry.h"

#include "base/list.h"
#include "base/map.h"

#include <pthread.h>

#define CACHE_WANTS_MAX   8
#define CACHE_MARKER_MS   3000 /* a load that takes longer is not kept */
#define CACHE_NEGATIVE_MS 2000
#define CACHE_EPOCH_MS    (24 * 3600 * 1000)
#define CACHE_TEND_MS     100
#define CACHE_READS_MAX   65536 /* that wait in one lane; more go to the store as they are */

struct cache_lane;
struct store_cache;

/* Something for a lane's thread to do. */
struct cache_task {
    void (*run)(struct cache_task *task);
    struct cache_task *next;
};

struct cache_queue {
    struct cache_task *head;
    struct cache_task **tail;
    size_t count;
};

struct cache_lane {
    struct store_cache *cache;
    unsigned index;
    pthread_t thread;
    bool is_started;
    struct pl_map *loads;   /* own: by key, those that a miss may still join */
    struct pl_map *settled; /* own: scratch of cache_write_settle */
    bool owes;              /* own: a delete of this lane may still be owed */
    struct cache_item items[CACHE_WANTS_MAX + 1];      /* own: scratch of one look-up */
    struct cache_removal removals[CACHE_REMOVALS_MAX]; /* own: the same of cache_write_settle */
    struct {
        pthread_mutex_t mutex;
        pthread_cond_t ready;
        struct cache_queue writes;  /* answered by the store: to be settled, all at once */
        struct cache_queue answers; /* loads that the store answered */
        struct cache_queue reads;
        struct store_request *refused; /* to be done with the error that they carry */
        bool is_asleep;
        bool is_closed;
    } shared;
    struct {
        pthread_mutex_t mutex;
        struct pl_map *flights; /* by conversation: see write.c */
    } fence;
};

struct store_cache {
    struct store store; /* first */
    struct store *inner;
    struct cache_backend *backend;
    struct store_listener listener;
    bool has_listener;
    char prefix[33];
    int64_t ttl_ms;
    unsigned lane_count;
    struct cache_lane *lanes;
    size_t pending;  /* atomic: requests and loads of the cache's own that are not done */
    bool is_closing; /* atomic */
    pthread_mutex_t idle_mutex;
    pthread_cond_t idle;
};

/* ---- cache.c ---- */

void cache_begin(struct store_cache *cache);
void cache_end(struct store_cache *cache);
/* A new token; never 0. */
uint64_t cache_token(void);

/* ---- lane.c ---- */

struct cache_lane *cache_lane_of(struct store_cache *cache, struct store_bytes conversation);
PL_MUST_CHECK enum parley_code cache_lane_start(struct store_cache *cache, unsigned index,
                                                struct pl_error *err);
/* Run what is queued and end the thread. */
void cache_lane_stop(struct cache_lane *lane);
/* @thread any, all four */
void cache_lane_push_write(struct cache_lane *lane, struct cache_task *task);
void cache_lane_push_answer(struct cache_lane *lane, struct cache_task *task);
/* False: too many wait. */
PL_MUST_CHECK bool cache_lane_push_read(struct cache_lane *lane, struct cache_task *task);
/* Have a request done with the error that it carries. */
void cache_lane_refuse(struct cache_lane *lane, struct store_request *request);

/* ---- read.c ---- */

struct cache_job;

/* One entry that an answer is made of. */
struct cache_want {
    struct pl_list node; /* in the load that it waits for */
    struct cache_job *job;
    enum cache_kind kind;
    int64_t block;
    struct pl_buf *value; /* NULL: not there yet */
};

/* A `get` or a `read` that is being answered. */
struct cache_job {
    struct cache_task task; /* first */
    struct store_cache *cache;
    struct cache_lane *lane;
    struct store_request *outer; /* the caller's */
    struct store_bytes conversation;
    struct store_bytes user; /* len 0: no check */
    unsigned loads;          /* that it waits for */
    bool must_bypass;        /* it cannot be answered from entries */
    size_t want_count;
    struct cache_want wants[CACHE_WANTS_MAX];
    struct pl_buf *tail; /* a read: once it is known */
    bool has_range;      /* a read: next_seq and last_seq are set */
    int64_t next_seq;    /* a read: the event that is missing, */
    int64_t last_seq;    /* and the last that is wanted */
    struct store_event *events;
    size_t event_room;
    size_t body_bytes;
};

/* @thread any */
void cache_read_submit(struct store_cache *cache, struct store_request *request);
/* A want has its value, or NULL: it cannot have one. The value's reference goes over. */
void cache_job_give(struct cache_want *missing, struct pl_buf *value);

/* ---- load.c ---- */

/* Load what a look-up missed, or wait for a load of the same.
 * @param stamp  the token under which it is loaded: the lease's, the epoch's, or 0: not to be kept
 * @param keeps  this node holds the lease: store what was loaded */
void cache_load(struct cache_want *missing, const struct cache_key *key, uint64_t stamp,
                bool keeps);

/* ---- write.c ---- */

/* @thread any */
void cache_write_submit(struct store_cache *cache, struct store_request *request);
void cache_set_listener(struct store *base, const struct store_listener *listener);
/* True: something was committed on this node and told to the listener, and its entries may still be
 * there. */
bool cache_is_fenced(struct cache_lane *lane, struct store_bytes conversation);
/* Delete for all writes of a list of tasks at once, then answer them. @thread the lane's */
void cache_write_settle(struct cache_task *first);

#endif /* PARLEY_CACHE_CACHE_IMPL_H */
