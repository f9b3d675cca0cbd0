/* SPDX-License-Identifier: Apache-2.0 */
/* Watched descriptors: what is reported, what stops it, and reuse of a descriptor's number. */

#include "base/attr.h"
#include "loop/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct seen {
    struct pl_loop *loop;
    struct pl_watch *watch;
    struct seen *other; /* whose watch is closed by the first event */
    int fd;
    int calls;
    int events;
};

static void on_ready(void *owner, int events)
{
    struct seen *seen = owner;
    seen->calls++;
    seen->events |= events;
    if (seen->other != NULL) {
        pl_watch_close(seen->other->watch);
        seen->other->watch = NULL;
        seen->other->other = NULL;
    }
}

static void turns(struct pl_loop *loop)
{
    for (int i = 0; i < 3; i++) {
        pl_loop_turn(loop);
    }
}

static void make_pair(int pair[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
}

static void test_readable_and_writable_come_as_asked(void **state)
{
    (void)state;
    struct pl_loop *loop = NULL;
    assert_int_equal(pl_loop_new(&loop, NULL), PARLEY_OK);
    int pair[2];
    make_pair(pair);
    struct seen seen = {.loop = loop};
    seen.watch = pl_watch_open(loop, pair[0], on_ready, &seen);
    assert_non_null(seen.watch);
    turns(loop);
    assert_int_equal(seen.calls, 0);
    pl_watch_set(seen.watch, PL_READABLE);
    turns(loop);
    assert_int_equal(seen.calls, 0);
    assert_int_equal(write(pair[1], "x", 1), 1);
    turns(loop);
    assert_true(seen.calls >= 2); /* level-triggered */
    assert_int_equal(seen.events, PL_READABLE);
    pl_watch_set(seen.watch, PL_WRITABLE);
    seen.events = 0;
    turns(loop);
    assert_int_equal(seen.events, PL_WRITABLE);
    pl_watch_set(seen.watch, 0);
    seen.calls = 0;
    turns(loop);
    assert_int_equal(seen.calls, 0);
    pl_watch_close(seen.watch);
    (void)close(pair[0]);
    (void)close(pair[1]);
    pl_loop_free(loop);
}

static void test_no_event_comes_after_close_even_of_the_same_turn(void **state)
{
    (void)state;
    struct pl_loop *loop = NULL;
    assert_int_equal(pl_loop_new(&loop, NULL), PARLEY_OK);
    int pair[2];
    make_pair(pair);
    struct seen seen[2] = {{.loop = loop}, {.loop = loop}};
    seen[0].other = &seen[1];
    seen[1].other = &seen[0];
    for (size_t i = 0; i < 2; i++) {
        seen[i].watch = pl_watch_open(loop, pair[i], on_ready, &seen[i]);
        assert_non_null(seen[i].watch);
        pl_watch_set(seen[i].watch, PL_WRITABLE);
    }
    turns(loop);
    assert_true((seen[0].calls == 0) != (seen[1].calls == 0));
    for (size_t i = 0; i < 2; i++) {
        pl_watch_close(seen[i].watch);
        (void)close(pair[i]);
    }
    pl_loop_free(loop);
}

static void test_a_number_is_watched_again_right_after_it_was_closed(void **state)
{
    (void)state;
    struct pl_loop *loop = NULL;
    assert_int_equal(pl_loop_new(&loop, NULL), PARLEY_OK);
    int pair[2];
    make_pair(pair);
    struct seen old = {.loop = loop};
    old.watch = pl_watch_open(loop, pair[0], on_ready, &old);
    assert_non_null(old.watch);
    pl_watch_set(old.watch, PL_READABLE);
    turns(loop);
    pl_watch_close(old.watch);
    (void)close(pair[0]);
    int fresh = fcntl(pair[1], F_DUPFD_CLOEXEC, pair[0]);
    assert_int_equal(fresh, pair[0]);
    struct seen seen = {.loop = loop};
    seen.watch = pl_watch_open(loop, fresh, on_ready, &seen);
    assert_non_null(seen.watch);
    pl_watch_set(seen.watch, PL_READABLE);
    turns(loop);
    assert_int_equal(old.calls, 0);
    assert_true((seen.events & PL_READABLE) != 0); /* the peer has gone: end of file */
    pl_watch_close(seen.watch);
    (void)close(fresh);
    (void)close(pair[1]);
    pl_loop_free(loop);
}

static void test_a_plain_file_cannot_be_watched(void **state)
{
    (void)state;
    struct pl_loop *loop = NULL;
    assert_int_equal(pl_loop_new(&loop, NULL), PARLEY_OK);
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_null(pl_watch_open(loop, fd, on_ready, NULL));
    (void)close(fd);
    pl_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_readable_and_writable_come_as_asked),
        cmocka_unit_test(test_no_event_comes_after_close_even_of_the_same_turn),
        cmocka_unit_test(test_a_number_is_watched_again_right_after_it_was_closed),
        cmocka_unit_test(test_a_plain_file_cannot_be_watched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
