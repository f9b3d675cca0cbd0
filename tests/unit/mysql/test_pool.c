/* SPDX-License-Identifier: Apache-2.0 */
/* The connections of a shard, to a real server that is killed, frozen, busy, or has a new password.
 */
#include "mysql/pool.h"

#include "base/clock.h"
#include "place.h"
#include "support/wait.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS INT64_C(1000000)

struct world {
    struct place place;
    struct store_mysql_options login;
    struct mdb_watch *watch;
    struct mdb_pool_options options;
    struct mdb_pool *pool;
};

static int setup(void **state)
{
    static struct world world;
    world = (struct world){.pool = NULL};
    *state = &world;
    place_init(&world.place, 1);
    world.login = place_options(&world.place);
    world.login.connect_ms = 2000;
    assert_int_equal(mdb_watch_new(&world.watch, NULL), PARLEY_OK);
    world.options = (struct mdb_pool_options){
        .login = {.options = &world.login,
                  .address = {.host = "127.0.0.1", .port = place_server.ports[0]},
                  .watch = world.watch},
        .connections_min = 1,
        .connections_max = 2,
        .idle_ns = 3600 * 1000 * MS,
        .lifetime_ns = 3600 * 1000 * MS,
        .wait_ns = 200 * MS,
        .retry_ms = 77,
    };
    (void)snprintf(world.options.login.address.database,
                   sizeof(world.options.login.address.database), "parley_%u_0", world.place.number);
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    mdb_pool_free(world->pool);
    mdb_watch_free(world->watch);
    place_deinit(&world->place);
    return 0;
}

static void open_pool(struct world *world)
{
    assert_int_equal(mdb_pool_new(&world->options, &world->pool, NULL), PARLEY_OK);
}

static struct mdb_conn *take(struct world *world, int64_t deadline_ms)
{
    struct pl_error error = PL_ERROR_INIT;
    struct mdb_conn *conn =
        mdb_pool_take(world->pool, false, pl_clock_monotonic_ns() + deadline_ms * MS, &error);
    if (conn == NULL) {
        assert_int_equal(error.code, PARLEY_UNAVAILABLE);
        assert_true(error.retry_after_ms >= 77);
    }
    return conn;
}

static bool can_work(struct world *world)
{
    struct mdb_conn *conn = take(world, 1000);
    bool works = conn != NULL && mdb_conn_exec(conn, "DO 1", NULL) == MDB_OK;
    if (conn != NULL) {
        mdb_pool_put(world->pool, conn);
    }
    return works;
}

/* Connections to this test's database that the server knows of, or statements that contain a text.
 */
static int64_t count_connections(const struct world *world, const char *with)
{
    char sql[256];
    (void)snprintf(sql, sizeof(sql),
                   "SELECT COUNT(*) FROM information_schema.processlist WHERE db='parley_%u_0'"
                   " AND id<>CONNECTION_ID() AND COALESCE(info, '') LIKE '%%%s%%'",
                   world->place.number, with);
    return mariadb_sum(&place_server, 0, sql);
}

static void test_it_grows_to_its_maximum_and_then_waits_in_vain(void **state)
{
    struct world *world = *state;
    open_pool(world);
    WAIT_FOR(count_connections(world, "") == 1); /* the minimum, before anybody asks */
    struct mdb_conn *first = take(world, 5000);
    struct mdb_conn *second = take(world, 5000);
    assert_non_null(first);
    assert_non_null(second);
    int64_t began_ns = pl_clock_monotonic_ns();
    assert_null(take(world, 5000));
    int64_t waited_ns = pl_clock_monotonic_ns() - began_ns;
    assert_true(waited_ns >= 200 * MS);
    assert_true(waited_ns < 2000 * MS);
    assert_int_equal(count_connections(world, ""), 2);
    mdb_pool_put(world->pool, second);
    assert_ptr_equal(take(world, 5000), second);
    mdb_pool_put(world->pool, first);
    mdb_pool_put(world->pool, second);
}

