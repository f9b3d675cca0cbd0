/* SPDX-License-Identifier: Apache-2.0 */
/* Log records: one line each whatever is in them, JSON that parses, repetitions that are counted.
 */
#include "base/attr.h"
#include "core/log_sink.h"

#include <jansson.h>

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int64_t now_ms = 1795538777007; /* 2026-11-24T16:46:17.007Z */

static int64_t get_now(void)
{
    return now_ms;
}

struct world {
    int fds[2];
    struct log_sink *sink;
    char text[65536];
};

static struct world world;

static void open_sink(enum log_format format, unsigned burst)
{
    assert_int_equal(pipe(world.fds), 0);
    assert_int_equal(fcntl(world.fds[0], F_SETFL, O_NONBLOCK), 0);
    const struct log_sink_options options = {.fd = world.fds[1],
                                             .format = format,
                                             .burst = burst,
                                             .window_ms = 1000,
                                             .wall_ms = get_now};
    world.sink = log_sink_new(&options);
}

/* All that was written since the last call. */
static const char *read_lines(void)
{
    ssize_t got = read(world.fds[0], world.text, sizeof(world.text) - 1);
    world.text[got > 0 ? got : 0] = '\0';
    return world.text;
}

static void close_sink(void)
{
    log_sink_free(world.sink);
    (void)close(world.fds[0]);
    (void)close(world.fds[1]);
}

static void put(const char *id, const char *subject, const char *text)
{
    const struct pl_log_record record = {
        .level = PL_LOG_WARN, .id = id, .subject = subject, .text = text};
    log_sink_write(world.sink, &record);
}

static int count_lines(const char *text)
{
    int count = 0;
    for (; *text != '\0'; text++) {
        count += *text == '\n';
    }
    return count;
}

static void test_a_text_line_has_time_level_id_subject_and_text(void **state)
{
    (void)state;
    open_sink(LOG_FORMAT_TEXT, 0);
    put("CONN_LOST", "conn 7", "reset by peer");
    put("OTHER", "", "no subject");
    assert_string_equal(read_lines(), "2026-11-24T16:46:17.007Z WARN  CONN_LOST conn 7: reset by "
                                      "peer\n"
                                      "2026-11-24T16:46:17.007Z WARN  OTHER: no subject\n");
    close_sink();
}

static const char *const hostile[] = {
    "a\nINFO FORGED: b", "a\r\nb",           "\x1b[2J\x07",  "\xc2\x9b\x32J", "\xff\xfe\x80",
    "\xed\xa0\x80",      "back\\slash\\x0a", "cut \xe2\x82", "\x7f\x01",      "\"quoted\"",
};

static void test_hostile_text_stays_on_one_printable_line(void **state)
{
    (void)state;
    open_sink(LOG_FORMAT_TEXT, 0);
    for (size_t i = 0; i < PL_COUNT(hostile); i++) {
        put("X", hostile[i], hostile[i]);
        const char *line = read_lines();
        print_message("%s", line);
        assert_int_equal(count_lines(line), 1);
        for (const char *c = line; c[1] != '\0'; c++) {
            assert_true((unsigned char)*c >= 0x20 && *c != 0x7f);
        }
    }
    put("X", "", "a\nb\\");
    assert_non_null(strstr(read_lines(), "X: a\\x0ab\\\\\n"));
    close_sink();
}

static void test_hostile_text_stays_valid_json(void **state)
{
    (void)state;
    open_sink(LOG_FORMAT_JSON, 0);
    for (size_t i = 0; i < PL_COUNT(hostile); i++) {
        put("X", hostile[i], hostile[i]);
        const char *line = read_lines();
        print_message("%s", line);
        assert_int_equal(count_lines(line), 1);
        json_error_t error;
        json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, &error);
        assert_non_null(object);
        assert_string_equal(json_string_value(json_object_get(object, "id")), "X");
        assert_string_equal(json_string_value(json_object_get(object, "level")), "WARN");
        assert_string_equal(json_string_value(json_object_get(object, "time")),
                            "2026-11-24T16:46:17.007Z");
        if (strcmp(hostile[i], "a\r\nb") == 0) {
            assert_string_equal(json_string_value(json_object_get(object, "text")), "a\r\nb");
        }
        json_decref(object);
    }
    close_sink();
}

