/* SPDX-License-Identifier: Apache-2.0 */
/* Targets to addresses. Only names that every machine knows. */
#include "transport/address.h"
#include "transport/resolver.h"

#include "support/check.h"
#include "support/wait.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

struct told {
    int times;
    enum parley_code code;
    size_t count;
    char addresses[8][PL_PEER_MAX];
    char text[240];
};

static void on_resolved(void *owner, enum parley_code code, const struct pl_address *addresses,
                        size_t count, const struct pl_error *err)
{
    struct told *told = owner;
    told->times++;
    told->code = code;
    told->count = count;
    for (size_t i = 0; i < count && i < PL_COUNT(told->addresses); i++) {
        pl_address_format(&addresses[i], told->addresses[i]);
    }
    (void)snprintf(told->text, sizeof(told->text), "%s", err->text);
}

static void run(struct pl_loop *loop, const struct told *told)
{
    int64_t deadline_ms = wait_deadline(WAIT_MS);
    while (told->times == 0) {
        struct pollfd fd = {.fd = pl_loop_fd(loop), .events = POLLIN};
        wait_or_fail(deadline_ms, "a name is resolved", __FILE__, __LINE__);
        (void)poll(&fd, 1, 20);
        pl_loop_turn(loop);
    }
}

static void test_cl3_each_form_of_target_leads_to_its_address(void **state)
{
    (void)state;
    static const struct {
        const char *target;
        const char *address;
    } rows[] = {
        {"127.0.0.1:5", "127.0.0.1:5"},
        {"127.0.0.1", "127.0.0.1:443"},
        {"ipv4:127.0.0.1:5", "127.0.0.1:5"},
        {"ipv6:[::1]:5", "[::1]:5"},
        {"ipv6:::1", "[::1]:443"},
        {"dns:127.0.0.1:5", "127.0.0.1:5"},
        {"dns:///127.0.0.1:5", "127.0.0.1:5"},
        {"unix:/tmp/x", "unix"},
        {"unix:///tmp/x", "unix"},
    };
    struct pl_loop *loop = NULL;
    assert_int_equal(pl_loop_new(&loop, NULL), PARLEY_OK);
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        struct told told = {.times = 0};
        print_message("  %s\n", rows[i].target);
        assert_int_equal(pl_resolve(loop, rows[i].target, "443", on_resolved, &told, NULL),
                         PARLEY_OK);
        assert_int_equal(told.times, 0);
        run(loop, &told);
        assert_int_equal(told.times, 1);
        assert_int_equal(told.code, PARLEY_OK);
        assert_int_equal(told.count, 1);
        assert_string_equal(told.addresses[0], rows[i].address);
    }
    pl_loop_free(loop);
}

static void test_a_name_may_have_several_addresses(void **state)
{
    (void)state;
    struct pl_loop *loop = NULL;
    struct told told = {.times = 0};
    assert_int_equal(pl_loop_new(&loop, NULL), PARLEY_OK);
    assert_int_equal(pl_resolve(loop, "dns:localhost:7", NULL, on_resolved, &told, NULL),
                     PARLEY_OK);
    run(loop, &told);
    assert_int_equal(told.code, PARLEY_OK);
    assert_in_range(told.count, 1, PL_COUNT(told.addresses));
    for (size_t i = 0; i < told.count; i++) {
        assert_true(strcmp(told.addresses[i], "127.0.0.1:7") == 0 ||
                    strcmp(told.addresses[i], "[::1]:7") == 0);
    }
    pl_loop_free(loop);
}

