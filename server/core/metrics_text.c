/* SPDX-License-Identifier: Apache-2.0 */
/* The text format of Prometheus 0.0.4. Metrics of one name were registered in a row, so that each
 * family has its HELP and TYPE once. @thread any */
#include "core/metrics_text.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/metric.h"
#include "base/text.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define BUCKET_FIRST_SECONDS 0.00005

static int64_t started_ms;

struct output {
    struct pl_buf *buf;
    const char *family; /* name of the last metric */
    bool has_failed;
};

static void put(struct output *out, const char *format, ...) PL_PRINTF(2, 3);

static void put(struct output *out, const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    bool fits = pl_text_vformat(line, sizeof(line), format, args);
    va_end(args);
    /* Half a line would spoil the whole page. */
    if (!out->has_failed && fits && pl_buf_append(&out->buf, line, strlen(line)) != 0) {
        out->has_failed = true;
    }
}

static void put_family(struct output *out, const char *name, const char *help, const char *type)
{
    if (out->family == NULL || strcmp(out->family, name) != 0) {
        put(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
        out->family = name;
    }
}

/* Doubles hold whole numbers up to 2^53; counters may be larger. */
static void put_count(struct output *out, const char *name, const char *labels, int64_t value)
{
    bool has_labels = labels != NULL && labels[0] != '\0';
    put(out, "%s%s%s%s %" PRId64 "\n", name, has_labels ? "{" : "", has_labels ? labels : "",
        has_labels ? "}" : "", value);
}

static void put_histogram(struct output *out, const struct pl_metric *metric)
{
    const char *labels = metric->labels != NULL ? metric->labels : "";
    const char *comma = labels[0] != '\0' ? "," : "";
    const char *open = labels[0] != '\0' ? "{" : "";
    const char *close = labels[0] != '\0' ? "}" : "";
    double bound = BUCKET_FIRST_SECONDS;
    uint64_t count = 0;
    for (size_t i = 0; i < PL_METRIC_BUCKETS; i++) {
        count += metric->buckets[i];
        if (i < PL_METRIC_BUCKETS - 1) {
            put(out, "%s_bucket{%s%sle=\"%.9g\"} %" PRIu64 "\n", metric->name, labels, comma, bound,
                count);
        } else {
            put(out, "%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n", metric->name, labels, comma,
                count);
        }
        bound *= 2;
    }
    put(out, "%s_sum%s%s%s %.15g\n", metric->name, open, labels, close,
        (double)metric->value / 1e6);
    put(out, "%s_count%s%s%s %" PRIu64 "\n", metric->name, open, labels, close, count);
}

static void put_metric(void *context, const struct pl_metric *metric)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};
    struct output *out = context;
    put_family(out, metric->name, metric->help, types[metric->kind]);
    if (metric->kind == PL_METRIC_HISTOGRAM) {
        put_histogram(out, metric);
    } else {
        put_count(out, metric->name, metric->labels, metric->value);
    }
}

/* ---- the process ---- */

static void put_one(struct output *out, const char *name, const char *type, const char *help,
                    double value)
{
    put_family(out, name, help, type);
    put(out, "%s %.15g\n", name, value);
}

static void put_memory(struct output *out)
{
    unsigned long size = 0;
    unsigned long resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL) {
        return;
    }
    int got = fscanf(file, "%lu %lu", &size, &resident); /* the kernel's own text */
    (void)fclose(file);
    long page = sysconf(_SC_PAGESIZE);
    if (got == 2 && page > 0) {
        put_one(out, "process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.",
                (double)size * (double)page);
        put_one(out, "process_resident_memory_bytes", "gauge", "Resident memory size in bytes.",
                (double)resident * (double)page);
    }
}

static void put_descriptors(struct output *out)
{
    DIR *dir = opendir("/proc/self/fd");
    if (dir != NULL) {
        int count = -3;                /* ".", ".." and the descriptor of the listing itself */
        while (readdir(dir) != NULL) { // NOLINT(concurrency-mt-unsafe): a DIR of our own
            count++;
        }
        (void)closedir(dir);
        put_one(out, "process_open_fds", "gauge", "Number of open file descriptors.", count);
    }
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        put_one(out, "process_max_fds", "gauge", "Maximum number of open file descriptors.",
                (double)limit.rlim_cur);
    }
}

static void put_process(struct output *out)
{
    struct timespec cpu;
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu) == 0) {
        put_one(out, "process_cpu_seconds_total", "counter",
                "Total user and system CPU time spent in seconds.",
                (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9);
    }
    put_one(out, "process_start_time_seconds", "gauge",
            "Start time of the process since the Unix epoch in seconds.", (double)started_ms / 1e3);
    put_memory(out);
    put_descriptors(out);
    put_family(out, "parley_build_info", "The build that is running; always 1.", "gauge");
    put_count(out, "parley_build_info", "version=\"" PARLEY_VERSION "\"", 1);
}

void metrics_text_start(void)
{
    started_ms = pl_clock_wall_ms();
}

struct pl_buf *metrics_text_make(void)
{
    struct output out = {.buf = pl_buf_new(32768)};
    if (out.buf == NULL) {
        return NULL;
    }
    pl_metric_each(put_metric, &out);
    put_process(&out);
    if (out.has_failed) {
        pl_buf_unref(out.buf);
        return NULL;
    }
    return out.buf;
}
