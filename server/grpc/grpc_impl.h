/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_GRPC_GRPC_IMPL_H
#define PARLEY_GRPC_GRPC_IMPL_H

/* The inside of the gRPC server, for this folder and its tests only: a lane is what it has on one
 * loop, a link is one connection of a lane. */

#include "base/list.h"
#include "base/metric.h"
#include "call/transport.h"
#include "grpc/gate.h"
#include "grpc/grpc.h"
#include "transport/conn.h"
#include "transport/listener.h"

#include <pthread.h>
#include <stdatomic.h>

/* The drain of a lane; a link has the first three of its own, since it may be sent away alone.
 *
 *   OPEN -> ANNOUNCED -> LEAVING -> ENDED
 *
 * ANNOUNCED: clients are told, a slice of them at a time; everything is still accepted. LEAVING: no
 * new connection or stream. ENDED: calls are ended, a slice at a time too; what is left of
 * connections is closed soon after. */
enum grpc_phase {
    GRPC_OPEN,
    GRPC_ANNOUNCED,
    GRPC_LEAVING,
    GRPC_ENDED
};

struct grpc_lane {
    struct grpc_server *grpc;
    struct pl_loop *loop;
    unsigned index;
    struct pl_io *io;
    struct pl_listener *listener;
    struct call_lane *calls;
    struct pl_tls *tls;
    struct pl_list links;
    size_t link_count;
    struct pl_timer sweep; /* keepalive, idleness, age; some links a time, in turn */
    size_t swept;          /* links in this round */
    struct pl_timer drain; /* the next slice or phase */
    size_t slices;         /* of this phase that are still to come */
    struct pl_mail drain_mail;
    enum grpc_phase phase;
    bool is_counted; /* in grpc->shared.lanes_open */
    bool is_full_logged;
    enum parley_code start_code;
    struct pl_error start_error;
};

struct grpc_link {
    struct pl_list node; /* lane->links */
    struct grpc_lane *lane;
    struct pl_conn *conn;
    struct call_slots *slots;
    struct gate_pass pass;
    uint64_t received_bytes;   /* at the last change, seen by the sweep */
    int64_t received_ms;       /* when that was */
    int64_t unacknowledged_ms; /* the sweep that first found our SETTINGS so; 0: none has */
    uint64_t block;            /* header block that was not whole at the last sweep; 0: none */
    int64_t block_ms;          /* when it was first seen */
    uint64_t messages;         /* that had begun to come at messages_ms */
    int64_t messages_ms;
    uint64_t data_frames; /* sent at the last sweep at which none waited or some had moved */
    int64_t data_ms;      /* when that was */
    uint64_t calls;
    uint64_t calls_swept; /* `calls` at the last sweep */
    int64_t busy_ms;      /* when it last had calls */
    int64_t age_due_ms;   /* INT64_MAX: never */
    int64_t left_ms;      /* since when it is LEAVING */
    enum grpc_phase phase;
    bool is_pinged;
};

struct grpc_server {
    struct loops *loops;
    parley_server *server;
    struct grpc_server_options options; /* with the defaults in place */
    char *address;
    struct grpc_lane *lanes;
    unsigned lane_count;
    int64_t grace_ms; /* written before the drain's mail */
    struct gate *gate;
    atomic_bool is_draining;
    struct {
        pthread_mutex_t mu;
        pthread_cond_t emptied;
        unsigned lanes_open; /* @lock mu: lanes that may still have connections */
    } shared;
};

/* stream.c */
void grpc_stream_tell_leaving(struct pl_stream *stream);
extern const struct pl_session_events grpc_session_events;

/* conn.c */
bool grpc_on_accept(void *owner, int fd, const struct pl_address *peer);
void grpc_link_announce(struct grpc_link *link);
void grpc_link_leave(struct grpc_link *link, const char *why);
/* Keepalive, idleness and age of one connection; may close it, at the end of the turn. */
void grpc_link_sweep(struct grpc_link *link, int64_t now_ms);

/* drain.c */
void grpc_lane_on_drain_mail(struct pl_loop *loop, struct pl_mail *mail);
void grpc_lane_on_drain_timer(struct pl_loop *loop, struct pl_timer *timer);
/* If the lane is on its way out and its last connection is gone, tell who waits. */
void grpc_lane_check_empty(struct grpc_lane *lane);

/* lane.c; all on the loop of the lane that `context` is, by loops_call */
void grpc_lane_start(struct pl_loop *loop, void *context);
void grpc_lane_close_links(struct pl_loop *loop, void *context);
void grpc_lane_deinit(struct pl_loop *loop, void *context);
void grpc_lane_take_tls(struct pl_loop *loop, void *context); /* from grpc->options */

/* grpc.c: counted beside the thing */
extern struct pl_metric grpc_metrics[];
enum {
    GRPC_METRIC_OPEN,
    GRPC_METRIC_ACCEPTED,
    GRPC_METRIC_REFUSED,
    GRPC_METRIC_COUNT
};

#endif /* PARLEY_GRPC_GRPC_IMPL_H */