static void test_the_longest_text_fits_in_one_line(void **state)
{
    (void)state;
    char text[1024];
    memset(text, 1, sizeof(text) - 1); /* the worst: each byte becomes six in JSON */
    text[sizeof(text) - 1] = '\0';
    open_sink(LOG_FORMAT_JSON, 0);
    put("X", "", text);
    json_t *object = json_loads(read_lines(), 0, NULL);
    assert_non_null(object);
    assert_string_equal(json_string_value(json_object_get(object, "text")), text);
    json_decref(object);
    log_sink_set_format(world.sink, LOG_FORMAT_TEXT);
    put("X", "", text);
    const char *line = read_lines();
    assert_int_equal(count_lines(line), 1);
    assert_true(strlen(line) > 4 * 1023);
    close_sink();
}

static void test_repetitions_are_counted_per_id_and_told_later(void **state)
{
    (void)state;
    open_sink(LOG_FORMAT_TEXT, 3);
    for (int i = 0; i < 10; i++) {
        put("FLOOD", "", "again");
    }
    put("RARE", "", "once");
    const char *lines = read_lines();
    assert_int_equal(count_lines(lines), 4);
    assert_non_null(strstr(lines, "RARE"));
    assert_null(strstr(lines, "suppressed"));
    now_ms += 1000;
    put("FLOOD", "", "again");
    lines = read_lines();
    assert_int_equal(count_lines(lines), 1);
    assert_non_null(strstr(lines, "again suppressed=7\n"));
    /* Who has gone silent is told of by the next record of anybody, once. */
    for (int i = 0; i < 10; i++) {
        put("FLOOD", "", "again");
    }
    (void)read_lines();
    now_ms += 1000;
    put("RARE", "", "once");
    put("RARE", "", "once");
    lines = read_lines();
    assert_int_equal(count_lines(lines), 3);
    assert_non_null(strstr(lines, "FLOOD: records like this were left out suppressed=8\n"));
    close_sink();
}

static void test_what_is_owed_is_written_at_the_end(void **state)
{
    (void)state;
    open_sink(LOG_FORMAT_JSON, 1);
    put("FLOOD", "", "again");
    put("FLOOD", "", "again");
    put("FLOOD", "", "again");
    (void)read_lines();
    log_sink_free(world.sink);
    world.sink = NULL;
    json_t *object = json_loads(read_lines(), 0, NULL);
    assert_non_null(object);
    assert_int_equal(json_integer_value(json_object_get(object, "suppressed")), 2);
    json_decref(object);
    close_sink();
}

static void test_the_level_can_change_while_running(void **state)
{
    (void)state;
    open_sink(LOG_FORMAT_TEXT, 0);
    pl_log_set_sink(log_sink_write, world.sink, PL_LOG_WARN);
    pl_log_info("A", NULL, "no");
    pl_log_set_level(PL_LOG_INFO);
    pl_log_info("B", NULL, "yes");
    pl_log_set_sink(NULL, NULL, PL_LOG_ERROR);
    const char *lines = read_lines();
    assert_int_equal(count_lines(lines), 1);
    assert_non_null(strstr(lines, "INFO  B: yes"));
    close_sink();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_text_line_has_time_level_id_subject_and_text),
        cmocka_unit_test(test_hostile_text_stays_on_one_printable_line),
        cmocka_unit_test(test_hostile_text_stays_valid_json),
        cmocka_unit_test(test_the_longest_text_fits_in_one_line),
        cmocka_unit_test(test_repetitions_are_counted_per_id_and_told_later),
        cmocka_unit_test(test_what_is_owed_is_written_at_the_end),
        cmocka_unit_test(test_the_level_can_change_while_running),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
