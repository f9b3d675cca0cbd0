/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses and credentials. */
#include "driver.h"

#include "support/broker.h"
#include "support/tmp_dir.h"
#include "support/wait.h"

#include <stdio.h>
#include <stdlib.h>

static void test_the_first_address_may_be_dead(void **state)
{
    char servers[256];
    struct ear ears[4];
    struct bus_options options = driver_options();
    (void)state;
    (void)snprintf(servers, sizeof(servers), "%.4s://127.0.0.1:%d , %s", options.servers,
                   broker_free_port(), options.servers);
    options.servers = servers;
    for (size_t i = 0; i < 4; i++) {
        ear_init(&ears[i], driver->open(&options));
    }
    for (size_t i = 0; i < 4; i++) {
        WAIT_FOR(bus_is_connected(ears[i].bus));
        ear_deinit(&ears[i]);
    }
}

static void test_names_keep_clusters_apart(void **state)
{
    struct ear a;
    struct ear b;
    struct bus_options options = driver_options();
    (void)state;
    options.name = "other";
    ear_init(&a, driver->open(&options));
    ear_init(&b, driver->open(NULL));
    WAIT_FOR(bus_is_connected(a.bus));
    ear_listen(&b, "c1");
    ear_listen(&a, "c1");
    assert_int_equal(ear_say(&a, "c1", 1, 0), 0);
    assert_int_equal(ear_say(&b, "c1", 2, 0), 0);
    struct ear c;
    ear_init(&c, driver->open(NULL));
    WAIT_FOR(bus_is_connected(c.bus));
    assert_int_equal(ear_say(&c, "c1", 3, 0), 0);
    WAIT_FOR(ear_topic(&b, "c1").last == 3);
    ear_deinit(&a);
    ear_deinit(&b);
    ear_deinit(&c);
}

static void test_nonsense_is_refused(void **state)
{
    struct bus_options options = driver_options();
    (void)state;
    options.servers = " , ";
    assert_null(driver->open(&options));
    options = driver_options();
    options.credentials = "/nonexistent/credentials";
    assert_null(driver->open(&options));
    options = driver_options();
    options.name = "";
    assert_null(driver->open(&options));
}

int access_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_address_may_be_dead),
        cmocka_unit_test(test_names_keep_clusters_apart),
        cmocka_unit_test(test_nonsense_is_refused),
    };
    return driver->is_real ? cmocka_run_group_tests_name("access", tests, NULL, NULL) : 0;
}
