/* SPDX-License-Identifier: Apache-2.0 */
/* The driver for NATS. The library reads and pings on threads of its own and hands messages to its
 * pool; writing is done by the worker. The library's own reconnecting is off, since the worker does
 * that for every broker.
 *
 * A callback of the library may run for a moment after its subscription or connection was
 * destroyed; `alive` counts what may still call, and disconnect waits for it. */
#include "fanout/bus/nats/nats.h"

#include "fanout/bus/nats/subject.h"
#include "fanout/bus/worker.h"

#include "base/mem.h"
#include "base/text.h"

#include <nats/nats.h>

#include <string.h>

#define CONNECT_MS    1000
#define WRITE_MS      1000
#define SETTLE_MS     2000
#define PING_MS       400 /* a broker that hangs is noticed after two or three */
#define PINGS_OUT_MAX 2
#define DELIVERY_POOL 2 /* threads */

struct bus_nats {
    struct worker worker; /* first */
    natsOptions *options;
    natsConnection *connection; /* NULL: none */
    char name[BUS_NAME_MAX + 1];
    bool is_broken;  /* atomic: the library gave the connection up */
    bool has_missed; /* atomic: a subscription was too slow */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    unsigned alive; /* under the mutex: connection and subscriptions that may still call back */
};

static struct bus_nats *nats_of(struct worker *worker)
{
    return PL_CONTAINER_OF(worker, struct bus_nats, worker);
}

static enum parley_code fail(struct pl_error *err, enum parley_code code, natsStatus status)
{
    return pl_fail(err, code, "%s", natsStatus_GetText(status));
}

/* ---- callbacks, on threads of the library ---- */

static void count_alive(struct bus_nats *nats, int change)
{
    (void)pthread_mutex_lock(&nats->mutex);
    nats->alive += (unsigned)change;
    if (nats->alive == 0) {
        (void)pthread_cond_broadcast(&nats->changed);
    }
    (void)pthread_mutex_unlock(&nats->mutex);
}

static void on_closed(natsConnection *connection, void *context)
{
    struct bus_nats *nats = context;
    (void)connection;
    __atomic_store_n(&nats->is_broken, true, __ATOMIC_SEQ_CST);
    outbox_wake(&nats->worker.outbox);
    count_alive(nats, -1);
}

static void on_error(natsConnection *connection, natsSubscription *subscription, natsStatus status,
                     void *context)
{
    struct bus_nats *nats = context;
    (void)connection;
    (void)subscription;
    if (status == NATS_SLOW_CONSUMER) {
        __atomic_store_n(&nats->has_missed, true, __ATOMIC_SEQ_CST);
        outbox_wake(&nats->worker.outbox);
    }
}

static void on_message(natsConnection *connection, natsSubscription *subscription, natsMsg *message,
                       void *context)
{
    struct bus_nats *nats = context;
    (void)connection;
    (void)subscription;
    worker_receive(&nats->worker, natsMsg_GetData(message), (size_t)natsMsg_GetDataLength(message));
    natsMsg_Destroy(message);
}

static void on_complete(void *context)
{
    count_alive(context, -1);
}

/* ---- the driver ---- */

static enum parley_code connect_nats(struct worker *worker, struct pl_error *err)
{
    struct bus_nats *nats = nats_of(worker);
    __atomic_store_n(&nats->is_broken, false, __ATOMIC_SEQ_CST);
    natsStatus status = natsConnection_Connect(&nats->connection, nats->options);
    if (status != NATS_OK) {
        nats->connection = NULL;
        return fail(err, PARLEY_UNAVAILABLE, status);
    }
    count_alive(nats, 1);
    return PARLEY_OK;
}

static void disconnect_nats(struct worker *worker)
{
    struct bus_nats *nats = nats_of(worker);
    natsConnection_Destroy(nats->connection);
    nats->connection = NULL;
    (void)pthread_mutex_lock(&nats->mutex);
    while (nats->alive > 0) {
        (void)pthread_cond_wait(&nats->changed, &nats->mutex);
    }
    (void)pthread_mutex_unlock(&nats->mutex);
}

