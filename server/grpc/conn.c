/* SPDX-License-Identifier: Apache-2.0 */
/* One connection of a lane: from accept to close, and what is done about silent, idle and old ones
 * (reference K3 to K5). Thread: the lane's loop. */
#include "grpc/grpc_impl.h"

#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "transport/resolver.h"

#define H2_NO_ERROR         0
#define H2_SETTINGS_TIMEOUT 4

static void free_link(struct grpc_link *link)
{
    call_slots_unref(link->slots);
    pl_free(link);
}

static void on_close(void *owner, struct pl_conn *conn, const struct pl_error *cause)
{
    struct grpc_link *link = owner;
    struct grpc_lane *lane = link->lane;
    if (cause->code != PARLEY_OK) {
        pl_log_debug("GRPC_CONNECTION_LOST", pl_conn_peer(conn), "%s", cause->text);
    }
    pl_list_remove(&link->node);
    lane->link_count--;
    gate_leave(lane->grpc->gate, &link->pass);
    pl_metric_add(&grpc_metrics[GRPC_METRIC_OPEN], -1);
    free_link(link);
    grpc_lane_check_empty(lane);
}

static void on_open(void *owner, struct pl_conn *conn)
{
    struct grpc_link *link = owner;
    (void)conn;
    gate_opened(link->lane->grpc->gate, &link->pass);
}

static const struct pl_conn_events conn_events = {.on_open = on_open, .on_close = on_close};

/* A tenth earlier or later, so that connections which were opened together do not end together. */
static int64_t age_due(const struct grpc_lane *lane)
{
    int64_t age_ms = lane->grpc->options.age_ms;
    if (age_ms <= 0) {
        return INT64_MAX;
    }
    int64_t spread = (int64_t)pl_random_below((uint64_t)age_ms / 5 + 1);
    return pl_loop_now_ms(lane->loop) + age_ms - age_ms / 10 + spread;
}

/* @return false: it is refused. */
static bool enter(struct grpc_lane *lane, const struct pl_address *peer, struct gate_pass *pass)
{
    struct grpc_server *grpc = lane->grpc;
    const char *why = gate_enter(grpc->gate, (const struct sockaddr *)&peer->storage,
                                 pl_loop_now_ms(lane->loop), pass);
    if (why == NULL) {
        return true;
    }
    pl_metric_add(&grpc_metrics[GRPC_METRIC_REFUSED], 1);
    if (!lane->is_full_logged) {
        lane->is_full_logged = true; /* until the next sweep */
        pl_log_warn("GRPC_CONNECTION_REFUSED", grpc->address, "a connection is refused: %s", why);
    }
    return false;
}

static struct grpc_link *new_link(struct grpc_lane *lane)
{
    struct grpc_link *link = pl_calloc(1, sizeof(*link));
    if (link == NULL) {
        return NULL;
    }
    link->slots = call_slots_new();
    if (link->slots == NULL) {
        pl_free(link);
        return NULL;
    }
    link->lane = lane;
    link->received_ms = pl_loop_now_ms(lane->loop);
    link->busy_ms = link->received_ms;
    link->data_ms = link->received_ms;
    link->messages_ms = link->received_ms;
    link->age_due_ms = age_due(lane);
    return link;
}

bool grpc_on_accept(void *owner, int fd, const struct pl_address *peer)
{
    struct grpc_lane *lane = owner;
    struct gate_pass pass;
    if (!enter(lane, peer, &pass)) {
        return false;
    }
    struct grpc_link *link = new_link(lane);
    if (link == NULL) {
        gate_leave(lane->grpc->gate, &pass);
        return false;
    }
    link->pass = pass;
    struct pl_conn_options options = {
        .session = {.is_server = true,
                    .may_rest = true,
                    .keeps_closed_streams = lane->grpc->options.keeps_closed_streams,
                    .plain_path = "/healthz",
                    .plain_text = "serving\n",
                    .limits = lane->grpc->options.limits,
                    .events = &grpc_session_events,
                    .owner = link},
        .events = &conn_events,
        .owner = link,
        .tls = lane->tls,
    };
    struct pl_error err = PL_ERROR_INIT;
    if (pl_conn_accept(lane->io, fd, peer, &options, &link->conn, &err) != PARLEY_OK) {
        pl_log_warn("GRPC_ACCEPT_FAILED", lane->grpc->address, "%s", err.text);
        gate_leave(lane->grpc->gate, &link->pass);
        free_link(link);
        return true;
    }
    pl_list_push(&lane->links, &link->node);
    lane->link_count++;
    pl_metric_add(&grpc_metrics[GRPC_METRIC_OPEN], 1);
    pl_metric_add(&grpc_metrics[GRPC_METRIC_ACCEPTED], 1);
    return true;
}

/* After GOAWAY, which goes out first: what they begin now goes elsewhere. */
static void tell_calls(struct grpc_link *link)
{
    pl_session_visit_streams(pl_conn_session(link->conn), grpc_stream_tell_leaving);
}

void grpc_link_announce(struct grpc_link *link)
{
    if (link->phase == GRPC_OPEN) {
        link->phase = GRPC_ANNOUNCED;
        pl_session_announce_shutdown(pl_conn_session(link->conn));
        tell_calls(link);
    }
}

void grpc_link_leave(struct grpc_link *link, const char *why)
{
    if (link->phase < GRPC_LEAVING) {
        bool is_told = link->phase == GRPC_ANNOUNCED;
        link->phase = GRPC_LEAVING;
        link->left_ms = pl_loop_now_ms(link->lane->loop);
        pl_session_goaway(pl_conn_session(link->conn), H2_NO_ERROR, why);
        if (!is_told) {
            tell_calls(link);
        }
        pl_conn_close_when_over(link->conn);
    }
}

