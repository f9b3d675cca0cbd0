/* SPDX-License-Identifier: Apache-2.0 */
/* The state of health and the Check method. Threads: see health_impl.h. */
#include "builtin/health_impl.h"

#include "base/mem.h"
#include "call/call.h"
#include "call/server.h"

#include <string.h>

#define LIST_MAX 100 /* gRFC A90 */

struct status_mail {
    struct pl_mail mail;
    struct health_lane *lane;
    bool is_serving;
    char service[];
};

struct health_lane *health_lane_of(struct health *health, const parley_server_call *call)
{
    return &health->lanes[call_loop_index(call) % health->lane_count];
}

struct health_entry *health_find(const struct health_lane *lane, const char *service)
{
    return service[0] == '\0' ? lane->overall
                              : pl_map_find(lane->entries, service, strlen(service));
}

/* The frames are made before: a check encodes nothing and allocates nothing. */
static void on_check(grpc_health_v1_Health_srv_Check_call *call,
                     const Grpc__Health__V1__HealthCheckRequest *request, void *service)
{
    parley_server_call *base = grpc_health_v1_Health_srv_Check_base(call);
    const struct health_lane *lane = health_lane_of(service, base);
    const struct health_entry *entry = health_find(lane, request->service);
    if (entry == NULL) {
        parley_server_call_finish(base, PARLEY_NOT_FOUND, "unknown service");
        return;
    }
    (void)parley_server_call_send_frame(base, lane->frames[entry->status]);
    parley_server_call_finish(base, PARLEY_OK, NULL);
}

/* One entry of the list, in the call's memory. @return false: no memory */
static bool list_entry(parley_server_call *call, char *service, const struct health_entry *entry,
                       Grpc__Health__V1__HealthListResponse *response)
{
    Grpc__Health__V1__HealthListResponse__StatusesEntry *listed =
        parley_server_call_alloc(call, sizeof(*listed));
    Grpc__Health__V1__HealthCheckResponse *status = parley_server_call_alloc(call, sizeof(*status));
    if (listed == NULL || status == NULL) {
        return false;
    }
    grpc__health__v1__health_list_response__statuses_entry__init(listed);
    grpc__health__v1__health_check_response__init(status);
    status->status = (Grpc__Health__V1__HealthCheckResponse__ServingStatus)entry->status;
    listed->key = service;
    listed->value = status;
    response->statuses[response->n_statuses++] = listed;
    return true;
}

static bool fill_list(parley_server_call *call, const struct health_lane *lane,
                      Grpc__Health__V1__HealthListResponse *response)
{
    size_t cursor = 0;
    const void *key = NULL;
    size_t len = 0;
    static char overall[] = "";
    size_t count = pl_map_count(lane->entries) + 1;
    response->statuses = parley_server_call_alloc(call, count * sizeof(response->statuses[0]));
    if (response->statuses == NULL || !list_entry(call, overall, lane->overall, response)) {
        return false;
    }
    for (const struct health_entry *entry = pl_map_next(lane->entries, &cursor, &key, &len);
         entry != NULL; entry = pl_map_next(lane->entries, &cursor, &key, &len)) {
        char *name = pl_arena_strndup(call_arena(call), key, len);
        if (name == NULL || !list_entry(call, name, entry, response)) {
            return false;
        }
    }
    return true;
}

static void on_list(grpc_health_v1_Health_srv_List_call *call,
                    const Grpc__Health__V1__HealthListRequest *request, void *service)
{
    Grpc__Health__V1__HealthListResponse response = GRPC__HEALTH__V1__HEALTH_LIST_RESPONSE__INIT;
    parley_server_call *base = grpc_health_v1_Health_srv_List_base(call);
    const struct health_lane *lane = health_lane_of(service, base);
    (void)request;
    if (pl_map_count(lane->entries) + 1 > LIST_MAX) {
        parley_server_call_finish(base, PARLEY_RESOURCE_EXHAUSTED, "more than 100 services");
    } else if (!fill_list(base, lane, &response)) {
        parley_server_call_finish(base, PARLEY_RESOURCE_EXHAUSTED, "out of memory");
    } else {
        grpc_health_v1_Health_srv_List_reply(call, &response);
    }
}

static const grpc_health_v1_Health_handlers handlers = {
    .Check = on_check,
    .List = on_list,
    .Watch = health_on_watch,
    .Watch_writable = health_on_watch_writable,
    .Watch_done = health_on_watch_done,
};

static void apply(struct health_lane *lane, struct health_entry *entry, enum health_status status)
{
    enum health_status wanted = lane->is_draining ? HEALTH_NOT_SERVING : status;
    if (entry->status != wanted) {
        entry->status = wanted;
        health_tell(lane, entry);
    }
}

static void apply_all(struct health_lane *lane, enum health_status status)
{
    size_t cursor = 0;
    apply(lane, lane->overall, status);
    for (struct health_entry *entry = pl_map_next(lane->entries, &cursor, NULL, NULL);
         entry != NULL; entry = pl_map_next(lane->entries, &cursor, NULL, NULL)) {
        apply(lane, entry, status);
    }
}

static struct health_entry *new_entry(enum health_status status)
{
    struct health_entry *entry = pl_calloc(1, sizeof(*entry));
    if (entry != NULL) {
        entry->status = status;
        pl_list_init(&entry->watchers);
    }
    return entry;
}

