/* SPDX-License-Identifier: Apache-2.0 */
/* Counting subscribers. nghttp2 only writes their first bytes; what comes is walked frame by frame
 * (RFC 9113, 4.1) and message by message (grpc/doc/PROTOCOL-HTTP2.md). The windows are so large
 * that none has to be given back. */
#include "counters.h"

#include "places.h"

#include "base/mem.h"
#include "wire/pb.h"

#include "parley/v1/chat_service.pb-c.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FRAME_HEADER_BYTES 9
#define PREFIX_BYTES       5
#define WINDOW_MAX         0x7fffffff
#define WINDOW_START       65535
#define READ_BYTES         65536
#define EVENTS             256
#define READY_TIMEOUT_S    60

struct counter {
    int fd;
    uint8_t head[FRAME_HEADER_BYTES]; /* of the frame that comes */
    uint8_t prefix[PREFIX_BYTES];     /* of the message that comes */
    size_t head_len;
    size_t prefix_len;
    size_t frame_left;
    size_t message_left;
    _Atomic uint64_t messages;
};

struct counters {
    struct counter *all;
    size_t count;
    int epoll_fd;
    pthread_t thread;
    bool is_running;
    atomic_bool is_over;
    atomic_bool is_broken;
    _Atomic uint64_t total;
};

/* ---- what comes ---- */

static size_t fill(uint8_t *to, size_t *have, size_t want, const uint8_t *data, size_t len)
{
    size_t take = want - *have < len ? want - *have : len;
    memcpy(to + *have, data, take);
    *have += take;
    return take;
}

static size_t number(const uint8_t *bytes, size_t len)
{
    size_t value = 0;
    for (size_t i = 0; i < len; i++) {
        value = value << 8 | bytes[i];
    }
    return value;
}

/* @return messages that ended in it */
static uint64_t walk_data(struct counter *counter, const uint8_t *data, size_t len)
{
    uint64_t ended = 0;
    while (len > 0) {
        size_t take = 0;
        if (counter->prefix_len < PREFIX_BYTES) {
            take = fill(counter->prefix, &counter->prefix_len, PREFIX_BYTES, data, len);
            counter->message_left = number(counter->prefix + 1, PREFIX_BYTES - 1);
        } else {
            take = counter->message_left < len ? counter->message_left : len;
            counter->message_left -= take;
        }
        if (counter->prefix_len == PREFIX_BYTES && counter->message_left == 0) {
            counter->prefix_len = 0;
            ended++;
        }
        data += take;
        len -= take;
    }
    return ended;
}

/* What a running call may bring besides DATA: settings, pings and its first headers. */
static bool is_fine(const struct counter *counter)
{
    static const uint8_t settings_ack[FRAME_HEADER_BYTES] = {0, 0, 0, NGHTTP2_SETTINGS, 1};
    uint8_t type = counter->head[3];
    uint8_t flags = counter->head[4];
    if (type == NGHTTP2_SETTINGS && (flags & NGHTTP2_FLAG_ACK) == 0) {
        return write(counter->fd, settings_ack, sizeof(settings_ack)) == sizeof(settings_ack);
    }
    bool is_end =
        (type == NGHTTP2_HEADERS || type == NGHTTP2_DATA) && (flags & NGHTTP2_FLAG_END_STREAM) != 0;
    return !is_end && type != NGHTTP2_RST_STREAM && type != NGHTTP2_GOAWAY;
}

/* @return false: the call is over */
static bool walk(struct counter *counter, const uint8_t *data, size_t len, uint64_t *ended)
{
    while (len > 0) {
        size_t take = 0;
        if (counter->head_len < FRAME_HEADER_BYTES) {
            take = fill(counter->head, &counter->head_len, FRAME_HEADER_BYTES, data, len);
            counter->frame_left = number(counter->head, 3);
            if (counter->head_len == FRAME_HEADER_BYTES && !is_fine(counter)) {
                return false;
            }
        } else {
            take = counter->frame_left < len ? counter->frame_left : len;
            *ended += counter->head[3] == NGHTTP2_DATA ? walk_data(counter, data, take) : 0;
            counter->frame_left -= take;
        }
        if (counter->head_len == FRAME_HEADER_BYTES && counter->frame_left == 0) {
            counter->head_len = 0;
        }
        data += take;
        len -= take;
    }
    return true;
}

