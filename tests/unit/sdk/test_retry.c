/* SPDX-License-Identifier: Apache-2.0 */
/* Trying again (gRFC A6): the sums of retry.h, and calls to servers that fail. */
#include "raw_server.h"
#include "retry.h"
#include "sdk_world.h"

#include "base/attr.h"
#include "support/check.h"
#include "support/wait.h"

#include <string.h>

static const parley_retry_policy quick = {
    .attempts_max = 3,
    .codes = PARLEY_RETRY_ON(PARLEY_UNAVAILABLE),
    .backoff_initial_ms = 1,
};

static void test_cl6_waits_grow_to_their_cap_with_jitter(void **state)
{
    static const parley_retry_policy from = {
        .attempts_max = 9,
        .codes = PARLEY_RETRY_ON(PARLEY_UNAVAILABLE),
        .backoff_initial_ms = 100,
        .backoff_max_ms = 250,
        .backoff_multiplier = 2,
    };
    static const int64_t expected_ms[] = {100, 200, 250, 250};
    struct retry_policy policy;
    struct retry_throttle throttle;
    (void)state;
    retry_policy_init(&policy, &from);
    retry_throttle_init(&throttle, 0, 0);
    for (unsigned failures = 1; failures <= 4; failures++) {
        int64_t lowest = INT64_MAX;
        int64_t highest = 0;
        for (int i = 0; i < 200; i++) {
            int64_t wait = retry_after(&policy, &throttle, PARLEY_UNAVAILABLE, failures, NULL);
            lowest = wait < lowest ? wait : lowest;
            highest = wait > highest ? wait : highest;
        }
        assert_in_range(lowest, expected_ms[failures - 1] * 8 / 10,
                        expected_ms[failures - 1] * 9 / 10);
        assert_in_range(highest, expected_ms[failures - 1] * 11 / 10,
                        expected_ms[failures - 1] * 12 / 10);
    }
    assert_int_equal(retry_after(&policy, &throttle, PARLEY_UNAVAILABLE, 5, NULL), -1);
}

static void test_cl6_policy_and_server_decide_together(void **state)
{
    static const struct {
        const char *name;
        enum parley_code code;
        unsigned failures;
        const char *pushback;
        bool is_retried;
    } rows[] = {
        {"a code of the policy", PARLEY_UNAVAILABLE, 1, NULL, true},
        {"another code", PARLEY_INTERNAL, 1, NULL, false},
        {"success", PARLEY_OK, 1, NULL, false},
        {"the last attempt", PARLEY_UNAVAILABLE, 3, NULL, false},
        {"a pushback", PARLEY_UNAVAILABLE, 1, "7", true},
        {"a pushback of nothing", PARLEY_UNAVAILABLE, 2, "0", true},
        {"a negative pushback", PARLEY_UNAVAILABLE, 1, "-1", false},
        {"a pushback that is no number", PARLEY_UNAVAILABLE, 1, "soon", false},
        {"a pushback does not add a code", PARLEY_INTERNAL, 1, "7", false},
        {"nor an attempt", PARLEY_UNAVAILABLE, 3, "7", false},
    };
    struct retry_policy policy;
    struct retry_throttle throttle;
    (void)state;
    retry_policy_init(&policy, &quick);
    retry_throttle_init(&throttle, 0, 0);
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        print_message("%s\n", rows[i].name);
        int64_t wait =
            retry_after(&policy, &throttle, rows[i].code, rows[i].failures, rows[i].pushback);
        assert_int_equal(wait >= 0, rows[i].is_retried);
        if (rows[i].is_retried && rows[i].pushback != NULL) {
            assert_int_equal(wait, rows[i].pushback[0] - '0');
        }
    }
    retry_policy_init(&policy, NULL);
    assert_int_equal(retry_after(&policy, &throttle, PARLEY_UNAVAILABLE, 1, NULL), -1);
}

/* Four tokens: retries as long as more than two are left. */
static void test_cl6_bucket_stops_retries_when_most_calls_fail(void **state)
{
    struct retry_policy policy;
    struct retry_throttle throttle;
    (void)state;
    retry_policy_init(&policy, &quick);
    retry_throttle_init(&throttle, 4, 0.5);
    assert_true(retry_after(&policy, &throttle, PARLEY_UNAVAILABLE, 1, NULL) >= 0);
    assert_int_equal(retry_after(&policy, &throttle, PARLEY_UNAVAILABLE, 2, NULL), -1);
    assert_int_equal(retry_after(&policy, &throttle, PARLEY_INTERNAL, 1, NULL), -1);
    retry_succeeded(&throttle);
    retry_succeeded(&throttle);
    retry_succeeded(&throttle);
    retry_succeeded(&throttle); /* two and two halves: four */
    assert_true(retry_after(&policy, &throttle, PARLEY_UNAVAILABLE, 1, NULL) >= 0);
    for (int i = 0; i < 50; i++) {
        retry_succeeded(&throttle);
    }
    assert_true(retry_after(&policy, &throttle, PARLEY_UNAVAILABLE, 1, NULL) >= 0);
    assert_int_equal(retry_after(&policy, &throttle, PARLEY_UNAVAILABLE, 2, NULL), -1);
}

struct calls_case {
    const char *name;
    enum raw_act act;
    const char *pushback;
    const parley_retry_policy *policy;
    uint32_t tokens_max;
    enum parley_code code;
    unsigned attempts;
};

