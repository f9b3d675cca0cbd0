/* SPDX-License-Identifier: Apache-2.0 */
#include "process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIELDS_TO_UTIME 11 /* after the name: state is the first, utime the twelfth (proc(5)) */

static double read_rss_kib(long pid)
{
    char path[64];
    char line[256];
    double kib = 0;
    (void)snprintf(path, sizeof(path), "/proc/%ld/status", pid);
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, "VmRSS:", 6) == 0) {
            kib = strtod(line + 6, NULL);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return kib;
}

static double read_cpu_us(long pid)
{
    char path[64];
    char text[1024] = "";
    (void)snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return 0;
    }
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    (void)fclose(file);
    char *at = strrchr(text, ')');
    for (int i = 0; at != NULL && i <= FIELDS_TO_UTIME; i++) {
        at = strchr(at + 1, ' ');
    }
    if (at == NULL) {
        return 0;
    }
    double user = strtod(at, &at);
    double system_ticks = strtod(at, NULL);
    return (user + system_ticks) * 1e6 / (double)sysconf(_SC_CLK_TCK);
}

void process_usage(const char *pids, struct process_usage *usage)
{
    *usage = (struct process_usage){0};
    while (pids != NULL) {
        char *end = NULL;
        long pid = strtol(pids, &end, 10);
        usage->rss_kib += read_rss_kib(pid);
        usage->cpu_us += read_cpu_us(pid);
        pids = *end == ',' ? end + 1 : NULL;
    }
}