static void *read_all(void *argument)
{
    static uint8_t buffer[READ_BYTES];
    struct counters *counters = argument;
    struct epoll_event events[EVENTS];
    while (!atomic_load(&counters->is_over)) {
        int ready = epoll_wait(counters->epoll_fd, events, EVENTS, 100);
        for (int i = 0; i < ready; i++) {
            struct counter *counter = events[i].data.ptr;
            ssize_t got = read(counter->fd, buffer, sizeof(buffer));
            uint64_t ended = 0;
            if (got <= 0 || !walk(counter, buffer, (size_t)got, &ended)) {
                atomic_store(&counters->is_broken, true);
                return NULL;
            }
            if (ended > 0) {
                atomic_fetch_add_explicit(&counter->messages, ended, memory_order_relaxed);
                atomic_fetch_add_explicit(&counters->total, ended, memory_order_relaxed);
            }
        }
    }
    return NULL;
}

/* ---- what goes ---- */

struct body {
    const uint8_t *data;
    size_t left;
};

static ssize_t read_body(nghttp2_session *h2, int32_t id, uint8_t *to, size_t length,
                         uint32_t *flags, nghttp2_data_source *source, void *user)
{
    (void)h2;
    (void)id;
    (void)user;
    struct body *body = source->ptr;
    size_t take = body->left < length ? body->left : length;
    memcpy(to, body->data, take);
    body->data += take;
    body->left -= take;
    *flags |= body->left == 0 ? (uint32_t)NGHTTP2_DATA_FLAG_EOF : 0;
    return (ssize_t)take;
}

static nghttp2_nv field(const char *name, const char *value)
{
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name,
                        .value = (uint8_t *)(uintptr_t)value,
                        .namelen = strlen(name),
                        .valuelen = strlen(value)};
}

static int submit(nghttp2_session *h2, const struct options *options, const struct place *place,
                  struct body *body)
{
    char bearer[4096];
    (void)snprintf(bearer, sizeof(bearer), "Bearer %s", options->token);
    const nghttp2_nv fields[] = {
        field(":method", "POST"),
        field(":scheme", "http"),
        field(":path", "/parley.v1.ChatService/Subscribe"),
        field(":authority", place->text),
        field("content-type", "application/grpc"),
        field("te", "trailers"),
        field("authorization", bearer),
    };
    const nghttp2_settings_entry window = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW_MAX};
    const nghttp2_data_provider provider = {.source.ptr = body, .read_callback = read_body};
    return nghttp2_submit_settings(h2, NGHTTP2_FLAG_NONE, &window, 1) == 0 &&
                   nghttp2_submit_window_update(h2, NGHTTP2_FLAG_NONE, 0,
                                                WINDOW_MAX - WINDOW_START) == 0 &&
                   nghttp2_submit_request(h2, NULL, fields, PL_COUNT(fields), &provider, NULL) > 0
               ? 0
               : -1;
}

static int send_out(nghttp2_session *h2, int fd)
{
    const uint8_t *data = NULL;
    ssize_t len = nghttp2_session_mem_send(h2, &data);
    while (len > 0) {
        if (write(fd, data, (size_t)len) != len) {
            return -1;
        }
        len = nghttp2_session_mem_send(h2, &data);
    }
    return (int)len;
}

static int ask(int fd, const struct options *options, const struct place *place,
               const struct pl_buf *request)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_session *h2 = NULL;
    struct body body = {request->data, request->len};
    int rv = nghttp2_session_callbacks_new(&callbacks);
    if (rv == 0) {
        rv = nghttp2_session_client_new(&h2, callbacks, NULL);
        nghttp2_session_callbacks_del(callbacks);
    }
    if (rv == 0) {
        rv = submit(h2, options, place, &body) == 0 ? send_out(h2, fd) : -1;
    }
    nghttp2_session_del(h2);
    return rv;
}

