/* SPDX-License-Identifier: Apache-2.0 */
/* The logging facade: levels, what reaches the sink, and silence without one. */
#include "base/log.h"

#include "support/check.h"

#include <stdio.h>
#include <string.h>

struct seen {
    int count;
    enum pl_log_level level;
    char id[32];
    char subject[32];
    char text[2048];
};

static void write_record(void *sink, const struct pl_log_record *record)
{
    struct seen *seen = sink;
    seen->count++;
    seen->level = record->level;
    (void)snprintf(seen->id, sizeof(seen->id), "%s", record->id);
    (void)snprintf(seen->subject, sizeof(seen->subject), "%s", record->subject);
    (void)snprintf(seen->text, sizeof(seen->text), "%s", record->text);
}

static int evaluated;

static int count_evaluation(void)
{
    return ++evaluated;
}

static int remove_sink(void **state)
{
    (void)state;
    pl_log_set_sink(NULL, NULL, PL_LOG_ERROR);
    return 0;
}

static void test_without_a_sink_nothing_is_written(void **state)
{
    (void)state;
    evaluated = 0;
    pl_log_set_sink(NULL, NULL, PL_LOG_DEBUG);
    assert_false(pl_log_is_enabled(PL_LOG_ERROR));
    pl_log_error("X", NULL, "%d", count_evaluation());
    pl_log_write(PL_LOG_ERROR, "X", NULL, "straight");
    assert_int_equal(evaluated, 0);
}

static void test_record_reaches_the_sink_whole(void **state)
{
    (void)state;
    struct seen seen = {0};
    pl_log_set_sink(write_record, &seen, PL_LOG_INFO);
    pl_log_warn("STORE_SLOW", "shard 3", "took %d ms", 17);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.level, PL_LOG_WARN);
    assert_string_equal(seen.id, "STORE_SLOW");
    assert_string_equal(seen.subject, "shard 3");
    assert_string_equal(seen.text, "took 17 ms");
    pl_log_info("X", NULL, "y");
    assert_string_equal(seen.subject, "");
}

static void test_arguments_below_the_level_are_not_evaluated(void **state)
{
    (void)state;
    struct seen seen = {0};
    evaluated = 0;
    pl_log_set_sink(write_record, &seen, PL_LOG_WARN);
    pl_log_debug("X", NULL, "%d", count_evaluation());
    pl_log_info("X", NULL, "%d", count_evaluation());
    assert_int_equal(seen.count, 0);
    assert_int_equal(evaluated, 0);
    pl_log_warn("X", NULL, "%d", count_evaluation());
    pl_log_error("X", NULL, "%d", count_evaluation());
    assert_int_equal(seen.count, 2);
    assert_int_equal(evaluated, 2);
}

static void test_level_can_change_while_running(void **state)
{
    (void)state;
    struct seen seen = {0};
    pl_log_set_sink(write_record, &seen, PL_LOG_ERROR);
    pl_log_debug("X", NULL, "no");
    pl_log_set_level(PL_LOG_DEBUG);
    assert_true(pl_log_is_enabled(PL_LOG_DEBUG));
    pl_log_debug("X", NULL, "yes");
    pl_log_set_level(PL_LOG_ERROR);
    pl_log_warn("X", NULL, "no");
    assert_int_equal(seen.count, 1);
    assert_string_equal(seen.text, "yes");
}

static void test_long_text_is_cut_not_overrun(void **state)
{
    (void)state;
    struct seen seen = {0};
    char text[3000];
    memset(text, 't', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    pl_log_set_sink(write_record, &seen, PL_LOG_INFO);
    pl_log_info("X", NULL, "%s", text);
    assert_int_equal(strlen(seen.text), 1023);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_without_a_sink_nothing_is_written, remove_sink),
        cmocka_unit_test_teardown(test_record_reaches_the_sink_whole, remove_sink),
        cmocka_unit_test_teardown(test_arguments_below_the_level_are_not_evaluated, remove_sink),
        cmocka_unit_test_teardown(test_level_can_change_while_running, remove_sink),
        cmocka_unit_test_teardown(test_long_text_is_cut_not_overrun, remove_sink),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
