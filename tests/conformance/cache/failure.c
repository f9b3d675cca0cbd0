/* SPDX-License-Identifier: Apache-2.0 */
/* memcached dead, frozen and back: what it costs, and what is read then. */
#include "town.h"

#include "cache/metrics.h"
#include "support/wait.h"

#include <stdio.h>

#define ROOMS 16

static int64_t errors(void)
{
    return __atomic_load_n(&cache_metric_errors.value, __ATOMIC_RELAXED);
}

static bool is_open(const struct town *town, unsigned server)
{
    struct pl_metric *gauge = cache_metric_breaker(town->servers[server].address);
    assert_non_null(gauge);
    return __atomic_load_n(&gauge->value, __ATOMIC_RELAXED) != 0;
}

static const char *room(unsigned index)
{
    static char name[16];
    (void)snprintf(name, sizeof(name), "room-%u", index);
    return name;
}

static void build(struct town *town)
{
    for (unsigned i = 0; i < ROOMS; i++) {
        town_create(town->nodes[0], room(i), "alice", NULL, 0);
        assert_int_equal(town_head(town->nodes[0], room(i)), 1);
        assert_int_equal(town_head(town->nodes[1], room(i)), 1);
    }
}

/* One that took too long once, on a busy machine, was read from the store. */
static bool all_come_from_the_cache(struct town *town)
{
    watched_reset(&town->watched[0]);
    for (unsigned i = 0; i < ROOMS; i++) {
        assert_int_equal(town_head(town->nodes[0], room(i)), 2);
    }
    return watched_total(&town->watched[0]) == 0;
}

/* The breaker's window is longer than the test. */
static const struct store_cache_options patient = {.timeout_ms = 300, .breaker_ms = 600000};
/* It is tried again soon. */
static const struct store_cache_options eager = {.timeout_ms = 300, .breaker_ms = 20};

static void test_a_frozen_server_costs_one_timeout_a_window(void **state)
{
    struct town town;
    (void)state;
    town_open(&town, 1, &patient);
    build(&town);
    memcached_server_freeze(&town.servers[0]);
    int64_t before = errors();
    for (unsigned i = 0; i < 10 * ROOMS; i++) {
        assert_int_equal(town_head(town.nodes[0], room(i % ROOMS)), 1);
    }
    for (unsigned i = 0; i < ROOMS; i++) {
        assert_int_equal(town_send(town.nodes[0], room(i), "alice", "m1", 1), 2);
        assert_int_equal(town_head(town.nodes[0], room(i)), 2);
    }
    assert_int_equal(errors() - before, 1);
    assert_true(is_open(&town, 0));
    memcached_server_thaw(&town.servers[0]);
    town_close(&town);
}

static void test_a_server_is_told_what_it_missed_before_it_is_read(void **state)
{
    struct town town;
    (void)state;
    town_open(&town, 1, &eager);
    build(&town);
    memcached_server_freeze(&town.servers[0]);
    for (unsigned i = 0; i < ROOMS; i++) {
        assert_int_equal(town_send(town.nodes[0], room(i), "alice", "m1", 1), 2);
    }
    assert_true(is_open(&town, 0));
    memcached_server_thaw(&town.servers[0]);
    WAIT_FOR(town_head(town.nodes[0], room(0)) == 2 && !is_open(&town, 0));
    for (unsigned i = 0; i < ROOMS; i++) {
        assert_int_equal(town_head(town.nodes[0], room(i)), 2);
        assert_int_equal(town_head(town.nodes[1], room(i)), 2); /* deleted for everybody */
    }
    WAIT_FOR(all_come_from_the_cache(&town));
    town_close(&town);
}

static void test_a_dead_server_that_comes_back_is_used_again(void **state)
{
    struct town town;
    (void)state;
    town_open(&town, 1, &eager);
    build(&town);
    memcached_server_stop(&town.servers[0]);
    for (unsigned i = 0; i < ROOMS; i++) {
        assert_int_equal(town_send(town.nodes[i % 2], room(i), "alice", "m1", 1), 2);
        assert_int_equal(town_head(town.nodes[0], room(i)), 2);
        assert_int_equal(town_head(town.nodes[1], room(i)), 2);
    }
    assert_true(memcached_server_restart(&town.servers[0]));
    WAIT_FOR(town_head(town.nodes[0], room(0)) == 2 && !is_open(&town, 0));
    WAIT_FOR(all_come_from_the_cache(&town));
    town_close(&town);
}

static void test_conversations_on_the_other_server_do_not_notice(void **state)
{
    struct town town;
    (void)state;
    town_open(&town, 2, &patient);
    build(&town);
    memcached_server_freeze(&town.servers[1]);
    watched_reset(&town.watched[0]);
    int64_t before = errors();
    for (unsigned i = 0; i < ROOMS; i++) {
        assert_int_equal(town_head(town.nodes[0], room(i)), 1);
    }
    assert_int_equal(errors() - before, 1);
    assert_false(is_open(&town, 0));
    assert_true(is_open(&town, 1));
    assert_in_range(watched_total(&town.watched[0]), 1, ROOMS - 1);
    memcached_server_thaw(&town.servers[1]);
    town_close(&town);
}

/* The node that wrote is gone before it could tell: what the other finds ends with its time. */
static void test_what_nobody_deleted_ends_with_its_time(void **state)
{
    const struct store_cache_options brief = {
        .timeout_ms = 300, .breaker_ms = 600000, .ttl_ms = 500};
    struct town town;
    (void)state;
    town_open(&town, 1, &brief);
    build(&town);
    memcached_server_freeze(&town.servers[0]);
    assert_int_equal(town_send(town.nodes[0], room(0), "alice", "m1", 1), 2);
    int64_t answered_ms = wait_deadline(0);
    memcached_server_thaw(&town.servers[0]);
    while (wait_deadline(0) <= answered_ms + brief.ttl_ms) {
        (void)town_head(town.nodes[1], room(0));
    }
    assert_int_equal(town_head(town.nodes[1], room(0)), 2);
    town_close(&town);
}

int failure_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_frozen_server_costs_one_timeout_a_window),
        cmocka_unit_test(test_a_server_is_told_what_it_missed_before_it_is_read),
        cmocka_unit_test(test_a_dead_server_that_comes_back_is_used_again),
        cmocka_unit_test(test_conversations_on_the_other_server_do_not_notice),
        cmocka_unit_test(test_what_nobody_deleted_ends_with_its_time),
    };
    if (town_kind == STORE_CACHE_MEMORY) {
        return 0; /* it has no server that could fail */
    }
    return cmocka_run_group_tests_name("failure", tests, NULL, NULL);
}
