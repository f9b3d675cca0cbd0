/* SPDX-License-Identifier: Apache-2.0 */
/* What a shard has shown is still there when it was killed; and a node says so when it may not be.
 */
#include "base/log.h"
#include "place.h"
#include "support/wait.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* ---- what has been seen is kept ---- */

static void *insert(void *context)
{
    (void)mariadb_run(context, 0, "INSERT INTO seen VALUES (1)"); /* the answer may never come */
    return NULL;
}

static bool can_see(const struct mariadb *servers)
{
    return mariadb_sum(servers, 0, "SELECT COUNT(*) FROM seen") == 1;
}

static void test_a_row_that_was_seen_outlives_the_death_of_its_shard(void **state)
{
    static struct mariadb servers;
    pthread_t writer;
    (void)state;
    assert_int_equal(setenv("LD_PRELOAD", PARLEY_SLOW_LOG, 1), 0);
    assert_int_equal(mariadb_start_safe(&servers, 1), 0);
    assert_int_equal(mariadb_run(&servers, 0, "CREATE TABLE seen (n INT) ENGINE=InnoDB"), 0);
    assert_int_equal(pthread_create(&writer, NULL, insert, &servers), 0);
    WAIT_FOR(can_see(&servers));
    assert_int_equal(kill(mariadb_pid(&servers, 0), SIGKILL), 0);
    assert_int_equal(pthread_join(writer, NULL), 0);
    assert_int_equal(unsetenv("LD_PRELOAD"), 0);
    assert_int_equal(mariadb_start_again(&servers), 0);
    assert_true(can_see(&servers));
    mariadb_stop(&servers);
}

/* ---- a node warns ---- */

static void note_warning(void *sink, const struct pl_log_record *record)
{
    if (strcmp(record->id, "STORE_SHARD_NOT_DURABLE") == 0) {
        atomic_store((atomic_bool *)sink, strstr(record->text, "sync_binlog=0") != NULL);
    }
}

static bool is_warned_of(const struct mariadb *servers)
{
    atomic_bool is_warned = false;
    struct store_mysql_options options = {.credentials_file = servers->credentials,
                                          .auto_migrate = true};
    char *addresses = mariadb_addresses(servers);
    options.shards = addresses;
    pl_log_set_sink(note_warning, &is_warned, PL_LOG_WARN);
    struct store *store = place_open(&options);
    assert_int_equal(place_create(store, "room", "ann", "bob"), PARLEY_OK);
    store_close(store);
    pl_log_set_sink(NULL, NULL, PL_LOG_WARN);
    free(addresses);
    return is_warned;
}

static void test_a_shard_that_may_take_back_what_it_showed_is_warned_of(void **state)
{
    static struct mariadb servers;
    (void)state;
    assert_int_equal(mariadb_start(&servers, 1), 0);
    assert_true(is_warned_of(&servers));
    mariadb_stop(&servers);
    assert_int_equal(mariadb_start_safe(&servers, 1), 0);
    assert_false(is_warned_of(&servers));
    mariadb_stop(&servers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_row_that_was_seen_outlives_the_death_of_its_shard),
        cmocka_unit_test(test_a_shard_that_may_take_back_what_it_showed_is_warned_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
