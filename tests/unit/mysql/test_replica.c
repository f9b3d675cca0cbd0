/* SPDX-License-Identifier: Apache-2.0 */
/* History from a real replica that is well, behind, dead, frozen, or of another shard. Two nodes:
 * what one has answered, the other must read, whatever the replica has. */
#include "place.h"

#include "base/clock.h"
#include "base/id.h"
#include "mysql/map.h"
#include "mysql/metrics.h"
#include "store/mysql_shards.h"
#include "support/wait.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define SHARDS   2
#define HISTORY  80   /* more than one page of the engine's */
#define REPLICA  1    /* the server; 0 is the one with the shards */
#define SHARE_MS 1000 /* that a replica has of a deadline of 4 s */
#define ROOM     "room-0"

struct world {
    struct place place;
    struct store *writer; /* a node without replicas */
    struct store *reader;
    char replicas[256];
    int64_t head; /* of ROOM; the text of event N is "text N" */
    unsigned shard;
};

static int start_server(void **state)
{
    *state = &place_server;
    return mariadb_start_replicated(&place_server, 1);
}

static int64_t value_of(const struct pl_metric *metric)
{
    return __atomic_load_n(&metric->value, __ATOMIC_RELAXED);
}

static int64_t served(void)
{
    return value_of(&mdb_metric_replica_served);
}

static int64_t behind(void)
{
    return value_of(&mdb_metric_replica_behind);
}

static int64_t missed(void)
{
    return value_of(&mdb_metric_replica_missed);
}

/* ---- writing and reading ---- */

static void send_one(struct world *world)
{
    struct ask ask;
    char id[32];
    char text[32];
    (void)snprintf(id, sizeof(id), "m%lld", (long long)world->head + 1);
    (void)snprintf(text, sizeof(text), "text %lld", (long long)world->head + 1);
    ask_append(&ask, world->writer, ROOM, "alice", id, bytes_of(text));
    assert_int_equal(ask_code(&ask), PARLEY_OK);
    assert_int_equal(ask.append.seq, ++world->head);
    ask_release(&ask);
}

static void fill_read(struct ask *ask, int64_t from_seq, size_t limit)
{
    ask_init(ask);
    ask->read.conversation_id = bytes_of(ROOM);
    ask->read.user = bytes_of("alice");
    ask->read.from_seq = from_seq;
    ask->read.limit = limit;
    ask->read.max_bytes = SIZE_MAX;
}

static void check_events(const struct ask *ask, int64_t seq, size_t count)
{
    assert_int_equal(ask->read.event_count, count);
    for (size_t i = 0; i < count; i++, seq += ask->read.backwards ? -1 : 1) {
        char text[32];
        (void)snprintf(text, sizeof(text), "text %lld", (long long)seq);
        assert_int_equal(ask->read.events[i].seq, seq);
        assert_true(seq == 1 || bytes_equal(ask->read.events[i].body, text));
    }
}

/* The reading node has them all. */
static void check_read(struct world *world, int64_t from_seq, int64_t limit)
{
    struct ask ask;
    int64_t there = world->head - from_seq + 1;
    fill_read(&ask, from_seq, (size_t)limit);
    store_read(world->reader, &ask.read);
    assert_int_equal(ask_code(&ask), PARLEY_OK);
    assert_int_equal(ask.read.head_seq, world->head);
    check_events(&ask, from_seq, (size_t)(there < limit ? there : limit));
    ask_release(&ask);
}

static void check_newest(struct world *world, int64_t count)
{
    struct ask ask;
    fill_read(&ask, 0, (size_t)count);
    ask.read.backwards = true;
    store_read(world->reader, &ask.read);
    assert_int_equal(ask_code(&ask), PARLEY_OK);
    assert_int_equal(ask.read.head_seq, world->head);
    check_events(&ask, world->head, (size_t)count);
    ask_release(&ask);
}

/* The pool has its connections, and the replica all that was written. */
static bool is_served(struct world *world)
{
    int64_t before = served();
    check_read(world, 1, world->head);
    return served() > before;
}

static void stop_replica(void)
{
    assert_int_equal(mariadb_run(&place_server, REPLICA, "STOP SLAVE"), 0);
}

static void start_replica(void)
{
    assert_int_equal(mariadb_run(&place_server, REPLICA, "START SLAVE"), 0);
}

/* ---- the world ---- */

static void open_reader(struct world *world, unsigned first, unsigned second)
{
    struct store_mysql_options options = place_options(&world->place);
    char one[120];
    char two[120];
    unsigned port = place_server.ports[REPLICA];
    place_address(&world->place, first, port, one, sizeof(one));
    place_address(&world->place, second, port, two, sizeof(two));
    (void)snprintf(world->replicas, sizeof(world->replicas), "%s,%s", one, two);
    options.replicas = world->replicas;
    options.deadline_ms = 4 * SHARE_MS;
    world->reader = place_open(&options);
}

