/* SPDX-License-Identifier: Apache-2.0 */
/* Peers that keep a server waiting, many at a time, beside a bystander who does not. */
#include "support/check.h"
#include "support/parleyd.h"
#include "support/wait.h"
#include "wire/attack.h"
#include "wire/bystander.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RSS_GROWTH_KIB  (96 * 1024) /* with the sanitizer's own share */
#define OPEN_TIMEOUT_MS 10000       /* of the server, for preface and settings */

static struct parleyd server;
static struct bystander bystander;

static bool is_closed(int fd)
{
    char answer[256];
    ssize_t got = 0;
    do {
        got = recv(fd, answer, sizeof(answer), MSG_DONTWAIT);
    } while (got > 0);
    return got == 0 || errno != EAGAIN;
}

static void send_block(int fd, const struct bytes *block)
{
    assert_int_equal(send(fd, block->data, block->len, MSG_NOSIGNAL), block->len);
}

/* As many streams as are allowed, none of which can be answered. */
static void test_a_reader_without_a_window_is_contained(void **state)
{
    (void)state;
    enum {
        CONNECTIONS = 10,
        STREAMS = 900
    };
    static const uint8_t no_window[] = {0, 4, 0, 0, 0, 0};
    static const uint8_t empty[5];
    static struct bytes block;
    int fds[CONNECTIONS];
    long before_kib = parleyd_rss_kib(&server);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        block.len = 0;
        put_hello(&block, no_window, sizeof(no_window));
        for (uint32_t id = 1; id < STREAMS * 2; id += 2) {
            put_check(&block, END_HEADERS, id);
            put_frame(&block, FRAME_DATA, END_STREAM, id, empty, sizeof(empty));
        }
        fds[i] = client_socket(server.listen);
        send_block(fds[i], &block);
        bystander_check(&bystander);
    }
    bystander_check(&bystander);
    assert_true(parleyd_rss_kib(&server) - before_kib < RSS_GROWTH_KIB);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        (void)close(fds[i]);
    }
    bystander_check(&bystander);
}

/* Hello and then nothing: cheap to hold, and nobody pays for it. */
static void test_half_open_connections_cost_little(void **state)
{
    (void)state;
    enum {
        CONNECTIONS = 400
    };
    static struct bytes hello;
    static int fds[CONNECTIONS];
    hello.len = 0;
    put_hello(&hello, NULL, 0);
    long before_kib = parleyd_rss_kib(&server);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        fds[i] = client_socket(server.listen);
        send_block(fds[i], &hello);
        if (i % 20 == 0) {
            bystander_check(&bystander);
        }
    }
    bystander_check(&bystander);
    assert_true(parleyd_rss_kib(&server) - before_kib < RSS_GROWTH_KIB);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        (void)close(fds[i]);
    }
    bystander_check(&bystander);
}

/* Hello, one byte at a time and never whole; or nothing at all. */
static void test_a_slow_hello_is_not_waited_for(void **state)
{
    (void)state;
    enum {
        SLOW = 50
    };
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    int fds[SLOW];
    for (size_t i = 0; i < SLOW; i++) {
        fds[i] = client_socket(server.listen);
    }
    int64_t start_ms = wait_deadline(0);
    size_t closed = 0;
    for (size_t round = 0; closed < SLOW; round++) {
        assert_true(wait_deadline(0) - start_ms < OPEN_TIMEOUT_MS + WAIT_MS);
        closed = 0;
        for (size_t i = 0; i < SLOW; i++) {
            closed += is_closed(fds[i]) ? 1 : 0;
            if (i % 2 == 0 && round < sizeof(preface) - 2) {
                (void)send(fds[i], preface + round, 1, MSG_NOSIGNAL);
            }
        }
        bystander_check(&bystander);
        (void)poll(NULL, 0, 50);
    }
    assert_true(wait_deadline(0) - start_ms >= OPEN_TIMEOUT_MS / 2);
    for (size_t i = 0; i < SLOW; i++) {
        (void)close(fds[i]);
    }
}

static int start_server(void **state)
{
    (void)state;
    parleyd_start(&server, PARLEYD_PATH, NULL);
    bystander_open(&bystander, server.listen);
    return 0;
}

static int stop_server(void **state)
{
    (void)state;
    bystander_close(&bystander);
    parleyd_stop(&server);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_reader_without_a_window_is_contained),
        cmocka_unit_test(test_half_open_connections_cost_little),
        cmocka_unit_test(test_a_slow_hello_is_not_waited_for),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
