/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_STORE_MYSQL_H
#define PARLEY_STORE_MYSQL_H

/* Opens a store over MySQL or MariaDB: one database for each shard, which any number of nodes use
 * at once. */

#include "store/store.h"

enum store_mysql_tls {
    STORE_MYSQL_TLS_OFF,
    STORE_MYSQL_TLS_REQUIRED, /* encrypted, to whoever answers */
    STORE_MYSQL_TLS_VERIFIED, /* and the certificate names the host and is signed by tls_ca */
};

struct store_mysql_options {
    const char *shards;           /* "host:port/database", separated by commas; the order counts */
    const char *replicas;         /* of each shard, in the same order; "-": it has none. NULL or "":
                                     no shard has one. The account is the same */
    const char *credentials_file; /* lines "user = NAME", "password = TEXT"; read for each new
                                     connection, so that a rotated one is taken over */
    const char *user;             /* without a file */
    const char *password;
    enum store_mysql_tls tls;
    const char *tls_ca; /* PEM file; NULL or "": the system's authorities */

    unsigned writers;         /* writing threads of each shard; 0: 1 */
    unsigned readers;         /* reading threads of each shard; 0: 2 */
    unsigned connections_min; /* of each shard, kept open; 0: 1 */
    unsigned connections_max; /* of each shard; 0: writers + readers */
    unsigned idle_ms;         /* closed after so long without use; 0: 5 minutes */
    unsigned lifetime_ms;     /* closed after so long anyhow; 0: 1 hour */
    unsigned wait_ms;         /* for a free connection; 0: 1 second */
    unsigned connect_ms;      /* to make a connection, in whole seconds; 0: 2 seconds */
    unsigned deadline_ms;     /* for a transaction or a read; 0: 5 seconds */

    size_t batch_rows_max;  /* requests in one transaction; 0: 4096 */
    size_t batch_bytes_max; /* bodies in one transaction; 0: 8 MiB */
    size_t queue_bytes_max; /* waiting for one writer; 0: 64 MiB */
    unsigned busy_retry_ms; /* hint to clients when a queue is full or a shard is down; 0: 100 */
    bool auto_migrate;      /* apply missing migrations on open */
};

/* The servers' settings must be those of deploy/README.md, else a crash of one takes back what
 * others have read; a warning is logged (STORE_SHARD_NOT_DURABLE).
 *
 * Check or apply migrations on every shard (FAILED_PRECONDITION: a schema that this build does not
 * know and that does not declare to work with it, or databases in the wrong order; ABORTED: a table
 * that is to be changed is read for long), start the threads.
 * @return PARLEY_OK with *store owned (store_close). @thread start; blocks */
PL_MUST_CHECK enum parley_code store_mysql_open(const struct store_mysql_options *options,
                                                struct store **store, struct pl_error *err);

/* Apply missing migrations to every shard, under a lock of the server: safe to run twice, from two
 * nodes at once, and again after it was interrupted.
 * @param is_dry_run  only report what would be applied
 * @param report  called with a line of progress for each step; may be NULL. */
PL_MUST_CHECK enum parley_code store_mysql_migrate(const struct store_mysql_options *options,
                                                   bool is_dry_run,
                                                   void (*report)(void *context, const char *line),
                                                   void *context, struct pl_error *err);

#endif /* PARLEY_STORE_MYSQL_H */