static int setup(void **state)
{
    static struct world world;
    *state = &world;
    world = (struct world){.head = 1};
    place_init(&world.place, SHARDS);
    const struct store_mysql_options options = place_options(&world.place);
    world.writer = place_open(&options);
    open_reader(&world, 0, 1);
    world.shard = shard_of_bucket(shard_bucket(ROOM, strlen(ROOM)), SHARDS);
    assert_int_equal(place_create(world.writer, ROOM, "alice", "bob"), PARLEY_OK);
    while (world.head < HISTORY) {
        send_one(&world);
    }
    WAIT_FOR(is_served(&world));
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    store_close(world->reader);
    store_close(world->writer);
    place_deinit(&world->place);
    return 0;
}

/* ---- tests ---- */

static int64_t count_rows_read(const struct world *world)
{
    return place_sum(&world->place, 0,
                     "SHOW GLOBAL STATUS WHERE Variable_name IN ('Handler_read_next',"
                     " 'Handler_read_prev')");
}

static void test_a_replica_that_has_all_spares_the_shard_the_rows(void **state)
{
    struct world *world = *state;
    int64_t before = served();
    int64_t rows = count_rows_read(world);
    check_read(world, 1, HISTORY);
    check_read(world, 40, 10);
    check_newest(world, HISTORY);
    assert_int_equal(served(), before + 3);
    assert_int_equal(count_rows_read(world), rows);
}

static void test_an_empty_page_and_what_has_just_been_committed_need_no_replica(void **state)
{
    struct world *world = *state;
    struct ask ask;
    int64_t before = served() + behind() + missed();
    check_read(world, world->head + 1, 10);
    fill_read(&ask, 1, 1);
    ask.read.uncached = true;
    store_read(world->reader, &ask.read);
    assert_int_equal(ask_code(&ask), PARLEY_OK);
    check_events(&ask, 1, 1);
    ask_release(&ask);
    assert_int_equal(served() + behind() + missed(), before);
}

static void test_what_was_acked_is_read_though_the_replica_has_stopped(void **state)
{
    struct world *world = *state;
    stop_replica();
    for (int i = 0; i < 30; i++) {
        int64_t before = behind();
        send_one(world);
        check_newest(world, 5);                  /* it has none, or some of them */
        check_read(world, 1, world->head);       /* it has the first of them */
        check_read(world, HISTORY + 1, HISTORY); /* it has none */
        assert_int_equal(behind(), before + 3);
    }
    int64_t before = served();
    check_read(world, 1, HISTORY); /* what is old is the same for ever */
    assert_int_equal(served(), before + 1);
    start_replica();
    WAIT_FOR(is_served(world));
}

static void test_reads_are_right_while_the_replica_comes_and_goes(void **state)
{
    struct world *world = *state;
    int64_t before = served() * behind();
    for (int i = 0; i < 300; i++) {
        if (i % 20 == 0) {
            i % 40 == 0 ? stop_replica() : start_replica();
        }
        send_one(world);
        int64_t from_seq = 1 + (int64_t)pl_random_below((uint64_t)world->head);
        check_read(world, from_seq, world->head);
        check_newest(world, 1 + (int64_t)pl_random_below((uint64_t)world->head));
    }
    start_replica();
    WAIT_FOR(is_served(world));
    assert_true(served() * behind() > before); /* both happened */
}

static void test_what_was_trimmed_is_not_read_though_the_replica_has_it(void **state)
{
    struct world *world = *state;
    struct ask ask;
    stop_replica();
    ask_init(&ask);
    ask.trim.conversation_id = bytes_of(ROOM);
    ask.trim.retention.messages = 20;
    ask.trim.limit = STORE_TRIM_MAX;
    store_trim(world->writer, &ask.trim);
    assert_int_equal(ask_code(&ask), PARLEY_OK);
    int64_t first = ask.trim.first_seq;
    ask_release(&ask);
    assert_int_equal(first, HISTORY - 19);
    fill_read(&ask, 1, HISTORY);
    store_read(world->reader, &ask.read);
    assert_int_equal(ask_code(&ask), PARLEY_OK);
    assert_int_equal(ask.read.first_seq, first);
    check_events(&ask, first, 20);
    ask_release(&ask);
    check_newest(world, 20);
    start_replica();
}

