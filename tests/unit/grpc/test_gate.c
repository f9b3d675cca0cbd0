/* SPDX-License-Identifier: Apache-2.0 */
/* Who may come in, and that nothing is held by who has left. */
#include "grpc/gate.h"

#include "base/attr.h"
#include "support/check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#define ROOM 8

static struct gate *make(struct gate_limits limits)
{
    struct gate *gate = NULL;
    assert_int_equal(gate_new(&limits, &gate, NULL), PARLEY_OK);
    return gate;
}

static struct sockaddr_storage address(const char *text)
{
    struct sockaddr_storage storage = {.ss_family = AF_UNSPEC};
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
        memcpy(&storage, &v4, sizeof(v4));
    } else {
        assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
        memcpy(&storage, &v6, sizeof(v6));
    }
    return storage;
}

static bool enter(struct gate *gate, const char *from, int64_t now_ms, struct gate_pass *pass)
{
    struct sockaddr_storage peer = address(from);
    return gate_enter(gate, (const struct sockaddr *)&peer, now_ms, pass) == NULL;
}

static void test_connections_are_counted_until_they_leave(void **state)
{
    struct gate *gate = make((struct gate_limits){.connections_max = 2});
    struct gate_pass passes[3];
    (void)state;
    assert_true(enter(gate, "10.0.0.1", 0, &passes[0]));
    assert_true(enter(gate, "10.0.0.2", 0, &passes[1]));
    assert_false(enter(gate, "10.0.0.3", 0, &passes[2]));
    gate_leave(gate, &passes[2]); /* was not in */
    assert_int_equal(gate_count(gate), 2);
    gate_leave(gate, &passes[0]);
    gate_leave(gate, &passes[0]);
    assert_int_equal(gate_count(gate), 1);
    assert_true(enter(gate, "10.0.0.3", 0, &passes[2]));
    gate_leave(gate, &passes[1]);
    gate_leave(gate, &passes[2]);
    assert_int_equal(gate_count(gate), 0);
    gate_free(gate);
}

static void test_one_address_cannot_take_all(void **state)
{
    static const struct {
        const char *first;
        const char *second;
        bool is_same;
    } rows[] = {
        {"10.0.0.1", "10.0.0.1", true},
        {"10.0.0.1", "10.0.0.2", false},
        {"2001:db8::1", "2001:db8::ffff:2", true},
        {"2001:db8:0:1::1", "2001:db8:0:2::1", false},
        {"::ffff:10.0.0.1", "10.0.0.1", true},
    };
    (void)state;
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        struct gate *gate = make((struct gate_limits){.per_address_max = 1});
        struct gate_pass first;
        struct gate_pass second;
        print_message("%s and %s\n", rows[i].first, rows[i].second);
        assert_true(enter(gate, rows[i].first, 0, &first));
        assert_int_equal(enter(gate, rows[i].second, 0, &second), !rows[i].is_same);
        gate_leave(gate, &second);
        gate_leave(gate, &first);
        assert_true(enter(gate, rows[i].second, 0, &second));
        gate_leave(gate, &second);
        gate_free(gate);
    }
}

static void test_unix_sockets_have_no_address_to_count(void **state)
{
    struct gate *gate = make((struct gate_limits){.per_address_max = 1});
    struct gate_pass passes[2];
    const struct sockaddr peer = {.sa_family = AF_UNIX};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_null(gate_enter(gate, &peer, 0, &passes[i]));
    }
    for (size_t i = 0; i < 2; i++) {
        gate_leave(gate, &passes[i]);
    }
    gate_free(gate);
}

static void test_handshakes_are_counted_until_they_are_over(void **state)
{
    struct gate *gate = make((struct gate_limits){.handshakes_max = 1});
    struct gate_pass passes[3];
    (void)state;
    assert_true(enter(gate, "10.0.0.1", 0, &passes[0]));
    assert_false(enter(gate, "10.0.0.2", 0, &passes[1]));
    gate_opened(gate, &passes[0]);
    gate_opened(gate, &passes[0]);
    assert_true(enter(gate, "10.0.0.2", 0, &passes[1]));
    gate_leave(gate, &passes[1]); /* gone before it was over */
    assert_true(enter(gate, "10.0.0.3", 0, &passes[2]));
    gate_leave(gate, &passes[0]);
    gate_leave(gate, &passes[2]);
    gate_free(gate);
}

static void test_connections_come_at_their_rate(void **state)
{
    struct gate *gate = make((struct gate_limits){.accepts_per_s = 4});
    struct gate_pass passes[ROOM];
    unsigned in = 0;
    (void)state;
    for (int64_t now_ms = 1000; now_ms < 1010; now_ms++) { /* a second's worth at once */
        in += enter(gate, "10.0.0.1", now_ms, &passes[in]);
    }
    assert_int_equal(in, 4);
    for (int64_t now_ms = 1010; now_ms < 1760; now_ms += 10) { /* 4 a second from then on */
        in += enter(gate, "10.0.0.1", now_ms, &passes[in]);
    }
    assert_int_equal(in, 7);
    while (in > 0) {
        gate_leave(gate, &passes[--in]);
    }
    gate_free(gate);
}

static void test_who_is_over_its_own_limit_leaves_the_rate_to_others(void **state)
{
    struct gate *gate = make((struct gate_limits){.accepts_per_s = 2, .per_address_max = 1});
    struct gate_pass greedy;
    struct gate_pass refused;
    struct gate_pass other;
    (void)state;
    assert_true(enter(gate, "10.0.0.1", 1000, &greedy));
    for (int i = 0; i < 10; i++) {
        assert_false(enter(gate, "10.0.0.1", 1000, &refused));
    }
    assert_true(enter(gate, "10.0.0.2", 1000, &other));
    gate_leave(gate, &greedy);
    gate_leave(gate, &other);
    gate_free(gate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connections_are_counted_until_they_leave),
        cmocka_unit_test(test_one_address_cannot_take_all),
        cmocka_unit_test(test_unix_sockets_have_no_address_to_count),
        cmocka_unit_test(test_handshakes_are_counted_until_they_are_over),
        cmocka_unit_test(test_connections_come_at_their_rate),
        cmocka_unit_test(test_who_is_over_its_own_limit_leaves_the_rate_to_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
