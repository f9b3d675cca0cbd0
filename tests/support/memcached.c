/* SPDX-License-Identifier: Apache-2.0 */
/* memcached as a child of the test; see memcached.h. */
#define _XOPEN_SOURCE 700

#include "support/memcached.h"

#include "support/check.h"
#include "support/free_port.h"
#include "support/tmp_dir.h"
#include "support/wait.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void run(int number, const char *port_file)
{
    char port[16];
    (void)snprintf(port, sizeof(port), "%d", number);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* The ports are written here before the first connection is taken. */
    (void)setenv("MEMCACHED_PORT_FILENAME", port_file, 1);
    /* The user counts only for root: nobody else could write the file. */
    (void)execlp("memcached", "memcached", "-u", "root", "-l", "127.0.0.1", "-U", "0", "-m", "64",
                 "-t", "2", "-p", port, (char *)NULL);
    perror("memcached");
    _exit(127);
}

static int read_port(const char *path)
{
    char line[64];
    int port = 0;
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return 0;
    }
    const char *prefix = "TCP INET: ";
    if (fgets(line, (int)sizeof(line), file) != NULL &&
        strncmp(line, prefix, strlen(prefix)) == 0) {
        port = (int)strtol(line + strlen(prefix), NULL, 10);
    }
    (void)fclose(file);
    return port;
}

static bool has_ended(struct memcached_server *server)
{
    return waitpid(server->pid, NULL, WNOHANG) == server->pid;
}

bool memcached_server_restart(struct memcached_server *server)
{
    struct tmp_dir dir;
    if (tmp_dir_init(&dir) != 0) {
        return false;
    }
    char *port_file = tmp_dir_join(&dir, "port");
    server->pid = fork();
    if (server->pid == 0) {
        run(server->port, port_file);
    }
    int64_t deadline_ms = wait_deadline(WAIT_MS);
    while (server->pid > 0 && read_port(port_file) == 0) {
        if (has_ended(server) || !wait_turn(deadline_ms)) {
            (void)fprintf(stderr, "memcached did not start\n");
            server->pid = 0;
        }
    }
    free(port_file);
    (void)tmp_dir_deinit(&dir);
    (void)snprintf(server->address, sizeof(server->address), "127.0.0.1:%d", server->port);
    return server->pid > 0;
}

bool memcached_server_start(struct memcached_server *server)
{
    server->port = free_port();
    return memcached_server_restart(server);
}

void memcached_server_stop(struct memcached_server *server)
{
    if (server->pid > 0) {
        (void)kill(server->pid, SIGKILL);
        (void)waitpid(server->pid, NULL, 0);
        server->pid = 0;
    }
}

void memcached_server_freeze(struct memcached_server *server)
{
    int status = 0;
    assert_int_equal(kill(server->pid, SIGSTOP), 0);
    assert_int_equal(waitpid(server->pid, &status, WUNTRACED), server->pid);
    assert_true(WIFSTOPPED(status));
}

void memcached_server_thaw(struct memcached_server *server)
{
    assert_int_equal(kill(server->pid, SIGCONT), 0);
}

void memcached_server_flush(const struct memcached_server *server)
{
    static const char command[] = "flush_all\r\n";
    char answer[4];
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)server->port),
                                        .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(write(fd, command, sizeof(command) - 1), sizeof(command) - 1);
    assert_int_equal(read(fd, answer, sizeof(answer)), sizeof(answer)); /* "OK\r\n" */
    (void)close(fd);
}