static void test_what_is_idle_beyond_the_minimum_is_closed(void **state)
{
    struct world *world = *state;
    world->options.idle_ns = 50 * MS;
    open_pool(world);
    struct mdb_conn *first = take(world, 5000);
    struct mdb_conn *second = take(world, 5000);
    mdb_pool_put(world->pool, first);
    mdb_pool_put(world->pool, second);
    WAIT_FOR(count_connections(world, "") == 1);
    assert_true(can_work(world));
}

static void test_what_is_old_is_replaced(void **state)
{
    struct world *world = *state;
    world->options.lifetime_ns = 50 * MS;
    world->options.connections_max = 1;
    open_pool(world);
    struct mdb_conn *conn = take(world, 5000);
    uint64_t first = mdb_conn_thread_id(conn);
    mdb_pool_put(world->pool, conn);
    uint64_t now = first;
    WAIT_FOR((conn = take(world, 5000)) != NULL &&
             ((now = mdb_conn_thread_id(conn)), mdb_pool_put(world->pool, conn), now != first));
}

static void test_a_statement_over_its_deadline_ends_here_and_on_the_server(void **state)
{
    struct world *world = *state;
    struct pl_error error = PL_ERROR_INIT;
    open_pool(world);
    struct mdb_conn *conn = take(world, 300);
    int64_t began_ns = pl_clock_monotonic_ns();
    assert_int_equal(mdb_conn_exec(conn, "SELECT SLEEP(50), 'endless'", &error), MDB_LOST);
    int64_t took_ns = pl_clock_monotonic_ns() - began_ns;
    assert_int_equal(error.code, PARLEY_UNAVAILABLE);
    assert_true(took_ns >= 250 * MS);
    assert_true(took_ns < 2000 * MS);
    mdb_pool_put(world->pool, conn);
    WAIT_FOR(count_connections(world, "endless") == 0);
    WAIT_FOR(can_work(world));
}

static void test_a_connection_that_was_cut_is_replaced(void **state)
{
    struct world *world = *state;
    char sql[64];
    open_pool(world);
    struct mdb_conn *conn = take(world, 5000);
    (void)snprintf(sql, sizeof(sql), "KILL %llu", (unsigned long long)mdb_conn_thread_id(conn));
    assert_int_equal(mariadb_run(&place_server, 0, sql), 0);
    WAIT_FOR(mdb_conn_exec(conn, "DO 1", NULL) == MDB_LOST);
    mdb_pool_put(world->pool, conn);
    WAIT_FOR(can_work(world));
}

/* The others may have been cut as well: until the pool has closed them nobody may have one. */
static void test_who_lost_a_connection_waits_for_a_new_one_though_others_are_idle(void **state)
{
    struct world *world = *state;
    char sql[64];
    struct pl_error error = PL_ERROR_INIT;
    world->options.wait_ns = 5000 * MS;
    open_pool(world);
    struct mdb_conn *conn = take(world, 5000);
    struct mdb_conn *other = take(world, 5000);
    mdb_pool_put(world->pool, other);
    (void)snprintf(sql, sizeof(sql), "KILL %llu", (unsigned long long)mdb_conn_thread_id(conn));
    assert_int_equal(mariadb_run(&place_server, 0, sql), 0);
    WAIT_FOR(mdb_conn_exec(conn, "DO 1", NULL) == MDB_LOST);
    mdb_pool_put(world->pool, conn);
    conn = mdb_pool_take(world->pool, true, pl_clock_monotonic_ns() + 5000 * MS, &error);
    assert_non_null(conn);
    assert_int_equal(mdb_conn_exec(conn, "DO 1", NULL), MDB_OK);
    mdb_pool_put(world->pool, conn);
}

