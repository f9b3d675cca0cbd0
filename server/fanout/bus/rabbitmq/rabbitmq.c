/* SPDX-License-Identifier: Apache-2.0 */
/* The driver for AMQP 0-9-1. The client library blocks and belongs to one thread: the worker writes
 * and reads. What overflows the node's queue goes unseen (the broker drops the oldest and tells
 * nobody), so the hub's regular look at the heads finds it. */
#include "fanout/bus/rabbitmq/rabbitmq.h"

#include "fanout/bus/rabbitmq/link.h"
#include "fanout/bus/worker.h"

#include "base/hash.h"
#include "base/mem.h"
#include "base/text.h"

#include <amqp_framing.h>

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/time.h>

#define PARTITIONS       256
#define QUEUE_BYTES_MAX  ((int64_t)64 * 1024 * 1024) /* of this node's queue in the broker */
#define MESSAGES_AT_ONCE 256
#define WAIT_MS_MAX      400 /* the library beats its heart only when it is called */

struct bus_rabbitmq {
    struct worker worker; /* first */
    struct link_options options;
    amqp_connection_state_t link; /* NULL: none */
    amqp_bytes_t queue;           /* its name, in memory of the link's channel until it is closed */
    char exchange[BUS_NAME_MAX + sizeof(".bus")];
    char queue_name[256];
    unsigned bound[PARTITIONS]; /* topics of each partition that are subscribed */
};

static struct bus_rabbitmq *rabbitmq_of(struct worker *worker)
{
    return PL_CONTAINER_OF(worker, struct bus_rabbitmq, worker);
}

static unsigned partition_of(const struct bus_topic *topic)
{
    return (unsigned)(pl_hash_stable(topic->data, topic->len) % PARTITIONS);
}

struct routing_key {
    char text[8];
};

static amqp_bytes_t key_of(struct routing_key *key, unsigned partition)
{
    (void)pl_text_format(key->text, sizeof(key->text), "%u", partition);
    return amqp_cstring_bytes(key->text);
}

/* ---- connecting ---- */

static enum parley_code declare_queue(struct bus_rabbitmq *rabbitmq, struct pl_error *err)
{
    amqp_table_entry_t limits[] = {
        {.key = amqp_cstring_bytes("x-max-length-bytes"),
         .value = {.kind = AMQP_FIELD_KIND_I64, .value = {.i64 = QUEUE_BYTES_MAX}}},
        {.key = amqp_cstring_bytes("x-overflow"),
         .value = {.kind = AMQP_FIELD_KIND_UTF8,
                   .value = {.bytes = amqp_cstring_bytes("drop-head")}}},
    };
    const amqp_table_t arguments = {.num_entries = PL_COUNT(limits), .entries = limits};
    const amqp_queue_declare_ok_t *made = amqp_queue_declare(
        rabbitmq->link, LINK_CHANNEL, amqp_empty_bytes, false, false, true, true, arguments);
    enum parley_code code = link_check(amqp_get_rpc_reply(rabbitmq->link), err);
    if (code != PARLEY_OK || made == NULL) {
        return code;
    }
    (void)pl_text_format(rabbitmq->queue_name, sizeof(rabbitmq->queue_name), "%.*s",
                         (int)made->queue.len, (const char *)made->queue.bytes);
    rabbitmq->queue = amqp_cstring_bytes(rabbitmq->queue_name);
    return PARLEY_OK;
}

static enum parley_code declare(struct bus_rabbitmq *rabbitmq, struct pl_error *err)
{
    amqp_connection_state_t link = rabbitmq->link;
    (void)amqp_exchange_declare(link, LINK_CHANNEL, amqp_cstring_bytes(rabbitmq->exchange),
                                amqp_cstring_bytes("direct"), false, true, false, false,
                                amqp_empty_table);
    enum parley_code code = link_check(amqp_get_rpc_reply(link), err);
    if (code == PARLEY_OK) {
        code = declare_queue(rabbitmq, err);
    }
    if (code != PARLEY_OK) {
        return code;
    }
    (void)amqp_basic_consume(link, LINK_CHANNEL, rabbitmq->queue, amqp_empty_bytes, false, true,
                             true, amqp_empty_table);
    return link_check(amqp_get_rpc_reply(link), err);
}

