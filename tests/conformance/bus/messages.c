/* SPDX-License-Identifier: Apache-2.0 */
/* What is published comes to those who subscribed, in order and whole. */
#include "driver.h"

#include "support/wait.h"

#include <stdio.h>
#include <string.h>

struct pair {
    struct ear a;
    struct ear b;
};

static int setup(void **state)
{
    static struct pair pair;
    ear_init(&pair.a, driver->open(NULL));
    ear_init(&pair.b, driver->open(NULL));
    WAIT_FOR(bus_is_connected(pair.a.bus));
    WAIT_FOR(bus_is_connected(pair.b.bus));
    *state = &pair;
    return 0;
}

static int teardown(void **state)
{
    struct pair *pair = *state;
    ear_deinit(&pair->a);
    ear_deinit(&pair->b);
    return 0;
}

static void test_a_message_comes_to_all_who_subscribed(void **state)
{
    struct pair *pair = *state;
    struct ear third;
    ear_init(&third, driver->open(NULL));
    ear_listen(&pair->b, "c1");
    ear_listen(&third, "c1");
    ear_listen(&third, "c2");
    assert_int_equal(ear_say(&pair->a, "c1", 1, 0), 0);
    assert_int_equal(ear_say(&pair->a, "c2", 2, 0), 0);
    WAIT_FOR(ear_topic(&pair->b, "c1").heard == 1);
    WAIT_FOR(ear_topic(&third, "c1").heard == 1);
    WAIT_FOR(ear_topic(&third, "c2").heard == 1);
    if (driver->is_exact) {
        assert_int_equal(ear_topic(&pair->b, "c2").heard, 0);
    }
    ear_deinit(&third);
}

static void test_messages_of_a_sender_come_in_order(void **state)
{
    enum {
        MESSAGES = 3000
    };
    struct pair *pair = *state;
    ear_listen(&pair->b, "c1");
    for (long i = 0; i < MESSAGES; i++) {
        assert_int_equal(ear_say(&pair->a, "c1", i, 200), 0);
    }
    WAIT_FOR(ear_topic(&pair->b, "c1").heard == MESSAGES);
    assert_true(ear_topic(&pair->b, "c1").is_ordered);
}

static void test_subscriptions_are_counted(void **state)
{
    struct pair *pair = *state;
    ear_listen(&pair->b, "c1");
    ear_subscribe(&pair->b, "c1");
    ear_unsubscribe(&pair->b, "c1");
    ear_listen(&pair->b, "c2"); /* what was asked for before is done now */
    assert_int_equal(ear_say(&pair->a, "c1", 1, 0), 0);
    WAIT_FOR(ear_topic(&pair->b, "c1").heard == 1);
    ear_unsubscribe(&pair->b, "c1");
    ear_listen(&pair->b, "c3");
    assert_int_equal(ear_say(&pair->a, "c1", 2, 0), 0);
    assert_int_equal(ear_say(&pair->a, "c3", 3, 0), 0);
    WAIT_FOR(ear_topic(&pair->b, "c3").heard == 1);
    assert_int_equal(ear_topic(&pair->b, "c1").heard, 1);
}

/* A gap each time, since what was published between the two was not heard; and what is published as
 * soon as the gap was told comes. */
static void test_nothing_is_lost_once_the_gap_was_told(void **state)
{
    struct pair *pair = *state;
    for (long i = 1; i <= 50; i++) {
        ear_subscribe(&pair->b, "c1");
        WAIT_FOR(ear_topic(&pair->b, "c1").gaps == i);
        assert_int_equal(ear_say(&pair->a, "c1", i, 0), 0);
        WAIT_FOR(ear_topic(&pair->b, "c1").heard == i);
        ear_unsubscribe(&pair->b, "c1");
    }
}

/* Each name means something to some broker. */
static void test_topics_are_only_bytes(void **state)
{
    static const char *const names[] = {"c.a.b", "c.*",  "c.>", "c",  "c..",
                                        "c.",    "c%2E", "c#",  "c:~"};
    struct pair *pair = *state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct ear ear;
        ear_init(&ear, driver->open(NULL));
        ear_listen(&ear, names[i]);
        for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++) {
            assert_int_equal(ear_say(&pair->a, names[k], 1, 0), 0);
        }
        assert_int_equal(ear_say(&pair->a, names[i], 2, 0), 0);
        WAIT_FOR(ear_topic(&ear, names[i]).last == 2);
        assert_int_equal(ear_topic(&ear, names[i]).heard, 2);
        if (driver->is_exact) {
            assert_int_equal(ear_read(&ear, &ear.others), 0);
            assert_int_equal(ear_topic(&ear, i == 0 ? names[1] : names[0]).heard, 0);
        }
        ear_deinit(&ear);
    }
}

static void test_a_large_message_comes_whole(void **state)
{
    struct pair *pair = *state;
    ear_listen(&pair->b, "c1");
    assert_int_equal(ear_say(&pair->a, "c1", 1, BUS_MESSAGE_MAX), 0);
    WAIT_FOR(ear_topic(&pair->b, "c1").heard == 1);
    assert_int_equal(ear_topic(&pair->b, "c1").bytes, BUS_MESSAGE_MAX);
}

static void test_ten_thousand_topics_are_heard(void **state)
{
    enum {
        TOPICS = 10000
    };
    struct pair *pair = *state;
    char topic[32];
    ear_listen(&pair->b, "first");
    for (int i = 0; i < TOPICS; i++) {
        (void)snprintf(topic, sizeof(topic), "many-%d", i);
        assert_int_equal(bus_subscribe(pair->b.bus, &(struct bus_topic){topic, strlen(topic)}), 0);
    }
    ear_listen(&pair->b, "last");
    for (int i = 0; i < TOPICS; i += 100) {
        (void)snprintf(topic, sizeof(topic), "many-%d", i);
        assert_int_equal(ear_say(&pair->a, topic, i, 0), 0);
    }
    WAIT_FOR(ear_read(&pair->b, &pair->b.others) == TOPICS / 100);
}

int messages_tests(void)
{
#define BUS_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        BUS_TEST(test_a_message_comes_to_all_who_subscribed),
        BUS_TEST(test_messages_of_a_sender_come_in_order),
        BUS_TEST(test_subscriptions_are_counted),
        BUS_TEST(test_nothing_is_lost_once_the_gap_was_told),
        BUS_TEST(test_topics_are_only_bytes),
        BUS_TEST(test_a_large_message_comes_whole),
        BUS_TEST(test_ten_thousand_topics_are_heard),
    };
    return cmocka_run_group_tests_name("messages", tests, NULL, NULL);
}