static void test_who_was_removed_reads_nothing_though_the_replica_has_him(void **state)
{
    struct world *world = *state;
    struct ask ask;
    stop_replica();
    assert_int_equal(place_change(world->writer, STORE_MEMBERS_REMOVED, ROOM, "alice", "bob"),
                     PARLEY_OK);
    fill_read(&ask, 1, 10);
    ask.read.user = bytes_of("bob");
    store_read(world->reader, &ask.read);
    assert_int_equal(ask_code(&ask), PARLEY_NOT_FOUND);
    ask_release(&ask);
    start_replica();
}

/* Both replicas still believe that the bucket is where it was. */
static void test_a_bucket_that_has_moved_is_read_where_it_is(void **state)
{
    struct world *world = *state;
    struct pl_error error = PL_ERROR_INIT;
    struct store_mysql_options options = place_options(&world->place);
    unsigned bucket = shard_bucket(ROOM, strlen(ROOM));
    struct store_mysql_move move = {.from = world->shard,
                                    .to = 1 - world->shard,
                                    .first = bucket,
                                    .last = bucket,
                                    .pause_max_ms = 20000};
    options.deadline_ms = 200;
    stop_replica();
    if (store_mysql_move(&options, &move, &error) != PARLEY_OK) {
        fail_msg("%s", error.text);
    }
    struct ask ask;
    WAIT_FOR((ask_append(&ask, world->writer, ROOM, "alice", "last", bytes_of("text 81")),
              ask_code(&ask) == PARLEY_OK));
    assert_int_equal(ask.append.seq, ++world->head);
    check_read(world, 1, world->head);
    check_newest(world, world->head);
    start_replica();
    WAIT_FOR(is_served(world));
}

static void test_a_dead_replica_costs_nothing_and_is_used_again_when_it_is_back(void **state)
{
    struct world *world = *state;
    pid_t pid = mariadb_pid(&place_server, REPLICA);
    int64_t before = missed();
    int64_t down = value_of(&mdb_metric_replicas_down);
    assert_int_equal(kill(pid, SIGKILL), 0);
    for (int i = 0; i < 20; i++) {
        int64_t began_ns = pl_clock_monotonic_ns();
        send_one(world);
        check_newest(world, 5);
        check_read(world, 1, world->head);
        assert_true(pl_clock_monotonic_ns() - began_ns < SHARE_MS * INT64_C(1000000));
    }
    assert_true(missed() > before);
    assert_true(value_of(&mdb_metric_replicas_down) > down);
    assert_int_equal(mariadb_start_again(&place_server), 0);
    WAIT_FOR(is_served(world));
    WAIT_FOR(value_of(&mdb_metric_replicas_down) == down);
}

static void test_a_frozen_replica_costs_one_share_of_the_deadline(void **state)
{
    struct world *world = *state;
    unsigned slow = 0;
    mariadb_freeze(&place_server, REPLICA);
    for (int i = 0; i < 50; i++) {
        int64_t began_ns = pl_clock_monotonic_ns();
        check_read(world, 1, 10);
        slow += pl_clock_monotonic_ns() - began_ns > (SHARE_MS - 50) * INT64_C(1000000);
    }
    mariadb_thaw(&place_server, REPLICA);
    assert_int_equal(slow, 1);
    WAIT_FOR(is_served(world));
}

/* It would have no time to answer, and count as down for that. */
static void test_a_shard_that_is_slow_has_the_time_that_is_left(void **state)
{
    struct world *world = *state;
    struct ask ask;
    int64_t before = served() + behind() + missed();
    mariadb_freeze(&place_server, 0);
    fill_read(&ask, 1, HISTORY);
    store_read(world->reader, &ask.read);
    int64_t deadline_ms = wait_deadline(5 * SHARE_MS / 2);
    while (wait_turn(deadline_ms)) {
    }
    mariadb_thaw(&place_server, 0);
    assert_int_equal(ask_code(&ask), PARLEY_OK);
    check_events(&ask, 1, HISTORY);
    ask_release(&ask);
    assert_int_equal(served() + behind() + missed(), before);
}

/* As a backup does. What changes the table waits for it, and all who read wait for that. */
static void *read_long(void *context)
{
    const struct world *world = context;
    char sql[120];
    (void)snprintf(sql, sizeof(sql), "SELECT SLEEP(6) FROM parley_%u_%u.message LIMIT 1",
                   world->place.number, world->shard);
    (void)mariadb_run(&place_server, REPLICA, sql);
    return NULL;
}

static bool is_reading(void)
{
    return mariadb_sum(&place_server, REPLICA,
                       "SELECT COUNT(*) FROM information_schema.processlist WHERE"
                       " state='User sleep'") == 1;
}

