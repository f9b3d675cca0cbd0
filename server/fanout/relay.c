/* SPDX-License-Identifier: Apache-2.0 */
/* Between the hub and the bus: what is committed here goes to the other nodes, and what they
 * commit comes to the loops that listen, as if it had been committed here.
 *
 * Nothing depends on it. A batch that comes late or again is dropped by seq; one that does not come
 * is missed at the next one, and until then, or if the bus itself says that something may be lost,
 * the heads tell (sweep.c). A node that knows that it lost something of its own says so to all. */
#include "fanout/hub_impl.h"

#include "base/id.h"
#include "fanout/envelope.h"

#include <string.h>

static const struct bus_topic everybody = {"*", 1};

/* ---- to the bus ---- */

struct bus_topic relay_topic(struct topic_name *name, enum topic_kind kind, const char *id,
                             size_t id_len)
{
    name->bytes[0] = (char)kind;
    memcpy(name->bytes + 1, id, id_len);
    return (struct bus_topic){name->bytes, id_len + 1};
}

/* What is dropped on the way the bus counts, and says it by on_lost. Without memory for the message
 * (NULL) the others find what it tells when they look at the heads next. */
static void publish(struct hub *hub, enum topic_kind kind, const char *id, size_t id_len,
                    struct pl_buf *message)
{
    struct topic_name name;
    const struct bus_topic topic = relay_topic(&name, kind, id, id_len);
    if (message != NULL) {
        (void)bus_publish(hub->bus, &topic, message);
    }
}

static void publish_joined(struct hub *hub, const struct batch *batch, const char *user)
{
    struct pl_buf *message = envelope_encode_joined(
        hub->node, (struct store_bytes){batch->id, batch->id_len}, batch_last_seq(batch), user);
    publish(hub, TOPIC_USER, user, strnlen(user, PL_ID_MAX), message);
    pl_buf_unref(message);
}

void relay_publish(struct hub *hub, const struct batch *batch)
{
    size_t place = 0;
    struct pl_buf *message = envelope_encode_batch(hub->node, batch);
    publish(hub, TOPIC_CONVERSATION, batch->id, batch->id_len, message);
    pl_buf_unref(message);
    const char *user = batch_adds(batch) ? batch_next_user(batch, &place) : NULL;
    for (; user != NULL; user = batch_next_user(batch, &place)) {
        publish_joined(hub, batch, user);
    }
}

static void say_lost(struct pl_loop *loop, struct pl_mail *mail)
{
    struct hub *hub = PL_CONTAINER_OF(mail, struct hub, lost_mail);
    (void)loop;
    atomic_store(&hub->is_lost_posted, false);
    struct pl_buf *message = envelope_encode_lost(hub->node);
    if (message != NULL) {
        (void)bus_publish(hub->bus, &everybody, message);
        pl_buf_unref(message);
    }
}

/* ---- from the bus ---- */

static void post_gap(struct hub *hub)
{
    for (unsigned i = 0; i < hub->lane_count; i++) {
        lane_post_gap(&hub->lanes[i]);
    }
}

static void deliver(struct hub *hub, const struct envelope *envelope)
{
    struct loop_set set = {{0}};
    hub_collect(hub, envelope->id, envelope->last_kind, envelope->users, &set);
    unsigned loops = hub_count_loops(hub, &set);
    if (loops > 0) {
        hub_post(hub, batch_open(envelope, loops), &set);
    }
}

static void deliver_joined(struct hub *hub, const struct envelope *envelope)
{
    struct loop_set set = {{0}};
    const char *user = envelope->users.data;
    interest_collect(hub->interest, TOPIC_USER, user, strlen(user), &set);
    for (unsigned i = 0; i < hub->lane_count; i++) {
        if (loop_set_has(&set, i)) {
            lane_post_joined(&hub->lanes[i], envelope->id, envelope->first_seq, user);
        }
    }
}

static void on_message(void *context, const void *data, size_t len)
{
    struct hub *hub = context;
    struct envelope envelope;
    if (!envelope_decode(data, len, &envelope)) {
        pl_metric_add(&hub_metric_unreadable, 1);
        post_gap(hub);
    } else if (envelope.node == hub->node) {
        return;
    } else if (envelope.kind == ENVELOPE_BATCH) {
        deliver(hub, &envelope);
    } else if (envelope.kind == ENVELOPE_JOINED) {
        deliver_joined(hub, &envelope);
    } else if (envelope.kind == ENVELOPE_LOST) {
        post_gap(hub);
    }
}

static void on_gap(void *context, const struct bus_topic *topic)
{
    struct hub *hub = context;
    struct loop_set set = {{0}};
    if (topic == NULL) {
        post_gap(hub);
        return;
    }
    enum topic_kind kind = (enum topic_kind)topic->data[0];
    if (kind != TOPIC_CONVERSATION && kind != TOPIC_USER) {
        return;
    }
    interest_collect(hub->interest, kind, topic->data + 1, topic->len - 1, &set);
    for (unsigned i = 0; i < hub->lane_count; i++) {
        if (loop_set_has(&set, i)) {
            lane_post_doubt(&hub->lanes[i], kind, topic->data + 1, topic->len - 1);
        }
    }
}

/* By mail: an event of the bus must not call it. */
static void on_lost(void *context)
{
    struct hub *hub = context;
    if (!atomic_exchange(&hub->is_lost_posted, true)) {
        pl_loop_post(hub->lanes[0].loop, &hub->lost_mail);
    }
}

static void on_state(void *context, bool is_connected)
{
    (void)is_connected;
    hub_begin_sweeps(context);
}

static const struct bus_events events = {
    .on_message = on_message, .on_gap = on_gap, .on_lost = on_lost, .on_state = on_state};

enum parley_code relay_start(struct hub *hub, struct pl_error *err)
{
    pl_random_bytes(&hub->node, sizeof(hub->node));
    hub->lost_mail.deliver = say_lost;
    if (bus_subscribe(hub->bus, &everybody) != 0) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for the bus");
    }
    hub_begin_sweeps(hub);
    return bus_start(hub->bus, &events, hub, err);
}
