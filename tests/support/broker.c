/* SPDX-License-Identifier: Apache-2.0 */
/* Real message brokers; see broker.h. A broker is a process group, so that signals reach all of it.
 * RabbitMQ is several processes and would outlive a test that dies: a leader of ours waits for that
 * and kills the group. Its epmd, which Erlang would otherwise leave behind as a daemon, is started
 * beforehand and is one of them. */
#define _XOPEN_SOURCE 700

#include "support/broker.h"

#include "support/check.h"
#include "support/free_port.h"
#include "support/wait.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLOW_START_MS 90000

static bool accepts(int port)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)port),
                                        .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    bool is_open = connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
    (void)close(fd);
    return is_open;
}

void broker_init(struct broker *broker, enum broker_kind kind, const char *const *arguments)
{
    *broker = (struct broker){.kind = kind, .port = free_port()};
    assert_int_equal(tmp_dir_init(&broker->dir), 0);
    for (size_t i = 0; arguments != NULL && arguments[i] != NULL; i++) {
        assert_true(i + 1 < BROKER_ARGUMENTS_MAX);
        broker->arguments[i] = arguments[i];
    }
    (void)snprintf(broker->url, sizeof(broker->url), "%s://127.0.0.1:%d",
                   kind == BROKER_NATS ? "nats" : "amqp", broker->port);
}

/* ---- in the child ---- */

static void run(const char *program, const char *const *arguments)
{
    const union {
        const char *const *in;
        char *const *out;
    } argv = {.in = arguments};
    (void)execv(program, argv.out);
    _exit(127);
}

static void run_nats(const struct broker *broker)
{
    char port[16];
    const char *arguments[BROKER_ARGUMENTS_MAX + 8] = {"nats-server", "-a", "127.0.0.1", "-p",
                                                       port};
    (void)snprintf(port, sizeof(port), "%d", broker->port);
    for (size_t i = 0; i < BROKER_ARGUMENTS_MAX && broker->arguments[i] != NULL; i++) {
        arguments[5 + i] = broker->arguments[i];
    }
    run("/usr/sbin/nats-server", arguments);
}

static void set_path(const struct broker *broker, const char *name, const char *file)
{
    char path[TMP_DIR_PATH_MAX + 64];
    (void)snprintf(path, sizeof(path), "%s/%s", broker->dir.path, file);
    (void)setenv(name, path, 1);
}

static void set_number(const char *name, int number)
{
    char text[16];
    (void)snprintf(text, sizeof(text), "%d", number);
    (void)setenv(name, text, 1);
}

/* Nothing outside of the folder, no plugin, and one scheduler that does not spin. */
static void run_rabbitmq(const struct broker *broker, int dist_port, int epmd_port)
{
    glob_t found;
    char node[64];
    static const char *const paths[][2] = {
        {"HOME", ""},
        {"RABBITMQ_MNESIA_BASE", "mnesia"},
        {"RABBITMQ_LOG_BASE", "log"},
        {"RABBITMQ_CONFIG_FILE", "rabbitmq"},
        {"RABBITMQ_ENABLED_PLUGINS_FILE", "plugins"},
        {"RABBITMQ_PID_FILE", "pid"},
        {"RABBITMQ_GENERATED_CONFIG_DIR", "config"},
        {"RABBITMQ_FEATURE_FLAGS_FILE", "flags"},
    };
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        set_path(broker, paths[i][0], paths[i][1]);
    }
    (void)snprintf(node, sizeof(node), "p%d@localhost", broker->port);
    (void)setenv("RABBITMQ_NODENAME", node, 1);
    (void)setenv("RABBITMQ_CONF_ENV_FILE", "/dev/null", 1);
    (void)setenv("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1", 1);
    (void)setenv("ERL_EPMD_ADDRESS", "127.0.0.1", 1);
    (void)setenv("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                 "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1 +sbwt none", 1);
    set_number("RABBITMQ_NODE_PORT", broker->port);
    set_number("RABBITMQ_DIST_PORT", dist_port);
    set_number("ERL_EPMD_PORT", epmd_port);
    if (glob("/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server", 0, NULL, &found) ==
        0) {
        run(found.gl_pathv[0], (const char *const[]){"rabbitmq-server", NULL});
    }
    _exit(127);
}

