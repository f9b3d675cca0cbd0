/* SPDX-License-Identifier: Apache-2.0 */
/* Topics and the loops that listen to them. */
#include "fanout/interest.h"

#include "support/check.h"
#include "support/failing_heap.h"

#include <string.h>

static bool has(struct interest *interest, enum topic_kind kind, const char *id, unsigned loop)
{
    struct loop_set set = {{0}};
    interest_collect(interest, kind, id, strlen(id), &set);
    return loop_set_has(&set, loop);
}

static void test_a_topic_has_the_loops_that_were_added_and_not_removed(void **state)
{
    (void)state;
    struct interest *interest = interest_new();
    assert_non_null(interest);
    assert_true(interest_is_empty(interest));
    const unsigned loops[] = {0, 1, 63, 64, 255};
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(interest_add(interest, TOPIC_CONVERSATION, "a", 1, loops[i]), 0);
        assert_int_equal(interest_add(interest, TOPIC_CONVERSATION, "a", 1, loops[i]), 0);
        assert_true(has(interest, TOPIC_CONVERSATION, "a", loops[i]));
    }
    assert_false(has(interest, TOPIC_CONVERSATION, "a", 2));
    assert_false(has(interest, TOPIC_CONVERSATION, "b", 0));
    assert_false(has(interest, TOPIC_USER, "a", 0));
    for (size_t i = 0; i < 5; i++) {
        interest_remove(interest, TOPIC_CONVERSATION, "a", 1, loops[i]);
        assert_false(has(interest, TOPIC_CONVERSATION, "a", loops[i]));
    }
    assert_true(interest_is_empty(interest));
    interest_remove(interest, TOPIC_CONVERSATION, "a", 1, 0);
    assert_true(interest_is_empty(interest));
    interest_free(interest);
}

static void test_an_id_that_is_too_long_has_no_listener(void **state)
{
    (void)state;
    char id[80];
    memset(id, 'x', sizeof(id));
    struct interest *interest = interest_new();
    struct loop_set set = {{0}};
    assert_int_equal(interest_add(interest, TOPIC_USER, id, sizeof(id), 0), -1);
    interest_collect(interest, TOPIC_USER, id, sizeof(id), &set);
    assert_false(loop_set_has(&set, 0));
    interest_free(interest);
}

static bool use_once(void *context)
{
    (void)context;
    struct interest *interest = interest_new();
    bool is_well = interest != NULL && interest_add(interest, TOPIC_USER, "u", 1, 3) == 0 &&
                   has(interest, TOPIC_USER, "u", 3);
    interest_free(interest);
    return is_well;
}

static void test_it_survives_the_loss_of_memory(void **state)
{
    (void)state;
    assert_true(failing_heap_sweep(use_once, NULL) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_topic_has_the_loops_that_were_added_and_not_removed),
        cmocka_unit_test(test_an_id_that_is_too_long_has_no_listener),
        cmocka_unit_test(test_it_survives_the_loss_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