static bool is_slow(struct world *world)
{
    int64_t began_ns = pl_clock_monotonic_ns();
    check_read(world, 1, 10);
    return pl_clock_monotonic_ns() - began_ns > (SHARE_MS - 50) * INT64_C(1000000);
}

static void test_a_replica_that_takes_connections_and_no_reads_costs_few_of_them(void **state)
{
    struct world *world = *state;
    pthread_t reader;
    unsigned slow = 1;
    assert_int_equal(pthread_create(&reader, NULL, read_long, world), 0);
    WAIT_FOR(is_reading());
    place_run(&world->place, world->shard, "ALTER TABLE message COMMENT='changed'");
    WAIT_FOR(is_slow(world));
    int64_t deadline_ms = wait_deadline(4 * SHARE_MS);
    while (wait_turn(deadline_ms)) {
        slow += is_slow(world);
    }
    (void)pthread_join(reader, NULL);
    assert_in_range(slow, 1, 3);
    WAIT_FOR(is_served(world));
}

static void test_a_replica_is_read_on_after_a_newer_node_has_migrated(void **state)
{
    struct world *world = *state;
    for (unsigned i = 0; i < SHARDS; i++) {
        place_run(&world->place, i, "INSERT INTO schema_migration VALUES (9999, 'new', 'new', 1)");
    }
    send_one(world);
    WAIT_FOR(is_served(world)); /* the replica has all of it */
    assert_int_equal(kill(mariadb_pid(&place_server, REPLICA), SIGKILL), 0);
    WAIT_FOR(!is_served(world));
    assert_int_equal(mariadb_start_again(&place_server), 0);
    WAIT_FOR(is_served(world));
}

static void test_the_replica_of_another_shard_is_not_asked(void **state)
{
    struct world *world = *state;
    store_close(world->reader);
    int64_t before = missed();
    open_reader(world, 1, 0);
    WAIT_FOR(value_of(&mdb_metric_replicas_down) == SHARDS);
    check_read(world, 1, world->head);
    assert_int_equal(missed(), before + 1);
}

static void test_replicas_that_do_not_fit_the_shards_are_refused(void **state)
{
    const struct {
        const char *replicas;
        const char *says; /* NULL: it is right */
    } cases[] = {
        {"", NULL},
        {"-,-", NULL},
        {"-,127.0.0.1:1/parley", NULL},
        {"127.0.0.1:1/parley", "1 replicas for 2 shards"},
        {"-,-,-", "3 replicas for 2 shards"},
        {",-", "replica of shard 0: \"\" is no host:port/database"},
        {"-,127.0.0.1", "replica of shard 1: \"127.0.0.1\" is no host:port/database"},
    };
    const struct world *world = *state;
    struct store_mysql_options options = place_options(&world->place);
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct store *store = NULL;
        struct pl_error error = PL_ERROR_INIT;
        print_message("  \"%s\"\n", cases[i].replicas);
        options.replicas = cases[i].replicas;
        enum parley_code code = store_mysql_open(&options, &store, &error);
        assert_int_equal(code, cases[i].says == NULL ? PARLEY_OK : PARLEY_INVALID_ARGUMENT);
        assert_true(cases[i].says == NULL || strstr(error.text, cases[i].says) != NULL);
        store_close(store);
    }
}

#define REPLICA_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        REPLICA_TEST(test_a_replica_that_has_all_spares_the_shard_the_rows),
        REPLICA_TEST(test_an_empty_page_and_what_has_just_been_committed_need_no_replica),
        REPLICA_TEST(test_what_was_acked_is_read_though_the_replica_has_stopped),
        REPLICA_TEST(test_reads_are_right_while_the_replica_comes_and_goes),
        REPLICA_TEST(test_what_was_trimmed_is_not_read_though_the_replica_has_it),
        REPLICA_TEST(test_who_was_removed_reads_nothing_though_the_replica_has_him),
        REPLICA_TEST(test_a_bucket_that_has_moved_is_read_where_it_is),
        REPLICA_TEST(test_a_dead_replica_costs_nothing_and_is_used_again_when_it_is_back),
        REPLICA_TEST(test_a_frozen_replica_costs_one_share_of_the_deadline),
        REPLICA_TEST(test_a_shard_that_is_slow_has_the_time_that_is_left),
        REPLICA_TEST(test_a_replica_that_takes_connections_and_no_reads_costs_few_of_them),
        REPLICA_TEST(test_a_replica_is_read_on_after_a_newer_node_has_migrated),
        REPLICA_TEST(test_the_replica_of_another_shard_is_not_asked),
        REPLICA_TEST(test_replicas_that_do_not_fit_the_shards_are_refused),
    };
    return cmocka_run_group_tests(tests, start_server, place_stop_server);
}
