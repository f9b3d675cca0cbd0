/* SPDX-License-Identifier: Apache-2.0 */
/* The admin pages over real sockets, asked well, badly and slowly. One thread: the test turns the
 * server's loop between its own reads. */
#include "admin/admin.h"

#include "base/metric.h"
#include "core/metrics_text.h"
#include "support/check.h"
#include "support/wait.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 8
#define ANSWER_MAX      65536

struct site {
    struct pl_loop *loop;
    struct admin *admin;
};

static void open_site(struct site *site, int64_t timeout_ms)
{
    const struct admin_options options = {
        .address = "127.0.0.1:0", .connections_max = CONNECTIONS_MAX, .timeout_ms = timeout_ms};
    assert_int_equal(pl_loop_new(&site->loop, NULL), PARLEY_OK);
    assert_int_equal(admin_open(site->loop, &options, &site->admin, NULL), PARLEY_OK);
}

static void close_site(struct site *site)
{
    admin_close(site->admin);
    pl_loop_free(site->loop);
}

static void turn(struct site *site)
{
    struct pollfd fd = {.fd = pl_loop_fd(site->loop), .events = POLLIN};
    (void)poll(&fd, 1, 5);
    pl_loop_turn(site->loop);
}

static int connect_to(const struct site *site)
{
    const char *colon = strrchr(admin_address(site->admin), ':');
    struct sockaddr_in name = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)strtol(colon + 1, NULL, 10)),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&name, sizeof(name)), 0);
    return fd;
}

static void send_text(int fd, const char *text, size_t len)
{
    assert_int_equal(send(fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT), len);
}

/* Read until the server closes. @return static text */
static const char *read_to_end(struct site *site, int fd)
{
    static char answer[ANSWER_MAX];
    size_t len = 0;
    int64_t deadline_ms = wait_deadline(WAIT_MS);
    for (;;) {
        ssize_t got = recv(fd, answer + len, sizeof(answer) - 1 - len, MSG_DONTWAIT);
        if (got == 0) {
            break;
        }
        assert_true(got > 0 || errno == EAGAIN);
        len += got > 0 ? (size_t)got : 0;
        wait_or_fail(deadline_ms, "the server closes", __FILE__, __LINE__);
        turn(site);
    }
    answer[len] = '\0';
    (void)close(fd);
    return answer;
}

static const char *ask(struct site *site, const char *request)
{
    int fd = connect_to(site);
    send_text(fd, request, strlen(request));
    return read_to_end(site, fd);
}

#define CLOSING " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

static void check_status(const char *answer, const char *status)
{
    if (strncmp(answer, "HTTP/1.1 ", 9) != 0 || strncmp(answer + 9, status, strlen(status)) != 0) {
        fail_msg("not a %s: %.80s", status, answer);
    }
}

static const char *body_of(const char *answer)
{
    const char *body = strstr(answer, "\r\n\r\n");
    assert_non_null(body);
    return body + 4;
}

/* ---- pages ---- */

static void test_probes_tell_the_state(void **state)
{
    (void)state;
    static const struct {
        enum admin_state state;
        const char *ready;
    } rows[] = {{ADMIN_STARTING, "503"}, {ADMIN_READY, "200"}, {ADMIN_DRAINING, "503"}};
    struct site site;
    open_site(&site, 0);
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        admin_set_state(site.admin, rows[i].state);
        check_status(ask(&site, "GET /readyz" CLOSING), rows[i].ready);
        check_status(ask(&site, "GET /healthz" CLOSING), "200");
    }
    close_site(&site);
}

static void test_metrics_are_text_of_the_right_length(void **state)
{
    (void)state;
    static struct pl_metric metric = {
        .name = "parley_test_total", .help = "For this test.", .kind = PL_METRIC_COUNTER};
    struct site site;
    metrics_text_start();
    pl_metric_register(&metric, 1);
    pl_metric_add(&metric, 7);
    open_site(&site, 0);
    const char *answer = ask(&site, "GET /metrics" CLOSING);
    check_status(answer, "200");
    assert_non_null(strstr(answer, "Content-Type: text/plain; version=0.0.4"));
    assert_non_null(strstr(answer, "\nparley_test_total 7\n"));
    const char *length = strstr(answer, "Content-Length: ");
    assert_non_null(length);
    assert_int_equal(strtol(length + 16, NULL, 10), strlen(body_of(answer)));
    close_site(&site);
}