static void end_group(int number)
{
    (void)number;
    (void)kill(0, SIGKILL);
}

static void run_epmd(int epmd_port)
{
    char port[16];
    glob_t found;
    (void)snprintf(port, sizeof(port), "%d", epmd_port);
    if (glob("/usr/lib/erlang/erts-*/bin/epmd", 0, NULL, &found) == 0) {
        run(found.gl_pathv[0],
            (const char *const[]){"epmd", "-port", port, "-address", "127.0.0.1", NULL});
    }
    _exit(127);
}

/* Never returns: ends with the script, or with the test and then takes all others along. */
static void lead_rabbitmq(const struct broker *broker, int dist_port, int epmd_port)
{
    const struct sigaction action = {.sa_handler = end_group};
    (void)sigaction(SIGTERM, &action, NULL);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (fork() == 0) {
        run_epmd(epmd_port);
    }
    pid_t script = fork();
    if (script == 0) {
        run_rabbitmq(broker, dist_port, epmd_port);
    }
    (void)waitpid(script, NULL, 0);
    end_group(0);
}

static void become(const struct broker *broker, int dist_port, int epmd_port)
{
    char log[TMP_DIR_PATH_MAX + 16];
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)setpgid(0, 0);
    (void)snprintf(log, sizeof(log), "%s/output", broker->dir.path);
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    (void)dup2(fd, STDOUT_FILENO);
    (void)dup2(fd, STDERR_FILENO);
    if (broker->kind == BROKER_NATS) {
        run_nats(broker);
    }
    lead_rabbitmq(broker, dist_port, epmd_port);
}

/* ---- in the test ---- */

static void prepare_rabbitmq(const struct broker *broker)
{
    char *cookie = tmp_dir_join(&broker->dir, ".erlang.cookie");
    if (access(cookie, F_OK) != 0) {
        assert_int_equal(tmp_dir_write(&broker->dir, ".erlang.cookie", "parley-tests"), 0);
        assert_int_equal(chmod(cookie, 0400), 0);
        assert_int_equal(tmp_dir_write(&broker->dir, "plugins", "[]."), 0);
    }
    free(cookie);
}

void broker_start(struct broker *broker)
{
    int dist_port = free_port();
    int epmd_port = free_port();
    int64_t deadline_ms = wait_deadline(SLOW_START_MS);
    if (broker->kind == BROKER_RABBITMQ) {
        prepare_rabbitmq(broker);
    }
    broker->pid = fork();
    assert_true(broker->pid >= 0);
    if (broker->pid == 0) {
        become(broker, dist_port, epmd_port);
        _exit(127);
    }
    (void)setpgid(broker->pid, broker->pid);
    while (!accepts(broker->port)) {
        if (waitpid(broker->pid, NULL, WNOHANG) == broker->pid) {
            broker->pid = 0;
            fail_msg("the broker ended at once; see %s/output", broker->dir.path);
        }
        wait_or_fail(deadline_ms, "the broker accepts connections", __FILE__, __LINE__);
    }
}

void broker_kill(struct broker *broker)
{
    if (broker->pid > 0) {
        assert_int_equal(kill(-broker->pid, SIGKILL), 0);
        assert_int_equal(waitpid(broker->pid, NULL, 0), broker->pid);
        broker->pid = 0;
        WAIT_FOR(!accepts(broker->port)); /* all of the group has ended */
    }
}

void broker_freeze(struct broker *broker)
{
    assert_int_equal(kill(-broker->pid, SIGSTOP), 0);
}

void broker_thaw(struct broker *broker)
{
    assert_int_equal(kill(-broker->pid, SIGCONT), 0);
}

void broker_deinit(struct broker *broker)
{
    broker_kill(broker);
    assert_int_equal(tmp_dir_deinit(&broker->dir), 0);
}
