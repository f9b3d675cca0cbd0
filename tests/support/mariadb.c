/* SPDX-License-Identifier: Apache-2.0 */
/* Real MariaDB servers; see mariadb.h. */
#define _XOPEN_SOURCE 700

#include "support/mariadb.h"

#include "support/check.h"
#include "support/wait.h"

#include <dirent.h>
#include <fcntl.h>
#include <mysql.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static const char cluster_path[] = PARLEY_CLUSTER;

/* Tests kill processes, not machines: what a server wrote is safe in the system's memory, and
 * nobody has to wait for a disk that other tests use too. */
static const char no_sync[] = "--mariadb=--innodb-flush-method=nosync";
static const char no_sync_frm[] = "--mariadb=--sync-frm=0";
static const char no_sync_binlog[] = "--mariadb=--sync-binlog=0";
/* Less than any server comes with: no statement may count on more. */
static const char small_packets[] = "--mariadb=--max-allowed-packet=4M";

/* Run the command with a pipe to its input and one from its output. */
static pid_t spawn(const char *const *arguments, int *input, FILE **output)
{
    int in[2];
    int out[2];
    pid_t pid = -1;
    posix_spawn_file_actions_t actions;
    const union {
        const char *const *in;
        char *const *out;
    } argv = {.in = arguments};
    if (pipe(in) != 0 || pipe(out) != 0) {
        return -1;
    }
    (void)fcntl(in[1], F_SETFD, FD_CLOEXEC);
    (void)fcntl(out[0], F_SETFD, FD_CLOEXEC);
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    (void)posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    (void)posix_spawn_file_actions_addclose(&actions, in[0]);
    (void)posix_spawn_file_actions_addclose(&actions, out[1]);
    if (posix_spawn(&pid, arguments[0], &actions, NULL, argv.out, environ) != 0) {
        pid = -1;
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)close(in[0]);
    (void)close(out[1]);
    *input = in[1];
    *output = fdopen(out[0], "r");
    return pid;
}

/* "shard-0       127.0.0.1:36981         pid 14520", then "ready". */
static bool read_ports(struct mariadb *servers, FILE *output)
{
    char line[256];
    while (fgets(line, sizeof(line), output) != NULL) {
        unsigned number = 0;
        unsigned port = 0;
        bool is_shard = sscanf(line, "shard-%u 127.0.0.1:%u", &number, &port) == 2;
        if (!is_shard && sscanf(line, "replica-%u 127.0.0.1:%u", &number, &port) == 2) {
            number += servers->shards;
        }
        if (port != 0 && number < MARIADB_MAX) {
            servers->ports[number] = port;
        }
        if (strcmp(line, "ready\n") == 0) {
            return true;
        }
    }
    return false;
}

static int start(struct mariadb *servers, unsigned shards, const char *const *options)
{
    char count[16];
    FILE *output = NULL;
    *servers = (struct mariadb){.shards = shards, .input = -1};
    if (tmp_dir_init(&servers->dir) != 0 || chmod(servers->dir.path, 0755) != 0) {
        perror("a scratch folder");
        return -1;
    }
    (void)snprintf(count, sizeof(count), "%u", shards);
    const char *const argv[] = {
        cluster_path, "up",       "--attached", "--dir",    servers->dir.path, "--shards", count,
        options[0],   options[1], options[2],   options[3], options[4],        NULL};
    servers->cluster = spawn(argv, &servers->input, &output);
    servers->credentials = tmp_dir_join(&servers->dir, "credentials");
    bool is_ready = servers->cluster > 0 && output != NULL && read_ports(servers, output);
    if (output != NULL) {
        (void)fclose(output);
    }
    if (!is_ready) {
        (void)fprintf(stderr, "MariaDB cannot be started\n");
        mariadb_stop(servers);
        return -1;
    }
    return 0;
}

int mariadb_start(struct mariadb *servers, unsigned shards)
{
    return start(servers, shards,
                 (const char *const[5]){no_sync, no_sync_frm, no_sync_binlog, small_packets});
}

int mariadb_start_replicated(struct mariadb *servers, unsigned shards)
{
    return start(
        servers, shards,
        (const char *const[5]){no_sync, no_sync_frm, no_sync_binlog, small_packets, "--replicas"});
}

int mariadb_start_safe(struct mariadb *servers, unsigned shards)
{
    return start(servers, shards, (const char *const[5]){small_packets});
}

void mariadb_stop(struct mariadb *servers)
{
    if (servers->input >= 0) {
        (void)close(servers->input);
    }
    if (servers->cluster > 0) {
        (void)waitpid(servers->cluster, NULL, 0);
    }
    (void)tmp_dir_deinit(&servers->dir);
    free(servers->credentials);
    *servers = (struct mariadb){.input = -1};
}