static void test_each_request_gets_its_status(void **state)
{
    (void)state;
    static const struct {
        const char *request;
        const char *status;
    } rows[] = {
        {"GET /" CLOSING, "200"},
        {"GET /healthz?x=1" CLOSING, "200"},
        {"GET http://a/healthz" CLOSING, "200"},
        {"GET /nosuch" CLOSING, "404"},
        {"GET /healthz/" CLOSING, "404"},
        {"GET //healthz" CLOSING, "404"},
        {"GET /../healthz" CLOSING, "404"},
        {"GET /healthz%00" CLOSING, "404"},
        {"GET /%2e%2e/etc/passwd" CLOSING, "404"},
        {"DELETE /healthz" CLOSING, "405"},
        {"POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc",
         "405"},
        {"OPTIONS *" CLOSING, "405"},
        {"CONNECT a:1" CLOSING, "405"},
        {"GET /healthz HTTP/1.0\r\n\r\n", "200"},
        {"nonsense\r\n\r\n", "400"},
        {"GET /healthz HTTP/9.9\r\n\r\n", "400"},
        {"GET /healthz\r\n\r\n", "400"},
        {"GET  HTTP/1.1\r\n\r\n", "400"},
        {"GET /healthz HTTP/1.1\r\nBad header\r\n\r\n", "400"},
        {"GET /healthz HTTP/1.1\r\nContent-Length: x\r\n\r\n", "400"},
        {"GET /healthz HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "400"},
        {"GET /healthz HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", "400"},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400"},
        {"\x16\x03\x01\x02", "400"},
    };
    struct site site;
    open_site(&site, 0);
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        print_message("  %.*s\n", (int)strcspn(rows[i].request, "\r"), rows[i].request);
        check_status(ask(&site, rows[i].request), rows[i].status);
    }
    close_site(&site);
}

static void test_head_has_no_body_but_its_length(void **state)
{
    (void)state;
    struct site site;
    open_site(&site, 0);
    const char *answer = ask(&site, "HEAD /healthz" CLOSING);
    check_status(answer, "200");
    assert_non_null(strstr(answer, "Content-Length: 3\r\n"));
    assert_string_equal(body_of(answer), "");
    close_site(&site);
}

static size_t count(const char *text, const char *part)
{
    size_t found = 0;
    for (const char *at = strstr(text, part); at != NULL; at = strstr(at + 1, part)) {
        found++;
    }
    return found;
}

static void test_a_connection_is_kept_and_what_came_ahead_is_answered_in_turn(void **state)
{
    (void)state;
    struct site site;
    open_site(&site, 0);
    const char *answer = ask(&site, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
                                    "GET /nosuch HTTP/1.1\r\nHost: a\r\n\r\n"
                                    "GET /" CLOSING "GET /healthz" CLOSING);
    assert_int_equal(count(answer, "HTTP/1.1 "), 3); /* none after "close" */
    const char *missing = strstr(answer, "HTTP/1.1 404");
    assert_non_null(missing);
    assert_true(missing > answer);
    assert_non_null(strstr(missing, "/metrics  counters"));
    close_site(&site);
}

static void test_a_request_may_come_byte_by_byte(void **state)
{
    (void)state;
    static const char request[] = "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    struct site site;
    open_site(&site, 0);
    int fd = connect_to(&site);
    for (size_t i = 0; i + 1 < sizeof(request); i++) {
        send_text(fd, request + i, 1);
        turn(&site);
    }
    check_status(read_to_end(&site, fd), "200");
    close_site(&site);
}

/* ---- limits ---- */

static void test_what_is_too_long_is_refused(void **state)
{
    (void)state;
    static char request[16384];
    struct site site;
    open_site(&site, 0);
    (void)snprintf(request, sizeof(request), "GET /%01000d" CLOSING, 0);
    check_status(ask(&site, request), "414");
    (void)snprintf(request, sizeof(request), "GET /healthz HTTP/1.1\r\nX: %010000d\r\n\r\n", 0);
    check_status(ask(&site, request), "431");
    (void)snprintf(request, sizeof(request),
                   "POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 10000\r\n\r\n%010000d", 0);
    check_status(ask(&site, request), "431");
    close_site(&site);
}

static void test_more_connections_than_allowed_are_closed_at_once(void **state)
{
    (void)state;
    struct site site;
    int fds[CONNECTIONS_MAX];
    open_site(&site, 0);
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        fds[i] = connect_to(&site);
        turn(&site);
    }
    assert_string_equal(read_to_end(&site, connect_to(&site)), "");
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        send_text(fds[i], "GET /healthz" CLOSING, strlen("GET /healthz" CLOSING));
        check_status(read_to_end(&site, fds[i]), "200");
    }
    check_status(ask(&site, "GET /healthz" CLOSING), "200"); /* there is room again */
    close_site(&site);
}

