/* SPDX-License-Identifier: Apache-2.0 */
/* Listening sockets: ports, unix sockets and what is left of them, and running out of
 * descriptors. */
#include "transport/address.h"
#include "transport/listener.h"

#include "support/check.h"
#include "support/tmp_dir.h"
#include "support/wait.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

struct taker {
    struct pl_loop *loop;
    struct pl_listener *listener;
    int accepts;
    bool closes_listener;
    char peer[PL_PEER_MAX]; /* of the last one */
};

static bool on_accept(void *owner, int fd, const struct pl_address *peer)
{
    struct taker *taker = owner;
    taker->accepts++;
    pl_address_format(peer, taker->peer);
    assert_true((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    if (taker->closes_listener) {
        pl_listener_close(taker->listener);
        taker->listener = NULL;
    }
    return false;
}

static enum parley_code open_taker(struct taker *taker, const char *address, struct pl_error *err)
{
    *taker = (struct taker){.accepts = 0};
    assert_int_equal(pl_loop_new(&taker->loop, NULL), PARLEY_OK);
    return pl_listener_open(taker->loop, address, on_accept, taker, &taker->listener, err);
}

static void close_taker(struct taker *taker)
{
    pl_listener_close(taker->listener);
    pl_loop_free(taker->loop);
}

static int dial(const char *text)
{
    struct pl_address address;
    assert_int_equal(pl_address_parse(text, &address, NULL), PARLEY_OK);
    int fd = socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (connect(fd, (const struct sockaddr *)&address.storage, address.len) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static void run(struct taker *taker, int accepts)
{
    int64_t deadline_ms = wait_deadline(WAIT_MS);
    while (taker->accepts < accepts) {
        struct pollfd fd = {.fd = pl_loop_fd(taker->loop), .events = POLLIN};
        wait_or_fail(deadline_ms, "a connection is accepted", __FILE__, __LINE__);
        (void)poll(&fd, 1, 10);
        pl_loop_turn(taker->loop);
    }
}

static void test_port_0_becomes_a_real_one_that_is_answered(void **state)
{
    (void)state;
    static const char *const addresses[] = {"127.0.0.1:0", "[::1]:0"};
    for (size_t i = 0; i < PL_COUNT(addresses); i++) {
        struct taker taker;
        if (open_taker(&taker, addresses[i], NULL) != PARLEY_OK) {
            assert_int_equal(i, 1); /* a machine without IPv6 */
            close_taker(&taker);
            continue;
        }
        assert_string_not_equal(pl_listener_address(taker.listener), addresses[i]);
        for (int n = 1; n <= 200; n++) {
            int fd = dial(pl_listener_address(taker.listener));
            assert_true(fd >= 0);
            (void)close(fd);
        }
        run(&taker, 200);
        /* "127.0.0.1:" or "[::1]:" */
        assert_int_equal(strncmp(taker.peer, addresses[i], strlen(addresses[i]) - 1), 0);
        close_taker(&taker);
    }
}

static void test_k13_several_loops_listen_on_one_port(void **state)
{
    (void)state;
    struct taker first;
    struct taker second;
    assert_int_equal(open_taker(&first, "127.0.0.1:0", NULL), PARLEY_OK);
    assert_int_equal(open_taker(&second, pl_listener_address(first.listener), NULL), PARLEY_OK);
    assert_string_equal(pl_listener_address(first.listener), pl_listener_address(second.listener));
    int64_t deadline_ms = wait_deadline(WAIT_MS);
    while (first.accepts == 0 || second.accepts == 0) {
        wait_or_fail(deadline_ms, "both get connections", __FILE__, __LINE__);
        int fd = dial(pl_listener_address(first.listener));
        assert_true(fd >= 0);
        (void)close(fd);
        pl_loop_turn(first.loop);
        pl_loop_turn(second.loop);
    }
    close_taker(&first);
    close_taker(&second);
}

static void test_a_listener_may_be_closed_from_its_own_event(void **state)
{
    (void)state;
    struct taker taker;
    char address[PL_PEER_MAX];
    assert_int_equal(open_taker(&taker, "127.0.0.1:0", NULL), PARLEY_OK);
    (void)snprintf(address, sizeof(address), "%s", pl_listener_address(taker.listener));
    taker.closes_listener = true;
    int fds[2] = {dial(address), dial(address)};
    run(&taker, 1);
    pl_loop_turn(taker.loop);
    assert_int_equal(taker.accepts, 1);
    assert_int_equal(dial(address), -1);
    (void)close(fds[0]);
    (void)close(fds[1]);
    close_taker(&taker);
}

static void test_a_unix_socket_is_there_as_long_as_its_listener(void **state)
{
    (void)state;
    struct tmp_dir dir;
    struct taker taker;
    struct taker second;
    char address[TMP_DIR_PATH_MAX + 16];
    struct pl_error err = PL_ERROR_INIT;
    assert_int_equal(tmp_dir_init(&dir), 0);
    (void)snprintf(address, sizeof(address), "unix:%s/s", dir.path);
    assert_int_equal(open_taker(&taker, address, NULL), PARLEY_OK);
    assert_string_equal(pl_listener_address(taker.listener), address);
    int fd = dial(address);
    run(&taker, 1);
    (void)close(fd);
    /* A living server's socket is not taken away. */
    assert_int_equal(open_taker(&second, address, &err), PARLEY_FAILED_PRECONDITION);
    assert_non_null(strstr(err.text, address));
    close_taker(&second);
    fd = dial(address);
    assert_true(fd >= 0);
    (void)close(fd);
    close_taker(&taker);
    assert_int_equal(access(address + 5, F_OK), -1);
    assert_int_equal(tmp_dir_deinit(&dir), 0);
}

static void test_what_a_dead_server_left_is_replaced_but_no_other_file(void **state)
{
    (void)state;
    struct tmp_dir dir;
    struct taker taker;
    char address[TMP_DIR_PATH_MAX + 16];
    struct pl_address name;
    assert_int_equal(tmp_dir_init(&dir), 0);
    (void)snprintf(address, sizeof(address), "unix:%s/s", dir.path);
    assert_int_equal(pl_address_parse(address, &name, NULL), PARLEY_OK);
    int dead = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(dead, (const struct sockaddr *)&name.storage, name.len), 0);
    (void)close(dead);
    assert_int_equal(open_taker(&taker, address, NULL), PARLEY_OK);
    close_taker(&taker);
    assert_int_equal(tmp_dir_write(&dir, "s", "precious"), 0);
    assert_int_equal(open_taker(&taker, address, NULL), PARLEY_FAILED_PRECONDITION);
    close_taker(&taker);
    assert_int_equal(access(address + 5, F_OK), 0);
    assert_int_equal(tmp_dir_deinit(&dir), 0);
}

static void test_an_address_that_is_not_ours_is_refused(void **state)
{
    (void)state;
    static const char *const addresses[] = {"192.0.2.1:0", "localhost:0", "127.0.0.1",
                                            "unix:/no/s"};
    for (size_t i = 0; i < PL_COUNT(addresses); i++) {
        struct taker taker;
        struct pl_error err = PL_ERROR_INIT;
        assert_int_not_equal(open_taker(&taker, addresses[i], &err), PARLEY_OK);
        assert_non_null(strstr(err.text, addresses[i]));
        close_taker(&taker);
    }
}

static void test_out_of_descriptors_it_looks_away_and_comes_back(void **state)
{
    (void)state;
    struct taker taker;
    struct rlimit limit;
    assert_int_equal(open_taker(&taker, "127.0.0.1:0", NULL), PARLEY_OK);
    int waiting = dial(pl_listener_address(taker.listener));
    assert_true(waiting >= 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    struct rlimit low = {.rlim_cur = (rlim_t)waiting + 1, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    int turns = 0;
    for (int64_t end_ms = wait_deadline(100); wait_turn(end_ms); turns++) {
        struct pollfd fd = {.fd = pl_loop_fd(taker.loop), .events = POLLIN};
        (void)poll(&fd, 1, 100); /* sleeps: the socket is not polled meanwhile */
        pl_loop_turn(taker.loop);
    }
    assert_int_equal(taker.accepts, 0);
    assert_in_range(turns, 1, 10);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    run(&taker, 1);
    (void)close(waiting);
    close_taker(&taker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_port_0_becomes_a_real_one_that_is_answered),
        cmocka_unit_test(test_k13_several_loops_listen_on_one_port),
        cmocka_unit_test(test_a_listener_may_be_closed_from_its_own_event),
        cmocka_unit_test(test_a_unix_socket_is_there_as_long_as_its_listener),
        cmocka_unit_test(test_what_a_dead_server_left_is_replaced_but_no_other_file),
        cmocka_unit_test(test_an_address_that_is_not_ours_is_refused),
        cmocka_unit_test(test_out_of_descriptors_it_looks_away_and_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
