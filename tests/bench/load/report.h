/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_BENCH_REPORT_H
#define PARLEY_BENCH_REPORT_H

/* Figures of a run, for people (a table) and for scripts (JSON). */

#include "histogram.h"

#include <stdbool.h>

struct report; /* opaque */

struct report *report_new(const char *command);
void report_add(struct report *report, const char *name, double value, const char *unit);
/* Percentiles in microseconds: NAME_p50 and so on. */
void report_add_latency(struct report *report, const char *name, const struct histogram *latency);
void report_print_and_free(struct report *report, bool is_json);

#endif /* PARLEY_BENCH_REPORT_H */
