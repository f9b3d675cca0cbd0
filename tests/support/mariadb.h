/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_SUPPORT_MARIADB_H
#define PARLEY_TEST_SUPPORT_MARIADB_H

/* Real MariaDB servers, each a shard or the replica of one, started by deploy/local/cluster in a
 * scratch folder; they end with this process, however it ends. @thread one */

#include "support/tmp_dir.h"

#include <stdint.h>
#include <sys/types.h>

#define MARIADB_MAX 8

struct mariadb {
    struct tmp_dir dir;
    pid_t cluster; /* private: the command that watches over the servers */
    int input;     /* private: its standard input */
    unsigned shards;
    unsigned ports[MARIADB_MAX]; /* of the shards, then of their replicas */
    char *credentials;           /* a file */
};

/* Start them. Returns 0, or -1: it has been printed why. */
int mariadb_start(struct mariadb *servers, unsigned shards);
/* The same, as deploy/local/cluster starts them for people: what they wrote is on the disk. */
int mariadb_start_safe(struct mariadb *servers, unsigned shards);
/* With a replica for each: below, number shards + N is the replica of shard N. */
int mariadb_start_replicated(struct mariadb *servers, unsigned shards);
/* Stop all and remove the folder. */
void mariadb_stop(struct mariadb *servers);
/* Start those again that have died, on their old ports and data. Returns 0 or -1. */
int mariadb_start_again(struct mariadb *servers);
/* The process of a server; to be killed. */
pid_t mariadb_pid(const struct mariadb *servers, unsigned number);
/* Stop it with SIGSTOP and wait until none of its threads runs any more; let it go on. */
void mariadb_freeze(const struct mariadb *servers, unsigned number);
void mariadb_thaw(const struct mariadb *servers, unsigned number);

/* "host:port/database" of all, separated by commas. @return owned (free) */
char *mariadb_addresses(const struct mariadb *servers);

/* Run one statement on a server, in the database "parley". Returns 0, or -1: printed why. */
int mariadb_run(const struct mariadb *servers, unsigned shard, const char *sql);
/* The sum of the last column of its rows; -1: it failed, printed why. */
int64_t mariadb_sum(const struct mariadb *servers, unsigned shard, const char *sql);
/* The same in another database. */
int64_t mariadb_sum_in(const struct mariadb *servers, unsigned shard, const char *database,
                       const char *sql);

#endif /* PARLEY_TEST_SUPPORT_MARIADB_H */
