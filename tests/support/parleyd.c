/* SPDX-License-Identifier: Apache-2.0 */
/* The server program as a child; see parleyd.h. */
#define _XOPEN_SOURCE 700

#include "support/parleyd.h"

#include "support/check.h"
#include "support/wait.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void run(const char *program, const char *const *arguments)
{
    /* A test that fails leaves no server behind. */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* A sanitizer keeps freed memory: little of it, so that what is measured is what is used. */
    (void)setenv("ASAN_OPTIONS", "quarantine_size_mb=4:detect_leaks=1", 1);
    const union {
        const char *const *in;
        char *const *out;
    } argv = {.in = arguments};
    (void)execv(program, argv.out);
    _exit(127);
}

static bool read_line(FILE *file, const char *prefix, char *out, size_t size)
{
    char line[128];
    if (fgets(line, (int)sizeof(line), file) == NULL ||
        strncmp(line, prefix, strlen(prefix)) != 0) {
        return false;
    }
    line[strcspn(line, "\n")] = '\0';
    return snprintf(out, size, "%s", line + strlen(prefix)) < (int)size;
}

static bool read_addresses(struct parleyd *server, const char *path)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    bool is_read = read_line(file, "listen=", server->listen, sizeof(server->listen)) &&
                   read_line(file, "admin=", server->admin, sizeof(server->admin));
    (void)fclose(file);
    return is_read;
}

bool parleyd_is_alive(struct parleyd *server)
{
    if (server->pid > 0 && waitpid(server->pid, NULL, WNOHANG) == server->pid) {
        server->pid = 0;
    }
    return server->pid > 0;
}

void parleyd_start(struct parleyd *server, const char *program, const char *const *arguments)
{
    *server = (struct parleyd){.pid = 0};
    assert_int_equal(tmp_dir_init(&server->dir), 0);
    char *addresses = tmp_dir_join(&server->dir, "addresses");
    char *data = tmp_dir_join(&server->dir, "data");
    const char *all[PARLEYD_ARGUMENTS_MAX + 16] = {program,
                                                   "serve",
                                                   "--data",
                                                   data,
                                                   "--listen",
                                                   "127.0.0.1:0",
                                                   "--admin",
                                                   "127.0.0.1:0",
                                                   "--addresses-file",
                                                   addresses,
                                                   "--log-level",
                                                   "warn",
                                                   "--drain-grace-ms",
                                                   "0"};
    size_t count = 14;
    for (size_t i = 0; arguments != NULL && arguments[i] != NULL; i++) {
        assert_true(i < PARLEYD_ARGUMENTS_MAX);
        all[count++] = arguments[i];
    }
    server->pid = fork();
    assert_true(server->pid >= 0);
    if (server->pid == 0) {
        run(program, all);
    }
    int64_t deadline_ms = wait_deadline(WAIT_MS);
    while (!read_addresses(server, addresses)) {
        if (!parleyd_is_alive(server)) {
            fail_msg("%s ended before it served", program);
        }
        wait_or_fail(deadline_ms, "parleyd serves", __FILE__, __LINE__);
    }
    free(addresses);
    free(data);
}

void parleyd_token(const struct parleyd *server, const char *program, const char *user, char *out,
                   size_t size)
{
    char *data = tmp_dir_join(&server->dir, "data");
    const char *const arguments[] = {program, "token", "--data", data, "--user", user, NULL};
    int ends[2];
    int status = 0;
    size_t len = 0;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)dup2(ends[1], STDOUT_FILENO);
        run(program, arguments);
    }
    (void)close(ends[1]);
    for (ssize_t got = 1; got > 0 && len + 1 < size; len += (size_t)got) {
        got = read(ends[0], out + len, size - 1 - len);
        assert_true(got >= 0);
    }
    (void)close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    out[len] = '\0';
    out[strcspn(out, "\n")] = '\0';
    free(data);
}

long parleyd_rss_kib(const struct parleyd *server)
{
    char path[64];
    char line[128];
    long kib = -1;
    (void)snprintf(path, sizeof(path), "/proc/%ld/status", (long)server->pid);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    while (kib < 0 && fgets(line, (int)sizeof(line), file) != NULL) {
        if (strncmp(line, "VmRSS:", 6) == 0) {
            kib = strtol(line + 6, NULL, 10);
        }
    }
    (void)fclose(file);
    assert_true(kib >= 0);
    return kib;
}

void parleyd_stop(struct parleyd *server)
{
    int status = 0;
    int64_t deadline_ms = wait_deadline(WAIT_MS);
    assert_true(parleyd_is_alive(server));
    assert_int_equal(kill(server->pid, SIGTERM), 0);
    while (waitpid(server->pid, &status, WNOHANG) == 0) {
        wait_or_fail(deadline_ms, "parleyd ends", __FILE__, __LINE__);
    }
    server->pid = 0;
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(tmp_dir_deinit(&server->dir), 0);
}