static void test_a_slow_client_loses_its_place_in_time(void **state)
{
    (void)state;
    static const char *const begun[] = {"", "G", "GET /healthz HTTP/1.1\r\nHo",
                                        "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"};
    for (size_t i = 0; i < PL_COUNT(begun); i++) {
        struct site site;
        open_site(&site, 100);
        int fd = connect_to(&site);
        send_text(fd, begun[i], strlen(begun[i]));
        int64_t start_ms = wait_deadline(0);
        const char *answer = read_to_end(&site, fd);
        assert_true(wait_deadline(0) - start_ms >= 90);
        assert_int_equal(strncmp(answer, "HTTP/1.1 200", 12) == 0, i == 3); /* idle after it */
        close_site(&site);
    }
}

/* A byte now and then does not buy more time: the whole request has to come. */
static void test_dripping_does_not_keep_a_connection(void **state)
{
    (void)state;
    struct site site;
    open_site(&site, 200);
    int fd = connect_to(&site);
    int64_t deadline_ms = wait_deadline(WAIT_MS);
    char byte;
    ssize_t got = -1;
    send_text(fd, "GET /healthz HTTP/1.1\r\nX: ", 26);
    while (got != 0) {
        (void)send(fd, "x", 1, MSG_NOSIGNAL);
        wait_or_fail(deadline_ms, "the server closes", __FILE__, __LINE__);
        turn(&site);
        got = recv(fd, &byte, 1, MSG_DONTWAIT);
        if (got < 0 && errno != EAGAIN) {
            break; /* reset: what dripped was not read */
        }
    }
    (void)close(fd);
    close_site(&site);
}

/* Asks on and on and reads nothing: only what the kernel holds is answered, then it is closed. */
static void test_a_client_that_does_not_read_is_closed(void **state)
{
    (void)state;
    static const char request[] = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";
    struct site site;
    int small = 4096;
    open_site(&site, 200);
    int fd = connect_to(&site);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    int64_t deadline_ms = wait_deadline(WAIT_MS);
    for (;;) {
        ssize_t sent = send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN) {
            break;
        }
        wait_or_fail(deadline_ms, "the server closes", __FILE__, __LINE__);
        turn(&site);
    }
    (void)close(fd);
    check_status(ask(&site, "GET /healthz" CLOSING), "200");
    close_site(&site);
}

static void test_clients_that_go_leave_nothing_behind(void **state)
{
    (void)state;
    static const char *const begun[] = {"", "GET", "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"};
    struct site site;
    open_site(&site, 0);
    for (size_t i = 0; i < 3 * (CONNECTIONS_MAX + 2); i++) {
        int fd = connect_to(&site);
        const struct linger reset = {.l_onoff = 1, .l_linger = 0};
        send_text(fd, begun[i % 3], strlen(begun[i % 3]));
        if (i % 2 == 0) {
            assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
        }
        turn(&site);
        (void)close(fd);
        turn(&site);
        turn(&site);
    }
    check_status(ask(&site, "GET /healthz" CLOSING), "200");
    int fd = connect_to(&site); /* is open at the end */
    turn(&site);
    close_site(&site);
    (void)close(fd);
}

static void test_an_address_that_is_taken_or_none_is_said(void **state)
{
    (void)state;
    struct pl_loop *loop = NULL;
    struct admin *admin = NULL;
    struct pl_error err = PL_ERROR_INIT;
    const struct admin_options options = {.address = "nowhere"};
    assert_int_equal(pl_loop_new(&loop, NULL), PARLEY_OK);
    assert_int_equal(admin_open(loop, &options, &admin, &err), PARLEY_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "nowhere"));
    pl_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_probes_tell_the_state),
        cmocka_unit_test(test_metrics_are_text_of_the_right_length),
        cmocka_unit_test(test_each_request_gets_its_status),
        cmocka_unit_test(test_head_has_no_body_but_its_length),
        cmocka_unit_test(test_a_connection_is_kept_and_what_came_ahead_is_answered_in_turn),
        cmocka_unit_test(test_a_request_may_come_byte_by_byte),
        cmocka_unit_test(test_what_is_too_long_is_refused),
        cmocka_unit_test(test_more_connections_than_allowed_are_closed_at_once),
        cmocka_unit_test(test_a_slow_client_loses_its_place_in_time),
        cmocka_unit_test(test_dripping_does_not_keep_a_connection),
        cmocka_unit_test(test_a_client_that_does_not_read_is_closed),
        cmocka_unit_test(test_clients_that_go_leave_nothing_behind),
        cmocka_unit_test(test_an_address_that_is_taken_or_none_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