static struct pl_buf *make_request(const struct conversation *conversation)
{
    Parley__V1__SubscribeRequest request = PARLEY__V1__SUBSCRIBE_REQUEST__INIT;
    Parley__V1__Cursor cursor = PARLEY__V1__CURSOR__INIT;
    Parley__V1__Cursor *cursors[] = {&cursor};
    cursor.conversation_id = (char *)(uintptr_t)conversation->id;
    request.cursors = cursors;
    request.n_cursors = 1;
    return pl_pb_frame(&request.base);
}

static int connect_one(struct counters *counters, struct counter *counter,
                       const struct options *options, const struct place *place,
                       const struct pl_buf *request)
{
    const struct pl_address *address = &place->address;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = counter};
    counter->fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return counter->fd >= 0 &&
                   connect(counter->fd, (const struct sockaddr *)&address->storage, address->len) ==
                       0 &&
                   ask(counter->fd, options, place, request) == 0 &&
                   epoll_ctl(counters->epoll_fd, EPOLL_CTL_ADD, counter->fd, &event) == 0
               ? 0
               : -1;
}

/* ---- life ---- */

static int connect_all(struct counters *counters, const struct options *options,
                       const struct conversation *conversation)
{
    struct pl_buf *request = make_request(conversation);
    struct places places;
    int rv = places_parse(&places, options->server);
    rv = request != NULL && counters->epoll_fd >= 0 ? rv : -1;
    for (size_t i = 0; i < counters->count && rv == 0; i++) {
        const struct place *place = &places.all[i % places.count];
        rv = connect_one(counters, &counters->all[i], options, place, request);
    }
    pl_buf_unref(request);
    return rv;
}

static int wait_until_live(const struct counters *counters, uint64_t messages)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    for (int i = 0; i < READY_TIMEOUT_S * 1000; i++) {
        int has = counters_have(counters, messages);
        if (has != 0) {
            return has > 0 ? 0 : -1;
        }
        (void)nanosleep(&pause, NULL);
    }
    return -1;
}

struct counters *counters_new(const struct options *options,
                              const struct conversation *conversation, size_t count)
{
    struct counters *counters = pl_xcalloc(1, sizeof(*counters));
    counters->all = pl_xcalloc(count, sizeof(*counters->all));
    counters->count = count;
    counters->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    for (size_t i = 0; i < count; i++) {
        counters->all[i].fd = -1;
    }
    int rv = connect_all(counters, options, conversation);
    if (rv == 0) {
        counters->is_running = pthread_create(&counters->thread, NULL, read_all, counters) == 0;
        rv = counters->is_running ? 0 : -1;
    }
    if (rv == 0) {
        rv = wait_until_live(counters, (uint64_t)conversation->head_seq + 1);
    }
    if (rv != 0) {
        (void)fprintf(stderr, "parley-bench: a counting subscriber cannot subscribe: %s\n",
                      strerror(errno));
        counters_free(counters);
        return NULL;
    }
    return counters;
}

uint64_t counters_total(const struct counters *counters)
{
    return atomic_load_explicit(&counters->total, memory_order_relaxed);
}

int counters_have(const struct counters *counters, uint64_t messages)
{
    int rv = atomic_load(&counters->is_broken) ? -1 : 1;
    for (size_t i = 0; i < counters->count && rv >= 0; i++) {
        uint64_t has = atomic_load_explicit(&counters->all[i].messages, memory_order_relaxed);
        rv = has > messages ? -1 : (has < messages ? 0 : rv);
    }
    return rv;
}

void counters_free(struct counters *counters)
{
    if (counters == NULL) {
        return;
    }
    atomic_store(&counters->is_over, true);
    if (counters->is_running) {
        (void)pthread_join(counters->thread, NULL);
    }
    for (size_t i = 0; i < counters->count; i++) {
        if (counters->all[i].fd >= 0) {
            (void)close(counters->all[i].fd);
        }
    }
    if (counters->epoll_fd >= 0) {
        (void)close(counters->epoll_fd);
    }
    pl_free(counters->all);
    pl_free(counters);
}