static bool is_broken(const struct bus_nats *nats)
{
    return __atomic_load_n(&nats->is_broken, __ATOMIC_SEQ_CST);
}

static int publish_nats(struct worker *worker, const struct bus_topic *topic,
                        const struct pl_buf *message)
{
    struct bus_nats *nats = nats_of(worker);
    char subject[SUBJECT_SIZE];
    subject_encode(subject, nats->name, topic);
    natsStatus status =
        natsConnection_Publish(nats->connection, subject, message->data, (int)message->len);
    return status == NATS_OK && !is_broken(nats) ? 0 : -1;
}

static int subscribe_nats(struct worker *worker, const struct bus_topic *topic, void **handle)
{
    struct bus_nats *nats = nats_of(worker);
    natsSubscription *subscription = NULL;
    char subject[SUBJECT_SIZE];
    subject_encode(subject, nats->name, topic);
    if (natsConnection_Subscribe(&subscription, nats->connection, subject, on_message, nats) !=
        NATS_OK) {
        return -1;
    }
    *handle = subscription;
    count_alive(nats, 1);
    if (natsSubscription_SetOnCompleteCB(subscription, on_complete, nats) != NATS_OK) {
        count_alive(nats, -1); /* it is closed already: nothing calls back */
        return -1;
    }
    return 0;
}

static void unsubscribe_nats(struct worker *worker, const struct bus_topic *topic, void *handle)
{
    (void)worker;
    (void)topic;
    natsSubscription_Destroy(handle);
}

static int settle_nats(struct worker *worker)
{
    return natsConnection_FlushTimeout(nats_of(worker)->connection, SETTLE_MS) == NATS_OK ? 0 : -1;
}

static void tell_missed(struct bus_nats *nats)
{
    if (__atomic_exchange_n(&nats->has_missed, false, __ATOMIC_SEQ_CST)) {
        worker_miss(&nats->worker);
    }
}

/* Looks before it waits, too: whoever took the outbox took the wake-up of a callback with it. */
static int wait_nats(struct worker *worker, int timeout_ms)
{
    struct bus_nats *nats = nats_of(worker);
    tell_missed(nats);
    if (!is_broken(nats)) {
        worker_poll(worker, timeout_ms);
        tell_missed(nats);
    }
    return is_broken(nats) ? -1 : 0;
}

static void free_nats(struct worker *worker)
{
    struct bus_nats *nats = nats_of(worker);
    natsOptions_Destroy(nats->options);
    (void)pthread_cond_destroy(&nats->changed);
    (void)pthread_mutex_destroy(&nats->mutex);
    pl_free(nats);
}

static const struct worker_driver driver = {
    .name = "nats",
    .connect = connect_nats,
    .disconnect = disconnect_nats,
    .publish = publish_nats,
    .subscribe = subscribe_nats,
    .unsubscribe = unsubscribe_nats,
    .settle = settle_nats,
    .wait = wait_nats,
    .free = free_nats,
};

/* ---- options ---- */

static natsStatus set_credentials(natsOptions *options, const struct bus_credentials *credentials,
                                  const char *path)
{
    switch (credentials->kind) {
    case BUS_CREDENTIALS_USER:
        return natsOptions_SetUserInfo(options, credentials->text, credentials->password);
    case BUS_CREDENTIALS_TOKEN:
        return natsOptions_SetToken(options, credentials->text);
    case BUS_CREDENTIALS_FILE:
        return natsOptions_SetUserCredentialsFromFiles(options, path, NULL);
    case BUS_CREDENTIALS_NONE:
        break;
    }
    return NATS_OK;
}

static bool is_given(const char *text)
{
    return text != NULL && text[0] != '\0';
}

/* A CA that is given means that there is to be TLS, whatever the URLs say. */
static natsStatus set_tls(natsOptions *options, const struct bus_options *given)
{
    natsStatus status = NATS_OK;
    if (!is_given(given->tls_ca) && strstr(given->servers, "tls://") == NULL) {
        return NATS_OK;
    }
    status = natsOptions_SetSecure(options, true);
    if (status == NATS_OK && is_given(given->tls_ca)) {
        status = natsOptions_LoadCATrustedCertificates(options, given->tls_ca);
    }
    if (status == NATS_OK && is_given(given->tls_cert)) {
        status = natsOptions_LoadCertificatesChain(options, given->tls_cert, given->tls_key);
    }
    return status;
}