static void test_a_list_gives_its_addresses_in_order(void **state)
{
    (void)state;
    static const struct {
        const char *target;
        const char *first;
        const char *last;
        size_t count;
    } rows[] = {
        {"ipv4:127.0.0.1:5,127.0.0.2", "127.0.0.1:5", "127.0.0.2:443", 2},
        {"ipv6:[::1]:5,[::2]:6", "[::1]:5", "[::2]:6", 2},
        {"127.0.0.3:1,127.0.0.2:2,127.0.0.1:3", "127.0.0.3:1", "127.0.0.1:3", 3},
        {"dns:///127.0.0.1:1,[::1]:2", "127.0.0.1:1", "[::1]:2", 2},
        {"ipv4:none.invalid:1,127.0.0.1:2", "127.0.0.1:2", "127.0.0.1:2", 1},
    };
    struct pl_loop *loop = NULL;
    assert_int_equal(pl_loop_new(&loop, NULL), PARLEY_OK);
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        struct told told = {.times = 0};
        print_message("  %s\n", rows[i].target);
        assert_int_equal(pl_resolve(loop, rows[i].target, "443", on_resolved, &told, NULL),
                         PARLEY_OK);
        run(loop, &told);
        assert_int_equal(told.code, PARLEY_OK);
        assert_int_equal(told.count, rows[i].count);
        assert_string_equal(told.addresses[0], rows[i].first);
        assert_string_equal(told.addresses[told.count - 1], rows[i].last);
    }
    pl_loop_free(loop);
}

static void test_a_name_that_is_none_is_told_later(void **state)
{
    (void)state;
    static const char *const targets[] = {"ipv4:localhost:5", "ipv6:127.0.0.1:5",
                                          "ipv4:1.2.3.999:5"};
    struct pl_loop *loop = NULL;
    assert_int_equal(pl_loop_new(&loop, NULL), PARLEY_OK);
    for (size_t i = 0; i < PL_COUNT(targets); i++) {
        struct told told = {.times = 0};
        assert_int_equal(pl_resolve(loop, targets[i], "443", on_resolved, &told, NULL), PARLEY_OK);
        run(loop, &told);
        assert_int_equal(told.code, PARLEY_UNAVAILABLE);
        assert_int_equal(told.count, 0);
        assert_non_null(strstr(told.text, "cannot resolve"));
    }
    pl_loop_free(loop);
}

static void test_a_target_that_is_none_is_refused_at_once(void **state)
{
    (void)state;
    static const char *const targets[] = {"",
                                          ":80",
                                          "dns://8.8.8.8/example.org:80",
                                          "unix:",
                                          "example.org:x",
                                          "[::1:80",
                                          "a:1,",
                                          ",a:1",
                                          "a:1,,b:1",
                                          "a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,"
                                          "a:1,a:1,a:1,a:1"};
    struct pl_loop *loop = NULL;
    struct told told = {.times = 0};
    assert_int_equal(pl_loop_new(&loop, NULL), PARLEY_OK);
    for (size_t i = 0; i < PL_COUNT(targets); i++) {
        struct pl_error err = PL_ERROR_INIT;
        assert_int_equal(pl_resolve(loop, targets[i], "443", on_resolved, &told, &err),
                         PARLEY_INVALID_ARGUMENT);
        assert_true(err.text[0] != '\0');
    }
    assert_int_equal(pl_resolve(loop, "example.org", NULL, on_resolved, &told, NULL),
                     PARLEY_INVALID_ARGUMENT);
    pl_loop_turn(loop);
    assert_int_equal(told.times, 0);
    pl_loop_free(loop);
}

static void test_a_loop_that_ends_waits_for_the_answer(void **state)
{
    (void)state;
    struct pl_loop *loop = NULL;
    struct told told[2] = {{.times = 0}};
    assert_int_equal(pl_loop_new(&loop, NULL), PARLEY_OK);
    assert_int_equal(pl_resolve(loop, "localhost:1", NULL, on_resolved, &told[0], NULL), PARLEY_OK);
    assert_int_equal(pl_resolve(loop, "unix:/x", NULL, on_resolved, &told[1], NULL), PARLEY_OK);
    pl_loop_free(loop);
    assert_int_equal(told[0].times, 1);
    assert_int_equal(told[1].times, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cl3_each_form_of_target_leads_to_its_address),
        cmocka_unit_test(test_a_name_may_have_several_addresses),
        cmocka_unit_test(test_a_list_gives_its_addresses_in_order),
        cmocka_unit_test(test_a_name_that_is_none_is_told_later),
        cmocka_unit_test(test_a_target_that_is_none_is_refused_at_once),
        cmocka_unit_test(test_a_loop_that_ends_waits_for_the_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