static struct health_entry *add_entry(struct health_lane *lane, const char *service,
                                      enum health_status status)
{
    struct health_entry *entry = new_entry(status);
    if (entry != NULL && pl_map_put(lane->entries, service, strlen(service), entry, NULL) != 0) {
        pl_free(entry);
        return NULL;
    }
    return entry;
}

static void deliver_status(struct pl_loop *loop, struct pl_mail *mail)
{
    (void)loop;
    struct status_mail *change = PL_CONTAINER_OF(mail, struct status_mail, mail);
    struct health_lane *lane = change->lane;
    enum health_status status = change->is_serving ? HEALTH_SERVING : HEALTH_NOT_SERVING;
    struct health_entry *entry = health_find(lane, change->service);
    if (entry != NULL) {
        apply(lane, entry, status);
    } else {
        entry = add_entry(lane, change->service, lane->is_draining ? HEALTH_NOT_SERVING : status);
        if (entry != NULL) {
            health_adopt(lane, change->service, entry);
        }
    }
    pl_free(change);
}

static void deliver_all(struct pl_loop *loop, struct pl_mail *mail)
{
    (void)loop;
    struct health_lane *lane = PL_CONTAINER_OF(mail, struct health_lane, all_mail);
    atomic_store(&lane->is_all_posted, false);
    int wanted = atomic_load(&lane->all_wanted);
    lane->is_draining |= wanted == HEALTH_WANT_DRAIN;
    apply_all(lane, wanted == HEALTH_SERVING ? HEALTH_SERVING : HEALTH_NOT_SERVING);
}

static void want_all(struct health *health, int wanted)
{
    for (unsigned i = 0; i < health->lane_count; i++) {
        struct health_lane *lane = &health->lanes[i];
        int before = atomic_load(&lane->all_wanted);
        /* Nothing takes a drain back. */
        while (before != HEALTH_WANT_DRAIN &&
               !atomic_compare_exchange_weak(&lane->all_wanted, &before, wanted)) {
        }
        if (!atomic_exchange(&lane->is_all_posted, true)) {
            pl_loop_post(lane->loop, &lane->all_mail);
        }
    }
}

static bool init_frames(struct health_lane *lane)
{
    for (int status = 0; status < HEALTH_STATUSES; status++) {
        Grpc__Health__V1__HealthCheckResponse response =
            GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
        response.status = (Grpc__Health__V1__HealthCheckResponse__ServingStatus)status;
        lane->frames[status] = parley_frame_new(&response.base);
        if (lane->frames[status] == NULL) {
            return false;
        }
    }
    return true;
}

static bool init_lane(struct health_lane *lane, const parley_server *server,
                      enum health_status status)
{
    lane->all_mail.deliver = deliver_all;
    atomic_init(&lane->all_wanted, (int)status);
    pl_list_init(&lane->strangers);
    lane->entries = pl_map_new();
    lane->overall = new_entry(status);
    if (lane->entries == NULL || lane->overall == NULL || !init_frames(lane)) {
        return false;
    }
    for (size_t i = 0; i < server_service_count(server); i++) {
        if (add_entry(lane, server_service(server, i)->name, status) == NULL) {
            return false;
        }
    }
    return true;
}

enum parley_code health_new(parley_server *server, struct loops *loops, bool is_serving,
                            struct health **health, struct pl_error *err)
{
    unsigned count = loops_count(loops);
    struct health *made = pl_calloc(1, sizeof(*made));
    struct health_lane *lanes = pl_calloc(count, sizeof(*lanes));
    if (made == NULL || lanes == NULL) {
        pl_free(made);
        pl_free(lanes);
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for the health service");
    }
    made->lanes = lanes;
    made->lane_count = count;
    bool is_made = grpc_health_v1_Health_register(server, &handlers, made) == 0;
    for (unsigned i = 0; i < count; i++) {
        lanes[i].health = made;
        lanes[i].loop = loops_get(loops, i);
        is_made = init_lane(&lanes[i], server, is_serving ? HEALTH_SERVING : HEALTH_NOT_SERVING) &&
                  is_made;
    }
    if (!is_made) {
        health_free(made);
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "cannot register the health service");
    }
    *health = made;
    return PARLEY_OK;
}

void health_free(struct health *health)
{
    if (health == NULL) {
        return;
    }
    for (unsigned i = 0; i < health->lane_count; i++) {
        struct health_lane *lane = &health->lanes[i];
        for (int status = 0; status < HEALTH_STATUSES; status++) {
            parley_frame_unref(lane->frames[status]);
        }
        pl_map_free(lane->entries, pl_free);
        pl_free(lane->overall);
    }
    pl_free(health->lanes);
    pl_free(health);
}

enum parley_code health_set_status(struct health *health, const char *service, bool is_serving,
                                   struct pl_error *err)
{
    size_t bytes = strlen(service) + 1;
    for (unsigned i = 0; i < health->lane_count; i++) {
        struct status_mail *change = pl_calloc(1, sizeof(*change) + bytes);
        if (change == NULL) {
            return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for a change of health");
        }
        change->mail.deliver = deliver_status;
        change->lane = &health->lanes[i];
        change->is_serving = is_serving;
        memcpy(change->service, service, bytes);
        pl_loop_post(change->lane->loop, &change->mail);
    }
    return PARLEY_OK;
}

void health_set_all(struct health *health, bool is_serving)
{
    want_all(health, is_serving ? HEALTH_SERVING : HEALTH_NOT_SERVING);
}

void health_drain(struct health *health)
{
    want_all(health, HEALTH_WANT_DRAIN);
}