static natsStatus set_times(natsOptions *options)
{
    natsStatus status = natsOptions_SetTimeout(options, CONNECT_MS);
    status = status == NATS_OK ? natsOptions_SetWriteDeadline(options, WRITE_MS) : status;
    status = status == NATS_OK ? natsOptions_SetPingInterval(options, PING_MS) : status;
    status = status == NATS_OK ? natsOptions_SetMaxPingsOut(options, PINGS_OUT_MAX) : status;
    return status == NATS_OK ? natsOptions_SetAllowReconnect(options, false) : status;
}

static natsStatus set_callbacks(struct bus_nats *nats)
{
    natsOptions *options = nats->options;
    natsStatus status = natsOptions_SetClosedCB(options, on_closed, nats);
    status = status == NATS_OK ? natsOptions_SetErrorHandler(options, on_error, nats) : status;
    status = status == NATS_OK ? natsOptions_UseGlobalMessageDelivery(options, true) : status;
    return status == NATS_OK ? natsOptions_SetNoEcho(options, true) : status;
}

static enum parley_code set_servers(natsOptions *options, const char *text, struct pl_error *err)
{
    struct bus_servers servers;
    enum parley_code code = bus_servers_init(&servers, text, err);
    if (code == PARLEY_OK) {
        natsStatus status = natsOptions_SetServers(options, servers.urls, (int)servers.count);
        code = status == NATS_OK ? PARLEY_OK : fail(err, PARLEY_INVALID_ARGUMENT, status);
        bus_servers_deinit(&servers);
    }
    return code;
}

static enum parley_code set_options(struct bus_nats *nats, const struct bus_options *given,
                                    struct pl_error *err)
{
    struct bus_credentials credentials;
    natsStatus status = natsOptions_Create(&nats->options);
    if (status != NATS_OK) {
        return fail(err, PARLEY_RESOURCE_EXHAUSTED, status);
    }
    (void)pl_text_format(nats->name, sizeof(nats->name), "%s", given->name);
    enum parley_code code = set_servers(nats->options, given->servers, err);
    if (code != PARLEY_OK) {
        return code;
    }
    code = bus_credentials_read(&credentials, given->credentials, err);
    if (code != PARLEY_OK) {
        return code;
    }
    status = set_credentials(nats->options, &credentials, given->credentials);
    bus_credentials_wipe(&credentials);
    status = status == NATS_OK ? set_tls(nats->options, given) : status;
    status = status == NATS_OK ? set_times(nats->options) : status;
    status = status == NATS_OK ? set_callbacks(nats) : status;
    return status == NATS_OK ? PARLEY_OK : fail(err, PARLEY_INVALID_ARGUMENT, status);
}

/* The library is started once per process and lives as long as that. */
static void open_library(void)
{
    if (nats_Open(-1) == NATS_OK) {
        (void)nats_SetMessageDeliveryPoolSize(DELIVERY_POOL);
    }
}

enum parley_code bus_nats_new(const struct bus_options *options, struct bus **bus,
                              struct pl_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, open_library);
    struct bus_nats *nats = pl_calloc(1, sizeof(*nats));
    if (nats == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for the bus");
    }
    (void)pthread_mutex_init(&nats->mutex, NULL);
    (void)pthread_cond_init(&nats->changed, NULL);
    enum parley_code code = worker_init(&nats->worker, &driver, options->queue_bytes, err);
    if (code != PARLEY_OK) {
        free_nats(&nats->worker);
        return code;
    }
    code = bus_name_check(options->name, err);
    if (code == PARLEY_OK) {
        code = set_options(nats, options, err);
    }
    if (code != PARLEY_OK) {
        bus_free(&nats->worker.bus);
        return code;
    }
    *bus = &nats->worker.bus;
    return PARLEY_OK;
}
