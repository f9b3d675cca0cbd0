/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_FANOUT_HUB_IMPL_H
#define PARLEY_FANOUT_HUB_IMPL_H

/* The inside of the hub, for this folder and its tests only.
 *
 *   hub ── lane (one per loop) ── room (a conversation somebody on the loop follows)
 *                 │                  │
 *                 └── stream ──── follow (one stream in one room)
 *
 * All below the hub belongs to its loop. */

#include "base/list.h"
#include "base/map.h"
#include "base/metric.h"
#include "fanout/batch.h"
#include "fanout/bus/bus.h"
#include "fanout/hub.h"
#include "fanout/interest.h"
#include "loop/loop.h"

#include <stdatomic.h>

#define HUB_PAGE_EVENTS          256
#define HUB_PAGE_BYTES           ((size_t)256 * 1024)
#define HUB_TAIL_BYTES           ((size_t)256 * 1024)
#define HUB_LANE_BYTES_MAX       ((size_t)64 * 1024 * 1024) /* batches on their way to one loop */
#define HUB_STREAM_READS_MAX     4                          /* pages in flight for one stream */
#define HUB_LIST_PAGE            500
#define HUB_LANE_LISTS_MAX       16 /* lists of conversations read at once for one loop */
#define HUB_FOLLOWS_MAX          1000000
#define HUB_FOLLOWS_PER_USER_MAX 100000
#define HUB_RETRY_MS             500 /* after the store failed */
#define HUB_POLL_MS              1000
#define HUB_SWEEP_MS             10000
#define HUB_HEADS                500 /* conversations in one look at the heads */

struct lane {
    struct hub *hub;
    struct pl_loop *loop;
    unsigned index;
    struct pl_map *rooms;   /* conversation id -> struct room */
    struct pl_map *users;   /* user id -> struct user_topic */
    struct pl_map *readers; /* user id -> struct reader */
    size_t follows;         /* of all streams */
    struct pl_list delayed; /* streams that wait to ask the store again */
    struct pl_timer retry;
    struct pl_list suspects; /* rooms that something may have been lost of */
    struct pl_list unknown;  /* rooms whose head the store did not know when it was asked */
    struct heads *heads;     /* a look at the heads of some, on its way */
    struct pl_timer sweep;
    int64_t listed_ms;      /* when all users were last told to list from time to time */
    struct pl_list listers; /* streams whose turn to list comes */
    unsigned listings;      /* pages of lists in flight */
    struct pl_mail gap_mail;
    atomic_bool is_gap_posted;
    struct pl_mail state_mail;
    atomic_bool is_state_posted;
    atomic_size_t bytes_coming; /* in batches posted and not yet delivered */
};

struct hub {
    struct store *store;
    struct loops *loops;
    hub_encode_fn encode;
    size_t page_events;
    size_t page_bytes;
    size_t tail_bytes;
    struct interest *interest;
    struct bus *bus; /* NULL: none */
    uint64_t node;   /* what the bus knows this hub by */
    int64_t poll_ms;
    int64_t sweep_ms;
    size_t follows_max;
    size_t follows_per_user_max;
    struct pl_mail lost_mail;
    atomic_bool is_lost_posted;
    unsigned lane_count;
    struct lane *lanes;
};

/* A user with streams on one loop. */
struct reader {
    size_t streams;
    size_t follows; /* of all of them */
};

/* Those on one loop who want to hear what conversations a user joins. */
struct user_topic {
    struct pl_list streams;
};

/* The newest batches of a conversation, without holes between them, kept while somebody catches
 * up: who reaches them in the log goes on from here and need not chase the head. */
struct tail {
    struct batch **batches; /* oldest first */
    size_t count;
    size_t capacity;
    size_t bytes;
};

struct room {
    struct lane *lane;
    struct pl_list live;   /* follows */
    struct pl_list behind; /* follows in CATCH-UP */
    int64_t last_seq;      /* the newest that came to this loop; 0: none yet */
    int64_t head_seq;      /* the newest that the log is known to have; 0: no newer than that */
    struct tail tail;
    struct tail held;            /* came after a hole that is being read */
    struct pl_list suspect_node; /* lane->suspects or lane->unknown */
    struct fetch *fetch;         /* what it missed, on its way */
    unsigned pins;               /* it is being walked: not freed */
    size_t id_len;
    char id[PL_ID_MAX + 1];
};

enum follow_state {
    FOLLOW_WAITING, /* CATCH-UP: for its turn to read the log */
    FOLLOW_READING, /* CATCH-UP: a page is on its way */
    FOLLOW_DELAYED, /* CATCH-UP: the store failed; it is asked again later */
    FOLLOW_LIVE,
    FOLLOW_STATES
};

