/* SPDX-License-Identifier: Apache-2.0 */
/* What each attack costs a server and a bystander, as a table in Markdown.
 *
 * usage: wire_report PARLEYD [SECONDS [FIRST]]     FIRST: row of the table to begin with
 *
 * An attacker runs one attack for some seconds, at full speed, connecting anew whenever it is
 * thrown out, while another thread makes a call every few milliseconds on a connection of its own.
 */
#include "support/check.h"
#include "support/parleyd.h"
#include "support/wait.h"
#include "wire/attack.h"
#include "wire/bystander.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CALLS_MAX 100000
#define MIB       (1024.0 * 1024.0)

struct witness {
    const char *address;
    atomic_bool is_over;
    int64_t calls_us[CALLS_MAX];
    size_t count;
};

struct cost {
    double seconds;
    double cpu_s;
    double sent_mib;
    double grown_mib; /* at the worst moment */
    double p50_ms;
    double p99_ms;
    unsigned connections;
};

static int64_t now_us(void)
{
    struct timespec now;
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- the server, seen from outside ---- */

static void read_proc(const struct parleyd *server, const char *name, char *out, size_t size)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/%ld/%s", (long)server->pid, name);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    size_t len = fread(out, 1, size - 1, file);
    out[len] = '\0';
    (void)fclose(file);
}

/* User and system time so far: the fields 14 and 15 of stat, in ticks. */
static double cpu_s(const struct parleyd *server)
{
    char text[1024];
    read_proc(server, "stat", text, sizeof(text));
    char *at = strrchr(text, ')');
    assert_non_null(at);
    for (int field = 2; field < 14; field++) {
        at = strchr(at + 1, ' ');
        assert_non_null(at);
    }
    long user = strtol(at, &at, 10);
    long system = strtol(at, NULL, 10);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static double peak_mib(const struct parleyd *server)
{
    char text[4096];
    read_proc(server, "status", text, sizeof(text));
    const char *at = strstr(text, "VmHWM:");
    assert_non_null(at);
    return (double)strtol(at + 6, NULL, 10) / 1024.0;
}

static void forget_peak(const struct parleyd *server)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/%ld/clear_refs", (long)server->pid);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fputs("5", file), 1);
    (void)fclose(file);
}

/* ---- the witness ---- */

static void *run_witness(void *context)
{
    struct witness *witness = context;
    struct bystander bystander;
    bystander_open(&bystander, witness->address);
    while (!atomic_load(&witness->is_over) && witness->count < CALLS_MAX) {
        int64_t start_us = now_us();
        bystander_check(&bystander);
        witness->calls_us[witness->count++] = now_us() - start_us;
        (void)poll(NULL, 0, 2);
    }
    bystander_close(&bystander);
    return NULL;
}

static int compare(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;
    return left < right ? -1 : left > right;
}

static double percentile_ms(const struct witness *witness, size_t percent)
{
    return (double)witness->calls_us[witness->count * percent / 100] / 1000.0;
}

/* ---- one row ---- */

/* Connects and leaves. */
static const struct attack visits = {.name = "connections without a word"};

static void attack_for(struct parleyd *server, const struct attack *attack, int64_t deadline_ms,
                       struct cost *cost)
{
    static struct attacker attacker;
    attacker.sent_bytes = 0;
    while (wait_deadline(0) < deadline_ms) {
        attacker_open(&attacker, server->listen);
        if (attack->put != NULL) {
            attacker_run(&attacker, attack, SIZE_MAX, deadline_ms, NULL);
        }
        attacker_close(&attacker);
        cost->connections++;
    }
    cost->sent_mib = (double)attacker.sent_bytes / MIB;
}

/* @param attack  NULL: nobody attacks */
static struct cost measure(struct parleyd *server, const struct attack *attack, int64_t duration_ms)
{
    static struct witness witness;
    pthread_t thread;
    struct cost cost = {.seconds = (double)duration_ms / 1000.0};
    memset(&witness, 0, sizeof(witness));
    witness.address = server->listen;
    forget_peak(server);
    double rss_mib = (double)parleyd_rss_kib(server) / 1024.0;
    double cpu_before_s = cpu_s(server);
    int64_t deadline_ms = wait_deadline(duration_ms);
    assert_int_equal(pthread_create(&thread, NULL, run_witness, &witness), 0);
    if (attack != NULL) {
        attack_for(server, attack, deadline_ms, &cost);
    } else {
        (void)poll(NULL, 0, (int)duration_ms);
    }
    atomic_store(&witness.is_over, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    cost.cpu_s = cpu_s(server) - cpu_before_s;
    cost.grown_mib = peak_mib(server) - rss_mib;
    assert_true(witness.count > 0);
    qsort(witness.calls_us, witness.count, sizeof(witness.calls_us[0]), compare);
    cost.p50_ms = percentile_ms(&witness, 50);
    cost.p99_ms = percentile_ms(&witness, 99);
    return cost;
}

static void print_row(const char *name, const struct cost *cost)
{
    (void)printf("| %s | %u | %.1f | %.2f |", name, cost->connections,
                 cost->sent_mib / cost->seconds, cost->cpu_s / cost->seconds);
    if (cost->sent_mib >= 0.1) {
        (void)printf(" %.0f |", cost->cpu_s * 1000.0 / cost->sent_mib);
    } else {
        (void)printf(" - |");
    }
    (void)printf(" %.1f | %.2f | %.2f |\n", cost->grown_mib, cost->p50_ms, cost->p99_ms);
    (void)fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        (void)fprintf(stderr, "usage: wire_report PARLEYD [SECONDS [FIRST]]\n");
        return 2;
    }
    int64_t duration_ms = argc > 2 ? strtol(argv[2], NULL, 10) * 1000 : 3000;
    struct parleyd server;
    parleyd_start(&server, argv[1], (const char *const[]){"--log-level", "error", NULL});
    (void)printf("| attack | connections | sent MiB/s | server CPU s/s | CPU ms/MiB | memory + MiB "
                 "| bystander p50 ms | p99 ms |\n|---|---|---|---|---|---|---|---|\n");
    struct cost calm = measure(&server, NULL, duration_ms);
    print_row("(nobody)", &calm);
    for (size_t i = argc > 3 ? strtoul(argv[3], NULL, 10) : 0; i < floods_count; i++) {
        struct cost cost = measure(&server, &floods[i], duration_ms);
        print_row(floods[i].name, &cost);
    }
    struct cost cost = measure(&server, &visits, duration_ms);
    print_row(visits.name, &cost);
    parleyd_stop(&server);
    return 0;
}