int mariadb_start_again(struct mariadb *servers)
{
    const char *const argv[] = {cluster_path, "up",        "--dir",        servers->dir.path,
                                no_sync,      no_sync_frm, no_sync_binlog, NULL};
    FILE *output = NULL;
    char line[256];
    int input = -1;
    int status = -1;
    pid_t pid = spawn(argv, &input, &output);
    while (output != NULL && fgets(line, sizeof(line), output) != NULL) {
    }
    if (pid <= 0 || waitpid(pid, &status, 0) != pid) {
        status = -1;
    }
    (void)close(input);
    (void)fclose(output);
    return status == 0 ? 0 : -1;
}

pid_t mariadb_pid(const struct mariadb *servers, unsigned number)
{
    char name[32];
    long pid = -1;
    bool is_shard = number < servers->shards;
    (void)snprintf(name, sizeof(name), "%s-%u/pid", is_shard ? "shard" : "replica",
                   is_shard ? number : number - servers->shards);
    char *path = tmp_dir_join(&servers->dir, name);
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        if (fscanf(file, "%ld", &pid) != 1) {
            pid = -1;
        }
        (void)fclose(file);
    }
    free(path);
    return (pid_t)pid;
}

static bool is_frozen(pid_t pid)
{
    char path[300];
    char state = 'T';
    (void)snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    DIR *tasks = opendir(path);
    if (tasks == NULL) {
        return false;
    }
    for (struct dirent *task = NULL; state == 'T' && (task = readdir(tasks)) != NULL;) {
        (void)snprintf(path, sizeof(path), "/proc/%d/task/%s/stat", (int)pid, task->d_name);
        FILE *file = task->d_name[0] == '.' ? NULL : fopen(path, "re");
        if (file != NULL) {
            if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1) {
                state = '?';
            }
            (void)fclose(file);
        }
    }
    (void)closedir(tasks);
    return state == 'T';
}

void mariadb_freeze(const struct mariadb *servers, unsigned number)
{
    pid_t pid = mariadb_pid(servers, number);
    assert_int_equal(kill(pid, SIGSTOP), 0);
    WAIT_FOR(is_frozen(pid));
}

void mariadb_thaw(const struct mariadb *servers, unsigned number)
{
    assert_int_equal(kill(mariadb_pid(servers, number), SIGCONT), 0);
}

char *mariadb_addresses(const struct mariadb *servers)
{
    size_t size = servers->shards * sizeof("127.0.0.1:65535/parley,");
    char *out = calloc(1, size + 1);
    for (unsigned i = 0; out != NULL && i < servers->shards; i++) {
        size_t used = strlen(out);
        (void)snprintf(out + used, size + 1 - used, "%s127.0.0.1:%u/parley", i == 0 ? "" : ",",
                       servers->ports[i]);
    }
    return out;
}

static MYSQL *connect_to(const struct mariadb *servers, unsigned shard, const char *database)
{
    char user[64] = "";
    char password[128] = "";
    FILE *file = fopen(servers->credentials, "re");
    if (file != NULL) {
        if (fscanf(file, "user = %63s password = %127s", user, password) != 2) {
            password[0] = '\0';
        }
        (void)fclose(file);
    }
    MYSQL *mysql = mysql_init(NULL);
    if (mysql_real_connect(mysql, "127.0.0.1", user, password, database, servers->ports[shard],
                           NULL, 0) == NULL) {
        (void)fprintf(stderr, "shard %u: %s\n", shard, mysql_error(mysql));
        mysql_close(mysql);
        return NULL;
    }
    return mysql;
}

int64_t mariadb_sum_in(const struct mariadb *servers, unsigned shard, const char *database,
                       const char *sql)
{
    int64_t sum = 0;
    MYSQL *mysql = connect_to(servers, shard, database);
    if (mysql == NULL) {
        return -1;
    }
    if (mysql_query(mysql, sql) != 0) {
        (void)fprintf(stderr, "%s: %s\n", sql, mysql_error(mysql));
        sum = -1;
    }
    MYSQL_RES *rows = sum == 0 ? mysql_store_result(mysql) : NULL;
    if (rows != NULL) {
        unsigned last = mysql_num_fields(rows) - 1;
        for (MYSQL_ROW row = mysql_fetch_row(rows); row != NULL; row = mysql_fetch_row(rows)) {
            sum += row[last] == NULL ? 0 : strtoll(row[last], NULL, 10);
        }
        mysql_free_result(rows);
    }
    mysql_close(mysql);
    return sum;
}

int64_t mariadb_sum(const struct mariadb *servers, unsigned shard, const char *sql)
{
    return mariadb_sum_in(servers, shard, "parley", sql);
}

int mariadb_run(const struct mariadb *servers, unsigned shard, const char *sql)
{
    return mariadb_sum(servers, shard, sql) < 0 ? -1 : 0;
}