static enum parley_code connect_rabbitmq(struct worker *worker, struct pl_error *err)
{
    struct bus_rabbitmq *rabbitmq = rabbitmq_of(worker);
    memset(rabbitmq->bound, 0, sizeof(rabbitmq->bound));
    enum parley_code code = link_open(&rabbitmq->options, &rabbitmq->link, err);
    return code == PARLEY_OK ? declare(rabbitmq, err) : code;
}

static void disconnect_rabbitmq(struct worker *worker)
{
    struct bus_rabbitmq *rabbitmq = rabbitmq_of(worker);
    link_close(rabbitmq->link);
    rabbitmq->link = NULL;
}

/* ---- topics ---- */

/* The answer is awaited: the binding is in effect then, and nothing is left to settle. */
static int subscribe_rabbitmq(struct worker *worker, const struct bus_topic *topic, void **handle)
{
    struct bus_rabbitmq *rabbitmq = rabbitmq_of(worker);
    struct routing_key key;
    unsigned partition = partition_of(topic);
    *handle = rabbitmq;
    if (rabbitmq->bound[partition]++ > 0) {
        return 0;
    }
    (void)amqp_queue_bind(rabbitmq->link, LINK_CHANNEL, rabbitmq->queue,
                          amqp_cstring_bytes(rabbitmq->exchange), key_of(&key, partition),
                          amqp_empty_table);
    return link_check(amqp_get_rpc_reply(rabbitmq->link), NULL) == PARLEY_OK ? 0 : -1;
}

/* After a failure the connection goes, and with it queue and bindings; wait finds that out. */
static void unsubscribe_rabbitmq(struct worker *worker, const struct bus_topic *topic, void *handle)
{
    struct bus_rabbitmq *rabbitmq = rabbitmq_of(worker);
    struct routing_key key;
    unsigned partition = partition_of(topic);
    (void)handle;
    if (--rabbitmq->bound[partition] > 0 || !worker->is_connected) {
        return;
    }
    (void)amqp_queue_unbind(rabbitmq->link, LINK_CHANNEL, rabbitmq->queue,
                            amqp_cstring_bytes(rabbitmq->exchange), key_of(&key, partition),
                            amqp_empty_table);
}

static int settle_rabbitmq(struct worker *worker)
{
    (void)worker;
    return 0;
}

/* ---- messages ---- */

static int publish_rabbitmq(struct worker *worker, const struct bus_topic *topic,
                            const struct pl_buf *message)
{
    struct bus_rabbitmq *rabbitmq = rabbitmq_of(worker);
    struct routing_key key;
    const struct amqp_basic_properties_t_ transient = {._flags = AMQP_BASIC_DELIVERY_MODE_FLAG,
                                                       .delivery_mode = 1};
    const amqp_bytes_t body = {.len = message->len, .bytes = (void *)(uintptr_t)message->data};
    return amqp_basic_publish(rabbitmq->link, LINK_CHANNEL, amqp_cstring_bytes(rabbitmq->exchange),
                              key_of(&key, partition_of(topic)), false, false, &transient,
                              body) == 0
               ? 0
               : -1;
}

/* What has come, but not so much that the worker's other duties wait for long. Returns 0, 1: there
 * may be more, or -1: the connection is closed, or the queue is gone. */
static int receive(struct bus_rabbitmq *rabbitmq)
{
    const struct timeval now = {0};
    for (int i = 0; i < MESSAGES_AT_ONCE; i++) {
        amqp_envelope_t envelope;
        amqp_maybe_release_buffers(rabbitmq->link);
        amqp_rpc_reply_t reply = amqp_consume_message(rabbitmq->link, &envelope, &now, 0);
        if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION &&
            reply.library_error == AMQP_STATUS_TIMEOUT) {
            return 0;
        }
        if (reply.reply_type != AMQP_RESPONSE_NORMAL) {
            return -1;
        }
        worker_receive(&rabbitmq->worker, envelope.message.body.bytes, envelope.message.body.len);
        amqp_destroy_envelope(&envelope);
    }
    return 1;
}