struct follow {
    struct pl_list room_node;   /* room->live or room->behind */
    struct pl_list stream_node; /* stream->waiting or stream->delayed */
    struct room *room;
    struct hub_stream *stream;
    struct page *page; /* READING */
    int64_t next_seq;  /* of the next event to send */
    enum follow_state state;
    bool is_announced; /* the client was told that it is live */
    bool is_stale;     /* what was read, or a cache has, may be older than what is missing */
    bool was_read;     /* the log was read up to next_seq at least once */
};

struct hub_stream {
    struct lane *lane;
    struct reader *reader;
    const struct hub_stream_events *events;
    void *owner;
    struct pl_map *follows;     /* conversation id -> struct follow */
    struct pl_list waiting;     /* follows whose turn to read comes */
    struct pl_list delayed;     /* follows */
    struct pl_list lane_node;   /* lane->delayed */
    struct pl_list user_node;   /* user_topic->streams */
    struct pl_list lister_node; /* lane->listers */
    struct listing *listing;    /* on its way */
    struct pl_list joinings;    /* conversations whose log is searched for the user's coming in */
    unsigned reads;             /* pages in flight */
    unsigned reads_max;
    bool is_full;   /* send nothing until writable */
    bool is_broken; /* the client is gone, or the store failed for good */
    bool follows_all;
    bool is_listing;    /* a list was begun and not read to its end */
    bool wants_listing; /* something was lost: list from the start, after the one that was begun */
    bool was_listed;    /* what a list shows now and was not followed was joined since */
    char list_after[PL_ID_MAX + 1]; /* the last conversation listed */
    char user[PL_ID_MAX + 1];
};

/* hub.c */
/* Post a batch, made with a parcel for each, to these loops; takes it. NULL: a gap. @thread any */
void hub_post(struct hub *hub, struct batch *batch, const struct loop_set *set);
/* The loops that listen to a conversation, or to a user whom the last of its events brings in. */
void hub_collect(struct hub *hub, struct store_bytes id, enum store_kind last_kind,
                 struct store_bytes users, struct loop_set *set);
unsigned hub_count_loops(const struct hub *hub, const struct loop_set *set);
/* All loops look at the heads now, and from time to time from now on. @thread any */
void hub_begin_sweeps(struct hub *hub);

/* relay.c */
struct topic_name {
    char bytes[1 + PL_ID_MAX];
};
/* What the bus calls a topic. @param name  holds it. @param id  of at most PL_ID_MAX bytes */
struct bus_topic relay_topic(struct topic_name *name, enum topic_kind kind, const char *id,
                             size_t id_len);
PL_MUST_CHECK enum parley_code relay_start(struct hub *hub, struct pl_error *err);
/* Tell the other nodes. @thread any */
void relay_publish(struct hub *hub, const struct batch *batch);

/* sweep.c */
/* Look at the head of this room soon. */
void sweep_suspect(struct room *room);
void sweep_suspect_all(struct lane *lane);
/* The same later. */
void sweep_suspect_later(struct room *room);
/* Look at what is left of the suspects. */
void sweep_go_on(struct lane *lane);
/* The same, and ask again for the heads that were not known. */
void sweep_retry(struct lane *lane);
/* The bus went up or down, or begins. */
void sweep_on_state(struct lane *lane);

/* lane.c */
/* Have a topic heard: by the loop, and by the node. Returns 0, or -1: no memory. */
PL_MUST_CHECK int lane_listen(struct lane *lane, enum topic_kind kind, const char *id,
                              size_t id_len);
void lane_unlisten(struct lane *lane, enum topic_kind kind, const char *id, size_t id_len);
/* Something of one topic may have been lost. @thread any */
void lane_post_doubt(struct lane *lane, enum topic_kind kind, const char *id, size_t id_len);
/* A user was brought into a conversation by this event. @thread any */
void lane_post_joined(struct lane *lane, struct store_bytes id, int64_t seq, const char *user);
/* The bus went up or down. @thread any */
void lane_post_state(struct lane *lane);
/* Come back to what failed. Returns 0, or -1: no memory. */
PL_MUST_CHECK int lane_retry_later(struct lane *lane);
/* Users who follow all list their conversations again. */
void lane_list_users(struct lane *lane);
PL_MUST_CHECK int lane_init(struct lane *lane, struct hub *hub, unsigned index);
void lane_deinit(struct lane *lane);
/* Hand a batch over; takes a reference. Over the budget: a gap instead. @thread any */
void lane_post(struct lane *lane, struct batch *batch, struct parcel *parcel);
/* Something was lost on the way to this loop: every room is suspect. @thread any */
void lane_post_gap(struct lane *lane);
void lane_delay(struct lane *lane, struct hub_stream *stream);

