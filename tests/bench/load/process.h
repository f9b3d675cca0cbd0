/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_BENCH_PROCESS_H
#define PARLEY_BENCH_PROCESS_H

/* What a process uses, by /proc. @thread any */

struct process_usage {
    double rss_kib;
    double cpu_us; /* user and system, since its start */
};

/* Zeros if there is no such process, or pid is 0. */
void process_usage(double pid, struct process_usage *usage);

#endif /* PARLEY_BENCH_PROCESS_H */
