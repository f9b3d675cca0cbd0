/* SPDX-License-Identifier: Apache-2.0 */
#include "raw_server.h"

#include "base/clock.h"
#include "support/check.h"
#include "support/h2_frame.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPTS_MAX 64
#define PREFACE_LEN 24

enum {
    FRAME_HEADERS = 1
};

struct raw_server {
    const enum raw_act *acts;
    unsigned act_count;
    int listener;
    int wake[2];
    char target[32];
    pthread_t thread;
    atomic_uint accepts;
    atomic_uint calls;
    int64_t accepted_ms[ACCEPTS_MAX]; /* written before `accepts` counts it */
    const char *pushback;
};

/* Returns false: the peer is gone, or the test is over. */
static bool wait_readable(struct raw_server *server, int fd)
{
    struct pollfd waits[] = {{.fd = fd, .events = POLLIN},
                             {.fd = server->wake[0], .events = POLLIN}};
    while (poll(waits, 2, -1) < 0 && errno == EINTR) {
    }
    return waits[1].revents == 0;
}

static bool read_all(struct raw_server *server, int fd, uint8_t *to, size_t len)
{
    while (len > 0) {
        ssize_t got = wait_readable(server, fd) ? read(fd, to, len) : 0;
        if (got <= 0) {
            return false;
        }
        to += got;
        len -= (size_t)got;
    }
    return true;
}

static void put(int fd, const void *data, size_t len)
{
    (void)send(fd, data, len, MSG_NOSIGNAL);
}

static void put_frame(int fd, uint8_t type, uint8_t flags, uint8_t stream, const void *payload,
                      uint8_t len)
{
    uint8_t header[H2_HEADER_BYTES];
    h2_put_header(header, len, type, flags, stream);
    put(fd, header, sizeof(header));
    put(fd, payload, len);
}

static void put_settings(int fd)
{
    put_frame(fd, 4, 0, 0, NULL, 0);
}

static void put_goaway(int fd, uint8_t last_stream)
{
    const uint8_t payload[8] = {0, 0, 0, last_stream};
    put_frame(fd, 7, 0, 0, payload, sizeof(payload));
}

static void put_refused(int fd, uint8_t stream)
{
    const uint8_t refused[4] = {0, 0, 0, 7};
    put_frame(fd, 3, 0, stream, refused, sizeof(refused));
}

/* 200, application/grpc, one empty message, grpc-status 0. */
static void put_answer(int fd, uint8_t stream)
{
    static const char type[] = "\x88\x00\x0c"
                               "content-type\x10"
                               "application/grpc";
    static const char status[] = "\x00\x0b"
                                 "grpc-status\x01"
                                 "0";
    static const uint8_t message[5];
    put_frame(fd, FRAME_HEADERS, 4, stream, type, sizeof(type) - 1);
    put_frame(fd, 0, 0, stream, message, sizeof(message));
    put_frame(fd, FRAME_HEADERS, 5, stream, status, sizeof(status) - 1);
}

/* Trailers-only: UNAVAILABLE, with a pushback if there is one. */
static void put_failure(const struct raw_server *server, int fd, uint8_t stream)
{
    static const char head[] = "\x88\x00\x0c"
                               "content-type\x10"
                               "application/grpc"
                               "\x00\x0b"
                               "grpc-status\x02"
                               "14";
    static const char name[] = "\x00\x16"
                               "grpc-retry-pushback-ms";
    char block[128];
    size_t len = sizeof(head) - 1;
    memcpy(block, head, len);
    if (server->pushback != NULL) {
        memcpy(block + len, name, sizeof(name) - 1);
        len += sizeof(name) - 1;
        block[len++] = (char)strlen(server->pushback);
        memcpy(block + len, server->pushback, strlen(server->pushback));
        len += strlen(server->pushback);
    }
    put_frame(fd, FRAME_HEADERS, 5, stream, block, (uint8_t)len);
}

/* Read frames until a call begins. Returns its stream, or 0: the peer is gone. */
static uint8_t next_call(struct raw_server *server, int fd)
{
    uint8_t header[H2_HEADER_BYTES];
    while (read_all(server, fd, header, sizeof(header))) {
        uint8_t payload[16384];
        size_t len = h2_len(header);
        if (len > sizeof(payload) || !read_all(server, fd, payload, len)) {
            return 0;
        }
        if (header[3] == FRAME_HEADERS) {
            atomic_fetch_add(&server->calls, 1);
            return header[8];
        }
    }
    return 0;
}

static void answer_calls(struct raw_server *server, int fd)
{
    for (uint8_t stream = next_call(server, fd); stream != 0; stream = next_call(server, fd)) {
        put_answer(fd, stream);
    }
}