/* room.c */
/* The newest that the log has, as far as is known here. */
static inline int64_t room_known_seq(const struct room *room)
{
    return room->head_seq > room->last_seq ? room->head_seq : room->last_seq;
}
/* @return borrowed, until the last follow has gone; NULL: no memory */
struct room *room_enter(struct lane *lane, const char *id, size_t id_len);
/* Free the room if nobody is in it. */
void room_release(struct room *room);
void room_deliver(struct room *room, struct batch *batch);
/* The same, unless something is missing before it: that is read first, once for all. */
void room_receive(struct room *room, struct batch *batch);
/* What was held can follow what was read. */
void room_deliver_held(struct room *room);
/* The log has events up to here: what is missing is read. */
void room_on_head(struct room *room, int64_t head_seq);
/* What is missing could not be read: the head is looked at again later. */
void room_ask_later(struct room *room);
/* Who does not have the events up to here reads for itself. */
void room_fall_behind(struct room *room, int64_t head_seq);
/* The batch that holds `seq`, borrowed; NULL: not kept. */
struct batch *room_find(const struct room *room, int64_t seq);
/* Let go of what nobody needs any more. */
void room_trim(struct room *room);

/* follow.c */
/* @param known_seq  the log has events up to here, though a cache may not know; 0: who knows.
 * Returns 0, or -1: no memory. */
PL_MUST_CHECK int follow_new(struct hub_stream *stream, const char *id, int64_t after_seq,
                             int64_t known_seq);
/* Leave room and stream, and free; the stream's map still names it. */
void follow_leave(struct follow *follow);
void follow_set_state(struct follow *follow, enum follow_state state);
/* LIVE: send what is new in the batch, or fall behind. */
void follow_push(struct follow *follow, struct batch *batch);
/* WAITING: go on from the tail, go live, or read a page. */
void follow_advance(struct follow *follow);
/* No member any more: tell, and free. */
void follow_remove(struct follow *follow);

/* page.c */
/* Read the next page for a follow. Returns 0, or -1: no memory. */
PL_MUST_CHECK int page_read(struct follow *follow);
void page_abandon(struct page *page); /* its follow goes; NULL is fine */

/* listing.c */
/* Follow the user's conversations, from where the last page ended. 0, or -1: no memory. */
PL_MUST_CHECK int listing_start(struct hub_stream *stream);
/* List again from the start, when the stream's turn comes. */
void listing_want(struct hub_stream *stream);
/* The same if it was wanted and could not be done, or go on with a list that failed. */
void listing_retry(struct hub_stream *stream);
void listing_abandon(struct listing *listing); /* NULL is fine */
/* follow_new; without memory the stream fails. */
void listing_follow(struct hub_stream *stream, const char *id, int64_t after_seq,
                    int64_t known_seq);
/* Whether the user was there already or the topic could be made: 0, or -1: no memory. */
PL_MUST_CHECK int user_topic_enter(struct hub_stream *stream);
void user_topic_leave(struct hub_stream *stream);
/* Its streams list their conversations again. */
void user_topic_list(struct user_topic *topic);
/* The user's streams follow from this event on, which brought the user in. */
void user_topic_deliver(struct lane *lane, const char *user, const char *id, int64_t seq);
/* Users whom a batch brings in follow from its last event on. */
void user_topics_deliver(struct lane *lane, const struct batch *batch);

/* fetch.c */
/* Read for all who are LIVE in the room. Returns 0, or -1: no memory. */
PL_MUST_CHECK int fetch_start(struct room *room, int64_t from_seq);
void fetch_abandon(struct fetch *fetch); /* NULL is fine */

/* joining.c */
/* Follow from where the user was brought in, unless it is followed. 0, or -1: no memory. */
PL_MUST_CHECK int joining_start(struct hub_stream *stream, const char *id);
void joining_abandon_all(struct hub_stream *stream);

/* stream.c */
/* Take in what a function of the owner answered. Returns true: it may be sent more. */
bool stream_sent(struct hub_stream *stream, int answer);
static inline bool stream_may_send(const struct hub_stream *stream)
{
    return !stream->is_full && !stream->is_broken;
}
/* Give turns to those who wait. */
void stream_pump(struct hub_stream *stream);
/* Those who were delayed try again. */
void stream_retry(struct hub_stream *stream);
void stream_fail(struct hub_stream *stream, const struct pl_error *err);

/* metrics.c */
extern struct pl_metric hub_metric_streams;
extern struct pl_metric hub_metric_follows;
extern struct pl_metric hub_metric_delivered;
extern struct pl_metric hub_metric_fell_behind;
extern struct pl_metric hub_metric_pages;
extern struct pl_metric hub_metric_gaps;
extern struct pl_metric hub_metric_heads;
extern struct pl_metric hub_metric_behind;
extern struct pl_metric hub_metric_unreadable;

#endif /* PARLEY_FANOUT_HUB_IMPL_H */