static void test_cl6_failed_calls_are_tried_again_as_the_policy_says(void **state)
{
    static const struct calls_case cases[] = {
        {"no policy", RAW_FAIL_TWICE, NULL, NULL, 0, PARLEY_UNAVAILABLE, 1},
        {"the third succeeds", RAW_FAIL_TWICE, NULL, &quick, 0, PARLEY_OK, 3},
        {"all fail", RAW_FAIL, NULL, &quick, 0, PARLEY_UNAVAILABLE, 3},
        {"the server says when", RAW_FAIL_TWICE, "20", &quick, 0, PARLEY_OK, 3},
        {"the server says no", RAW_FAIL_TWICE, "-1", &quick, 0, PARLEY_UNAVAILABLE, 1},
        {"the bucket is too small", RAW_FAIL_TWICE, NULL, &quick, 2, PARLEY_UNAVAILABLE, 1},
    };
    (void)state;
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        print_message("%s\n", cases[i].name);
        struct raw_server *server = raw_server_start(&cases[i].act, 1);
        raw_server_push_back(server, cases[i].pushback);
        parley_channel_options options = {.size = sizeof(options),
                                          .retry = cases[i].policy,
                                          .retry_tokens_max = cases[i].tokens_max};
        parley_channel *channel = channel_with(raw_server_target(server), &options);
        expect_code(send_hello(channel, NULL), cases[i].code);
        assert_int_equal(raw_server_calls(server), cases[i].attempts);
        assert_int_equal(parley_channel_waiting_calls(channel), 0);
        parley_channel_free(channel);
        raw_server_stop(server);
    }
}

static void test_policy_of_a_call_goes_before_that_of_the_channel(void **state)
{
    static const enum raw_act acts[] = {RAW_FAIL_TWICE};
    static const parley_retry_policy none = {.attempts_max = 1};
    struct raw_server *server = raw_server_start(acts, 1);
    parley_channel_options options = {.size = sizeof(options), .retry = &quick};
    parley_channel *channel = channel_with(raw_server_target(server), &options);
    parley_call_options once = {.size = sizeof(once), .retry = &none};
    (void)state;
    expect_code(send_hello(channel, &once), PARLEY_UNAVAILABLE);
    expect_code(send_hello(channel, NULL), PARLEY_OK);
    assert_int_equal(raw_server_calls(server), 3);
    parley_channel_free(channel);
    raw_server_stop(server);
}

/* D3: waiting for the next attempt is waiting for the answer. */
static void test_d3_deadline_covers_the_waits_between_attempts(void **state)
{
    static const enum raw_act acts[] = {RAW_FAIL};
    static const parley_retry_policy slow = {
        .attempts_max = 3,
        .codes = PARLEY_RETRY_ON(PARLEY_UNAVAILABLE),
        .backoff_initial_ms = 60000,
        .backoff_max_ms = 60000,
    };
    struct raw_server *server = raw_server_start(acts, 1);
    parley_channel *channel = channel_to(raw_server_target(server));
    parley_call_options options = {.size = sizeof(options), .timeout_ms = 50, .retry = &slow};
    (void)state;
    expect_code(send_hello(channel, &options), PARLEY_DEADLINE_EXCEEDED);
    assert_int_equal(raw_server_calls(server), 1);
    parley_channel_free(channel);
    raw_server_stop(server);
}

/* A refused call is sent again once without a policy; twice refused it has failed. */
static void test_cl6_second_refusal_is_an_answer(void **state)
{
    static const enum raw_act acts[] = {RAW_GOAWAY_IGNORES};
    struct raw_server *server = raw_server_start(acts, 1);
    parley_channel *channel = channel_to(raw_server_target(server));
    (void)state;
    expect_code(send_hello(channel, NULL), PARLEY_UNAVAILABLE);
    assert_int_equal(raw_server_calls(server), 2);
    parley_channel_free(channel);
    raw_server_stop(server);
}

static void test_channel_that_goes_away_ends_what_waits_for_its_next_attempt(void **state)
{
    static const enum raw_act acts[] = {RAW_FAIL};
    static const parley_retry_policy slow = {
        .attempts_max = 2,
        .codes = PARLEY_RETRY_ON(PARLEY_UNAVAILABLE),
        .backoff_initial_ms = 10000,
    };
    struct raw_server *server = raw_server_start(acts, 1);
    parley_channel *channel = channel_to(raw_server_target(server));
    parley_call_options options = {.size = sizeof(options), .retry = &slow};
    struct outcome outcome = {0};
    (void)state;
    (void)start_hello(channel, &options, &outcome);
    WAIT_FOR(raw_server_calls(server) == 1 && parley_channel_waiting_calls(channel) == 1);
    parley_channel_free(channel);
    assert_int_equal(atomic_load(&outcome.count), 1);
    assert_int_equal(atomic_load(&outcome.code), PARLEY_CANCELLED);
    raw_server_stop(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cl6_waits_grow_to_their_cap_with_jitter),
        cmocka_unit_test(test_cl6_policy_and_server_decide_together),
        cmocka_unit_test(test_cl6_bucket_stops_retries_when_most_calls_fail),
        cmocka_unit_test(test_cl6_failed_calls_are_tried_again_as_the_policy_says),
        cmocka_unit_test(test_policy_of_a_call_goes_before_that_of_the_channel),
        cmocka_unit_test(test_d3_deadline_covers_the_waits_between_attempts),
        cmocka_unit_test(test_cl6_second_refusal_is_an_answer),
        cmocka_unit_test(test_channel_that_goes_away_ends_what_waits_for_its_next_attempt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