/* @param limit  0: for ever */
static void fail_calls(struct raw_server *server, int fd, unsigned limit)
{
    for (unsigned i = 0; limit == 0 || i < limit; i++) {
        uint8_t stream = next_call(server, fd);
        if (stream == 0) {
            return;
        }
        put_failure(server, fd, stream);
    }
}

static void complain_of_pings(struct raw_server *server, int fd)
{
    uint8_t stream = next_call(server, fd);
    uint8_t goaway[8 + 14] = {0, 0, 0, stream, 0, 0, 0, 11};
    memcpy(goaway + 8, "too_many_pings", 14);
    put_frame(fd, 7, 0, 0, goaway, sizeof(goaway));
    put_answer(fd, stream);
}

static void wait_end(struct raw_server *server, int fd)
{
    while (next_call(server, fd) != 0) {
    }
}

static void play(struct raw_server *server, int fd, enum raw_act act)
{
    uint8_t preface[PREFACE_LEN];
    if (act == RAW_HANG_UP || !read_all(server, fd, preface, sizeof(preface))) {
        return;
    }
    switch (act) {
    case RAW_SILENCE:
        wait_end(server, fd);
        return;
    case RAW_READY_SILENCE:
        put_settings(fd);
        wait_end(server, fd);
        return;
    case RAW_EARLY_GOAWAY:
        put_goaway(fd, 0);
        return;
    case RAW_READY_HANG_UP:
        put_settings(fd);
        (void)next_call(server, fd); /* the channel has seen it: its call is here */
        return;
    case RAW_REFUSE_FIRST:
        put_settings(fd);
        put_refused(fd, next_call(server, fd));
        answer_calls(server, fd);
        return;
    case RAW_GOAWAY_IGNORES:
        put_settings(fd);
        (void)next_call(server, fd);
        put_goaway(fd, 0);
        wait_end(server, fd);
        return;
    case RAW_GOAWAY_ANSWERS: {
        put_settings(fd);
        uint8_t stream = next_call(server, fd);
        put_goaway(fd, stream);
        put_answer(fd, stream);
        wait_end(server, fd);
        return;
    }
    case RAW_FAIL:
        put_settings(fd);
        fail_calls(server, fd, 0);
        return;
    case RAW_FAIL_TWICE:
        put_settings(fd);
        fail_calls(server, fd, 2);
        answer_calls(server, fd);
        return;
    case RAW_PINGED_TOO_OFTEN:
        put_settings(fd);
        complain_of_pings(server, fd);
        wait_end(server, fd);
        return;
    default:
        put_settings(fd);
        answer_calls(server, fd);
        return;
    }
}

static void *run(void *context)
{
    struct raw_server *server = context;
    while (wait_readable(server, server->listener)) {
        int fd = accept(server->listener, NULL, NULL);
        unsigned index = atomic_load(&server->accepts);
        if (index < ACCEPTS_MAX) {
            server->accepted_ms[index] = pl_clock_monotonic_ms();
        }
        atomic_store(&server->accepts, index + 1);
        play(server, fd, server->acts[index < server->act_count ? index : server->act_count - 1]);
        (void)close(fd);
    }
    return NULL;
}

struct raw_server *raw_server_start(const enum raw_act *acts, unsigned count)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof(address);
    struct raw_server *server = calloc(1, sizeof(*server));
    assert_non_null(server);
    server->acts = acts;
    server->act_count = count;
    server->listener = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(server->listener, 16), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &len), 0);
    (void)snprintf(server->target, sizeof(server->target), "127.0.0.1:%u", ntohs(address.sin_port));
    assert_int_equal(pipe(server->wake), 0);
    assert_int_equal(pthread_create(&server->thread, NULL, run, server), 0);
    return server;
}

void raw_server_stop(struct raw_server *server)
{
    if (server == NULL) {
        return;
    }
    assert_int_equal(write(server->wake[1], "x", 1), 1);
    (void)pthread_join(server->thread, NULL);
    (void)close(server->listener);
    (void)close(server->wake[0]);
    (void)close(server->wake[1]);
    free(server);
}

const char *raw_server_target(const struct raw_server *server)
{
    return server->target;
}

unsigned raw_server_accepts(struct raw_server *server)
{
    return atomic_load(&server->accepts);
}

int64_t raw_server_accepted_ms(const struct raw_server *server, unsigned index)
{
    assert_true(index < ACCEPTS_MAX);
    return server->accepted_ms[index];
}

unsigned raw_server_calls(struct raw_server *server)
{
    return atomic_load(&server->calls);
}

void raw_server_push_back(struct raw_server *server, const char *text)
{
    server->pushback = text;
}
