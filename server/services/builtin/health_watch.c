/* SPDX-License-Identifier: Apache-2.0 */
/* The Watch method: streams that hear of every change. A watcher that does not read is told the
 * latest status when it reads again, and nothing of what was between. Thread: the lane's loop. */
#include "builtin/health_impl.h"

#include "call/call.h"

#include <string.h>

struct watcher {
    struct pl_list node; /* entry->watchers, or lane->strangers */
    parley_server_call *call;
    const char *service;        /* of the request, which lives as long as the call */
    struct health_entry *entry; /* NULL: a stranger */
    bool is_full;               /* no room until writable */
    bool is_behind;
};

static void tell(const struct health_lane *lane, struct watcher *watcher)
{
    if (watcher->is_full) {
        watcher->is_behind = true;
        return;
    }
    enum health_status status =
        watcher->entry != NULL ? watcher->entry->status : HEALTH_SERVICE_UNKNOWN;
    watcher->is_full = parley_server_call_send_frame(watcher->call, lane->frames[status]) == 1;
    watcher->is_behind = false;
}

void health_tell(struct health_lane *lane, struct health_entry *entry)
{
    PL_LIST_FOREACH (node, &entry->watchers) {
        tell(lane, PL_LIST_ENTRY(node, struct watcher, node));
    }
}

void health_adopt(struct health_lane *lane, const char *service, struct health_entry *entry)
{
    PL_LIST_FOREACH_SAFE (node, following, &lane->strangers) {
        struct watcher *watcher = PL_LIST_ENTRY(node, struct watcher, node);
        if (strcmp(watcher->service, service) == 0) {
            pl_list_remove(&watcher->node);
            pl_list_push(&entry->watchers, &watcher->node);
            watcher->entry = entry;
            tell(lane, watcher);
        }
    }
}

void health_on_watch(grpc_health_v1_Health_srv_Watch_call *call,
                     const Grpc__Health__V1__HealthCheckRequest *request, void *service)
{
    parley_server_call *base = grpc_health_v1_Health_srv_Watch_base(call);
    struct health_lane *lane = health_lane_of(service, base);
    struct watcher *watcher = pl_arena_calloc(call_arena(base), sizeof(*watcher));
    if (watcher == NULL) {
        parley_server_call_finish(base, PARLEY_RESOURCE_EXHAUSTED, "out of memory");
        return;
    }
    parley_server_call_set_user(base, watcher);
    watcher->call = base;
    watcher->service = request->service;
    watcher->entry = health_find(lane, request->service);
    pl_list_push(watcher->entry != NULL ? &watcher->entry->watchers : &lane->strangers,
                 &watcher->node);
    tell(lane, watcher);
}

void health_on_watch_writable(grpc_health_v1_Health_srv_Watch_call *call, void *service)
{
    parley_server_call *base = grpc_health_v1_Health_srv_Watch_base(call);
    struct watcher *watcher = parley_server_call_user(base);
    if (watcher == NULL) {
        return;
    }
    watcher->is_full = false;
    if (watcher->is_behind) {
        tell(health_lane_of(service, base), watcher);
    }
}

void health_on_watch_done(grpc_health_v1_Health_srv_Watch_call *call, void *service)
{
    (void)service;
    struct watcher *watcher = parley_server_call_user(grpc_health_v1_Health_srv_Watch_base(call));
    if (watcher != NULL) {
        pl_list_remove(&watcher->node);
    }
}