static int wait_rabbitmq(struct worker *worker, int timeout_ms)
{
    struct bus_rabbitmq *rabbitmq = rabbitmq_of(worker);
    struct pollfd fds[] = {
        {.fd = outbox_fd(&worker->outbox), .events = POLLIN},
        {.fd = amqp_get_sockfd(rabbitmq->link), .events = POLLIN},
    };
    int received = receive(rabbitmq);
    if (received == 0) {
        (void)poll(fds, PL_COUNT(fds), timeout_ms < WAIT_MS_MAX ? timeout_ms : WAIT_MS_MAX);
        received = fds[1].revents != 0 ? receive(rabbitmq) : 0;
    }
    return received < 0 ? -1 : 0;
}

/* ---- life ---- */

static void free_rabbitmq(struct worker *worker)
{
    struct bus_rabbitmq *rabbitmq = rabbitmq_of(worker);
    bus_servers_deinit(&rabbitmq->options.servers);
    bus_credentials_wipe(&rabbitmq->options.credentials);
    pl_free(rabbitmq->options.tls_ca);
    pl_free(rabbitmq->options.tls_cert);
    pl_free(rabbitmq->options.tls_key);
    pl_free(rabbitmq);
}

static const struct worker_driver driver = {
    .name = "rabbitmq",
    .connect = connect_rabbitmq,
    .disconnect = disconnect_rabbitmq,
    .publish = publish_rabbitmq,
    .subscribe = subscribe_rabbitmq,
    .unsubscribe = unsubscribe_rabbitmq,
    .settle = settle_rabbitmq,
    .wait = wait_rabbitmq,
    .free = free_rabbitmq,
};

static enum parley_code keep_path(char **to, const char *path, struct pl_error *err)
{
    if (path != NULL && path[0] != '\0') {
        *to = pl_strdup(path);
        if (*to == NULL) {
            return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for the bus");
        }
    }
    return PARLEY_OK;
}

static enum parley_code read_credentials(struct bus_credentials *credentials, const char *path,
                                         struct pl_error *err)
{
    enum parley_code code = bus_credentials_read(credentials, path, err);
    if (code == PARLEY_OK && credentials->kind != BUS_CREDENTIALS_NONE &&
        credentials->kind != BUS_CREDENTIALS_USER) {
        return pl_fail(err, PARLEY_INVALID_ARGUMENT, "%s: RabbitMQ wants user:password", path);
    }
    return code;
}

static enum parley_code set_options(struct bus_rabbitmq *rabbitmq, const struct bus_options *given,
                                    struct pl_error *err)
{
    struct link_options *options = &rabbitmq->options;
    enum parley_code code = bus_name_check(given->name, err);
    if (code == PARLEY_OK) {
        (void)pl_text_format(rabbitmq->exchange, sizeof(rabbitmq->exchange), "%s.bus", given->name);
        code = bus_servers_init(&options->servers, given->servers, err);
    }
    if (code == PARLEY_OK) {
        code = read_credentials(&options->credentials, given->credentials, err);
    }
    if (code == PARLEY_OK) {
        code = keep_path(&options->tls_ca, given->tls_ca, err);
    }
    if (code == PARLEY_OK) {
        code = keep_path(&options->tls_cert, given->tls_cert, err);
    }
    if (code == PARLEY_OK) {
        code = keep_path(&options->tls_key, given->tls_key, err);
    }
    return code;
}

enum parley_code bus_rabbitmq_new(const struct bus_options *options, struct bus **bus,
                                  struct pl_error *err)
{
    struct bus_rabbitmq *rabbitmq = pl_calloc(1, sizeof(*rabbitmq));
    if (rabbitmq == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for the bus");
    }
    enum parley_code code = worker_init(&rabbitmq->worker, &driver, options->queue_bytes, err);
    if (code != PARLEY_OK) {
        free_rabbitmq(&rabbitmq->worker);
        return code;
    }
    code = set_options(rabbitmq, options, err);
    if (code != PARLEY_OK) {
        bus_free(&rabbitmq->worker.bus);
        return code;
    }
    *bus = &rabbitmq->worker.bus;
    return PARLEY_OK;
}
