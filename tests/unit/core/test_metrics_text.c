/* SPDX-License-Identifier: Apache-2.0 */
/* The page that Prometheus reads: samples, families and histograms, and promtool's opinion. */
#include "base/attr.h"
#include "base/buf.h"
#include "base/metric.h"
#include "core/metrics_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct pl_metric metrics[] = {
    {.name = "parley_test_sends_total",
     .labels = "code=\"OK\"",
     .help = "Sends by code.",
     .kind = PL_METRIC_COUNTER},
    {.name = "parley_test_sends_total",
     .labels = "code=\"UNAVAILABLE\"",
     .help = "Sends by code.",
     .kind = PL_METRIC_COUNTER},
    {.name = "parley_test_queue_bytes", .help = "Bytes that wait.", .kind = PL_METRIC_GAUGE},
    {.name = "parley_test_commit_seconds", .help = "Time of commits.", .kind = PL_METRIC_HISTOGRAM},
    {.name = "parley_test_call_seconds",
     .labels = "method=\"/a/B\"",
     .help = "Time of calls.",
     .kind = PL_METRIC_HISTOGRAM},
};

static char page[65536];

static const char *make_page(void)
{
    struct pl_buf *text = metrics_text_make();
    assert_non_null(text);
    assert_true(text->len < sizeof(page));
    memcpy(page, text->data, text->len);
    page[text->len] = '\0';
    pl_buf_unref(text);
    return page;
}

static int fill(void **state)
{
    (void)state;
    metrics_text_start();
    pl_metric_register(metrics, PL_COUNT(metrics));
    pl_metric_add(&metrics[0], 9007199254740991);
    pl_metric_add(&metrics[1], 2);
    pl_metric_set(&metrics[2], -5);
    pl_metric_observe_us(&metrics[3], 50);
    pl_metric_observe_us(&metrics[3], 51);
    pl_metric_observe_us(&metrics[3], 100000000); /* beyond the last bound */
    pl_metric_observe_us(&metrics[4], 1);
    return 0;
}

static void expect(const char *line)
{
    if (strstr(page, line) == NULL) {
        fail_msg("not on the page: %s", line);
    }
}

static void test_samples_and_families_are_written_once(void **state)
{
    (void)state;
    (void)make_page();
    expect("# HELP parley_test_sends_total Sends by code.\n"
           "# TYPE parley_test_sends_total counter\n"
           "parley_test_sends_total{code=\"OK\"} 9007199254740991\n"
           "parley_test_sends_total{code=\"UNAVAILABLE\"} 2\n"
           "# HELP parley_test_queue_bytes Bytes that wait.\n"
           "# TYPE parley_test_queue_bytes gauge\n"
           "parley_test_queue_bytes -5\n");
    expect("parley_build_info{version=\"");
    expect("\nprocess_resident_memory_bytes ");
    expect("\nprocess_open_fds ");
    expect("\nprocess_cpu_seconds_total ");
    expect("\nprocess_start_time_seconds 1"); /* a time in this century, not 0 */
}

static void test_histograms_are_cumulative_in_seconds(void **state)
{
    (void)state;
    (void)make_page();
    expect("# TYPE parley_test_commit_seconds histogram\n"
           "parley_test_commit_seconds_bucket{le=\"5e-05\"} 1\n"
           "parley_test_commit_seconds_bucket{le=\"0.0001\"} 2\n");
    expect("parley_test_commit_seconds_bucket{le=\"13.1072\"} 2\n"
           "parley_test_commit_seconds_bucket{le=\"+Inf\"} 3\n"
           "parley_test_commit_seconds_sum 100.000101\n"
           "parley_test_commit_seconds_count 3\n");
    expect("parley_test_call_seconds_bucket{method=\"/a/B\",le=\"5e-05\"} 1\n");
    expect("parley_test_call_seconds_count{method=\"/a/B\"} 1\n");
}

static void test_open_descriptors_are_counted(void **state)
{
    (void)state;
    int before = -1;
    int after = -1;
    const char *line = strstr(make_page(), "\nprocess_open_fds ");
    assert_non_null(line);
    assert_int_equal(sscanf(line, "\nprocess_open_fds %d", &before), 1);
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    line = strstr(make_page(), "\nprocess_open_fds ");
    assert_non_null(line);
    assert_int_equal(sscanf(line, "\nprocess_open_fds %d", &after), 1);
    assert_int_equal(after, before + 2);
    assert_int_equal(close(fds[0]), 0);
    assert_int_equal(close(fds[1]), 0);
}

static void test_promtool_likes_the_page(void **state)
{
    (void)state;
    if (access("/usr/bin/promtool", X_OK) != 0) {
        skip();
    }
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    const char *text = make_page();
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)dup2(fds[0], STDIN_FILENO);
        (void)close(fds[1]);
        (void)execl("/usr/bin/promtool", "promtool", "check", "metrics", (char *)NULL);
        _exit(127);
    }
    assert_int_equal(close(fds[0]), 0);
    assert_int_equal(write(fds[1], text, strlen(text)), strlen(text));
    assert_int_equal(close(fds[1]), 0);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples_and_families_are_written_once),
        cmocka_unit_test(test_histograms_are_cumulative_in_seconds),
        cmocka_unit_test(test_open_descriptors_are_counted),
        cmocka_unit_test(test_promtool_likes_the_page),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