/* @return false, which is what the checks below say of a connection that is closed */
static bool cut(struct grpc_link *link, const char *why)
{
    struct pl_error cause = PL_ERROR_INIT;
    (void)pl_fail(&cause, PARLEY_UNAVAILABLE, "%s", why);
    pl_conn_close(link->conn, &cause);
    return false;
}

/* Any byte is a sign of life; after silence a ping asks for one. @return false: it is dead. */
static bool keep_alive(struct grpc_link *link, int64_t now_ms)
{
    const struct grpc_server_options *options = &link->lane->grpc->options;
    struct pl_session *session = pl_conn_session(link->conn);
    uint64_t received = pl_session_received_bytes(session);
    if (received != link->received_bytes) {
        link->received_bytes = received;
        link->received_ms = now_ms;
        link->is_pinged = false;
        return true;
    }
    int64_t silent_ms = now_ms - link->received_ms;
    if (!link->is_pinged && silent_ms >= options->keepalive_ms) {
        link->is_pinged = pl_session_ping(session) == 0;
    } else if (link->is_pinged &&
               silent_ms >= options->keepalive_ms + options->keepalive_timeout_ms) {
        return cut(link, "no answer to a keepalive ping");
    }
    return true;
}

/* Limits of ours hold only once they are acknowledged (K1). @return false: it is closed. */
static bool check_settings(struct grpc_link *link, int64_t now_ms)
{
    struct pl_session *session = pl_conn_session(link->conn);
    if (!pl_session_awaits_ack(session)) {
        return true;
    }
    if (link->unacknowledged_ms == 0) {
        link->unacknowledged_ms = now_ms;
    }
    if (now_ms - link->unacknowledged_ms < link->lane->grpc->options.settings_timeout_ms) {
        return true;
    }
    pl_session_goaway(session, H2_SETTINGS_TIMEOUT, NULL);
    return cut(link, "our SETTINGS were not acknowledged in time");
}

/* A call's headers come at once or not at all: dripping them would keep the connection from being
 * silent and from being idle. @return false: it is closed. */
static bool check_headers(struct grpc_link *link, int64_t now_ms)
{
    uint64_t block = pl_session_open_block(pl_conn_session(link->conn));
    if (block != link->block) {
        link->block = block;
        link->block_ms = now_ms;
    }
    if (block == 0 || now_ms - link->block_ms < link->lane->grpc->options.headers_timeout_ms) {
        return true;
    }
    return cut(link, "the headers of a call did not come in time");
}

/* As long as a message is not whole we hold what has come of it. */
static void end_slow_messages(struct grpc_link *link, int64_t now_ms)
{
    struct pl_session *session = pl_conn_session(link->conn);
    if (now_ms - link->messages_ms >= link->lane->grpc->options.message_timeout_ms) {
        pl_session_end_unfinished(session, link->messages);
        link->messages = pl_session_begun_messages(session);
        link->messages_ms = now_ms;
    }
}

/* A reader may take its time, but one that keeps its windows shut would have us hold what waits for
 * it as long as it answers pings. @return false: it is closed. */
static bool check_progress(struct grpc_link *link, int64_t now_ms)
{
    const struct pl_session *session = pl_conn_session(link->conn);
    uint64_t sent = pl_session_sent_data_frames(session);
    if (pl_session_queued_bytes(session) == 0 || sent != link->data_frames) {
        link->data_frames = sent;
        link->data_ms = now_ms;
    }
    if (now_ms - link->data_ms < link->lane->grpc->options.stall_ms) {
        return true;
    }
    return cut(link, "the client takes nothing of what waits for it");
}

/* Old, told to go, and its grace is over (A9). @return false: it is closed. */
static bool check_age_grace(struct grpc_link *link, int64_t now_ms)
{
    int64_t grace_ms = link->lane->grpc->options.age_grace_ms;
    int64_t since_ms = link->left_ms > link->age_due_ms ? link->left_ms : link->age_due_ms;
    if (grace_ms <= 0 || link->phase < GRPC_LEAVING || now_ms < since_ms ||
        now_ms - since_ms < grace_ms) {
        return true;
    }
    return cut(link, "the connection is too old");
}

void grpc_link_sweep(struct grpc_link *link, int64_t now_ms)
{
    const struct grpc_server_options *options = &link->lane->grpc->options;
    if (!check_settings(link, now_ms) || !keep_alive(link, now_ms) ||
        !check_headers(link, now_ms) || !check_progress(link, now_ms) ||
        !check_age_grace(link, now_ms)) {
        return;
    }
    end_slow_messages(link, now_ms);
    if (link->calls != link->calls_swept ||
        pl_session_stream_count(pl_conn_session(link->conn)) > 0) {
        link->calls_swept = link->calls;
        link->busy_ms = now_ms;
    }
    pl_session_rest(pl_conn_session(link->conn));
    bool is_idle = now_ms - link->busy_ms >= options->idle_ms;
    if (link->phase == GRPC_ANNOUNCED && link->lane->phase == GRPC_OPEN) {
        /* The second step, a sweep after the first. */
        grpc_link_leave(link, now_ms >= link->age_due_ms ? "max_age" : "max_idle");
    } else if (is_idle || now_ms >= link->age_due_ms) {
        grpc_link_announce(link);
    }
}