static void test_a_frozen_server_costs_one_deadline_and_then_nothing(void **state)
{
    struct world *world = *state;
    open_pool(world);
    struct mdb_conn *conn = take(world, 5000);
    mdb_pool_put(world->pool, conn);
    mariadb_freeze(&place_server, 0);
    conn = take(world, 300);
    int64_t began_ns = pl_clock_monotonic_ns();
    enum mdb_result result = mdb_conn_exec(conn, "DO 1", NULL);
    mdb_pool_put(world->pool, conn);
    int64_t first_ns = pl_clock_monotonic_ns() - began_ns;
    began_ns = pl_clock_monotonic_ns();
    for (int i = 0; i < 100; i++) {
        conn = take(world, 5000);
        if (conn != NULL) {
            break;
        }
    }
    int64_t next_ns = pl_clock_monotonic_ns() - began_ns;
    mariadb_thaw(&place_server, 0);
    assert_int_equal(result, MDB_LOST);
    assert_null(conn);
    assert_true(first_ns >= 250 * MS);
    assert_true(first_ns < 2000 * MS);
    assert_true(next_ns < 200 * MS); /* a hundred of them */
    WAIT_FOR(can_work(world));
}

static void test_a_killed_server_is_found_again_by_itself(void **state)
{
    struct world *world = *state;
    pid_t pid = mariadb_pid(&place_server, 0);
    open_pool(world);
    assert_true(can_work(world));
    assert_int_equal(kill(pid, SIGKILL), 0);
    WAIT_FOR(!can_work(world));
    assert_int_equal(mariadb_start_again(&place_server), 0);
    WAIT_FOR(can_work(world));
}

static char *read_file(const char *path)
{
    char *text = calloc(1, 1024);
    FILE *file = fopen(path, "re");
    assert_non_null(text);
    assert_non_null(file);
    assert_true(fread(text, 1, 1023, file) > 0);
    (void)fclose(file);
    return text;
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void test_a_new_password_is_taken_from_the_file(void **state)
{
    struct world *world = *state;
    char sql[128];
    char *old = read_file(place_server.credentials);
    char *password = strstr(old, "password = ") + strlen("password = ");
    world->options.lifetime_ns = 50 * MS;
    open_pool(world);
    assert_true(can_work(world));
    assert_int_equal(mariadb_run(&place_server, 0, "SET PASSWORD=PASSWORD('rotated')"), 0);
    WAIT_FOR(!can_work(world)); /* what was open grows old, and nothing new can be made */
    write_file(place_server.credentials, "user = parley\npassword = rotated\n");
    WAIT_FOR(can_work(world));
    password[strcspn(password, "\n")] = '\0';
    (void)snprintf(sql, sizeof(sql), "SET PASSWORD=PASSWORD('%s')", password);
    assert_int_equal(mariadb_run(&place_server, 0, sql), 0);
    (void)snprintf(sql, sizeof(sql), "user = parley\npassword = %s\n", password);
    write_file(place_server.credentials, sql);
    free(old);
    WAIT_FOR(can_work(world));
}

/* This server has no certificate. */
static void test_without_tls_at_the_server_there_is_no_connection_that_asks_for_it(void **state)
{
    struct world *world = *state;
    world->login.tls = STORE_MYSQL_TLS_REQUIRED;
    open_pool(world);
    assert_null(take(world, 5000));
}

#define POOL_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOL_TEST(test_it_grows_to_its_maximum_and_then_waits_in_vain),
        POOL_TEST(test_what_is_idle_beyond_the_minimum_is_closed),
        POOL_TEST(test_what_is_old_is_replaced),
        POOL_TEST(test_a_statement_over_its_deadline_ends_here_and_on_the_server),
        POOL_TEST(test_a_connection_that_was_cut_is_replaced),
        POOL_TEST(test_who_lost_a_connection_waits_for_a_new_one_though_others_are_idle),
        POOL_TEST(test_a_frozen_server_costs_one_deadline_and_then_nothing),
        POOL_TEST(test_a_killed_server_is_found_again_by_itself),
        POOL_TEST(test_a_new_password_is_taken_from_the_file),
        POOL_TEST(test_without_tls_at_the_server_there_is_no_connection_that_asks_for_it),
    };
    return cmocka_run_group_tests(tests, place_start_server, place_stop_server);
}
