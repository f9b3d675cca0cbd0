/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_BUILTIN_HEALTH_IMPL_H
#define PARLEY_BUILTIN_HEALTH_IMPL_H

/* The inside of the health service, for its own files only. A lane is one loop's copy of the
 * answers and is touched by that loop only. */

#include "base/list.h"
#include "base/map.h"
#include "builtin/health.h"

#include "grpc/health/v1/health.server.parley.h"

#include <stdatomic.h>

#define HEALTH_STATUSES 4

/* In the order of the proto's enum. */
enum health_status {
    HEALTH_UNKNOWN,
    HEALTH_SERVING,
    HEALTH_NOT_SERVING,
    HEALTH_SERVICE_UNKNOWN
};

struct health_entry {
    enum health_status status;
    struct pl_list watchers;
};

struct health_lane {
    struct health *health;
    struct pl_loop *loop;
    struct pl_map *entries;       /* by service */
    struct health_entry *overall; /* "" */
    struct pl_list strangers;     /* watchers of services that are not known */
    parley_frame *frames[HEALTH_STATUSES];
    bool is_draining; /* NOT_SERVING for good */
    struct pl_mail all_mail;
    atomic_int all_wanted; /* enum health_status, or HEALTH_WANT_DRAIN */
    atomic_bool is_all_posted;
};

#define HEALTH_WANT_DRAIN HEALTH_STATUSES

struct health {
    unsigned lane_count;
    struct health_lane *lanes;
};

struct health_lane *health_lane_of(struct health *health, const parley_server_call *call);
struct health_entry *health_find(const struct health_lane *lane, const char *service);

/* health_watch.c */
void health_on_watch(grpc_health_v1_Health_srv_Watch_call *call,
                     const Grpc__Health__V1__HealthCheckRequest *request, void *service);
void health_on_watch_writable(grpc_health_v1_Health_srv_Watch_call *call, void *service);
void health_on_watch_done(grpc_health_v1_Health_srv_Watch_call *call, void *service);
/* Tell the watchers of an entry what it is now. */
void health_tell(struct health_lane *lane, struct health_entry *entry);
/* A service became known: its watchers are no strangers any more. */
void health_adopt(struct health_lane *lane, const char *service, struct health_entry *entry);

#endif /* PARLEY_BUILTIN_HEALTH_IMPL_H */
