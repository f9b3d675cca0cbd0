/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include "base/attr.h"
#include "base/mem.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define FIGURES_MAX 64

struct figure {
    char name[48];
    const char *unit;
    double value;
};

struct report {
    const char *command;
    size_t count;
    struct figure figures[FIGURES_MAX];
};

struct report *report_new(const char *command)
{
    struct report *report = pl_xcalloc(1, sizeof(*report));
    report->command = command;
    return report;
}

void report_add(struct report *report, const char *name, double value, const char *unit)
{
    if (report->count < FIGURES_MAX) {
        struct figure *figure = &report->figures[report->count++];
        (void)snprintf(figure->name, sizeof(figure->name), "%s", name);
        figure->unit = unit;
        figure->value = value;
    }
}

void report_add_latency(struct report *report, const char *name, const struct histogram *latency)
{
    static const struct {
        const char *name;
        double of;
    } points[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1}};
    for (size_t i = 0; i < PL_COUNT(points); i++) {
        char full[48];
        (void)snprintf(full, sizeof(full), "%s_%s", name, points[i].name);
        report_add(report, full, (double)histogram_at(latency, points[i].of) / 1000, "us");
    }
}

static void print_json(const struct report *report)
{
    json_t *object = json_object();
    (void)json_object_set_new(object, "command", json_string(report->command));
    for (size_t i = 0; i < report->count; i++) {
        const struct figure *figure = &report->figures[i];
        (void)json_object_set_new(object, figure->name, json_real(figure->value));
    }
    (void)json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
    (void)putchar('\n');
    json_decref(object);
}

void report_print_and_free(struct report *report, bool is_json)
{
    if (is_json) {
        print_json(report);
    } else {
        for (size_t i = 0; i < report->count; i++) {
            const struct figure *figure = &report->figures[i];
            (void)printf("%-24s %14.1f %s\n", figure->name, figure->value, figure->unit);
        }
    }
    pl_free(report);
}
