/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_BENCH_PROCESS_H
#define PARLEY_BENCH_PROCESS_H

/* What processes use together, by /proc. @thread any */

struct process_usage {
    double rss_kib;
    double cpu_us; /* user and system, since their start */
};

/* @param pids  "12,34"; NULL: none. A process that there is not counts as zeros. */
void process_usage(const char *pids, struct process_usage *usage);

#endif /* PARLEY_BENCH_PROCESS_H */
